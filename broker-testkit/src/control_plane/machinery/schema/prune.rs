//! Removing what a schema does not know, and filling in what it sets by default.

use super::node::{Additional, Kind, Node};
use serde_json::{Value, json};

/// Removes unknown fields below `value`, and writes the path of each removed one to `unknown`.
///
/// `at_root` spares `apiVersion`, `kind` and `metadata`, whatever the schema says.
pub(super) fn prune(value: &mut Value, node: Option<&Node>, path: &str, unknown: &mut Vec<String>) {
    let keeps_unknown = node.is_some_and(keeps_unknown);
    match value {
        Value::Object(fields) => {
            fields.retain(|name, child| {
                let child_path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match node.and_then(|node| node.field(name)) {
                    Some(child_node) => prune(child, Some(child_node), &child_path, unknown),
                    None if keeps_unknown => {}
                    None => {
                        unknown.push(child_path);
                        return false;
                    }
                }
                true
            });
        }
        Value::Array(items) => {
            let item_node = node.and_then(|node| node.items.as_deref());
            if item_node.is_none() && keeps_unknown {
                return;
            }
            for (index, item) in items.iter_mut().enumerate() {
                prune(item, item_node, &format!("{path}[{index}]"), unknown);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn keeps_unknown(node: &Node) -> bool {
    node.preserve_unknown || matches!(node.additional, Additional::Anything)
}

/// Which nulls are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// All that are neither allowed nor have a default.
    Unwanted,
    /// Those of them that validation lets through, for want of a type.
    Untyped,
}

/// Removes nulls below `value`.
pub(super) fn drop_nulls(value: &mut Value, node: &Node, which: Nulls) {
    match value {
        Value::Object(fields) => {
            let is_bad_null = |name: &str, child: &Value| {
                child.is_null()
                    && node.field(name).is_some_and(|node| {
                        !node.nullable
                            && node.default.is_none()
                            && (which == Nulls::Unwanted || node.kind == Kind::Any)
                    })
            };
            fields.retain(|name, child| !is_bad_null(name, child));
            for (name, child) in fields.iter_mut() {
                if let Some(child_node) = node.field(name) {
                    drop_nulls(child, child_node, which);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item_node) = node.items.as_deref() {
                for item in items {
                    drop_nulls(item, item_node, which);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Writes defaults below `value`.
pub(super) fn fill_defaults(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            for (name, property) in &node.properties {
                let Some(default) = &property.default else { continue };
                let missing = fields.get(name).is_none_or(|child| child.is_null() && !property.nullable);
                if missing {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, child) in fields.iter_mut() {
                if let Some(child_node) = node.field(name) {
                    replace_null(child, child_node);
                    fill_defaults(child, child_node);
                }
            }
        }
        Value::Array(items) => {
            let Some(item_node) = node.items.as_deref() else { return };
            for item in items {
                replace_null(item, item_node);
                fill_defaults(item, item_node);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn replace_null(value: &mut Value, node: &Node) {
    if let (true, false, Some(default)) = (value.is_null(), node.nullable, &node.default) {
        *value = default.clone();
    }
}

/// Removes what typed metadata never shows: nulls and empty collections.
///
/// In a native kind an empty `managedFields` means something to server-side apply; of a custom resource the real server
/// has lost it by then.
pub(super) fn tidy_metadata(object: &mut Value, is_native: bool) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.values_mut().for_each(empty_texts);
        metadata.retain(|name, value| match value {
            Value::Null => false,
            Value::Object(fields) => !fields.is_empty(),
            Value::Array(items) => !items.is_empty() || is_native && name == "managedFields",
            Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        });
    }
}

/// A Go list has the zero of its items' type where there is null.
pub(super) fn fill_nulls_in_lists(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            for (name, child) in fields.iter_mut() {
                if let Some(child_node) = node.field(name) {
                    fill_nulls_in_lists(child, child_node);
                }
            }
        }
        Value::Array(items) => {
            let Some(item_node) = node.items.as_deref() else { return };
            for item in items {
                if item.is_null() {
                    *item = zero(item_node.kind);
                }
                fill_nulls_in_lists(item, item_node);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn zero(kind: Kind) -> Value {
    match kind {
        Kind::Any | Kind::Array => Value::Null,
        Kind::Object => json!({}),
        Kind::Text => json!(""),
        Kind::Integer | Kind::Number | Kind::IntOrString => json!(0),
        Kind::Boolean => json!(false),
    }
}

/// A Go map of texts has an empty one where there is null.
fn empty_texts(map: &mut Value) {
    for value in
        map.as_object_mut().into_iter().flat_map(|map| map.values_mut()).filter(|value| value.is_null())
    {
        *value = Value::from("");
    }
}

/// Removes nulls and empty lists and maps where the schema declares one. Empty objects with declared fields stay.
pub(super) fn drop_empties(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, child| {
                let Some(child_node) = node.properties.get(name) else { return true };
                drop_empties(child, child_node);
                let is_map = matches!(child_node.additional, Additional::Each(_));
                if matches!(&child_node.additional, Additional::Each(each) if each.kind == Kind::Text) {
                    empty_texts(child);
                }
                match child {
                    Value::Null => false,
                    // Who sends an empty list of rules owns it; an empty managedFields list means something.
                    Value::Array(items) => !items.is_empty() || name == "rules" || name == "managedFields",
                    Value::Object(fields) => !(is_map && fields.is_empty()),
                    Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
                }
            });
        }
        Value::Array(items) => {
            if let Some(item_node) = node.items.as_deref() {
                for item in items {
                    drop_empties(item, item_node);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
