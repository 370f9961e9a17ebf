//! Shards: parts of the workspace tree whose virtual workspaces are announced under URLs of their own.
//!
//! All of them are served by this one process; what makes them shards is that a wildcard list or watch shows the
//! clusters of one of them only, and that their URLs can be cut off one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Which workspaces live on which shard. Those of the first shard, which has no name, are not listed.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    known: RwLock<Known>,
}

#[derive(Debug, Default, Clone)]
struct Known {
    shards: BTreeMap<String, Shard>,
    /// Clusters by id.
    homes: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Shard {
    url: String,
    /// Names of the workspaces that are made there.
    workspaces: BTreeSet<String>,
}

impl Shards {
    /// The same shards, for a copy of the control plane.
    pub(crate) fn fork(&self) -> Self {
        Self { known: RwLock::new(self.read().clone()) }
    }

    /// From now on workspaces of these names are made on the shard of that name.
    pub(crate) fn add(&self, name: &str, url: &str, workspaces: &[&str]) {
        let workspaces = workspaces.iter().map(|&workspace| workspace.to_owned()).collect();
        let shard = Shard { url: url.trim_end_matches('/').to_owned(), workspaces };
        self.write().shards.insert(name.to_owned(), shard);
    }

    /// A workspace of this name got this cluster.
    pub(crate) fn settle(&self, workspace: &str, cluster: &str) {
        let mut known = self.write();
        let found = known.shards.iter().find(|(_, shard)| shard.workspaces.contains(workspace));
        if let Some(name) = found.map(|(name, _)| name.clone()) {
            known.homes.insert(cluster.to_owned(), name);
        }
    }

    /// The shard of a cluster; `None` for the first one.
    pub(crate) fn of(&self, cluster: &str) -> Option<String> {
        self.read().homes.get(cluster).cloned()
    }

    /// Whether a cluster lives on this shard.
    pub(crate) fn holds(&self, shard: Option<&str>, cluster: &str) -> bool {
        self.read().homes.get(cluster).map(String::as_str) == shard
    }

    /// What the URLs of a shard begin with, where the server itself is at `first`.
    pub(crate) fn url(&self, shard: Option<&str>, first: &str) -> String {
        let known = self.read();
        match shard.and_then(|name| known.shards.get(name).map(|shard| (name, shard))) {
            Some((name, shard)) => format!("{}/shards/{name}", shard.url),
            None => first.to_owned(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}
