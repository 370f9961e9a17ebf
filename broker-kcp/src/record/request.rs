//! Migrations as people ask for them, before they are taken up.

use broker_core::migration::{Answer, End, MigrationState, OrderName, Request};
use broker_core::resource::{Gvk, Object};
use broker_core::time::Timestamp;
use serde_json::{Value, json};

use super::RecordError;
use super::migration::{controls, state};
use crate::api::v1alpha1 as api;

/// The condition that says why a request does not begin.
const CONDITION: &str = "Ready";

/// Reads what a person asks for. `None` for the record of a move, and for what was called off before it became one.
pub fn read_request(object: &Object) -> Result<Option<Request>, RecordError> {
    if object.is_deleting() || !is_request(object) {
        return Ok(None);
    }
    let value = Value::Object(object.fields().clone());
    let read: api::Migration = serde_json::from_value(value).map_err(|error| RecordError {
        kind: "Migration",
        name: object.name().to_owned(),
        reason: error.to_string(),
    })?;
    let spec = read.spec;
    Ok(Some(Request {
        name: object.name().to_owned(),
        uid: object.uid().to_owned(),
        resource_version: object.resource_version().to_owned(),
        created_at: object.text(&["metadata", "creationTimestamp"]).and_then(Timestamp::parse),
        from: end(&spec.from),
        to: end(&spec.to),
        order: spec.order.as_ref().map(|order| OrderName {
            cluster: order.cluster_name.clone(),
            namespace: order.namespace.clone(),
            name: order.name.clone(),
        }),
        controls: controls(&spec),
        told: told(object, read.status.and_then(|status| status.state).map(state)),
    }))
}

/// Whether an object is neither a record nor over. Cheap: it is asked of every Migration that is seen.
pub fn is_request(object: &Object) -> bool {
    let at = |path: &[&str]| object.get(path).is_some();
    let is_record = at(&["spec", "binding"]) || at(&["spec", "from", "offer"]);
    let state = object.text(&["status", "state"]).and_then(MigrationState::from_text);
    !is_record && !state.is_some_and(MigrationState::is_final)
}

fn end(end: &api::MigrationEnd) -> End {
    End {
        gvk: end.gvk.as_ref().map(|gvk| Gvk::new(&gvk.group, &gvk.version, &gvk.kind)),
        name: end.name.clone(),
        namespace: end.namespace.clone(),
        cluster: end.cluster_name.clone(),
    }
}

/// What was said last, of the object as it is now.
fn told(object: &Object, state: Option<MigrationState>) -> Option<Answer> {
    let current = object.get(&["status", "observedGeneration"]).and_then(Value::as_i64);
    let condition = object.condition(CONDITION).filter(|_| current == Some(object.generation()))?;
    Some(Answer { state: state?, reason: condition.reason, message: condition.message })
}

/// The status that says an answer.
pub fn answer_status(answer: &Answer, before: &Object, now: Timestamp) -> Value {
    let state = answer.state.as_str();
    let since = before
        .condition(CONDITION)
        .filter(|condition| condition.status == broker_core::resource::ConditionStatus::False)
        .and_then(|_| before.get(&["status", "conditions"])?.as_array()?.iter().find_map(since))
        .unwrap_or_else(|| now.to_rfc3339().into());
    json!({
        "state": state,
        "message": answer.message,
        "observedGeneration": before.generation(),
        "conditions": [{
            "type": CONDITION,
            "status": "False",
            "reason": answer.reason,
            "message": answer.message,
            "lastTransitionTime": since,
            "observedGeneration": before.generation(),
        }],
    })
}

fn since(condition: &Value) -> Option<Value> {
    let is_it = condition.get("type").and_then(Value::as_str) == Some(CONDITION);
    is_it.then(|| condition.get("lastTransitionTime").cloned()).flatten()
}
