//! Certificates by ACME, from a real server: what the consumer has and reads. What has to do with the broker is played on the
//! embedded control plane and on a real kcp.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod command;

use std::time::Duration;

use acme_example::{INTERNAL, PUBLIC, Scene, judge, leaf};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use broker_testkit::pebble::Settings;
use broker_testkit::wait::until;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

/// Short, so that the scenarios end; long enough to be told from no grace at all.
const GRACE: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_mins(2);
const ORDER: &str = "my-app-cert";

/// The logs of a failed test are shown with it.
fn prepare() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok();
}

async fn embedded(adjust: impl FnOnce(&mut Settings)) -> (ControlPlane, Scene) {
    prepare();
    let server = ControlPlane::builder().start().await.unwrap();
    let scene = Scene::open(server.admin_config(), "root", GRACE, adjust).await.unwrap();
    (server, scene)
}

async fn on_kcp(adjust: impl FnOnce(&mut Settings)) -> Scene {
    prepare();
    let kcp = Kcp::shared().await.unwrap_or_else(|error| panic!("{error}"));
    let tree = kcp.workspace("acme").await.unwrap();
    Scene::open(kcp.admin_config("root").await.unwrap(), tree.path(), GRACE, adjust).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_name_becomes_public_is_issued_by_acme_and_its_secret_is_never_unusable() {
    let (server, scene) = embedded(|_| ()).await;
    moves_between_the_authorities(scene).await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_name_becomes_public_is_issued_by_acme_and_its_secret_is_never_unusable_on_kcp() {
    moves_between_the_authorities(on_kcp(|_| ()).await).await;
}

async fn moves_between_the_authorities(scene: Scene) {
    scene.order(ORDER, "app.internal.corp").await.unwrap();
    scene.until_served(ORDER, INTERNAL).await.unwrap();
    let sight = scene.keep_looking(ORDER).await.unwrap();

    scene.change(ORDER, "app.corp.com").await.unwrap();
    let secret = scene.until_served(ORDER, PUBLIC).await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    assert!(leaf(&secret).unwrap().names.iter().eq(["app.corp.com"]));
    assert_eq!(judge(&secret, &scene.pebble.root().await.unwrap()), Ok(()));
    // What the server trusts with is not what it issues with.
    assert!(judge(&secret, &scene.pebble.trust()).is_err());

    scene.change(ORDER, "app.internal.corp").await.unwrap();
    scene.until_served(ORDER, INTERNAL).await.unwrap();
    scene.until_nothing_is_left().await.unwrap();
    let seen: Result<Vec<_>, _> = sight.finish().await.unwrap().into_iter().collect();
    let mut by = seen.unwrap();
    by.dedup();
    assert_eq!(by, [INTERNAL, PUBLIC, INTERNAL]);
    scene.delete(ORDER).await.unwrap();
    scene.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_the_consumer_reads_and_another_name_is_served() {
    let (server, scene) = embedded(|server| server.refused.push("refused.corp.com".to_owned())).await;
    scene.order(ORDER, "refused.corp.com").await.unwrap();
    let message = scene.until_told(ORDER, "RefusedByAuthority").await.unwrap();
    assert!(message.starts_with("refused.corp.com: the authority refuses to certify it"), "{message}");

    scene.change(ORDER, "app.corp.com").await.unwrap();
    scene.until_served(ORDER, PUBLIC).await.unwrap();
    scene.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_lead_to_the_provider_is_not_certified() {
    // Nobody answers there.
    let (server, scene) = embedded(|server| server.challenges = 1).await;
    scene.order(ORDER, "app.corp.com").await.unwrap();
    let message = scene.until_told(ORDER, "NotValidated").await.unwrap();
    assert!(message.contains("connection refused"), "{message}");
    scene.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_before_it_lapses() {
    let (server, scene) = embedded(|server| server.lifetime = Duration::from_secs(30)).await;
    scene.order(ORDER, "app.corp.com").await.unwrap();
    let first = leaf(&scene.until_served(ORDER, PUBLIC).await.unwrap()).unwrap();
    let sight = scene.keep_looking(ORDER).await.unwrap();
    let renewed = |found: Option<&Secret>| {
        found.is_some_and(|secret| leaf(secret).is_some_and(|leaf| leaf.serial != first.serial))
    };
    let secret = until(&scene.secrets(), &format!("{ORDER}-secret"), "the next one", DEADLINE, renewed).await;
    let next = leaf(&secret.unwrap().unwrap()).unwrap();
    assert!(next.not_before < first.not_after, "{next:?} came after the end of {first:?}");
    let seen: Result<Vec<_>, _> = sight.finish().await.unwrap().into_iter().collect();
    assert!(seen.unwrap().len() >= 2);
    scene.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_waited_for_and_one_that_forgot_the_account_gives_a_new_one() {
    let (server, mut scene) = embedded(|_| ()).await;
    scene.order("first", "first.corp.com").await.unwrap();
    let first = scene.until_served("first", PUBLIC).await.unwrap();
    let account = scene.secrets_of_public().get("acme-account").await.unwrap();

    scene.pebble.stop();
    scene.order("second", "second.corp.com").await.unwrap();
    scene.until_told("second", "AuthorityUnavailable").await.unwrap();
    // It knows no accounts any more.
    scene.pebble.start_again().await.unwrap();
    let second = scene.until_served("second", PUBLIC).await.unwrap();
    assert_eq!(judge(&second, &scene.pebble.root().await.unwrap()), Ok(()));
    let next = scene.secrets_of_public().get("acme-account").await.unwrap();
    assert_ne!(next.uid(), account.uid());
    let kept = scene.secrets().get("first-secret").await.unwrap();
    assert_eq!(kept.data, first.data, "what is served is not ordered anew");
    scene.close().await.unwrap();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_starts_again_has_the_same_account_and_orders_nothing_anew() {
    let (server, mut scene) = embedded(|_| ()).await;
    scene.order("first", "first.corp.com").await.unwrap();
    let first = scene.until_served("first", PUBLIC).await.unwrap();
    let account = scene.secrets_of_public().get("acme-account").await.unwrap();
    assert!(account.labels().is_empty(), "a broker must not see it: {:?}", account.labels());

    scene.stop_authority().await.unwrap();
    scene.start_authority();
    scene.order("second", "second.corp.com").await.unwrap();
    scene.until_served("second", PUBLIC).await.unwrap();
    let kept = scene.secrets().get("first-secret").await.unwrap();
    assert_eq!(kept.data, first.data);
    let same = scene.secrets_of_public().get("acme-account").await.unwrap();
    assert_eq!(same.resource_version(), account.resource_version());
    scene.close().await.unwrap();
    server.shutdown().await;
}

/// Words, with what is another number each time left out.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace()
        .map(|word| if word.contains(|sign: char| sign.is_ascii_digit()) { "#" } else { word })
        .collect()
}

#[test]
fn the_command_prints_what_the_readme_shows() {
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_acme-example")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let readme = include_str!("../../README.md");
    let shown = readme.split_once("```text\n").unwrap().1.split_once("```").unwrap().0;
    assert_eq!(words(&String::from_utf8(run.stdout).unwrap()), words(shown));
}
