//! The broker as one thing to start: for the binary, for tests, and for programs that embed it.

mod handle;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker_kcp::Surroundings;
use broker_kcp::fleet::Clusters;
use broker_kcp::kcp::{Endpoint, EndpointError};
use broker_kcp::reconcile::{Execute, Options, Service};
use http::request::Parts;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::election::{LEASE_NAMESPACE, Terms, campaign};
use crate::health::{self, Debugging};
use crate::http::{Place, Unbound, serve};
use crate::kubeconfigs::Folder;
use crate::metrics;

pub use handle::{OperatorEnded, OperatorHandle};

/// Whether brokers of the same platform take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderElection {
    /// Only the one that holds the Lease works; others wait with warm caches.
    #[default]
    Lease,
    /// This one works, whoever else does.
    Off,
}

/// What an operator is made from. See [`Operator::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct OperatorBuilder {
    config: Option<Config>,
    kubeconfig: Option<PathBuf>,
    compute_kubeconfig: Option<PathBuf>,
    clusters_folder: Option<PathBuf>,
    surroundings: Surroundings,
    options: Options,
    election: LeaderElection,
    identity: Option<String>,
    lease_namespace: Option<String>,
    lease_duration: Duration,
    lease_renewal: Duration,
    health: Place,
    debugging: Debugging,
    metrics: Place,
}

/// Why an operator could not be started, or stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig {from}: {reason}")]
    Kubeconfig {
        /// Which one.
        from: String,
        /// Why.
        reason: String,
    },
    /// No client can be made from it.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The folder of kubeconfigs cannot be watched.
    #[error("cannot watch the folder of kubeconfigs {folder}: {reason}")]
    Folder {
        /// Which one.
        folder: String,
        /// Why.
        reason: String,
    },
    /// The address for probes cannot be listened on.
    #[error("cannot listen on {address} for health probes: {source}")]
    Health {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address for metrics cannot be listened on.
    #[error("cannot listen on {address} for metrics: {source}")]
    Metrics {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A broker that is ready to run.
pub struct Operator {
    service: Service,
    endpoint: Endpoint,
    kubeconfigs: Option<Folder>,
    election: LeaderElection,
    terms: Terms,
    leading: watch::Sender<bool>,
    health: Place,
    debugging: Debugging,
    metrics: Place,
}

impl Operator {
    /// Begins to describe an operator. Without anything else it uses `$KUBECONFIG`, the usual file or the
    /// service account of its pod, holds a Lease, and moves orders where it must.
    pub fn builder() -> OperatorBuilder {
        OperatorBuilder {
            config: None,
            kubeconfig: None,
            compute_kubeconfig: None,
            clusters_folder: None,
            surroundings: Surroundings::default(),
            options: Options::default(),
            election: LeaderElection::default(),
            identity: None,
            lease_namespace: None,
            lease_duration: Duration::from_secs(15),
            lease_renewal: Duration::from_secs(3),
            health: Place::default(),
            debugging: Debugging::default(),
            metrics: Place::default(),
        }
    }

    /// A look at it while it runs.
    pub fn handle(&self) -> OperatorHandle {
        OperatorHandle::new(self.service.clone(), self.leading.subscribe())
    }

    /// Shows this registry what the broker counts, and what its caches hold whenever it is asked: for a program that
    /// embeds it and serves metrics of its own. All names begin with `resource_broker`. Where several operators run in
    /// one process, each takes a registry of its own, or a part with a prefix of its own.
    pub fn register(&self, registry: &mut Registry) {
        self.service.register(registry);
        metrics::register(registry, self.leading.subscribe());
    }

    /// Begins to answer probes, if anybody does.
    async fn probes(&self) -> Result<Option<AbortOnDrop>, OperatorError> {
        let failed = |Unbound { address, source }| OperatorError::Health { address, source };
        let Some((listener, address)) = self.health.listen().await.map_err(failed)? else { return Ok(None) };
        tracing::info!(%address, debugging = ?self.debugging, "serving health probes");
        let (operator, debugging) = (self.handle(), self.debugging);
        let answer = move |request: &Parts, peer| health::answer(request, peer, &operator, debugging);
        Ok(Some(AbortOnDrop(tokio::spawn(serve(listener, answer).in_current_span()))))
    }

    /// Begins to serve metrics, if anybody does.
    async fn scrapes(&self) -> Result<Option<AbortOnDrop>, OperatorError> {
        let failed = |Unbound { address, source }| OperatorError::Metrics { address, source };
        let Some((listener, address)) = self.metrics.listen().await.map_err(failed)? else { return Ok(None) };
        tracing::info!(%address, "serving metrics");
        let mut registry = Registry::default();
        self.register(&mut registry);
        let registry = Arc::new(registry);
        let answer = move |request: &Parts, _| metrics::answer(request, &registry);
        Ok(Some(AbortOnDrop(tokio::spawn(serve(listener, answer).in_current_span()))))
    }

    /// Works until `shutdown` resolves, finishes what is in hand, and gives the Lease up.
    ///
    /// Everything runs on the runtime and in the tracing span in which this is polled, and nothing of it is left when
    /// it returns: no task, no connection that is in use, no listener. Dropped before, it stops like a process that is
    /// killed, which is safe, and leaves the Lease to run out.
    ///
    /// # Errors
    /// Where an address cannot be listened on. A platform that does not answer is waited for.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), OperatorError> {
        let stop = CancellationToken::new();
        let _serving = (self.probes().await?, self.scrapes().await?);
        tracing::info!(platform = self.endpoint.url(), identity = %self.terms.identity, "starting");
        let platform = self.endpoint.itself();
        let election = async {
            // The lead is given up after the last write, not before.
            let work_is_over = CancellationToken::new();
            let campaigning = campaign(&platform, &self.terms, &self.leading, work_is_over.cancelled());
            let working = async {
                self.service.run(stop.cancelled()).await;
                work_is_over.cancel();
            };
            match self.election {
                LeaderElection::Lease => {
                    tokio::join!(campaigning, working);
                }
                LeaderElection::Off => {
                    self.leading.send_replace(true);
                    working.await;
                    self.leading.send_replace(false);
                }
            }
        };
        let _reading = self.kubeconfigs.map(|folder| AbortOnDrop(tokio::spawn(folder.follow())));
        let stopping = async {
            shutdown.await;
            tracing::info!("stopping: finishing what is in hand");
            stop.cancel();
        };
        tokio::join!(election, stopping);
        tracing::info!("stopped");
        Ok(())
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator")
            .field("endpoint", &self.endpoint)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

impl OperatorBuilder {
    /// The platform workspace and who we are there.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Where the time comes from, how servers are reached, what is counted with and who writes, instead of the wall clock,
    /// kube's own clients, and the broker's own instruments and executor. Replaces what [`Self::executor`] said.
    pub fn surroundings(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// Who carries out what is decided about orders: this one, around the broker's own executor.
    pub fn executor(mut self, executor: impl Execute + 'static) -> Self {
        self.surroundings.execute = Arc::new(executor);
        self
    }

    /// The file that names the platform workspace and who we are there.
    pub fn kubeconfig(mut self, path: impl Into<PathBuf>) -> Self {
        self.kubeconfig = Some(path.into());
        self
    }

    /// The cluster in which the helper objects of playbooks run, and who we are there. Without one a playbook that makes
    /// objects is not followed.
    pub fn compute(mut self, config: Config) -> Self {
        self.options.compute = Some(config);
        self
    }

    /// Where consumers and providers are. Where nothing is said: workspaces of kcp, where the platform's URL is that of a
    /// workspace, else clusters of plain Kubernetes whose kubeconfigs lie in Secrets of the platform's cluster, in the
    /// namespace of its kubeconfig or pod (see [`Clusters`]).
    pub fn clusters(mut self, clusters: Clusters) -> Self {
        self.options.clusters = Some(clusters);
        self
    }

    /// Consumers and providers are clusters of plain Kubernetes, each reached as a file of this folder says: a kubeconfig
    /// named as the cluster, with the ending `.kubeconfig` or `.yaml`, or with none. They come and go with the files.
    pub fn clusters_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.clusters_folder = Some(folder.into());
        self
    }

    /// The file that names that cluster, and who we are there.
    pub fn compute_kubeconfig(mut self, path: impl Into<PathBuf>) -> Self {
        self.compute_kubeconfig = Some(path.into());
        self
    }

    /// Whether orders that were served may move.
    pub fn enable_migration(mut self, enable: bool) -> Self {
        self.options.enable_migration = enable;
        self
    }

    /// How often everything is compared again; costs no calls.
    pub fn reconcile_interval(mut self, interval: Duration) -> Self {
        self.options.reconcile_interval = interval;
        self
    }

    /// Whether brokers take turns.
    pub fn leader_election(mut self, election: LeaderElection) -> Self {
        self.election = election;
        self
    }

    /// Who we are among brokers of the same platform; must be unique, across restarts too.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// The namespace of the Lease in the platform's workspace; `default` unless said otherwise. All brokers of a platform
    /// must agree on it.
    pub fn lease_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.lease_namespace = Some(namespace.into());
        self
    }

    /// How the Lease is held: after how long without a sign of life another takes over, and how often one is given.
    pub fn lease_times(mut self, duration: Duration, renewal: Duration) -> Self {
        self.lease_duration = duration;
        self.lease_renewal = renewal;
        self
    }

    /// Where `/healthz` and `/readyz` are served.
    pub fn health_probes(mut self, address: std::net::SocketAddr) -> Self {
        self.health = Place::Address(address);
        self
    }

    /// The same on a socket that is bound already, such as one that was handed over by a supervisor.
    pub fn health_listener(mut self, listener: std::net::TcpListener) -> Self {
        self.health = Place::Bound(Arc::new(listener));
        self
    }

    /// Where `/metrics` is served. A program that serves metrics of its own takes [`Operator::register`] instead.
    pub fn metrics(mut self, address: std::net::SocketAddr) -> Self {
        self.metrics = Place::Address(address);
        self
    }

    /// The same on a socket that is bound already.
    pub fn metrics_listener(mut self, listener: std::net::TcpListener) -> Self {
        self.metrics = Place::Bound(Arc::new(listener));
        self
    }

    /// Whether `/debug/explain` and `/debug/queues` are served beside the probes, to whoever asks from this machine. They
    /// show the names of orders, and providers' names, costs and filters.
    pub fn debug_endpoints(mut self, enable: bool) -> Self {
        self.debugging = if enable { Debugging::On } else { Debugging::Off };
        self
    }

    /// Reads the configuration. Does not connect yet: a platform that is away at the start is waited for.
    pub async fn build(self) -> Result<Operator, OperatorError> {
        let config = match (self.config, &self.kubeconfig) {
            (Some(config), _) => config,
            (None, Some(path)) => read_kubeconfig(path).await?,
            (None, None) => Config::infer().await.map_err(|error| OperatorError::Kubeconfig {
                from: "of the environment".to_owned(),
                reason: format!("{error}; give --kubeconfig or set KUBECONFIG"),
            })?,
        };
        let mut options = self.options;
        if let Some(path) = &self.compute_kubeconfig {
            options.compute = Some(read_kubeconfig(path).await?);
        }
        let kubeconfigs = self.clusters_folder.map(Folder::watch).transpose()?;
        if let Some(folder) = &kubeconfigs {
            options.clusters = Some(Clusters::Members(folder.members()));
        }
        let usual = match options.clusters.get_or_insert_with(|| Clusters::of(&config)) {
            Clusters::Workspaces => LEASE_NAMESPACE.to_owned(),
            Clusters::Secrets(namespace) => namespace.clone(),
            Clusters::Members(_) => config.default_namespace.clone(),
        };
        let (leading, watching) = watch::channel(false);
        let clock = self.surroundings.clock.clone();
        let service = Service::new(config, self.surroundings, options, watching)?;
        let endpoint = service.fleet().endpoint().clone();
        let mut terms =
            Terms::new(self.identity.unwrap_or_else(unique_identity), self.lease_namespace.unwrap_or(usual));
        terms.duration = self.lease_duration;
        terms.renewal = self.lease_renewal;
        terms.clock = clock;
        Ok(Operator {
            service,
            endpoint,
            kubeconfigs,
            election: self.election,
            terms,
            leading,
            health: self.health,
            debugging: self.debugging,
            metrics: self.metrics,
        })
    }
}

async fn read_kubeconfig(path: &std::path::Path) -> Result<Config, OperatorError> {
    let failed = |reason: String| OperatorError::Kubeconfig { from: path.display().to_string(), reason };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| failed(error.to_string()))?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| failed(error.to_string()))
}

/// Ends a task with whoever started it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The pod's or machine's name, and something that no other process has.
fn unique_identity() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    let host = host.unwrap_or_else(|| "resource-broker".to_owned());
    format!("{host}_{}_{}", std::process::id(), jiff::Timestamp::now().as_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_ends_the_start_with_one_line() {
        rustls::crypto::ring::default_provider().install_default().ok();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let builder = || Operator::builder().config(Config::new("http://127.0.0.1:1".parse().unwrap()));
        for (builder, purpose) in
            [(builder().metrics(address), "metrics"), (builder().health_probes(address), "health probes")]
        {
            let operator = builder.build().await.unwrap();
            let failed = operator.run(std::future::pending()).await.unwrap_err().to_string();
            assert!(failed.starts_with(&format!("cannot listen on {address} for {purpose}: ")), "{failed}");
            assert_eq!(failed.lines().count(), 1, "{failed}");
        }
    }
}
