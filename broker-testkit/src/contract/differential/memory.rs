//! What one server said so far, to fill the blanks of operations with.
//!
//! | blank | filled with |
//! |---|---|
//! | `{{version:<kind>/<name>:<n>}}` | the version that the object had `n` changes ago, as far as answers told |
//! | `{{uid:<kind>/<name>}}` | the uid that the object had last |
//! | `{{start}}` | the version of the list that the sequence began with |
//! | `{{listed}}` | the version of the last list |
//! | `{{continue}}` | where the last list goes on |
//! | `{{generated:<n>}}` | the n-th name that was made |
//!
//! Before its first version an object has that of the start, and a uid that nothing has.

use std::collections::BTreeMap;

use serde_json::Value;

/// A uid that nothing has.
const NO_UID: &str = "00000000-0000-4000-8000-000000000000";

/// What a server said.
#[derive(Debug, Default)]
pub(super) struct Memory {
    start: String,
    versions: BTreeMap<String, Vec<String>>,
    objects: BTreeMap<String, Value>,
    uids: BTreeMap<String, String>,
    token: String,
    listed: String,
    generated: Vec<String>,
}

impl Memory {
    /// At the beginning of a sequence.
    pub(super) fn since(version: &str) -> Self {
        Self { start: version.to_owned(), ..Self::default() }
    }

    /// Takes note of an answer to a request about a kind, of an object under a generated name where `generates`.
    pub(super) fn learn(&mut self, kind: &str, body: &Value, generates: bool) {
        if let Some(items) = body["items"].as_array() {
            body["metadata"]["resourceVersion"].as_str().unwrap_or_default().clone_into(&mut self.listed);
            body["metadata"]["continue"].as_str().unwrap_or_default().clone_into(&mut self.token);
            for item in items {
                self.see(kind, item);
            }
            return;
        }
        if generates && let Some(name) = body["metadata"]["name"].as_str() {
            self.generated.push(name.to_owned());
        }
        self.see(kind, body);
    }

    fn see(&mut self, kind: &str, object: &Value) {
        let metadata = &object["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
        let (name, uid, version) = (text("name"), text("uid"), text("resourceVersion"));
        if name.is_empty() || uid.is_empty() {
            return;
        }
        let key = format!("{kind}/{name}");
        let versions = self.versions.entry(key.clone()).or_default();
        if !version.is_empty() && !versions.contains(&version) {
            versions.push(version);
        }
        self.uids.insert(key.clone(), uid);
        if object["kind"] != "PartialObjectMetadata" {
            self.objects.insert(key, object.clone());
        }
    }

    /// An object as it was last seen.
    pub(super) fn object(&self, key: &str) -> Option<&Value> {
        self.objects.get(key)
    }

    /// A text with its blanks filled.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((blank, after)) = after.split_once("}}") else { break };
            filled.push_str(before);
            filled.push_str(&self.blank(blank));
            rest = after;
        }
        filled + rest
    }

    fn blank(&self, blank: &str) -> String {
        let mut words = blank.split(':');
        let (sort, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
        match sort {
            "version" => {
                let known = self.versions.get(key).map(Vec::as_slice).unwrap_or_default();
                let back = number(words.next());
                known.iter().rev().nth(back).or(known.first()).cloned().unwrap_or_else(|| self.start.clone())
            }
            "uid" => self.uids.get(key).cloned().unwrap_or(NO_UID.to_owned()),
            "start" => self.start.clone(),
            "listed" => self.listed.clone(),
            "continue" => self.token.clone(),
            "generated" => self.generated.get(number(Some(key))).cloned().unwrap_or("absent".to_owned()),
            _ => String::new(),
        }
    }

    /// A value with its blanks filled.
    pub(super) fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.fill(text)),
            Value::Array(items) => items.iter().map(|item| self.fill_value(item)).collect(),
            Value::Object(fields) => {
                let filled = fields.iter().map(|(key, value)| (key.clone(), self.fill_value(value)));
                Value::Object(filled.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}
