//! What a check answers when its sentence does not hold.

use serde_json::Value;
use thiserror::Error;

/// How much of an answer is shown.
const SHOWN: usize = 2_000;

/// A sentence of the contract does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{claim}; seen: {seen}", sentence.map(|name| format!("{}: ", name.replace('_', " "))).unwrap_or_default())]
pub struct Broken {
    sentence: Option<&'static str>,
    claim: String,
    seen: String,
}

impl Broken {
    pub(super) fn new(claim: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { sentence: None, claim: claim.into(), seen: seen.into() }
    }

    /// The same, with the name of the sentence.
    pub(super) fn of(self, sentence: &'static str) -> Self {
        Self { sentence: Some(sentence), ..self }
    }

    /// The name of the sentence, where it was checked through [`Sentence::check`](super::Sentence::check).
    pub fn sentence(&self) -> Option<&'static str> {
        self.sentence
    }

    /// The part of the sentence that does not hold.
    pub fn claim(&self) -> &str {
        &self.claim
    }

    /// What was there instead.
    pub fn seen(&self) -> &str {
        &self.seen
    }
}

/// The claim holds if the condition does; otherwise `seen` is what was seen.
pub(super) fn hold(holds: bool, claim: &str, seen: &Value) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken::new(claim, shown(seen))) }
}

/// Two values must be equal.
pub(super) fn same(found: &Value, wanted: &Value, claim: &str) -> Result<(), Broken> {
    if found == wanted {
        return Ok(());
    }
    Err(Broken::new(format!("{claim}: {}", shown(wanted)), shown(found)))
}

/// JSON for a report: short, without bookkeeping, without what a Secret or a token holds.
pub(super) fn shown(value: &Value) -> String {
    let mut value = value.clone();
    strip(&mut value);
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("managedFields");
            let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
            let secret = matches!(kind, "Secret" | "TokenRequest");
            for (key, field) in fields.iter_mut() {
                if secret && matches!(key.as_str(), "data" | "stringData" | "status") {
                    *field = Value::from("(not shown)");
                } else {
                    strip(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_shows_no_secret() {
        let list = json!({"items": [{"kind": "Secret", "data": {"password": "aHVudGVyMg=="}}]});
        assert!(!shown(&list).contains("aHVudGVyMg"), "{}", shown(&list));
    }

    #[test]
    fn a_broken_sentence_is_told_with_its_name() {
        let broken = Broken::new("all are there", "two").of("pages_join");
        assert_eq!(broken.to_string(), "pages join: all are there; seen: two");
    }
}
