//! Does a Secret hold a certificate one can use: complete, key and certificate of one pair, signed by
//! one of the authorities that may have signed it? Decided from the Secret's bytes alone; the [`Verdict`]
//! carries nothing of them but what the certificate says in public.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rcgen::{KeyPair, PublicKeyData};
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::request::Usage;

/// Why something is no authority's certificate.
#[derive(Debug, Error)]
pub enum AnchorError {
    /// It is not a certificate in PEM.
    #[error("{name:?}: not a certificate in PEM")]
    Unreadable {
        /// The name it was given under.
        name: String,
    },
    /// It is one, but not an authority's.
    #[error("{name:?}: the certificate may not sign others (no CA constraint)")]
    NotAnAuthority {
        /// The name it was given under.
        name: String,
    },
}

/// A root certificate to verify against, without its key.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorityCertificate {
    name: String,
    pem: Vec<u8>,
    der: Vec<u8>,
}

impl fmt::Debug for AuthorityCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityCertificate").field("name", &self.name).finish_non_exhaustive()
    }
}

impl AuthorityCertificate {
    /// Reads the first certificate of a PEM file; `name` is how verdicts call the authority.
    pub fn from_pem(name: &str, pem: &[u8]) -> Result<Self, AnchorError> {
        let unreadable = || AnchorError::Unreadable { name: name.to_owned() };
        let der = first_der(pem).ok_or_else(unreadable)?;
        let (_, root) = X509Certificate::from_der(&der).map_err(|_| unreadable())?;
        if !root.is_ca() {
            return Err(AnchorError::NotAnAuthority { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), pem: pem.to_vec(), der })
    }

    /// The authority's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The root in PEM.
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }

    fn signed(&self, leaf: &X509Certificate<'_>) -> bool {
        X509Certificate::from_der(&self.der).is_ok_and(|(_, root)| {
            root.subject() == leaf.issuer() && leaf.verify_signature(Some(root.public_key())).is_ok()
        })
    }
}

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The name of the authority that signed it, as its [`AuthorityCertificate`] was named.
    pub authority: String,
    /// Its subject alternative names of the DNS kind.
    pub names: BTreeSet<String>,
    /// Its serial number, hexadecimal with colons.
    pub serial: String,
    /// From when it is valid.
    pub not_before: OffsetDateTime,
    /// Until when it is valid.
    pub not_after: OffsetDateTime,
    /// Its extended key usages, of those a request may ask for.
    pub usages: Vec<Usage>,
}

/// What a look at a Secret found. The order of the checks is the order of the variants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is no Secret.
    Missing,
    /// `tls.crt`, `tls.key` or `ca.crt` is absent or empty.
    Empty {
        /// Which one.
        key: &'static str,
    },
    /// One of them is not what its name promises.
    Malformed {
        /// Which one.
        key: &'static str,
    },
    /// Key, certificate and root are not of one piece: parts of two certificates stand side by side.
    Mismatched,
    /// None of the given authorities signed it.
    Unsigned,
    /// It can be used.
    Fine(Box<Leaf>),
}

impl Verdict {
    /// The certificate, where it can be used.
    pub fn leaf(&self) -> Option<&Leaf> {
        match self {
            Self::Fine(leaf) => Some(leaf),
            Self::Missing
            | Self::Empty { .. }
            | Self::Malformed { .. }
            | Self::Mismatched
            | Self::Unsigned => None,
        }
    }
}

/// Looks at a Secret of type `kubernetes.io/tls` with a `ca.crt`, as [`super::CertificateAuthority`] writes it.
pub fn verify(secret: Option<&Secret>, authorities: &[AuthorityCertificate]) -> Verdict {
    let Some(secret) = secret else { return Verdict::Missing };
    match inspect(secret, authorities) {
        Ok(leaf) => Verdict::Fine(Box::new(leaf)),
        Err(verdict) => verdict,
    }
}

fn inspect(secret: &Secret, authorities: &[AuthorityCertificate]) -> Result<Leaf, Verdict> {
    let chain = entry(secret, "tls.crt")?;
    let key = entry(secret, "tls.key")?;
    let root = entry(secret, "ca.crt")?;

    let der = first_der(chain).ok_or(Verdict::Malformed { key: "tls.crt" })?;
    let (_, leaf) = X509Certificate::from_der(&der).map_err(|_| Verdict::Malformed { key: "tls.crt" })?;
    let pair = std::str::from_utf8(key)
        .ok()
        .and_then(|pem| KeyPair::from_pem(pem).ok())
        .ok_or(Verdict::Malformed { key: "tls.key" })?;
    let root =
        AuthorityCertificate::from_pem("ca.crt", root).map_err(|_| Verdict::Malformed { key: "ca.crt" })?;

    if pair.subject_public_key_info() != leaf.public_key().raw || !root.signed(&leaf) {
        return Err(Verdict::Mismatched);
    }
    let authority = authorities.iter().find(|known| known.signed(&leaf)).ok_or(Verdict::Unsigned)?;
    describe(&leaf, authority).ok_or(Verdict::Malformed { key: "tls.crt" })
}

fn entry<'a>(secret: &'a Secret, key: &'static str) -> Result<&'a [u8], Verdict> {
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        Some(ByteString(bytes)) if !bytes.is_empty() => Ok(bytes),
        Some(_) | None => Err(Verdict::Empty { key }),
    }
}

fn first_der(pem: &[u8]) -> Option<Vec<u8>> {
    let found = Pem::iter_from_buffer(pem).next()?.ok()?;
    (found.label == "CERTIFICATE").then_some(found.contents)
}

fn describe(leaf: &X509Certificate<'_>, authority: &AuthorityCertificate) -> Option<Leaf> {
    let alternatives = leaf.subject_alternative_name().ok()?;
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    let extended = leaf.extended_key_usage().ok()?;
    let usages = extended.map(|extension| {
        let server = extension.value.server_auth.then_some(Usage::Server);
        let client = extension.value.client_auth.then_some(Usage::Client);
        server.into_iter().chain(client).collect()
    });
    Some(Leaf {
        authority: authority.name.clone(),
        names: names.filter_map(dns_name).collect(),
        serial: leaf.raw_serial_as_string(),
        not_before: leaf.validity().not_before.to_datetime(),
        not_after: leaf.validity().not_after.to_datetime(),
        usages: usages.unwrap_or_default(),
    })
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::provider::{CertificateRequest, Issued, Issuer};

    fn request() -> CertificateRequest {
        CertificateRequest::parse(&json!({"fqdn": "app.internal.corp", "validity": "1d"})).unwrap()
    }

    fn secret(chain: &str, key: &str, root: &str) -> Secret {
        let data = [("tls.crt", chain), ("tls.key", key), ("ca.crt", root)];
        let data = data.map(|(name, text)| (name.to_owned(), ByteString(text.as_bytes().to_vec())));
        Secret { data: Some(BTreeMap::from(data)), ..Secret::default() }
    }

    fn whole(issued: &Issued) -> Secret {
        secret(&issued.chain, &issued.key, &issued.root)
    }

    #[test]
    fn what_an_authority_issues_is_fine_and_says_what_was_asked() {
        let issuer = Issuer::new("Internal CA").unwrap();
        let verdict =
            verify(Some(&whole(&issuer.issue(&request()).unwrap())), &[issuer.certificate().clone()]);
        let leaf = verdict.leaf().unwrap_or_else(|| panic!("{verdict:?}"));
        assert_eq!(leaf.authority, "Internal CA");
        assert_eq!(leaf.names, BTreeSet::from(["app.internal.corp".to_owned()]));
        assert_eq!(leaf.usages, [Usage::Server]);
        assert!(leaf.not_after - OffsetDateTime::now_utc() <= time::Duration::days(1));
        assert!(leaf.not_after - OffsetDateTime::now_utc() > time::Duration::hours(23));
    }

    #[test]
    fn an_authority_of_the_same_name_is_another_one() {
        let (one, other) = (Issuer::new("CA").unwrap(), Issuer::new("CA").unwrap());
        let found = whole(&one.issue(&request()).unwrap());
        assert_eq!(verify(Some(&found), &[other.certificate().clone()]), Verdict::Unsigned);
        assert_eq!(verify(Some(&found), &[]), Verdict::Unsigned);
        let both = [other.certificate().clone(), one.certificate().clone()];
        assert!(verify(Some(&found), &both).leaf().is_some());
    }

    #[test]
    fn parts_of_two_certificates_are_mismatched() {
        let issuer = Issuer::new("CA").unwrap();
        let other = Issuer::new("CA").unwrap();
        let trusted = [issuer.certificate().clone(), other.certificate().clone()];
        let (a, b) = (issuer.issue(&request()).unwrap(), other.issue(&request()).unwrap());
        for torn in [
            secret(&a.chain, &b.key, &a.root),
            secret(&a.chain, &a.key, &b.root),
            secret(&b.chain, &a.key, &a.root),
        ] {
            assert_eq!(verify(Some(&torn), &trusted), Verdict::Mismatched);
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let issuer = Issuer::new("CA").unwrap();
        let trusted = [issuer.certificate().clone()];
        let a = issuer.issue(&request()).unwrap();
        assert_eq!(verify(None, &trusted), Verdict::Missing);
        assert_eq!(verify(Some(&Secret::default()), &trusted), Verdict::Empty { key: "tls.crt" });
        assert_eq!(verify(Some(&secret(&a.chain, "", &a.root)), &trusted), Verdict::Empty { key: "tls.key" });
        assert_eq!(verify(Some(&secret(&a.chain, &a.key, "")), &trusted), Verdict::Empty { key: "ca.crt" });
        assert_eq!(
            verify(Some(&secret("x", &a.key, &a.root)), &trusted),
            Verdict::Malformed { key: "tls.crt" }
        );
        assert_eq!(
            verify(Some(&secret(&a.chain, "x", &a.root)), &trusted),
            Verdict::Malformed { key: "tls.key" }
        );
        assert_eq!(
            verify(Some(&secret(&a.chain, &a.key, &a.chain)), &trusted),
            Verdict::Malformed { key: "ca.crt" }
        );
    }

    #[test]
    fn a_key_is_never_shown() {
        let issued = Issuer::new("CA").unwrap().issue(&request()).unwrap();
        assert!(!format!("{issued:?}").contains("PRIVATE"));
    }
}
