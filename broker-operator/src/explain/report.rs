//! The answer about one order, as `-o json`, `-o yaml` and the debug endpoint give it.

use std::collections::BTreeMap;

use broker_core::matching::{Candidates, Routing};
use broker_core::offer::OfferId;
use broker_core::resource::{ClusterName, Gvr, ObjectKey};
use broker_kcp::reconcile::Explained;
use serde::Serialize;

/// Which offer would serve an order, and why.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The order.
    pub order: OrderName,
    /// The offer it is assigned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<OfferId>,
    /// The offer that would serve it, or goes on serving it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<OfferId>,
    /// What its consumer reads where no offer would take it as a new order.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consumer_message: String,
    /// The same as the order's Assignment tells.
    pub why: Candidates,
    /// The paths of clusters that are named by id, as far as they are known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<ClusterName, String>,
}

/// Which order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderName {
    /// Its API, as `<resource>.<group>`.
    pub resource: String,
    /// The version.
    pub version: String,
    /// The consumer's cluster; nothing where a file does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// Its namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Report {
    /// The report on an order.
    pub(crate) fn new(api: &Gvr, order: &ObjectKey, routing: Routing) -> Self {
        Self {
            order: OrderName {
                resource: api.group_resource(),
                version: api.version.clone(),
                cluster: Some(order.cluster.clone()).filter(|cluster| !cluster.as_str().is_empty()),
                namespace: order.namespace.clone(),
                name: order.name.clone(),
            },
            current: routing.current.as_ref().map(|(offer, _)| offer.clone()),
            chosen: routing.best().map(|chosen| chosen.id().clone()),
            consumer_message: routing.consumer_message,
            why: routing.explanation,
            paths: BTreeMap::new(),
        }
    }

    /// What people call a cluster: its path where it is known.
    pub(super) fn called<'r>(&'r self, cluster: &'r ClusterName) -> &'r str {
        self.paths.get(cluster).map_or(cluster.as_str(), String::as_str)
    }
}

impl From<Explained> for Report {
    /// Of the paths, those of the clusters that the report names.
    fn from(explained: Explained) -> Self {
        let mut report = Self::new(&explained.api, &explained.order, explained.routing);
        let named = |cluster: &ClusterName| {
            *cluster == explained.order.cluster
                || report.why.nearest.iter().any(|candidate| candidate.offer.cluster == *cluster)
        };
        let paths = explained.paths.into_iter().filter(|(cluster, _)| named(cluster)).collect();
        report.paths = paths;
        report
    }
}
