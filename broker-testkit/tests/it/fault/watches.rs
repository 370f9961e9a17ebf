//! What a client hears of a watch that is harmed.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use broker_testkit::fault::Injector;
use futures::{Stream, StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{WatchEvent, WatchParams};
use kube::client::Body;
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Api, Client, ResourceExt as _};
use tower::Layer as _;

use super::{AGES, Rig, assert_silent, broken, create, parsed, refusal};

type Events = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<Secret>>> + Send>>;

/// Four secrets, and a watch that begins with them.
async fn four(plan: &str) -> (Rig, Events) {
    let rig = Rig::new(plan);
    for name in ["a", "b", "c", "d"] {
        create(&rig.outside(), name).await.unwrap();
    }
    let events = watch(&rig.secrets()).await;
    (rig, events)
}

async fn watch(secrets: &Api<Secret>) -> Events {
    Box::pin(secrets.watch(&WatchParams::default(), "0").await.unwrap())
}

fn name(event: WatchEvent<Secret>) -> String {
    let (WatchEvent::Added(secret) | WatchEvent::Modified(secret) | WatchEvent::Deleted(secret)) = event
    else {
        panic!("{event:?}")
    };
    secret.name_any()
}

/// The names of the next events.
async fn heard(events: &mut Events, count: usize) -> Vec<String> {
    events.by_ref().take(count).map(|event| name(event.unwrap())).collect().await
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_cut_comes_as_an_error() {
    let (rig, mut events) = four("e3!cut").await;
    assert_eq!(heard(&mut events, 2).await, ["a", "b"]);
    assert_eq!(broken(&events.next().await.unwrap().unwrap_err()), io::ErrorKind::ConnectionReset);
    assert_eq!(rig.injected(), ["e3!cut"]);
    // The watch that is opened next is whole.
    assert_eq!(heard(&mut watch(&rig.secrets()).await, 4).await, ["a", "b", "c", "d"]);
    assert_eq!(rig.injector.census().events, 7);
}

#[tokio::test(start_paused = true)]
async fn half_of_a_cut_event_is_on_the_wire() {
    let (rig, _unheard) = four("e1!cut").await;
    let request = Request::get("/api/v1/secrets?watch=true").body(Body::empty()).unwrap();
    let mut body = rig.client.send(request).await.unwrap().into_body();
    let frame = http_body_util::BodyExt::frame(&mut body);
    let first = frame.await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"{\"type\":\"ADDED\"") && !first.ends_with(b"\n"));
    assert!(http_body_util::BodyExt::frame(&mut body).await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_watch_can_end_without_a_word() {
    let (rig, mut events) = four("e3!end").await;
    assert_eq!(heard(&mut events, 2).await, ["a", "b"]);
    assert!(events.next().await.is_none());
    assert_eq!(rig.injected(), ["e3!end"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_stalls_stays_open() {
    let (rig, mut events) = four("e3!stall").await;
    assert_eq!(heard(&mut events, 2).await, ["a", "b"]);
    create(&rig.outside(), "e").await.unwrap();
    assert_silent(events.next()).await;
    // Its server's own end does not get through either.
    assert_eq!(rig.injected(), ["e3!stall"]);
}

#[tokio::test(start_paused = true)]
async fn events_are_repeated_with_those_before_them() {
    let (rig, mut events) = four("e1!repeat(5),e3!repeat(2)").await;
    assert_eq!(heard(&mut events, 7).await, ["a", "a", "b", "c", "b", "c", "d"]);
    assert_eq!(rig.injected(), ["e1!repeat(5)", "e3!repeat(2)"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_delayed_is_overtaken_by_other_watches_and_by_none_of_its_own() {
    let (rig, mut events) = four("e2!delay(2s)").await;
    assert_eq!(heard(&mut events, 1).await, ["a"]);
    let mut other = watch(&rig.secrets()).await;
    let begun = tokio::time::Instant::now();
    tokio::select! {
        biased;
        _ = events.next() => panic!("it was held back for no time"),
        names = heard(&mut other, 4) => assert_eq!(names, ["a", "b", "c", "d"]),
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(heard(&mut events, 3).await, ["b", "c", "d"]);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(rig.injected(), ["e2!delay(2s)"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_is_told_as_an_event_and_at_the_opening() {
    let (rig, mut events) = four("e3!410,s2!410").await;
    assert_eq!(heard(&mut events, 2).await, ["a", "b"]);
    let WatchEvent::Error(status) = events.next().await.unwrap().unwrap() else { panic!("no error") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(events.next().await.is_none());
    let refused = rig.secrets().watch(&WatchParams::default(), "0").await.err().unwrap();
    assert_eq!(refusal(&refused), (410, "Expired"));
    assert_eq!(rig.injected(), ["e3!410", "s2!410"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_harmed_from_its_opening_on() {
    let (rig, mut events) = four("s1!end,s2!stall,s3!cut,s4!slow(1s)").await;
    assert!(events.next().await.is_none());
    assert_silent(watch(&rig.secrets()).await.next()).await;
    assert!(watch(&rig.secrets()).await.next().await.unwrap().is_err());
    let begun = tokio::time::Instant::now();
    assert_eq!(heard(&mut watch(&rig.secrets()).await, 1).await, ["a"]);
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
    assert_eq!(rig.injected(), ["s1!end", "s2!stall", "s3!cut", "s4!slow(1s)"]);
}

#[tokio::test(start_paused = true)]
async fn who_dies_of_an_event_heard_those_before_it() {
    for (harm, last) in [("crash-before", 1), ("crash-after", 2)] {
        let (rig, mut events) = four(&format!("e2!{harm}")).await;
        assert_eq!(heard(&mut events, last).await.len(), last);
        assert_silent(events.next()).await;
        assert!(rig.injector.is_crashed());
        assert_eq!(rig.injected(), [format!("e2!{harm}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_care_ends_with_the_truth() {
    let harms = [
        "e2!cut",
        "e2!end",
        "e2!410",
        "s1!410",
        "e2!repeat(9)",
        "e2!delay(9s)",
        "e2!away(9s)",
        "l1!stale(2)",
    ];
    for plan in harms.into_iter().chain(["l1!500", "s1!end", "l1!cut,s2!unreachable,e1!away(1m)"]) {
        let rig = Rig::new(plan);
        for name in ["a", "b"] {
            create(&rig.outside(), name).await.unwrap();
        }
        let events = watcher(rig.secrets(), watcher::Config::default()).default_backoff();
        let (reader, writer) = reflector::store();
        let mut known = Box::pin(reflector(writer, events));
        let mut later = vec!["d", "c"];
        while reader.len() < 4 {
            // The rest comes while it watches.
            if reader.len() >= 2
                && let Some(name) = later.pop()
            {
                create(&rig.outside(), name).await.unwrap();
            }
            tokio::time::timeout(AGES, known.next()).await.unwrap().unwrap().ok();
        }
        assert!(rig.injector.pending().is_empty(), "{plan}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_counted_by_line_however_they_are_framed() {
    let injector = Injector::new(parsed("e2!end"));
    let event =
        |name: &str| format!("{{\"type\":\"ADDED\",\"object\":{{\"metadata\":{{\"name\":\"{name}\"}}}}}}\n");
    let text = ["a", "b", "c"].map(event).concat();
    for size in [1, 7, text.len()] {
        injector.arm(parsed("e2!end"));
        let pieces: Vec<Bytes> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let service = tower::service_fn(move |_: Request<Body>| {
            let frames = stream::iter(pieces.clone()).map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
            let answer =
                Response::builder().header("content-type", "application/json").body(StreamBody::new(frames));
            async { Ok::<_, Infallible>(answer.unwrap()) }
        });
        let client = Client::new(injector.layer().layer(service), "default");
        let mut events = watch(&Api::namespaced(client, "default")).await;
        assert_eq!(heard(&mut events, 1).await, ["a"], "in pieces of {size}");
        assert!(tokio::time::timeout(AGES, events.next()).await.unwrap().is_none());
        assert_eq!(injector.census().events, 2);
    }
}
