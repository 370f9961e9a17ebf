//! What of an object goes into a bundle. Pure.
//!
//! What is not known to be harmless is replaced by its type, and texts by their length: `<text 12>`, `<number>`. Structure
//! and the keys of the API's schema stay; keys that the schema does not name are data, and become `<key 1>`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::names::Names;

/// Whose object it is, and so what of it may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The platform's or a provider's own word: told, but for the values of annotations and templates.
    Platform,
    /// The broker's record, or what it says of an order: names, phases, reasons, times, counts.
    Record,
    /// An order or a copy: conditions and generations.
    Consumer,
}

/// Of records, the texts that are words of the broker's own or of Kubernetes.
const WORDS: &[&str] = &[
    "acquireTime",
    "again",
    "apiVersion",
    "contact",
    "decidedBy",
    "decision",
    "diagnosis",
    "group",
    "holderIdentity",
    "kind",
    "phase",
    "planned",
    "ready",
    "reason",
    "renewTime",
    "resource",
    "resourceVersion",
    "stage",
    "state",
    "status",
    "type",
    "verdict",
    "version",
];
/// Of records, the texts that are names. Those of consumers are replaced.
const NAMES: &[&str] = &[
    "alias",
    "approvedStages",
    "binds",
    "cluster",
    "clusterName",
    "consumer",
    "field",
    "from",
    "finalizers",
    "id",
    "migration",
    "name",
    "namespace",
    "next",
    "offer",
    "order",
    "path",
    "paths",
    "playbook",
    "provider",
    "to",
    "uid",
    "what",
];
/// Of records, where values of orders are: not even a number is told.
const VALUES: &[&str] = &["expected", "found", "message", "nearest", "problem", "misses", "evidence"];
/// Of records, where objects are that are handed over.
const RELATED: [&str; 2] = ["handedOver", "names"];
/// Keys of annotations whose values are the servers' or the broker's own.
const OWN_ANNOTATIONS: [&str; 2] = ["kcp.io/", "broker.platform-mesh.io/"];
/// Where objects are written as templates.
const TEMPLATES: [&str; 2] = ["template", "templates"];
/// What every object has.
const METADATA: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "name",
    "namespace",
    "resourceVersion",
];
/// What a condition says in words that are no data.
const CONDITION: [&str; 5] = ["lastTransitionTime", "observedGeneration", "reason", "status", "type"];

/// Redacts objects.
#[derive(Clone, Debug, Default)]
pub(super) struct Redactor {
    /// What consumers and their things are called.
    pub(super) names: Names,
    /// The keys that the schemas of the brokered APIs name.
    pub(super) keys: BTreeSet<String>,
}

impl Redactor {
    /// Takes the names of properties out of a schema, wherever it has some.
    pub(super) fn learn_schema(&mut self, schema: &Value) {
        match schema {
            Value::Object(fields) => {
                if let Some(Value::Object(properties)) = fields.get("properties") {
                    self.keys.extend(properties.keys().cloned());
                }
                fields.values().for_each(|value| self.learn_schema(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_schema(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// What of an object, or of an answer, may be told.
    pub(super) fn redact(&self, of: Of, value: &Value) -> Value {
        match of {
            Of::Platform => self.platform(value),
            Of::Record => self.record("", value),
            Of::Consumer => self.consumer(value),
        }
    }

    fn platform(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let told = fields.iter().filter(|(key, _)| *key != "managedFields").map(|(key, value)| {
                    let told = match key.as_str() {
                        "annotations" => self.annotations(value, Keys::Told),
                        key if TEMPLATES.contains(&key) => self.shape(value, Keys::Told),
                        _ => self.platform(value),
                    };
                    (key.clone(), told)
                });
                Value::Object(told.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.platform(item)).collect(),
            Value::String(text) => self.names.replace(text).into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn record(&self, key: &str, value: &Value) -> Value {
        if VALUES.contains(&key) {
            return self.shape(value, Keys::Told);
        }
        match value {
            Value::Object(fields) => {
                let told = fields.iter().filter(|(key, _)| *key != "managedFields").map(|(inner, value)| {
                    let told = match inner.as_str() {
                        "annotations" | "labels" => self.annotations(value, Keys::Told),
                        // After the order's name, or the provider's choice.
                        "name" if RELATED.contains(&key) => shape_of(value),
                        // By id, a cluster's path.
                        _ if key == "paths" => self.record(key, value),
                        inner => self.record(inner, value),
                    };
                    (self.names.replace(inner), told)
                });
                Value::Object(told.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.record(key, item)).collect(),
            Value::String(text) if (WORDS.contains(&key) && is_one_word(text)) || is_time(key) => {
                text.clone().into()
            }
            Value::String(text) if NAMES.contains(&key) => self.names.replace(text).into(),
            Value::String(_) => shape_of(value),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn consumer(&self, value: &Value) -> Value {
        let mut told = Map::new();
        for (key, value) in value.as_object().into_iter().flatten() {
            let part = match key.as_str() {
                "apiVersion" | "kind" => value.clone(),
                "metadata" => self.metadata(value),
                "status" => self.status(value),
                _ => self.shape(value, Keys::OfSchema),
            };
            told.insert(key.clone(), part);
        }
        Value::Object(told)
    }

    fn metadata(&self, value: &Value) -> Value {
        let mut told = Map::new();
        for (key, value) in value.as_object().into_iter().flatten() {
            let part = match key.as_str() {
                "managedFields" => continue,
                "annotations" | "labels" => self.annotations(value, Keys::OfSchema),
                "uid" => self.platform(value),
                key if METADATA.contains(&key) => self.platform(value),
                _ => self.shape(value, Keys::Told),
            };
            told.insert(key.clone(), part);
        }
        Value::Object(told)
    }

    fn status(&self, value: &Value) -> Value {
        let Value::Object(mut told) = self.shape(value, Keys::OfSchema) else { return shape_of(value) };
        if let Some(generation) = value.get("observedGeneration") {
            told.insert("observedGeneration".to_owned(), generation.clone());
        }
        if let Some(Value::Array(conditions)) = value.get("conditions") {
            let conditions = conditions.iter().map(|condition| {
                let Value::Object(mut told) = self.shape(condition, Keys::OfSchema) else {
                    return shape_of(condition);
                };
                for key in CONDITION {
                    // What a provider writes here may be no word.
                    let word =
                        condition.get(key).filter(|it| it.is_number() || it.as_str().is_some_and(is_word));
                    if let Some(word) = word {
                        told.insert(key.to_owned(), word.clone());
                    }
                }
                Value::Object(told)
            });
            told.insert("conditions".to_owned(), conditions.collect());
        }
        Value::Object(told)
    }

    /// Annotations or labels: values of our own and of kcp's alone.
    fn annotations(&self, value: &Value, keys: Keys) -> Value {
        let Value::Object(fields) = value else { return shape_of(value) };
        let mut unnamed = 0_usize;
        let told = fields.iter().map(|(key, value)| {
            let own = OWN_ANNOTATIONS.iter().any(|prefix| key.starts_with(prefix));
            let told = if own { self.platform(value) } else { shape_of(value) };
            (if own || keys == Keys::Told { key.clone() } else { numbered(&mut unnamed) }, told)
        });
        Value::Object(told.collect())
    }

    /// The same structure, with nothing of what is in it.
    fn shape(&self, value: &Value, keys: Keys) -> Value {
        match value {
            Value::Object(fields) => {
                let mut unnamed = 0_usize;
                let told = fields.iter().map(|(key, value)| {
                    let known = keys == Keys::Told || self.keys.contains(key);
                    let name = if known { key.clone() } else { numbered(&mut unnamed) };
                    (name, self.shape(value, keys))
                });
                Value::Object(told.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.shape(item, keys)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => shape_of(value),
        }
    }
}

/// Which keys are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    /// All: whoever wrote them is not a consumer.
    Told,
    /// Those that a schema names.
    OfSchema,
}

fn numbered(count: &mut usize) -> String {
    *count += 1;
    format!("<key {count}>")
}

/// A value's type; of a text, its length too.
fn shape_of(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => "<bool>".into(),
        Value::Number(_) => "<number>".into(),
        Value::String(text) => format!("<text {}>", text.chars().count()).into(),
        Value::Array(items) => format!("<list {}>", items.len()).into(),
        Value::Object(fields) => format!("<object {}>", fields.len()).into(),
    }
}

fn is_time(key: &str) -> bool {
    ["At", "Time", "Timestamp", "Since", "Interval"].iter().any(|end| key.ends_with(end))
}

fn is_one_word(text: &str) -> bool {
    text.len() <= 253 && !text.contains(char::is_whitespace)
}

/// A condition's word, or a time.
fn is_word(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next();
    let camel = first.is_some_and(|first| first.is_ascii_uppercase()) && text.len() <= 64;
    (camel && chars.all(|one| one.is_ascii_alphanumeric()))
        || text.parse::<k8s_openapi::jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests;
