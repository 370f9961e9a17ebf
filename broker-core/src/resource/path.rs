//! Paths to fields, as people write them in filters.

use std::fmt;

use serde_json::Value;

use super::Object;

/// A parsed path such as `spec.fqdn` or `metadata.labels['topology.kubernetes.io/region']`.
///
/// A path that starts with neither `spec` nor `metadata` is below `.spec`: `fqdn` is `spec.fqdn`. `status` is refused,
/// because a provider could make its own order flap with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    segments: Vec<String>,
}

/// A text that is no field path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParsePathError {
    /// The path or one of its segments is empty.
    #[error("`{0}` has an empty segment; write for example spec.fqdn")]
    EmptySegment(String),
    /// A `[` without its `']`.
    #[error("`{0}` has an unfinished quoted segment; write for example metadata.labels['a.b/c']")]
    UnfinishedQuote(String),
    /// The path goes through the status.
    #[error("`{0}` looks into status, which the provider itself writes; filter on spec or metadata")]
    Status(String),
}

impl FieldPath {
    /// Parses a path.
    pub fn parse(text: &str) -> Result<Self, ParsePathError> {
        let mut segments = split(text)?;
        match segments.first().map(String::as_str) {
            Some("status") => return Err(ParsePathError::Status(text.to_owned())),
            Some("spec" | "metadata") => {}
            Some(_) => segments.insert(0, "spec".to_owned()),
            None => return Err(ParsePathError::EmptySegment(text.to_owned())),
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
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if segment.contains('.') || segment.contains('[') {
                write!(f, "['{segment}']")?;
            } else if index == 0 {
                f.write_str(segment)?;
            } else {
                write!(f, ".{segment}")?;
            }
        }
        Ok(())
    }
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
            None => return Err(ParsePathError::UnfinishedQuote(text.to_owned())),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    fn segments(text: &str) -> Vec<String> {
        FieldPath::parse(text).unwrap().segments().to_vec()
    }

    #[test]
    fn spec_is_implied() {
        assert_eq!(segments("fqdn"), ["spec", "fqdn"]);
        assert_eq!(segments("spec.fqdn"), ["spec", "fqdn"]);
        assert_eq!(segments("metadata.labels.region"), ["metadata", "labels", "region"]);
    }

    #[test]
    fn quoted_segments_reach_keys_with_dots() {
        let path = FieldPath::parse("metadata.labels['topology.kubernetes.io/region']").unwrap();
        let object =
            Object::try_from(json!({"metadata": {"labels": {"topology.kubernetes.io/region": "eu"}}}))
                .unwrap();
        assert_eq!(path.find(&object), Some(&json!("eu")));
        assert_eq!(path.to_string(), "metadata.labels['topology.kubernetes.io/region']");
    }

    #[test]
    fn status_is_refused() {
        assert!(matches!(FieldPath::parse("status.ready"), Err(ParsePathError::Status(_))));
    }

    #[test]
    fn broken_paths_are_refused() {
        for text in ["", ".", "spec.", "a..b", "a['b", "a['b']c", "a[0]", "['']"] {
            assert!(FieldPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn null_counts_as_missing() {
        let object = Object::try_from(json!({"spec": {"a": null}})).unwrap();
        assert_eq!(FieldPath::parse("a").unwrap().find(&object), None);
    }
}
