//! URLs of servers in what servers say about themselves.

use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::Value;
use tower::BoxError;

use crate::control_plane::path::{self, Query};

type Content = UnsyncBoxBody<Bytes, BoxError>;

/// Rewrites the URLs of endpoint slices and exports in an answer; others pass as they are.
pub(super) async fn urls(
    uri: &Uri,
    answer: Response<Body>,
    in_front: impl Fn(&str) -> Option<String> + Send + 'static,
) -> Result<Response<Content>, BoxError> {
    let (mut head, body) = answer.into_parts();
    let media = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(watches) = concerned(uri).filter(|_| media.starts_with("application/json")) else {
        return Ok(Response::from_parts(head, body.map_err(BoxError::from).boxed_unsync()));
    };
    head.headers.remove(CONTENT_LENGTH);
    let content = if watches {
        by_line(body, in_front)
    } else {
        let content = body.collect().await?.to_bytes();
        Full::new(document(&content, &in_front)).map_err(|never| match never {}).boxed_unsync()
    };
    Ok(Response::from_parts(head, content))
}

/// Whether a URL is about such objects, and if so whether it is a watch.
fn concerned(uri: &Uri) -> Option<bool> {
    let wanted = path::resource(&path::locate(uri.path())?.segments)?;
    let told = matches!(wanted.resource.as_str(), "apiexportendpointslices" | "apiexports");
    (wanted.group == "apis.kcp.io" && told).then(|| Query::parse(uri.query()).flag("watch"))
}

/// A watch, whose events are rewritten once their lines are whole.
fn by_line(body: Body, in_front: impl Fn(&str) -> Option<String> + Send + 'static) -> Content {
    let state = (body, Vec::new(), in_front);
    let frames = stream::unfold(state, |(mut body, mut begun, in_front)| async move {
        loop {
            let data = match body.frame().await {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Some((Err(BoxError::from(error)), (body, begun, in_front))),
                None if begun.is_empty() => return None,
                None => {
                    let rest = Bytes::from(std::mem::take(&mut begun));
                    return Some((Ok(Frame::data(rest)), (body, begun, in_front)));
                }
            };
            begun.extend_from_slice(&data);
            let Some(end) = begun.iter().rposition(|byte| *byte == b'\n') else { continue };
            let rest = begun.split_off(end + 1);
            let lines = std::mem::replace(&mut begun, rest);
            let mut whole = Vec::new();
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                whole.extend_from_slice(&document(line, &in_front));
                whole.push(b'\n');
            }
            return Some((Ok(Frame::data(Bytes::from(whole))), (body, begun, in_front)));
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// An object, a list, a table or an event, rewritten.
fn document(content: &[u8], in_front: &impl Fn(&str) -> Option<String>) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(content) else {
        return Bytes::copy_from_slice(content);
    };
    object(&mut value, in_front);
    if let Some(inner) = value.get_mut("object") {
        object(inner, in_front);
    }
    for (list, within) in [("items", ""), ("rows", "/object")] {
        for item in value.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(item) = item.pointer_mut(within) {
                object(item, in_front);
            }
        }
    }
    Bytes::from(value.to_string())
}

fn object(value: &mut Value, in_front: &impl Fn(&str) -> Option<String>) {
    for list in ["/status/endpoints", "/status/virtualWorkspaces"] {
        let entries = value.pointer_mut(list).and_then(Value::as_array_mut);
        for url in entries.into_iter().flatten().filter_map(|entry| entry.get_mut("url")) {
            if let Some(rewritten) = url.as_str().and_then(in_front) {
                *url = Value::String(rewritten);
            }
        }
    }
}
