//! `meta.k8s.io/v1` Tables: the columns `kubectl get` shows.
//!
//! Decides columns and cells. Does not know lists, pages or watches; the time is handed in.

mod age;
mod builtin;
pub mod jsonpath;
#[cfg(test)]
mod tests;

pub use builtin::builtin_columns;

use jiff::Timestamp;
use jsonpath::JsonPath;
use serde_json::{Value, json};

/// Where a cell's value comes from.
#[derive(Debug, Clone)]
enum Source {
    /// Computed as the real server does for this kind.
    Computed(fn(&Value, Timestamp) -> Value),
    /// Found by a path, shown as the column's type says.
    Path(JsonPath),
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    source: Source,
}

/// The columns of one kind.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    columns: Vec<Column>,
}

/// What each row carries besides its cells: `includeObject` of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// The object's metadata; what the server does when nothing is asked for.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter; `None` for an unknown word (400).
    pub fn parse(parameter: Option<&str>) -> Option<Self> {
        match parameter {
            None | Some("" | "Metadata") => Some(Self::Metadata),
            Some("None") => Some(Self::None),
            Some("Object") => Some(Self::Object),
            Some(_) => None,
        }
    }
}

/// The columns of a CRD version: the name, and `additionalPrinterColumns`; an empty slice gives `Name` and `Age`.
///
/// Columns whose path cannot be read are left out; the real server refuses the CRD.
pub fn custom_columns(additional_printer_columns: &[Value]) -> Columns {
    let mut columns = vec![builtin::name_column()];
    if additional_printer_columns.is_empty() {
        columns.push(builtin::date_age_column());
    }
    columns.extend(additional_printer_columns.iter().filter_map(custom_column));
    Columns { columns }
}

fn custom_column(definition: &Value) -> Option<Column> {
    let text = |name: &str| definition.get(name).and_then(Value::as_str).unwrap_or_default();
    let path = text("jsonPath");
    let description = match text("description") {
        "" => format!("Custom resource definition column (in JSONPath format): {path}"),
        given => given.to_owned(),
    };
    Some(Column {
        name: text("name").to_owned(),
        kind: text("type").to_owned(),
        format: text("format").to_owned(),
        description,
        priority: definition.get("priority").and_then(Value::as_i64).unwrap_or_default(),
        source: Source::Path(JsonPath::parse(path).ok()?),
    })
}

impl Columns {
    /// Whether these are the columns of a kind that the real server has none of its own for.
    fn is_plain(&self) -> bool {
        self.columns.iter().any(|column| column.name == "Created At")
    }

    /// Renders objects as a Table. `list_metadata` is the list's `metadata` (resourceVersion, continue);
    /// for a single object or a watch event hand in `{"resourceVersion": …}` of the object.
    ///
    /// `now` is RFC 3339; ages are counted from it.
    pub fn render(
        &self,
        objects: &[&Value],
        list_metadata: &Value,
        include: IncludeObject,
        now: &str,
    ) -> Value {
        let now = now.parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let rows: Vec<Value> = objects
            .iter()
            .map(|object| {
                let cells: Vec<Value> = self.columns.iter().map(|column| column.cell(object, now)).collect();
                json!({"cells": cells, "object": carried(object, include)})
            })
            .collect();
        let definitions: Vec<Value> = self.columns.iter().map(Column::definition).collect();
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": list_metadata,
            "columnDefinitions": definitions,
            "rows": if rows.is_empty() && self.is_plain() { Value::Null } else { Value::Array(rows) },
        })
    }
}

fn carried(object: &Value, include: IncludeObject) -> Value {
    match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object.get("metadata"),
        }),
        IncludeObject::Object => object.clone(),
    }
}

impl Column {
    fn definition(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        })
    }

    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        match &self.source {
            Source::Computed(compute) => compute(object, now),
            Source::Path(path) => {
                let found = path.find(object);
                found.first().map_or(Value::Null, |value| shown(value, &self.kind, now))
            }
        }
    }
}

/// A found value as the column's type shows it; what does not fit the type is left empty.
fn shown(value: &Value, kind: &str, now: Timestamp) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        ("string", Value::String(text)) => Value::from(text.as_str()),
        ("string", other) => Value::from(other.to_string()),
        ("integer", Value::Number(number)) => {
            let whole = number.as_i64().or_else(|| number.as_f64().map(truncated));
            whole.map_or(Value::Null, Value::from)
        }
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(text)) => Value::from(age::of(text, now)),
        _ => Value::Null,
    }
}

fn truncated(number: f64) -> i64 {
    let digits = format!("{:.0}", number.trunc());
    digits.parse().unwrap_or_default()
}
