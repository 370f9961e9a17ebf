//! One Job's life, from the moment the controller sees it to its last status.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::JobStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::environment::Sources;
use super::kind::job_resource;
use super::plan::Plan;
use super::pod::{Outcome, attempt};
use super::programs::Programs;
use super::status::{self, Failure};

/// The name under which statuses are written.
const FIELD_MANAGER: &str = "local-job-controller";
/// The longest pause between two attempts, as in Kubernetes.
const LONGEST_PAUSE: Duration = Duration::from_mins(6);
/// The pause before a call that failed is tried again; it doubles up to the other.
const AFTER_ERROR: Duration = Duration::from_millis(500);
const LONG_AFTER_ERROR: Duration = Duration::from_secs(30);

/// A Job and what is needed to run it.
pub(super) struct Life {
    pub(super) client: Client,
    pub(super) job: DynamicObject,
    pub(super) programs: Programs,
    pub(super) retry_pause: Duration,
    pub(super) stop: CancellationToken,
}

/// The Job is no longer there, or nobody wants its end any more.
struct Gone;

impl Life {
    /// Lives it. Ends when the Job is over, is gone, or `stop` is cancelled.
    pub(super) async fn live(self) {
        let status = self.status();
        // Whether it was seen to its end, or its end came first, nothing is left to do.
        if status::is_finished(&status) || self.work(status).await.is_ok() {
            self.clear_away().await;
        }
    }

    fn status(&self) -> JobStatus {
        let status = self.job.data.get("status").cloned().unwrap_or_default();
        serde_json::from_value(status).unwrap_or_default()
    }

    fn spec(&self) -> &Value {
        self.job.data.get("spec").unwrap_or(&Value::Null)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.job.namespace().unwrap_or_default(), self.job.name_any())
    }

    fn api(&self) -> Api<DynamicObject> {
        let namespace = self.job.namespace().unwrap_or_default();
        Api::namespaced_with(self.client.clone(), &namespace, &job_resource())
    }

    async fn work(&self, status: JobStatus) -> Result<(), Gone> {
        let name = self.name();
        let mut status = status::begun(status, Timestamp::now());
        let plan = match Plan::read(self.spec(), &self.programs) {
            Ok(plan) => plan,
            Err(what) => return self.fail(status, Failure::not_supported(what)).await,
        };
        let deadline = plan.deadline.map(|deadline| Instant::now() + left(&status, deadline));
        let sources = Sources::new(&self.client, &self.job.namespace().unwrap_or_default());
        let (mut pause, mut last) = (self.retry_pause, "its controller was away".to_owned());
        loop {
            let failures = status.failed.unwrap_or_default();
            if failures > plan.back_off_limit {
                return self.fail(status, Failure::back_off_limit(&last)).await;
            }
            if failures > 0 {
                tokio::select! {
                    () = sleep(pause) => pause = pause.saturating_mul(2).min(LONGEST_PAUSE),
                    () = at(deadline) => return self.fail(status, Failure::deadline()).await,
                    () = self.stop.cancelled() => return Err(Gone),
                }
            }
            status = status::running(status);
            self.publish(&status).await?;
            tracing::info!(job = name, "runs");
            let stop = self.stop.child_token();
            let mut trying = std::pin::pin!(attempt(&name, &plan, &sources, &stop));
            let outcome = tokio::select! {
                outcome = &mut trying => outcome,
                () = at(deadline) => {
                    stop.cancel();
                    status = status::failing(status, &Failure::deadline(), Timestamp::now());
                    self.publish(&status).await?;
                    // However it ends: it is too late.
                    trying.await.ok();
                    return self.fail(status::attempt_failed(status), Failure::deadline()).await;
                }
            };
            if self.stop.is_cancelled() {
                return Err(Gone);
            }
            match outcome {
                Ok(Outcome::Succeeded) => {
                    tracing::info!(job = name, "is done");
                    return self.publish(&status::complete(status, Timestamp::now())).await;
                }
                Ok(Outcome::Failed(why)) => last = why,
                Err(error) => {
                    tracing::warn!(
                        job = name,
                        error = &error as &dyn std::error::Error,
                        "could not be tried"
                    );
                    last = error.to_string();
                }
            }
            tracing::warn!(job = name, last, "an attempt failed");
            status = status::attempt_failed(status);
            self.publish(&status).await?;
        }
    }

    async fn fail(&self, status: JobStatus, failure: Failure) -> Result<(), Gone> {
        tracing::warn!(job = self.name(), reason = failure.reason, failure.message, "failed");
        self.publish(&status::failed(status, &failure, Timestamp::now())).await
    }

    /// Writes the status, however long that takes.
    async fn publish(&self, status: &JobStatus) -> Result<(), Gone> {
        let mut pause = AFTER_ERROR;
        loop {
            match self.write(status).await {
                Ok(written) => return written,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(job = self.name(), error, "the status will be written again");
                }
            }
            tokio::select! {
                () = sleep(pause) => pause = pause.saturating_mul(2).min(LONG_AFTER_ERROR),
                () = self.stop.cancelled() => return Err(Gone),
            }
        }
    }

    /// Writes the status of this Job, not of a namesake: no server looks at the uid of a status that is applied, so the
    /// version is the guard.
    async fn write(&self, status: &JobStatus) -> Result<Result<(), Gone>, kube::Error> {
        let (api, name, resource) = (self.api(), self.job.name_any(), job_resource());
        let Some(there) = api.get_metadata_opt(&name).await?.filter(|there| there.uid() == self.job.uid())
        else {
            return Ok(Err(Gone));
        };
        let patch = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {
                "name": name, "namespace": self.job.namespace(), "resourceVersion": there.resource_version(),
            },
            "status": status,
        });
        let force = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch_status(&name, &force, &Patch::Apply(&patch)).await {
            Ok(_) => Ok(Ok(())),
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(Err(Gone)),
            Err(error) => Err(error),
        }
    }

    /// Removes the Job when it was kept long enough.
    async fn clear_away(&self) {
        let kept = self.spec().get("ttlSecondsAfterFinished").and_then(Value::as_u64);
        let Some(kept) = kept.map(Duration::from_secs) else { return };
        tokio::select! {
            () = sleep(kept) => {}
            () = self.stop.cancelled() => return,
        }
        let this_one = DeleteParams {
            preconditions: Some(Preconditions { uid: self.job.uid(), resource_version: None }),
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        if let Err(error) = self.api().delete(&self.job.name_any(), &this_one).await {
            tracing::warn!(
                job = self.name(),
                error = &error as &dyn std::error::Error,
                "could not be removed"
            );
        }
    }
}

/// What is left of a time that began when the Job did.
fn left(status: &JobStatus, of: Duration) -> Duration {
    let Some(Time(since)) = &status.start_time else { return of };
    let past = Timestamp::now().duration_since(*since);
    of.saturating_sub(Duration::try_from(past).unwrap_or_default())
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
