//! Unstructured objects.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ClusterName, Gvk, ObjectKey, marker};

/// A Kubernetes object as JSON: a map, with whatever is inside.
///
/// `Debug` prints kind, namespace, name and versions only: an object may be a Secret.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Object(Map<String, Value>);

/// A JSON value that is no map, and so no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an object with apiVersion, kind and metadata")]
pub struct NotAnObject;

impl Object {
    /// An object of the given kind, with nothing but its name.
    pub fn named(gvk: &Gvk, namespace: &str, name: &str) -> Self {
        let mut metadata = Map::new();
        metadata.insert("name".into(), name.into());
        if !namespace.is_empty() {
            metadata.insert("namespace".into(), namespace.into());
        }
        let mut map = Map::new();
        map.insert("apiVersion".into(), gvk.api_version().into());
        map.insert("kind".into(), gvk.kind.clone().into());
        map.insert("metadata".into(), metadata.into());
        Self(map)
    }

    pub(super) fn from_fields(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// The JSON map.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The JSON map, for writing.
    pub fn fields_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }

    /// The object as a JSON value.
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// The kind, as far as the object says; empty texts where it does not.
    pub fn gvk(&self) -> Gvk {
        let api_version = self.0.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Gvk::new(group, version, self.0.get("kind").and_then(Value::as_str).unwrap_or_default())
    }

    /// A value by plain keys, such as `["status", "conditions"]`.
    pub fn get(&self, keys: &[&str]) -> Option<&Value> {
        let (first, rest) = keys.split_first()?;
        rest.iter().try_fold(self.0.get(*first)?, |value, key| value.get(key))
    }

    /// A text by plain keys; `None` where it is missing or no text.
    pub fn text(&self, keys: &[&str]) -> Option<&str> {
        self.get(keys).and_then(Value::as_str)
    }

    /// Sets a value by plain keys, making maps on the way; what was no map there is replaced.
    pub fn set(&mut self, keys: &[&str], value: Value) {
        let Some((last, parents)) = keys.split_last() else { return };
        let mut map = &mut self.0;
        for key in parents {
            let slot = map.entry(*key).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            let Value::Object(next) = slot else { return };
            map = next;
        }
        map.insert((*last).to_owned(), value);
    }

    /// Name; empty where there is none.
    pub fn name(&self) -> &str {
        self.text(&["metadata", "name"]).unwrap_or_default()
    }

    /// Namespace; empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.text(&["metadata", "namespace"]).unwrap_or_default()
    }

    /// Uid; empty where there is none.
    pub fn uid(&self) -> &str {
        self.text(&["metadata", "uid"]).unwrap_or_default()
    }

    /// Resource version; empty where there is none. Opaque.
    pub fn resource_version(&self) -> &str {
        self.text(&["metadata", "resourceVersion"]).unwrap_or_default()
    }

    /// Generation; 0 where there is none.
    pub fn generation(&self) -> i64 {
        self.get(&["metadata", "generation"]).and_then(Value::as_i64).unwrap_or_default()
    }

    /// Whether deletion has begun.
    pub fn is_deleting(&self) -> bool {
        self.get(&["metadata", "deletionTimestamp"]).is_some_and(|v| !v.is_null())
    }

    /// One label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.text(&["metadata", "labels", key])
    }

    /// One annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.text(&["metadata", "annotations", key])
    }

    /// The finalizers, in order.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.get(&["metadata", "finalizers"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    /// The logical cluster that kcp stamped on the object.
    pub fn kcp_cluster(&self) -> Option<ClusterName> {
        self.annotation(marker::CLUSTER_ANNOTATION).map(ClusterName::from)
    }

    /// The key of this object in the given cluster.
    pub fn key_in(&self, cluster: &ClusterName) -> ObjectKey {
        ObjectKey {
            cluster: cluster.clone(),
            namespace: self.namespace().to_owned(),
            name: self.name().to_owned(),
        }
    }

    /// One condition of `status.conditions`, by type.
    pub fn condition(&self, kind: &str) -> Option<Condition> {
        let list = self.get(&["status", "conditions"])?.as_array()?;
        list.iter().filter_map(Condition::from_value).find(|c| c.kind == kind)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("gvk", &format_args!("{}", self.gvk()))
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .field("resource_version", &self.resource_version())
            .finish_non_exhaustive()
    }
}

impl TryFrom<Value> for Object {
    type Error = NotAnObject;

    fn try_from(value: Value) -> Result<Self, NotAnObject> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(NotAnObject)
            }
        }
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        object.into_value()
    }
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows (yet).
    Unknown,
}

impl ConditionStatus {
    /// The text Kubernetes uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One entry of `status.conditions`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// The type, such as `Ready`.
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The generation it speaks of, where it says so.
    pub observed_generation: Option<i64>,
    /// `PascalCase` reason for programs.
    pub reason: String,
    /// Text for people.
    pub message: String,
}

impl Condition {
    /// Reads one entry of `status.conditions`; `None` where type or status are missing or unheard of.
    pub fn from_value(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let status = match text("status")? {
            "True" => ConditionStatus::True,
            "False" => ConditionStatus::False,
            "Unknown" => ConditionStatus::Unknown,
            _ => return None,
        };
        Some(Self {
            kind: text("type")?.to_owned(),
            status,
            observed_generation: value.get("observedGeneration").and_then(Value::as_i64),
            reason: text("reason").unwrap_or_default().to_owned(),
            message: text("message").unwrap_or_default().to_owned(),
        })
    }
}
