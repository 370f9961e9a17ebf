//! `meta.k8s.io/v1` Tables: the columns `kubectl get` shows.

use serde_json::{Value, json};

/// The columns of one kind.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    definitions: Vec<Value>,
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

/// The columns of a built-in kind, or just `Name` and `Age` for a kind of which nothing is known.
pub fn builtin_columns(_group: &str, _kind: &str) -> Columns {
    Columns::default()
}

/// The columns of a CRD version: `additionalPrinterColumns`, an empty slice gives `Name` and `Age`.
pub fn custom_columns(_additional_printer_columns: &[Value]) -> Columns {
    Columns::default()
}

impl Columns {
    /// Renders objects as a Table. `list_metadata` is the list's `metadata` (resourceVersion, continue);
    /// for a single object or a watch event hand in `{"resourceVersion": …}` of the object.
    ///
    /// `now` is RFC 3339; ages are counted from it.
    pub fn render(
        &self,
        objects: &[&Value],
        list_metadata: &Value,
        include: IncludeObject,
        _now: &str,
    ) -> Value {
        let rows: Vec<Value> = objects
            .iter()
            .map(|object| {
                let object = match include {
                    IncludeObject::None => Value::Null,
                    IncludeObject::Metadata | IncludeObject::Object => (*object).clone(),
                };
                json!({"cells": [], "object": object})
            })
            .collect();
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_metadata,
            "columnDefinitions": self.definitions, "rows": rows,
        })
    }
}
