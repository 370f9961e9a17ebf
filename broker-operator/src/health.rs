//! `/healthz` and `/readyz`, for whoever starts and restarts us; and `/debug/explain`, where that is switched on.
//!
//! The debug endpoint shows providers' names, costs and filters to whoever reaches the address: it belongs to the
//! platform. It answers from caches alone and makes no calls.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;

use broker_kcp::reconcile::{ExplainError, OrderQuery};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::explain::Report;
use crate::operator::OperatorHandle;

/// Where an order's explanation is.
const EXPLAIN: &str = "/debug/explain";

/// Whether the debug endpoint answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Debugging {
    /// There is none.
    #[default]
    Off,
    /// It answers whoever reaches the address.
    On,
}

/// Begins to listen.
pub(crate) async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers probes until the task is aborted.
pub(crate) async fn serve(listener: TcpListener, operator: OperatorHandle, debugging: Debugging) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: let others finish first.
            tokio::task::yield_now().await;
            continue;
        };
        let operator = operator.clone();
        tokio::spawn(async move {
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                let answer = answer(request.method(), request.uri(), &operator, debugging);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a probe's connection broke");
            }
        });
    }
}

fn answer(
    method: &Method,
    uri: &Uri,
    operator: &OperatorHandle,
    debugging: Debugging,
) -> Response<Full<Bytes>> {
    let (status, text) = match uri.path() {
        "/healthz" | "/livez" => (StatusCode::OK, "ok"),
        // A standby is ready: its caches are warm.
        "/readyz" if operator.status().synced => (StatusCode::OK, "ok"),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "not everything was read yet"),
        EXPLAIN if debugging == Debugging::On => {
            return json_response(if *method == Method::GET {
                explain(uri, |query| operator.explain(query))
            } else {
                failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "only GET is answered")
            });
        }
        _ if debugging == Debugging::On => {
            (StatusCode::NOT_FOUND, "there are /healthz, /readyz and /debug/explain")
        }
        _ => (StatusCode::NOT_FOUND, "there are /healthz and /readyz"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// The answer about the order that the query names.
fn explain(uri: &Uri, ask: impl FnOnce(&OrderQuery) -> Result<Report, ExplainError>) -> (StatusCode, Value) {
    let query = match query(uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(message) => return failure(StatusCode::BAD_REQUEST, "BadRequest", &message),
    };
    match ask(&query) {
        Ok(report) => (StatusCode::OK, json!(report)),
        Err(error) => {
            let status = if matches!(error, ExplainError::AmbiguousApi { .. }) {
                StatusCode::BAD_REQUEST
            } else if error.is_passing() {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::NOT_FOUND
            };
            failure(status, error.reason(), &error.to_string())
        }
    }
}

fn query(text: &str) -> Result<OrderQuery, String> {
    let expected = "expected cluster, resource, name and, unless it is default, namespace";
    let mut given: BTreeMap<String, String> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let mut take = |key: &str| given.remove(key).filter(|value| !value.is_empty());
    let namespace = take("namespace");
    let mut needed = |key: &str| take(key).ok_or_else(|| format!("`{key}` is missing: {expected}"));
    let (resource, cluster, name) = (needed("resource")?, needed("cluster")?, needed("name")?);
    match given.keys().next() {
        Some(unknown) => Err(format!("`{unknown}` is not known: {expected}")),
        None => Ok(OrderQuery { resource, cluster, namespace, name }),
    }
}

fn failure(status: StatusCode, reason: &str, message: &str) -> (StatusCode, Value) {
    (status, json!({ "error": { "reason": reason, "message": message } }))
}

fn json_response((status, body): (StatusCode, Value)) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, answer: ExplainError) -> (u16, String) {
        let (status, body) = explain(&uri.parse().expect("a URI"), |_| Err(answer));
        (status.as_u16(), body["error"]["reason"].as_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn an_order_is_named_by_a_query() {
        let asked = query("cluster=root%3Aacme&resource=certificates&name=a");
        let expected = OrderQuery {
            resource: "certificates".to_owned(),
            cluster: "root:acme".to_owned(),
            namespace: None,
            name: "a".to_owned(),
        };
        assert_eq!(asked, Ok(expected));
        assert_eq!(
            query("cluster=a&resource=b&name=c&namespace=d").map(|q| q.namespace),
            Ok(Some("d".to_owned()))
        );
        for (wrong, word) in [
            ("", "`resource`"),
            ("resource=a&cluster=b&name=", "`name`"),
            ("resource=a&cluster=b&name=c&x=1", "`x`"),
        ] {
            assert!(query(wrong).is_err_and(|message| message.contains(word)), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_told_has_a_status_and_a_reason() {
        let whole = "/debug/explain?cluster=a&resource=b&name=c";
        let order = || broker_core::resource::ObjectKey::new("a", "default", "c");
        let text = || "b".to_owned();
        for (uri, answer, expected) in [
            ("/debug/explain", ExplainError::NotSynced, (400, "BadRequest")),
            (whole, ExplainError::NotSynced, (503, "NotSynced")),
            (whole, ExplainError::Unavailable(text()), (503, "Unavailable")),
            (whole, ExplainError::UnknownOrder { api: text(), order: order() }, (404, "UnknownOrder")),
            (whole, ExplainError::UnknownCluster { asked: text(), api: text() }, (404, "UnknownCluster")),
            (whole, ExplainError::UnknownApi { asked: text(), known: vec![] }, (404, "UnknownAPI")),
            (whole, ExplainError::AmbiguousApi { asked: text(), known: vec![] }, (400, "AmbiguousAPI")),
        ] {
            assert_eq!(asked(uri, answer), (expected.0, expected.1.to_owned()), "{uri}");
        }
    }
}
