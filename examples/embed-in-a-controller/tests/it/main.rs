//! The controller and the broker in one process: each does its work, both are measured, and both end.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;
use std::time::Duration;

use embed_in_a_controller::scene::Scene;
use tokio_util::sync::CancellationToken;

const README: &str = include_str!("../../README.md");
/// Far above what is needed: a test machine may be busy.
const DEADLINE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_served_by_controller_and_broker_and_both_end_together() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let scene = Scene::open().await.unwrap();
    let mut program = scene.program().await.unwrap();
    let (broker, metrics, stop) = (program.broker(), program.take_metrics(), CancellationToken::new());
    assert!(!broker.is_leading() && !broker.status().synced, "nothing runs yet");
    let running = tokio::spawn(program.run(stop.clone().cancelled_owned()));
    tokio::time::timeout(DEADLINE, broker.ready()).await.expect("it does not get ready").unwrap();
    tokio::time::timeout(DEADLINE, broker.led()).await.expect("it does not come to lead").unwrap();

    scene.welcome("acme").await.unwrap();
    scene.until("acme", "a workspace", |status| !status.cluster.is_empty()).await.unwrap();
    scene.order("acme", "app.internal.corp").await.unwrap();
    assert_eq!(scene.until_issued("acme").await.unwrap(), "Internal CA");
    let status = scene.until("acme", "one order served", |status| status.served == 1).await.unwrap();
    assert_eq!((status.workspace.as_str(), status.orders), ("root:acme", 1));

    let scrape = metrics.scrape().unwrap();
    for series in [
        "cloud_tenant_reconciliations_total{result=\"Done\"} ",
        "resource_broker_orders{api=\"certificates.example.com\",phase=\"Bound\"} 1",
        "resource_broker_ready 1",
    ] {
        assert!(scrape.contains(series), "{series} is not in {scrape}");
    }

    stop.cancel();
    let ended = tokio::time::timeout(DEADLINE, running).await.expect("it does not stop");
    ended.unwrap().unwrap();
    broker.ended().await;
    assert!(!broker.is_leading());
    scene.close().await;
}

#[test]
fn the_readmes_show_the_same_way_to_embed_the_broker() {
    let shown = |readme: &'static str, fence: &str| {
        let (_, snippet) = readme.split_once(fence).expect("a block of Rust");
        snippet.split_once("```").expect("its end").0
    };
    // That of the crate is compiled with its documentation.
    let compiled = shown(include_str!("../../../../broker-operator/README.md"), "```rust,no_run\n");
    assert_eq!(shown(include_str!("../../../../README.md"), "```rust\n"), compiled);
}

#[test]
fn its_output_is_the_one_in_the_readme() {
    let run = Command::new(env!("CARGO_BIN_EXE_embed-in-a-controller")).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let (_, block) = README.split_once("```text\n").expect("a block of text in the README");
    let (shown, _) = block.split_once("```").expect("its end");
    let printed = String::from_utf8(run.stdout).unwrap();
    assert_eq!(printed, shown, "the README shows another output than:\n{printed}");
}
