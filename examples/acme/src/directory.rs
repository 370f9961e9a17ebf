//! Where an ACME server is, and how it is talked to: with the TLS that everything here uses.

use std::pin::Pin;

use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use instant_acme::{Account, AccountBuilder, BodyWrapper, BytesResponse, Error, HttpClient};
use kube::Config;
use kube::client::ConfigExt as _;
use thiserror::Error;
use x509_parser::pem::Pem;

/// Why an ACME server cannot be asked.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Its address is none.
    #[error("{url:?} is no address of an ACME directory")]
    Address {
        /// What was given.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is to be trusted is no certificate.
    #[error("what is to be trusted is no certificate in PEM")]
    Trust,
    /// There is no TLS.
    #[error("no TLS to talk to an ACME server with")]
    Tls(#[source] Box<kube::Error>),
}

/// An ACME server's directory.
#[derive(Debug, Clone)]
pub struct Directory {
    url: String,
    config: Config,
}

impl Directory {
    /// The directory at this address, such as `https://acme-v02.api.letsencrypt.org/directory`. The server is trusted where
    /// this machine trusts it; with `trust`, certificates in PEM, where one of them signed for it.
    pub fn new(url: &str, trust: Option<&str>) -> Result<Self, DirectoryError> {
        let address = url
            .parse()
            .map_err(|source| DirectoryError::Address { url: url.to_owned(), source: Box::new(source) })?;
        let mut config = Config::new(address);
        if let Some(pem) = trust {
            let certificates: Result<Vec<Pem>, _> = Pem::iter_from_buffer(pem.as_bytes()).collect();
            let found = certificates.map_err(|_| DirectoryError::Trust)?;
            if found.is_empty() {
                return Err(DirectoryError::Trust);
            }
            config.root_cert = Some(found.into_iter().map(|pem| pem.contents).collect());
        }
        Ok(Self { url: url.to_owned(), config })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// For an account there.
    pub(crate) fn builder(&self) -> Result<AccountBuilder, DirectoryError> {
        let connector =
            self.config.rustls_https_connector().map_err(|source| DirectoryError::Tls(Box::new(source)))?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Account::builder_with_http(Box::new(Https(client))))
    }
}

struct Https<C>(Client<C, BodyWrapper<Bytes>>);

impl<C: Connect + Clone + Send + Sync + 'static> HttpClient for Https<C> {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let answer = self.0.request(request);
        Box::pin(async move {
            answer.await.map(BytesResponse::from).map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_not_trusted_unnoticed() {
        let url = "https://127.0.0.1:14000/dir";
        assert!(matches!(Directory::new(url, Some("nothing")), Err(DirectoryError::Trust)));
        assert!(matches!(Directory::new("https://", None), Err(DirectoryError::Address { .. })));
        assert!(Directory::new(url, None).is_ok());
    }
}
