//! What is wrong with an offer as written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Found texts are shown up to this many characters.
const SHOWN: usize = 80;
/// What the reader of JSON says names fields, and is shown a little longer.
const MISSHAPEN_SHOWN: usize = 160;

/// The field of the spec that says how orders become objects of the provider's own kind.
pub(super) const TRANSLATION: &str = "translation";

/// One reason why an offer cannot be honoured: where, what was found, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct InvalidFilter {
    /// Index into `spec.filters`; `None` where it is another field of the spec.
    pub filter: Option<usize>,
    /// The key of that filter; empty where there is none.
    pub key: String,
    /// The field at fault, below the filter (`boundary.min`) or below `spec` (`weight`).
    pub field: String,
    /// What was found there, shortened.
    pub found: String,
    /// What would be accepted.
    pub accepted: String,
}

impl InvalidFilter {
    pub(super) fn of_spec(field: &str, found: &str, accepted: impl Into<String>) -> Self {
        Self {
            filter: None,
            key: String::new(),
            field: shorten(field, SHOWN),
            found: shorten(found, SHOWN),
            accepted: accepted.into(),
        }
    }

    /// Whether it is about the translation.
    pub fn is_of_translation(&self) -> bool {
        let rest = self.field.strip_prefix(TRANSLATION).filter(|_| self.filter.is_none());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// A spec that is not even of the right shape.
    pub(super) fn misshapen(error: &str) -> Self {
        Self {
            filter: None,
            key: String::new(),
            field: String::new(),
            found: shorten(error, MISSHAPEN_SHOWN),
            accepted: "the fields of AcceptAPI.spec, each of its type".to_owned(),
        }
    }

    pub(super) fn of_filter(
        filter: usize,
        key: &str,
        field: &str,
        found: &str,
        accepted: impl Into<String>,
    ) -> Self {
        Self {
            filter: Some(filter),
            key: shorten(key, SHOWN),
            field: shorten(field, SHOWN),
            found: shorten(found, SHOWN),
            accepted: accepted.into(),
        }
    }
}

/// For example: ``spec.filters[1] (key spec.storage): boundary.min is `ten`; accepted: a number or a quantity``.
impl fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            return write!(f, "spec cannot be read: {}; accepted: {}", self.found, self.accepted);
        }
        match self.filter {
            Some(index) if self.key.is_empty() => write!(f, "spec.filters[{index}]: ")?,
            Some(index) => write!(f, "spec.filters[{index}] (key {}): ", self.key)?,
            None => f.write_str("spec.")?,
        }
        write!(f, "{} is `{}`; accepted: {}", self.field, self.found, self.accepted)
    }
}

/// The text, cut behind `limit` characters with an ellipsis; control characters are shown as spaces.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let mut shown: String = text.chars().take(limit).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}
