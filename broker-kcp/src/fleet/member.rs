//! The clusters of a platform on plain Kubernetes, and the ways to them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use broker_core::resource::ClusterName;
use kube::Config;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::plan::MemberRevisions;

/// Where the clusters are that the broker serves.
#[derive(Clone, Debug, Default)]
pub enum Clusters {
    /// Workspaces of kcp, seen through the platform's exports.
    #[default]
    Workspaces,
    /// Clusters of plain Kubernetes, whose kubeconfigs lie in Secrets of this namespace of the platform's cluster, labelled
    /// [`broker_core::resource::marker::CLUSTER_LABEL`]. They come and go with them.
    Secrets(String),
    /// Clusters of plain Kubernetes, each reached as somebody tells. `None` until it is known which there are.
    Members(watch::Receiver<Option<Members>>),
}

/// The clusters of a platform on plain Kubernetes, by name. A name is for good: a cluster under another name is another
/// cluster, with orders of its own.
pub type Members = Arc<BTreeMap<ClusterName, Member>>;

/// The clusters of these names. Of two of one name the first counts, and of two names of one server the first in order: an
/// order must not be brokered twice.
pub fn members(told: impl IntoIterator<Item = (ClusterName, Member)>) -> Members {
    let mut members: BTreeMap<ClusterName, Member> = BTreeMap::new();
    for (name, member) in told {
        match members.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(member);
            }
            Entry::Occupied(entry) => {
                let cluster = entry.key();
                tracing::error!(%cluster, "two kubeconfigs tell of a cluster of this name: the first one counts");
            }
        }
    }
    let mut servers: BTreeMap<String, ClusterName> = BTreeMap::new();
    for (name, member) in &mut members {
        let Ok(config) = &member.config else { continue };
        match servers.entry(config.cluster_url.to_string()) {
            Entry::Vacant(entry) => {
                entry.insert(name.clone());
            }
            Entry::Occupied(other) => {
                member.config = Err(format!("its server is that of the cluster {}", other.get()));
            }
        }
    }
    Arc::new(members)
}

/// How one cluster of plain Kubernetes is reached.
#[derive(Clone)]
pub struct Member {
    /// Where it is and who we are there, or why that is not known. It may change while what is known of the cluster stays,
    /// as when a token is renewed; another URL is another cluster.
    pub config: Result<Config, String>,
    /// Another text for another configuration. Shown to nobody.
    pub revision: String,
}

impl Member {
    /// A cluster that is reached by a configuration, which was read from this.
    pub fn new(config: Result<Config, String>, read_from: impl AsRef<[u8]>) -> Self {
        let digest = Sha256::digest(read_from);
        let revision = digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        Self { config, revision }
    }
}

impl Clusters {
    /// Those of a platform that is where this configuration points: workspaces, where its URL is that of a workspace
    /// (`…/clusters/root:platform`), else those whose kubeconfigs lie in its namespace.
    pub fn of(platform: &Config) -> Self {
        if platform.cluster_url.path().contains("/clusters/") {
            Self::Workspaces
        } else {
            Self::Secrets(platform.default_namespace.clone())
        }
    }
}

/// The clusters as they are known from one moment to the next.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Workspaces,
    Members(watch::Receiver<Option<Members>>),
}

impl Known {
    /// Whether they are clusters of plain Kubernetes.
    pub(super) const fn are_members(&self) -> bool {
        matches!(self, Self::Members(_))
    }

    /// The clusters of plain Kubernetes, as far as they are known.
    pub(super) fn members(&self) -> Option<Members> {
        match self {
            Self::Workspaces => None,
            Self::Members(members) => members.borrow().clone(),
        }
    }

    /// Waits until other clusters are known than when this was asked last.
    pub(super) async fn changed(&mut self) {
        match self {
            Self::Workspaces => std::future::pending().await,
            Self::Members(members) => {
                if members.changed().await.is_err() {
                    // Nobody will tell of others: these stay.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// What tells the ways to these clusters apart from others.
pub fn revisions(members: &Members) -> MemberRevisions {
    members.iter().map(|(name, member)| (name.clone(), member.revision.clone())).collect()
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.config.as_ref().map(|config| config.cluster_url.to_string());
        f.debug_struct("Member").field("url", &url).finish_non_exhaustive()
    }
}
