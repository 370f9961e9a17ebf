//! An authority's root and what it signs: X.509 alone, no cluster.
//!
//! The root lives in memory for as long as the value does: a new [`Issuer`] of the same name is another
//! authority, and nothing signed by the former one verifies against it.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

use super::request::{CertificateRequest, Usage};
use super::verify::AuthorityCertificate;

/// Clocks differ: a certificate is valid from a little before it was issued.
pub(super) const BACKDATED: Duration = Duration::minutes(5);
/// The root outlives the longest certificate a request may ask for.
const ROOT_LIFETIME: Duration = Duration::days(20 * 365);

/// Why nothing could be signed. What is wrong with a request is a [`super::Refusal`], not this.
#[derive(Debug, Error)]
pub enum IssueError {
    /// Making a key or signing failed.
    #[error("cannot sign {subject:?}")]
    Sign {
        /// The name to be certified.
        subject: String,
        /// What the library said.
        #[source]
        source: rcgen::Error,
    },
    /// The root that was just made cannot be read back.
    #[error("the root of {name:?} cannot be read back")]
    Root {
        /// The authority's name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: super::verify::AnchorError,
    },
}

/// A certificate with its key, ready for a Secret. `Debug` shows no key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate in PEM: the chain up to, not with, the root.
    pub chain: String,
    /// The private key in PEM (PKCS #8).
    pub key: String,
    /// The root in PEM.
    pub root: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// A root certificate with its key, and the name it signs under.
pub struct Issuer {
    name: String,
    root: CertifiedIssuer<'static, KeyPair>,
    certificate: AuthorityCertificate,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Makes a root of this common name.
    pub fn new(name: &str) -> Result<Self, IssueError> {
        let failed = |source| IssueError::Sign { subject: name.to_owned(), source };
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = now - BACKDATED;
        params.not_after = now + ROOT_LIFETIME;
        let root =
            KeyPair::generate().and_then(|key| CertifiedIssuer::self_signed(params, key)).map_err(failed)?;
        let certificate = AuthorityCertificate::from_pem(name, root.pem().as_bytes())
            .map_err(|source| IssueError::Root { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), root, certificate })
    }

    /// The authority's name, the common name of its root.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The root as others verify against it.
    pub fn certificate(&self) -> &AuthorityCertificate {
        &self.certificate
    }

    /// Makes a key and certifies it for what the request asks.
    pub fn issue(&self, request: &CertificateRequest) -> Result<Issued, IssueError> {
        let failed = |source| IssueError::Sign { subject: request.fqdn().to_owned(), source };
        let now = OffsetDateTime::now_utc();
        let mut params = CertificateParams::new([request.fqdn().to_owned()]).map_err(failed)?;
        // A common name holds 64 characters; the subject alternative name is what counts.
        params.distinguished_name =
            if request.fqdn().len() <= 64 { common_name(request.fqdn()) } else { DistinguishedName::new() };
        params.not_before = now - BACKDATED;
        params.not_after = now + request.validity();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match request.usage() {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.root).map_err(failed)?;
        Ok(Issued { chain: certificate.pem(), key: key.serialize_pem(), root: self.root.pem() })
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
