//! Equality and order of JSON values as the API server sees them: `1` and `1.0` are the same number.

use serde_json::{Number, Value};
use std::cmp::Ordering;

/// Compares two values; a total order over all JSON values, numbers by their magnitude.
pub(crate) fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let items = a.iter().zip(b).map(|(x, y)| compare(x, y));
            items.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let items = a.iter().zip(b).map(|((k, x), (l, y))| k.cmp(l).then_with(|| compare(x, y)));
            items.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
        }
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// Whether two values are the same to the API server.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| equal(x, y)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, x)| b.get(key).is_some_and(|y| equal(x, y)))
        }
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b) == Ordering::Equal,
        (a, b) => a == b,
    }
}

/// Whether a value is a number without a fraction, however it is written.
pub(crate) fn is_integer(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// Removes the value at a path of object fields, and gives it back.
pub(crate) fn take(object: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    let mut current = object;
    for parent in parents {
        current = current.get_mut(*parent)?;
    }
    current.as_object_mut()?.remove(*last)
}

fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (left.as_i64(), right.as_i64()) {
        return a.cmp(&b);
    }
    if let (Some(a), Some(b)) = (left.as_u64(), right.as_u64()) {
        return a.cmp(&b);
    }
    let (a, b) = (left.as_f64().unwrap_or_default(), right.as_f64().unwrap_or_default());
    a.total_cmp(&b)
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}
