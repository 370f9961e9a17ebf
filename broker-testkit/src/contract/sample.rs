//! The kinds and objects that the checks use.

use serde_json::{Value, json};

/// Where objects of a kind are served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// `/api/v1` or `/apis/<group>/<version>`.
    prefix: &'static str,
    plural: &'static str,
}

impl Kind {
    pub(super) const fn of(prefix: &'static str, plural: &'static str) -> Self {
        Self { prefix, plural }
    }

    /// Where they are in a namespace; for all namespaces and for kinds without any, that is "".
    pub(super) fn path(self, namespace: &str) -> String {
        let Self { prefix, plural } = self;
        if namespace.is_empty() {
            format!("{prefix}/{plural}")
        } else {
            format!("{prefix}/namespaces/{namespace}/{plural}")
        }
    }
}

pub(super) const NAMESPACES: Kind = Kind { prefix: "/api/v1", plural: "namespaces" };
pub(super) const CONFIG_MAPS: Kind = Kind { prefix: "/api/v1", plural: "configmaps" };
pub(super) const SECRETS: Kind = Kind { prefix: "/api/v1", plural: "secrets" };
pub(super) const ACCOUNTS: Kind = Kind { prefix: "/api/v1", plural: "serviceaccounts" };
pub(super) const DEFINITIONS: Kind =
    Kind { prefix: "/apis/apiextensions.k8s.io/v1", plural: "customresourcedefinitions" };
pub(super) const ROLES: Kind = Kind { prefix: "/apis/rbac.authorization.k8s.io/v1", plural: "roles" };
pub(super) const ROLE_BINDINGS: Kind =
    Kind { prefix: "/apis/rbac.authorization.k8s.io/v1", plural: "rolebindings" };
pub(super) const CLUSTER_ROLES: Kind =
    Kind { prefix: "/apis/rbac.authorization.k8s.io/v1", plural: "clusterroles" };
pub(super) const CLUSTER_ROLE_BINDINGS: Kind =
    Kind { prefix: "/apis/rbac.authorization.k8s.io/v1", plural: "clusterrolebindings" };
pub(super) const ACCESS_REVIEWS: Kind =
    Kind { prefix: "/apis/authorization.k8s.io/v1", plural: "selfsubjectaccessreviews" };
pub(super) const RULES_REVIEWS: Kind =
    Kind { prefix: "/apis/authorization.k8s.io/v1", plural: "selfsubjectrulesreviews" };
pub(super) const SELF_REVIEWS: Kind =
    Kind { prefix: "/apis/authentication.k8s.io/v1", plural: "selfsubjectreviews" };
/// The suite's own kind, see [`widget_definition`].
pub(super) const WIDGETS: Kind = Kind { prefix: "/apis/contract.example.com/v1", plural: "widgets" };

pub(super) const GROUP: &str = "contract.example.com";

/// A `ConfigMap` with one entry.
pub(super) fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name}, "data": {"colour": "blue"},
    })
}

/// A Secret with one entry.
pub(super) fn secret(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name}, "stringData": {"colour": "blue"},
    })
}

/// A widget of a size.
pub(super) fn widget(name: &str, size: i64) -> Value {
    json!({
        "apiVersion": "contract.example.com/v1", "kind": "Widget",
        "metadata": {"name": name}, "spec": {"size": size},
    })
}

/// Writes a field by its JSON pointer and makes the objects above it; where something else is in the way,
/// nothing is written.
pub(super) fn set(object: &mut Value, pointer: &str, content: Value) {
    let mut place = object;
    for key in pointer.split('/').skip(1) {
        if place.is_null() {
            *place = json!({});
        }
        let below = match place {
            Value::Object(fields) => Some(fields.entry(key).or_insert(Value::Null)),
            Value::Array(items) => key.parse().ok().and_then(|index: usize| items.get_mut(index)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        let Some(below) = below else { return };
        place = below;
    }
    *place = content;
}

/// An object with a label more.
pub(super) fn labelled(mut object: Value, key: &str, value: &str) -> Value {
    set(&mut object, "/metadata/labels", json!({key: value}));
    object
}

/// An object with finalizers.
pub(super) fn held(mut object: Value) -> Value {
    set(&mut object, "/metadata/finalizers", json!([FINALIZER]));
    object
}

/// The finalizer of [`held`].
pub(super) const FINALIZER: &str = "contract.example.com/held";

/// What a widget is: structural, with defaults, limits, a list-map, a set, a rule, and a status of its own.
pub(super) fn widget_schema() -> Value {
    let part = json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "count": {"type": "integer", "default": 1},
        },
    });
    let condition = json!({
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
    });
    json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "maximum": 100},
                    "reserve": {"type": "integer"},
                    "colour": {"type": "string", "enum": ["blue", "red"], "default": "blue"},
                    "owner": {"type": "string", "pattern": "^[a-z]+$"},
                    "parts": {
                        "type": "array", "items": part,
                        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    },
                    "tags": {
                        "type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set",
                    },
                    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                },
                "x-kubernetes-validations": [{
                    "rule": "!has(self.reserve) || self.reserve <= self.size",
                    "message": "the reserve is larger than the whole",
                }],
            },
            "status": {
                "type": "object",
                "properties": {
                    "phase": {"type": "string"},
                    "conditions": {
                        "type": "array", "items": condition,
                        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                    },
                },
            },
        },
    })
}

/// The definition of widgets.
pub(super) fn widget_definition() -> Value {
    definition("widgets", "Widget")
}

/// The same definition under another name.
pub(super) fn definition(plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": plural, "singular": kind.to_lowercase(),
                "kind": kind, "listKind": format!("{kind}List"),
            },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": widget_schema()},
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
                ],
            }],
        },
    })
}
