//! How a value is taken apart under its schema node: as a whole, item by item, or field by field.

use super::set::Step;
use crate::control_plane::machinery::schema::node::{Additional, Kind, ListType, Node};
use serde_json::Value;
use std::sync::LazyLock;

/// What is not declared anywhere: objects field by field, lists as a whole.
static DEDUCED: LazyLock<Node> = LazyLock::new(Node::anything);

/// How a value is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Not at all.
    Leaf,
    /// By its items.
    List,
    /// By its fields.
    Map,
}

/// The shape of a value that is there, or would be.
pub(crate) fn shape(node: &Node, value: &Value) -> Shape {
    let open = matches!(node.kind, Kind::Any | Kind::IntOrString);
    let map = if node.atomic_map { Shape::Leaf } else { Shape::Map };
    let list = if node.list == ListType::Atomic { Shape::Leaf } else { Shape::List };
    match value {
        Value::Object(_) | Value::Null if open || node.kind == Kind::Object => map,
        Value::Array(_) if open || node.kind == Kind::Array => list,
        Value::Null if node.kind == Kind::Array => list,
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => Shape::Leaf,
    }
}

/// The node of a field, and whether the field is declared by name.
pub(crate) fn child<'a>(node: &'a Node, name: &str) -> (&'a Node, bool) {
    match (node.properties.get(name), &node.additional) {
        (Some(property), _) => (property, true),
        (None, Additional::Each(each)) => (each, false),
        (None, Additional::Unspecified | Additional::Refused | Additional::Anything) => (&DEDUCED, false),
    }
}

/// The node of a list's items.
pub(crate) fn item_node(node: &Node) -> &Node {
    node.items.as_deref().unwrap_or(&DEDUCED)
}

/// Whether a field the node does not declare may be there at all.
pub(crate) fn takes_undeclared(node: &Node) -> bool {
    match node.additional {
        Additional::Each(_) | Additional::Anything => true,
        Additional::Refused => false,
        Additional::Unspecified => node.preserve_unknown || node.properties.is_empty(),
    }
}

/// The step that names an item of a set or keyed list.
pub(crate) fn item_step(node: &Node, item: &Value) -> Result<Step, String> {
    let ListType::Map(keys) = &node.list else {
        return match item {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null".to_owned())
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Step::Value(item.clone())),
        };
    };
    let Value::Object(fields) = item else {
        let what = if item.is_null() { "a null element" } else { "non-map elements" };
        return Err(format!("associative list with keys may not have {what}"));
    };
    let default = |key: &str| node.items.as_deref()?.properties.get(key)?.default.clone();
    let mut found: Vec<(String, Value)> = keys
        .iter()
        .filter_map(|key| Some((key.clone(), fields.get(key).cloned().or_else(|| default(key))?)))
        .collect();
    if found.is_empty() {
        let names: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
             values for any key fields)",
            names.join(" ")
        ));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Step::Key(found))
}
