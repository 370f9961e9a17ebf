//! Jobs that fail, are refused, or are ended.

use std::fs::File;
use std::io::Read as _;
use std::process::Command;

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::{Bench, container, reason, text};

fn one(command: &[&str]) -> Value {
    json!({"containers": [container("a", command, &json!({}))]})
}

fn message(job: &Job) -> &str {
    let conditions = job.status.as_ref().unwrap().conditions.as_ref().unwrap();
    conditions.iter().find(|condition| condition.type_ == "Failed").unwrap().message.as_deref().unwrap()
}

pub(crate) async fn a_job_fails_when_it_failed_once_more_than_it_may(bench: Bench) {
    let pod = json!({"containers": [
        container("fine", &["true"], &json!({})),
        container("broken", &["false"], &json!({})),
    ]});
    let job = bench.make("fails", pod, &json!({"backoffLimit": 2})).await;
    let job = bench.until_over(&job).await;
    for type_ in ["FailureTarget", "Failed"] {
        assert_eq!(reason(&job, type_).as_deref(), Some("BackoffLimitExceeded"), "{:?}", job.status);
    }
    assert!(message(&job).ends_with("container broken ended with exit status: 1"), "{}", message(&job));
    let status = job.status.unwrap();
    assert_eq!((status.failed, status.succeeded, status.active), (Some(3), None, None));
    assert!(status.start_time.is_some() && status.completion_time.is_none());
}

pub(crate) async fn a_job_that_takes_too_long_is_ended(bench: Bench) {
    let job = bench.make("slow", one(&["sleep", "86400"]), &json!({"activeDeadlineSeconds": 1})).await;
    let job = bench.until_over(&job).await;
    for type_ in ["FailureTarget", "Failed"] {
        assert_eq!(reason(&job, type_).as_deref(), Some("DeadlineExceeded"), "{:?}", job.status);
    }
    assert_eq!(job.status.unwrap().failed, Some(1));
}

pub(crate) async fn what_is_not_done_here_is_refused_by_name(bench: Bench) {
    let job = bench.make("shell", one(&["sh", "-c", "true"]), &json!({})).await;
    let job = bench.until_over(&job).await;
    assert_eq!(reason(&job, "Failed").as_deref(), Some("NotSupported"), "{:?}", job.status);
    assert!(message(&job).contains("containers[0].command[0] is \"sh\""), "{}", message(&job));
    assert_eq!(job.status.unwrap().failed, None, "it was never tried");
}

/// A Job that runs until it is ended. Reading what is returned ends when it was.
async fn held(bench: &Bench, name: &str) -> (Job, File, File) {
    let (input, output) = (bench.path("input"), bench.path("output"));
    let made = Command::new("mkfifo").args([&input, &output]).status().unwrap();
    assert!(made.success());
    let (from, to) = (format!("if={}", text(&input)), format!("of={}", text(&output)));
    let job = bench.make(name, one(&["dd", &from, &to]), &json!({"backoffLimit": 0})).await;
    let opened = tokio::task::spawn_blocking(move || {
        // Each waits for the other end.
        let input = File::options().write(true).open(input).unwrap();
        (input, File::open(output).unwrap())
    });
    let (input, output) = opened.await.unwrap();
    (job, input, output)
}

async fn until_ended(mut output: File) {
    let ended = tokio::task::spawn_blocking(move || output.read_to_end(&mut Vec::new()).unwrap());
    tokio::time::timeout(super::DEADLINE, ended).await.expect("the process lives on").unwrap();
}

pub(crate) async fn a_job_that_is_deleted_takes_its_processes_along(bench: Bench) {
    let (job, _input, output) = held(&bench, "deleted").await;
    bench.jobs().delete(&job.name_any(), &DeleteParams::background()).await.unwrap();
    until_ended(output).await;
}

pub(crate) async fn a_controller_that_is_dropped_takes_the_processes_along_and_the_next_counts_them_as_failed(
    mut bench: Bench,
) {
    let (job, _input, output) = held(&bench, "orphaned").await;
    bench.kill_the_controller().await;
    until_ended(output).await;
    bench.start_the_controller();
    let job = bench.until_over(&job).await;
    assert_eq!(reason(&job, "Failed").as_deref(), Some("BackoffLimitExceeded"), "{:?}", job.status);
    assert!(message(&job).ends_with("its controller was away"), "{}", message(&job));
    assert_eq!(job.status.unwrap().failed, Some(1));
}
