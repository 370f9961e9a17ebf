//! Where a spec is not of the shape of `AcceptAPI.spec`: a field of another type, or one that there is not.
//!
//! Only asked once reading it has failed: the reader stops at the first fault and knows no place.

use serde_json::{Map, Value};

use super::InvalidFilter;
use super::limits::MAX_FAULTS;
use super::parse::shown;

/// What a field holds.
enum Shape {
    Text,
    Texts,
    Integer,
    Boolean,
    Scheduling,
    /// Whatever it is, it is looked at later.
    Any,
    Fields(&'static [Field]),
    Filters,
}

struct Field {
    name: &'static str,
    shape: Shape,
    /// Whether it may be left out, or null.
    presence: Presence,
}

#[derive(PartialEq)]
enum Presence {
    Required,
    /// It may be left out, but not be null.
    Default,
    Optional,
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, presence: Presence::Optional }
}

const SPEC: &[Field] = &[
    Field { name: "gvr", shape: Shape::Fields(API), presence: Presence::Required },
    optional("namespace", Shape::Text),
    Field { name: "filters", shape: Shape::Filters, presence: Presence::Default },
    optional("priority", Shape::Integer),
    optional("weight", Shape::Integer),
    optional("cost", Shape::Any),
    optional("capacity", Shape::Fields(&[optional("orders", Shape::Integer)])),
    optional("scheduling", Shape::Scheduling),
    optional("translation", Shape::Any),
];

const API: &[Field] = &[
    optional("group", Shape::Text),
    optional("version", Shape::Text),
    Field { name: "resource", shape: Shape::Text, presence: Presence::Required },
];

const FILTER: &[Field] = &[
    Field { name: "key", shape: Shape::Text, presence: Presence::Default },
    optional("valueIn", Shape::Texts),
    optional("notIn", Shape::Texts),
    optional("prefix", Shape::Text),
    optional("suffix", Shape::Text),
    optional("boundary", Shape::Fields(&[optional("min", Shape::Any), optional("max", Shape::Any)])),
    optional("expression", Shape::Text),
    optional("optional", Shape::Boolean),
];

/// Every place at which the spec is of another shape; where none is found, what the reader said.
pub(super) fn faults(spec: &Value, error: &str) -> Vec<InvalidFilter> {
    let Some(fields) = spec.as_object() else { return vec![InvalidFilter::misshapen(error)] };
    let mut walk = Walk { filter: None, faults: Vec::new() };
    walk.fields("", fields, SPEC);
    if walk.faults.is_empty() { vec![InvalidFilter::misshapen(error)] } else { walk.faults }
}

struct Walk<'w> {
    /// The filter that is looked at: its index and key.
    filter: Option<(usize, &'w str)>,
    faults: Vec<InvalidFilter>,
}

impl<'w> Walk<'w> {
    fn fields(&mut self, path: &str, fields: &'w Map<String, Value>, known: &'static [Field]) {
        let place = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for field in known {
            match fields.get(field.name) {
                None if field.presence == Presence::Required => {
                    self.fault(&place(field.name), "missing", accepted(&field.shape));
                }
                Some(Value::Null) if field.presence == Presence::Optional => {}
                Some(value) => self.value(&place(field.name), value, &field.shape),
                None => {}
            }
        }
        for (name, value) in fields {
            if known.iter().all(|field| field.name != name) {
                let names: Vec<&str> = known.iter().map(|field| field.name).collect();
                self.fault(
                    &place(name),
                    &shown(value),
                    format!("there is no such field, only {}", names.join(", ")),
                );
            }
        }
    }

    fn value(&mut self, path: &str, value: &'w Value, shape: &Shape) {
        let fits = match (shape, value) {
            (Shape::Fields(known), Value::Object(fields)) => return self.fields(path, fields, known),
            (Shape::Filters, Value::Array(filters)) => return self.filters(filters),
            (Shape::Texts, Value::Array(texts)) => {
                let Some((index, other)) = texts.iter().enumerate().find(|(_, text)| !text.is_string())
                else {
                    return;
                };
                return self.fault(
                    &format!("{path}[{index}]"),
                    &shown(other),
                    "a text: numbers and booleans in quotes",
                );
            }
            (Shape::Any, _) | (Shape::Text, Value::String(_)) | (Shape::Boolean, Value::Bool(_)) => true,
            (Shape::Integer, Value::Number(number)) => number.is_i64(),
            (Shape::Scheduling, Value::String(text)) => {
                ["Active", "Cordoned", "Draining"].contains(&text.as_str())
            }
            (_, _) => false,
        };
        if !fits {
            self.fault(path, &shown(value), accepted(shape));
        }
    }

    fn filters(&mut self, filters: &'w [Value]) {
        for (index, filter) in filters.iter().enumerate() {
            let Some(fields) = filter.as_object() else {
                self.filter = Some((index, ""));
                self.fault("filter", &shown(filter), "a filter: a key, and what its value must be like");
                continue;
            };
            self.filter = Some((index, fields.get("key").and_then(Value::as_str).unwrap_or_default()));
            self.fields("", fields, FILTER);
        }
        self.filter = None;
    }

    fn fault(&mut self, field: &str, found: &str, accepted: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(match self.filter {
                Some((index, key)) => InvalidFilter::of_filter(index, key, field, found, accepted),
                None => InvalidFilter::of_spec(field, found, accepted),
            });
        }
    }
}

fn accepted(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text => "a text, in quotes where it looks like a number or a boolean",
        Shape::Texts => "a list of texts",
        Shape::Integer => "an integer",
        Shape::Boolean => "true or false",
        Shape::Scheduling => "Active, Cordoned or Draining",
        Shape::Any => "a value",
        Shape::Fields(_) => "an object",
        Shape::Filters => "a list of filters",
    }
}
