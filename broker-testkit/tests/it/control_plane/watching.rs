//! Watches, as kube-rs and bare clients see them.

use std::pin::pin;

use broker_testkit::wait::each_version;
use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{SECRETS, SOON, admin, get, secret, send, start};

/// The events of a watch, one by one.
async fn events(client: &Client, path: &str) -> impl futures::Stream<Item = Value> + use<> {
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let lines = client.request_stream(request).await.unwrap().lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

async fn next(stream: &mut (impl futures::Stream<Item = Value> + Unpin)) -> (String, String) {
    let event = tokio::time::timeout(SOON, stream.next()).await.unwrap().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
}

fn event(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_goes_on_where_a_list_ended() {
    let server = start().await;
    let client = admin(&server, "root");
    send(&client, "POST", SECRETS, &secret("before")).await.unwrap();
    let list = get(&client, SECRETS).await.unwrap();
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    send(&client, "POST", SECRETS, &secret("between")).await.unwrap();
    let mut stream = pin!(events(&client, &format!("{SECRETS}?watch=1&resourceVersion={revision}")).await);
    assert_eq!(next(&mut stream).await, event("ADDED", "between"));
    send(&client, "PATCH", &format!("{SECRETS}/before"), &json!({"metadata": {"labels": {"a": "b"}}}))
        .await
        .unwrap();
    assert_eq!(next(&mut stream).await, event("MODIFIED", "before"));
    send(&client, "PATCH", &format!("{SECRETS}/before"), &json!({"metadata": {"labels": {"a": "b"}}}))
        .await
        .unwrap();
    send(&client, "DELETE", &format!("{SECRETS}/before"), &Value::Null).await.unwrap();
    assert_eq!(next(&mut stream).await, event("DELETED", "before"));
}

#[tokio::test]
async fn an_object_that_leaves_the_selector_is_deleted_for_the_watcher() {
    let server = start().await;
    let client = admin(&server, "root");
    let path = format!("{SECRETS}?watch=1&labelSelector=colour%3Dred");
    let mut stream = pin!(events(&client, &path).await);
    send(&client, "POST", SECRETS, &secret("one")).await.unwrap();
    let one = format!("{SECRETS}/one");
    send(&client, "PATCH", &one, &json!({"metadata": {"labels": {"colour": "red"}}})).await.unwrap();
    assert_eq!(next(&mut stream).await, event("ADDED", "one"));
    send(&client, "PATCH", &one, &json!({"metadata": {"labels": {"colour": "blue"}}})).await.unwrap();
    assert_eq!(next(&mut stream).await, event("DELETED", "one"));
}

#[tokio::test]
async fn a_watch_from_too_long_ago_is_told_so() {
    let server = start().await;
    let client = admin(&server, "root");
    let list = get(&client, SECRETS).await.unwrap();
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    send(&client, "POST", SECRETS, &secret("one")).await.unwrap();
    server.compact();
    let mut stream = pin!(events(&client, &format!("{SECRETS}?watch=1&resourceVersion={revision}")).await);
    let error = stream.next().await.unwrap();
    assert_eq!((error["type"].as_str(), error["object"]["code"].as_u64()), (Some("ERROR"), Some(410)));
}

#[tokio::test]
async fn a_streamed_list_ends_with_a_mark() {
    let server = start().await;
    let client = admin(&server, "root");
    send(&client, "POST", SECRETS, &secret("one")).await.unwrap();
    let path = format!(
        "{SECRETS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    );
    let mut stream = pin!(events(&client, &path).await);
    assert_eq!(next(&mut stream).await, event("ADDED", "one"));
    let mark = stream.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

#[tokio::test]
async fn the_watcher_of_kube_lists_and_follows_in_both_ways() {
    let server = start().await;
    let client = admin(&server, "root");
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
        let mut stream = pin!(watcher::watcher(secrets, config).try_filter_map(async |event| {
            Ok(match event {
                Event::Apply(object) | Event::InitApply(object) => Some(object.name_any()),
                Event::Delete(object) => Some(format!("-{}", object.name_any())),
                Event::Init | Event::InitDone => None,
            })
        }));
        send(&client, "POST", SECRETS, &secret("one")).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "one");
        send(&client, "DELETE", &format!("{SECRETS}/one"), &Value::Null).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "-one");
    }
}

#[tokio::test]
async fn whoever_looks_at_each_version_sees_the_one_that_is_there_when_told_to_stop() {
    let server = start().await;
    let client = admin(&server, "root");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    send(&client, "POST", SECRETS, &secret("one")).await.unwrap();
    let one = format!("{SECRETS}/one");
    for step in ["1", "2", "3"] {
        let patch = json!({"metadata": {"labels": {"step": step}}});
        send(&client, "PATCH", &one, &patch).await.unwrap();
        // Before the watch has shown anything.
        let stop = CancellationToken::new();
        stop.cancel();
        let mut seen = Vec::new();
        each_version(&secrets, "one", &stop, |secret| seen.push(secret.cloned())).await.unwrap();
        let labels = seen.last().unwrap().as_ref().unwrap().labels();
        assert_eq!(labels.get("step").map(String::as_str), Some(step));
    }
    let stop = CancellationToken::new();
    let mut seen = Vec::new();
    let looking = each_version(&secrets, "one", &stop, |secret| seen.push(secret.is_some()));
    let change = async {
        send(&client, "DELETE", &one, &Value::Null).await.unwrap();
        stop.cancel();
    };
    let (looked, ()) = tokio::join!(looking, change);
    looked.unwrap();
    assert_eq!(seen.last(), Some(&false), "{seen:?}");
}
