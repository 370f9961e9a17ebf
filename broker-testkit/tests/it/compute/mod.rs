//! Jobs that run as processes: on the embedded control plane, and on a real Kubernetes, which judges every status.

mod running;
mod trouble;

use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_testkit::compute::{JobController, Programs, serve_jobs};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kubernetes::Kubernetes;
use broker_testkit::wait::until;
use k8s_openapi::api::batch::v1::Job;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_mins(1);

/// A cluster, a namespace, a controller at work, and a folder where Jobs leave what they found out.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    controller: JoinHandle<()>,
    folder: TempDir,
}

impl Bench {
    async fn set_up(client: Client, namespace: &str) -> Self {
        serve_jobs(&client).await.unwrap();
        let mut bench = Self {
            client,
            namespace: namespace.to_owned(),
            controller: tokio::spawn(async {}),
            folder: TempDir::new().unwrap(),
        };
        bench.start_the_controller();
        bench
    }

    pub(crate) fn start_the_controller(&mut self) {
        let programs = Programs::new().allow_from_path(&["true", "false", "cp", "cat", "dd", "sleep"]);
        let controller =
            JobController::new(programs).retry_pause(Duration::from_millis(10)).named(self.manager());
        let client = self.client.clone();
        self.controller = tokio::spawn(async move {
            controller.run(client, CancellationToken::new()).await.unwrap();
        });
    }

    /// Who works on the Jobs of this test: neither a real Job controller nor that of another test.
    fn manager(&self) -> String {
        format!("broker-testkit.example.com/{}", self.namespace)
    }

    /// Drops it, with all that it runs.
    pub(crate) async fn kill_the_controller(&mut self) {
        self.controller.abort();
        (&mut self.controller).await.ok();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Makes a Job with this pod's spec, and more fields of its own.
    pub(crate) async fn make(&self, name: &str, mut pod: Value, more: &Value) -> Job {
        pod["restartPolicy"] = json!("Never");
        let mut spec = json!({"managedBy": self.manager(), "template": {"spec": pod}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let job = json!({"metadata": {"name": name}, "spec": spec});
        let job: Job = serde_json::from_value(job).unwrap();
        self.jobs().create(&PostParams::default(), &job).await.unwrap()
    }

    pub(crate) async fn until(&self, job: &Job, what: &str, holds: impl Fn(&Job) -> bool) -> Job {
        let found = until(&self.jobs(), &job.name_any(), what, DEADLINE, |job| job.is_some_and(&holds)).await;
        found.unwrap_or_else(|error| panic!("{error}")).unwrap()
    }

    pub(crate) async fn until_over(&self, job: &Job) -> Job {
        self.until(job, "a Job to be over", |job| reason(job, "Complete").or(reason(job, "Failed")).is_some())
            .await
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

/// The reason of a condition that is true.
pub(crate) fn reason(job: &Job, type_: &str) -> Option<String> {
    let mut conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions
        .find(|condition| condition.type_ == type_ && condition.status == "True")
        .and_then(|condition| condition.reason.clone())
}

/// A container; what is missing here is given by `more`.
pub(crate) fn container(name: &str, command: &[&str], more: &Value) -> Value {
    let mut container = json!({"name": name, "image": "example.com/none", "command": command});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    container
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

macro_rules! on_both {
    ($($module:ident :: $scenario:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    let server = super::ControlPlane::builder().start().await.unwrap();
                    let client = kube::Client::try_from(server.admin_config()).unwrap();
                    super::$module::$scenario(super::Bench::set_up(client, "default").await).await;
                    server.shutdown().await;
                }
            )*
        }

        mod kubernetes {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    rustls::crypto::ring::default_provider().install_default().ok();
                    let server = super::Kubernetes::shared().await.unwrap_or_else(|error| panic!("{error}"));
                    let namespace = server.namespace("jobs").await.unwrap();
                    let client = server.admin().await.unwrap();
                    super::$module::$scenario(super::Bench::set_up(client, &namespace).await).await;
                }
            )*
        }
    };
}

on_both! {
    running::what_init_containers_leave_is_there_for_the_containers,
    running::what_is_missing_and_not_optional_is_waited_for,
    running::a_job_that_is_kept_for_no_time_is_gone_when_it_is_done,
    trouble::a_job_fails_when_it_failed_once_more_than_it_may,
    trouble::a_job_that_takes_too_long_is_ended,
    trouble::what_is_not_done_here_is_refused_by_name,
    trouble::a_job_that_is_deleted_takes_its_processes_along,
    trouble::a_controller_that_is_dropped_takes_the_processes_along_and_the_next_counts_them_as_failed,
}
