//! Why a request failed, in the words that tell a caller what to do.

use std::time::Duration;

use kube::core::Status;
use kube::core::response::StatusCause;

use super::answer::Refusal;

/// The longest pause that a server's word imposes: one that asks for more is asked again all the same.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What a caller can do about a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiErrorKind {
    /// There is no such object (or no such kind): nothing to retry.
    NotFound,
    /// An object of that name exists already.
    AlreadyExists,
    /// A precondition did not hold: look again, decide again.
    Conflict,
    /// The server does not know who asks: a token expired, or is not known there yet. Says nothing about the object.
    Unauthenticated,
    /// The server refuses this for us: somebody must grant it.
    Denied,
    /// The server refuses the object: somebody must change it.
    Invalid,
    /// The version to watch from is too old: list again.
    Expired,
    /// The server could not be reached or did not answer properly: try again later.
    Unavailable,
}

impl ApiErrorKind {
    /// A stable word for conditions, logs and metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Unauthenticated => "Unauthenticated",
            Self::Denied => "Denied",
            Self::Invalid => "Invalid",
            Self::Expired => "Expired",
            Self::Unavailable => "Unavailable",
        }
    }
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{verb} {target}: {message}")]
pub struct ApiError {
    kind: ApiErrorKind,
    verb: &'static str,
    target: String,
    message: String,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// A failure that did not come from a server's answer.
    pub(crate) fn new(
        kind: ApiErrorKind,
        verb: &'static str,
        target: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, verb, target: target.into(), message: message.into(), retry_after: None }
    }

    /// The caches do not show yet what a server holds.
    pub(crate) fn behind(verb: &'static str, target: impl Into<String>) -> Self {
        Self::new(ApiErrorKind::Unavailable, verb, target, "the watch has not shown it yet")
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ApiErrorKind {
        self.kind
    }

    /// What was tried, naming the object.
    pub fn what(&self) -> String {
        format!("{} {}", self.verb, self.target)
    }

    /// What the server said.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// How long the server, or what is before it, asks to be left alone with this request. At most a minute.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The failure of a request for `target` as [`Self::from_kube`] tells it, with the pause that was asked for.
    pub(super) fn of_refusal(
        refusal: &Refusal,
        verb: &'static str,
        target: impl Into<String>,
        confidential: bool,
    ) -> Self {
        let error = Self::from_kube(&refusal.error, verb, target, confidential);
        let asked = refusal.retry_after.max(error.retry_after);
        error.after(asked)
    }

    /// Only what may succeed later by itself waits for a time.
    fn after(mut self, pause: Option<Duration>) -> Self {
        let waits = self.kind == ApiErrorKind::Unavailable;
        self.retry_after =
            pause.filter(|pause| waits && !pause.is_zero()).map(|pause| pause.min(LONGEST_PAUSE));
        self
    }

    /// The failure of a request for `target`. With `confidential`, the server's text is left out: it may quote what
    /// it refuses.
    pub(crate) fn from_kube(
        error: &kube::Error,
        verb: &'static str,
        target: impl Into<String>,
        confidential: bool,
    ) -> Self {
        if let kube::Error::Api(status) = error {
            let kind = kind_of(status);
            let message = if confidential || status.message.is_empty() {
                format!("{} ({})", status.reason, status.code)
            } else {
                status.message.clone()
            };
            let asked = status.details.as_ref().map(|details| details.retry_after_seconds);
            return Self::new(kind, verb, target, message)
                .after(asked.map(|seconds| Duration::from_secs(seconds.into())));
        }
        let message = if confidential && matches!(error, kube::Error::SerdeError(_)) {
            "the answer is not what was expected".to_owned()
        } else {
            chain(error)
        };
        Self::new(ApiErrorKind::Unavailable, verb, target, message)
    }
}

fn kind_of(status: &Status) -> ApiErrorKind {
    match (status.code, status.reason.as_str()) {
        (_, "AlreadyExists") => ApiErrorKind::AlreadyExists,
        (_, "Expired" | "Gone") | (410, _) => ApiErrorKind::Expired,
        // A version from before the server was restored, which it may never reach again.
        _ if status.details.iter().flat_map(|details| &details.causes).any(is_ahead) => ApiErrorKind::Expired,
        (404, _) => ApiErrorKind::NotFound,
        (409, _) => ApiErrorKind::Conflict,
        // An apply that carries the uid of another object than the one that has the name by now.
        (422, _) if names_field(status, "metadata.uid") => ApiErrorKind::Conflict,
        (401, _) => ApiErrorKind::Unauthenticated,
        (403, _) => ApiErrorKind::Denied,
        (400 | 405 | 406 | 413 | 415 | 422, _) => ApiErrorKind::Invalid,
        _ => ApiErrorKind::Unavailable,
    }
}

fn is_ahead(cause: &StatusCause) -> bool {
    cause.reason == "ResourceVersionTooLarge"
}

fn names_field(status: &Status, field: &str) -> bool {
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.field == field)
}

/// An error with all its sources: the outermost text of a connection error says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail loudly")]
mod tests {
    use super::*;

    fn failure(code: u16, reason: &str, message: &str) -> kube::Error {
        let mut status = Status::failure(message, reason);
        status.code = code;
        kube::Error::Api(status.boxed())
    }

    #[test]
    fn what_to_do_follows_from_code_and_reason() {
        let kind = |code, reason| ApiError::from_kube(&failure(code, reason, "m"), "get", "x", false).kind();
        assert_eq!(kind(404, "NotFound"), ApiErrorKind::NotFound);
        assert_eq!(kind(409, "AlreadyExists"), ApiErrorKind::AlreadyExists);
        assert_eq!(kind(409, "Conflict"), ApiErrorKind::Conflict);
        assert_eq!(kind(403, "Forbidden"), ApiErrorKind::Denied);
        assert_eq!(kind(401, "Unauthorized"), ApiErrorKind::Unauthenticated);
        assert_eq!(kind(422, "Invalid"), ApiErrorKind::Invalid);
        assert_eq!(kind(410, "Expired"), ApiErrorKind::Expired);
        assert_eq!(kind(429, "TooManyRequests"), ApiErrorKind::Unavailable);
        assert_eq!(kind(500, "InternalError"), ApiErrorKind::Unavailable);
    }

    #[test]
    fn a_pause_that_is_asked_for_is_known_and_bounded() {
        let asked = |code: u16, seconds: u32| {
            let mut status = Status::failure("later", "").with_code(code);
            status.details =
                serde_json::from_value(serde_json::json!({ "retryAfterSeconds": seconds })).unwrap();
            ApiError::from_kube(&kube::Error::Api(status.boxed()), "get", "x", false).retry_after()
        };
        assert_eq!(asked(429, 3), Some(Duration::from_secs(3)));
        assert_eq!(asked(503, 3), Some(Duration::from_secs(3)));
        assert_eq!(asked(429, 0), None);
        assert_eq!(asked(429, 86_400), Some(Duration::from_mins(1)));
        // Looking again is all that a conflict needs.
        assert_eq!(asked(409, 3), None);
    }

    #[test]
    fn another_uid_under_the_name_is_a_conflict() {
        let mut status = Status::failure("metadata.uid: Invalid value: field is immutable", "Invalid");
        status.code = 422;
        status.details = serde_json::from_value(serde_json::json!({
            "causes": [{ "reason": "FieldValueInvalid", "message": "field is immutable", "field": "metadata.uid" }],
        }))
        .unwrap();
        let error = kube::Error::Api(status.boxed());
        assert_eq!(ApiError::from_kube(&error, "apply", "x", false).kind(), ApiErrorKind::Conflict);
    }

    #[test]
    fn a_version_that_the_server_never_had_is_of_no_use() {
        let mut status =
            Status::failure("Too large resource version: 9, current: 5", "Timeout").with_code(504);
        status.details = serde_json::from_value(serde_json::json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        }))
        .unwrap();
        let error = ApiError::from_kube(&kube::Error::Api(status.boxed()), "watch", "x", false);
        assert_eq!((error.kind(), error.retry_after()), (ApiErrorKind::Expired, None));
    }

    #[test]
    fn a_refusal_of_a_secret_does_not_quote_it() {
        let error = failure(422, "Invalid", "data.key: Invalid value: \"hunter2\"");
        let error = ApiError::from_kube(&error, "apply", "v1/secrets default/x", true);
        assert!(!error.to_string().contains("hunter2"));
        assert!(error.to_string().contains("Invalid"));
    }
}
