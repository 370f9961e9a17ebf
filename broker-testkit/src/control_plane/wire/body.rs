//! Reading request bodies.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes};
use serde_json::Value;
use tower::BoxError;

use super::protobuf;
use crate::control_plane::error::ApiError;

/// The API server's own limit on request bodies.
const LIMIT: usize = 3 * 1024 * 1024;

/// What is accepted besides patches.
const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Kubernetes' own messages.
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The media type of the body, without its parameters; empty if none is given.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// All of the body.
pub(crate) async fn read<B>(body: B) -> Result<Vec<u8>, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes().to_vec()),
        Err(error) => Err(ApiError::bad_request(format!("reading the request's body: {error}"))),
    }
}

/// An object sent as JSON, YAML or protobuf.
pub(crate) fn object(headers: &HeaderMap, content: &[u8]) -> Result<Value, ApiError> {
    match media_type(headers).as_str() {
        "" | "application/json" => json(content),
        "application/yaml" => yaml(content),
        PROTOBUF => protobuf::object(content),
        _ => Err(ApiError::unsupported_media_type(ACCEPTED)),
    }
}

/// Options sent with a deletion; none are all defaults.
pub(crate) fn options(headers: &HeaderMap, content: &[u8]) -> Result<Value, ApiError> {
    if content.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    object(headers, content)
}

/// JSON.
pub(crate) fn json(content: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(content).map_err(|error| {
        ApiError::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
    })
}

/// YAML, and so JSON too.
pub(crate) fn yaml(content: &[u8]) -> Result<Value, ApiError> {
    if let Ok(value) = serde_json::from_slice(content) {
        return Ok(value);
    }
    let text = std::str::from_utf8(content)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))?;
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))
}
