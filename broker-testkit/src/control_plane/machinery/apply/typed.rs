//! Operations on a value under its schema: the fields it sets, what differs, merging, removing.

use super::set::{FieldSet, Step};
use super::shape::{Shape, child, item_node, item_step, shape, takes_undeclared};
use crate::control_plane::machinery::schema::node::{Kind, Node};
use crate::control_plane::machinery::value::equal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The fields an applied configuration sets.
pub(crate) fn field_set(value: &Value, node: &Node) -> FieldSet {
    owned(value, node).1
}

/// Whether the value is owned itself, and what is owned below it.
fn owned(value: &Value, node: &Node) -> (bool, FieldSet) {
    let mut set = FieldSet::default();
    match (shape(node, value), value) {
        (Shape::Map, Value::Object(fields)) => {
            for (name, field) in fields {
                let (field_node, declared) = child(node, name);
                let (itself, below) = owned(field, field_node);
                let empty = field.is_null() || field.as_object().is_some_and(Map::is_empty);
                set.put(Step::Field(name.clone()), itself || empty || !declared, below);
            }
            (false, set)
        }
        (Shape::List, Value::Array(items)) => {
            for (step, items) in grouped(items, node) {
                let below = match items.as_slice() {
                    [item] => owned(item, item_node(node)).1,
                    // Items that cannot be told apart are owned as one.
                    _ => FieldSet::default(),
                };
                set.put(step, true, below);
            }
            (false, set)
        }
        (Shape::Map | Shape::List, _) => (false, set),
        (Shape::Leaf, _) => (true, set),
    }
}

/// The items of a list by the step that names them; items that cannot be named are left out.
fn grouped<'a>(items: &'a [Value], node: &Node) -> BTreeMap<Step, Vec<&'a Value>> {
    let mut groups: BTreeMap<Step, Vec<&Value>> = BTreeMap::new();
    for item in items {
        if let Ok(step) = item_step(node, item) {
            groups.entry(step).or_default().push(item);
        }
    }
    groups
}

/// What differs between two values.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) added: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) removed: FieldSet,
}

impl Comparison {
    /// Compares two objects.
    pub(crate) fn between(old: &Value, new: &Value, node: &Node) -> Self {
        let mut comparison = Self::default();
        comparison.visit(Some(old), Some(new), node, &mut Vec::new());
        comparison
    }

    /// Without a top-level field and everything below it.
    pub(crate) fn without_field(self, name: &str) -> Self {
        Self {
            added: self.added.without_field(name),
            modified: self.modified.without_field(name),
            removed: self.removed.without_field(name),
        }
    }

    fn visit(&mut self, old: Option<&Value>, new: Option<&Value>, node: &Node, path: &mut Vec<Step>) {
        let (old_shape, new_shape) =
            (old.map(|value| shape(node, value)), new.map(|value| shape(node, value)));
        for shape in [old_shape, new_shape.filter(|_| new_shape != old_shape)].into_iter().flatten() {
            self.visit_as(shape, old, new, node, path);
        }
        match (old, new) {
            (None, Some(_)) => self.added.insert(path),
            (Some(_), None) => self.removed.insert(path),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Compares two values taken apart in one shape; a value of another shape has no parts.
    fn visit_as(
        &mut self,
        shape: Shape,
        old: Option<&Value>,
        new: Option<&Value>,
        node: &Node,
        path: &mut Vec<Step>,
    ) {
        let all_empty = [old, new].into_iter().flatten().all(|value| parts(shape, value) == 0);
        match shape {
            Shape::Map if !all_empty => {
                let empty = Map::new();
                let old_fields = old.and_then(Value::as_object).unwrap_or(&empty);
                let new_fields = new.and_then(Value::as_object).unwrap_or(&empty);
                let names: BTreeSet<&String> = old_fields.keys().chain(new_fields.keys()).collect();
                for name in names {
                    path.push(Step::Field(name.clone()));
                    self.visit(old_fields.get(name), new_fields.get(name), child(node, name).0, path);
                    path.pop();
                }
            }
            Shape::List if !all_empty => self.visit_items(old, new, node, path),
            Shape::Leaf | Shape::Map | Shape::List => {
                if let (Some(old), Some(new)) = (old, new)
                    && !equal(old, new)
                {
                    self.modified.insert(path);
                }
            }
        }
    }

    fn visit_items(&mut self, old: Option<&Value>, new: Option<&Value>, node: &Node, path: &mut Vec<Step>) {
        let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let (old_items, new_items) = (items(old), items(new));
        let (old_groups, new_groups) = (grouped(&old_items, node), grouped(&new_items, node));
        let steps: BTreeSet<&Step> = old_groups.keys().chain(new_groups.keys()).collect();
        for step in steps {
            let old_group = old_groups.get(step).map_or(&[][..], Vec::as_slice);
            let new_group = new_groups.get(step).map_or(&[][..], Vec::as_slice);
            path.push(step.clone());
            match (old_group, new_group) {
                ([] | [_], [] | [_]) => {
                    self.visit(old_group.first().copied(), new_group.first().copied(), item_node(node), path);
                }
                ([_, _, ..], [_, _, ..]) => {
                    let same = old_group.len() == new_group.len()
                        && old_group.iter().zip(new_group).all(|(a, b)| equal(a, b));
                    if !same {
                        self.modified.insert(path);
                    }
                }
                ([_, _, ..], _) => {
                    if let Some(new_item) = new_group.first() {
                        self.visit(None, Some(new_item), item_node(node), path);
                    }
                    self.removed.insert(path);
                }
                (_, [_, _, ..]) => {
                    if let Some(old_item) = old_group.first() {
                        self.visit(Some(old_item), None, item_node(node), path);
                    }
                    self.added.insert(path);
                }
            }
            path.pop();
        }
    }
}

/// How many parts a value has in a shape.
fn parts(shape: Shape, value: &Value) -> usize {
    match (shape, value) {
        (Shape::Map, Value::Object(fields)) => fields.len(),
        (Shape::List, Value::Array(items)) => items.len(),
        _ => 0,
    }
}

/// How two values are merged: as wholes where their shapes differ, or where both are empty.
fn joint_shape(left: Option<&Value>, right: Option<&Value>, node: &Node) -> Shape {
    let shapes: Vec<Shape> = [left, right].into_iter().flatten().map(|value| shape(node, value)).collect();
    let joint = match shapes.as_slice() {
        [one] => *one,
        [one, other] if one == other => *one,
        _ => Shape::Leaf,
    };
    let all_empty = [left, right].into_iter().flatten().all(|value| parts(joint, value) == 0);
    if all_empty { Shape::Leaf } else { joint }
}

/// Merges an applied value into a live one.
pub(crate) fn merge(live: Option<&Value>, applied: Option<&Value>, node: &Node) -> Option<Value> {
    match joint_shape(live, applied, node) {
        Shape::Leaf => applied.or(live).cloned(),
        Shape::Map => {
            let empty = Map::new();
            let live_fields = live.and_then(Value::as_object).unwrap_or(&empty);
            let applied_fields = applied.and_then(Value::as_object).unwrap_or(&empty);
            let names: BTreeSet<&String> = live_fields.keys().chain(applied_fields.keys()).collect();
            let merged = names.into_iter().filter_map(|name| {
                let value = merge(live_fields.get(name), applied_fields.get(name), child(node, name).0)?;
                Some((name.clone(), value))
            });
            Some(Value::Object(merged.collect()))
        }
        Shape::List => {
            let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
            Some(Value::Array(merge_items(&items(live), &items(applied), node)))
        }
    }
}

/// Merges keyed lists and sets: the applied order rules, and what only the live list has stays where it stood.
fn merge_items(live: &[Value], applied: &[Value], node: &Node) -> Vec<Value> {
    let steps = |items: &[Value]| -> Vec<(Option<Step>, Value)> {
        items.iter().map(|item| (item_step(node, item).ok(), item.clone())).collect()
    };
    let (live, applied) = (steps(live), steps(applied));
    let in_live: BTreeSet<&Step> = live.iter().filter_map(|(step, _)| step.as_ref()).collect();
    let in_applied: BTreeSet<&Step> = applied.iter().filter_map(|(step, _)| step.as_ref()).collect();
    let live_only = |step: &Option<Step>| step.as_ref().is_none_or(|step| !in_applied.contains(step));
    let merged = |step: &Option<Step>, item: &Value| {
        let mut same = live.iter().filter(|(other, _)| other.is_some() && other == step);
        // Duplicates in the live list are replaced rather than merged.
        let partner = match (same.next(), same.next()) {
            (Some((_, partner)), None) => Some(partner),
            _ => None,
        };
        merge(partner, Some(item), item_node(node)).unwrap_or_else(|| item.clone())
    };
    let mut result = Vec::with_capacity(live.len().max(applied.len()));
    let mut remaining = applied.iter().peekable();
    let mut done: BTreeSet<&Step> = BTreeSet::new();
    for (step, item) in &live {
        if live_only(step) {
            result.push(item.clone());
            continue;
        }
        let Some(step) = step else { continue };
        if done.contains(step) {
            continue;
        }
        // Shared items follow the applied order: this one waits if another shared one is due first.
        let due =
            remaining.clone().find_map(|(other, _)| other.as_ref().filter(|other| in_live.contains(*other)));
        if due != Some(step) {
            continue;
        }
        for (applied_step, applied_item) in remaining.by_ref() {
            result.push(merged(applied_step, applied_item));
            done.extend(applied_step);
            if applied_step.as_ref() == Some(step) {
                break;
            }
        }
    }
    for (applied_step, applied_item) in remaining {
        result.push(merged(applied_step, applied_item));
    }
    result
}

/// The value without the members of a set. A container that loses everything becomes null.
pub(crate) fn remove(value: &Value, gone: &FieldSet, node: &Node) -> Value {
    match (shape(node, value), value) {
        (Shape::Map, Value::Object(fields)) => {
            let kept: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, field)| {
                    let step = Step::Field(name.clone());
                    if gone.has(&step) {
                        return None;
                    }
                    let field = match gone.below(&step) {
                        Some(below) => remove(field, below, child(node, name).0),
                        None => field.clone(),
                    };
                    Some((name.clone(), field))
                })
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        (Shape::List, Value::Array(items)) => {
            let kept: Vec<Value> = items
                .iter()
                .filter_map(|item| {
                    let Ok(step) = item_step(node, item) else { return Some(item.clone()) };
                    if gone.has(&step) {
                        return None;
                    }
                    Some(match gone.below(&step) {
                        Some(below) => remove(item, below, item_node(node)),
                        None => item.clone(),
                    })
                })
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        (Shape::Leaf, scalar @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => scalar.clone(),
        (Shape::Leaf | Shape::Map | Shape::List, _) => Value::Null,
    }
}

/// How an applied value contradicts its schema: undeclared fields, wrong types, duplicate items.
pub(crate) fn contradictions(value: &Value, node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    check(value, node, false, "", &mut found);
    found
}

fn check(value: &Value, node: &Node, preserving: bool, path: &str, found: &mut Vec<String>) {
    let preserving = preserving || node.preserve_unknown;
    let wrong = match (node.kind, value) {
        (_, Value::Null)
        | (Kind::Any | Kind::IntOrString, _)
        | (Kind::Object, Value::Object(_))
        | (Kind::Array, Value::Array(_))
        | (Kind::Text, Value::String(_))
        | (Kind::Integer | Kind::Number, Value::Number(_))
        | (Kind::Boolean, Value::Bool(_)) => None,
        (Kind::Object, other) => Some(format!("expected map, got &{{{}}}", printed(other))),
        (Kind::Array, other) => Some(format!("expected list, got &{{{}}}", printed(other))),
        (Kind::Text, other) => {
            Some(format!("expected string, got &value.valueUnstructured{{Value:{}}}", printed(other)))
        }
        (Kind::Integer | Kind::Number, other) => {
            Some(format!("expected numeric (int or float), got {}", go_type(other)))
        }
        (Kind::Boolean, other) => Some(format!("expected boolean, got &{{{}}}", printed(other))),
    };
    if let Some(message) = wrong {
        found.push(format!("{path}: {message}"));
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let (field_node, declared) = child(node, name);
                let step = format!("{path}.{name}");
                if declared || preserving || takes_undeclared(node) {
                    check(field, field_node, preserving, &step, found);
                } else {
                    found.push(format!("{step}: field not declared in schema"));
                }
            }
        }
        Value::Array(items) => check_items(items, node, preserving, path, found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check_items(items: &[Value], node: &Node, preserving: bool, path: &str, found: &mut Vec<String>) {
    let keyed = shape(node, &Value::Array(Vec::new())) == Shape::List;
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let place = if keyed {
            match item_step(node, item) {
                Err(message) => {
                    found.push(format!("{path}: element {index}: {message}"));
                    return;
                }
                Ok(step) => {
                    let place = format!("{path}{step}");
                    if seen.contains(&step) {
                        found.push(format!("{path}: duplicate entries for key {step}"));
                    }
                    seen.insert(step);
                    place
                }
            }
        } else {
            format!("{path}[{index}]")
        };
        check(item, item_node(node), preserving, &place, found);
    }
}

/// A value as Go prints it with `%v`.
fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(printed).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| format!("{name}:{}", printed(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        Value::Number(_) => "int64",
        Value::Null => "<nil>",
    }
}
