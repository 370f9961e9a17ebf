//! The three older patch types: JSON patch, JSON merge patch, strategic merge patch.
//!
//! Decides what a patch makes of an object. What the patched object may look like is for the schema,
//! who owns the changed fields for [`super::apply::record_update`].

mod json;
mod strategic;
#[cfg(test)]
mod tests;

use super::schema::Schema;
use serde_json::Value;

/// Why a patch was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself makes no sense: 400, reason `BadRequest`.
    #[error("{0}")]
    Malformed(String),
    /// It does not fit the object (absent path, failed `test`): 422, reason `Invalid`. The real server answers with
    /// the message `the server rejected our request due to an error in our request`.
    #[error("{0}")]
    Rejected(String),
}

/// Applies a JSON patch (RFC 6902) the way the API server's library does.
///
/// Where that differs from the RFC: `test` of `null` passes on an absent field, `replace` sets an absent field,
/// and negative indexes count from the end. The object is left untouched if any operation fails.
pub fn json_patch(object: &mut Value, operations: &Value) -> Result<(), PatchError> {
    json::patch(object, operations)
}

/// Applies a JSON merge patch (RFC 7386).
pub fn merge_patch(object: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = object else { return };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge_patch(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Applies a strategic merge patch, as built-in kinds take it (custom resources answer 415).
///
/// Understands merged lists by the schema's merge keys, `$patch: delete|replace|merge`, `$setElementOrder/…`,
/// `$deleteFromPrimitiveList/…` and `$retainKeys`. The object is left untouched if the patch is refused.
pub fn strategic_merge_patch(object: &mut Value, patch: &Value, schema: &Schema) -> Result<(), PatchError> {
    strategic::patch(object, patch, schema.root())
}
