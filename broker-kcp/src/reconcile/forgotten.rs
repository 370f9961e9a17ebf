//! What a server keeps of a status although the apply that replaced it no longer names it.
//!
//! kcp takes applies to a status through a virtual workspace for updates: it records us as having updated the fields,
//! and a later apply removes only what was applied. On such a server what is no longer wanted is removed by name, in the
//! same write. There the status of an order is ours alone; where applies are recorded as such, others may add to it.

use broker_core::resource::{Object, marker};
use serde_json::{Map, Value};

/// Whether the server recorded our apply to a status as an update.
pub(super) fn is_taken_for_update(written: &Object) -> bool {
    let entries = written.get(&["metadata", "managedFields"]).and_then(Value::as_array);
    entries.into_iter().flatten().any(|entry| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        text("manager") == Some(marker::MANAGER)
            && text("operation") == Some("Update")
            && entry.pointer("/fieldsV1/f:status").is_some()
    })
}

/// A merge patch that makes `wanted` of what is there.
pub(super) fn replacement(there: Option<&Value>, wanted: &Value) -> Value {
    let (Some(Value::Object(there)), Value::Object(wanted)) = (there, wanted) else { return wanted.clone() };
    let mut patch: Map<String, Value> =
        wanted.iter().map(|(key, value)| (key.clone(), replacement(there.get(key), value))).collect();
    for key in there.keys().filter(|key| !wanted.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_apply_that_is_recorded_as_our_update_is_known() {
        let written = |manager: &str, operation: &str, field: &str| {
            let entry = json!({ "manager": manager, "operation": operation, "fieldsV1": { field: {} } });
            Object::try_from(json!({ "metadata": { "managedFields": [entry] } })).unwrap()
        };
        assert!(is_taken_for_update(&written(marker::MANAGER, "Update", "f:status")));
        assert!(!is_taken_for_update(&written(marker::MANAGER, "Apply", "f:status")));
        assert!(!is_taken_for_update(&written(marker::MANAGER, "Update", "f:metadata")));
        assert!(!is_taken_for_update(&written("somebody", "Update", "f:status")));
    }

    #[test]
    fn what_is_wanted_no_more_is_removed_by_name_and_lists_as_a_whole() {
        let there = json!({ "host": "a", "conditions": [1, 2], "relatedResources": { "old": { "name": "o" }, "new": { "name": "m" } } });
        let wanted = json!({ "conditions": [2], "relatedResources": { "new": { "name": "n" } } });
        let patch = replacement(Some(&there), &wanted);
        let expected = json!({ "host": null, "conditions": [2], "relatedResources": { "old": null, "new": { "name": "n" } } });
        assert_eq!(patch, expected);
        assert_eq!(replacement(None, &wanted), wanted);
    }
}
