//! One attempt at a Job: its folders, and its containers in their order.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use futures::future::join_all;
use tempfile::TempDir;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::environment::Sources;
use super::expand;
use super::plan::{Plan, Task};
use super::process::{self, Order};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All containers ended with 0.
    Succeeded,
    /// Which did not, in words for people.
    Failed(String),
}

/// What kept an attempt from being made.
#[derive(Debug, Error)]
pub(super) enum PodError {
    /// No folder could be made.
    #[error("no folder could be made")]
    Folder(#[from] io::Error),
    /// A Secret or a ConfigMap cannot be read.
    #[error("a Secret or a ConfigMap cannot be read")]
    Sources(#[from] kube::Error),
}

/// Runs all containers of `plan` once; `job` is for the log.
pub(super) async fn attempt(
    job: &str,
    plan: &Plan,
    sources: &Sources,
    stop: &CancellationToken,
) -> Result<Outcome, PodError> {
    let place = TempDir::with_prefix("job-")?;
    let folder = |kind: &str, name: &str| {
        let path = place.path().join(kind).join(name);
        std::fs::create_dir_all(&path).map(|()| path)
    };
    let mut volumes = BTreeMap::new();
    for name in &plan.volumes {
        volumes.insert(name.as_str(), folder("volumes", name)?);
    }
    for task in &plan.first {
        let own = folder("containers", &task.name)?;
        let outcome = run(job, task, plan, &volumes, &own, sources, stop).await?;
        if outcome != Outcome::Succeeded {
            return Ok(outcome);
        }
    }
    let mut running = Vec::new();
    for task in &plan.then {
        let own = folder("containers", &task.name)?;
        let volumes = &volumes;
        running.push(async move { run(job, task, plan, volumes, &own, sources, stop).await });
    }
    let mut outcomes = join_all(running).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let failed = outcomes.iter().position(|outcome| *outcome != Outcome::Succeeded);
    Ok(failed.map_or(Outcome::Succeeded, |index| outcomes.swap_remove(index)))
}

async fn run(
    job: &str,
    task: &Task,
    plan: &Plan,
    volumes: &BTreeMap<&str, std::path::PathBuf>,
    own: &Path,
    sources: &Sources,
    stop: &CancellationToken,
) -> Result<Outcome, PodError> {
    let mounts: Vec<(String, String)> = task
        .mounts
        .iter()
        .filter_map(|(at, volume)| Some((at.clone(), volumes.get(volume.as_str())?.display().to_string())))
        .collect();
    let environment = tokio::select! {
        environment = sources.environment(task, &mounts) => environment?,
        () = stop.cancelled() => return Ok(Outcome::Failed(format!("{} was stopped", task.name))),
    };
    let written = |text: &String| expand::variables(&expand::mounts(text, &mounts), &environment.variables);
    let folder = match &task.folder {
        Some(folder) => expand::mounts(folder, &mounts).into(),
        None => own.to_owned(),
    };
    std::fs::create_dir_all(&folder)?;
    let name = format!("{job}/{}", task.name);
    let order = Order {
        name: &name,
        program: &task.program,
        arguments: task.arguments.iter().map(written).collect(),
        environment,
        folder,
        grace: plan.grace,
    };
    Ok(match process::run(&order, stop).await {
        Ok(status) if status.success() => Outcome::Succeeded,
        Ok(status) => Outcome::Failed(format!("container {} ended with {status}", task.name)),
        Err(error) => Outcome::Failed(format!("container {} could not be started: {error}", task.name)),
    })
}
