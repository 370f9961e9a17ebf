//! Paths to fields, as people write them in filters.

use std::fmt;

use serde_json::Value;

use super::Object;

#[cfg(test)]
mod tests;

/// A parsed path such as `spec.fqdn` or `metadata.labels['topology.kubernetes.io/region']`.
///
/// - A path that starts with neither `spec` nor `metadata` is below `.spec`: `fqdn` is `spec.fqdn`.
/// - A quoted segment stands in `['…']` or `["…"]`, ends at the first such quote in front of a bracket, and knows no
///   escapes: no key of Kubernetes has a quote in it, and one that has the one kind can be written in the other.
/// - `status` is refused, and so is what changes whenever the status does (`metadata.resourceVersion` and
///   `metadata.managedFields`), because a provider could make its own order flap with it.
/// - Paths do not look into lists, neither by position nor at each element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    segments: Vec<String>,
}

/// A text that is no field path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePathError {
    /// The path or one of its segments is empty.
    #[error("`{0}` has an empty segment; write for example spec.fqdn")]
    EmptySegment(String),
    /// A `[` without its `']`.
    #[error("`{0}` has an unfinished quoted segment; write for example metadata.labels['a.b/c']")]
    UnfinishedQuote(String),
    /// A segment without quotes has a character that is part of no field's name.
    #[error(
        "`{0}` has a space, a quote or another character that must be quoted; write for example metadata.labels['a.b/c']"
    )]
    Unquoted(String),
    /// The path looks into a list.
    #[error(
        "`{0}` looks into a list, which paths do not; an expression does: self.spec.nodes.all(n, n.size < 5)"
    )]
    ListPosition(String),
    /// The path goes through the status, or through what changes with it.
    #[error("`{0}` looks into status, which the provider itself writes; filter on spec or metadata")]
    Status(String),
    /// The path is too long, or has too many segments.
    #[error("the path is too long: at most {MAX_PATH} characters and {MAX_SEGMENTS} segments are accepted")]
    TooLong,
}

/// The longest path, in characters.
pub const MAX_PATH: usize = 512;
/// The most segments of a path, an implied `spec` included.
pub const MAX_SEGMENTS: usize = 32;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lookup<'o> {
    /// A value.
    Found(&'o Value),
    /// Nothing, an explicit null, or an empty list.
    Missing,
    /// The path goes on where there is a text, a number, a boolean or a list: nobody can say what it would mean there.
    Blocked {
        /// How many segments lead to that value.
        segments: usize,
        /// What the value is, as in "is a list".
        found: &'static str,
    },
}

impl FieldPath {
    /// Parses a path.
    pub fn parse(text: &str) -> Result<Self, ParsePathError> {
        if text.chars().nth(MAX_PATH).is_some() {
            return Err(ParsePathError::TooLong);
        }
        let mut segments = split(text)?;
        let mut names = segments.iter().map(String::as_str);
        match (names.next(), names.next()) {
            (Some("status"), _) | (Some("metadata"), Some("resourceVersion" | "managedFields")) => {
                return Err(ParsePathError::Status(text.to_owned()));
            }
            (Some("spec" | "metadata"), _) => {}
            (Some(_), _) => segments.insert(0, "spec".to_owned()),
            (None, _) => return Err(ParsePathError::EmptySegment(text.to_owned())),
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(ParsePathError::TooLong);
        }
        Ok(Self { segments })
    }

    /// The segments from the root of the object.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The value at the path; an explicit null counts as missing.
    pub fn find<'o>(&self, object: &'o Object) -> Option<&'o Value> {
        let (first, rest) = self.segments.split_first()?;
        let value = rest.iter().try_fold(object.fields().get(first)?, |value, key| value.get(key))?;
        if value.is_null() { None } else { Some(value) }
    }

    /// What is at the path, telling apart what is not there from what cannot be reached.
    pub fn look<'o>(&self, object: &'o Object) -> Lookup<'o> {
        let mut segments = self.segments.iter();
        let mut at = segments.next().and_then(|first| object.fields().get(first));
        for (index, key) in segments.enumerate() {
            let found = match at {
                None | Some(Value::Null) => return Lookup::Missing,
                Some(Value::Object(fields)) => {
                    at = fields.get(key);
                    continue;
                }
                Some(Value::Array(elements)) if elements.is_empty() => return Lookup::Missing,
                Some(Value::Array(_)) => "a list",
                Some(Value::String(_)) => "a text",
                Some(Value::Number(_)) => "a number",
                Some(Value::Bool(_)) => "a boolean",
            };
            return Lookup::Blocked { segments: index + 1, found };
        }
        match at {
            None | Some(Value::Null) => Lookup::Missing,
            Some(Value::Array(elements)) if elements.is_empty() => Lookup::Missing,
            Some(value) => Lookup::Found(value),
        }
    }

    /// The path made of the first segments of this one.
    #[must_use]
    pub fn up_to(&self, segments: usize) -> Self {
        Self { segments: self.segments.iter().take(segments).cloned().collect() }
    }
}

/// As it can be parsed again.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if !segment.chars().all(is_plain) {
                let quote = if segment.contains("']") { '"' } else { '\'' };
                write!(f, "[{quote}{segment}{quote}]")?;
            } else if index == 0 {
                f.write_str(segment)?;
            } else {
                write!(f, ".{segment}")?;
            }
        }
        Ok(())
    }
}

/// Whether the character may stand in a segment without quotes.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '/' | '@' | ':')
}

fn split(text: &str) -> Result<Vec<String>, ParsePathError> {
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix("['").or_else(|| rest.strip_prefix("[\"")) {
            let close = if rest.starts_with("['") { "']" } else { "\"]" };
            let (segment, after) =
                quoted.split_once(close).ok_or_else(|| ParsePathError::UnfinishedQuote(text.to_owned()))?;
            segments.push(segment.to_owned());
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (segment, after) = rest.split_at(end);
            if !segment.chars().all(is_plain) {
                return Err(ParsePathError::Unquoted(text.to_owned()));
            }
            segments.push(segment.to_owned());
            rest = after;
        }
        if segments.last().is_none_or(String::is_empty) {
            return Err(ParsePathError::EmptySegment(text.to_owned()));
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(segments),
            None if rest.starts_with("['") || rest.starts_with("[\"") => {}
            None => return Err(bracket(text, rest)),
        }
    }
}

/// What is wrong with what follows a segment.
fn bracket(text: &str, rest: &str) -> ParsePathError {
    let inside = rest.strip_prefix('[').and_then(|rest| rest.split(']').next());
    if inside.is_some_and(|inside| inside.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*')) {
        ParsePathError::ListPosition(text.to_owned())
    } else {
        ParsePathError::UnfinishedQuote(text.to_owned())
    }
}
