//! The kinds that sequences are about.

use serde_json::{Value, json};

use super::super::sample::Kind;

/// The group of the kind that is the comparison's own.
pub(super) const GROUP: &str = "differential.example.com";
/// Every kind by the name that operations call it.
pub(super) const KINDS: &[(&str, Kind)] = &[
    ("configmaps", Kind::of("/api/v1", "configmaps")),
    ("secrets", Kind::of("/api/v1", "secrets")),
    ("gadgets", Kind::of("/apis/differential.example.com/v1", "gadgets")),
    ("leases", Kind::of("/apis/coordination.k8s.io/v1", "leases")),
    ("roles", Kind::of("/apis/rbac.authorization.k8s.io/v1", "roles")),
];

/// The collection of a kind in a namespace.
pub(super) fn path(kind: &str, namespace: &str) -> String {
    let found = KINDS.iter().find(|(name, _)| *name == kind);
    found.map_or_else(|| format!("/apis/{kind}"), |(_, kind)| kind.path(namespace))
}

/// `apiVersion` and `kind` of a kind.
pub(super) fn type_of(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "secrets" => ("v1", "Secret"),
        "gadgets" => ("differential.example.com/v1", "Gadget"),
        "leases" => ("coordination.k8s.io/v1", "Lease"),
        "roles" => ("rbac.authorization.k8s.io/v1", "Role"),
        _ => ("v1", "ConfigMap"),
    }
}

/// What a gadget is: one field of every sort that schemas can describe.
fn schema() -> Value {
    let text = json!({"type": "string"});
    let part = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": text,
            "count": {"type": "integer", "default": 1},
            "note": text,
            "marks": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
        },
    });
    let opening = json!({
        "type": "object",
        "required": ["number", "protocol"],
        "properties": {
            "number": {"type": "integer"},
            "protocol": {"type": "string", "default": "TCP"},
            "target": {"x-kubernetes-int-or-string": true},
        },
    });
    json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "maximum": 100},
                    "reserve": {"type": "integer", "format": "int32"},
                    "ratio": {"type": "number"},
                    "on": {"type": "boolean"},
                    "colour": {"type": "string", "enum": ["blue", "red"], "default": "blue"},
                    "owner": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8},
                    "note": {"type": "string", "nullable": true},
                    "word": {"type": "string", "nullable": true, "default": "none"},
                    "port": {"x-kubernetes-int-or-string": true},
                    "fixed": {
                        "type": "string",
                        "x-kubernetes-validations": [
                            {"rule": "self == oldSelf", "message": "it is fixed", "reason": "FieldValueForbidden"},
                        ],
                    },
                    "parts": {
                        "type": "array", "items": part,
                        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    },
                    "ports": {
                        "type": "array", "items": opening,
                        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["number", "protocol"],
                    },
                    "tags": {
                        "type": "array", "items": text, "x-kubernetes-list-type": "set", "maxItems": 4,
                    },
                    "steps": {"type": "array", "items": {"type": "object", "properties": {"do": text}}},
                    "limits": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "whole": {
                        "type": "object", "x-kubernetes-map-type": "atomic",
                        "properties": {"left": text, "right": text},
                    },
                    "inner": {
                        "type": "object", "default": {},
                        "properties": {"depth": {"type": "integer", "default": 7}, "deeper": text},
                    },
                    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                },
                "x-kubernetes-validations": [
                    {
                        "rule": "!has(self.reserve) || self.reserve <= self.size",
                        "message": "the reserve is larger than the whole",
                    },
                    {
                        "rule": "!has(oldSelf.tags) || has(self.tags)",
                        "messageExpression": "'no tags are left'",
                        "fieldPath": ".tags",
                    },
                ],
            },
            "status": {
                "type": "object",
                "properties": {
                    "phase": text,
                    "observed": {"type": "integer"},
                    "conditions": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["type"],
                            "properties": {"type": text, "status": text, "reason": text},
                        },
                        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                    },
                },
            },
        },
    })
}

/// The definition of gadgets.
pub(super) fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("gadgets.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema()},
                "selectableFields": [{"jsonPath": ".spec.colour"}, {"jsonPath": ".spec.size"}],
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
                    {"name": "Tags", "type": "string", "jsonPath": ".spec.tags", "priority": 1},
                ],
            }],
        },
    })
}
