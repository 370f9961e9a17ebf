//! What a request asks besides its object.

use serde_json::Value;

use crate::control_plane::error::{ApiError, Cause};
use crate::control_plane::value::text;

/// What happens to fields the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped and named in a warning.
    Warn,
    /// The request is refused.
    Strict,
}

/// Options of create, update, patch and apply.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
    pub(crate) field_validation: FieldValidation,
}

/// What happens to the objects that the deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
    /// They stay and lose their owner.
    Orphan,
}

/// `DeleteOptions`, from the body and the query.
#[derive(Debug, Clone)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) propagation: Propagation,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    /// Reads the options of the body; where there is none, those of the query.
    pub(crate) fn read(body: &Value, query: impl Fn(&str) -> Option<String>) -> Result<Self, ApiError> {
        let query = |key: &str| query(key).filter(|_| body.is_null());
        let word = |field: &str| {
            let found = body[field].as_str().map(str::to_owned);
            found.or_else(|| query(field)).filter(|text| !text.is_empty())
        };
        let propagation = match word("propagationPolicy").as_deref() {
            Some("Foreground") => Propagation::Foreground,
            Some("Orphan") => Propagation::Orphan,
            None if body["orphanDependents"] == true => Propagation::Orphan,
            None | Some("Background") => Propagation::Background,
            Some(other) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                let cause = Cause::unsupported("propagationPolicy", &Value::from(other), &supported);
                return Err(ApiError::invalid_options("DeleteOptions", vec![cause]));
            }
        };
        let precondition = |pointer: &str| Some(text(body, pointer).to_owned()).filter(|t| !t.is_empty());
        Ok(Self {
            uid: precondition("/preconditions/uid"),
            resource_version: precondition("/preconditions/resourceVersion"),
            propagation,
            dry_run: query("dryRun").is_some_and(|v| v == "All")
                || body["dryRun"].as_array().is_some_and(|list| !list.is_empty()),
        })
    }
}
