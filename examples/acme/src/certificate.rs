//! What is in a Secret: which certificate, until when; and whether a client that trusts a root would accept it.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The DNS names that it is for.
    pub names: BTreeSet<String>,
    /// Its serial number, hexadecimal with colons.
    pub serial: String,
    /// From when it is valid.
    pub not_before: OffsetDateTime,
    /// Until when it is valid.
    pub not_after: OffsetDateTime,
}

impl Leaf {
    /// When it is to be ordered anew: when two thirds of its life are over.
    pub(crate) fn renewal(&self) -> OffsetDateTime {
        self.not_before + (self.not_after - self.not_before) * 2 / 3
    }

    /// Whether it is for this name alone, and not over.
    pub(crate) fn serves(&self, fqdn: &str, now: OffsetDateTime) -> bool {
        self.names.iter().eq([fqdn]) && now < self.not_after
    }
}

/// The certificate in `tls.crt`, where `tls.key` is its key.
pub fn leaf(secret: &Secret) -> Option<Leaf> {
    let first = chain(secret)?.into_iter().next()?;
    let (_, leaf) = X509Certificate::from_der(&first).ok()?;
    let key = KeyPair::from_pem(std::str::from_utf8(entry(secret, "tls.key")?).ok()?).ok()?;
    if key.subject_public_key_info() != leaf.public_key().raw {
        return None;
    }
    let alternatives = leaf.subject_alternative_name().ok()??;
    let names = alternatives.value.general_names.iter().filter_map(dns_name);
    Some(Leaf {
        names: names.collect(),
        serial: leaf.raw_serial_as_string(),
        not_before: leaf.validity().not_before.to_datetime(),
        not_after: leaf.validity().not_after.to_datetime(),
    })
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None }
}

/// Whether a client that trusts this root (in PEM) would talk to a server of this name with the Secret's chain, by the rules
/// of TLS.
///
/// # Errors
/// What it would say against it.
pub fn chains_to(secret: &Secret, root: &str, fqdn: &str) -> Result<(), String> {
    let chain = chain(secret).ok_or("tls.crt is no chain of certificates")?;
    let (leaf, between) = chain.split_first().ok_or("tls.crt is empty")?;
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).map_err(|error| error.to_string())?;
    roots.add(root).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(fqdn).map_err(|error| error.to_string())?;
    let judged = verifier.verify_server_cert(leaf, between, &name, &[], UnixTime::now());
    judged.map(|_| ()).map_err(|error| error.to_string())
}

fn chain(secret: &Secret) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(entry(secret, "tls.crt")?).collect::<Result<_, _>>().ok()
}

fn entry<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    secret.data.as_ref()?.get(key).map(|value| value.0.as_slice())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use broker_testkit::provider::{CertificateRequest, Issued, Issuer};
    use k8s_openapi::ByteString;
    use serde_json::json;

    use super::*;

    fn issued(issuer: &Issuer) -> Issued {
        let request = json!({"fqdn": "app.corp.com", "validity": "90d"});
        issuer.issue(&CertificateRequest::parse(&request).unwrap()).unwrap()
    }

    fn secret(chain: &str, key: &str) -> Secret {
        let data = [("tls.crt", chain), ("tls.key", key)];
        let data = data.map(|(name, text)| (name.to_owned(), ByteString(text.as_bytes().to_vec())));
        Secret { data: Some(BTreeMap::from(data)), ..Secret::default() }
    }

    #[test]
    fn a_chain_is_accepted_for_its_name_under_its_root_alone() {
        let (issuer, other) = (Issuer::new("CA").unwrap(), Issuer::new("CA").unwrap());
        let whole = issued(&issuer);
        let secret = secret(&whole.chain, &whole.key);
        assert_eq!(chains_to(&secret, &whole.root, "app.corp.com"), Ok(()));
        assert!(chains_to(&secret, &whole.root, "shop.corp.com").is_err());
        let stranger = std::str::from_utf8(other.certificate().pem()).unwrap().to_owned();
        assert!(chains_to(&secret, &stranger, "app.corp.com").is_err());
    }

    #[test]
    fn a_certificate_without_its_key_is_none() {
        let issuer = Issuer::new("CA").unwrap();
        let (one, other) = (issued(&issuer), issued(&issuer));
        assert!(leaf(&secret(&one.chain, &one.key)).unwrap().names.iter().eq(["app.corp.com"]));
        assert_eq!(leaf(&secret(&one.chain, &other.key)), None);
        assert_eq!(leaf(&secret("", &one.key)), None);
        assert_eq!(leaf(&Secret::default()), None);
    }

    #[test]
    fn it_is_renewed_when_a_third_of_its_life_is_left() {
        let now = OffsetDateTime::now_utc();
        let day = time::Duration::DAY;
        let names = BTreeSet::from(["app.corp.com".to_owned()]);
        let leaf = Leaf { names, serial: String::new(), not_before: now, not_after: now + day * 90 };
        assert_eq!(leaf.renewal(), now + day * 60);
        assert!(leaf.serves("app.corp.com", now + day * 61));
        assert!(!leaf.serves("app.corp.com", now + day * 90));
        assert!(!leaf.serves("shop.corp.com", now));
    }
}
