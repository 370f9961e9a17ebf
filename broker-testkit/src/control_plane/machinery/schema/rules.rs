//! Value rules of a schema node: what `validate` checks beside the type.

use super::SchemaError;
use super::node::error;
use regex::Regex;
use serde_json::{Map, Value};

/// A lower or upper bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) value: f64,
    pub(crate) exclusive: bool,
}

/// What may be under `allOf`, `anyOf`, `oneOf` and `not`: rules only, no types.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    pub(crate) rules: Rules,
    pub(crate) kind: Option<String>,
    pub(crate) properties: Vec<(String, Condition)>,
    pub(crate) items: Option<Box<Condition>>,
}

/// The value rules of one node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) required: Vec<String>,
    pub(crate) allowed: Option<Vec<Value>>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) format: Option<String>,
    pub(crate) minimum: Option<Bound>,
    pub(crate) maximum: Option<Bound>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) length: (Option<u64>, Option<u64>),
    pub(crate) items: (Option<u64>, Option<u64>),
    pub(crate) properties: (Option<u64>, Option<u64>),
    pub(crate) unique_items: bool,
    pub(crate) all_of: Vec<Condition>,
    pub(crate) any_of: Vec<Condition>,
    pub(crate) one_of: Vec<Condition>,
    pub(crate) not: Option<Box<Condition>>,
}

impl Rules {
    /// Reads the rules among a node's fields.
    pub(crate) fn parse(fields: &Map<String, Value>, path: &str) -> Result<Self, SchemaError> {
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        let count = |name: &str| fields.get(name).and_then(Value::as_u64);
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool).unwrap_or(false);
        let list = |name: &str| -> Result<Vec<Condition>, SchemaError> {
            let alternatives = fields.get(name).and_then(Value::as_array).into_iter().flatten();
            alternatives
                .enumerate()
                .map(|(index, each)| Condition::parse(each, &format!("{path}.{name}[{index}]")))
                .collect()
        };
        let pattern = match fields.get("pattern").and_then(Value::as_str) {
            None | Some("") => None,
            Some(pattern) => Some(Regex::new(pattern).map_err(|cause| {
                let message = format!(
                    "Invalid value: \"{pattern}\": must be a valid regular expression, but isn't: {cause}"
                );
                error(&format!("{path}.pattern"), message)
            })?),
        };
        Ok(Self {
            required: fields
                .get("required")
                .and_then(Value::as_array)
                .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
            allowed: fields.get("enum").and_then(Value::as_array).cloned(),
            pattern,
            format: fields.get("format").and_then(Value::as_str).map(str::to_owned),
            minimum: number("minimum").map(|value| Bound { value, exclusive: flag("exclusiveMinimum") }),
            maximum: number("maximum").map(|value| Bound { value, exclusive: flag("exclusiveMaximum") }),
            multiple_of: number("multipleOf"),
            length: (count("minLength"), count("maxLength")),
            items: (count("minItems"), count("maxItems")),
            properties: (count("minProperties"), count("maxProperties")),
            unique_items: flag("uniqueItems"),
            all_of: list("allOf")?,
            any_of: list("anyOf")?,
            one_of: list("oneOf")?,
            not: fields
                .get("not")
                .map(|each| Condition::parse(each, &format!("{path}.not")))
                .transpose()?
                .map(Box::new),
        })
    }
}

impl Condition {
    fn parse(schema: &Value, path: &str) -> Result<Self, SchemaError> {
        let Some(fields) = schema.as_object() else {
            return Err(error(path, "Invalid value: must be an object".to_owned()));
        };
        let mut condition = Self {
            rules: Rules::parse(fields, path)?,
            kind: fields.get("type").and_then(Value::as_str).map(str::to_owned),
            ..Self::default()
        };
        for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let child = Self::parse(property, &format!("{path}.properties[{name}]"))?;
            condition.properties.push((name.clone(), child));
        }
        if let Some(items) = fields.get("items") {
            condition.items = Some(Box::new(Self::parse(items, &format!("{path}.items"))?));
        }
        Ok(condition)
    }
}
