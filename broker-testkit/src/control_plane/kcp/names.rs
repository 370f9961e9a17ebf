//! Names that kcp gives to things.

use crate::control_plane::storage::{ObjectKey, TableId};

/// The annotation with the id of the logical cluster an object lives in; on every object.
pub(crate) const CLUSTER: &str = "kcp.io/cluster";
/// The annotation of a LogicalCluster with the path of its workspace.
pub(crate) const PATH: &str = "kcp.io/path";
/// The id and the path of the root workspace.
pub(crate) const ROOT: &str = "root";
/// The one LogicalCluster object of each cluster.
pub(crate) const LOGICAL_CLUSTER: &str = "cluster";
/// What labels that make objects visible through a claim begin with.
pub(crate) const CLAIMED: &str = "claimed.internal.apis.kcp.io/";
/// The label on an APIBinding that says which export it binds.
pub(crate) const BOUND_EXPORT: &str = "internal.apis.kcp.io/export";

pub(crate) fn workspaces() -> TableId {
    TableId::of("tenancy.kcp.io", "workspaces")
}

pub(crate) fn workspace_types() -> TableId {
    TableId::of("tenancy.kcp.io", "workspacetypes")
}

pub(crate) fn logical_clusters() -> TableId {
    TableId::of("core.kcp.io", "logicalclusters")
}

pub(crate) fn schemas() -> TableId {
    TableId::of("apis.kcp.io", "apiresourceschemas")
}

pub(crate) fn exports() -> TableId {
    TableId::of("apis.kcp.io", "apiexports")
}

pub(crate) fn bindings() -> TableId {
    TableId::of("apis.kcp.io", "apibindings")
}

pub(crate) fn endpoint_slices() -> TableId {
    TableId::of("apis.kcp.io", "apiexportendpointslices")
}

/// The schemas as they were when they were bound, keyed by uid; no API serves them.
pub(crate) fn bound_schemas() -> TableId {
    TableId::of("internal.apis.kcp.io", "boundschemas")
}

/// The LogicalCluster of a cluster.
pub(crate) fn logical_cluster(cluster: &str) -> ObjectKey {
    ObjectKey::new(cluster, "", LOGICAL_CLUSTER)
}
