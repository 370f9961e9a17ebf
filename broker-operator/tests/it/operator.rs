//! The operator as the scenarios run it: in this process, on threads of its own, so that it can be killed
//! at any instant without a word.

use broker_operator::{LeaderElection, Operator};
use kube::Config;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::actors::DEADLINE;

/// An operator at work. Dropping it kills it.
pub(crate) struct RunningOperator {
    threads: Option<Runtime>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), String>>,
}

impl RunningOperator {
    /// Starts the operator that `run` starts.
    pub(crate) fn start(config: Config) -> Self {
        let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let shutdown = CancellationToken::new();
        let task = threads.spawn(run(config, shutdown.clone()));
        Self { threads: Some(threads), shutdown, task }
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

async fn run(config: Config, shutdown: CancellationToken) -> Result<(), String> {
    // Without a lease: a killed one would hold it for as long as the scenarios may take.
    let builder = Operator::builder().config(config).leader_election(LeaderElection::Off);
    let operator = builder.build().await.map_err(|error| error.to_string())?;
    operator.run(shutdown.cancelled_owned()).await.map_err(|error| error.to_string())
}
