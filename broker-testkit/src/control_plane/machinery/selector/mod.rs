//! Label and field selectors of list, watch and delete-collection requests, and of `LabelSelector` objects.

use serde_json::Value;

/// Why a selector cannot be read: 400, reason `BadRequest`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse requirement: {0}")]
pub struct SelectorError(pub String);

/// A parsed `labelSelector`. The default one selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {}

impl LabelSelector {
    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    pub fn parse(_text: &str) -> Result<Self, SelectorError> {
        Ok(Self::default())
    }

    /// Reads a `metav1.LabelSelector` (`matchLabels`, `matchExpressions`).
    pub fn from_object(_selector: &Value) -> Result<Self, SelectorError> {
        Ok(Self::default())
    }

    /// Whether an object's `metadata.labels` satisfy every requirement.
    pub fn matches(&self, _object: &Value) -> bool {
        true
    }

    /// The labels an object must have, where the selector fixes single values (`a=b`): what kcp stamps on objects
    /// created through a claim.
    pub fn fixed_labels(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// A parsed `fieldSelector`: `metadata.name=x,status.phase!=Running`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {}

impl FieldSelector {
    /// Parses the selector. Which fields may be selected by is for [`FieldSelector::fields`] to ask.
    pub fn parse(_text: &str) -> Result<Self, SelectorError> {
        Ok(Self::default())
    }

    /// The fields used, so that the server can refuse those the kind does not support
    /// (400 `field label not supported: spec.x`).
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// Whether the object satisfies it. An absent field counts as the empty string.
    pub fn matches(&self, _object: &Value) -> bool {
        true
    }
}
