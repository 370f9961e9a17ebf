//! The clusters of plain Kubernetes whose kubeconfigs lie in a folder, as they come, change and go.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_core::resource::ClusterName;
use broker_kcp::fleet::{Member, Members, members};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Notify, watch};

use crate::operator::OperatorError;

/// Endings of file names that are no part of a cluster's name.
const ENDINGS: [&str; 3] = [".kubeconfig", ".yaml", ".yml"];

/// A folder that is watched.
pub(crate) struct Folder {
    path: PathBuf,
    /// Ends the watch when it is dropped.
    _watcher: RecommendedWatcher,
    changed: Arc<Notify>,
    tell: watch::Sender<Option<Members>>,
}

impl Folder {
    /// Watches a folder; what is in it is read by [`Self::follow`].
    pub(crate) fn watch(path: PathBuf) -> Result<Self, OperatorError> {
        let failed = |error: notify::Error| OperatorError::Folder {
            folder: path.display().to_string(),
            reason: error.to_string(),
        };
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is no change. What the watch lost is found by looking.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            told.notify_one();
        })
        .map_err(failed)?;
        watcher.watch(&path, RecursiveMode::NonRecursive).map_err(failed)?;
        Ok(Self { path, _watcher: watcher, changed, tell: watch::Sender::new(None) })
    }

    /// The clusters, as they are known.
    pub(crate) fn members(&self) -> watch::Receiver<Option<Members>> {
        self.tell.subscribe()
    }

    /// Reads the folder, and again whenever it changes. Never ends.
    pub(crate) async fn follow(self) {
        loop {
            match clusters(&self.path).await {
                Ok(members) => {
                    self.tell.send_replace(Some(members));
                }
                // What is known stays.
                Err(error) => {
                    tracing::error!(folder = %self.path.display(), %error, "cannot read the folder of kubeconfigs");
                }
            }
            self.changed.notified().await;
        }
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The clusters whose kubeconfigs are in a folder now.
pub(crate) async fn clusters(folder: &Path) -> std::io::Result<Members> {
    let mut found = Vec::new();
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let path = entry.path();
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(cluster) else { continue };
        // Of a link, what it leads to: a mounted Secret is made of them.
        if !tokio::fs::metadata(&path).await.is_ok_and(|found| found.is_file()) {
            continue;
        }
        let text = tokio::fs::read(&path).await.unwrap_or_default();
        found.push((name, Member::new(configuration(path).await, text)));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(members(found))
}

/// The cluster that a file is named after.
fn cluster(file: &str) -> Option<ClusterName> {
    let name = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file);
    (!name.is_empty() && !name.starts_with('.')).then(|| ClusterName::from(name))
}

async fn configuration(path: PathBuf) -> Result<Config, String> {
    // What a message of the parser may quote is a credential.
    let kubeconfig = Kubeconfig::read_from(path).map_err(|_| "it is no kubeconfig".to_owned())?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| format!("it cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

    use super::*;

    const ONE: &str = "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}], \
                       clusters: [{name: k, cluster: {server: 'https://one:6443'}}], users: [{name: u, user: {token: t}}]}";

    #[tokio::test]
    async fn clusters_come_change_and_go_with_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("eu.kubeconfig"), ONE).unwrap();
        std::fs::write(file(".hidden"), ONE).unwrap();
        std::fs::create_dir(file("folder")).unwrap();
        let watched = Folder::watch(folder.path().to_owned()).unwrap();
        let mut members = watched.members();
        let following = tokio::spawn(watched.follow());
        let names = |members: &Option<Members>| {
            members.iter().flat_map(|members| members.keys()).map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&members.wait_for(Option::is_some).await.unwrap()), ["eu"]);

        std::fs::write(file("us.yaml"), "no kubeconfig: [").unwrap();
        members.wait_for(|found| names(found) == ["eu", "us"]).await.unwrap();
        let us = ClusterName::from("us");
        let usable = |found: &Option<Members>| {
            found.as_ref().and_then(|found| found.get(&us)).is_some_and(|found| found.config.is_ok())
        };
        assert!(!usable(&members.borrow()), "a bad one is told as such");
        std::fs::write(file("us.yaml"), ONE.replace("one", "two")).unwrap();
        members.wait_for(usable).await.unwrap();
        std::fs::remove_file(file("eu.kubeconfig")).unwrap();
        members.wait_for(|found| names(found) == ["us"]).await.unwrap();
        following.abort();
    }

    #[test]
    fn a_folder_that_is_not_there_is_told_in_one_line() {
        let error = Folder::watch("/no/such/folder".into()).unwrap_err().to_string();
        assert!(error.starts_with("cannot watch the folder of kubeconfigs /no/such/folder: "), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
