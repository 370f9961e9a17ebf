//! kcp's own objects, as far as the broker reads and writes them.
//!
//! Only the fields used here are named; what else a server sends is ignored, so none of these is
//! ever written back whole. Conditions are [`Condition`]s here too: kcp's have the same fields,
//! `severity` apart.

use std::collections::BTreeMap;

use kube::CustomResource;
use serde::{Deserialize, Serialize};

use crate::api::v1alpha1::Condition;

/// The annotation in which kcp tells an object's logical cluster, on whatever it serves.
pub const CLUSTER_ANNOTATION: &str = "kcp.io/cluster";

/// The annotation in which kcp tells the path of a LogicalCluster or of an APIExport.
pub const PATH_ANNOTATION: &str = "kcp.io/path";

/// A workspace, as its parent lists it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "tenancy.kcp.io",
    version = "v1alpha1",
    kind = "Workspace",
    plural = "workspaces",
    status = "WorkspaceStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceSpec {
    /// Its type; the parent's default child type where it is omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<WorkspaceType>,
    /// The id of its logical cluster, once it is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Where it is served, once it is scheduled.
    #[serde(rename = "URL", default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A type of workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceType {
    /// Its name.
    pub name: String,
    /// The path of the workspace that defines it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// How far a workspace has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceStatus {
    /// `Scheduling`, `Initializing`, `Ready`, `Unavailable` or `Deleting`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// What is observed about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The logical cluster behind a workspace: one object named `cluster` in each.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "core.kcp.io",
    version = "v1alpha1",
    kind = "LogicalCluster",
    plural = "logicalclusters",
    status = "LogicalClusterStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct LogicalClusterSpec {}

/// How far a logical cluster has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogicalClusterStatus {
    /// Where it is served.
    #[serde(rename = "URL", skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `Scheduling`, `Initializing`, `Ready`, `Unavailable` or `Deleting`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
}

/// APIs that others may bind.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "apis.kcp.io",
    version = "v1alpha2",
    kind = "APIExport",
    root = "ApiExport",
    plural = "apiexports",
    status = "ApiExportStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ApiExportSpec {
    /// What is exported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ExportedResource>,
    /// What the exporter asks of those who bind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permission_claims: Vec<PermissionClaim>,
}

/// One exported resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedResource {
    /// The plural resource name.
    pub name: String,
    /// The API group.
    pub group: String,
    /// The name of the APIResourceSchema.
    pub schema: String,
    /// Where its objects are kept.
    #[serde(default)]
    pub storage: ResourceStorage,
}

/// Where objects are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStorage {
    /// In the workspace of each who binds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crd: Option<BTreeMap<String, serde_json::Value>>,
}

impl Default for ResourceStorage {
    fn default() -> Self {
        Self { crd: Some(BTreeMap::new()) }
    }
}

/// What an exporter asks of those who bind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionClaim {
    /// The API group; empty for Kubernetes' core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The plural resource name.
    pub resource: String,
    /// What it wants to do.
    pub verbs: Vec<String>,
    /// Which export serves it, where it is not built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_hash: Option<String>,
}

/// What is observed about an export.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiExportStatus {
    /// What proves that a claim means this export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_hash: Option<String>,
    /// What is observed about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The use of an export in one workspace.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "apis.kcp.io",
    version = "v1alpha2",
    kind = "APIBinding",
    root = "ApiBinding",
    plural = "apibindings",
    status = "ApiBindingStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ApiBindingSpec {
    /// What is bound.
    pub reference: BindingReference,
    /// What the exporter may do here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permission_claims: Vec<AcceptedClaim>,
}

/// What is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingReference {
    /// The export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<ExportReference>,
}

/// An export of a workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportReference {
    /// The workspace; this one where it is omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The export's name.
    pub name: String,
}

/// One claim, and the answer to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedClaim {
    /// The claim.
    #[serde(flatten)]
    pub claim: PermissionClaim,
    /// For which objects.
    pub selector: ClaimSelector,
    /// `Accepted` or `Rejected`.
    pub state: String,
}

/// For which objects a claim is accepted: all, or those with these labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimSelector {
    /// All objects.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub match_all: bool,
    /// Those with these labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
}

/// What is observed about a binding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiBindingStatus {
    /// `Binding` or `Bound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The id of the exporting logical cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_export_cluster_name: Option<String>,
    /// What is observed about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What the exporter can do here now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applied_permission_claims: Vec<AppliedClaim>,
}

/// A claim in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedClaim {
    /// The claim.
    #[serde(flatten)]
    pub claim: PermissionClaim,
    /// For which objects.
    #[serde(default)]
    pub selector: ClaimSelector,
}

/// Where the virtual workspace of an export is served: one URL for each shard.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "apis.kcp.io",
    version = "v1alpha1",
    kind = "APIExportEndpointSlice",
    root = "ApiExportEndpointSlice",
    plural = "apiexportendpointslices",
    status = "ApiExportEndpointSliceStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ApiExportEndpointSliceSpec {
    /// The export.
    pub export: ExportReference,
}

/// What is known about the endpoints of an export.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiExportEndpointSliceStatus {
    /// The endpoints; none before somebody binds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// What is observed about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One shard's endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its URL.
    pub url: String,
}
