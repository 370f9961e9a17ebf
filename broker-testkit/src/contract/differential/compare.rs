//! Where two servers disagree.

use serde_json::Value;

use super::super::broken::shown;
use super::operation::{Operation, Sequence};
use super::player::Said;

/// The first thing that two servers said differently in a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// The sequence.
    pub sequence: Sequence,
    /// Which operation, or beyond the last one: a watch, or what was there in the end.
    pub step: usize,
    /// Where in the answer, as a JSON pointer.
    pub pointer: String,
    /// What the first server said there.
    pub first: Value,
    /// What the second server said there.
    pub second: Value,
    /// The whole answers.
    pub answers: [Value; 2],
}

impl Disagreement {
    /// What disagreements of the same cause mostly have in common.
    pub fn signature(&self) -> String {
        let what = match self.sequence.operations.get(self.step) {
            Some(Operation::Send(request)) => {
                let sub = request.name.split_once('/').map_or("", |(_, sub)| sub);
                let media = request.media.trim_start_matches("application/");
                format!("{} {} {sub} {media}", request.method, request.kind)
            }
            Some(Operation::Watch { request, .. }) => format!("WATCH {}", request.kind),
            Some(Operation::Settle) => "SETTLE".to_owned(),
            None => "END".to_owned(),
        };
        let numberless = |segment: &&str| segment.parse::<usize>().is_err();
        let pointer: Vec<&str> = self.pointer.split('/').filter(numberless).collect();
        let pointer = pointer.join("/");
        let values = [&self.first, &self.second].map(|value| {
            let text = value.to_string();
            if pointer == "/!code" || pointer.ends_with("reason") { text } else { sort(value).to_owned() }
        });
        format!("{what} {pointer} {} {}", values[0], values[1])
    }
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.sequence)?;
        writeln!(f, "  at {} {}:", self.step, self.pointer)?;
        writeln!(f, "    first:  {}", shown(&self.first))?;
        writeln!(f, "    second: {}", shown(&self.second))?;
        writeln!(f, "  of {}", self.answers[0])?;
        writeln!(f, "  and {}", self.answers[1])?;
        writeln!(f, "  stored: {}", serde_json::to_string(&self.sequence).unwrap_or_default())
    }
}

/// The first difference, and how messages compare up to it.
///
/// Messages for people are counted and not held to be the same: what programs go by is compared exactly.
pub(super) fn compare(
    sequence: &Sequence,
    first: &[Said],
    second: &[Said],
    wording: &mut Vec<(String, String)>,
) -> Option<Disagreement> {
    for (step, (one, other)) in first.iter().zip(second).enumerate() {
        let (mut one, mut other) = (one.to_value(), other.to_value());
        let answers = [one.clone(), other.clone()];
        let messages = [take_messages(&mut one), take_messages(&mut other)];
        if let Some((pointer, first, second)) = difference(&one, &other, String::new()) {
            let (first, second) = (first.clone(), second.clone());
            return Some(Disagreement { sequence: sequence.clone(), step, pointer, first, second, answers });
        }
        let [one, other] = messages;
        wording.extend(one.into_iter().zip(other));
    }
    None
}

/// Takes the messages out of a refusal, also one of a watch.
fn take_messages(said: &mut Value) -> Vec<String> {
    let mut found = Vec::new();
    take(said, &mut found);
    found
}

fn take(value: &mut Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if fields.get("kind").is_some_and(|kind| kind == "Status") {
                if let Some(Value::String(message)) = fields.remove("message") {
                    found.push(message);
                }
                let causes = fields.get_mut("details").and_then(|details| details.get_mut("causes"));
                for cause in causes.and_then(Value::as_array_mut).into_iter().flatten() {
                    if let Some(cause) = cause.as_object_mut() {
                        cause.remove("message");
                    }
                }
                let causes = fields.get_mut("details").and_then(|details| details.get_mut("causes"));
                if let Some(causes) = causes.and_then(Value::as_array_mut) {
                    causes.sort_by_key(ToString::to_string);
                    causes.dedup();
                }
            } else {
                fields.values_mut().for_each(|field| take(field, found));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The first place at which two values differ.
fn difference<'v>(one: &'v Value, other: &'v Value, at: String) -> Option<(String, &'v Value, &'v Value)> {
    if one == other {
        return None;
    }
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let value = |of: &'v serde_json::Map<String, Value>| of.get(key).unwrap_or(&Value::Null);
                // That a field is there and null is another thing than that it is not there.
                if left.contains_key(key) != right.contains_key(key) {
                    return Some((format!("{at}/{key}"), value(left), value(right)));
                }
                difference(value(left), value(right), format!("{at}/{key}"))
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .find_map(|(index, (left, right))| difference(left, right, format!("{at}/{index}"))),
        _ => Some((at, one, other)),
    }
}
