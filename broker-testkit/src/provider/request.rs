//! What a `Certificate` asks for, parsed from its spec; a refusal says field, value and what would do.

use std::time::Duration;

use serde_json::Value;

/// What is served where the spec names no validity.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(90 * DAY);
/// No longer than the authority's own certificate lives.
const LONGEST_VALIDITY: Duration = Duration::from_secs(10 * 365 * DAY);
const DAY: u64 = 86_400;

/// What the certificate may be used for: `spec.certType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// TLS servers; the default.
    Server,
    /// TLS clients.
    Client,
}

/// A request that can be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    fqdn: String,
    validity: Duration,
    usage: Usage,
}

/// Why a request cannot be met, in the words of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The condition's reason, in `PascalCase`.
    pub reason: &'static str,
    /// The field, the value found, and what would be accepted.
    pub message: String,
}

impl CertificateRequest {
    /// Reads the `spec` of a `Certificate`.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] with reason `InvalidFQDN`, `InvalidValidity` or `InvalidCertType`.
    pub fn parse(spec: &Value) -> Result<Self, Refusal> {
        let fqdn = match spec.get("fqdn") {
            Some(Value::String(name)) => dns_name(name)?,
            found => return Err(refuse_fqdn(&shown(found))),
        };
        let validity = match spec.get("validity") {
            None | Some(Value::Null) => DEFAULT_VALIDITY,
            Some(Value::String(text)) => {
                duration(text).ok_or_else(|| refuse_validity(&format!("{text:?}")))?
            }
            found => return Err(refuse_validity(&shown(found))),
        };
        let usage = match spec.get("certType").map(|found| (found, found.as_str())) {
            None | Some((Value::Null, _) | (_, Some("server"))) => Usage::Server,
            Some((_, Some("client"))) => Usage::Client,
            Some((found, _)) => {
                return Err(Refusal {
                    reason: "InvalidCertType",
                    message: format!("spec.certType is {found}; accepted are \"server\" and \"client\""),
                });
            }
        };
        Ok(Self { fqdn, validity, usage })
    }

    /// The DNS name to certify, in lower case.
    pub fn fqdn(&self) -> &str {
        &self.fqdn
    }

    /// How long the certificate is to live from the moment it is issued.
    pub fn validity(&self) -> Duration {
        self.validity
    }

    /// What it is to be used for.
    pub fn usage(&self) -> Usage {
        self.usage
    }
}

fn shown(found: Option<&Value>) -> String {
    found.map_or_else(|| "missing".to_owned(), ToString::to_string)
}

fn refuse_fqdn(found: &str) -> Refusal {
    Refusal {
        reason: "InvalidFQDN",
        message: format!(
            "spec.fqdn is {found}; accepted are DNS names such as \"app.corp.com\" or \"*.corp.com\", \
             of at most 253 characters in labels of at most 63"
        ),
    }
}

fn refuse_validity(found: &str) -> Refusal {
    Refusal {
        reason: "InvalidValidity",
        message: format!(
            "spec.validity is {found}; accepted are durations such as \"90d\", \"12h\" or \"1d12h\", \
             longer than zero and of at most 3650d"
        ),
    }
}

fn dns_name(name: &str) -> Result<String, Refusal> {
    let lower = name.to_ascii_lowercase();
    let labels = lower.strip_prefix("*.").unwrap_or(&lower);
    let fits = lower.len() <= 253 && labels.contains('.') && labels.split('.').all(is_label);
    if fits { Ok(lower) } else { Err(refuse_fqdn(&format!("{name:?}"))) }
}

fn is_label(label: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&label.len())
        && label.chars().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// `90d`, `12h`, `1d12h`: whole numbers with a unit each (w, d, h, m, s), added up.
fn duration(text: &str) -> Option<Duration> {
    let mut total = 0_u64;
    let mut number: Option<u64> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
            continue;
        }
        let unit = match c {
            'w' => 7 * DAY,
            'd' => DAY,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    let complete = number.is_none() && total > 0;
    Some(Duration::from_secs(total)).filter(|found| complete && *found <= LONGEST_VALIDITY)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_missions_order_is_a_server_certificate_for_ninety_days() {
        let request =
            CertificateRequest::parse(&json!({"fqdn": "App.internal.corp", "validity": "90d"})).unwrap();
        assert_eq!(request.fqdn(), "app.internal.corp");
        assert_eq!(request.validity(), Duration::from_secs(90 * DAY));
        assert_eq!(request.usage(), Usage::Server);
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let request =
            CertificateRequest::parse(&json!({"fqdn": "*.corp.com", "certType": "client"})).unwrap();
        assert_eq!(request.validity(), DEFAULT_VALIDITY);
        assert_eq!(request.usage(), Usage::Client);
    }

    #[test]
    fn durations_add_up() {
        assert_eq!(duration("1d12h"), Some(Duration::from_secs(DAY + 12 * 3_600)));
        assert_eq!(duration("2w"), Some(Duration::from_secs(14 * DAY)));
        assert_eq!(duration("90m30s"), Some(Duration::from_secs(90 * 60 + 30)));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_would_do() {
        for text in [
            "",
            "90",
            "d",
            "90 d",
            "-1d",
            "0d",
            "1.5d",
            "3651d",
            "99999999999999999999d",
            "9999999999999999w",
        ] {
            let refusal = CertificateRequest::parse(&json!({"fqdn": "a.b", "validity": text})).unwrap_err();
            assert_eq!(refusal.reason, "InvalidValidity", "{text}");
            assert!(refusal.message.contains("\"90d\""), "{}", refusal.message);
        }
        let refusal = CertificateRequest::parse(&json!({"fqdn": "a.b", "validity": 90})).unwrap_err();
        assert!(refusal.message.contains("is 90;"), "{}", refusal.message);
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_would_do() {
        let long = format!("{}.corp.com", "a".repeat(64));
        for name in
            ["", "app", "app..corp", "-a.corp", "a-.corp", "a_b.corp", "app.*.corp", "app.corp.", &long]
        {
            let refusal = CertificateRequest::parse(&json!({"fqdn": name})).unwrap_err();
            assert_eq!(refusal.reason, "InvalidFQDN", "{name}");
            assert!(refusal.message.contains("app.corp.com"), "{}", refusal.message);
        }
        assert!(CertificateRequest::parse(&json!({})).unwrap_err().message.contains("missing"));
    }

    #[test]
    fn an_unknown_type_is_refused_with_what_would_do() {
        let refusal = CertificateRequest::parse(&json!({"fqdn": "a.b", "certType": "root"})).unwrap_err();
        assert_eq!(refusal.reason, "InvalidCertType");
        assert!(refusal.message.contains("\"client\""), "{}", refusal.message);
    }
}
