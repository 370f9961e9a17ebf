//! A compute cluster for tests: runs the commands of `batch/v1` Jobs as processes of this machine.
//!
//! Playbooks make Jobs. On a cluster with nodes their containers run there; a test has no nodes, and wants the same Job,
//! unchanged, to do its work all the same. [`JobController`] watches the Jobs of one cluster (the embedded control
//! plane, a kcp workspace, a Kubernetes without nodes), runs what they say, and tells in their status what came of it,
//! as the controller of Kubernetes would. [`serve_jobs`] lets a kcp workspace, which has no Jobs, serve them.
//!
//! # What runs
//!
//! Only programs that whoever starts the controller allowed by name ([`Programs`]), with the arguments of the Job. No
//! shell reads anything. There are no images: `image` is not looked at, and a container without a `command` is refused.
//!
//! | of a Job | here |
//! |---|---|
//! | `command`, `args` | the first word is looked up in [`Programs`], exactly as it is written; `$(VAR)` becomes the variable's value, `$$` a dollar, as in Kubernetes |
//! | `env`, `envFrom` | values, Secrets and ConfigMaps, in Kubernetes' order. What is missing and not `optional` is waited for. Beside them the process has `PATH` and `HOME`, and nothing else of this process' environment |
//! | `initContainers`, `containers` | the first one after the other, then the others side by side. All must end with 0 |
//! | `volumes` | `emptyDir` only: a new folder for every attempt, gone with it |
//! | `volumeMounts` | nothing is mounted: in `command`, `args` and in the `value` of `env`, a `mountPath` becomes the folder's path, where it stands at the beginning or behind `=`, `:` or `,`, and ends there or at a `/` (`--file=/dump/db`). What Secrets hold is left as it is |
//! | `workingDir` | a `mountPath`, or below one; without one, an empty folder of the container's own |
//! | `restartPolicy` | `Never` |
//! | `backoffLimit` | so often it is tried again, in a new attempt, after a pause that doubles ([`JobController::retry_pause`]) |
//! | `activeDeadlineSeconds`, `terminationGracePeriodSeconds`, `ttlSecondsAfterFinished` | as in Kubernetes; SIGTERM, then SIGKILL, to the whole process group |
//! | `managedBy` | Jobs of another controller are left alone |
//! | `parallelism`, `completions` | 1 |
//!
//! Where and as whom something runs (`resources`, `securityContext`, `serviceAccountName`, `nodeSelector`, …) is not
//! looked at: it runs as this process' user. Everything else is refused: the Job gets the condition `Failed` with the
//! reason `NotSupported`, and the message names the field.
//!
//! # What is told
//!
//! `active`, `ready`, `terminating`, `succeeded`, `failed`, `startTime`, `completionTime`, and the conditions
//! `SuccessCriteriaMet` and `Complete`, or `FailureTarget` and `Failed` with `BackoffLimitExceeded` or
//! `DeadlineExceeded`. The message names the container and how it ended. What it said goes to the log (`tracing`, errors
//! as `INFO`, the rest as `DEBUG`) and never into a status: it may quote data. Values of Secrets are blotted out of it.
//!
//! # How it ends
//!
//! When a Job is deleted its processes get SIGTERM and, when its grace period is over, SIGKILL. When the controller ends
//! or is dropped they are killed at once, with all that they started in their process group. A controller that finds a
//! Job whose processes another one left counts that attempt as failed, as one on a node that died. Only a controller
//! that is itself killed (SIGKILL) leaves processes behind.

mod check;
mod controller;
mod environment;
mod expand;
mod kind;
mod life;
mod plan;
mod pod;
mod process;
mod programs;
mod status;

pub use controller::{ComputeError, JobController};
pub use kind::{JOBS, job_resource, serve_jobs};
pub use programs::Programs;
