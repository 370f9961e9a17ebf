//! Migrations as records: those that the broker makes, and those of people that it took up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use broker_core::migration::{Controls, Migration, MigrationState, Origin, Position, Receipt, Standing};
use broker_core::order::OrderIdentity;
use broker_core::playbook::{Phase, Playbook};
use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use broker_core::time::Timestamp;
use broker_core::translate::{assignment_name, migration_serial};
use serde_json::{Map, Value, json};

use super::assignment::gvr;
use super::{RecordError, offer_id, offer_ref};
use crate::api::v1alpha1 as api;

/// So many playbooks are kept; beyond that they are read anew.
const MOST: usize = 64;

/// The playbooks that records of moves keep, each read once: to read its expressions is dear, and the records of many moves
/// keep the same. Clones share what was read.
#[derive(Clone, Debug, Default)]
pub struct KeptPlaybooks(Arc<Mutex<BTreeMap<String, Arc<Playbook>>>>);

impl KeptPlaybooks {
    /// Reads the record of a move. `None` for what a person asks for and nobody took up: it says neither offer nor uid.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read_migration(&self, object: &Object) -> Result<Option<Migration>, RecordError> {
        read(object, self)
    }

    fn get(&self, name: &str, spec: &Map<String, Value>) -> Result<Arc<Playbook>, String> {
        let written = Value::Object(spec.clone());
        let text = format!("{name} {written}");
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&text) {
            return Ok(Arc::clone(known));
        }
        let playbook = Playbook::parse_json(name, &written).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            faults.join("; ")
        })?;
        let playbook = Arc::new(playbook);
        let mut known = lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(text, Arc::clone(&playbook));
        Ok(playbook)
    }
}

/// Reads one record of a move; [`KeptPlaybooks::read_migration`] reads many.
///
/// # Errors
/// Where it cannot be read.
pub fn read_migration(object: &Object) -> Result<Option<Migration>, RecordError> {
    KeptPlaybooks::default().read_migration(object)
}

fn read(object: &Object, playbooks: &KeptPlaybooks) -> Result<Option<Migration>, RecordError> {
    let failed = |reason: String| RecordError { kind: "Migration", name: object.name().to_owned(), reason };
    let value = Value::Object(object.fields().clone());
    let record: api::Migration = serde_json::from_value(value).map_err(|error| failed(error.to_string()))?;
    let spec = record.spec;
    let Some(bound) = Bound::of(&spec) else { return Ok(None) };
    let (order, Some(uid), Some(api)) = (bound.order, &bound.order.uid, &bound.order.gvr) else {
        return Ok(None);
    };
    let identity = OrderIdentity {
        gvr: gvr(api),
        key: ObjectKey::new(
            order.cluster_name.as_str(),
            order.namespace.clone().unwrap_or_default(),
            &order.name,
        ),
        uid: uid.clone(),
    };
    // Of those that the broker makes the name says it; they count up.
    let named = || migration_serial(&assignment_name(&identity), object.name());
    let serial = bound.serial.or_else(named).unwrap_or_default();
    let status = record.status.unwrap_or_default();
    let receipt = status.receipt.unwrap_or_default();
    let progress = status.progress.unwrap_or_default();
    let time = |text: &Option<String>| text.as_deref().and_then(Timestamp::parse);
    let playbook = match &spec.playbook {
        Some(followed) => {
            let kept = playbooks.get(&followed.name, &followed.spec);
            Some(kept.map_err(|faults| failed(format!("spec.playbook: {faults}")))?)
        }
        None => None,
    };
    Ok(Some(Migration {
        name: object.name().to_owned(),
        uid: object.uid().to_owned(),
        resource_version: object.resource_version().to_owned(),
        origin: bound.origin,
        serial,
        order: identity,
        kind: bound.kind.to_owned(),
        from: offer_id(bound.from),
        to: offer_id(bound.to),
        playbook,
        controls: controls(&spec),
        position: Position {
            state: status.state.map(state).unwrap_or_default(),
            passed: usize::try_from(progress.stages_completed).unwrap_or_default(),
            in_stage: receipt.stage_since.is_some(),
            switched: receipt.switched_at.is_some(),
            reverting: progress.reverting.unwrap_or_default(),
        },
        message: status.message.unwrap_or_default(),
        failed_before: spec.failed_before.map_or(0, |count| u32::try_from(count.max(0)).unwrap_or(u32::MAX)),
        receipt: Receipt {
            started_at: time(&receipt.started_at),
            stage_since: time(&receipt.stage_since),
            cutover_at: time(&receipt.cutover_at),
            fenced_at: time(&receipt.fenced_at),
            switched_at: time(&receipt.switched_at),
            point_of_no_return: time(&receipt.point_of_no_return_at),
            completed_at: time(&receipt.completed_at),
            verified: receipt.verified,
            loss: receipt.loss,
            writes: receipt.writes,
        },
    }))
}

/// What a record is about, wherever it says so.
struct Bound<'s> {
    origin: Origin,
    serial: Option<u32>,
    kind: &'s str,
    order: &'s api::MigrationOrder,
    from: &'s api::OfferRef,
    to: &'s api::OfferRef,
}

impl<'s> Bound<'s> {
    fn of(spec: &'s api::MigrationSpec) -> Option<Self> {
        if let Some(binding) = &spec.binding {
            return Some(Self {
                origin: Origin::Person,
                serial: Some(u32::try_from(binding.serial).unwrap_or(u32::MAX)),
                kind: &binding.kind,
                order: &binding.order,
                from: &binding.from,
                to: &binding.to,
            });
        }
        Some(Self {
            origin: Origin::Broker,
            serial: None,
            kind: spec.from.gvk.as_ref().map(|gvk| gvk.kind.as_str()).unwrap_or_default(),
            order: spec.order.as_ref()?,
            from: spec.from.offer.as_ref()?,
            to: spec.to.offer.as_ref()?,
        })
    }
}

/// What a person says of a move.
pub(super) fn controls(spec: &api::MigrationSpec) -> Controls {
    Controls {
        paused: spec.paused.unwrap_or_default(),
        cancel: spec.cancel.unwrap_or_default(),
        rollback: spec.rollback.unwrap_or_default(),
        approved: spec.approved_stages.iter().cloned().collect(),
        skip_source: spec.skip_source.unwrap_or_default(),
        allow_loss: spec.allow_loss.unwrap_or_default(),
    }
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
    let subject = subject(order);
    let mut object = template.clone();
    object.set(&["metadata", "labels", marker::ORDER_LABEL], assignment_name(order).into());
    object
        .set(&["spec"], json!({ "from": end(&migration.from), "to": end(&migration.to), "order": subject }));
    for (field, value) in written_by_the_broker(migration) {
        object.set(&["spec", &field], value);
    }
    if migration.origin == Origin::Person {
        // The record of a move that a person asked for and took back, made anew so that it ends well.
        if let Some(binding) = adoption(migration).pointer("/spec/binding") {
            object.set(&["spec", "binding"], binding.clone());
        }
        if migration.controls.cancel {
            object.set(&["spec", "cancel"], true.into());
        }
    }
    object
}

/// The order with all that tells it from others.
fn subject(order: &OrderIdentity) -> Value {
    let mut subject = json!({
        "clusterName": order.key.cluster,
        "name": order.key.name,
        "uid": order.uid,
        "gvr": { "group": order.gvr.group, "version": order.gvr.version, "resource": order.gvr.resource },
    });
    namespaced(&mut subject, &order.key.namespace);
    subject
}

/// What is written into the spec of what a person asked for when it becomes the record of a move.
pub fn adoption(migration: &Migration) -> Value {
    let mut spec = json!({ "binding": {
        "serial": migration.serial,
        "kind": migration.kind,
        "order": subject(&migration.order),
        "from": offer_ref(&migration.from),
        "to": offer_ref(&migration.to),
    }});
    if let Some(fields) = spec.as_object_mut() {
        fields.extend(written_by_the_broker(migration));
    }
    json!({
        "metadata": { "labels": { marker::ORDER_LABEL: assignment_name(&migration.order) } },
        "spec": spec,
    })
}

/// What the spec of every record says beside what it is about.
fn written_by_the_broker(migration: &Migration) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(playbook) = &migration.playbook {
        fields.insert("playbook".into(), json!({ "name": playbook.name, "spec": playbook.written }));
    }
    if migration.failed_before > 0 {
        fields.insert("failedBefore".into(), migration.failed_before.into());
    }
    fields
}

/// The status of a Migration; fields that are not there are null, so that a merge removes them.
pub fn migration_status(migration: &Migration, before: Option<&Object>, now: Timestamp) -> Value {
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339_millis);
    let Receipt { stage_since, cutover_at, fenced_at, switched_at, .. } = migration.receipt;
    let pause = match (cutover_at, switched_at) {
        (Some(from), Some(to)) => i64::try_from(to.since(from).as_millis()).ok(),
        _ => None,
    };
    let state = migration.state();
    let switched = switched_at.is_some() && state != MigrationState::RolledBack;
    let ready = !matches!(
        state,
        MigrationState::Pending
            | MigrationState::InitialInProgress
            | MigrationState::Failed
            | MigrationState::Cancelled
    );
    let complete = state == MigrationState::Completed;
    let route = migration.route();
    let mut holding = vec![("Ready", ready), ("CutoverComplete", switched), ("Complete", complete)];
    if migration.playbook.is_some() {
        let position = migration.position;
        let copied = position.reverting || position.passed >= route.through(Phase::Initial);
        let fenced = fenced_at.is_some() && state == MigrationState::CutoverInProgress;
        holding.extend([("DataCopied", copied), ("Fenced", fenced)]);
    }
    let conditions: Vec<Value> = holding
        .into_iter()
        .map(|(kind, holds)| condition(kind, holds, state.as_str(), &migration.message, before, now))
        .collect();
    let receipt = &migration.receipt;
    json!({
        "state": state.as_str(),
        "stage": migration.stage().map(|stage| stage.name.as_str()),
        "id": migration.name,
        "progress": progress(migration),
        "message": migration.message,
        "receipt": {
            "startedAt": time(receipt.started_at),
            "stageSince": time(stage_since),
            "cutoverAt": time(cutover_at),
            "fencedAt": time(fenced_at),
            "switchedAt": time(switched_at),
            "pointOfNoReturnAt": time(receipt.point_of_no_return),
            "completedAt": time(receipt.completed_at),
            "switchPauseMillis": pause,
            "fenceMillis": fenced_at.and(pause),
            "verified": (!receipt.verified.is_empty()).then_some(&receipt.verified),
            "loss": receipt.loss,
            "writes": receipt.writes,
        },
        "conditions": conditions,
    })
}

/// How much of the playbook is done; null where there is none.
fn progress(migration: &Migration) -> Value {
    let Some(playbook) = &migration.playbook else { return Value::Null };
    let Position { passed, reverting, .. } = migration.position;
    let total = if reverting { playbook.rollback.len() } else { playbook.stages.len() };
    json!({
        "stagesCompleted": passed,
        "stagesTotal": total,
        "percent": (passed * 100).checked_div(total).unwrap_or(100),
        "reverting": reverting.then_some(true),
    })
}

/// What counts of a Migration for the limits; `None` for one that a person made and nobody took up.
pub fn standing(object: &Object) -> Option<Standing> {
    let order = object.get(&["spec", "binding", "order"]).or_else(|| object.get(&["spec", "order"]))?;
    let text = |pointer: &str| order.pointer(pointer).and_then(Value::as_str);
    let gvr = Gvr::new(text("/gvr/group").unwrap_or_default(), "", text("/gvr/resource")?);
    Some(Standing {
        name: object.name().to_owned(),
        api: gvr.group_resource(),
        order: text("/uid")?.to_owned(),
        playbook: object.text(&["spec", "playbook", "name"]).map(str::to_owned),
        state: object.text(&["status", "state"]).and_then(MigrationState::from_text).unwrap_or_default(),
        completed_at: object.text(&["status", "receipt", "completedAt"]).and_then(Timestamp::parse),
    })
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

pub(super) fn state(state: api::MigrationState) -> MigrationState {
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
