//! Reading and writing the few fields of objects that the control plane itself looks at.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// Adds a value as JSON.
pub(crate) fn write(value: &Value, text: &mut Vec<u8>) {
    // A value can always be written, and a vector takes it.
    serde_json::to_writer(text, value).ok();
}

/// The text at a JSON pointer, or the empty string.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON pointer, or an empty one.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of the list at a JSON pointer.
pub(crate) fn texts<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a str> {
    list(object, pointer).iter().filter_map(Value::as_str)
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(crate) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

pub(crate) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// Whether deletion has begun.
pub(crate) fn is_terminating(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|v| !v.is_null())
}

pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    texts(object, "/metadata/finalizers").map(str::to_owned).collect()
}

/// The map at `path`, made where it is missing; `None` if something that is no map stands in the way.
pub(crate) fn map_at<'a>(object: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut here = object;
    for key in path {
        if here.is_null() {
            *here = Value::Object(Map::new());
        }
        here = here.as_object_mut()?.entry(*key).or_insert_with(|| Value::Object(Map::new()));
    }
    if here.is_null() {
        *here = Value::Object(Map::new());
    }
    here.as_object_mut()
}

/// Writes a value below maps, which are made where they are missing.
pub(crate) fn set(object: &mut Value, path: &[&str], value: Value) {
    if let Some((last, above)) = path.split_last()
        && let Some(map) = map_at(object, above)
    {
        map.insert((*last).to_owned(), value);
    }
}

/// Removes a value below maps.
pub(crate) fn remove(object: &mut Value, path: &[&str]) {
    let Some((last, above)) = path.split_last() else { return };
    let mut here = object;
    for key in above {
        match here.get_mut(*key) {
            Some(next) => here = next,
            None => return,
        }
    }
    if let Some(map) = here.as_object_mut() {
        map.remove(*last);
    }
}

pub(crate) fn set_label(object: &mut Value, key: &str, value: &str) {
    set(object, &["metadata", "labels", key], json!(value));
}

pub(crate) fn set_annotation(object: &mut Value, key: &str, value: &str) {
    set(object, &["metadata", "annotations", key], json!(value));
}

/// Removes a key of the map at `metadata.<map>`, and the map when it gets empty.
pub(crate) fn remove_metadata(object: &mut Value, map: &str, key: &str) {
    remove(object, &["metadata", map, key]);
    let left = object.get("metadata").and_then(|m| m.get(map)).and_then(Value::as_object);
    if left.is_some_and(Map::is_empty) {
        remove(object, &["metadata", map]);
    }
}

/// Writes the finalizers, or removes the field when there are none.
pub(crate) fn set_finalizers(object: &mut Value, finalizers: &[String]) {
    if finalizers.is_empty() {
        remove(object, &["metadata", "finalizers"]);
    } else {
        set(object, &["metadata", "finalizers"], json!(finalizers));
    }
}

/// Whether the object has the condition with status `True`.
pub(crate) fn condition_is_true(object: &Value, kind: &str) -> bool {
    list(object, "/status/conditions").iter().any(|c| c["type"] == kind && c["status"] == "True")
}

/// Writes one condition; its transition time moves only with its status.
pub(crate) fn set_condition(
    now: &str,
    object: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
) {
    // kcp shows Ready first and the rest by name; Kubernetes shows them as they came.
    let sorted = text(object, "/apiVersion").contains("kcp.io/");
    let Some(fields) = map_at(object, &["status"]) else { return };
    let conditions = fields.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": now});
    if !reason.is_empty() {
        set(&mut condition, &["reason"], json!(reason));
    }
    if !message.is_empty() {
        set(&mut condition, &["message"], json!(message));
    }
    match conditions.iter_mut().find(|c| c["type"] == kind) {
        Some(found) => {
            if at(found, "/status") == status {
                set(&mut condition, &["lastTransitionTime"], at(found, "/lastTransitionTime").clone());
            }
            *found = condition;
        }
        None => conditions.push(condition),
    }
    if sorted {
        conditions.sort_by_key(|condition| {
            let kind = text(condition, "/type").to_owned();
            (kind != "Ready", kind)
        });
    }
}

/// What stands at a JSON pointer; null where nothing does.
pub(crate) fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

/// The first `bytes` of the SHA-256 of a text, in hexadecimal.
pub(crate) fn hash(text: &str, bytes: usize) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(text).iter().take(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
