//! Answers that no server gave, in the words of a real one.

use std::io;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tower::BoxError;

use super::asked::Asked;
use super::body::Body;
use super::effect::Canned;
use super::harm::Failure;

/// An answer of its kind.
pub(super) fn canned(kind: Canned, asked: &Asked) -> Response<Body> {
    match kind {
        Canned::Conflict => conflict(asked),
        Canned::TooMany(after) => too_many(after),
        Canned::Failing(failure) => failing(failure),
        Canned::Expired => respond(&expired_status(), 410),
    }
}

fn conflict(asked: &Asked) -> Response<Body> {
    let message = format!(
        "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the \
         latest version and try again",
        asked.resource(),
        asked.name(),
    );
    respond(&status(409, "Conflict", &message), 409)
}

fn too_many(after: Duration) -> Response<Body> {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    let message = "the server has received too many requests and has asked us to try again later";
    let mut status = status(429, "TooManyRequests", message);
    if let Some(fields) = status.as_object_mut() {
        fields.insert("details".to_owned(), json!({ "retryAfterSeconds": seconds }));
    }
    let mut answer = respond(&status, 429);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

fn failing(failure: Failure) -> Response<Body> {
    let (reason, message) = match failure {
        Failure::Internal => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
        Failure::Unavailable => {
            ("ServiceUnavailable", "the server is currently unable to handle the request")
        }
        Failure::Timeout => ("Timeout", "Timeout: request did not complete within the allotted timeout"),
    };
    respond(&status(failure.code(), reason, message), failure.code())
}

/// The version that a watch goes on from is gone.
pub(super) fn expired_event() -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": "ERROR", "object": expired_status()})))
}

/// Who asks is not known.
pub(super) fn unauthorized() -> Response<Body> {
    respond(&status(401, "Unauthorized", "Unauthorized"), 401)
}

/// There is no connection to be had.
pub(super) fn refused() -> BoxError {
    io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused, by a fault on command").into()
}

/// The connection broke.
pub(super) fn broken() -> BoxError {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset, by a fault on command").into()
}

fn expired_status() -> Value {
    status(410, "Expired", "too old resource version")
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": message, "reason": reason, "code": code,
    })
}

fn respond(status: &Value, code: u16) -> Response<Body> {
    let mut answer = Response::new(Body::of(Bytes::from(status.to_string())));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
