//! Why one filter said no, in terms of the order's own field.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::invalid::shorten;
use super::nearness::value_gap;

/// A value in a message is shown up to this many characters.
const SHOWN: usize = 64;
/// A list in a message is shown up to this many entries.
const LISTED: usize = 5;
/// An expression in a message is shown up to this many characters.
const EXPRESSION_SHOWN: usize = 160;

/// A filter that did not hold: the field, what was found there, what would be accepted.
///
/// Says nothing about whose filter it is, so that it may be shown to the order's owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Miss {
    /// Index into the offer's `spec.filters`.
    pub filter: usize,
    /// Path of the field; empty for an expression over the whole order.
    pub field: String,
    /// The text found; `None` where the field is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What would be accepted.
    pub expected: Expected,
    /// How far off, in thousandths: 1000 has nothing in common.
    pub distance: u32,
}

impl Miss {
    /// The first half of a sentence: ``spec.fqdn is `app.corp.co` ``, or `spec.fqdn is missing`.
    pub fn finding(&self) -> String {
        match (&self.found, self.field.is_empty()) {
            (_, true) => "the object".to_owned(),
            (Some(found), false) => format!("{} is `{}`", shorten(&self.field, SHOWN), shorten(found, SHOWN)),
            (None, false) => format!("{} is missing", shorten(&self.field, SHOWN)),
        }
    }
}

/// ``spec.fqdn is `app.corp.co`; accepted: ends with `.corp.com` ``.
impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; accepted: {}", self.finding(), self.expected)
    }
}

/// What a criterion accepts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Expected {
    /// Any value.
    Present,
    /// One of these texts.
    OneOf(Vec<String>),
    /// None of these texts.
    NoneOf(Vec<String>),
    /// A text that starts with this.
    StartsWith(String),
    /// A text that ends with this.
    EndsWith(String),
    /// A number within these bounds, as they were written.
    Between {
        /// The least, if any.
        min: Option<String>,
        /// The greatest, if any.
        max: Option<String>,
    },
    /// That this CEL expression is true.
    Expression(String),
}

impl Expected {
    /// What comes nearest to the text found, where the criterion accepts certain texts or numbers.
    pub(crate) fn nearest(&self, found: &str) -> Option<String> {
        match self {
            Self::OneOf(values) => {
                values.iter().min_by_key(|accepted| value_gap(found, accepted)).map(ToOwned::to_owned)
            }
            Self::StartsWith(text) | Self::EndsWith(text) => Some(text.clone()),
            Self::Between { .. } => Some(self.to_string()),
            Self::Present | Self::NoneOf(_) | Self::Expression(_) => None,
        }
    }
}

/// Bounded: long lists and texts are cut.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("any value"),
            Self::OneOf(values) => write!(f, "{}", Listed(values, "or")),
            Self::NoneOf(values) => write!(f, "anything but {}", Listed(values, "and")),
            Self::StartsWith(text) => write!(f, "starts with `{}`", shorten(text, SHOWN)),
            Self::EndsWith(text) => write!(f, "ends with `{}`", shorten(text, SHOWN)),
            Self::Between { min, max } => {
                let bound = |bound: &Option<String>| bound.as_deref().map(|text| shorten(text, SHOWN));
                match (bound(min), bound(max)) {
                    (Some(min), Some(max)) => write!(f, "a number from {min} to {max}"),
                    (Some(min), None) => write!(f, "a number of at least {min}"),
                    (None, Some(max)) => write!(f, "a number of at most {max}"),
                    (None, None) => f.write_str("a number"),
                }
            }
            Self::Expression(text) => write!(f, "where `{}` holds", shorten(text, EXPRESSION_SHOWN)),
        }
    }
}

/// Texts as people list them, at most [`LISTED`].
struct Listed<'t>(&'t [String], &'static str);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.0.len().saturating_sub(LISTED);
        let shown = self.0.len() - more;
        for (index, text) in self.0.iter().take(LISTED).enumerate() {
            let separator = match index {
                0 => "",
                _ if index + 1 == shown && more == 0 => self.1,
                _ => ",",
            };
            match separator {
                "" => {}
                "," => f.write_str(", ")?,
                word => write!(f, " {word} ")?,
            }
            write!(f, "`{}`", shorten(text, SHOWN))?;
        }
        if more > 0 { write!(f, " {} {more} more", self.1) } else { Ok(()) }
    }
}
