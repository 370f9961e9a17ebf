//! How the oracle reads objects: by the conventions of the documentation, not by the broker's code.

use std::collections::BTreeMap;

use broker_core::resource::marker;
use serde_json::{Map, Value};

/// The value at a JSON pointer, `null` where there is none.
pub(super) fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

/// The text at a JSON pointer, empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).as_str().unwrap_or_default()
}

pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(super) fn generation(object: &Value) -> i64 {
    at(object, "/metadata/generation").as_i64().unwrap_or_default()
}

pub(super) fn is_terminating(object: &Value) -> bool {
    !at(object, "/metadata/deletionTimestamp").is_null()
}

pub(super) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

pub(super) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether the order carries the broker's finalizer.
pub(super) fn is_held(order: &Value) -> bool {
    list(order, "/metadata/finalizers").iter().any(|finalizer| finalizer == marker::ORDER_FINALIZER)
}

/// The uids of an object's owners.
pub(super) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "/metadata/ownerReferences").iter().filter_map(|owner| owner.get("uid")?.as_str())
}

/// The condition of that type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| condition["type"] == kind)
}

/// Whether a copy is ready, by the conventions that providers are told: a condition `Ready`, else `Available`, that is
/// True for the present generation; without one `status.ready`, `status.status` or `status.phase`.
pub(super) fn is_ready(copy: &Value) -> bool {
    for kind in ["Ready", "Available"] {
        if let Some(condition) = condition(copy, kind) {
            let observed = condition["observedGeneration"].as_i64();
            let observed = observed.or_else(|| at(copy, "/status/observedGeneration").as_i64());
            return condition["status"] == "True" && observed.is_none_or(|seen| seen == generation(copy));
        }
    }
    if let Some(ready) = at(copy, "/status/ready").as_bool() {
        return ready;
    }
    ["/status/status", "/status/phase"].iter().any(|p| ["Available", "Ready"].contains(&text(copy, p)))
}

/// What a True condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadyFor {
    /// One generation of its object.
    Generation(i64),
    /// It does not say.
    Unsaid,
}

impl ReadyFor {
    pub(super) fn generation(self) -> Option<i64> {
        match self {
            Self::Generation(generation) => Some(generation),
            Self::Unsaid => None,
        }
    }
}

/// Whether the object's own condition `Ready` (or `Available`) is True, and for which of its generations.
pub(super) fn says_ready(order: &Value) -> Option<ReadyFor> {
    let condition = condition(order, "Ready").or_else(|| condition(order, "Available"))?;
    let about = || condition["observedGeneration"].as_i64().map_or(ReadyFor::Unsaid, ReadyFor::Generation);
    (condition["status"] == "True").then(about)
}

/// A status as it can be compared between a copy and its order: without what the broker translates (generations, names
/// of related objects), what it adds (`Brokered`), and what the server stamps (times of transitions).
pub(super) fn comparable_status(object: &Value) -> Value {
    let mut status = at(object, "/status").clone();
    if let Some(fields) = status.as_object_mut() {
        fields.remove("relatedResources");
        if let Some(conditions) = fields.remove("conditions").as_ref().and_then(Value::as_array) {
            let by_type: Map<String, Value> = conditions
                .iter()
                .filter(|condition| condition["type"] != "Brokered")
                .map(|condition| {
                    (condition["type"].as_str().unwrap_or_default().to_owned(), condition.clone())
                })
                .collect();
            if !by_type.is_empty() {
                fields.insert("conditions".to_owned(), Value::Object(by_type));
            }
        }
        if fields.is_empty() {
            return Value::Null;
        }
    }
    strip(&mut status);
    match status.as_object() {
        Some(fields) if fields.is_empty() => Value::Null,
        _ => status,
    }
}

fn strip(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("observedGeneration");
        fields.remove("lastTransitionTime");
        fields.values_mut().for_each(strip);
    } else if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(strip);
    }
}

/// Whether everything in `part` is in `whole` too; lists must be equal.
pub(super) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|found| contains(found, value)))
        }
        // A spec that is not there and an empty one are the same.
        (whole, Value::Null) => whole.is_null(),
        (whole, part) => whole == part,
    }
}

/// What a Secret or `ConfigMap` holds, as one text; none where it holds nothing.
pub(super) fn content(object: &Value) -> Option<String> {
    let filled = |field: &str| at(object, field).as_object().is_some_and(|entries| !entries.is_empty());
    if !filled("/data") && !filled("/binaryData") {
        return None;
    }
    let parts = ["/kind", "/type", "/data", "/binaryData"].map(|field| at(object, field));
    serde_json::to_string(&parts).ok()
}

/// A related object as a status names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Related {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Related {
    /// The plural resource of its kind.
    pub(super) fn resource(&self) -> String {
        format!("{}s", self.kind.to_lowercase())
    }
}

/// The Secrets and `ConfigMaps` that an object's status names, by key.
pub(super) fn related(object: &Value) -> BTreeMap<String, Related> {
    let own = text(object, "/metadata/namespace");
    let read = |(key, value): (&String, &Value)| {
        let kind = text(value, "/gvk/kind").to_owned();
        let group = text(value, "/gvk/group");
        if !["", "core"].contains(&group) || !["Secret", "ConfigMap"].contains(&kind.as_str()) {
            return None;
        }
        let namespace = value["namespace"].as_str().filter(|text| !text.is_empty()).unwrap_or(own).to_owned();
        Some((key.clone(), Related { kind, namespace, name: text(value, "/name").to_owned() }))
    };
    at(object, "/status/relatedResources").as_object().into_iter().flatten().filter_map(read).collect()
}

/// Where a copy is: a name is free again once its object is gone, so this is no identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) cluster: String,
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}/{}", self.kind, self.cluster, self.namespace, self.name)
    }
}

/// A copy as an Assignment names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub(super) place: Place,
    pub(super) uid: Option<String>,
    pub(super) offer: Value,
    pub(super) migration: Option<String>,
}

impl Named {
    /// Reads a `CopyRef`.
    pub(super) fn read(copy: &Value) -> Option<Self> {
        if !copy.is_object() {
            return None;
        }
        let own = |pointer| text(copy, pointer).to_owned();
        Some(Self {
            place: Place {
                cluster: own("/clusterName"),
                group: own("/gvk/group"),
                kind: own("/gvk/kind"),
                namespace: own("/namespace"),
                name: own("/name"),
            },
            uid: copy["uid"].as_str().map(str::to_owned),
            offer: copy["offer"].clone(),
            migration: copy["migration"].as_str().map(str::to_owned),
        })
    }

    /// Whether both name the same copy, as far as they tell.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = match (&self.uid, &other.uid) {
            (Some(one), Some(two)) => one == two,
            (None, _) | (_, None) => true,
        };
        self.place == other.place && same
    }
}
