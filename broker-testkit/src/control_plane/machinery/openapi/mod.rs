//! OpenAPI documents, as far as kubectl reads them.

use super::schema::Schema;
use serde_json::{Value, json};

/// A kind as it is served, for the OpenAPI documents.
#[derive(Debug, Clone, Copy)]
pub struct ServedKind<'a> {
    /// The API group, empty for core.
    pub group: &'a str,
    /// The version.
    pub version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The resource in URLs.
    pub plural: &'a str,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Whether there is a `status` subresource.
    pub status_subresource: bool,
    /// The schema.
    pub schema: &'a Schema,
}

/// `/openapi/v3`: which documents there are. `base` is what to put before `/openapi/v3/…` in the links,
/// for instance `/clusters/root:platform`, empty at the root.
pub fn v3_index(_kinds: &[ServedKind<'_>], _base: &str) -> Value {
    json!({"paths": {}})
}

/// `/openapi/v3/api/v1` and `/openapi/v3/apis/<group>/<version>`; `None` if nothing is served there.
pub fn v3_document(_kinds: &[ServedKind<'_>], _group: &str, _version: &str) -> Option<Value> {
    None
}

/// `/openapi/v2` as JSON (Swagger 2.0). kubectl asks for protobuf and must be answered with JSON it understands.
pub fn v2_document(_kinds: &[ServedKind<'_>]) -> Value {
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.35.0"}, "paths": {}, "definitions": {}})
}
