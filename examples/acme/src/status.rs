//! The status a `Certificate` gets: pure, so that the same outcome for the same object is the same status and nothing is
//! written twice.

use broker_testkit::provider::Refusal;
use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use crate::certificate::Leaf;
use crate::trouble::Trouble;

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The Secret holds this certificate. It should be renewed by now where there is trouble with that.
    Issued(Leaf, Option<Trouble>),
    /// The authority was asked.
    Ordered,
    /// The request cannot be met as it stands.
    Refused(Refusal),
    /// There is no certificate for now.
    Failed(Trouble),
}

impl Outcome {
    fn ready(&self, authority: &str) -> (&'static str, &str, String) {
        match self {
            Self::Issued(leaf, _) => {
                let names: Vec<&str> = leaf.names.iter().map(String::as_str).collect();
                ("True", "Issued", format!("issued for {} by {authority}", names.join(", ")))
            }
            Self::Ordered => ("False", "Ordered", format!("ordered from {authority}")),
            Self::Refused(refusal) => ("False", refusal.reason, refusal.message.clone()),
            Self::Failed(trouble) => ("False", trouble.reason, trouble.message.clone()),
        }
    }
}

/// The whole status: what the authority of this name says about the object's present generation. `related` is what
/// `relatedResources` names, if anything.
pub(crate) fn status(
    copy: &DynamicObject,
    authority: &str,
    outcome: &Outcome,
    related: Option<Value>,
    now: Timestamp,
) -> Value {
    let (ready, reason, message) = outcome.ready(authority);
    let mut conditions = vec![condition(copy, "Ready", ready, reason, &message, now)];
    let mut status = Map::new();
    if let Outcome::Issued(leaf, trouble) = outcome {
        if let Some(trouble) = trouble {
            conditions.push(condition(copy, "Renewed", "False", trouble.reason, &trouble.message, now));
        }
        status.insert("serialNumber".to_owned(), json!(leaf.serial));
        status.insert("issuer".to_owned(), json!(authority));
        if let Ok(not_after) = leaf.not_after.format(&Rfc3339) {
            status.insert("notAfter".to_owned(), json!(not_after));
        }
    }
    status.insert("observedGeneration".to_owned(), json!(copy.metadata.generation.unwrap_or(1)));
    status.insert("conditions".to_owned(), Value::Array(conditions));
    if let Some(related) = related {
        status.insert("relatedResources".to_owned(), related);
    }
    Value::Object(status)
}

fn condition(
    copy: &DynamicObject,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Value {
    json!({
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": copy.metadata.generation.unwrap_or(1),
        "lastTransitionTime": since(copy, type_, status)
            .unwrap_or_else(|| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    })
}

/// When the condition last changed its status, if it has this one already.
fn since(copy: &DynamicObject, type_: &str, status: &str) -> Option<String> {
    let conditions = copy.data.pointer("/status/conditions")?.as_array()?;
    let present = conditions.iter().find(|condition| condition.get("type") == Some(&json!(type_)))?;
    let same = present.get("status") == Some(&json!(status));
    let time = present.get("lastTransitionTime")?.as_str()?;
    same.then(|| time.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use time::OffsetDateTime;

    use super::*;

    fn copy(status: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
            "metadata": {"name": "c", "namespace": "default", "generation": 3}, "status": status,
        }))
        .unwrap()
    }

    fn leaf() -> Leaf {
        Leaf {
            names: ["app.corp.com".to_owned()].into(),
            serial: "0a:0b".to_owned(),
            not_before: OffsetDateTime::UNIX_EPOCH,
            not_after: OffsetDateTime::UNIX_EPOCH + time::Duration::days(90),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_cannot_be_renewed_yet_is_ready_all_the_same_and_says_why() {
        let trouble = Trouble::unavailable("app.corp.com", "it is down");
        let status =
            status(&copy(&json!({})), "letsencrypt", &Outcome::Issued(leaf(), Some(trouble)), None, at(0));
        let told = |at: usize| {
            let condition = &status["conditions"][at];
            [&condition["type"], &condition["status"], &condition["reason"]]
                .map(|word| word.as_str().unwrap())
        };
        assert_eq!(told(0), ["Ready", "True", "Issued"]);
        assert_eq!(told(1), ["Renewed", "False", "AuthorityUnavailable"]);
        assert_eq!(status["notAfter"], "1970-04-01T00:00:00Z");
        assert_eq!(status["observedGeneration"], 3);
    }

    #[test]
    fn the_same_outcome_later_is_the_same_status() {
        let first = status(&copy(&json!({})), "letsencrypt", &Outcome::Ordered, None, at(0));
        assert_eq!(status(&copy(&first), "letsencrypt", &Outcome::Ordered, None, at(60)), first);
        let issued = status(&copy(&first), "letsencrypt", &Outcome::Issued(leaf(), None), None, at(60));
        assert_eq!(issued["conditions"][0]["lastTransitionTime"], "1970-01-01T00:01:00Z");
    }
}
