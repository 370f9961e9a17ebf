//! What a client sees of a request that is harmed, and what the server did.

use std::io;
use std::time::Duration;

use broker_kcp::kcp::{Connector, Resource, Selector};
use broker_testkit::fault::Injector;
use futures::join;
use kube::ResourceExt as _;
use tokio::time::Instant;
use tower::Layer as _;

use super::{Rig, assert_silent, broken, create, refusal};

/// Creates a, b and c, of which the second meets `harm`; answers how that failed.
async fn second_of_three(harm: &str) -> (Rig, kube::Error) {
    let rig = Rig::new(&format!("w2!{harm}"));
    let secrets = rig.secrets();
    create(&secrets, "a").await.unwrap();
    let error = create(&secrets, "b").await.unwrap_err();
    // What happens for a while is over by then.
    tokio::time::sleep(Duration::from_mins(1)).await;
    create(&secrets, "c").await.unwrap();
    assert_eq!(rig.injected(), [format!("w2!{harm}")]);
    let asked = rig.injector.injected()[0].asked.clone().unwrap();
    assert_eq!((asked.verb(), asked.resource()), ("create", "secrets"));
    assert_eq!(rig.injector.census().writes, 3);
    (rig, error)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_does_nothing() {
    for (harm, code, reason) in [
        ("conflict", 409, "Conflict"),
        ("too-many(2s)", 429, "TooManyRequests"),
        ("500", 500, "InternalError"),
        ("503", 503, "ServiceUnavailable"),
        ("504", 504, "Timeout"),
        ("410", 410, "Expired"),
        ("401(30s)", 401, "Unauthorized"),
    ] {
        let (rig, error) = second_of_three(harm).await;
        assert_eq!(refusal(&error), (code, reason), "{harm}");
        assert_eq!(rig.stored().await, ["a", "c"], "{harm}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_connection_does_nothing() {
    for harm in ["unreachable", "away(30s)"] {
        let (rig, error) = second_of_three(harm).await;
        assert_eq!(broken(&error), io::ErrorKind::ConnectionRefused, "{harm}");
        assert_eq!(rig.stored().await, ["a", "c"], "{harm}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_lost_or_wrong_comes_after_the_deed() {
    for (harm, code) in [("500-after", 500), ("503-after", 503), ("504-after", 504)] {
        let (rig, error) = second_of_three(harm).await;
        assert_eq!(refusal(&error).0, code, "{harm}");
        assert_eq!(rig.stored().await, ["a", "b", "c"], "{harm}");
    }
    for harm in ["lost", "cut"] {
        let (rig, error) = second_of_three(harm).await;
        assert_eq!(broken(&error), io::ErrorKind::ConnectionReset, "{harm}");
        assert_eq!(rig.stored().await, ["a", "b", "c"], "{harm}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_outlasts_every_patience() {
    for (harm, done) in [("silence", false), ("silence-after", true)] {
        let rig = Rig::new(&format!("w1!{harm}"));
        assert_silent(create(&rig.secrets(), "a")).await;
        create(&rig.secrets(), "b").await.unwrap();
        let expected: &[&str] = if done { &["a", "b"] } else { &["b"] };
        assert_eq!(rig.stored().await, expected, "{harm}");
        assert_eq!(rig.injected(), [format!("w1!{harm}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_told_in_the_header_and_in_the_status() {
    let rig = Rig::new("r1!too-many(1500ms),r2!too-many(3s)");
    let error = rig.secrets().get("a").await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error:?}") };
    assert_eq!(status.details.unwrap().retry_after_seconds, 2);
    let request = http::Request::get("/api/v1/namespaces").body(kube::client::Body::empty()).unwrap();
    let answer = rig.client.send(request).await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "3");
    // The broker's own way to servers hears it.
    let injector = Injector::new(super::parsed("r1!too-many(7s)"));
    let connect = std::sync::Arc::new(injector.layer().layer(rig.plane.in_process()));
    let api = Connector::new(rig.plane.workspace_config("root"), connect).home().unwrap().itself();
    let error = api.list(&Resource::secrets(), "default", &Selector::default()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test(start_paused = true)]
async fn a_delayed_write_is_overtaken() {
    let rig = Rig::new("w1!delay(2s)");
    let secrets = rig.secrets();
    let begun = Instant::now();
    let (first, second) = join!(create(&secrets, "a"), create(&secrets, "b"));
    let revision = |secret: kube::Result<k8s_openapi::api::core::v1::Secret>| {
        secret.unwrap().resource_version().unwrap().parse::<u64>().unwrap()
    };
    assert!(revision(first) > revision(second));
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(rig.injected(), ["w1!delay(2s)"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_comes_whole_in_the_end() {
    let rig = Rig::new("r2!slow(1s)");
    let made = create(&rig.secrets(), "a").await.unwrap();
    let begun = Instant::now();
    assert_eq!(rig.secrets().get("a").await.unwrap(), made);
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
    assert_eq!(rig.injected(), ["r2!slow(1s)"]);
}

#[tokio::test(start_paused = true)]
async fn the_series_are_counted_apart() {
    let rig = Rig::new("r4!503,w2!conflict,l1!500");
    let secrets = rig.secrets();
    create(&secrets, "a").await.unwrap();
    assert_eq!(refusal(&secrets.list(&kube::api::ListParams::default()).await.unwrap_err()).0, 500);
    assert_eq!(refusal(&create(&secrets, "b").await.unwrap_err()).0, 409);
    assert_eq!(refusal(&secrets.get("a").await.unwrap_err()).0, 503);
    let dry = kube::api::PostParams { dry_run: true, ..kube::api::PostParams::default() };
    secrets.create(&dry, &super::secret("c")).await.unwrap();
    rig.client.apiserver_version().await.unwrap();
    let census = rig.injector.census();
    assert_eq!((census.requests, census.writes, census.lists, census.watches), (6, 2, 1, 0));
    assert!(rig.injector.pending().is_empty());
    let tally: Vec<_> = rig.injector.tally().into_iter().collect();
    assert_eq!(tally, [("500", 1), ("503", 1), ("conflict", 1)]);
}

#[tokio::test(start_paused = true)]
async fn of_two_harms_to_one_request_the_first_of_the_plan_decides() {
    let rig = Rig::new("r1!503,w1!conflict,w1!delay(1s)");
    let begun = Instant::now();
    assert_eq!(refusal(&create(&rig.secrets(), "a").await.unwrap_err()).0, 503);
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
    assert_eq!(rig.injected(), ["w1!delay(1s)", "r1!503"]);
}
