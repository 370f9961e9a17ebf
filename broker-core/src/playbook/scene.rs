//! What the expressions and templates of a stage see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::names::{BARE, FROM, TEMPLATES, TO, is_name};
use crate::expression::{Expression, FieldUse, Scope};
use crate::offer::shorten;
use crate::resource::Object;
use crate::template::{Place, Rendering, Side};

/// How much of a value is shown.
const SHOWN: usize = 64;
/// How many values of one expression are shown.
const MAX_SHOWN: usize = 8;

/// The world as a stage sees it. Of Secrets it sees that their keys are there, and nothing more.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The old copy, if it is there.
    pub from: Option<&'a Object>,
    /// The new copy, if it is there.
    pub to: Option<&'a Object>,
    /// The live objects of the templates, by key, of all stages so far.
    pub helpers: &'a BTreeMap<String, Arc<Object>>,
    /// The names of the two copies.
    pub places: Places<'a>,
}

/// The names that helpers know the copies by.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// Of the old copy.
    pub from: &'a Place,
    /// Of the new copy.
    pub to: &'a Place,
}

impl Scene<'_> {
    /// What these expressions see of it, converted once.
    pub(super) fn seen_by<'e>(&self, expressions: impl Iterator<Item = &'e Expression>) -> Sight {
        let names: BTreeSet<String> = expressions
            .flat_map(|expression| expression.names().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let values: BTreeMap<String, Value> =
            names.into_iter().filter_map(|name| self.value(&name).map(|value| (name, value))).collect();
        let bindings: Vec<(&str, &Value)> =
            values.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let scope = Scope::new(&bindings);
        Sight { values, scope }
    }

    /// What templates are rendered against.
    pub(super) fn rendering<'s>(&'s self, sight: &'s Sight) -> Rendering<'s> {
        Rendering {
            from: Side { place: self.places.from, object: self.from },
            to: Side { place: self.places.to, object: self.to },
            scope: &sight.scope,
        }
    }

    fn value(&self, name: &str) -> Option<Value> {
        match name {
            FROM => self.from.map(without_secrets),
            TO => self.to.map(without_secrets),
            TEMPLATES => {
                let helpers = self.helpers.iter();
                Some(Value::Object(
                    helpers.map(|(key, object)| (key.clone(), without_secrets(object))).collect(),
                ))
            }
            name if BARE.contains(&name) => without_secrets(self.to?).get(name).cloned(),
            name => self.helpers.get(name).filter(|_| is_name(name)).map(|object| without_secrets(object)),
        }
    }
}

/// What expressions see of a scene.
pub(super) struct Sight {
    values: BTreeMap<String, Value>,
    pub(super) scope: Scope,
}

impl Sight {
    /// What is found at the fields that an expression looks at.
    pub(super) fn found(&self, expression: &Expression) -> Vec<(String, String)> {
        let fields = expression.fields();
        fields
            .iter()
            .take(MAX_SHOWN)
            .map(|field| (shorten(&field.to_string(), 128), self.shown(field)))
            .collect()
    }

    fn shown(&self, field: &FieldUse) -> String {
        match self.values.get(&field.name).and_then(|value| field.of(value)) {
            None => "not there".to_owned(),
            Some(_) if self.is_of_a_secret(field) => "there, of a Secret".to_owned(),
            Some(value) => compact(value),
        }
    }

    fn is_of_a_secret(&self, field: &FieldUse) -> bool {
        let Some(root) = self.values.get(&field.name) else { return false };
        let object = if field.name == TEMPLATES {
            field.fields.first().and_then(|key| root.get(key))
        } else {
            Some(root)
        };
        let of_all = field.name == TEMPLATES && field.fields.is_empty();
        of_all || object.is_some_and(is_secret)
    }
}

/// A value in a line. Large ones are not written out to be cut.
fn compact(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.len() > 4 => format!("an object of {} fields", fields.len()),
        Value::Array(elements) if elements.len() > 4 => format!("a list of {} elements", elements.len()),
        Value::String(text) => shorten(&format!("\"{}\"", shorten(text, SHOWN)), SHOWN),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            shorten(&value.to_string(), SHOWN)
        }
    }
}

fn is_secret(object: &Value) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    text("kind") == Some("Secret") && text("apiVersion") == Some("v1")
}

/// The object; of a Secret the keys are kept, and the values are empty.
fn without_secrets(object: &Object) -> Value {
    let mut fields: Map<String, Value> = object.fields().clone();
    let whole = Value::Object(fields.clone());
    if !is_secret(&whole) {
        return whole;
    }
    for key in ["data", "stringData"] {
        if let Some(Value::Object(data)) = fields.get_mut(key) {
            data.values_mut().for_each(|value| *value = "".into());
        }
    }
    // `kubectl apply` keeps what it applied in an annotation.
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.remove("annotations");
        metadata.remove("managedFields");
    }
    Value::Object(fields)
}
