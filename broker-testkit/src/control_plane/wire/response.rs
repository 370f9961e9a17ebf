//! Answers: bodies, headers, the three forms objects can be asked for in.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::control_plane::error::ApiError;
use crate::control_plane::value;

/// The body of every answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;
/// Every answer.
pub(crate) type Answer = Response<Body>;

/// In which form objects are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are.
    Object,
    /// As a `meta.k8s.io/v1` Table.
    Table,
    /// Their metadata only.
    Metadata,
}

/// Reads the `Accept` header: the first form in it that this server knows.
pub(crate) fn form(headers: &HeaderMap) -> Form {
    for part in accepted(headers) {
        let mut words = part.split(';').map(str::trim);
        if !matches!(words.next(), Some("application/json" | "*/*" | "application/*")) {
            continue;
        }
        let parameters: Vec<&str> = words.collect();
        let version = parameters.iter().find_map(|p| p.strip_prefix("v="));
        match parameters.iter().find_map(|p| p.strip_prefix("as=")) {
            Some("Table") if version == Some("v1") => return Form::Table,
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") if version == Some("v1") => {
                return Form::Metadata;
            }
            Some(_) => {}
            None => return Form::Object,
        }
    }
    Form::Object
}

/// The media types of the `Accept` header, in order.
pub(crate) fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The object with its metadata only.
pub(crate) fn metadata_of(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// A JSON answer.
pub(crate) fn json(code: u16, value: &Value) -> Answer {
    let mut content = Vec::new();
    value::write(value, &mut content);
    bytes(code, "application/json", content)
}

/// A JSON answer of an object that others may hold too.
pub(crate) fn shared(code: u16, value: &Arc<Value>) -> Answer {
    json(code, value)
}

/// A plain text answer.
pub(crate) fn text(code: u16, content: impl Into<String>) -> Answer {
    bytes(code, "text/plain; charset=utf-8", content.into().into_bytes())
}

/// A refusal.
pub(crate) fn error(error: &ApiError) -> Answer {
    if error.is_no_such_path() {
        return text(error.code, format!("{error}\n"));
    }
    warn(json(error.code, &error.to_status()), &error.warnings)
}

/// An answer of bytes.
pub(crate) fn bytes(code: u16, content_type: &'static str, content: Vec<u8>) -> Answer {
    with_body(code, content_type, Full::new(Bytes::from(content)).boxed_unsync())
}

/// An answer with any body.
pub(crate) fn with_body(code: u16, content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}

/// Adds `Warning` headers, which kubectl shows to people.
pub(crate) fn warn(mut answer: Answer, warnings: &[String]) -> Answer {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append(http::header::WARNING, value);
        }
    }
    answer
}
