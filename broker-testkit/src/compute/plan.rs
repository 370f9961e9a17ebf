//! What a Job asks for, read and checked before anything of it runs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::batch::v1::JobSpec;
use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar};
use serde_json::Value;

use super::check::check;
use super::programs::Programs;

/// Kubernetes' defaults.
const BACK_OFF_LIMIT: i32 = 6;
const GRACE: i64 = 30;

/// A Job's work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// So often it may fail.
    pub(super) back_off_limit: i32,
    /// From its start on.
    pub(super) deadline: Option<Duration>,
    /// Between SIGTERM and SIGKILL.
    pub(super) grace: Duration,
    /// After its end, until it is removed.
    pub(super) kept_for: Option<Duration>,
    /// The names of its volumes.
    pub(super) volumes: BTreeSet<String>,
    /// One after the other, first.
    pub(super) first: Vec<Task>,
    /// Side by side, then.
    pub(super) then: Vec<Task>,
}

/// A container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) program: PathBuf,
    /// Of `command` and `args`, as they are written.
    pub(super) arguments: Vec<String>,
    pub(super) env: Vec<EnvVar>,
    pub(super) env_from: Vec<EnvFromSource>,
    pub(super) folder: Option<String>,
    /// Path and volume.
    pub(super) mounts: Vec<(String, String)>,
}

impl Plan {
    /// Reads a Job's spec. What is not supported is told in words, by its field.
    pub(super) fn read(spec: &Value, programs: &Programs) -> Result<Self, String> {
        check(spec)?;
        let spec: JobSpec = serde_json::from_value(spec.clone()).map_err(|error| format!("spec: {error}"))?;
        let pod = spec.template.spec.unwrap_or_default();
        let containers = pod.init_containers.iter().flatten().chain(&pod.containers).map(|of| &of.name);
        let volumes = pod.volumes.iter().flatten().map(|volume| &volume.name);
        // They become names of folders.
        if let Some(name) = containers.chain(volumes).find(|name| !is_label(name)) {
            return Err(format!(
                "{name:?} is no name of a container or a volume: a-z, 0-9 and - are possible"
            ));
        }
        let volumes: BTreeSet<String> = pod.volumes.into_iter().flatten().map(|volume| volume.name).collect();
        let tasks = |list: Option<Vec<Container>>, named: &str| {
            let tasks = list.into_iter().flatten().enumerate();
            tasks
                .map(|(index, container)| {
                    let path = format!("spec.template.spec.{named}[{index}]");
                    Task::read(container, &path, &volumes, programs)
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let (first, then) =
            (tasks(pod.init_containers, "initContainers")?, tasks(Some(pod.containers), "containers")?);
        if then.is_empty() {
            return Err("spec.template.spec.containers is empty".to_owned());
        }
        Ok(Self {
            back_off_limit: spec.backoff_limit.unwrap_or(BACK_OFF_LIMIT),
            deadline: spec.active_deadline_seconds.map(seconds),
            grace: seconds(pod.termination_grace_period_seconds.unwrap_or(GRACE)),
            kept_for: spec.ttl_seconds_after_finished.map(|kept| seconds(kept.into())),
            volumes,
            first,
            then,
        })
    }
}

impl Task {
    fn read(
        container: Container,
        path: &str,
        volumes: &BTreeSet<String>,
        programs: &Programs,
    ) -> Result<Self, String> {
        let mut words = container.command.into_iter().flatten();
        let Some(word) = words.next() else {
            return Err(format!(
                "{path}.command is missing: there are no images here whose own could be run"
            ));
        };
        let Some(program) = programs.find(&word) else {
            let all = programs.names().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "{path}.command[0] is {word:?}, which is none of the programs allowed here: {all}"
            ));
        };
        let mut mounts = Vec::new();
        for (index, mount) in container.volume_mounts.into_iter().flatten().enumerate() {
            let path = format!("{path}.volumeMounts[{index}]");
            if !volumes.contains(&mount.name) {
                return Err(format!("{path}.name: there is no volume {:?}", mount.name));
            }
            let at = mount.mount_path.trim_end_matches('/').to_owned();
            if !at.starts_with('/') || at.split('/').any(|part| part == "..") {
                return Err(format!(
                    "{path}.mountPath is {:?}: an absolute path below / is needed",
                    mount.mount_path
                ));
            }
            mounts.push((at, mount.name));
        }
        let is_mounted = |folder: &String| {
            let below = |at: &str| {
                folder.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            mounts.iter().any(|(at, _)| below(at)) && !folder.split('/').any(|part| part == "..")
        };
        if let Some(folder) = container.working_dir.as_ref().filter(|folder| !is_mounted(folder)) {
            return Err(format!("{path}.workingDir is {folder:?}, which lies in no mount"));
        }
        Ok(Self {
            name: container.name,
            program: program.to_owned(),
            arguments: words.chain(container.args.into_iter().flatten()).collect(),
            env: container.env.unwrap_or_default(),
            env_from: container.env_from.unwrap_or_default(),
            folder: container.working_dir,
            mounts,
        })
    }
}

fn is_label(name: &str) -> bool {
    let is_possible = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(is_possible)
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(count.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests;
