//! OpenAPI documents, as far as kubectl reads them: `apply` on either side, `explain`, `create --validate`.
//!
//! Decides what the documents say about served kinds. Does not know their addresses beyond the paths in them. The
//! documents are JSON; the older one can be had as protobuf, too, which is how kubectl wants it.

mod paths;
mod protobuf;
#[cfg(test)]
mod tests;

use super::schema::{Schema, metadata};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};
use std::collections::BTreeSet;
use std::fmt::Write;

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

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/// Whether kinds of a group take strategic merge patches: those built in; custom resources answer 415.
pub fn takes_strategic_merge_patch(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}

/// `/openapi/v3`: which documents there are. `base` is what to put before `/openapi/v3/…` in the links; leave it
/// empty even below `/clusters/…`, as kcp does: clients put their own prefix before links to `/openapi/v3`.
pub fn v3_index(kinds: &[ServedKind<'_>], base: &str) -> Value {
    let versions: BTreeSet<(&str, &str)> = kinds.iter().map(|kind| (kind.group, kind.version)).collect();
    let paths: Map<String, Value> = versions
        .into_iter()
        .map(|(group, version)| {
            let path = paths::of_version(group, version);
            let link = format!("{base}/openapi/v3/{path}?hash={}", fingerprint(kinds, group, version));
            (path, json!({"serverRelativeURL": link}))
        })
        .collect();
    json!({"paths": paths})
}

/// Changes whenever the document does, so that clients may keep it.
fn fingerprint(kinds: &[ServedKind<'_>], group: &str, version: &str) -> String {
    let mut hash = Sha512::new();
    for kind in served_in(kinds, group, version) {
        let about = (kind.kind, kind.plural, kind.namespaced, kind.status_subresource);
        hash.update(format!("{about:?}{}", kind.schema.open_api()));
    }
    hash.finalize().iter().take(32).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn served_in<'k, 'a>(
    kinds: &'k [ServedKind<'a>],
    group: &str,
    version: &str,
) -> impl Iterator<Item = &'k ServedKind<'a>> {
    kinds.iter().filter(move |kind| kind.group == group && kind.version == version)
}

/// `/openapi/v3/api/v1` and `/openapi/v3/apis/<group>/<version>`; `None` if nothing is served there.
pub fn v3_document(kinds: &[ServedKind<'_>], group: &str, version: &str) -> Option<Value> {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for kind in served_in(kinds, group, version) {
        paths.extend(paths::of_kind(kind));
        add_schemas(kind, "#/components/schemas/", &mut schemas);
    }
    if paths.is_empty() {
        return None;
    }
    add_common_schemas(&mut schemas);
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "1.35"},
        "paths": paths,
        "components": {"schemas": schemas},
    }))
}

/// `/openapi/v2` as JSON (Swagger 2.0): the definitions only.
pub fn v2_document(kinds: &[ServedKind<'_>]) -> Value {
    let mut definitions = Map::new();
    for kind in kinds {
        add_schemas(kind, "#/definitions/", &mut definitions);
    }
    add_common_schemas(&mut definitions);
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.35.0"},
        "paths": {},
        "definitions": definitions,
    })
}

/// `/openapi/v2` as protobuf: what kubectl checks a List by.
pub fn v2_protobuf(kinds: &[ServedKind<'_>]) -> Vec<u8> {
    protobuf::document(&v2_document(kinds))
}

/// The name of a kind's schema: the group backwards, as Go packages have it.
fn schema_name(kind: &ServedKind<'_>) -> String {
    let native = if takes_strategic_merge_patch(kind.group) { "io.k8s.api." } else { "" };
    let group = match (kind.group, native) {
        ("", _) => "core".to_owned(),
        (group, "") => group.split('.').rev().collect::<Vec<_>>().join("."),
        (group, _) => group.split('.').next().unwrap_or_default().to_owned(),
    };
    format!("{native}{group}.{}.{}", kind.version, kind.kind)
}

fn add_schemas(kind: &ServedKind<'_>, prefix: &str, schemas: &mut Map<String, Value>) {
    let name = schema_name(kind);
    let (group, version) = (kind.group, kind.version);
    let identity = |kind: &str| json!([{"group": group, "version": version, "kind": kind}]);
    let mut schema = kind.schema.open_api().clone();
    if let Some(fields) = schema.as_object_mut() {
        let properties = fields.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.extend(type_and_metadata(prefix, OBJECT_META));
        }
        fields.insert("x-kubernetes-group-version-kind".to_owned(), identity(kind.kind));
    }
    let list_kind = format!("{}List", kind.kind);
    let mut properties = type_and_metadata(prefix, LIST_META);
    let item = json!({"$ref": format!("{prefix}{name}")});
    properties.insert(
        "items".to_owned(),
        json!({"type": "array", "items": item, "description": format!("List of {}.", kind.plural)}),
    );
    let list = json!({
        "type": "object",
        "description": format!("{list_kind} is a list of {}.", kind.kind),
        "required": ["items"],
        "properties": properties,
        "x-kubernetes-group-version-kind": identity(&list_kind),
    });
    schemas.insert(format!("{name}List"), list);
    schemas.insert(name, schema);
}

fn type_and_metadata(prefix: &str, metadata: &str) -> Map<String, Value> {
    let version = "APIVersion defines the versioned schema of this representation of an object.";
    let kind = "Kind is a string value representing the REST resource this object represents.";
    let reference = json!([{"$ref": format!("{prefix}{metadata}")}]);
    let fields = [
        ("apiVersion", json!({"type": "string", "description": version})),
        ("kind", json!({"type": "string", "description": kind})),
        ("metadata", json!({"allOf": reference, "description": "Standard object's metadata."})),
    ];
    fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn add_common_schemas(schemas: &mut Map<String, Value>) {
    let text = |description: &str| json!({"type": "string", "description": description});
    let list_meta = json!({
        "type": "object",
        "description": "ListMeta describes metadata that lists have.",
        "properties": {
            "continue": text("Asks for the next page."),
            "remainingItemCount": {"type": "integer", "format": "int64", "description": "How many are left."},
            "resourceVersion": text("The version of the list."),
        },
    });
    let free = |description: &str| json!({"type": "object", "description": description});
    schemas.insert(OBJECT_META.to_owned(), metadata::open_api());
    schemas.insert(LIST_META.to_owned(), list_meta);
    schemas.insert(PATCH.to_owned(), free("Patch is a patch of the content type that is sent."));
    schemas.insert(DELETE_OPTIONS.to_owned(), free("DeleteOptions say how an object is deleted."));
    schemas.insert(STATUS.to_owned(), free("Status is an answer that is no object."));
}
