//! Durations as Kubernetes users write them.

use std::{borrow::Cow, fmt, time::Duration};

use broker_core::time::{MAX_DURATION, parse_duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration in Go's notation: `30s`, `1h30m`, `250ms`.
///
/// It keeps the text as it was written: an object with a malformed one can still be read, and its
/// owner told, instead of being lost to the whole watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GoDuration(String);

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no duration: write numbers with units (h, m, s, ms), for example 30s or 1h30m")]
pub struct ParseDurationError {
    text: String,
}

impl GoDuration {
    /// The duration in the notation it will be written in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of time it stands for.
    pub fn parse(&self) -> Result<Duration, ParseDurationError> {
        parse_duration(&self.0).ok_or_else(|| ParseDurationError { text: self.0.clone() })
    }

    /// The length of time it stands for, or `default` where it stands for none.
    pub fn parse_or(&self, default: Duration) -> Duration {
        self.parse().unwrap_or(default)
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for GoDuration {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        let millis = duration.as_millis();
        Self(if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") })
    }
}

impl JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": MAX_DURATION,
            "pattern": r"^(0|([0-9]+(\.[0-9]+)?(h|m|s|ms|us|ns))+)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Option<u128> {
        GoDuration::from(text).parse().ok().map(|d| d.as_millis())
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("250ms", 250),
            ("0", 0),
            ("1500000us", 1_500),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "30", "s", "-5s", "1,5s", "10 m", "1.s", "5d", "99999999999999999999h"] {
            let error = GoDuration::from(text).parse().err().map(|e| e.to_string());
            assert!(error.is_some_and(|e| e.contains("for example 30s")), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for duration in [Duration::from_secs(90), Duration::from_millis(1_250)] {
            assert_eq!(GoDuration::from(duration).parse(), Ok(duration));
        }
    }
}
