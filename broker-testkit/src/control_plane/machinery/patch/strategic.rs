//! Strategic merge patch.

use super::PatchError;
use crate::control_plane::machinery::schema::node::Node;
use crate::control_plane::machinery::value::equal;
use serde_json::{Map, Value};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ELEMENT_ORDER: &str = "$setElementOrder/";
const DELETE_PRIMITIVES: &str = "$deleteFromPrimitiveList/";

type Fields = Map<String, Value>;

pub(super) fn patch(object: &mut Value, patch: &Value, node: &Node) -> Result<(), PatchError> {
    let Value::Object(changes) = patch else {
        return Err(PatchError::Malformed("Invalid JSON document".to_owned()));
    };
    let original = object.as_object().cloned().unwrap_or_default();
    *object = Value::Object(merge_objects(original, changes, Some(node))?);
    Ok(())
}

fn malformed<T>(message: &str) -> Result<T, PatchError> {
    Err(PatchError::Malformed(message.to_owned()))
}

fn rejected<T>(message: String) -> Result<T, PatchError> {
    Err(PatchError::Rejected(message))
}

fn merge_objects(mut original: Fields, patch: &Fields, node: Option<&Node>) -> Result<Fields, PatchError> {
    match patch.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
        Some("replace") => {
            let kept = patch.iter().filter(|(name, _)| *name != DIRECTIVE);
            return Ok(kept.map(|(name, value)| (name.clone(), value.clone())).collect());
        }
        Some("delete") => return Ok(Fields::new()),
        Some("merge") | None => {}
        Some(other) => return rejected(format!("unknown patch type found: {other}")),
    }
    retain_keys(&mut original, patch)?;
    let before = original.clone();
    for (name, change) in patch {
        if [DIRECTIVE, RETAIN_KEYS].contains(&name.as_str()) || name.starts_with(ELEMENT_ORDER) {
            continue;
        }
        if let Some(list) = name.strip_prefix(DELETE_PRIMITIVES) {
            delete_primitives(&mut original, list, change)?;
            continue;
        }
        if change.is_null() {
            original.remove(name);
            continue;
        }
        let child = node.and_then(|node| node.field(name));
        let merged = match (original.remove(name), change) {
            (Some(Value::Object(fields)), Value::Object(changes)) => {
                Value::Object(merge_objects(fields, changes, child)?)
            }
            (Some(Value::Array(items)), Value::Array(changes))
                if child.is_some_and(|node| node.patch.merge) =>
            {
                Value::Array(merge_lists(items, changes, child)?)
            }
            (_, change) => match without_directives(change) {
                Some(value) => value,
                None => continue,
            },
        };
        original.insert(name.clone(), merged);
    }
    for (name, order) in patch {
        if let (Some(list), Value::Array(order)) = (name.strip_prefix(ELEMENT_ORDER), order) {
            let key = node.and_then(|node| node.field(list)).and_then(|node| node.patch.merge_key.clone());
            check_order(patch.get(list), order, key.as_deref())?;
            if let Some(Value::Array(items)) = original.get_mut(list) {
                let server_order = before.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                *items = in_order(std::mem::take(items), order, server_order, key.as_deref());
            }
        }
    }
    Ok(original)
}

/// The patched list must name its items in the order the directive gives.
fn check_order(list: Option<&Value>, order: &[Value], key: Option<&str>) -> Result<(), PatchError> {
    let identity = |item: &Value| key.map_or_else(|| Some(item.clone()), |key| item.get(key).cloned());
    let kept = |item: &&Value| item.get(DIRECTIVE).is_none();
    let mut rest = order.iter().filter_map(identity);
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let in_order = list
        .filter(kept)
        .all(|item| identity(item).is_some_and(|wanted| rest.by_ref().any(|found| equal(&found, &wanted))));
    if in_order {
        Ok(())
    } else {
        rejected("The order in patch list doesn't match $setElementOrder list".to_owned())
    }
}

fn retain_keys(original: &mut Fields, patch: &Fields) -> Result<(), PatchError> {
    let Some(retained) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let Some(retained) = retained.as_array() else {
        return malformed("invalid patch format of retainKeys");
    };
    let names: Vec<&str> = retained.iter().filter_map(Value::as_str).collect();
    if patch.keys().any(|name| !name.starts_with('$') && !names.contains(&name.as_str())) {
        return malformed("invalid patch format of retainKeys");
    }
    original.retain(|name, _| names.contains(&name.as_str()));
    Ok(())
}

fn delete_primitives(original: &mut Fields, list: &str, deleted: &Value) -> Result<(), PatchError> {
    let Some(deleted) = deleted.as_array() else {
        return malformed("invalid patch format of primitive list");
    };
    if let Some(Value::Array(items)) = original.get_mut(list) {
        items.retain(|item| !deleted.iter().any(|gone| equal(gone, item)));
    }
    Ok(())
}

/// The value a patch gives where there is nothing to merge with; `None` if it was only a directive.
fn without_directives(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| !is_directive(name) && !value.is_null());
            Some(Value::Object(
                kept.filter_map(|(name, value)| Some((name.clone(), without_directives(value)?))).collect(),
            ))
        }
        Value::Array(items) => Some(Value::Array(items.iter().filter_map(without_directives).collect())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.clone()),
    }
}

fn is_directive(name: &str) -> bool {
    name == RETAIN_KEYS || name.starts_with(ELEMENT_ORDER) || name.starts_with(DELETE_PRIMITIVES)
}

fn merge_lists(
    mut items: Vec<Value>,
    changes: &[Value],
    node: Option<&Node>,
) -> Result<Vec<Value>, PatchError> {
    let key = node.and_then(|node| node.patch.merge_key.as_deref());
    let Some(key) = key else {
        let server_order = items.clone();
        for change in changes {
            if !items.iter().any(|item| equal(item, change)) {
                items.push(change.clone());
            }
        }
        return Ok(in_order(items, changes, &server_order, None));
    };
    let mut replaces = false;
    let mut ordinary = Vec::new();
    for change in changes {
        let Some(fields) = change.as_object() else {
            return rejected(format!("delete or merge of a list item that is not an object: {change}"));
        };
        match fields.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
            None => ordinary.push(fields),
            Some("replace") => replaces = true,
            Some("delete") => {
                let wanted = merge_value(fields, key)?;
                items.retain(|item| item.get(key).is_none_or(|found| !equal(found, wanted)));
            }
            Some(other) => return rejected(format!("unknown patch type found: {other}")),
        }
    }
    if replaces {
        return Ok(ordinary.into_iter().map(|fields| Value::Object(fields.clone())).collect());
    }
    let server_order = items.clone();
    let item_node = node.and_then(|node| node.items.as_deref());
    for fields in &ordinary {
        let wanted = merge_value(fields, key)?;
        match items.iter_mut().find(|item| item.get(key).is_some_and(|found| equal(found, wanted))) {
            Some(item) => {
                let original = item.as_object().cloned().unwrap_or_default();
                *item = Value::Object(merge_objects(original, fields, item_node)?);
            }
            None => items.push(Value::Object((*fields).clone())),
        }
    }
    let order: Vec<Value> = ordinary.into_iter().map(|fields| Value::Object(fields.clone())).collect();
    Ok(in_order(items, &order, &server_order, Some(key)))
}

fn merge_value<'a>(fields: &'a Fields, key: &str) -> Result<&'a Value, PatchError> {
    fields.get(key).map_or_else(
        || {
            rejected(format!(
                "map: {} does not contain declared merge key: {key}",
                Value::Object(fields.clone())
            ))
        },
        Ok,
    )
}

/// Puts the items named by `order` into that order, and the others between them where they stood before.
/// Items the server did not have come before the others, as on the real server.
fn in_order(items: Vec<Value>, order: &[Value], server_order: &[Value], key: Option<&str>) -> Vec<Value> {
    let identity = |item: &Value| key.map_or_else(|| Some(item.clone()), |key| item.get(key).cloned());
    let place = |list: &[Value], item: &Value| {
        let wanted = identity(item)?;
        list.iter().position(|other| identity(other).is_some_and(|found| equal(&found, &wanted)))
    };
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(server_order, item).unwrap_or(usize::MAX));
    let mut result = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    while let (Some(other), Some(next)) = (others.peek(), named.peek()) {
        let before = place(server_order, other).zip(place(server_order, next)).is_some_and(|(a, b)| a < b);
        result.extend(if before { others.next() } else { named.next() });
    }
    result.extend(named);
    result.extend(others);
    result
}
