//! What a served resource is: its names, scope, schema and where its objects are stored.

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use crate::control_plane::error::Subject;
use crate::control_plane::machinery::schema::Schema;
use crate::control_plane::machinery::table::Columns;
use crate::control_plane::storage::TableId;
use crate::control_plane::value;

/// Where a definition comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Every cluster has it.
    Builtin,
    /// A CustomResourceDefinition of the cluster.
    Custom,
    /// An APIBinding of the cluster.
    Bound,
}

/// The schema of a kind: built in for ever, or as long as its CRD or binding lives.
#[derive(Debug, Clone)]
pub(crate) enum SchemaOf {
    /// Part of this program.
    Builtin(&'static Schema),
    /// Read from a CRD or an APIResourceSchema.
    Custom(Arc<Schema>),
}

impl Deref for SchemaOf {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            Self::Builtin(schema) => schema,
            Self::Custom(schema) => schema,
        }
    }
}

/// One resource in one version.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) group: String,
    pub(crate) version: String,
    /// `v1` or `group/version`.
    pub(crate) api_version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether status is a subresource, written apart from the rest.
    pub(crate) status: bool,
    /// Whether `metadata.generation` counts the changes of the desired state.
    pub(crate) generation: bool,
    /// What may be done with it.
    pub(crate) verbs: &'static [&'static str],
    pub(crate) table: TableId,
    pub(crate) schema: SchemaOf,
    pub(crate) columns: Columns,
    /// The fields a CRD lets objects be selected by, without their first dot.
    pub(crate) selectable_fields: Vec<String>,
    pub(crate) origin: Origin,
}

/// The verbs of an ordinary resource, in the order of discovery.
pub(crate) const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// The verbs of a resource that can only be read.
pub(crate) const READ_VERBS: &[&str] = &["get", "list", "watch"];

/// A resource that only answers: nothing is stored.
pub(crate) const CREATE_ONLY: &[&str] = &["create"];

impl Definition {
    /// `v1` or `group/version`.
    pub(crate) fn api_version(&self) -> &str {
        &self.api_version
    }

    /// Whether its objects are of a Go type in the real server, rather than custom resources.
    pub(crate) fn is_native(&self) -> bool {
        self.schema.is_native()
    }

    /// An object with the type that clients of native kinds may leave out: the URL says it.
    pub(crate) fn with_type(&self, mut object: Value) -> Value {
        if !self.is_native() || !object.is_object() {
            return object;
        }
        for (field, content) in [("kind", &self.kind), ("apiVersion", &self.api_version)] {
            if value::text(&object, &format!("/{field}")).is_empty() {
                value::set(&mut object, &[field], Value::from(content.as_str()));
            }
        }
        object
    }

    /// Whether an update of what is not there creates it.
    pub(crate) fn creates_on_update(&self) -> bool {
        self.is_native()
            && (matches!(self.group.as_str(), "rbac.authorization.k8s.io" | "coordination.k8s.io")
                || self.kind == "Event")
    }

    /// What an error about one object of this kind names.
    pub(crate) fn subject<'a>(&'a self, name: &'a str) -> Subject<'a> {
        Subject { group: &self.group, resource: &self.plural, name }
    }

    /// Whether objects can be selected by this field.
    pub(crate) fn selectable(&self, field: &str) -> bool {
        let known: &[&str] = match (self.group.as_str(), self.kind.as_str()) {
            ("", "Namespace") => &["status.phase"],
            ("", "Secret") => &["type"],
            ("" | "events.k8s.io", "Event") => &[
                "involvedObject.kind",
                "involvedObject.namespace",
                "involvedObject.name",
                "involvedObject.uid",
                "involvedObject.apiVersion",
                "involvedObject.resourceVersion",
                "involvedObject.fieldPath",
                "reason",
                "reportingComponent",
                "source",
                "type",
            ],
            _ => &[],
        };
        field == "metadata.name"
            || (field == "metadata.namespace" && self.namespaced)
            || known.contains(&field)
            || self.selectable_fields.iter().any(|selectable| selectable == field)
    }

    /// Whether the verb is served.
    pub(crate) fn serves(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }
}

/// `v1` or `group/version`.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}
