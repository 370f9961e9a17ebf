//! Why a request failed, in the words that tell a caller what to do.

use kube::core::Status;

/// What a caller can do about a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiErrorKind {
    /// There is no such object (or no such kind): nothing to retry.
    NotFound,
    /// An object of that name exists already.
    AlreadyExists,
    /// A precondition did not hold: look again, decide again.
    Conflict,
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
}

impl ApiError {
    /// A failure that did not come from a server's answer.
    pub(crate) fn new(
        kind: ApiErrorKind,
        verb: &'static str,
        target: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, verb, target: target.into(), message: message.into() }
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
            return Self::new(kind, verb, target, message);
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
        (404, _) => ApiErrorKind::NotFound,
        (409, _) => ApiErrorKind::Conflict,
        // An apply that carries the uid of another object than the one that has the name by now.
        (422, _) if names_field(status, "metadata.uid") => ApiErrorKind::Conflict,
        (401 | 403, _) => ApiErrorKind::Denied,
        (400 | 405 | 406 | 413 | 415 | 422, _) => ApiErrorKind::Invalid,
        _ => ApiErrorKind::Unavailable,
    }
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
        assert_eq!(kind(422, "Invalid"), ApiErrorKind::Invalid);
        assert_eq!(kind(410, "Expired"), ApiErrorKind::Expired);
        assert_eq!(kind(429, "TooManyRequests"), ApiErrorKind::Unavailable);
        assert_eq!(kind(500, "InternalError"), ApiErrorKind::Unavailable);
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
    fn a_refusal_of_a_secret_does_not_quote_it() {
        let error = failure(422, "Invalid", "data.key: Invalid value: \"hunter2\"");
        let error = ApiError::from_kube(&error, "apply", "v1/secrets default/x", true);
        assert!(!error.to_string().contains("hunter2"));
        assert!(error.to_string().contains("Invalid"));
    }
}
