//! The schema of `metadata`, the same for every kind.

use super::node::Node;
use serde_json::{Value, json};
use std::sync::LazyLock;

static NODE: LazyLock<Node> = LazyLock::new(|| {
    // The schema is a constant of this file; a mistake in it would leave metadata untyped.
    Node::parse(&open_api(), "metadata").unwrap_or_else(|_| Node::anything())
});

/// The node of `metadata`.
pub(crate) fn node() -> &'static Node {
    &NODE
}

/// `ObjectMeta` as published in OpenAPI documents.
pub(crate) fn open_api() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let time =
        |description: &str| json!({"type": "string", "format": "date-time", "description": description});
    let texts = |description: &str| json!({"type": "object", "additionalProperties": {"type": "string"}, "description": description});
    json!({
        "type": "object",
        "description": "ObjectMeta is the metadata that all persisted objects have.",
        "properties": {
            "annotations": texts("Unstructured key value pairs that are not queried by."),
            "creationTimestamp": time("When the object was created; set by the server."),
            "deletionGracePeriodSeconds": {"type": "integer", "format": "int64",
                "description": "Seconds the object may take to end gracefully."},
            "deletionTimestamp": time("When deletion was asked for; set by the server."),
            "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set",
                "x-kubernetes-patch-strategy": "merge",
                "description": "Must be empty before the object goes; each entry names the component that removes it."},
            "generateName": text("A prefix from which the server makes a unique name where name is not given."),
            "generation": {"type": "integer", "format": "int64",
                "description": "Counts the changes of the desired state; set by the server."},
            "labels": texts("Key value pairs by which objects are organised and selected."),
            "managedFields": {"type": "array", "x-kubernetes-list-type": "atomic",
                "description": "Which manager owns which fields.",
                "items": {"type": "object", "properties": {
                    "apiVersion": text("The version of the fields."),
                    "fieldsType": text("The format of the fields; always FieldsV1."),
                    "fieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                        "description": "The fields."},
                    "manager": text("Who manages the fields."),
                    "operation": text("How they came to be managed: Apply or Update."),
                    "subresource": text("The subresource they were written through."),
                    "time": time("When the entry last changed.")}}},
            "name": text("Unique within the namespace; cannot be changed."),
            "namespace": text("The space within which the name is unique; cannot be changed."),
            "ownerReferences": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["uid"], "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": "uid",
                "description": "Objects this one depends on; when all are gone, this one is garbage collected.",
                "items": {"type": "object", "x-kubernetes-map-type": "atomic",
                    "required": ["apiVersion", "kind", "name", "uid"], "properties": {
                    "apiVersion": text("The owner's version."),
                    "blockOwnerDeletion": {"type": "boolean",
                        "description": "Whether this object holds up the foreground deletion of the owner."},
                    "controller": {"type": "boolean", "description": "Whether the owner is the managing controller."},
                    "kind": text("The owner's kind."),
                    "name": text("The owner's name."),
                    "uid": text("The owner's uid.")}}},
            "resourceVersion": text("The version of the object in storage, opaque to clients."),
            "selfLink": text("No longer filled."),
            "uid": text("Unique in time and space; set by the server."),
        },
    })
}
