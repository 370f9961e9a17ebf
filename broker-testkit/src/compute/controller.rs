//! Which Jobs there are, and that each has one life.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::kind::job_resource;
use super::life::Life;
use super::programs::Programs;

/// Who works on a Job that names nobody.
const BUILT_IN: &str = "kubernetes.io/job-controller";
/// Kubernetes' pause before a second attempt.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// What the controller, or the making of its kind, could not do.
#[derive(Debug, Error)]
pub enum ComputeError {
    /// Jobs are not there, or may not be read.
    #[error("cannot list jobs.batch; are they served there?")]
    NotServed {
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// A call failed.
    #[error("cannot {action} {name}")]
    Call {
        /// What was tried.
        action: &'static str,
        /// The object.
        name: String,
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// The kind did not come to be served.
    #[error(transparent)]
    Wait(#[from] Box<crate::wait::WaitError>),
}

/// Runs the Jobs of a cluster as processes of this machine. What it does and does not: [module](super).
#[derive(Clone, Debug)]
pub struct JobController {
    programs: Programs,
    retry_pause: Duration,
    name: String,
}

/// Something at work on a Job. Dropping it ends that at once.
struct Working {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl JobController {
    /// A controller that runs these programs.
    pub fn new(programs: Programs) -> Self {
        Self { programs, retry_pause: RETRY_PAUSE, name: BUILT_IN.to_owned() }
    }

    /// The pause before a Job's second attempt, 10 s by default; it doubles with each, up to six minutes.
    #[must_use]
    pub fn retry_pause(self, retry_pause: Duration) -> Self {
        Self { retry_pause, ..self }
    }

    /// Works on Jobs whose `managedBy` is this name, and on no others: beside the Job controller of a Kubernetes. Without
    /// it, on all that name nobody else.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Works on the cluster that `client` points to, in all namespaces, until `shutdown` is cancelled. Then, or when
    /// this is dropped, whatever runs is killed.
    ///
    /// # Errors
    ///
    /// [`ComputeError::NotServed`] at the start. Later errors are retried and logged.
    pub async fn run(self, client: Client, shutdown: CancellationToken) -> Result<(), ComputeError> {
        let jobs: Api<DynamicObject> = Api::all_with(client.clone(), &job_resource());
        jobs.list(&ListParams::default().limit(1))
            .await
            .map_err(|source| ComputeError::NotServed { source: Box::new(source) })?;
        let mut events = std::pin::pin!(watcher(jobs, watcher::Config::default()).default_backoff());
        let mut at_work: BTreeMap<String, Working> = BTreeMap::new();
        let mut listed = BTreeSet::new();
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = shutdown.cancelled() => break,
            };
            match event {
                Some(Ok(Event::Init)) => listed.clear(),
                Some(Ok(Event::InitApply(job))) => {
                    listed.extend(job.uid());
                    self.see(&client, job, &mut at_work);
                }
                Some(Ok(Event::InitDone)) => stop_others(&at_work, &listed),
                Some(Ok(Event::Apply(job))) => self.see(&client, job, &mut at_work),
                Some(Ok(Event::Delete(job))) => stop(&at_work, &job.uid().unwrap_or_default()),
                Some(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the watch on Jobs goes on");
                }
                None => break,
            }
            at_work.retain(|_, working| !(working.task.is_finished() && working.stop.is_cancelled()));
        }
        Ok(())
    }

    fn see(&self, client: &Client, job: DynamicObject, at_work: &mut BTreeMap<String, Working>) {
        let Some(uid) = job.uid() else { return };
        if job.metadata.deletion_timestamp.is_some() {
            return stop(at_work, &uid);
        }
        let manager = job.data.pointer("/spec/managedBy").and_then(Value::as_str);
        if manager.unwrap_or(BUILT_IN) != self.name || at_work.contains_key(&uid) {
            return;
        }
        let stop = CancellationToken::new();
        let life = Life {
            client: client.clone(),
            job,
            programs: self.programs.clone(),
            retry_pause: self.retry_pause,
            stop: stop.clone(),
        };
        at_work.insert(uid, Working { stop, task: tokio::spawn(life.live()) });
    }
}

/// Lets what runs for a Job come to its end.
fn stop(at_work: &BTreeMap<String, Working>, uid: &str) {
    if let Some(working) = at_work.get(uid) {
        working.stop.cancel();
    }
}

fn stop_others(at_work: &BTreeMap<String, Working>, listed: &BTreeSet<String>) {
    for uid in at_work.keys().filter(|uid| !listed.contains(*uid)) {
        stop(at_work, uid);
    }
}
