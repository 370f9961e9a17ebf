//! Smaller sequences about which two servers still disagree.

use serde_json::Value;

use super::operation::{Operation, Request, Sequence};

/// Sequences that are smaller, the boldest steps first.
pub(super) fn smaller(sequence: &Sequence) -> Vec<Sequence> {
    let length = sequence.operations.len();
    let mut found = Vec::new();
    let mut chunk = length / 2;
    while chunk > 0 {
        found.extend(
            (0..length).step_by(chunk).map(|start| sequence.without(start..length.min(start + chunk))),
        );
        chunk /= 2;
    }
    for (index, operation) in sequence.operations.iter().enumerate() {
        for simpler in simpler(operation) {
            let mut changed = sequence.clone();
            if let Some(place) = changed.operations.get_mut(index) {
                *place = simpler;
                found.push(changed);
            }
        }
    }
    found
}

/// An operation without a parameter, or without a part of its body.
fn simpler(operation: &Operation) -> Vec<Operation> {
    let (request, marker) = match operation {
        Operation::Send(request) => (request, None),
        Operation::Watch { request, marker } => (request, Some(marker)),
        Operation::Settle => return Vec::new(),
    };
    let with = |request: Request| match marker {
        None => Operation::Send(request),
        Some(marker) => Operation::Watch { request, marker: marker.clone() },
    };
    let mut found = Vec::new();
    for index in 0..request.query.len() {
        let mut changed = request.clone();
        changed.query.remove(index);
        found.push(with(changed));
    }
    if !request.accept.is_empty() {
        found.push(with(Request { accept: String::new(), ..request.clone() }));
    }
    let Some(body) = &request.body else { return found };
    for path in places(body) {
        let mut changed = body.clone();
        if remove(&mut changed, &path) {
            found.push(with(Request { body: Some(changed), ..request.clone() }));
        }
    }
    found
}

/// Where something may be left out: fields down to the third level.
fn places(body: &Value) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), body)];
    while let Some((path, value)) = open.pop() {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(items) => {
                items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => continue,
        };
        for (key, value) in children {
            let mut path = path.clone();
            path.push(key);
            found.push(path.clone());
            if path.len() < 5 {
                open.push((path, value));
            }
        }
    }
    found.sort_by_key(Vec::len);
    found
}

fn remove(body: &mut Value, path: &[String]) -> bool {
    let Some((last, above)) = path.split_last() else { return false };
    let mut here = body;
    for key in above {
        let next = match here {
            Value::Array(items) => key.parse().ok().and_then(|index: usize| items.get_mut(index)),
            Value::Object(fields) => fields.get_mut(key),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        let Some(next) = next else { return false };
        here = next;
    }
    match here {
        Value::Object(fields) => fields.remove(last).is_some(),
        Value::Array(items) => last.parse().ok().filter(|index| *index < items.len()).is_some_and(|index| {
            items.remove(index);
            true
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
