//! The answer to a request, read whole or event by event.
//!
//! kube's own readers are not used: they log what they cannot read, which may be a Secret, and drop the header by which
//! a server, or a proxy before it, says when to come back.

use std::io;
use std::time::Duration;

use broker_core::resource::Object;
use futures::io::AsyncBufReadExt as _;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::Response;
use http::header::RETRY_AFTER;
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::core::{Status, WatchEvent};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A page of a list, its items still to be read.
#[derive(Deserialize)]
pub(super) struct ListPage<'t> {
    #[serde(default)]
    pub(super) metadata: ListMetadata,
    #[serde(borrow)]
    pub(super) items: Option<Vec<&'t RawValue>>,
}

#[derive(Default, Deserialize)]
pub(super) struct ListMetadata {
    #[serde(rename = "resourceVersion")]
    pub(super) resource_version: Option<String>,
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

/// An answer that is a refusal: what the server said, and when it asks to be asked again.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: kube::Error,
    pub(super) retry_after: Option<Duration>,
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        Self { error, retry_after: None }
    }
}

/// The answer, unless it is a refusal.
pub(super) async fn accepted(answer: Response<Body>) -> Result<Response<Body>, Refusal> {
    let code = answer.status();
    if !code.is_client_error() && !code.is_server_error() {
        return Ok(answer);
    }
    let retry_after = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let text = answer.into_body().collect_bytes().await?;
    // What is no Status comes from something in between, or from a server too busy to make one.
    let mut status = serde_json::from_slice::<Status>(&text).unwrap_or_else(|_| {
        Status::failure(String::from_utf8_lossy(&text).trim(), code.canonical_reason().unwrap_or_default())
    });
    if status.code == 0 {
        status.code = code.as_u16();
    }
    Err(Refusal { error: kube::Error::Api(status.boxed()), retry_after })
}

/// The events of a watch. It ends where the server ends it, be it in the middle of an event.
pub(super) fn events(
    answer: Response<Body>,
) -> impl Stream<Item = Result<WatchEvent<Object>, kube::Error>> + use<> {
    let bytes = answer.into_body().into_data_stream().map_err(|error| {
        if is_end(&error) {
            io::Error::new(io::ErrorKind::UnexpectedEof, error)
        } else {
            io::Error::other(error)
        }
    });
    bytes.into_async_read().lines().filter_map(|line| async {
        let line = match line {
            Ok(line) => line,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return None,
            Err(error) => return Some(Err(kube::Error::ReadEvents(error))),
        };
        match serde_json::from_str::<WatchEvent<Object>>(&line) {
            Ok(event) => Some(Ok(event)),
            // The end of a connection is the end of what came of an event.
            Err(error) if error.is_eof() => None,
            Err(error) => Some(Err(match serde_json::from_str::<Status>(&line) {
                Ok(status) => kube::Error::Api(status.boxed()),
                Err(_) => kube::Error::SerdeError(error),
            })),
        }
    })
}

/// Whether a connection merely ended early.
fn is_end(error: &kube::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        let is_eof =
            error.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::UnexpectedEof);
        if is_eof || error.to_string().contains("unexpected EOF during chunk") {
            return true;
        }
        source = error.source();
    }
    false
}
