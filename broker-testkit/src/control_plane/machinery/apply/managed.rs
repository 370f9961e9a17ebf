//! `metadata.managedFields`: reading it, writing it, keeping it short.

use super::set::FieldSet;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many updaters are kept apart; older ones are merged under [`OLD_UPDATERS`].
const MOST_UPDATERS: usize = 10;
const OLD_UPDATERS: &str = "ancient-changes";

/// How a manager wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who owns a set of fields: one entry each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) manager: String,
    pub(crate) operation: Operation,
    /// Empty for appliers: they keep one entry whatever version they apply.
    pub(crate) version: String,
    pub(crate) subresource: String,
}

impl Owner {
    pub(crate) fn new(manager: &str, operation: Operation, version: &str, subresource: &str) -> Self {
        let version = match operation {
            Operation::Apply => "",
            Operation::Update => version,
        };
        Self {
            manager: manager.to_owned(),
            operation,
            version: version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }

    /// As conflict messages name it.
    pub(crate) fn described(&self) -> String {
        let through = match self.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" with subresource {subresource:?}"),
        };
        let version = match self.operation {
            Operation::Apply => String::new(),
            Operation::Update => format!(" using {}", self.version),
        };
        format!("{:?}{through}{version}", self.manager)
    }
}

/// What an owner owns, in which version, since when.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    pub(crate) set: FieldSet,
    pub(crate) version: String,
    pub(crate) time: Option<String>,
}

/// All owners of an object's fields.
pub(crate) type Owners = BTreeMap<Owner, Owned>;

/// Reads managedFields; `None` if any entry makes no sense.
pub(crate) fn decode(entries: &[Value]) -> Option<Owners> {
    entries.iter().map(decode_entry).collect()
}

fn decode_entry(entry: &Value) -> Option<(Owner, Owned)> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return None,
    };
    let version = text("apiVersion");
    if version.is_empty() || text("fieldsType") != "FieldsV1" {
        return None;
    }
    let owner = Owner::new(text("manager"), operation, version, text("subresource"));
    let set = match entry.get("fieldsV1") {
        None | Some(Value::Null) => FieldSet::default(),
        Some(fields) => FieldSet::decode(fields)?,
    };
    let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
    Some((owner, Owned { set, version: version.to_owned(), time }))
}

/// The entries of an object's managedFields, if it has any field of that name.
pub(crate) fn entries(object: &Value) -> Option<&Vec<Value>> {
    object.get("metadata")?.get("managedFields")?.as_array()
}

/// Writes managedFields into an object, or takes them away if there are none.
pub(crate) fn write(object: &mut Value, owners: &Owners) {
    let mut sorted: Vec<(&Owner, &Owned)> = owners.iter().collect();
    sorted.sort_by_key(|(owner, owned)| {
        (
            owner.operation,
            owned.time.clone(),
            owner.manager.clone(),
            owned.version.clone(),
            owner.subresource.clone(),
        )
    });
    let entries: Vec<Value> = sorted.into_iter().map(|(owner, owned)| encode_entry(owner, owned)).collect();
    let Some(fields) = object.as_object_mut() else { return };
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else { return };
    if entries.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }
}

fn encode_entry(owner: &Owner, fields: &Owned) -> Value {
    let mut entry = Map::new();
    let mut set = |name: &str, value: &str| {
        if !value.is_empty() {
            entry.insert(name.to_owned(), Value::from(value));
        }
    };
    set("apiVersion", &fields.version);
    set("fieldsType", "FieldsV1");
    set("manager", &owner.manager);
    set("operation", owner.operation.as_str());
    set("subresource", &owner.subresource);
    set("time", fields.time.as_deref().unwrap_or_default());
    entry.insert("fieldsV1".to_owned(), fields.set.encode());
    Value::Object(entry)
}

/// Merges the oldest updaters of each version into one while there are more than [`MOST_UPDATERS`].
pub(crate) fn cap_updaters(owners: &mut Owners) {
    let mut updaters: Vec<(Option<String>, Owner)> = owners
        .iter()
        .filter(|(owner, _)| owner.operation == Operation::Update)
        .map(|(owner, owned)| (owned.time.clone(), owner.clone()))
        .collect();
    updaters.sort();
    let mut excess = updaters.len().saturating_sub(MOST_UPDATERS);
    let mut first_of_version: BTreeMap<String, Owner> = BTreeMap::new();
    for (_, owner) in updaters {
        if excess == 0 {
            break;
        }
        let Some(version) = owners.get(&owner).map(|owned| owned.version.clone()) else { continue };
        let Some(first) = first_of_version.get(&version) else {
            first_of_version.insert(version, owner);
            continue;
        };
        let bucket = Owner::new(OLD_UPDATERS, Operation::Update, &version, "");
        if !owners.contains_key(&bucket)
            && let Some(owned) = owners.remove(first)
        {
            owners.insert(bucket.clone(), owned);
        }
        if owner != bucket
            && let Some(merged) = owners.remove(&owner)
            && let Some(owned) = owners.get_mut(&bucket)
        {
            owned.set = owned.set.union(&merged.set);
            owned.time = merged.time;
        }
        excess -= 1;
    }
}

/// The entries without their times, to tell whether anything but a time changed.
pub(crate) fn without_times(entries: &[Value]) -> Vec<Value> {
    let strip = |entry: &Value| {
        let mut entry = entry.clone();
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("time");
        }
        entry
    };
    let mut stripped: Vec<Value> = entries.iter().map(strip).collect();
    stripped.sort_by(crate::control_plane::machinery::value::compare);
    stripped
}
