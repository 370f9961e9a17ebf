//! Conditions as the broker writes them: with the time of their last transition kept where nothing changed.

use broker_core::resource::Object;
use broker_core::time::Timestamp;
use serde_json::{Value, json};

/// A condition to write.
pub(super) struct Wanted<'a> {
    pub(super) kind: &'a str,
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

/// The entry of `status.conditions`, about the object's current generation.
pub(super) fn entry(wanted: &Wanted<'_>, before: &Object, now: Timestamp) -> Value {
    let since = before
        .get(&["status", "conditions"])
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str);
            text("type") == Some(wanted.kind) && text("status") == Some(wanted.status)
        })
        .and_then(|entry| entry.get("lastTransitionTime").cloned())
        .unwrap_or_else(|| now.to_rfc3339().into());
    json!({
        "type": wanted.kind,
        "status": wanted.status,
        "reason": wanted.reason,
        "message": wanted.message,
        "lastTransitionTime": since,
        "observedGeneration": before.generation(),
    })
}

/// Whether the status that is there says all that is wanted: maps field by field, lists of conditions by type.
pub(super) fn says(there: Option<&Value>, wanted: &Value) -> bool {
    match (there, wanted) {
        (Some(Value::Object(there)), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| says(there.get(key), value))
        }
        (Some(Value::Array(there)), Value::Array(wanted)) => {
            wanted.iter().all(|entry| there.iter().any(|other| says(Some(other), entry)))
        }
        (Some(there), wanted) => there == wanted,
        (None, _) => false,
    }
}
