//! Structural schemas: what fields an object may have and what the server does with them.
//!
//! Decides pruning, defaulting, validation and, through the list and map types, how server-side apply and
//! strategic merge patches take an object apart. Does not know conversion between versions.

mod builtin;
mod cel;
mod format;
pub(crate) mod metadata;
pub(crate) mod node;
mod prune;
mod rules;
#[cfg(test)]
mod tests;
mod validate;

use crate::control_plane::sabotage::{self, Bug};
use node::{Kind, Node};
use prune::Nulls;
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

    /// Whether the rules of an object that is wrong in this way are not looked at.
    pub(crate) fn blocks_rules(self) -> bool {
        match self {
            Self::Required | Self::TypeInvalid | Self::NotSupported | Self::TooLong | Self::TooMany => true,
            Self::Invalid | Self::Duplicate | Self::Forbidden => false,
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
#[derive(Debug, Clone)]
pub struct Schema {
    root: Node,
    open_api: Value,
    empties: Empties,
    has_rules: bool,
    always_there: Value,
}

/// What happens to empty lists and maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empties {
    /// They are kept, as custom resources are stored as they come.
    Kept,
    /// They are as good as absent, as in the Go types of native kinds.
    Dropped,
}

impl Schema {
    /// Reads `spec.versions[].schema.openAPIV3Schema` of a CRD (or `schema` of an `APIResourceSchema` version).
    ///
    /// `apiVersion`, `kind` and `metadata` get their own schemas whatever is said about them.
    /// An error names the place as `openAPIV3Schema.properties[spec].type` goes on from the CRD's own path.
    pub fn parse(open_api_v3_schema: &Value) -> Result<Self, SchemaError> {
        let mut root = Node::parse(open_api_v3_schema, "openAPIV3Schema")?;
        root.add_type_and_metadata();
        let has_rules = cel::any_rule(&root);
        Ok(Self {
            has_rules,
            root,
            open_api: open_api_v3_schema.clone(),
            empties: Empties::Kept,
            always_there: Value::Null,
        })
    }

    /// The schema of a kind of which nothing is known: every field is kept, lists are atomic.
    pub fn untyped() -> Self {
        let mut root = Node { kind: Kind::Object, ..Node::anything() };
        root.add_type_and_metadata();
        let open_api = serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        Self { root, open_api, empties: Empties::Kept, has_rules: false, always_there: Value::Null }
    }

    /// Removes the fields the schema does not know. Running it again changes nothing.
    ///
    /// Of native kinds it removes empty lists and maps too, as their Go types lose them.
    pub fn prune(&self, object: &mut Value) {
        if !sabotage::is(Bug::UnknownFieldsStay) {
            prune::prune(object, Some(&self.root), "", &mut Vec::new());
        }
        if self.is_native() {
            prune::fill_nulls_in_lists(object, &self.root);
        } else if let Some(metadata) = object.get_mut("metadata") {
            prune::fill_nulls_in_lists(metadata, metadata::node());
        }
        prune::tidy_metadata(object, self.is_native());
        if self.empties == Empties::Dropped {
            prune::drop_empties(object, &self.root);
        }
    }

    /// Removes the last empty lists, which were worth something to their owners alone.
    pub(crate) fn forget_empties(&self, object: &mut Value) {
        for (name, value) in self.always_there.as_object().into_iter().flatten() {
            if let Some(found) =
                object.get_mut(name).filter(|found| found.as_array().is_some_and(Vec::is_empty))
            {
                found.clone_from(value);
            }
        }
    }

    /// Adds what objects of the kind have whether or not they say so.
    pub(crate) fn add_what_is_always_there(&self, object: &mut Value) {
        if let (Some(object), Some(always)) = (object.as_object_mut(), self.always_there.as_object()) {
            for (name, value) in always {
                object.entry(name).or_insert_with(|| value.clone());
            }
        }
    }

    /// The paths of the fields that [`Schema::prune`] would remove, those of metadata first, for `fieldValidation=Strict` and `Warn`:
    /// `unknown field "spec.foo"` is made of each.
    pub fn unknown_fields(&self, object: &Value) -> Vec<String> {
        let mut unknown = Vec::new();
        prune::prune(&mut object.clone(), Some(&self.root), "", &mut unknown);
        unknown.sort_by_key(|path| (!path.starts_with("metadata."), path.clone()));
        unknown
    }

    /// Writes the defaults of absent fields, and of `null` ones that may not be null. Idempotent.
    ///
    /// Other nulls that the schema does not allow are removed, as the real server does before storing.
    pub fn fill_defaults(&self, object: &mut Value) {
        prune::drop_nulls(object, &self.root, Nulls::Unwanted);
        prune::fill_defaults(object, &self.root);
        self.add_what_is_always_there(object);
    }

    /// Like [`Schema::fill_defaults`] for the result of [`super::apply::apply`], of which the real server does not
    /// remove nulls: validation then refuses them.
    pub fn fill_defaults_after_apply(&self, object: &mut Value) {
        let nulls = match self.empties {
            Empties::Kept => Nulls::Untyped,
            Empties::Dropped => Nulls::Unwanted,
        };
        prune::drop_nulls(object, &self.root, nulls);
        prune::fill_defaults(object, &self.root);
        self.add_what_is_always_there(object);
    }

    /// Every way in which a new object breaks the schema, CEL rules included; empty if it is valid.
    ///
    /// What the server demands of metadata (names, label syntax) is not looked at.
    pub fn validate(&self, object: &Value) -> Vec<FieldError> {
        self.errors(None, object, false)
    }

    /// Like [`Schema::validate`] for a changed object: rules that compare with `live` (`oldSelf`) hold too.
    pub fn validate_update(&self, live: &Value, object: &Value) -> Vec<FieldError> {
        self.errors(Some(live), object, false)
    }

    /// Both; rules are not looked at where anything else is so wrong, here or (`is_blocked`) elsewhere, that they would
    /// mislead.
    pub(crate) fn errors(&self, live: Option<&Value>, object: &Value, is_blocked: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        validate::validate(object, &self.root, "", &mut errors);
        // Metadata has rules of its own. In native kinds null is as good as nothing, and whether lists repeat something is
        // not looked at.
        let native = self.is_native();
        errors.retain(|error| {
            !error.field.starts_with("metadata.")
                && !(native && (error.reason == FieldReason::Duplicate || is_about_null(error)))
        });
        if !self.has_rules {
            return errors;
        }
        if is_blocked || errors.iter().any(|error| error.reason.blocks_rules()) {
            errors.push(FieldError {
                field: "<nil>".to_owned(),
                reason: FieldReason::Invalid,
                message:
                    "Invalid value: null: some validation rules were not checked because the object was \
                          invalid; correct the existing errors to complete validation"
                        .to_owned(),
            });
        } else {
            cel::check(object, live, &self.root, "", &mut errors);
        }
        errors
    }

    /// The schema as published in OpenAPI documents.
    pub fn open_api(&self) -> &Value {
        &self.open_api
    }

    /// Whether it is the schema of a native kind.
    pub(crate) fn is_native(&self) -> bool {
        self.empties == Empties::Dropped
    }

    /// Why an object cannot be read: metadata, and all of a native kind, is of Go types, which take no other values.
    pub(crate) fn undecodable(&self, object: &Value) -> Option<String> {
        let mut errors = Vec::new();
        if self.is_native() {
            validate::validate(object, &self.root, "", &mut errors);
        } else if let Some(found) = object.get("metadata") {
            validate::validate(found, metadata::node(), "metadata", &mut errors);
        }
        let mistyped = |error: &FieldError| error.reason == FieldReason::TypeInvalid && !is_about_null(error);
        errors.into_iter().find(mistyped).map(|error| error.to_string())
    }

    /// What objects of the kind have whether or not they say so, since their Go types cannot leave it out.
    pub(crate) fn always_there(&self) -> &Value {
        &self.always_there
    }

    /// The schema of a native kind, whose Go types know no empty lists and maps.
    fn native(self, always_there: Value) -> Self {
        Self { empties: Empties::Dropped, always_there, ..self }
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }
}

/// Whether there is null where something else should be.
fn is_about_null(error: &FieldError) -> bool {
    error.reason == FieldReason::TypeInvalid && error.message.starts_with("Invalid value: \"null\"")
}
