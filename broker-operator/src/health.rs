//! `/healthz` and `/readyz`, for whoever starts and restarts us; and `/debug/explain` and `/debug/queues`, where they are
//! switched on.
//!
//! The debug endpoints show providers' names, costs and filters, and the names of orders: they belong to the platform, and
//! answer whoever asks from this machine alone. All answers come from memory; none makes a call.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use broker_kcp::controller::QueueState;
use broker_kcp::fleet::{CacheState, Cached};
use broker_kcp::reconcile::{ExplainError, OrderQuery, QueueReport, Readiness};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::explain::Report;
use crate::http::{Answer, text};
use crate::operator::OperatorHandle;

/// Where an order's explanation is.
const EXPLAIN: &str = "/debug/explain";
/// Where the queues are shown.
const QUEUES: &str = "/debug/queues";
/// Of what fails and is tried again, so many are shown per queue.
const SHOWN: usize = 100;

/// Whether the debug endpoints answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Debugging {
    /// There are none.
    #[default]
    Off,
    /// They answer whoever asks from this machine.
    On,
}

/// The answer to a probe, or to somebody who debugs.
pub(crate) fn answer(
    request: &Parts,
    peer: SocketAddr,
    operator: &OperatorHandle,
    debugging: Debugging,
) -> Answer {
    let path = request.uri.path();
    if debugging == Debugging::On && path.starts_with("/debug/") {
        return json_response(match permitted(&request.method, peer) {
            Err(refusal) => refusal,
            Ok(()) => match path {
                EXPLAIN => explain(&request.uri, |query| operator.explain(query)),
                QUEUES => (StatusCode::OK, queues(&operator.queues(SHOWN))),
                _ => failure(StatusCode::NOT_FOUND, "NotFound", "there are /debug/explain and /debug/queues"),
            },
        });
    }
    match path {
        "/healthz" | "/livez" => text(StatusCode::OK, "ok"),
        // A standby is ready: its caches are warm.
        "/readyz" => {
            let verbose = request.uri.query().is_some_and(|query| query.split('&').any(|it| it == "verbose"));
            let (ready, told) = readyz(&operator.readiness(), verbose);
            text(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, told)
        }
        _ => text(StatusCode::NOT_FOUND, "there are /healthz and /readyz"),
    }
}

/// Whether all was read, and which caches were not; with `verbose` all of them, in the form that Kubernetes has for it.
fn readyz(readiness: &Readiness, verbose: bool) -> (bool, String) {
    let ready = readiness.is_ready();
    if ready && !verbose {
        return (true, "ok".to_owned());
    }
    let mut lines = Vec::new();
    if !readiness.planned {
        lines.push("[-] what is to be followed changed a moment ago".to_owned());
    }
    if !readiness.offers {
        lines.push("[-] no APIExport acceptapi: providers cannot make offers".to_owned());
    }
    for Cached { export, resource, shard, state } in &readiness.caches {
        let (sign, word) = match state {
            CacheState::Filled | CacheState::Silent if !verbose => continue,
            CacheState::Filled => ("+", "listed"),
            CacheState::Silent => ("+", "not listed, its server does not answer"),
            CacheState::Unread => ("-", "not listed yet"),
        };
        lines.push(format!("[{sign}] export {export}: {resource} at {shard}: {word}"));
    }
    lines.push(if ready { "ok" } else { "not everything was read yet" }.to_owned());
    (ready, lines.join("\n"))
}

/// Only those on this machine may debug, and only look.
fn permitted(method: &Method, peer: SocketAddr) -> Result<(), (StatusCode, Value)> {
    if !peer.ip().to_canonical().is_loopback() {
        let message =
            "debug endpoints answer requests from this machine or pod only, such as by kubectl port-forward";
        return Err(failure(StatusCode::FORBIDDEN, "NotLoopback", message));
    }
    if *method != Method::GET {
        return Err(failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "only GET is answered"));
    }
    Ok(())
}

fn queues(reports: &[QueueReport]) -> Value {
    let queue = |report: &QueueReport| {
        let QueueState { waiting, running, failing, oldest } = report.state;
        let retries = report.retries.iter().map(|retry| {
            json!({
                "what": retry.key,
                "failures": retry.failures,
                "dueInSeconds": retry.due_in.as_secs_f64(),
            })
        });
        json!({
            "name": report.name,
            "depth": waiting,
            "running": running,
            "oldestSeconds": oldest.as_secs_f64(),
            "retrying": failing,
            "retries": retries.collect::<Vec<_>>(),
        })
    };
    json!({ "queues": reports.iter().map(queue).collect::<Vec<_>>() })
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

fn json_response((status, body): (StatusCode, Value)) -> Answer {
    let mut response = text(status, format!("{body}\n"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use broker_kcp::controller::Retry;

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
    fn only_this_machine_may_debug_and_only_look() {
        let refused = |method: &Method, peer: &str| {
            permitted(method, peer.parse().unwrap()).err().map(|(status, body)| {
                (status.as_u16(), body["error"]["reason"].as_str().unwrap_or_default().to_owned())
            })
        };
        for loopback in ["127.0.0.1:9", "127.8.8.8:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert_eq!(refused(&Method::GET, loopback), None, "{loopback}");
            assert_eq!(refused(&Method::POST, loopback), Some((405, "MethodNotAllowed".to_owned())));
        }
        for foreign in ["10.0.0.7:9", "192.168.0.1:9", "[fe80::1]:9", "[::ffff:10.0.0.7]:9"] {
            assert_eq!(refused(&Method::GET, foreign), Some((403, "NotLoopback".to_owned())), "{foreign}");
        }
    }

    #[test]
    fn who_is_not_ready_says_which_caches_are_not() {
        let cached = |resource: &str, state| Cached {
            export: "certificates.example.com".to_owned(),
            resource: resource.to_owned(),
            shard: "https://shard-1".to_owned(),
            state,
        };
        let silent = cached("secrets", CacheState::Silent);
        let mut readiness = Readiness {
            caches: vec![cached("certificates.example.com", CacheState::Filled), silent],
            planned: true,
            offers: true,
        };
        assert_eq!(readyz(&readiness, false), (true, "ok".to_owned()), "nobody waits for who is silent");
        let verbose = [
            "[+] export certificates.example.com: certificates.example.com at https://shard-1: listed",
            "[+] export certificates.example.com: secrets at https://shard-1: not listed, its server does not answer",
            "ok",
        ];
        assert_eq!(readyz(&readiness, true), (true, verbose.join("\n")));
        readiness.caches.push(cached("configmaps", CacheState::Unread));
        let unread = "[-] export certificates.example.com: configmaps at https://shard-1: not listed yet\nnot everything was read yet";
        assert_eq!(readyz(&readiness, false), (false, unread.to_owned()));
        readiness.offers = false;
        let (ready, told) = readyz(&readiness, false);
        assert!(!ready && told.starts_with("[-] no APIExport acceptapi"), "{told}");
    }

    #[test]
    fn queues_are_shown_with_what_fails() {
        let retry = Retry {
            key: "things.example.com acme/default/x".to_owned(),
            failures: 3,
            due_in: Duration::from_millis(1500),
        };
        let state = QueueState { waiting: 2, running: 1, failing: 7, oldest: Duration::from_secs(4) };
        let shown = queues(&[QueueReport { name: "orders", state, retries: vec![retry] }]);
        let expected = json!({ "queues": [{
            "name": "orders", "depth": 2, "running": 1, "oldestSeconds": 4.0, "retrying": 7,
            "retries": [{ "what": "things.example.com acme/default/x", "failures": 3, "dueInSeconds": 1.5 }],
        }]});
        assert_eq!(shown, expected);
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
