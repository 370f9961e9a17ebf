//! An in-process Kubernetes and kcp API server for tests and demonstrations.
//!
//! It speaks HTTPS on a free loopback port, well enough for kube-rs, kubectl, client-go and this project's operator to
//! use it unchanged; it starts in milliseconds and keeps everything in memory. Without a prefix its URL is a
//! plain Kubernetes cluster (and kcp's root workspace), under `/clusters/<path or id>` it is a workspace,
//! under `/services/apiexport/…` the virtual workspace of an export.
//!
//! The rooms, each of which knows only those before it:
//!
//! | room | decides |
//! |---|---|
//! | [`machinery`] | pure functions over objects: schemas, apply, patches, tables, OpenAPI |
//! | `storage` | objects, one revision, what happened since |
//! | `registry` | what is served, and what a write does to an object |
//! | `rbac` | who asks, and what they may do |
//! | `kcp` | which clusters there are, and what they see of each other |
//! | `lifecycle` | what happens after a write by itself |
//! | `wire` | URLs, media types, streams |
//!
//! # What is faithful, what is left out
//!
//! | part | as the real servers do it | left out, or simpler |
//! |---|---|---|
//! | objects | create, update, delete, collections; generated names; optimistic locks; generation; status apart from the rest; dry runs; preconditions | |
//! | patches | JSON patch, merge patch, strategic merge patch of built-in kinds, server-side apply with managers, conflicts, force | |
//! | kinds | Namespaces, ConfigMaps, Secrets, ServiceAccounts, Events of both groups, Leases, RBAC, definitions, reviews | Pods and all workloads, Services, nodes, volumes, quotas, certificate requests: `501` |
//! | definitions | structural schemas: validation, defaults, pruning; CEL rules; printer columns; selectable fields; several versions | conversion webhooks and the `scale` subresource: `501` |
//! | admission | what the server itself demands of its kinds | webhooks and policies: `501` |
//! | lists, watches | pages, one revision, bookmarks, streamed lists, `410 Expired`, label and field selectors, Tables, `PartialObjectMetadata` | answers are JSON, never protobuf or CBOR |
//! | bodies | JSON, YAML, protobuf of the kinds above | protobuf of definitions: `501` |
//! | lives | finalizers, foreground and orphaning deletion, garbage collection, namespaces that go with what is in them, tokens in Secrets | |
//! | who asks | tokens of service accounts (`TokenRequest`, Secrets), impersonation of users, groups, accounts, uids and extras | tokens are remembered, not verified; client certificates |
//! | what one may | RBAC, also by name and path; aggregated roles; `escalate` and `bind`; access and rules reviews | built-in roles count without being listed, and name the kinds above only |
//! | documents | discovery, aggregated too; OpenAPI v3, and v2 for what kubectl asks of it; `/version`, health, a counter of requests | aggregated API servers: `501` |
//! | kcp | workspaces and their tree, their types (defaults, labels, which may be where), logical clusters, schemas, exports, bindings, permission claims with selectors, identities, virtual workspaces, endpoint slices, shards | initializers and default bindings of workspace types have no meaning, and no mounts; one process serves all shards out of one store ([`ControlPlane::serve_shard`]) |
//! | operation | | nothing is written to disk; one replica |
//!
//! `501` is a `Status` with the reason `NotImplemented` that names what is missing. What a kcp workspace does not
//! have either is `404` there, as on the real one. What kcp's admission refuses is refused; of what the real one lets its
//! privileged users do the administrator here may do nothing, as people's administrators there.

mod changes;
mod error;
mod in_process;
mod kcp;
mod lifecycle;
pub mod machinery;
mod plane;
mod rbac;
mod registry;
pub(crate) mod sabotage;
mod storage;
mod surroundings;
pub(crate) mod tls;
mod value;
pub(crate) mod wire;

pub use changes::{Changes, StoredChange};
pub use in_process::{InProcess, client_over};
pub(crate) use surroundings::mixed;
#[cfg(feature = "simulation")]
pub(crate) use value::hash;
pub(crate) use wire::path;
pub use wire::{Lag, Lagged, RequestKind, Requests};

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_core::port::Clock;
use broker_kcp::SystemClock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::kcp::workspace;
use self::plane::Plane;
use self::rbac::Tokens;
use self::registry::Catalog;
use self::storage::{ObjectKey, Store};
use self::surroundings::{Ids, Surroundings};
use self::wire::{Counters, Server};

/// Where a control plane without a network seems to be.
const NOWHERE: &str = "https://control-plane.invalid";

/// Why a control plane could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port could not be had.
    #[error("listening on {address}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it could not.
        source: std::io::Error,
    },
    /// The certificates could not be made.
    #[error("making the server's certificates")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up with them.
    #[error("setting up TLS")]
    Tls(#[from] rustls::Error),
}

/// What a control plane is started with.
#[derive(Debug, Clone)]
pub struct Builder {
    surroundings: Surroundings,
    port: u16,
    log_capacity: usize,
    streaming_lists: bool,
}

impl Builder {
    /// The port on 127.0.0.1; a free one by default.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How many changes of each resource can be replayed to watches; older ones get `410 Expired`.
    #[must_use]
    pub fn replayable_changes(mut self, changes: usize) -> Self {
        self.log_capacity = changes;
        self
    }

    /// Whether watches may ask for a streamed list (`sendInitialEvents`); kcp has had that switched off.
    #[must_use]
    pub fn streaming_lists(mut self, served: bool) -> Self {
        self.streaming_lists = served;
        self
    }

    /// The clock by which objects are created and tokens expire; the wall clock by default.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.surroundings.clock = clock;
        self
    }

    /// Makes uids, ids, generated names and tokens follow from this number, so that the same requests in the same order
    /// make the same objects. For tests that replay; everybody can guess the administrator's token.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.surroundings.ids = Arc::new(Ids::seeded(seed));
        self
    }

    /// Starts it on the current tokio runtime without a network: it is reached by [`ControlPlane::in_process`] alone.
    pub fn start_in_process(self) -> ControlPlane {
        let store = Arc::new(Store::new(self.log_capacity));
        let plane = Plane {
            catalog: Catalog::new(Arc::clone(&store)),
            tokens: Tokens::new(&self.surroundings),
            url: NOWHERE.to_owned(),
            authority: String::new(),
            shards: Arc::default(),
            streaming_lists: self.streaming_lists,
            surroundings: self.surroundings,
            store,
        };
        ControlPlane::without_network(plane, workspace::found_root)
    }

    /// Starts it on the current tokio runtime. It answers requests when this returns.
    pub async fn start(self) -> Result<ControlPlane, StartError> {
        let tls = tls::prepare()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let port = listener.local_addr().map_err(listen)?.port();
        let store = Arc::new(Store::new(self.log_capacity));
        let plane = Arc::new(Plane {
            catalog: Catalog::new(Arc::clone(&store)),
            tokens: Tokens::new(&self.surroundings),
            url: format!("https://127.0.0.1:{port}"),
            authority: tls.authority_pem,
            shards: Arc::default(),
            streaming_lists: self.streaming_lists,
            surroundings: self.surroundings,
            store,
        });
        let stop = CancellationToken::new();
        let feed = plane.store.feed();
        workspace::found_root(&plane);
        let lifecycle = tokio::spawn(lifecycle::run(Arc::clone(&plane), feed, stop.clone()));
        let server =
            Arc::new(Server { plane: Arc::clone(&plane), counters: Counters::default(), stop: stop.clone() });
        let wire = tokio::spawn(wire::serve(Arc::clone(&server), listener, tls.acceptor));
        Ok(ControlPlane { server, authority_der: tls.authority_der, tasks: vec![lifecycle, wire], stop })
    }
}

/// A running control plane. It stops when this is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    server: Arc<Server>,
    authority_der: Vec<u8>,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl ControlPlane {
    /// What to start it with.
    pub fn builder() -> Builder {
        let surroundings = Surroundings { clock: Arc::new(SystemClock), ids: Arc::default() };
        Builder { surroundings, port: 0, log_capacity: 10_000, streaming_lists: true }
    }

    fn without_network(plane: Plane, found: impl FnOnce(&Plane)) -> Self {
        let plane = Arc::new(plane);
        let stop = CancellationToken::new();
        let feed = plane.store.feed();
        found(&plane);
        let lifecycle = tokio::spawn(lifecycle::run(Arc::clone(&plane), feed, stop.clone()));
        let server = Arc::new(Server { plane, counters: Counters::default(), stop: stop.clone() });
        Self { server, authority_der: Vec::new(), tasks: vec![lifecycle], stop }
    }

    /// The way in without a network: no sockets, no TLS, no threads.
    pub fn in_process(&self) -> InProcess {
        InProcess::new(Arc::clone(&self.server))
    }

    /// A copy of this control plane on the current tokio runtime, reached in process alone: the same objects, versions
    /// and tokens, going on by itself, with this clock. Of a control plane that is at rest; costs no more than the pointers
    /// to its objects.
    #[must_use]
    pub fn fork(&self, clock: Arc<dyn Clock>) -> Self {
        let plane = &self.server.plane;
        let store = Arc::new(plane.store.fork());
        let copy = Plane {
            catalog: plane.catalog.fork(Arc::clone(&store)),
            tokens: plane.tokens.fork(),
            url: plane.url.clone(),
            authority: plane.authority.clone(),
            shards: Arc::new(plane.shards.fork()),
            streaming_lists: plane.streaming_lists,
            surroundings: Surroundings { clock, ids: Arc::new(plane.surroundings.ids.split()) },
            store,
        };
        Self::without_network(copy, |_| ())
    }

    /// `https://127.0.0.1:<port>`, without a path; of one without a network an address that leads nowhere.
    pub fn url(&self) -> &str {
        &self.server.plane.url
    }

    /// The certificate authority to trust, PEM.
    pub fn certificate_authority(&self) -> &str {
        &self.server.plane.authority
    }

    /// A client configuration for the administrator, who may do everything; without a workspace in its URL.
    pub fn admin_config(&self) -> kube::Config {
        self.config(self.url(), self.server.plane.tokens.admin())
    }

    /// The administrator's client configuration for one workspace, by path or id.
    pub fn workspace_config(&self, workspace: &str) -> kube::Config {
        self.config(&format!("{}/clusters/{workspace}", self.url()), self.server.plane.tokens.admin())
    }

    /// A client configuration for any URL of this server, with any token.
    pub fn config(&self, url: &str, token: &str) -> kube::Config {
        // A URL that cannot be parsed is refused by the first request with it.
        let uri = url.parse().unwrap_or_default();
        let mut config = kube::Config::new(uri);
        config.root_cert = Some(vec![self.authority_der.clone()]);
        config.auth_info.token = Some(token.to_owned().into());
        config
    }

    /// The administrator's kubeconfig for one workspace (`root`, `root:platform`), as YAML.
    pub fn kubeconfig(&self, workspace: &str) -> String {
        self.kubeconfig_with(workspace, self.server.plane.tokens.admin())
    }

    /// The administrator's kubeconfig for the root as a plain Kubernetes cluster, as YAML.
    pub fn plain_kubeconfig(&self) -> String {
        self.kubeconfig_for(self.url(), self.server.plane.tokens.admin())
    }

    /// A kubeconfig for one workspace with any token, as YAML.
    pub fn kubeconfig_with(&self, workspace: &str, token: &str) -> String {
        self.kubeconfig_for(&format!("{}/clusters/{workspace}", self.url()), token)
    }

    fn kubeconfig_for(&self, url: &str, token: &str) -> String {
        let authority = STANDARD.encode(self.certificate_authority());
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "embedded",
                "cluster": {"server": url, "certificate-authority-data": authority},
            }],
            "users": [{"name": "embedded", "user": {"token": token}}],
            "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": "embedded"}}],
            "current-context": "embedded",
        });
        // Plain maps, lists and strings can always be written.
        serde_saphyr::to_string(&config).unwrap_or_default()
    }

    /// Makes a workspace (`root:platform`) and those above it, as their Workspace objects would; answers the
    /// id of its logical cluster, or `None` if the path does not begin at the root.
    pub fn create_workspace(&self, path: &str) -> Option<String> {
        let plane = &self.server.plane;
        let mut parts = path.split(':');
        let mut cluster = parts.next().filter(|first| *first == kcp::names::ROOT)?.to_owned();
        for name in parts {
            let key = ObjectKey::new(&cluster, "", name);
            let mut object = plane.fresh("tenancy.kcp.io/v1alpha1", "Workspace", &key, true);
            kcp::rules::on_create(plane, "Workspace", &cluster, &mut object).ok()?;
            // It may be there already.
            plane.create(&kcp::names::workspaces(), key.clone(), object).ok();
            workspace::reconcile(plane, &key);
            let made = plane.store.get(&kcp::names::workspaces(), &key)?;
            value::text(&made, "/spec/cluster").clone_into(&mut cluster);
        }
        Some(cluster)
    }

    /// The id of the logical cluster at a workspace's path.
    pub fn cluster(&self, path: &str) -> Option<String> {
        kcp::door::resolve(&self.server.plane, path)
    }

    /// Announces a further shard: workspaces of these names that are made from now on live there, and the virtual
    /// workspaces of exports show them under `url` alone. `url` must lead to this server, through a
    /// [`Gate`](crate::gate::Gate) for instance, so that the shard can be cut off while the rest goes on.
    pub fn serve_shard(&self, name: &str, url: &str, workspaces: &[&str]) {
        self.server.plane.shards.add(name, url, workspaces);
    }

    /// Everything that is stored from now on. What is not taken is kept.
    pub fn changes(&self) -> Changes {
        Changes::new(self.server.plane.store.feed())
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> u64 {
        self.server.plane.store.revision()
    }

    /// How many requests of which kind were answered so far.
    pub fn requests(&self) -> Requests {
        self.server.counters.snapshot()
    }

    /// Forgets what could be replayed: whoever goes on from an earlier revision gets `410 Expired`.
    pub fn compact(&self) {
        self.server.plane.store.compact();
    }

    /// Stops it, and waits until every connection is closed.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        for task in self.tasks.drain(..) {
            if let Err(error) = task.await {
                tracing::debug!(%error, "a task of the control plane ended badly");
            }
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
