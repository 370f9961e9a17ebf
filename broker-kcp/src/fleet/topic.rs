//! What a change is about, and who wants to know.

use std::collections::BTreeSet;

use broker_core::resource::ClusterName;

use crate::store::Change;

/// Which objects changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The platform's BrokeredAPIs.
    BrokeredApis,
    /// The platform's Assignments.
    Assignments,
    /// The platform's Migrations.
    Migrations,
    /// The platform's playbooks.
    Configurations,
    /// The platform's APIExports.
    Exports,
    /// The platform's endpoint slices.
    Slices,
    /// The platform's APIResourceSchemas.
    Schemas,
    /// The helper objects of moves, in the compute cluster.
    Helpers,
    /// The providers' AcceptAPIs.
    Offers,
    /// Orders and copies of the brokered API of this name.
    Orders(String),
    /// Secrets or ConfigMaps seen through the export of this name.
    Related(String),
    /// The APIBindings to the export of this name.
    Bindings(String),
    /// The LogicalClusters that bind the export of this name.
    Clusters(String),
}

/// Which way the reachability of clusters turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// They do not answer any more.
    Silent,
    /// They answer again.
    Answers,
}

/// Somebody who wants to know what changed. Told from the tasks that follow: must not block.
pub trait Observer: Send + Sync {
    /// These objects changed.
    fn changed(&self, topic: &Topic, changes: &[Change]);

    /// Something finished its first list, or what is followed changed: ask again whether all is in cache.
    fn synced(&self);

    /// These clusters answer no more, or again.
    fn turned(&self, turn: Turn, clusters: &BTreeSet<ClusterName>);
}
