//! A real kcp for tests: found or built, started on free ports, gone with the test process.
//!
//! Starting takes 20 to 30 s, so the tests of one binary share one ([`Kcp::shared`]) and keep out of each
//! other's way by workspace: [`Kcp::workspace`] gives every test a tree of its own. Nothing here knows
//! the broker.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use broker_kcp::kcp::api::{Workspace, WorkspaceSpec, WorkspaceType};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use thiserror::Error;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::keeper::{Keeper, free_ports};
use crate::{tool, wait};

/// Names a kcp binary to use instead of the one of the cache.
pub const BINARY_VARIABLE: &str = "RESOURCE_BROKER_KCP";

/// How long a start may take: 25 s on two idle cores, more while everything else compiles.
const START: Duration = Duration::from_mins(3);

/// How long a workspace may take: 3 to 5 s when nothing else is going on.
const WORKSPACE: Duration = Duration::from_mins(1);

/// Why there is no kcp.
#[derive(Debug, Error)]
pub enum KcpError {
    /// There is no binary, and none could be built.
    #[error("no kcp to test against: {0}")]
    Binary(String),
    /// The folder or the process could not be made.
    #[error("kcp could not be started")]
    Start(#[from] io::Error),
    /// The process ended, or did not get ready.
    #[error("kcp {what}; the end of its log:\n{log}")]
    NotReady {
        /// What it did instead.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// Its kubeconfig or a client for it could not be made.
    #[error("kcp's kubeconfig cannot be used")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// A request failed.
    #[error("{what}")]
    Request {
        /// What was asked for.
        what: String,
        /// Why it was refused.
        #[source]
        source: Box<kube::Error>,
    },
    /// A workspace did not get ready.
    #[error(transparent)]
    Wait(#[from] Box<wait::WaitError>),
}

/// A running kcp.
#[derive(Debug)]
pub struct Kcp {
    url: String,
    keeper: Keeper,
}

/// A test's own workspace.
#[derive(Debug, Clone)]
pub struct Tree {
    path: String,
}

impl Tree {
    /// Its path, such as `root:init-3`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a workspace below it.
    pub fn child(&self, name: &str) -> String {
        format!("{}:{name}", self.path)
    }
}

impl Kcp {
    /// The kcp that the tests of this binary share; started by the first that asks.
    pub async fn shared() -> Result<&'static Self, KcpError> {
        static SHARED: OnceCell<Kcp> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Starts a kcp and waits until it is ready.
    pub async fn start() -> Result<Self, KcpError> {
        let binary = tokio::task::spawn_blocking(binary).await.map_err(io::Error::other)??;
        let mut kcp = Self::spawn(&binary)?;
        kcp.ready().await?;
        Ok(kcp)
    }

    fn spawn(binary: &Path) -> Result<Self, KcpError> {
        let folder = Keeper::folder("kcp-")?;
        let [secure, client, peer] = free_ports()?;
        let mut command = Command::new(binary);
        command
            .args(["start", "--bind-address", "127.0.0.1", "--external-hostname", "127.0.0.1"])
            .arg("--root-directory")
            .arg(folder.join("data"))
            .args(["--secure-port", &secure.to_string()])
            .args(["--embedded-etcd-client-port", &client.to_string()])
            .args(["--embedded-etcd-peer-port", &peer.to_string()]);
        let keeper = Keeper::start(folder, "TERM", &command)?;
        Ok(Self { url: format!("https://127.0.0.1:{secure}"), keeper })
    }

    /// Waits until `/readyz` says ok.
    async fn ready(&mut self) -> Result<(), KcpError> {
        let deadline = Instant::now() + START;
        loop {
            let ended = self.keeper.ended()?;
            let log = self.keeper.last_words();
            if let Some(status) = ended {
                return Err(KcpError::NotReady { what: format!("ended with {status}"), log });
            }
            if Instant::now() > deadline {
                return Err(KcpError::NotReady { what: format!("was not ready after {START:?}"), log });
            }
            // There is nothing to watch before it serves.
            sleep(Duration::from_millis(200)).await;
            if !self.kubeconfig().exists() {
                continue;
            }
            let Ok(config) = self.admin_config("root").await else { continue };
            let Ok(client) = Client::try_from(config) else { continue };
            let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { continue };
            if client.request_text(request).await.is_ok_and(|answer| answer == "ok") {
                return Ok(());
            }
        }
    }

    /// The server's address, without a workspace.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The kubeconfig kcp writes: contexts `base` and `root` for its administrator, `shard-base` and
    /// `system:admin` for the shard's.
    pub fn kubeconfig(&self) -> PathBuf {
        self.keeper.path().join("data").join("admin.kubeconfig")
    }

    /// The address of a workspace, by its path or id.
    pub fn workspace_url(&self, workspace: &str) -> String {
        format!("{}/clusters/{workspace}", self.url)
    }

    /// The configuration of a client that may do everything in a workspace (but not read `/metrics`).
    pub async fn admin_config(&self, workspace: &str) -> Result<Config, KcpError> {
        self.config("base", &self.workspace_url(workspace)).await
    }

    /// The configuration of a client of the shard's own administrator: `/metrics` too.
    pub async fn shard_admin_config(&self) -> Result<Config, KcpError> {
        self.config("shard-base", &self.url).await
    }

    /// A client that may do everything in a workspace. It belongs to the runtime it is made in.
    pub async fn admin(&self, workspace: &str) -> Result<Client, KcpError> {
        let config = self.admin_config(workspace).await?;
        Client::try_from(config).map_err(|source| KcpError::Request {
            what: format!("no client for {workspace}"),
            source: Box::new(source),
        })
    }

    async fn config(&self, context: &str, url: &str) -> Result<Config, KcpError> {
        let mut kubeconfig = Kubeconfig::read_from(self.kubeconfig())?;
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(url.to_owned());
        }
        let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
        Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await?)
    }

    /// A new workspace `root:<prefix>-<n>` for one test.
    pub async fn workspace(&self, prefix: &str) -> Result<Tree, KcpError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.create_workspace("root", &name).await?;
        Ok(Tree { path: format!("root:{name}") })
    }

    /// Makes a workspace below another and waits until it is ready.
    pub async fn create_workspace(&self, parent: &str, name: &str) -> Result<(), KcpError> {
        let api: Api<Workspace> = Api::all(self.admin(parent).await?);
        let kind = WorkspaceType { name: "universal".to_owned(), path: Some("root".to_owned()) };
        let workspace =
            Workspace::new(name, WorkspaceSpec { r#type: Some(kind), ..WorkspaceSpec::default() });
        api.create(&PostParams::default(), &workspace).await.map_err(|source| KcpError::Request {
            what: format!("workspace {parent}:{name} cannot be made"),
            source: Box::new(source),
        })?;
        wait::until(&api, name, &format!("workspace {parent}:{name} to be ready"), WORKSPACE, |found| {
            let phase = found.and_then(|w| w.status.as_ref()).and_then(|s| s.phase.as_deref());
            phase == Some("Ready")
        })
        .await
        .map_err(Box::new)?;
        // It is ready a little before it can have workspaces below it.
        let path = format!("{parent}:{name}");
        let below: Api<Workspace> = Api::all(self.admin(&path).await?);
        let what = format!("workspaces to be served in {path}");
        wait::until_all(&below, watcher::Config::default(), &what, WORKSPACE, |_| true)
            .await
            .map_err(Box::new)?;
        Ok(())
    }

    /// Leaves the server's folder with its log behind when it stops, and returns it.
    pub fn keep_folder(&self) -> io::Result<&Path> {
        self.keeper.keep()?;
        Ok(self.keeper.path())
    }
}

/// The kcp binary: the variable's, the cache's, or a new one.
fn binary() -> Result<PathBuf, KcpError> {
    if let Some(named) = std::env::var_os(BINARY_VARIABLE) {
        let path = PathBuf::from(named);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(KcpError::Binary(format!("{BINARY_VARIABLE} names {}, which is no file", path.display())))
        };
    }
    let advice = format!("set {BINARY_VARIABLE} to a kcp binary (v0.30 or later)");
    Ok(tool::built("kcp", &advice).map_err(KcpError::Binary)?.join("kcp"))
}
