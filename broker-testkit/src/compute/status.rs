//! What a Job's status says, step by step, in the words of Kubernetes' own controller.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{JobCondition, JobStatus, UncountedTerminatedPods};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Why a Job fails: a reason, and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Failure {
    /// It was tried often enough.
    pub(super) fn back_off_limit(last: &str) -> Self {
        let message = format!("Job has reached the specified backoff limit: {last}");
        Self { reason: "BackoffLimitExceeded", message }
    }

    /// It took too long.
    pub(super) fn deadline() -> Self {
        Self {
            reason: "DeadlineExceeded",
            message: "Job was active longer than specified deadline".to_owned(),
        }
    }

    /// It asks for something that is not done here.
    pub(super) fn not_supported(what: String) -> Self {
        Self { reason: "NotSupported", message: what }
    }
}

/// Whether it is over, one way or the other.
pub(super) fn is_finished(status: &JobStatus) -> bool {
    let is_end = |condition: &JobCondition| {
        matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True"
    };
    status.conditions.iter().flatten().any(is_end)
}

/// It begins, or goes on after its controller was away: an attempt of which nobody knows is lost.
pub(super) fn begun(mut status: JobStatus, now: Timestamp) -> JobStatus {
    status.start_time.get_or_insert(Time(now));
    if status.active.is_some_and(|active| active > 0) {
        status = attempt_failed(status);
    }
    status.uncounted_terminated_pods.get_or_insert_with(UncountedTerminatedPods::default);
    still(status)
}

/// An attempt runs.
pub(super) fn running(status: JobStatus) -> JobStatus {
    JobStatus { active: Some(1), ready: Some(1), terminating: Some(0), ..status }
}

/// An attempt is over, and was none.
pub(super) fn attempt_failed(status: JobStatus) -> JobStatus {
    let failed = status.failed.unwrap_or_default().saturating_add(1);
    still(JobStatus { failed: Some(failed), ..status })
}

/// It will fail as soon as what still runs is over.
pub(super) fn failing(status: JobStatus, failure: &Failure, now: Timestamp) -> JobStatus {
    let terminating = status.active.unwrap_or_default();
    let status = JobStatus { active: None, ready: Some(0), terminating: Some(terminating), ..status };
    with(status, "FailureTarget", failure.reason, &failure.message, now)
}

/// It failed.
pub(super) fn failed(status: JobStatus, failure: &Failure, now: Timestamp) -> JobStatus {
    let status = with(still(status), "FailureTarget", failure.reason, &failure.message, now);
    with(status, "Failed", failure.reason, &failure.message, now)
}

/// It is done.
pub(super) fn complete(status: JobStatus, now: Timestamp) -> JobStatus {
    const REASON: &str = "CompletionsReached";
    const MESSAGE: &str = "Reached expected number of succeeded pods";
    let status = JobStatus { succeeded: Some(1), completion_time: Some(Time(now)), ..still(status) };
    let status = with(status, "SuccessCriteriaMet", REASON, MESSAGE, now);
    with(status, "Complete", REASON, MESSAGE, now)
}

/// Nothing runs.
fn still(status: JobStatus) -> JobStatus {
    JobStatus { active: None, ready: Some(0), terminating: Some(0), ..status }
}

fn with(mut status: JobStatus, type_: &str, reason: &str, message: &str, now: Timestamp) -> JobStatus {
    let conditions = status.conditions.get_or_insert_default();
    if !conditions.iter().any(|condition| condition.type_ == type_) {
        conditions.push(JobCondition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_probe_time: Some(Time(now)),
            last_transition_time: Some(Time(now)),
        });
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(status: &JobStatus) -> Vec<&str> {
        status.conditions.iter().flatten().map(|condition| condition.type_.as_str()).collect()
    }

    #[test]
    fn a_job_that_succeeds_at_the_second_attempt_says_so() {
        let now = Timestamp::UNIX_EPOCH;
        let status = running(begun(JobStatus::default(), now));
        assert_eq!((status.active, status.ready, is_finished(&status)), (Some(1), Some(1), false));
        let status = complete(running(attempt_failed(status)), now);
        assert_eq!((status.active, status.succeeded, status.failed), (None, Some(1), Some(1)));
        assert_eq!(types(&status), ["SuccessCriteriaMet", "Complete"]);
        assert!(status.completion_time.is_some() && is_finished(&status));
    }

    #[test]
    fn a_job_that_takes_too_long_first_says_that_it_will_fail() {
        let (now, deadline) = (Timestamp::UNIX_EPOCH, Failure::deadline());
        let status = failing(running(begun(JobStatus::default(), now)), &deadline, now);
        assert_eq!((types(&status), status.terminating), (vec!["FailureTarget"], Some(1)));
        assert!(!is_finished(&status));
        let status = failed(attempt_failed(status), &deadline, now);
        assert_eq!((types(&status), status.terminating), (vec!["FailureTarget", "Failed"], Some(0)));
        assert!(is_finished(&status) && status.completion_time.is_none());
    }

    #[test]
    fn an_attempt_of_which_nobody_knows_counts_as_failed() {
        let status = running(begun(JobStatus::default(), Timestamp::UNIX_EPOCH));
        let status = begun(status, Timestamp::UNIX_EPOCH);
        assert_eq!((status.failed, status.active), (Some(1), None));
    }
}
