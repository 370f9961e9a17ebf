//! An object against its kind's own schema: what an API server would refuse, or silently drop.
//!
//! Looks at what the broker's definitions use: types, unknown fields, what is required, enumerations, limits, lists that
//! are maps, and those validation rules whose CEL the broker understands.

use broker_core::expression::Expression;
use broker_core::offer::lint::{Finding, Level};
use serde_json::{Map, Value};

use crate::files::member;

/// The rule that is found by a field's name.
pub(super) const UNKNOWN_FIELD: &str = "UnknownField";
/// A name is taken for a misspelt one up to this many edits.
const MISSPELT: usize = 3;

/// Checks an object, and takes out of it what its schema does not know.
pub(super) fn check(schema: &Value, object: &mut Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let root = object.as_object_mut();
    if let Some(fields) = root {
        let properties = schema.get("properties").and_then(Value::as_object);
        let known = ["apiVersion", "kind", "metadata"];
        let unknown: Vec<String> = fields
            .keys()
            .filter(|name| {
                !known.contains(&name.as_str()) && !properties.is_some_and(|p| p.contains_key(*name))
            })
            .cloned()
            .collect();
        for name in unknown {
            findings.push(unknown_field("", &name, properties, &known));
            fields.remove(&name);
        }
        match properties.and_then(|properties| properties.get("spec")) {
            Some(spec) if fields.contains_key("spec") => {
                if let Some(value) = fields.get_mut("spec") {
                    part(spec, value, "/spec", &mut findings);
                }
            }
            Some(_) => findings.push(Finding::new(Level::Error, "Required", "/spec", "is missing")),
            None => {}
        }
        rules(schema, &Value::Object(fields.clone()), "", &mut findings);
    }
    findings
}

fn part(schema: &Value, value: &mut Value, pointer: &str, findings: &mut Vec<Finding>) {
    // The server takes a null for a field that is not there.
    if value.is_null() {
        return;
    }
    if let Some(expected) = wrong_type(schema, value) {
        findings.push(Finding::new(
            Level::Error,
            "Type",
            pointer,
            format!("is {}; expected {expected}", kind_of(value)),
        ));
        return;
    }
    let before = findings.len();
    match value {
        Value::Object(fields) => members(schema, fields, pointer, findings),
        Value::Array(elements) => list(schema, elements, pointer, findings),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            limits(schema, value, pointer, findings);
        }
    }
    // A rule about parts that are wrong already says nothing new.
    if findings.len() == before {
        rules(schema, value, pointer, findings);
    }
}

fn members(schema: &Value, fields: &mut Map<String, Value>, pointer: &str, findings: &mut Vec<Finding>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
        || schema.get("additionalProperties").is_some()
        || properties.is_none();
    let names: Vec<String> = fields.keys().cloned().collect();
    for name in names {
        let below = member(pointer, &name);
        match properties.and_then(|properties| properties.get(&name)) {
            Some(property) => {
                if let Some(value) = fields.get_mut(&name) {
                    part(property, value, &below, findings);
                }
            }
            None if open => {}
            None => {
                findings.push(unknown_field(pointer, &name, properties, &[]));
                fields.remove(&name);
            }
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if fields.get(name).is_none_or(Value::is_null) {
            findings.push(Finding::new(Level::Error, "Required", member(pointer, name), "is missing"));
        }
    }
}

fn list(schema: &Value, elements: &mut [Value], pointer: &str, findings: &mut Vec<Finding>) {
    let length = u64::try_from(elements.len()).unwrap_or(u64::MAX);
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    if limit("minItems").is_some_and(|min| length < min) {
        findings.push(Finding::new(
            Level::Error,
            "Empty",
            pointer,
            "is an empty list; expected at least one value",
        ));
    }
    if let Some(max) = limit("maxItems").filter(|max| length > *max) {
        let message = format!("has {length} entries; accepted are at most {max}");
        findings.push(Finding::new(Level::Error, "TooMany", pointer, message));
    }
    if let Some(items) = schema.get("items") {
        for (index, element) in elements.iter_mut().enumerate() {
            part(items, element, &format!("{pointer}/{index}"), findings);
        }
    }
    repeated(schema, elements, pointer, findings);
}

/// Entries of lists that are sets or maps for the server, and are there twice.
fn repeated(schema: &Value, elements: &[Value], pointer: &str, findings: &mut Vec<Finding>) {
    let keys: Vec<&str> = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let is_set = schema.get("x-kubernetes-list-type").and_then(Value::as_str) == Some("set");
    if keys.is_empty() && !is_set {
        return;
    }
    let default = |key: &str| schema.pointer(&format!("/items/properties/{key}/default"));
    let identity = |element: &Value| -> Vec<Option<Value>> {
        if is_set {
            return vec![Some(element.clone())];
        }
        keys.iter().map(|key| element.get(key).or_else(|| default(key)).cloned()).collect()
    };
    let identities: Vec<_> = elements.iter().map(identity).collect();
    for (index, found) in identities.iter().enumerate() {
        if let Some(first) = identities.iter().take(index).position(|earlier| earlier == found) {
            let what =
                if is_set { "the same value".to_owned() } else { format!("the same {}", keys.join(" and ")) };
            let message = format!("has {what} as entry [{first}]; the server refuses two of one kind");
            findings.push(Finding::new(Level::Error, "Duplicate", format!("{pointer}/{index}"), message));
        }
    }
}

fn limits(schema: &Value, value: &Value, pointer: &str, findings: &mut Vec<Finding>) {
    let mut refuse =
        |rule: &str, message: String| findings.push(Finding::new(Level::Error, rule, pointer, message));
    if let Some(accepted) = schema.get("enum").and_then(Value::as_array)
        && !accepted.contains(value)
    {
        let names: Vec<String> = accepted.iter().map(plain).collect();
        let meant = value.as_str().and_then(|found| nearest(found, names.iter().map(String::as_str)));
        let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        refuse("Value", format!("is `{}`; accepted: {}{meant}", plain(value), names.join(", ")));
    }
    if let Some(text) = value.as_str() {
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
        if limit("minLength").is_some_and(|min| length < min) {
            refuse("Empty", "is empty".to_owned());
        }
        if let Some(max) = limit("maxLength").filter(|max| length > *max) {
            refuse("TooLong", format!("is {length} characters long; accepted are at most {max}"));
        }
    }
    if let Some(number) = value.as_f64() {
        let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
        let (min, max) = (limit("minimum"), limit("maximum"));
        if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
            let shown = |limit: Option<f64>| limit.map(|limit| limit.to_string());
            let range = match (shown(min), shown(max)) {
                (Some(min), Some(max)) => format!("from {min} to {max}"),
                (Some(min), None) => format!("of at least {min}"),
                (None, max) => format!("of at most {}", max.unwrap_or_default()),
            };
            refuse("Range", format!("is {value}; accepted: a number {range}"));
        }
    }
}

/// The rules of a schema that the broker's own CEL understands; those that look back at an older object are none.
fn rules(schema: &Value, value: &Value, pointer: &str, findings: &mut Vec<Finding>) {
    for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| rule.get(key).and_then(Value::as_str);
        let Some(Ok(expression)) = text("rule").map(|rule| Expression::compile_with(rule, &["self"])) else {
            continue;
        };
        if expression.evaluate_bool(&[("self", value)]) == Ok(false) {
            let message = text("message").unwrap_or("is refused by the API server");
            findings.push(Finding::new(Level::Error, "Rule", pointer, message));
        }
    }
}

fn wrong_type(schema: &Value, value: &Value) -> Option<&'static str> {
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        let fits = value.is_string() || value.is_i64() || value.is_u64();
        return (!fits).then_some("an integer, or a text in quotes such as \"2.5\" or \"10Gi\"");
    }
    let (fits, expected) = match schema.get("type").and_then(Value::as_str)? {
        "object" => (value.is_object(), "a mapping"),
        "array" => (value.is_array(), "a list"),
        "string" => (value.is_string(), "a text; put it in quotes"),
        "boolean" => (value.is_boolean(), "true or false"),
        "integer" => (value.is_i64() || value.is_u64(), "an integer"),
        "number" => (value.is_number(), "a number"),
        _ => return None,
    };
    (!fits).then_some(expected)
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) => format!("the text `{}`", text.chars().take(60).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn unknown_field(
    pointer: &str,
    name: &str,
    properties: Option<&Map<String, Value>>,
    more: &[&str],
) -> Finding {
    let known: Vec<&str> =
        properties.into_iter().flat_map(Map::keys).map(String::as_str).chain(more.iter().copied()).collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("known are {}", known.join(", ")),
    };
    Finding::new(
        Level::Error,
        UNKNOWN_FIELD,
        member(pointer, name),
        format!("there is no such field; {hint}"),
    )
}

/// The name that was probably meant.
fn nearest<'n>(found: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = found.to_lowercase();
    names
        .map(|name| (edits(&lower, &name.to_lowercase()), name))
        .filter(|(edits, name)| *edits <= MISSPELT && *edits < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

/// Insertions, deletions and replacements between two texts.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(&other) {
            left = (diagonal + usize::from(a != *b)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}
