//! From what was written to checked patterns.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::action::{Segment, read as read_slot};
use super::error::TemplateFault;
use super::lex::{Piece, Slot, lex};
use super::name::is_object_name;
use super::pattern::Pattern;
use super::{MAX_NESTING, MAX_PLACEHOLDERS, MAX_TEMPLATE, yaml};
use crate::offer::shorten;

/// Stand for a placeholder, with its number between them, while its text is read as YAML: characters that mean nothing
/// to YAML and to nobody else.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// The only parts of metadata that a template sets.
const METADATA: [&str; 3] = ["annotations", "labels", "name"];

/// The fields of the object, or all that is wrong.
pub(super) fn read(
    key: &str,
    value: &Value,
    names: &[&str],
) -> Result<Option<Vec<(String, Pattern)>>, Vec<TemplateFault>> {
    let mut reader = Reader { names, slots: None, used: 0, faults: Vec::new() };
    let fields = match value {
        Value::String(text) => reader.yaml(text),
        Value::Object(fields) => {
            if size(value) > MAX_TEMPLATE {
                reader.fault("", format!("is larger than {MAX_TEMPLATE} bytes"));
                None
            } else {
                Some(fields.clone())
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            reader.fault("", "is neither YAML text nor an object".to_owned());
            None
        }
    };
    let patterns = fields.map(|fields| reader.object(key, &fields));
    if reader.faults.is_empty() { Ok(patterns) } else { Err(reader.faults) }
}

/// Whether a template creates nothing, told without reading its placeholders.
pub(super) fn is_blank(value: &Value) -> bool {
    let Some(text) = value.as_str().filter(|text| text.len() <= MAX_TEMPLATE) else { return false };
    let mut reader = Reader { names: &[], slots: None, used: 0, faults: Vec::new() };
    reader.yaml(text).is_none() && reader.faults.is_empty()
}

struct Reader<'r> {
    names: &'r [&'r str],
    /// Of a YAML text, what its tokens stand for.
    slots: Option<Vec<Slot>>,
    /// How many placeholders there are.
    used: usize,
    faults: Vec<TemplateFault>,
}

impl Reader<'_> {
    fn fault(&mut self, pointer: &str, message: String) {
        // In YAML text a pointer leads nowhere.
        let is_text = self.slots.is_some();
        let (pointer, message) = match (is_text, pointer) {
            (true, pointer) if !pointer.is_empty() => {
                (String::new(), format!("{}: {message}", dotted(pointer)))
            }
            (_, pointer) => (pointer.to_owned(), message),
        };
        self.faults.push(TemplateFault { pointer, message });
    }

    /// The mapping that a YAML text holds; nothing where there is none, or something is wrong.
    fn yaml(&mut self, text: &str) -> Option<Map<String, Value>> {
        if text.len() > MAX_TEMPLATE {
            self.fault("", format!("is {} bytes long; at most {MAX_TEMPLATE} are accepted", text.len()));
            return None;
        }
        if text.contains([OPEN, CLOSE]) {
            self.fault(
                "",
                "has one of the characters U+E000 and U+E001, which cannot be used here".to_owned(),
            );
            return None;
        }
        let mut slots = Vec::new();
        let mut tokens = String::with_capacity(text.len());
        for piece in lex(text) {
            match piece {
                Piece::Text(text) => tokens.push_str(&text),
                Piece::Slot(slot) => {
                    // Writing to a String cannot fail.
                    let _ = write!(tokens, "{OPEN}{}{CLOSE}", slots.len());
                    slots.push(slot);
                }
            }
        }
        self.slots = Some(slots);
        match yaml::read(&tokens, |scalar| scalar.contains(OPEN)) {
            Ok(None) => None,
            Ok(Some(Value::Object(fields))) => Some(fields),
            Ok(Some(_)) => {
                self.fault(
                    "",
                    "is no object; expected a mapping with apiVersion, kind and metadata".to_owned(),
                );
                None
            }
            Err(fault) => {
                let at = format!("line {}, column {}: {}", fault.line, fault.column, fault.message);
                self.fault("", self.without_tokens(&at));
                None
            }
        }
    }

    /// Words of the YAML reader, with what was written where a token stands.
    fn without_tokens(&self, words: &str) -> String {
        let mut text = words.to_owned();
        for (number, slot) in self.slots.iter().flatten().enumerate().filter(|_| words.contains(OPEN)) {
            text = text.replace(
                &format!("{OPEN}{number}{CLOSE}"),
                &format!("{{{{ {} }}}}", shorten(&slot.body, 40)),
            );
        }
        text
    }

    /// The whole object, and that it is one.
    fn object(&mut self, key: &str, fields: &Map<String, Value>) -> Vec<(String, Pattern)> {
        for name in ["apiVersion", "kind"] {
            match fields.get(name).and_then(Value::as_str) {
                Some("") | None => self.fault(&format!("/{name}"), "is missing; expected a text".to_owned()),
                Some(text) if self.has_slot(text) => {
                    self.fault(
                        &format!("/{name}"),
                        "has a placeholder; the kind of an object is fixed".to_owned(),
                    );
                }
                Some("List") if name == "kind" => {
                    self.fault("/kind", "is List; a template is one object".to_owned());
                }
                Some(_) => {}
            }
        }
        match fields.get("metadata") {
            None if is_object_name(key) => {}
            None => self.nameless(key),
            Some(Value::Object(metadata)) => self.metadata(key, metadata),
            Some(_) => self.fault("/metadata", "is no mapping".to_owned()),
        }
        let mut patterns = Vec::new();
        for (name, value) in fields {
            let pointer = format!("/{}", escaped(name));
            self.key(name, &pointer);
            let typed = name != "metadata";
            patterns.push((name.clone(), self.pattern(value, &pointer, typed, 1)));
        }
        patterns
    }

    fn metadata(&mut self, key: &str, metadata: &Map<String, Value>) {
        for name in metadata.keys().filter(|name| !METADATA.contains(&name.as_str())) {
            let pointer = format!("/metadata/{}", escaped(name));
            let message = if name == "namespace" {
                "cannot be set: helpers live in a namespace of the migration's own".to_owned()
            } else {
                format!("cannot be set; accepted: {}", METADATA.join(", "))
            };
            self.fault(&pointer, message);
        }
        for name in ["labels", "annotations"] {
            if metadata.get(name).is_some_and(|value| !value.is_object() && !value.is_null()) {
                self.fault(&format!("/metadata/{name}"), "is no mapping".to_owned());
            }
        }
        match metadata.get("name") {
            Some(Value::String(name)) if self.has_slot(name) || is_object_name(name) => {}
            None if is_object_name(key) => {}
            Some(Value::String(name)) => {
                let name = shorten(name, 64);
                self.fault(
                    "/metadata/name",
                    format!(
                        "`{name}` is no name of an object; expected at most 63 lower-case letters, digits, '-' and '.'"
                    ),
                );
            }
            Some(_) => self.fault("/metadata/name", "is no text".to_owned()),
            None => self.nameless(key),
        }
    }

    fn nameless(&mut self, key: &str) {
        self.fault("/metadata/name", format!("is missing, and `{key}` can be no name of an object"));
    }

    fn has_slot(&self, text: &str) -> bool {
        match self.slots {
            Some(_) => text.contains(OPEN),
            None => lex(text).iter().any(|piece| matches!(piece, Piece::Slot(_))),
        }
    }

    fn key(&mut self, key: &str, pointer: &str) {
        if self.has_slot(key) {
            self.fault(pointer, "a key has a placeholder; only values can have one".to_owned());
        }
    }

    /// `typed`: whether a string that is one expression becomes its answer.
    fn pattern(&mut self, value: &Value, pointer: &str, typed: bool, depth: usize) -> Pattern {
        if depth > MAX_NESTING {
            self.fault(pointer, format!("is nested too deeply; at most {MAX_NESTING} levels are accepted"));
            return Pattern::Fixed(Value::Null);
        }
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Pattern::Fixed(value.clone()),
            Value::String(text) => self.text(text, pointer, typed),
            Value::Array(elements) => {
                let elements = elements.iter().enumerate();
                let element =
                    |(index, element)| self.pattern(element, &format!("{pointer}/{index}"), typed, depth + 1);
                Pattern::List(elements.map(element).collect())
            }
            Value::Object(fields) => {
                let mut patterns = Vec::new();
                for (key, value) in fields {
                    let below = format!("{pointer}/{}", escaped(key));
                    self.key(key, &below);
                    patterns.push((key.clone(), self.pattern(value, &below, typed, depth + 1)));
                }
                Pattern::Map(patterns)
            }
        }
    }

    fn text(&mut self, text: &str, pointer: &str, typed: bool) -> Pattern {
        let mut segments = Vec::new();
        for piece in self.pieces(text) {
            match piece {
                Ok(Piece::Text(text)) => segments.push(Segment::Literal(text)),
                Ok(Piece::Slot(slot)) => {
                    self.used += 1;
                    match read_slot(&slot, self.names) {
                        Ok(found) => segments.extend(found),
                        Err(message) => {
                            let at = format!("line {}, column {}: ", slot.line, slot.column);
                            let at = if self.slots.is_some() { at } else { String::new() };
                            self.fault(pointer, format!("{at}{message}"));
                        }
                    }
                }
                Err(token) => self.fault(pointer, format!("`{token}` stands for nothing")),
            }
        }
        if self.used > MAX_PLACEHOLDERS && self.faults.is_empty() {
            self.fault("", format!("has more than {MAX_PLACEHOLDERS} placeholders"));
        }
        match segments.as_slice() {
            [Segment::Cel(expression)] if typed => Pattern::Answer(expression.clone()),
            _ => Pattern::Text(joined(segments)),
        }
    }

    /// The parts of a string; in YAML text the placeholders are tokens by now.
    fn pieces(&self, text: &str) -> Vec<Result<Piece, String>> {
        let Some(slots) = &self.slots else { return lex(text).into_iter().map(Ok).collect() };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            if !before.is_empty() {
                pieces.push(Ok(Piece::Text(before.to_owned())));
            }
            let (number, after) = after.split_once(CLOSE).unwrap_or((after, ""));
            let slot = number.parse::<usize>().ok().and_then(|number| slots.get(number));
            // Only an escape in the text itself (`\ue000`) can be a token of nothing.
            pieces.push(slot.map(|slot| Piece::Slot(slot.clone())).ok_or_else(|| shorten(number, 16)));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Ok(Piece::Text(rest.to_owned())));
        }
        pieces
    }
}

/// Neighbouring literals as one.
fn joined(segments: Vec<Segment>) -> Vec<Segment> {
    let mut joined: Vec<Segment> = Vec::new();
    for segment in segments {
        match (joined.last_mut(), segment) {
            (Some(Segment::Literal(before)), Segment::Literal(text)) => before.push_str(&text),
            (_, segment) => joined.push(segment),
        }
    }
    if joined.is_empty() {
        joined.push(Segment::Literal(String::new()));
    }
    joined
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A pointer as people write it.
fn dotted(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    shorten(&parts.collect::<Vec<_>>().join("."), 80)
}

/// About as many bytes as it has as text; nothing is written out for it.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(elements) => elements.iter().map(size).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + 3 + size(value)).sum::<usize>() + 2
        }
    }
}
