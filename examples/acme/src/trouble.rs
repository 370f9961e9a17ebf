//! Why there is no certificate, in the words of a condition, and when it is asked for again.

use std::time::Duration;

use instant_acme::{Error, Problem};

/// What RFC 8555 (6.7) begins the types of problems with.
const TYPES: &str = "urn:ietf:params:acme:error:";
/// Servers count by the hour, and what they refuse today they rarely certify a moment later.
const LONG: Duration = Duration::from_hours(1);
/// A name that leads elsewhere is set right by a person.
const WHILE: Duration = Duration::from_mins(5);

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The condition's reason.
    pub(crate) reason: &'static str,
    /// The condition's message: the name, and the server's own words.
    pub(crate) message: String,
    /// After how long it is tried again; `None` where that is soon at first, and later each time.
    pub(crate) pause: Option<Duration>,
    /// The server does not know the account.
    pub(crate) stranger: bool,
}

impl Trouble {
    /// What an error of an order for this name means.
    pub(crate) fn of(fqdn: &str, error: &Error) -> Self {
        if let Error::Api(problem) = error {
            Self::problem(fqdn, problem)
        } else {
            Self::unavailable(fqdn, &chain(error))
        }
    }

    /// The server cannot be asked, or has trouble of its own.
    pub(crate) fn unavailable(fqdn: &str, why: &str) -> Self {
        Self {
            reason: "AuthorityUnavailable",
            message: format!("the authority cannot be asked for {fqdn}: {why}"),
            pause: None,
            stranger: false,
        }
    }

    fn problem(fqdn: &str, problem: &Problem) -> Self {
        let kind = problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(TYPES)).unwrap_or_default();
        // Subproblems say which name is meant, and there is one.
        let details =
            problem.detail.iter().chain(problem.subproblems.iter().filter_map(|one| one.detail.as_ref()));
        let said = details.map(String::as_str).collect::<Vec<_>>().join("; ");
        let (reason, what, pause) = match kind {
            "rateLimited" => ("RateLimited", "issues no more for a while", LONG),
            "rejectedIdentifier" | "unsupportedIdentifier" | "caa" | "badCSR" | "malformed" => {
                ("RefusedByAuthority", "refuses to certify it", LONG)
            }
            "unauthorized" | "connection" | "dns" | "incorrectResponse" | "tls" => {
                ("NotValidated", "could not see that the name is ours", WHILE)
            }
            "userActionRequired" | "externalAccountRequired" => {
                ("AccountRefused", "wants something of its account's owner first", LONG)
            }
            _ => {
                let stranger = kind == "accountDoesNotExist";
                return Self { stranger, ..Self::unavailable(fqdn, &said) };
            }
        };
        let message = format!("{fqdn}: the authority {what}: {said}");
        Self { reason, message, pause: Some(pause), stranger: false }
    }
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn told(kind: &str) -> Trouble {
        let problem =
            json!({"type": format!("{TYPES}{kind}"), "detail": "words of the server", "status": 400});
        Trouble::of("app.corp.com", &Error::Api(serde_json::from_value(problem).unwrap()))
    }

    #[test]
    fn each_refusal_has_its_reason_and_its_pause() {
        for (kind, reason, pause) in [
            ("rateLimited", "RateLimited", Some(LONG)),
            ("rejectedIdentifier", "RefusedByAuthority", Some(LONG)),
            ("caa", "RefusedByAuthority", Some(LONG)),
            ("unauthorized", "NotValidated", Some(WHILE)),
            ("dns", "NotValidated", Some(WHILE)),
            ("userActionRequired", "AccountRefused", Some(LONG)),
            ("serverInternal", "AuthorityUnavailable", None),
            ("accountDoesNotExist", "AuthorityUnavailable", None),
        ] {
            let trouble = told(kind);
            assert_eq!((trouble.reason, trouble.pause), (reason, pause), "{kind}");
            assert!(trouble.message.contains("app.corp.com"), "{}", trouble.message);
            assert!(trouble.message.contains("words of the server"), "{}", trouble.message);
            assert_eq!(trouble.stranger, kind == "accountDoesNotExist");
        }
    }

    #[test]
    fn what_a_subproblem_says_is_told_too() {
        let problem = json!({
            "type": format!("{TYPES}malformed"), "detail": "some identifiers were rejected",
            "subproblems": [{"type": format!("{TYPES}caa"), "detail": "CAA forbids it"}],
        });
        let trouble = Trouble::of("app.corp.com", &Error::Api(serde_json::from_value(problem).unwrap()));
        assert!(
            trouble.message.ends_with("some identifiers were rejected; CAA forbids it"),
            "{}",
            trouble.message
        );
    }

    #[test]
    fn what_is_no_answer_of_a_server_is_tried_again_soon() {
        let trouble = Trouble::of("app.corp.com", &Error::Str("no nonce"));
        assert_eq!((trouble.reason, trouble.pause), ("AuthorityUnavailable", None));
    }
}
