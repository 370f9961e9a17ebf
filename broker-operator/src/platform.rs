//! What the commands that ask a platform have in common: where it is, how long it may take, how answers are printed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use broker_core::resource::{ClusterName, Object, marker};
use broker_kcp::api::v1alpha1::{BrokeredApi, GoDuration, Migration};
use broker_kcp::fleet::{Clusters, Members, members_of};
use broker_kcp::reconcile::{Access, OrderQuery};
use clap::{Args, ValueEnum};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;
use tokio::sync::watch;

use crate::election::LEASE_NAMESPACE;
use crate::explain::OrderName;
use crate::init::Server;
use crate::kubeconfigs;
use crate::offers::endpoints;

/// Where the clusters of plain Kubernetes are, for commands that look into them.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct MembersArgs {
    /// On plain Kubernetes: the folder with the kubeconfigs of consumers' and providers' clusters, as the broker has it; else
    /// they are in the Secrets of the kubeconfig's namespace.
    #[arg(long, value_name = "FOLDER", env = "CLUSTERS_FOLDER", hide_env_values = true, global = true)]
    pub(crate) clusters_folder: Option<PathBuf>,
}

/// Where the platform is, as commands are told that only read it, or let go of what it holds.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlatformArgs {
    /// The broker's kubeconfig, or another that may read the platform; else $KUBECONFIG, else ~/.kube/config, else the
    /// pod's account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The path of the platform's workspace [default: the one the kubeconfig points to].
    #[arg(long, value_name = "PATH")]
    workspace: Option<String>,
    #[command(flatten)]
    clusters: MembersArgs,
}

impl PlatformArgs {
    /// The platform.
    pub(crate) async fn open(&self) -> anyhow::Result<Platform> {
        Platform::open(self.kubeconfig.as_deref(), self.workspace.as_deref(), &self.clusters).await
    }
}

/// The platform's workspace on its server, or its cluster of plain Kubernetes.
pub(crate) struct Platform {
    pub(crate) server: Server,
    /// The path of the workspace; the address of the cluster.
    pub(crate) workspace: String,
    /// Where the kubeconfigs of its clusters lie, where they are in no Secrets.
    clusters_folder: Option<PathBuf>,
}

impl Platform {
    /// By a kubeconfig, else where `kubectl` looks; the workspace is the one that it points to, where none is named. A
    /// kubeconfig that points to no workspace is that of a cluster of plain Kubernetes.
    pub(crate) async fn open(
        kubeconfig: Option<&Path>,
        workspace: Option<&str>,
        clusters: &MembersArgs,
    ) -> anyhow::Result<Self> {
        let server = Server::from_kubeconfig(kubeconfig).await?;
        let workspace = workspace.map(str::to_owned).or_else(|| server.current_workspace());
        let workspace = workspace.unwrap_or_else(|| server.cluster());
        Ok(Self { server, workspace, clusters_folder: clusters.clusters_folder.clone() })
    }

    /// Whether it is a cluster of plain Kubernetes.
    pub(crate) fn is_on_plain_kubernetes(&self) -> bool {
        self.workspace.contains("://")
    }

    /// The namespace of the broker's Lease.
    pub(crate) fn lease_namespace(&self) -> &str {
        if self.is_on_plain_kubernetes() { self.server.namespace() } else { LEASE_NAMESPACE }
    }

    /// The clusters of plain Kubernetes that take part, by the files in the folder that was named, else by the Secrets in the
    /// kubeconfig's namespace.
    pub(crate) async fn members(&self) -> anyhow::Result<Members> {
        if let Some(folder) = &self.clusters_folder {
            let found = kubeconfigs::clusters(folder).await;
            return found.with_context(|| format!("reading the kubeconfigs in {}", folder.display()));
        }
        let client = self.server.client(&self.workspace)?;
        let secrets: Api<Secret> = Api::namespaced(client, self.server.namespace());
        let labelled = ListParams::default().labels(marker::CLUSTER_LABEL);
        let found = secrets.list(&labelled).await;
        let what = format!("listing the Secrets with kubeconfigs in namespace {}", self.server.namespace());
        let found = found.map_err(|error| self.failure(&what, error))?;
        let objects =
            found.items.into_iter().map(|secret| Ok(Object::try_from(serde_json::to_value(secret)?)?));
        Ok(members_of(&objects.collect::<anyhow::Result<Vec<_>>>()?).await)
    }

    /// The way there, for who follows what it holds.
    pub(crate) async fn access(&self) -> anyhow::Result<Access> {
        let mut access = Access::from(self.server.config(&self.workspace)?);
        if self.is_on_plain_kubernetes() && self.clusters_folder.is_some() {
            access.clusters = Clusters::Members(watch::channel(Some(self.members().await?)).1);
        }
        Ok(access)
    }

    /// Whether it can be asked, told before what follows is tried again and again.
    pub(crate) async fn answers(&self) -> anyhow::Result<()> {
        if self.is_on_plain_kubernetes() {
            let brokered: Api<BrokeredApi> = Api::all(self.server.client(&self.workspace)?);
            let found = brokered.list(&ListParams::default().limit(1)).await;
            found.map_err(|error| self.failure("listing what is brokered", error)).with_context(|| {
                "is it the platform's cluster, prepared by `init cluster`? On kcp, name the platform's workspace with \
                 --workspace, as in root:platform"
            })?;
        } else {
            endpoints(&self.server, &self.workspace).await?;
        }
        Ok(())
    }

    /// What `question` finds with the platform's configuration, within this time. `advice` ends what is told where that
    /// does not suffice.
    pub(crate) async fn ask<T, E, F>(
        &self,
        timeout: Duration,
        advice: &str,
        question: impl FnOnce(Access) -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = Result<T, E>>,
        E: Into<anyhow::Error>,
    {
        self.answers().await?;
        let access = self.access().await?;
        let answer = tokio::time::timeout(timeout, question(access)).await.with_context(|| {
            format!(
                "not all of {} and its exports could be read within {} s: has the kubeconfig the broker's rights, and \
                 does every shard answer? {advice}",
                self.workspace,
                timeout.as_secs()
            )
        })?;
        answer.map_err(Into::into)
    }

    /// The records of moves.
    pub(crate) fn migrations(&self) -> anyhow::Result<Api<Migration>> {
        Ok(Api::all(self.server.client(&self.workspace)?))
    }

    /// A failed call, with the workspace that it was about.
    pub(crate) fn failure(&self, what: &str, error: kube::Error) -> anyhow::Error {
        self.server.failure(format!("{what} in {}", self.workspace), error).into()
    }
}

/// The order that `RESOURCE/NAME` names in a consumer's cluster; `example` is for whoever wrote something else.
pub(crate) fn order_query(
    order: &str,
    cluster: Option<&str>,
    namespace: Option<&str>,
    example: &str,
) -> anyhow::Result<OrderQuery> {
    let named = order
        .split_once('/')
        .filter(|(resource, name)| !resource.is_empty() && !name.is_empty() && !name.contains('/'));
    let Some((resource, name)) = named else {
        bail!("`{order}` names no order: expected RESOURCE/NAME, as in {example}");
    };
    Ok(OrderQuery {
        resource: resource.to_owned(),
        cluster: cluster.unwrap_or_default().to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    })
}

/// How long ago, as kubectl writes it.
pub(crate) fn age_of(since: Timestamp) -> String {
    age(Timestamp::now().duration_since(since).as_secs().unsigned_abs())
}

/// So many seconds, as kubectl writes them.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A name with its namespace, where it has one.
pub(crate) fn local_name(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

/// An order for people: `certificates.example.com/my-app-cert in namespace default of root:acme`. Its cluster is the path
/// where that is known.
pub(crate) fn order_title(order: &OrderName, path: Option<&str>) -> String {
    let mut title = format!("{}/{}", order.resource, order.name);
    if !order.namespace.is_empty() {
        title.push_str(" in namespace ");
        title.push_str(&order.namespace);
    }
    if let Some(cluster) = path.or(order.cluster.as_ref().map(ClusterName::as_str)) {
        title.push_str(" of ");
        title.push_str(cluster);
    }
    title
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
    Yaml,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListOutput {
    Table,
    /// The table with more columns.
    Wide,
    Json,
    Yaml,
}

impl ListOutput {
    /// The columns of the table, and where it is wide those beside them.
    pub(crate) fn columns<T>(
        self,
        usual: impl IntoIterator<Item = T>,
        more: impl IntoIterator<Item = T>,
    ) -> Vec<T> {
        let more = (self == Self::Wide).then_some(more);
        usual.into_iter().chain(more.into_iter().flatten()).collect()
    }
}

/// A duration as Go writes it, such as `30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    GoDuration::new(text).parse().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_order_is_named_by_resource_and_name() {
        let query = order_query("database/db", Some("root:acme"), None, "database/production-db").unwrap();
        assert_eq!((query.resource.as_str(), query.name.as_str()), ("database", "db"));
        assert_eq!((query.cluster.as_str(), query.namespace), ("root:acme", None));
        for other in ["database", "/db", "database/", "a/b/c", ""] {
            let error = order_query(other, None, None, "database/production-db").unwrap_err().to_string();
            let told = "names no order: expected RESOURCE/NAME, as in database/production-db";
            assert!(error.contains(told), "{other}: {error}");
        }
    }

    #[test]
    fn a_duration_is_written_as_in_go() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err());
    }
}
