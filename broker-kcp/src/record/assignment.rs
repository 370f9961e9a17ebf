//! Assignments.

use broker_core::matching::{Candidate, CandidateVerdict, Candidates};
use broker_core::order::{Assignment, AssignmentStatus, CopyRef, OrderIdentity, Phase};
use broker_core::resource::{Gvr, Object, ObjectKey};
use broker_core::time::Timestamp;
use serde_json::{Map, Value, json};

use super::{RecordError, offer_id, offer_ref};
use crate::api::v1alpha1 as api;

/// Type of the condition that tells the platform where an order stands.
const CONDITION: &str = "Ready";
/// Verdicts of the record that are no reasons of a refusal.
const CHOSEN: &str = "Chosen";
const FEASIBLE: &str = "Feasible";

/// Reads an Assignment from its object.
pub fn read_assignment(object: &Object) -> Result<Assignment, RecordError> {
    let failed = |reason: String| RecordError { kind: "Assignment", name: object.name().to_owned(), reason };
    let value = Value::Object(object.fields().clone());
    let record: api::Assignment = serde_json::from_value(value).map_err(|error| failed(error.to_string()))?;
    let spec = record.spec;
    let order = OrderIdentity {
        gvr: gvr(&spec.order.gvr),
        key: ObjectKey::new(
            spec.order.cluster_name.as_str(),
            spec.order.namespace.clone().unwrap_or_default(),
            &spec.order.name,
        ),
        uid: spec.order.uid.clone(),
    };
    let offer = spec.offer.as_ref().ok_or_else(|| failed("spec.offer is missing".to_owned()))?;
    let copies = |field: &str, copies: &[api::CopyRef]| {
        let read = copies.iter().map(copy_ref).collect::<Option<Vec<_>>>();
        read.ok_or_else(|| failed(format!("an entry of spec.{field} lacks its resource or offer")))
    };
    Ok(Assignment {
        name: object.name().to_owned(),
        uid: object.uid().to_owned(),
        resource_version: object.resource_version().to_owned(),
        order,
        offer: offer_id(offer),
        copies: copies("copies", &spec.copies)?,
        pointer: spec.pointer.map(|pointer| pointer.name),
        leftovers: copies("leftovers", &spec.leftovers)?,
        serial: u32::try_from(spec.serial).map_err(|_| failed("spec.serial is out of range".to_owned()))?,
        created_at: object.text(&["metadata", "creationTimestamp"]).and_then(Timestamp::parse),
        status: record.status.map(status).unwrap_or_default(),
    })
}

/// The object to create for an Assignment.
pub fn new_assignment(assignment: &Assignment, template: &Object) -> Object {
    let mut object = template.clone();
    let mut spec = spec_of_assignment(assignment);
    // Nothing is there yet that a null could remove, and a server may refuse it.
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|_, value| !value.is_null());
    }
    if let Some(pointer) = spec.get_mut("pointer").and_then(Value::as_object_mut) {
        pointer.retain(|_, value| !value.is_null());
    }
    object.set(&["spec"], spec);
    object
}

/// The spec of an Assignment; fields that are not there are null, so that a merge removes them.
pub fn spec_of_assignment(assignment: &Assignment) -> Value {
    let order = &assignment.order;
    let pointer = assignment.pointer.as_ref().and_then(|name| {
        assignment.copies.iter().find(|copy| copy.key.name == *name).map(|copy| {
            let mut pointer = copy_value(copy);
            // A pointer is merged field by field into the one before.
            for field in ["uid", "migration", "namespace"] {
                pointer.entry(field).or_insert(Value::Null);
            }
            Value::Object(pointer)
        })
    });
    json!({
        "order": with_namespace(
            json!({
                "clusterName": order.key.cluster,
                "uid": order.uid,
                "gvr": { "group": order.gvr.group, "version": order.gvr.version, "resource": order.gvr.resource },
                "name": order.key.name,
            }),
            &order.key.namespace,
        ),
        "offer": offer_ref(&assignment.offer),
        "copies": assignment.copies.iter().map(|copy| Value::Object(copy_value(copy))).collect::<Vec<_>>(),
        "leftovers": (!assignment.leftovers.is_empty())
            .then(|| assignment.leftovers.iter().map(|copy| Value::Object(copy_value(copy))).collect::<Vec<_>>()),
        "pointer": pointer,
        "serial": assignment.serial,
    })
}

/// The status of an Assignment, for server-side apply.
pub fn assignment_status(status: &AssignmentStatus, before: Option<&Object>, now: Timestamp) -> Value {
    let bound = matches!(status.phase, Some(Phase::Bound)) && status.reason == "Bound";
    let text = if bound { "True" } else { "False" };
    let since = before
        .and_then(|object| object.get(&["status", "conditions"]))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|entry| {
            entry.get("type").and_then(Value::as_str) == Some(CONDITION)
                && entry.get("status").and_then(Value::as_str) == Some(text)
        })
        .and_then(|entry| entry.get("lastTransitionTime").cloned())
        .unwrap_or_else(|| now.to_rfc3339().into());
    let mut value = json!({
        "conditions": [{
            "type": CONDITION,
            "status": text,
            "reason": status.reason,
            "message": status.message,
            "lastTransitionTime": since,
        }],
        "decidedAt": now.to_rfc3339(),
    });
    if let Some(map) = value.as_object_mut() {
        if let Some(phase) = status.phase {
            map.insert("phase".into(), phase.as_str().into());
        }
        map.extend(explanation(&status.why));
    }
    value
}

/// What the domain keeps as an explanation, as the record shows it; nothing where there is none.
fn explanation(why: &Value) -> Map<String, Value> {
    let Ok(why) = serde_json::from_value::<Candidates>(why.clone()) else { return Map::new() };
    let mut shown = Map::new();
    if !why.nearest.is_empty() {
        shown.insert("candidates".into(), why.nearest.iter().map(candidate).collect());
        shown.insert("refused".into(), json!(why.others));
        shown.insert("considered".into(), why.considered.into());
    }
    if let Some(decided_by) = why.decided_by {
        shown.insert("decidedBy".into(), decided_by.as_str().into());
    }
    shown.extend(why.decision.map(|decision| ("decision".to_owned(), decision.into())));
    if !why.misses.is_empty() {
        shown.insert("misses".into(), json!(why.misses));
    }
    shown
}

fn candidate(candidate: &Candidate) -> Value {
    let refused = candidate.verdict == CandidateVerdict::Refused;
    let verdict = match candidate.verdict {
        CandidateVerdict::Refused => candidate.reason.as_deref().unwrap_or("Refused"),
        CandidateVerdict::Chosen => CHOSEN,
        CandidateVerdict::Feasible => FEASIBLE,
    };
    let detail = if refused { "message" } else { "score" };
    let mut shown =
        json!({ "offer": offer_ref(&candidate.offer), "verdict": verdict, detail: candidate.message });
    if let Some(map) = shown.as_object_mut() {
        let more = [
            ("alias", candidate.alias.as_ref().map(|alias| json!(alias))),
            ("ranked", candidate.score.as_ref().map(|score| json!(score))),
            ("first", candidate.first.as_ref().map(|missed| json!(missed))),
            ("nearest", candidate.nearest.as_ref().map(|missed| json!(missed))),
        ];
        map.extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    shown
}

fn status(status: api::AssignmentStatus) -> AssignmentStatus {
    let why = why(&status);
    let phase = status.phase.map(|phase| match phase {
        api::AssignmentPhase::Pending => Phase::Pending,
        api::AssignmentPhase::Bound => Phase::Bound,
        api::AssignmentPhase::Migrating => Phase::Migrating,
        api::AssignmentPhase::Terminating => Phase::Terminating,
    });
    let condition = status.conditions.into_iter().find(|condition| condition.type_ == CONDITION);
    let (reason, message) = condition.map(|c| (c.reason, c.message)).unwrap_or_default();
    AssignmentStatus { phase, reason: reason.unwrap_or_default(), message: message.unwrap_or_default(), why }
}

/// The explanation back in the domain's shape, so that it is kept where only phase or message change.
fn why(status: &api::AssignmentStatus) -> Value {
    if status.candidates.is_empty() {
        return Value::Null;
    }
    let nearest: Vec<Value> = status
        .candidates
        .iter()
        .map(|candidate| {
            let feasible = matches!(candidate.verdict.as_str(), CHOSEN | FEASIBLE);
            let mut why = json!({
                "offer": offer_id(&candidate.offer),
                "verdict": if feasible { candidate.verdict.as_str() } else { "Refused" },
                "reason": (!feasible).then_some(&candidate.verdict),
                "message": candidate.score.as_ref().or(candidate.message.as_ref()).map_or("", String::as_str),
                "alias": candidate.alias,
                "score": candidate.ranked,
                "first": candidate.first,
                "nearest": candidate.nearest,
            });
            drop_nulls(&mut why);
            why
        })
        .collect();
    let mut why = json!({
        "considered": status.considered.unwrap_or_default(),
        "decidedBy": status.decided_by,
        "decision": status.decision,
        "nearest": nearest,
        "others": status.refused,
        "misses": status.misses,
    });
    drop_nulls(&mut why);
    why
}

fn drop_nulls(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
}

fn copy_ref(copy: &api::CopyRef) -> Option<CopyRef> {
    Some(CopyRef {
        offer: offer_id(copy.offer.as_ref()?),
        gvr: Gvr::new(&copy.gvk.group, &copy.gvk.version, copy.resource.as_ref()?),
        kind: copy.gvk.kind.clone(),
        key: ObjectKey::new(
            copy.cluster_name.as_str(),
            copy.namespace.clone().unwrap_or_default(),
            &copy.name,
        ),
        uid: copy.uid.clone(),
        migration: copy.migration.clone(),
    })
}

fn copy_value(copy: &CopyRef) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("clusterName".into(), copy.key.cluster.as_str().into());
    map.insert(
        "gvk".into(),
        json!({ "group": copy.gvr.group, "version": copy.gvr.version, "kind": copy.kind }),
    );
    map.insert("resource".into(), copy.gvr.resource.clone().into());
    if !copy.key.namespace.is_empty() {
        map.insert("namespace".into(), copy.key.namespace.clone().into());
    }
    map.insert("name".into(), copy.key.name.clone().into());
    map.insert("offer".into(), offer_ref(&copy.offer));
    if let Some(uid) = &copy.uid {
        map.insert("uid".into(), uid.clone().into());
    }
    if let Some(migration) = &copy.migration {
        map.insert("migration".into(), migration.clone().into());
    }
    map
}

fn with_namespace(mut value: Value, namespace: &str) -> Value {
    if let (false, Some(map)) = (namespace.is_empty(), value.as_object_mut()) {
        map.insert("namespace".into(), namespace.into());
    }
    value
}

pub(super) fn gvr(gvr: &api::Gvr) -> Gvr {
    Gvr::new(&gvr.group, &gvr.version, &gvr.resource)
}
