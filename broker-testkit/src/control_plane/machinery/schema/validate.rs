//! Whether an object keeps to its schema, with errors worded as Kubernetes words them.

use super::node::{Kind, ListType, Node};
use super::rules::{Condition, Rules};
use super::{FieldError, FieldReason, format};
use crate::control_plane::machinery::value::{compare, equal, is_integer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Collects the errors of `value`, which stands at `path`.
pub(super) fn validate(value: &Value, node: &Node, path: &str, errors: &mut Vec<FieldError>) {
    if value.is_null() && node.nullable {
        return;
    }
    if let Some(wanted) = type_mismatch(value, node.kind) {
        errors.push(wrong_type(path, wanted, type_name(value)));
        check_allowed(value, &node.rules, path, errors);
        return;
    }
    check_rules(value, &node.rules, path, errors);
    match value {
        Value::Object(fields) => {
            for (name, child) in fields {
                if let Some(child_node) = node.field(name) {
                    validate(child, child_node, &join(path, name), errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item_node) = node.items.as_deref() {
                for (index, item) in items.iter().enumerate() {
                    validate(item, item_node, &format!("{path}[{index}]"), errors);
                }
            }
            check_uniqueness(items, node, path, errors);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn invalid(path: &str, value: &Value, rule: &str) -> FieldError {
    FieldError {
        field: path.to_owned(),
        reason: FieldReason::Invalid,
        message: format!("Invalid value: {value}: {path} in body {rule}"),
    }
}

fn wrong_type(path: &str, wanted: &str, found: &str) -> FieldError {
    FieldError {
        field: path.to_owned(),
        reason: FieldReason::TypeInvalid,
        message: format!("Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\""),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The type that was wanted, if the value has another one.
fn type_mismatch(value: &Value, kind: Kind) -> Option<&'static str> {
    let (fits, wanted) = match kind {
        Kind::Any => (true, ""),
        Kind::Object => (value.is_object(), "object"),
        Kind::Array => (value.is_array(), "array"),
        Kind::Text => (value.is_string(), "string"),
        Kind::Integer => (value.as_number().is_some_and(is_integer), "integer"),
        Kind::Number => (value.is_number(), "number"),
        Kind::Boolean => (value.is_boolean(), "boolean"),
        Kind::IntOrString => {
            (value.is_string() || value.as_number().is_some_and(is_integer), "integer,string")
        }
    };
    (!fits).then_some(wanted)
}

fn check_rules(value: &Value, rules: &Rules, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::String(text) => check_text(text, rules, path, errors),
        Value::Number(_) => check_number(value, rules, path, errors),
        Value::Array(items) => check_list(items, rules, path, errors),
        Value::Object(fields) => check_object(fields, rules, path, errors),
        Value::Null | Value::Bool(_) => {}
    }
    check_allowed(value, rules, path, errors);
    check_conditions(value, rules, path, errors);
}

/// Whether it is one of the allowed values, which is looked at of values of any type.
fn check_allowed(value: &Value, rules: &Rules, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(allowed) = &rules.allowed
        && !allowed.iter().any(|each| equal(each, value))
    {
        let printed =
            |each: &Value| format!("{:?}", each.as_str().map_or_else(|| each.to_string(), str::to_owned));
        let supported: Vec<String> = allowed.iter().map(printed).collect();
        errors.push(FieldError {
            field: path.to_owned(),
            reason: FieldReason::NotSupported,
            message: format!("Unsupported value: {value}: supported values: {}", supported.join(", ")),
        });
    }
}

fn check_text(text: &str, rules: &Rules, path: &str, errors: &mut Vec<FieldError>) {
    let value = Value::from(text);
    let length = text.chars().count() as u64;
    if let (_, Some(longest)) = rules.length
        && length > longest
    {
        errors.push(FieldError {
            field: path.to_owned(),
            reason: FieldReason::TooLong,
            message: format!("Too long: may not be more than {longest} bytes"),
        });
    }
    if let (Some(shortest), _) = rules.length
        && length < shortest
    {
        errors.push(invalid(path, &value, &format!("should be at least {shortest} chars long")));
    }
    if let Some(pattern) = &rules.pattern
        && !pattern.is_match(text)
    {
        errors.push(invalid(path, &value, &format!("should match '{pattern}'")));
    }
    if let Some(name) = &rules.format
        && !format::matches(name, text)
    {
        errors.push(wrong_format(path, name, text));
    }
}

fn wrong_format(path: &str, format: &str, text: &str) -> FieldError {
    FieldError {
        field: path.to_owned(),
        reason: FieldReason::TypeInvalid,
        message: format!("Invalid value: {text:?}: {path} in body must be of type {format}: {text:?}"),
    }
}

fn check_number(value: &Value, rules: &Rules, path: &str, errors: &mut Vec<FieldError>) {
    let Some(number) = value.as_f64() else { return };
    if let Some(bound) = rules.maximum
        && (number > bound.value || (bound.exclusive && number >= bound.value))
    {
        let words = if bound.exclusive { "less than" } else { "less than or equal to" };
        errors.push(invalid(path, value, &format!("should be {words} {}", bound.value)));
    }
    if let Some(bound) = rules.minimum
        && (number < bound.value || (bound.exclusive && number <= bound.value))
    {
        let words = if bound.exclusive { "greater than" } else { "greater than or equal to" };
        errors.push(invalid(path, value, &format!("should be {words} {}", bound.value)));
    }
    if let Some(factor) = rules.multiple_of
        && (number / factor).fract() != 0.0
    {
        errors.push(invalid(path, value, &format!("should be a multiple of {factor}")));
    }
}

fn check_list(items: &[Value], rules: &Rules, path: &str, errors: &mut Vec<FieldError>) {
    let count = items.len() as u64;
    if let (Some(fewest), _) = rules.items
        && count < fewest
    {
        errors.push(invalid(path, &Value::from(count), &format!("should have at least {fewest} items")));
    }
    if let (_, Some(most)) = rules.items
        && count > most
    {
        errors.push(too_many(path, count, most));
    }
    let repeats = |(index, item): (usize, &Value)| items.iter().take(index).any(|other| equal(other, item));
    if rules.unique_items && items.iter().enumerate().any(repeats) {
        errors.push(invalid(path, &Value::from(items), "shouldn't contain duplicates"));
    }
}

fn check_object(fields: &Map<String, Value>, rules: &Rules, path: &str, errors: &mut Vec<FieldError>) {
    let count = fields.len() as u64;
    if let (Some(fewest), _) = rules.properties
        && count < fewest
    {
        errors.push(invalid(path, &Value::from(count), &format!("should have at least {fewest} properties")));
    }
    if let (_, Some(most)) = rules.properties
        && count > most
    {
        errors.push(too_many(path, count, most));
    }
    for name in rules.required.iter().filter(|name| !fields.contains_key(*name)) {
        errors.push(FieldError {
            field: join(path, name),
            reason: FieldReason::Required,
            message: "Required value".to_owned(),
        });
    }
}

fn too_many(path: &str, count: u64, most: u64) -> FieldError {
    let noun = if most == 1 { "item" } else { "items" };
    FieldError {
        field: path.to_owned(),
        reason: FieldReason::TooMany,
        message: format!("Too many: {count}: must have at most {most} {noun}"),
    }
}

/// The real server reports broken combinations on the whole object, whose path prints as `<nil>`.
fn combination(path: &str, words: &str) -> FieldError {
    FieldError {
        field: "<nil>".to_owned(),
        reason: FieldReason::Invalid,
        message: format!("Invalid value: \"\": \"{path}\" must {words}"),
    }
}

fn check_conditions(value: &Value, rules: &Rules, path: &str, errors: &mut Vec<FieldError>) {
    let failures = |conditions: &[Condition]| -> Vec<Vec<FieldError>> {
        conditions.iter().map(|condition| broken(value, condition, path)).collect()
    };
    let any_of = failures(&rules.any_of);
    if !any_of.is_empty() && any_of.iter().all(|each| !each.is_empty()) {
        errors.push(combination(path, "validate at least one schema (anyOf)"));
        errors.extend(fewest(any_of));
    }
    let one_of = failures(&rules.one_of);
    let valid = one_of.iter().filter(|each| each.is_empty()).count();
    if !one_of.is_empty() && valid == 0 {
        errors.push(combination(path, "validate one and only one schema (oneOf). Found none valid"));
        errors.extend(fewest(one_of));
    } else if valid > 1 {
        let words = format!("validate one and only one schema (oneOf). Found {valid} valid alternatives");
        errors.push(combination(path, &words));
    }
    let all_of = failures(&rules.all_of);
    let none = if all_of.iter().all(|each| !each.is_empty()) { ". None validated" } else { "" };
    if all_of.iter().any(|each| !each.is_empty()) {
        errors.extend(all_of.into_iter().flatten());
        errors.push(combination(path, &format!("validate all the schemas (allOf){none}")));
    }
    if let Some(not) = &rules.not
        && broken(value, not, path).is_empty()
    {
        errors.push(combination(path, "not validate the schema (not)"));
    }
}

fn fewest(alternatives: Vec<Vec<FieldError>>) -> Vec<FieldError> {
    alternatives.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

fn broken(value: &Value, condition: &Condition, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(wanted) = &condition.kind {
        let found = type_name(value);
        let fits = found == wanted
            || (wanted == "number" && value.is_number())
            || (wanted == "integer" && value.as_number().is_some_and(is_integer));
        if !fits {
            errors.push(wrong_type(path, wanted, found));
            return errors;
        }
    }
    check_rules(value, &condition.rules, path, &mut errors);
    for (name, child) in &condition.properties {
        if let Some(field) = value.get(name) {
            errors.extend(broken(field, child, &join(path, name)));
        }
    }
    if let (Some(child), Value::Array(items)) = (condition.items.as_deref(), value) {
        for (index, item) in items.iter().enumerate() {
            errors.extend(broken(item, child, &format!("{path}[{index}]")));
        }
    }
    errors
}

fn check_uniqueness(items: &[Value], node: &Node, path: &str, errors: &mut Vec<FieldError>) {
    let identities: Vec<Value> = match &node.list {
        ListType::Atomic => return,
        ListType::Set => items.to_vec(),
        ListType::Map(_) if items.iter().any(|item| !item.is_object() && !item.is_null()) => {
            let stray = items.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null());
            errors.extend(stray.map(|(index, item)| FieldError {
                field: format!("{path}[{index}]"),
                reason: FieldReason::Invalid,
                message: format!("Invalid value: {item}: must be an object for an array of list-type map"),
            }));
            return;
        }
        ListType::Map(keys) => items.iter().map(|item| identity(item, keys, node)).collect(),
    };
    let mut seen = BTreeSet::new();
    for (index, identity) in identities.iter().enumerate() {
        if !seen.insert(Ordered(identity)) {
            errors.push(FieldError {
                field: format!("{path}[{index}]"),
                reason: FieldReason::Duplicate,
                message: format!("Duplicate value: {identity}"),
            });
        }
    }
}

fn identity(item: &Value, keys: &[String], node: &Node) -> Value {
    let default = |key: &str| node.items.as_deref()?.field(key)?.default.clone();
    let pairs = keys.iter().filter_map(|key| {
        let value = item.get(key).cloned().or_else(|| default(key))?;
        Some((key.clone(), value))
    });
    Value::Object(pairs.collect())
}

struct Ordered<'a>(&'a Value);

impl PartialEq for Ordered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered<'_> {}

impl PartialOrd for Ordered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        compare(self.0, other.0)
    }
}
