//! Migrations that the broker makes.

use broker_core::migration::{Migration, MigrationState};
use broker_core::order::OrderIdentity;
use broker_core::resource::{Object, ObjectKey, marker};
use broker_core::time::Timestamp;
use broker_core::translate::assignment_name;
use serde_json::{Value, json};

use super::assignment::gvr;
use super::{RecordError, offer_id, offer_ref};
use crate::api::v1alpha1 as api;

/// Type of the condition that says which of a person's words on a migration have no effect.
pub const HONOURED: &str = "Honoured";

/// Reads a Migration that the broker made. `None` for one that a person made: it names neither offer nor uid.
pub fn read_migration(object: &Object) -> Result<Option<Migration>, RecordError> {
    let failed = |reason: String| RecordError { kind: "Migration", name: object.name().to_owned(), reason };
    let value = Value::Object(object.fields().clone());
    let record: api::Migration = serde_json::from_value(value).map_err(|error| failed(error.to_string()))?;
    let spec = record.spec;
    let Some(order) = &spec.order else { return Ok(None) };
    let (Some(from), Some(to), Some(uid), Some(api)) =
        (&spec.from.offer, &spec.to.offer, &order.uid, &order.gvr)
    else {
        return Ok(None);
    };
    let status = record.status.unwrap_or_default();
    let receipt = status.receipt.unwrap_or_default();
    let time = |text: &Option<String>| text.as_deref().and_then(Timestamp::parse);
    Ok(Some(Migration {
        name: object.name().to_owned(),
        uid: object.uid().to_owned(),
        resource_version: object.resource_version().to_owned(),
        order: OrderIdentity {
            gvr: gvr(api),
            key: ObjectKey::new(
                order.cluster_name.as_str(),
                order.namespace.clone().unwrap_or_default(),
                &order.name,
            ),
            uid: uid.clone(),
        },
        kind: spec.from.gvk.as_ref().map(|gvk| gvk.kind.clone()).unwrap_or_default(),
        from: offer_id(from),
        to: offer_id(to),
        state: status.state.map(state).unwrap_or_default(),
        message: status.message.unwrap_or_default(),
        failed_before: spec.failed_before.map_or(0, |count| u32::try_from(count.max(0)).unwrap_or(u32::MAX)),
        started_at: time(&receipt.started_at),
        cutover_at: time(&receipt.cutover_at),
        switched_at: time(&receipt.switched_at),
        point_of_no_return: time(&receipt.point_of_no_return_at),
        completed_at: time(&receipt.completed_at),
    }))
}

/// The object to create for a Migration.
pub fn new_migration(migration: &Migration, template: &Object) -> Object {
    let order = &migration.order;
    let end = |offer: &broker_core::offer::OfferId| {
        let mut end = json!({
            "gvk": { "group": order.gvr.group, "version": order.gvr.version, "kind": migration.kind },
            "name": order.key.name,
            "clusterName": offer.cluster,
            "offer": offer_ref(offer),
        });
        namespaced(&mut end, &order.key.namespace);
        end
    };
    let mut subject = json!({
        "clusterName": order.key.cluster,
        "name": order.key.name,
        "uid": order.uid,
        "gvr": { "group": order.gvr.group, "version": order.gvr.version, "resource": order.gvr.resource },
    });
    namespaced(&mut subject, &order.key.namespace);
    let mut object = template.clone();
    object.set(&["metadata", "labels", marker::ORDER_LABEL], assignment_name(order).into());
    object
        .set(&["spec"], json!({ "from": end(&migration.from), "to": end(&migration.to), "order": subject }));
    if migration.failed_before > 0 {
        object.set(&["spec", "failedBefore"], migration.failed_before.into());
    }
    object
}

/// The status of a Migration; fields that are not there are null, so that a merge removes them.
pub fn migration_status(migration: &Migration, before: Option<&Object>, now: Timestamp) -> Value {
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339_millis);
    let pause = match (migration.cutover_at, migration.switched_at) {
        (Some(from), Some(to)) => i64::try_from(to.since(from).as_millis()).ok(),
        _ => None,
    };
    let switched = migration.switched_at.is_some() && migration.state != MigrationState::RolledBack;
    let ready = !matches!(migration.state, MigrationState::Pending | MigrationState::InitialInProgress)
        && !matches!(migration.state, MigrationState::Failed | MigrationState::Cancelled);
    let complete = migration.state == MigrationState::Completed;
    let state = migration.state.as_str();
    let mut conditions: Vec<Value> =
        [("Ready", ready), ("CutoverComplete", switched), ("Complete", complete)]
            .into_iter()
            .map(|(kind, holds)| condition(kind, holds, state, &migration.message, before, now))
            .collect();
    // Said by another hand; the list is written as a whole.
    let said = before.and_then(|object| object.get(&["status", "conditions"])).and_then(Value::as_array);
    conditions.extend(
        said.into_iter()
            .flatten()
            .filter(|condition| condition.get("type").and_then(Value::as_str) == Some(HONOURED))
            .cloned(),
    );
    json!({
        "state": state,
        "id": migration.name,
        "message": migration.message,
        "receipt": {
            "startedAt": time(migration.started_at),
            "cutoverAt": time(migration.cutover_at),
            "switchedAt": time(migration.switched_at),
            "pointOfNoReturnAt": time(migration.point_of_no_return),
            "completedAt": time(migration.completed_at),
            "switchPauseMillis": pause,
        },
        "conditions": conditions,
    })
}

/// What a person wrote into a Migration of the broker's that has no effect yet, as `spec.paused`.
pub fn controls_without_effect(object: &Object) -> Vec<String> {
    let is_set = |field: &&str| match object.get(&["spec", field]) {
        Some(Value::Bool(value)) => *value,
        Some(Value::Array(list)) => !list.is_empty(),
        _ => false,
    };
    ["paused", "cancel", "rollback", "approvedStages", "skipSource", "allowLoss"]
        .into_iter()
        .filter(is_set)
        .map(|field| format!("spec.{field}"))
        .collect()
}

fn condition(
    kind: &str,
    holds: bool,
    reason: &str,
    message: &str,
    before: Option<&Object>,
    now: Timestamp,
) -> Value {
    let text = if holds { "True" } else { "False" };
    let since = before
        .and_then(|object| object.get(&["status", "conditions"]))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|entry| {
            entry.get("type").and_then(Value::as_str) == Some(kind)
                && entry.get("status").and_then(Value::as_str) == Some(text)
        })
        .and_then(|entry| entry.get("lastTransitionTime").cloned())
        .unwrap_or_else(|| now.to_rfc3339().into());
    json!({ "type": kind, "status": text, "reason": reason, "message": message, "lastTransitionTime": since })
}

fn namespaced(value: &mut Value, namespace: &str) {
    if let (false, Some(map)) = (namespace.is_empty(), value.as_object_mut()) {
        map.insert("namespace".into(), namespace.into());
    }
}

fn state(state: api::MigrationState) -> MigrationState {
    match state {
        api::MigrationState::Pending => MigrationState::Pending,
        api::MigrationState::InitialInProgress => MigrationState::InitialInProgress,
        api::MigrationState::InitialCompleted => MigrationState::InitialCompleted,
        api::MigrationState::CutoverInProgress => MigrationState::CutoverInProgress,
        api::MigrationState::CutoverCompleted => MigrationState::CutoverCompleted,
        api::MigrationState::Completed => MigrationState::Completed,
        api::MigrationState::Failed => MigrationState::Failed,
        api::MigrationState::RolledBack => MigrationState::RolledBack,
        api::MigrationState::Cancelled => MigrationState::Cancelled,
    }
}
