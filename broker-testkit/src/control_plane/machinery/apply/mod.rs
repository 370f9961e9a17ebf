//! Server-side apply: who owns which field, and what an apply makes of an object.
//!
//! Follows structured-merge-diff: ownership is a set of field paths per manager, operation, version and
//! subresource, kept in `metadata.managedFields`. Does not look at `resourceVersion` or `uid`:
//! preconditions, and putting back the metadata that only the server may write, are the server's.

mod managed;
mod set;
mod shape;
#[cfg(test)]
mod tests;
mod typed;
mod update;

use super::schema::Schema;
use super::value::{equal, take};
use crate::control_plane::sabotage::{self, Bug};
use managed::{Operation, Owned, Owner, Owners};
use serde_json::Value;
use set::FieldSet;
use typed::{contradictions, field_set, merge};
use update::{Conflict, describe, prune, strip, update};

/// Who writes, through which endpoint and when.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The field manager: `fieldManager` of the query, else the user agent up to the first `/`.
    pub manager: &'a str,
    /// The `apiVersion` of the written object, as `example.com/v1`.
    pub api_version: &'a str,
    /// The subresource written to (`status`, `scale`), empty for the object itself.
    pub subresource: &'a str,
    /// Now, as RFC 3339 in whole seconds: `2026-01-02T03:04:05Z`.
    pub now: &'a str,
    /// Whether the kind has a status subresource. Writes to the object then own nothing under `status`,
    /// and writes to `status` nothing besides it.
    pub status_subresource: bool,
}

/// One field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The path, as `.spec.replicas` or `.status.conditions[type="Ready"].status`.
    pub field: String,
    /// `conflict with "other"`, with version and subresource where the real server says them.
    pub message: String,
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Another manager owns fields with other values, and `force` was not given: 409, reason `Conflict`,
    /// each cause with reason `FieldManagerConflict`.
    #[error("{message}")]
    Conflict {
        /// The whole message: `Apply failed with 1 conflict: conflict with "other": .spec.replicas`.
        message: String,
        /// The `details.causes`.
        causes: Vec<Cause>,
    },
    /// The applied object carries managedFields, or is of another version: 400, reason `BadRequest`.
    #[error("{0}")]
    BadRequest(String),
    /// The applied object contradicts the schema (`.spec.foo: field not declared in schema`). The real server
    /// answers 500 without a reason; with `fieldValidation=Strict` kubectl is told earlier.
    #[error("{0}")]
    Contradiction(String),
}

/// The annotation that client-side `kubectl apply` keeps its last configuration in.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The manager that gets everything an object held before it was first applied to.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Takes over the ownership after a create, update or (non-apply) patch: writes `metadata.managedFields` of `new`.
///
/// `live` is `None` on create. `new` is the object as it would be stored; managedFields sent by the client in it
/// are honoured as the real server does (`[]` and `[{}]` forget all ownership, an absent list changes nothing).
/// An update that changes nothing leaves managedFields as they are, times included.
pub fn record_update(live: Option<&Value>, new: &mut Value, schema: &Schema, writer: Writer<'_>) {
    let mut old = live.cloned().unwrap_or_else(|| nothing_of(schema));
    let live_entries = take(&mut old, &["metadata", "managedFields"]);
    let live_entries = live_entries.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    let sent = take(new, &["metadata", "managedFields"]).filter(|_| writer.subresource.is_empty());
    let mut owners = owners_of(sent.as_ref(), &live_entries);
    // Ownership of an object nobody tracked so far is not taken up by updates.
    if owners.is_empty() && live.is_some() {
        return;
    }
    take_over(&old, new, &mut owners, schema, writer);
    managed::cap_updaters(&mut owners);
    managed::write(new, &owners);
    keep_times_of_no_change(&old, &live_entries, new);
}

/// Merges an applied configuration into the live object and gives the object to store, managedFields included.
///
/// `live` is `None` where the apply creates the object. What the manager applied before and leaves out now is
/// removed unless someone else owns it. An apply that changes nothing gives back `live` unchanged.
/// Through `status` only `status` (and ownership) changes, besides it everything else, where the kind has the
/// subresource. Defaults are not filled in: run the schema's pruning, defaulting and validation over the result.
pub fn apply(
    live: Option<&Value>,
    applied: &Value,
    schema: &Schema,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, ApplyError> {
    check_applied(applied, schema, writer.api_version)?;
    let mut old = live.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let live_entries = take(&mut old, &["metadata", "managedFields"]);
    let live_entries = live_entries.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    let mut owners = managed::decode(&live_entries).unwrap_or_default();
    if owners.is_empty() && live.is_some() {
        take_over(
            &nothing_of(schema),
            &old,
            &mut owners,
            schema,
            Writer { manager: BEFORE_FIRST_APPLY, ..writer },
        );
    }
    let mut force = force;
    let mut new = loop {
        match merge_applied(&old, applied, owners.clone(), schema, writer, force) {
            Ok((new, new_owners)) => {
                owners = new_owners;
                break new;
            }
            Err(mut conflicts) => {
                if writer.manager == "kubectl"
                    && let Some(own) = last_applied_fields(&old, schema, writer)
                {
                    conflicts = conflicts.into_iter().filter_map(|conflict| conflict.without(&own)).collect();
                }
                if !conflicts.is_empty() {
                    return Err(describe(&conflicts));
                }
                force = true;
            }
        }
    };
    keep_last_applied(&mut new, applied, writer);
    managed::write(&mut new, &owners);
    keep_times_of_no_change(&old, &live_entries, &mut new);
    Ok(new)
}

/// What an object has that was given nothing.
fn nothing_of(schema: &Schema) -> Value {
    let always = schema.always_there();
    if always.is_null() { Value::Object(serde_json::Map::new()) } else { always.clone() }
}

/// Whether a configuration can be applied at all, to whatever object.
pub(crate) fn check_applied(applied: &Value, schema: &Schema, api_version: &str) -> Result<(), ApplyError> {
    let text = |pointer: &str| applied.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if applied.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let version = text("/apiVersion");
    if version != api_version {
        return Err(ApplyError::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {api_version}"
        )));
    }
    let found = contradictions(applied, schema.root());
    let message = match found.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    Err(ApplyError::Contradiction(format!(
        "failed to create typed patch object ({}/{}; {}{version}, Kind={}): {message}",
        text("/metadata/namespace"),
        text("/metadata/name"),
        if version.contains('/') { "" } else { "/" },
        text("/kind"),
    )))
}

/// The owners an update starts from: those sent along, if they make sense, else those of the live object.
fn owners_of(sent: Option<&Value>, live_entries: &[Value]) -> Owners {
    let sent = sent.and_then(Value::as_array);
    match sent.map(Vec::as_slice) {
        Some([]) => return Owners::new(),
        Some([only]) if only.as_object().is_some_and(serde_json::Map::is_empty) => return Owners::new(),
        Some(_) | None => {}
    }
    sent.and_then(|entries| managed::decode(entries))
        .filter(|owners| !owners.is_empty())
        .or_else(|| managed::decode(live_entries))
        .unwrap_or_default()
}

/// Gives a writer what it changed, and takes it from everybody else.
fn take_over(old: &Value, new: &Value, owners: &mut Owners, schema: &Schema, writer: Writer<'_>) {
    let comparison = update(old, new, owners, None, schema, writer);
    let taken = strip(&filtered(comparison.added.union(&comparison.modified), schema, writer));
    if taken.is_empty() {
        return;
    }
    let owner = Owner::new(writer.manager, Operation::Update, writer.api_version, writer.subresource);
    let set = owners.get(&owner).map_or_else(|| taken.clone(), |previous| previous.set.union(&taken));
    let version = writer.api_version.to_owned();
    owners.insert(owner, Owned { set, version, time: Some(writer.now.to_owned()) });
}

fn merge_applied(
    old: &Value,
    applied: &Value,
    mut owners: Owners,
    schema: &Schema,
    writer: Writer<'_>,
    force: bool,
) -> Result<(Value, Owners), Vec<Conflict>> {
    let owner = Owner::new(writer.manager, Operation::Apply, writer.api_version, writer.subresource);
    let merged = merge(Some(old), Some(applied), schema.root()).unwrap_or_else(|| applied.clone());
    let set = filtered(field_set(applied, schema.root()), schema, writer);
    let previous = owners.get(&owner).cloned();
    let time = previous.as_ref().and_then(|owned| owned.time.clone());
    let version = writer.api_version.to_owned();
    owners.insert(owner.clone(), Owned { set, version, time });
    let new = prune(&merged, &owners, previous.as_ref().map(|owned| &owned.set), schema.root());
    let conflicts = update::conflicts(old, &new, &owners, &owner, schema, writer);
    if !force && !conflicts.is_empty() && !sabotage::is(Bug::ConflictsOverlooked) {
        return Err(conflicts);
    }
    update(old, &new, &mut owners, Some(&owner), schema, writer);
    if let Some(owned) = owners.get_mut(&owner) {
        owned.set = strip(&owned.set);
        // What the endpoint then drops counts as a change here.
        if !equal(old, &new) {
            owned.time = Some(writer.now.to_owned());
        }
    }
    owners.retain(|_, owned| !owned.set.is_empty());
    let new = only_what_the_endpoint_writes(old, new, writer);
    Ok((new, owners))
}

/// Puts back what this endpoint may not write.
fn only_what_the_endpoint_writes(old: &Value, new: Value, writer: Writer<'_>) -> Value {
    let restore = |from: &Value, mut into: Value| {
        if let Some(fields) = into.as_object_mut() {
            match from.get("status") {
                Some(status) => fields.insert("status".to_owned(), status.clone()),
                None => fields.remove("status"),
            };
        }
        into
    };
    match (writer.status_subresource, writer.subresource) {
        (true, "") => restore(old, new),
        (_, "status") => restore(&new, old.clone()),
        _ => new,
    }
}

/// Without what this endpoint may not own.
fn filtered(set: FieldSet, schema: &Schema, writer: Writer<'_>) -> FieldSet {
    update::foreign_fields(schema, writer).iter().fold(set, |set, field| set.without_field(field))
}

/// The fields that client-side apply set and that still have its values: kubectl may take them over.
fn last_applied_fields(old: &Value, schema: &Schema, writer: Writer<'_>) -> Option<FieldSet> {
    let text = old.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last.get("apiVersion")?.as_str()? != writer.api_version {
        return None;
    }
    let comparison = typed::Comparison::between(&last, old, schema.root());
    let set = field_set(&last, schema.root());
    Some(set.difference(&comparison.modified).difference(&comparison.added).difference(&comparison.removed))
}

/// kubectl's server-side apply keeps the annotation of client-side apply up to date where there is one.
fn keep_last_applied(new: &mut Value, applied: &Value, writer: Writer<'_>) {
    let annotation = new.pointer_mut("/metadata/annotations").and_then(|all| all.get_mut(LAST_APPLIED));
    let Some(annotation) = annotation.filter(|text| text.as_str().is_some_and(|text| !text.is_empty()))
    else {
        return;
    };
    if writer.manager != "kubectl" {
        return;
    }
    let mut last = applied.clone();
    take(&mut last, &["metadata", "annotations", LAST_APPLIED]);
    *annotation = Value::from(format!("{last}\n"));
}

/// Puts the old managedFields back where only times would change, so that a write without effect has none.
fn keep_times_of_no_change(old: &Value, live_entries: &[Value], new: &mut Value) {
    let new_entries = managed::entries(new).cloned().unwrap_or_default();
    if live_entries.is_empty() || managed::without_times(live_entries) != managed::without_times(&new_entries)
    {
        return;
    }
    let mut bare = new.clone();
    take(&mut bare, &["metadata", "managedFields"]);
    if equal(old, &bare)
        && let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("managedFields".to_owned(), Value::from(live_entries.to_vec()));
    }
}
