//! The operator as the scenarios run it: in this process, on threads of its own, so that it can be killed
//! at any instant without a word.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use broker_kcp::fleet::Clusters;
use broker_operator::{LeaderElection, Operator, OperatorError};
use kube::Config;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::actors::DEADLINE;

/// How long another operator waits for a sign of life of the one before it.
const LEASE: Duration = Duration::from_secs(5);

/// An operator at work. Dropping it kills it.
pub(crate) struct RunningOperator {
    threads: Option<Runtime>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), OperatorError>>,
    /// Where it answers probes and about orders.
    pub(crate) probes: SocketAddr,
    /// Where its metrics are read.
    pub(crate) metrics: SocketAddr,
}

impl RunningOperator {
    /// Starts the operator that `run` starts.
    pub(crate) fn start(config: Config) -> Self {
        Self::start_with(config, None)
    }

    /// The same, with a cluster for helper objects.
    pub(crate) fn start_with(config: Config, compute: Option<Config>) -> Self {
        Self::start_as(config, compute, None, LeaderElection::Lease)
    }

    /// One that serves these clusters, and the helpers of moves in another.
    pub(crate) fn start_among(config: Config, clusters: Clusters, compute: Option<Config>) -> Self {
        Self::start_as(config, compute, Some(clusters), LeaderElection::Lease)
    }

    /// One that works whoever else does.
    pub(crate) fn start_regardless(config: Config) -> Self {
        Self::start_as(config, None, None, LeaderElection::Off)
    }

    fn start_as(
        config: Config,
        compute: Option<Config>,
        clusters: Option<Clusters>,
        election: LeaderElection,
    ) -> Self {
        let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let shutdown = CancellationToken::new();
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [probes, metrics] = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let task = threads.spawn(run(config, compute, clusters, election, listeners, shutdown.clone()));
        Self { threads: Some(threads), shutdown, task, probes, metrics }
    }

    /// Ends it as a signal would.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(DEADLINE, &mut self.task).await;
        ended
            .expect("the operator does not stop")
            .expect("the operator panicked")
            .expect("the operator failed");
    }

    /// Ends it as a power cut would: nothing more is written, and nobody is told.
    pub(crate) fn kill(mut self) {
        self.task.abort();
        self.threads.take().unwrap().shutdown_background();
    }
}

impl Drop for RunningOperator {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

async fn run(
    config: Config,
    compute: Option<Config>,
    clusters: Option<Clusters>,
    election: LeaderElection,
    [probes, metrics]: [TcpListener; 2],
    shutdown: CancellationToken,
) -> Result<(), OperatorError> {
    // The Lease of one that was killed is waited out, so it is short.
    let mut builder =
        Operator::builder().config(config).lease_times(LEASE, LEASE / 5).leader_election(election);
    if let Some(compute) = compute {
        builder = builder.compute(compute);
    }
    if let Some(clusters) = clusters {
        builder = builder.clusters(clusters);
    }
    let operator =
        builder.health_listener(probes).metrics_listener(metrics).debug_endpoints(true).build().await?;
    operator.run(shutdown.cancelled_owned()).await
}
