//! The part of `JSONPath` that printer columns and selectable fields use: fields, indexes, `[*]`, filters.

use crate::control_plane::machinery::value::{compare, equal};
use serde_json::Value;
use std::cmp::Ordering;

/// Why a path cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is an invalid path: {0}")]
pub struct JsonPathError(String);

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    All,
    Filter { path: Vec<Step>, operator: Operator, value: Value },
    Exists(Vec<Step>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A parsed path, such as `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

impl JsonPath {
    /// Parses a path. Braces around it, `$` and the leading dot may be left out.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        let bare = text.trim();
        let bare = bare.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(bare);
        let bare = bare.strip_prefix('$').unwrap_or(bare);
        Ok(Self { steps: parse_steps(bare)? })
    }

    /// The values the path leads to, in order. Absent fields lead nowhere.
    pub fn find<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        follow(value, &self.steps)
    }
}

fn broken<T>(what: impl Into<String>) -> Result<T, JsonPathError> {
    Err(JsonPathError(what.into()))
}

fn parse_steps(text: &str) -> Result<Vec<Step>, JsonPathError> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let end = closing_bracket(after)?;
            let inner = after.get(..end).unwrap_or_default();
            steps.push(parse_bracket(inner.trim())?);
            rest = after.get(end + 1..).unwrap_or_default();
            continue;
        }
        let after = rest.strip_prefix('.').unwrap_or(rest);
        if after.starts_with('[') {
            rest = after;
            continue;
        }
        let (name, next) = take_name(after);
        match name.as_str() {
            "" if next.is_empty() && after.is_empty() => {}
            "" => return broken(format!("unexpected text at \"{rest}\"")),
            "*" => steps.push(Step::All),
            _ => steps.push(Step::Field(name)),
        }
        rest = next;
    }
    Ok(steps)
}

/// A field name up to the next dot or bracket; a backslash takes the next character as it is.
fn take_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '.' | '[' => return (name, text.get(index..).unwrap_or_default()),
            '\\' => name.extend(letters.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    (name, "")
}

fn closing_bracket(text: &str) -> Result<usize, JsonPathError> {
    let mut quote = None;
    let mut depth = 0_usize;
    for (index, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Ok(index),
            (None, ']') => depth -= 1,
            (Some(_) | None, _) => {}
        }
    }
    broken("unterminated array")
}

fn parse_bracket(inner: &str) -> Result<Step, JsonPathError> {
    if inner == "*" {
        return Ok(Step::All);
    }
    if let Some(name) = quoted(inner) {
        return Ok(Step::Field(name));
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return parse_filter(filter);
    }
    if let Some((from, to)) = inner.split_once(':') {
        let bound = |text: &str| match text.trim() {
            "" => Ok(None),
            digits => digits.parse().map(Some).or_else(|_| broken(format!("invalid array index {inner}"))),
        };
        return Ok(Step::Slice(bound(from)?, bound(to)?));
    }
    inner.parse().map(Step::Index).or_else(|_| broken(format!("invalid array index {inner}")))
}

fn quoted(text: &str) -> Option<String> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .map(|name| name.replace("\\.", "."))
}

fn parse_filter(filter: &str) -> Result<Step, JsonPathError> {
    // Two-character operators come first, as `<=` contains `<`.
    let operators = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let left = |text: &str| match text.trim().strip_prefix('@') {
        Some(path) => parse_steps(path),
        None => broken(format!("filter must start with @: {filter}")),
    };
    for (sign, operator) in operators {
        if let Some((path, value)) = filter.split_once(sign) {
            let value = value.trim();
            let value = match quoted(value) {
                Some(text) => Value::from(text),
                None => match serde_json::from_str(value) {
                    Ok(value) => value,
                    Err(_) => return broken(format!("cannot parse filter value {value}")),
                },
            };
            return Ok(Step::Filter { path: left(path)?, operator, value });
        }
    }
    Ok(Step::Exists(left(filter)?))
}

fn follow<'v>(value: &'v Value, steps: &[Step]) -> Vec<&'v Value> {
    let mut current = vec![value];
    for step in steps {
        current = current.into_iter().flat_map(|value| take_step(value, step)).collect();
    }
    current
}

fn take_step<'v>(value: &'v Value, step: &Step) -> Vec<&'v Value> {
    let items = || value.as_array().map_or(&[][..], Vec::as_slice);
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Index(index) => {
            position(*index, items().len()).and_then(|i| items().get(i)).into_iter().collect()
        }
        Step::Slice(from, to) => {
            let length = items().len();
            let from = position(from.unwrap_or(0), length + 1).unwrap_or(0);
            let to = to.map_or(Some(length), |to| position(to, length + 1)).unwrap_or(length);
            items().get(from..to).map(|items| items.iter().collect()).unwrap_or_default()
        }
        Step::All => match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(fields) => fields.values().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        },
        Step::Filter { path, operator, value: wanted } => items()
            .iter()
            .filter(|item| follow(item, path).first().is_some_and(|found| operator.holds(found, wanted)))
            .collect(),
        Step::Exists(path) => items().iter().filter(|item| !follow(item, path).is_empty()).collect(),
    }
}

impl Operator {
    fn holds(self, found: &Value, wanted: &Value) -> bool {
        let order = compare(found, wanted);
        match self {
            Self::Equal => equal(found, wanted),
            Self::NotEqual => !equal(found, wanted),
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

fn position(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < length)
}
