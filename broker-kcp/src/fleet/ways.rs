//! The ways to what exports are seen through.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use broker_core::resource::ClusterName;
use kube::Config;

use super::export::Way;
use super::member::Members;
use super::plan::{ExportPlan, MemberRevisions};
use crate::kcp::Connector;

/// Makes connectors of configurations.
pub(super) type Connecting = Box<dyn Fn(Config) -> Connector + Send + Sync>;

/// The ways to shards and to clusters of plain Kubernetes.
pub(super) struct Ways {
    /// To shards: with the platform's credentials.
    shards: Connector,
    /// To clusters: each with its own.
    connecting: Connecting,
    clusters: Mutex<BTreeMap<ClusterName, KnownWay>>,
}

/// How a cluster of plain Kubernetes is reached.
#[derive(Default)]
struct KnownWay {
    /// What was tried last.
    asked: String,
    /// What could be used last.
    way: Option<Way>,
}

impl Ways {
    pub(super) fn new(shards: Connector, connecting: Connecting) -> Self {
        Self { shards, connecting, clusters: Mutex::default() }
    }

    /// The ways to what an export is seen through. Those that lead nowhere are told of.
    pub(super) fn of(&self, export: &str, planned: &ExportPlan, members: Option<&Members>) -> Vec<Way> {
        match &planned.members {
            Some(revisions) => self.to_clusters(revisions, members),
            None => planned.urls.iter().filter_map(|url| self.to_shard(export, url)).collect(),
        }
    }

    fn to_shard(&self, export: &str, url: &str) -> Option<Way> {
        match self.shards.at(url) {
            Ok(endpoint) => Some(Way { endpoint, revision: String::new(), member: None }),
            Err(error) => {
                tracing::error!(%export, %error, "cannot engage shard");
                None
            }
        }
    }

    fn to_clusters(&self, revisions: &MemberRevisions, members: Option<&Members>) -> Vec<Way> {
        let mut known = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| revisions.contains_key(name));
        let way = |(name, revision): (&ClusterName, &String)| {
            self.to_cluster(name, revision, members, known.entry(name.clone()).or_default())
        };
        revisions.iter().filter_map(way).collect()
    }

    /// The way to a cluster: one for all that is seen there. One that is of no use does not replace one that is.
    fn to_cluster(
        &self,
        name: &ClusterName,
        revision: &str,
        members: Option<&Members>,
        known: &mut KnownWay,
    ) -> Option<Way> {
        if known.asked != revision {
            let member = members?.get(name)?.clone();
            revision.clone_into(&mut known.asked);
            let endpoint = member
                .config
                .and_then(|config| (self.connecting)(config).member(name).map_err(|error| error.to_string()));
            match endpoint {
                Ok(endpoint) => {
                    let (revision, member) = (revision.to_owned(), Some(name.clone()));
                    known.way = Some(Way { endpoint, revision, member });
                }
                Err(error) => {
                    let still = known.way.is_some();
                    tracing::error!(cluster = %name, %error, still, "the kubeconfig of a cluster is of no use");
                }
            }
        }
        known.way.clone()
    }
}
