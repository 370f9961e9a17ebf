//! Making what two servers said comparable.
//!
//! What each server draws for itself becomes what it means: of versions it is their order, of uids and generated
//! names which of them are the same. Each rule here says why what it hides may differ:
//!
//! - Times are when somebody asked.
//! - The entries of `managedFields` are ordered by time: they are put in an order without it.
//! - Tokens of lists say the same in other words.
//! - `kube-root-ca.crt`, which every namespace has, holds another certificate and was written by another manager.
//! - Events of one object are encoded once for several watches, so that a table repeats its columns or not.
//! - What a table says about its columns is for people.
//! - The age in a table is of its moment.
//! - The version of a list or bookmark is the server's newest, which others move: it counts as the newest version of
//!   an object of the sequence that it includes.
//! - Causes come in any order, some of them twice, and one without a field says that rules were not checked.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::generate::GENERATED;
use super::player::{FURNITURE, Said, Transcript};

/// What one server draws for itself, in the terms of the sequence.
#[derive(Debug, Default)]
struct Terms {
    /// Versions of objects, in order; none where somebody else writes too, in an order of their own.
    versions: Option<Vec<u64>>,
    uids: BTreeMap<String, usize>,
}

/// What a server said, in terms that are the same for every server.
pub(super) fn normal(mut transcript: Transcript, is_collected: bool) -> Vec<Said> {
    let mut terms = Terms::default();
    if !is_collected {
        let mut versions = Vec::new();
        transcript.said.iter().for_each(|said| find_versions(&said.body, &mut versions));
        versions.sort_unstable();
        versions.dedup();
        terms.versions = Some(versions);
    }
    for said in &mut transcript.said {
        for event in said.body.as_array_mut().into_iter().flatten().skip(1) {
            if let Some(table) = event.get_mut("object").and_then(Value::as_object_mut) {
                table.remove("columnDefinitions");
            }
        }
        terms.rewrite(&mut said.body);
        for warning in &mut said.warnings {
            *warning = terms.text(warning);
        }
    }
    transcript.said
}

/// The versions of everything that has a uid: those of lists and bookmarks move with what others write.
fn find_versions(value: &Value, found: &mut Vec<u64>) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("uid")
                && let Some(version) = fields.get("resourceVersion").and_then(number)
            {
                found.push(version);
            }
            fields.values().for_each(|field| find_versions(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| find_versions(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn number(version: &Value) -> Option<u64> {
    version.as_str()?.parse().ok()
}

impl Terms {
    fn rewrite(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let named = fields.get("metadata").and_then(|metadata| metadata["name"].as_str());
                if named == Some(FURNITURE) {
                    *value = json!({"metadata": {"name": FURNITURE}});
                    return;
                }
                for key in names(fields) {
                    if let Some(mut field) = fields.remove(&key) {
                        self.rewrite_field(&key, &mut field);
                        fields.insert(self.text(&key), field);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite(item)),
            Value::String(text) => *text = self.text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn rewrite_field(&mut self, key: &str, field: &mut Value) {
        match key {
            "creationTimestamp" | "deletionTimestamp" | "time" if field.is_string() => {
                *field = json!("<time>");
            }
            "continue" if field.as_str().is_some_and(|token| !token.is_empty()) => *field = json!("<token>"),
            // Words for people, as those of messages.
            "columnDefinitions" => {
                for column in field.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                    column.remove("description");
                }
            }
            "resourceVersion" => {
                if let Some(version) = number(field) {
                    *field = self.version(version);
                }
            }
            "uid" => {
                if let Some(uid) = field.as_str().filter(|uid| !uid.is_empty()) {
                    let next = self.uids.len();
                    let ordinal = *self.uids.entry(uid.to_owned()).or_insert(next);
                    *field = json!(format!("<uid {ordinal}>"));
                }
            }
            "managedFields" => {
                self.rewrite(field);
                if let Some(entries) = field.as_array_mut() {
                    entries.sort_by_key(|entry| {
                        let text = |key: &str| entry[key].to_string();
                        (text("operation"), text("manager"), text("apiVersion"), text("subresource"))
                    });
                }
            }
            "causes" => {
                self.rewrite(field);
                if let Some(causes) = field.as_array_mut() {
                    causes.retain(|cause| cause["field"] != "<nil>");
                    causes.sort_by_key(ToString::to_string);
                    causes.dedup();
                }
            }
            "rows" => {
                for cell in field.as_array_mut().into_iter().flatten() {
                    for cell in cell["cells"].as_array_mut().into_iter().flatten() {
                        if cell.as_str().is_some_and(is_age) {
                            *cell = json!("<age>");
                        } else if cell.as_str().is_some_and(|cell| cell.parse::<jiff::Timestamp>().is_ok()) {
                            *cell = json!("<time>");
                        }
                    }
                }
                self.rewrite(field);
            }
            _ => self.rewrite(field),
        }
    }

    fn version(&self, version: u64) -> Value {
        match &self.versions {
            None => json!("<version>"),
            Some(versions) => {
                let ordinal = versions.partition_point(|known| *known <= version);
                json!(format!("<version {ordinal}>"))
            }
        }
    }

    /// A text in which uids and generated names are replaced.
    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (uid, ordinal) in &self.uids {
            text = text.replace(uid, &format!("<uid {ordinal}>"));
        }
        without_drawn_suffixes(&text)
    }
}

/// A text in which the end of every generated name is replaced. Each step has a prefix of its own, so that what is
/// left still tells names apart.
fn without_drawn_suffixes(text: &str) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(GENERATED) {
        replaced.push_str(before);
        replaced.push_str(GENERATED);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (step, after) = after.split_at(digits);
        replaced.push_str(step);
        rest = after;
        let drawn = after
            .strip_prefix('-')
            .and_then(|after| after.get(..5))
            .filter(|drawn| drawn.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        if let (false, Some(_)) = (step.is_empty(), drawn) {
            replaced.push_str("-<drawn>");
            rest = after.get(6..).unwrap_or_default();
        }
    }
    replaced + rest
}

/// The fields of an object, those with uids first: texts beside them may quote one.
fn names(fields: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = fields.keys().cloned().collect();
    names.sort_by_key(|name| matches!(name.as_str(), "message" | "managedFields"));
    names
}

/// A span of time as tables print it: `5s`, `2m56s`.
fn is_age(cell: &str) -> bool {
    let unit = |byte: u8| matches!(byte, b's' | b'm' | b'h' | b'd');
    cell.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && cell.bytes().last().is_some_and(unit)
        && cell.bytes().all(|byte| byte.is_ascii_digit() || unit(byte))
}
