//! A real Kubernetes control plane for tests: built on demand, started on free ports, gone with the test process.
//!
//! etcd, kube-apiserver and kube-controller-manager, without nodes: Pods stay pending, everything else (CRDs, RBAC,
//! garbage collection, namespaces, server-side apply, the Job controller) is the real thing. It starts in a few seconds
//! and takes 400 MB, so the tests of one binary share one ([`Kubernetes::shared`]) and use namespaces of their own.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rcgen::KeyPair;
use serde_json::json;
use thiserror::Error;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::keeper::{Keeper, free_ports};
use crate::{tool, wait};

/// Names a folder with `etcd`, `kube-apiserver` and `kube-controller-manager` to use instead of those of the cache.
pub const BINARIES_VARIABLE: &str = "RESOURCE_BROKER_KUBERNETES";

/// How long a start may take: 3 s on two idle cores, more while everything else compiles.
const START: Duration = Duration::from_mins(2);
/// The pause before a server that starts is asked again: there is nothing to watch before it serves.
const ASKED_AGAIN: Duration = Duration::from_millis(100);
/// What is needed of the controller manager where there are no nodes.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,\
     serviceaccount-token-controller,clusterrole-aggregation-controller,job-controller,\
     root-ca-certificate-publisher-controller";

/// Why there is no Kubernetes.
#[derive(Debug, Error)]
pub enum KubernetesError {
    /// There are no binaries, and none could be built.
    #[error("no Kubernetes to test against: {0}")]
    Binaries(String),
    /// A folder, a file or a process could not be made.
    #[error("Kubernetes could not be started")]
    Start(#[from] io::Error),
    /// A process ended, or did not get ready.
    #[error("{program} {what}; the end of its log:\n{log}")]
    NotReady {
        /// Which.
        program: &'static str,
        /// What it did instead.
        what: String,
        /// The end of its log.
        log: String,
    },
    /// The key of its service accounts could not be made.
    #[error("no key for service accounts")]
    Key(#[from] rcgen::Error),
    /// Its kubeconfig cannot be used.
    #[error("its kubeconfig cannot be used")]
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
    /// A namespace did not get ready.
    #[error(transparent)]
    Wait(#[from] Box<wait::WaitError>),
}

/// A running control plane. Its servers stop in this order, and their folders are removed, when it is dropped.
#[derive(Debug)]
pub struct Kubernetes {
    url: String,
    _controllers: Keeper,
    server: Keeper,
    _etcd: Keeper,
}

impl Kubernetes {
    /// The one that the tests of this binary share; started by the first that asks.
    ///
    /// # Errors
    ///
    /// As for [`Kubernetes::start`].
    pub async fn shared() -> Result<&'static Self, KubernetesError> {
        static SHARED: OnceCell<Kubernetes> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Starts one and waits until it serves, with its controllers at work.
    ///
    /// # Errors
    ///
    /// [`KubernetesError::Binaries`] where it cannot be built, and says why; [`KubernetesError::NotReady`] with the end
    /// of the log of the program that did not come to life.
    pub async fn start() -> Result<Self, KubernetesError> {
        let binaries = tokio::task::spawn_blocking(binaries).await.map_err(io::Error::other)??;
        let [client, peer, secure] = free_ports()?;
        let etcd_url = format!("http://127.0.0.1:{client}");
        let etcd = keep(&binaries, "etcd", |folder| {
            let peer = format!("http://127.0.0.1:{peer}");
            Ok(vec![
                format!("--data-dir={}", folder.join("data").display()),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls={peer}"),
                "--unsafe-no-fsync".to_owned(),
            ])
        })?;
        let url = format!("https://127.0.0.1:{secure}");
        let mut server = keep(&binaries, "kube-apiserver", |folder| {
            let key = KeyPair::generate().map_err(io::Error::other)?;
            let (private, public) = (folder.join("sa.key"), folder.join("sa.pub"));
            write_privately(&private, &key.serialize_pem())?;
            write_privately(&public, &key.public_key_pem())?;
            let token = Uuid::new_v4().simple().to_string();
            write_privately(&folder.join("tokens.csv"), &format!("{token},admin,1,\"system:masters\"\n"))?;
            write_privately(&folder.join("kubeconfig"), &kubeconfig(folder, &url, &token))?;
            Ok(vec![
                format!("--etcd-servers={etcd_url}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={secure}"),
                format!("--cert-dir={}", folder.join("certs").display()),
                format!("--token-auth-file={}", folder.join("tokens.csv").display()),
                "--authorization-mode=RBAC".to_owned(),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", public.display()),
                format!("--service-account-signing-key-file={}", private.display()),
            ])
        })?;
        ready(&mut server).await?;
        let home = server.path().to_owned();
        let controllers = keep(&binaries, "kube-controller-manager", |_| {
            Ok(vec![
                format!("--kubeconfig={}", home.join("kubeconfig").display()),
                format!("--service-account-private-key-file={}", home.join("sa.key").display()),
                format!("--root-ca-file={}", home.join("certs").join("apiserver.crt").display()),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                format!("--controllers={CONTROLLERS}"),
            ])
        })?;
        Ok(Self { url, _controllers: controllers, server, _etcd: etcd })
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.server.path().join("kubeconfig")
    }

    /// The configuration of a client that may do everything.
    ///
    /// # Errors
    ///
    /// Where the kubeconfig cannot be read.
    pub async fn admin_config(&self) -> Result<Config, KubernetesError> {
        config(&self.kubeconfig()).await
    }

    /// A client that may do everything. It belongs to the runtime it is made in.
    ///
    /// # Errors
    ///
    /// Where the kubeconfig cannot be read.
    pub async fn admin(&self) -> Result<Client, KubernetesError> {
        Client::try_from(self.admin_config().await?).map_err(request("no client".to_owned()))
    }

    /// A new namespace `<prefix>-<n>` for one test, with what its Pods would need.
    ///
    /// # Errors
    ///
    /// Where it cannot be made, or gets no service account, in which case the controllers are not at work.
    pub async fn namespace(&self, prefix: &str) -> Result<String, KubernetesError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let client = self.admin().await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .map_err(request(format!("namespace {name} cannot be made")))?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &name);
        wait::until(&accounts, "default", "a service account", START, |found| found.is_some())
            .await
            .map_err(Box::new)?;
        Ok(name)
    }

    /// Leaves the folder of the API server, with its log, behind when it stops, and returns it.
    ///
    /// # Errors
    ///
    /// Where nothing can be written there.
    pub fn keep_folder(&self) -> io::Result<&Path> {
        self.server.keep()?;
        Ok(self.server.path())
    }
}

/// Starts a program in a folder of its own.
fn keep(
    binaries: &Path,
    program: &'static str,
    arguments: impl FnOnce(&Path) -> io::Result<Vec<String>>,
) -> Result<Keeper, KubernetesError> {
    let folder = Keeper::folder(&format!("{program}-"))?;
    let mut command = Command::new(binaries.join(program));
    command.args(arguments(&folder)?);
    // Nothing of it is kept, and an API server that ends well waits for its etcd, which may be gone before.
    Ok(Keeper::start(folder, "KILL", &command)?)
}

/// Waits until `/readyz` says ok.
async fn ready(server: &mut Keeper) -> Result<(), KubernetesError> {
    const PROGRAM: &str = "kube-apiserver";
    let deadline = Instant::now() + START;
    loop {
        let log = server.last_words();
        if let Some(status) = server.ended()? {
            return Err(KubernetesError::NotReady {
                program: PROGRAM,
                what: format!("ended with {status}"),
                log,
            });
        }
        if Instant::now() > deadline {
            let what = format!("was not ready after {START:?}");
            return Err(KubernetesError::NotReady { program: PROGRAM, what, log });
        }
        sleep(ASKED_AGAIN).await;
        // Until it wrote its certificate, there is none to trust.
        let Ok(config) = config(&server.path().join("kubeconfig")).await else { continue };
        let Ok(client) = Client::try_from(config) else { continue };
        let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { continue };
        if client.request_text(request).await.is_ok_and(|answer| answer == "ok") {
            return Ok(());
        }
    }
}

async fn config(kubeconfig: &Path) -> Result<Config, KubernetesError> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// A kubeconfig is YAML, and JSON is YAML.
fn kubeconfig(folder: &Path, url: &str, token: &str) -> String {
    let authority = folder.join("certs").join("apiserver.crt");
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": authority}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    })
    .to_string()
}

fn write_privately(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

fn request(what: String) -> impl FnOnce(kube::Error) -> KubernetesError {
    |source| KubernetesError::Request { what, source: Box::new(source) }
}

/// The folder of the binaries: the variable's, the cache's, or a new one.
fn binaries() -> Result<PathBuf, KubernetesError> {
    if let Some(named) = std::env::var_os(BINARIES_VARIABLE) {
        let folder = PathBuf::from(named);
        return if folder.join("kube-apiserver").is_file() {
            Ok(folder)
        } else {
            let what = format!("{BINARIES_VARIABLE} names {}: no kube-apiserver there", folder.display());
            Err(KubernetesError::Binaries(what))
        };
    }
    let advice =
        format!("set {BINARIES_VARIABLE} to a folder with kube-apiserver, kube-controller-manager and etcd");
    tool::built("kubernetes", &advice).map_err(KubernetesError::Binaries)
}
