//! The status a `Certificate` gets: pure, so that the same outcome for the same object is the same status
//! and nothing is written twice.

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::request::Refusal;
use super::verify::Leaf;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The Secret holds this certificate.
    Issued(Leaf),
    /// Nothing is issued for now, and nobody knows until when.
    Withheld,
    /// The request cannot be met as it stands.
    Refused(Refusal),
}

impl Outcome {
    fn ready(&self) -> (&'static str, &str, String) {
        match self {
            Self::Issued(leaf) => {
                let names: Vec<&str> = leaf.names.iter().map(String::as_str).collect();
                ("True", "Issued", format!("issued for {} by {}", names.join(", "), leaf.authority))
            }
            Self::Withheld => ("False", "Pending", "the authority has not issued it yet".to_owned()),
            Self::Refused(refusal) => ("False", refusal.reason, refusal.message.clone()),
        }
    }
}

/// The whole status: what this authority says about the object's present generation. `related` is what
/// `relatedResources` names, if anything.
pub(super) fn status(
    copy: &DynamicObject,
    outcome: &Outcome,
    related: Option<Value>,
    now: Timestamp,
) -> Value {
    let generation = copy.metadata.generation.unwrap_or(1);
    let (ready, reason, message) = outcome.ready();
    let mut status = Map::new();
    status.insert("observedGeneration".to_owned(), json!(generation));
    status.insert(
        "conditions".to_owned(),
        json!([{
            "type": "Ready",
            "status": ready,
            "reason": reason,
            "message": message,
            "observedGeneration": generation,
            "lastTransitionTime": ready_since(copy, ready, now),
        }]),
    );
    if let Some(related) = related {
        status.insert("relatedResources".to_owned(), related);
    }
    if let Outcome::Issued(leaf) = outcome {
        status.insert("serialNumber".to_owned(), json!(leaf.serial));
        status.insert("issuer".to_owned(), json!(leaf.authority));
        if let Ok(not_after) = format_rfc3339(leaf.not_after) {
            status.insert("notAfter".to_owned(), json!(not_after));
        }
    }
    Value::Object(status)
}

/// Since when the condition `Ready` has this status: from now on, unless it has it already.
pub(super) fn ready_since(copy: &DynamicObject, ready: &str, now: Timestamp) -> String {
    since(copy, "Ready", ready, now)
}

/// Since when a condition has this status: from now on, unless it has it already.
pub(super) fn since(copy: &DynamicObject, type_: &str, status: &str, now: Timestamp) -> String {
    transition(copy, type_, status).unwrap_or_else(|| to_the_second(now))
}

/// When the condition last changed its status, if it has this one already.
fn transition(copy: &DynamicObject, type_: &str, status: &str) -> Option<String> {
    let conditions = copy.data.pointer("/status/conditions")?.as_array()?;
    let present = conditions.iter().find(|condition| condition.get("type") == Some(&json!(type_)))?;
    let same = present.get("status") == Some(&json!(status));
    let time = present.get("lastTransitionTime")?.as_str()?;
    same.then(|| time.to_owned())
}

fn to_the_second(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn format_rfc3339(time: OffsetDateTime) -> Result<String, time::error::Format> {
    time.format(&Rfc3339)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn copy(status: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
            "metadata": {"name": "c", "namespace": "default", "generation": 3},
            "status": status,
        }))
        .unwrap()
    }

    fn leaf() -> Leaf {
        Leaf {
            authority: "Internal CA".to_owned(),
            names: ["app.internal.corp".to_owned()].into(),
            serial: "0a:0b".to_owned(),
            not_before: OffsetDateTime::UNIX_EPOCH,
            not_after: OffsetDateTime::UNIX_EPOCH + time::Duration::days(1),
            usages: Vec::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_issued_certificate_says_by_whom_until_when_and_for_which_generation() {
        let status = status(&copy(&json!({})), &Outcome::Issued(leaf()), Some(json!({"secret": {}})), at(0));
        assert_eq!(
            status,
            json!({
                "observedGeneration": 3,
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Issued", "observedGeneration": 3,
                    "message": "issued for app.internal.corp by Internal CA",
                    "lastTransitionTime": "1970-01-01T00:00:00Z",
                }],
                "relatedResources": {"secret": {}},
                "serialNumber": "0a:0b", "issuer": "Internal CA", "notAfter": "1970-01-02T00:00:00Z",
            })
        );
    }

    #[test]
    fn the_same_outcome_later_is_the_same_status() {
        let first = status(&copy(&json!({})), &Outcome::Withheld, None, at(0));
        assert_eq!(status(&copy(&first), &Outcome::Withheld, None, at(60)), first);
    }

    #[test]
    fn another_outcome_later_is_a_transition() {
        let first = status(&copy(&json!({})), &Outcome::Withheld, None, at(0));
        let second = status(&copy(&first), &Outcome::Issued(leaf()), None, at(60));
        assert_eq!(second.pointer("/conditions/0/lastTransitionTime"), Some(&json!("1970-01-01T00:01:00Z")));
    }

    #[test]
    fn a_refusal_gives_its_reason_and_message() {
        let refusal = Refusal { reason: "InvalidFQDN", message: "spec.fqdn is 3".to_owned() };
        let status = status(&copy(&json!({})), &Outcome::Refused(refusal), None, at(0));
        assert_eq!(status.pointer("/conditions/0/reason"), Some(&json!("InvalidFQDN")));
        assert_eq!(status.pointer("/conditions/0/message"), Some(&json!("spec.fqdn is 3")));
        assert_eq!(status.get("issuer"), None);
    }
}
