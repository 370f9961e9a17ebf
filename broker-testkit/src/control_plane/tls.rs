//! The server's own certificate authority and serving certificate.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::StartError;

/// What TLS needs: the acceptor, and the authority that clients must trust.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) authority_pem: String,
    pub(crate) authority_der: Vec<u8>,
}

/// A fresh authority, and a certificate of it for loopback with its key.
pub(crate) struct Loopback {
    pub(crate) authority: Certificate,
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

impl Loopback {
    /// Makes them, under this name.
    pub(crate) fn new(name: &str) -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, format!("{name}-ca"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = params.self_signed(&authority_key)?;
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Self { authority, certificate, key })
    }
}

/// What the control plane serves with.
pub(crate) fn prepare() -> Result<Tls, StartError> {
    let Loopback { authority, certificate, key } = Loopback::new("embedded-control-plane")?;
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Tls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        authority_pem: authority.pem(),
        authority_der: authority.der().to_vec(),
    })
}
