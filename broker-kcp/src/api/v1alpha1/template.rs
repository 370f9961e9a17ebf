//! Templates: an object, or YAML text that becomes one.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The pattern of an object to create, as it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Template {
    /// YAML text with `{{ … }}` placeholders; text that is only comments creates nothing.
    Yaml(String),
    /// An object with `${ … }` expressions in its string values.
    Object(Map<String, Value>),
}

impl JsonSchema for Template {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    // No `type`: a structural schema has no way to say "string or object", and the server keeps
    // either as it is.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
    }
}
