//! What can be wrong with a template, when it is written and when it is rendered.

use crate::expression::EvalError;

/// One thing that is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{message}")]
pub struct TemplateFault {
    /// The part of the template, as a JSON pointer; empty where the template is YAML text, whose faults name line and
    /// column.
    pub pointer: String,
    /// What was found, and what would be accepted.
    pub message: String,
}

/// Why a template makes no object. Values of copies are not shown, except for a name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Something it names is not there: not yet.
    #[error("template {template}, {field}: {what}")]
    Missing {
        /// The template.
        template: String,
        /// The part of the object, as `spec.host`.
        field: String,
        /// What is not there.
        what: String,
    },
    /// A value that is to be part of a text is none.
    #[error("template {template}, {field}: {what} is {found}; expected a text, a number or a boolean")]
    NotText {
        /// The template.
        template: String,
        /// The part of the object.
        field: String,
        /// The placeholder.
        what: String,
        /// What it is.
        found: &'static str,
    },
    /// An expression has no answer.
    #[error("template {template}, {field}: `${{{expression}}}`: {error}")]
    Failed {
        /// The template.
        template: String,
        /// The part of the object.
        field: String,
        /// The expression.
        expression: String,
        /// Why.
        error: EvalError,
    },
    /// The name is none.
    #[error(
        "template {template}, metadata.name: `{found}` is no name of an object; expected at most 63 lower-case letters, \
         digits, '-' and '.', with a letter or digit at both ends"
    )]
    Name {
        /// The template.
        template: String,
        /// The name, shortened.
        found: String,
    },
    /// The object is too large, or nested too deeply.
    #[error("template {template}: the object would be too large or nested too deeply")]
    TooLarge {
        /// The template.
        template: String,
    },
    /// Two templates of a stage make the same object.
    #[error("templates {template} and {other} both make {kind} {name}")]
    SameObject {
        /// The template.
        template: String,
        /// The other one.
        other: String,
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
}

impl TemplateError {
    /// Whether it may be rendered later, as things are.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }
}
