//! The kinds every logical cluster has without a CRD or a binding.

use std::sync::Arc;

use super::definition::{ALL_VERBS, CREATE_ONLY, Definition, Origin, SchemaOf, api_version};
use crate::control_plane::machinery::schema::{self, Schema};
use crate::control_plane::machinery::table;
use crate::control_plane::storage::TableId;

/// One row of the table below.
struct Row {
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    status: bool,
    generation: bool,
    short: &'static [&'static str],
    categories: &'static [&'static str],
    /// Group and resource it is stored as, where another row serves the same objects.
    table: Option<(&'static str, &'static str)>,
}

const ROW: Row = Row {
    group: "",
    version: "v1",
    plural: "",
    kind: "",
    namespaced: true,
    status: false,
    generation: false,
    short: &[],
    categories: &[],
    table: None,
};

const RBAC: &str = "rbac.authorization.k8s.io";
const APIS: &str = "apis.kcp.io";

const ROWS: &[Row] = &[
    Row { plural: "namespaces", kind: "Namespace", namespaced: false, status: true, short: &["ns"], ..ROW },
    Row { plural: "configmaps", kind: "ConfigMap", short: &["cm"], ..ROW },
    Row { plural: "secrets", kind: "Secret", ..ROW },
    Row { plural: "serviceaccounts", kind: "ServiceAccount", short: &["sa"], ..ROW },
    Row { plural: "events", kind: "Event", short: &["ev"], ..ROW },
    Row {
        group: "events.k8s.io",
        plural: "events",
        kind: "Event",
        short: &["ev"],
        table: Some(("", "events")),
        ..ROW
    },
    Row { group: "coordination.k8s.io", plural: "leases", kind: "Lease", ..ROW },
    Row { group: RBAC, plural: "roles", kind: "Role", ..ROW },
    Row { group: RBAC, plural: "rolebindings", kind: "RoleBinding", ..ROW },
    Row { group: RBAC, plural: "clusterroles", kind: "ClusterRole", namespaced: false, ..ROW },
    Row { group: RBAC, plural: "clusterrolebindings", kind: "ClusterRoleBinding", namespaced: false, ..ROW },
    Row {
        group: "apiextensions.k8s.io",
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
        namespaced: false,
        status: true,
        generation: true,
        short: &["crd", "crds"],
        categories: &["api-extensions"],
        ..ROW
    },
    Row {
        group: "core.kcp.io",
        version: "v1alpha1",
        plural: "logicalclusters",
        kind: "LogicalCluster",
        namespaced: false,
        status: true,
        generation: true,
        categories: &["kcp"],
        ..ROW
    },
    Row {
        group: "tenancy.kcp.io",
        version: "v1alpha1",
        plural: "workspaces",
        kind: "Workspace",
        namespaced: false,
        status: true,
        generation: true,
        short: &["ws"],
        categories: &["kcp"],
        ..ROW
    },
    Row {
        group: "tenancy.kcp.io",
        version: "v1alpha1",
        plural: "workspacetypes",
        kind: "WorkspaceType",
        namespaced: false,
        status: true,
        generation: true,
        categories: &["kcp"],
        ..ROW
    },
    Row {
        group: APIS,
        version: "v1alpha1",
        plural: "apiresourceschemas",
        kind: "APIResourceSchema",
        namespaced: false,
        generation: true,
        categories: &["kcp"],
        ..ROW
    },
    Row {
        group: APIS,
        version: "v1alpha2",
        plural: "apiexports",
        kind: "APIExport",
        namespaced: false,
        status: true,
        generation: true,
        categories: &["kcp"],
        ..ROW
    },
    Row {
        group: APIS,
        version: "v1alpha2",
        plural: "apibindings",
        kind: "APIBinding",
        namespaced: false,
        status: true,
        generation: true,
        categories: &["kcp"],
        ..ROW
    },
    Row {
        group: APIS,
        version: "v1alpha1",
        plural: "apiexportendpointslices",
        kind: "APIExportEndpointSlice",
        namespaced: false,
        status: true,
        generation: true,
        categories: &["kcp"],
        ..ROW
    },
];

/// Kinds that answer a question and store nothing: group, plural, kind, namespaced.
const QUESTIONS: &[(&str, &str, &str, bool)] = &[
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", false),
    ("authentication.k8s.io", "tokenreviews", "TokenReview", false),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", false),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", false),
    ("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", true),
];

/// All built-in definitions.
pub(crate) fn definitions() -> Vec<Arc<Definition>> {
    let mut all: Vec<Definition> = ROWS.iter().map(definition).collect();
    // The older form of the two kinds that have one; objects are stored in the newer.
    let older: Vec<Definition> = all
        .iter()
        .filter(|d| d.group == APIS && d.version == "v1alpha2")
        .map(|d| Definition {
            version: "v1alpha1".to_owned(),
            api_version: format!("{APIS}/v1alpha1"),
            schema: schema::builtin(APIS, "v1alpha1", &d.kind)
                .map_or_else(|| d.schema.clone(), SchemaOf::Builtin),
            ..d.clone()
        })
        .collect();
    all.extend(older);
    all.extend(QUESTIONS.iter().map(|(group, plural, kind, namespaced)| {
        let row = Row { group, plural, kind, namespaced: *namespaced, ..ROW };
        Definition { verbs: CREATE_ONLY, ..definition(&row) }
    }));
    all.into_iter().map(Arc::new).collect()
}

fn definition(row: &Row) -> Definition {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    Definition {
        group: row.group.to_owned(),
        version: row.version.to_owned(),
        api_version: api_version(row.group, row.version),
        plural: row.plural.to_owned(),
        singular: row.kind.to_lowercase(),
        kind: row.kind.to_owned(),
        list_kind: format!("{}List", row.kind),
        short_names: owned(row.short),
        categories: owned(row.categories),
        namespaced: row.namespaced,
        status: row.status,
        generation: row.generation,
        verbs: ALL_VERBS,
        table: row
            .table
            .map_or_else(|| TableId::of(row.group, row.plural), |(group, plural)| TableId::of(group, plural)),
        schema: schema::builtin(row.group, row.version, row.kind)
            .map_or_else(|| SchemaOf::Custom(Arc::new(Schema::untyped())), SchemaOf::Builtin),
        columns: table::builtin_columns(row.group, row.kind),
        selectable_fields: Vec::new(),
        origin: Origin::Builtin,
    }
}
