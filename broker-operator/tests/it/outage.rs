//! One shard of several that dies and comes back. On the embedded control plane only: the real kcp of the tests has one
//! shard.

use broker_kcp::api::v1alpha1::Assignment;
use broker_testkit::gate::{Gate, Passage};
use broker_testkit::wait::until_all;
use kube::api::ListParams;
use kube::runtime::watcher;
use serde_json::json;

use crate::actors::DEADLINE;
use crate::look;
use crate::server::Server;
use crate::stage::{Stage, World};

/// A platform whose internal authority lives on a shard of its own, behind a gate.
async fn with_a_shard_behind_a_gate() -> (Stage, World, Gate) {
    crate::prepare();
    let server = Server::embedded().await;
    let plane = server.embedded.as_ref().unwrap();
    let gate = Gate::before(plane.url().trim_start_matches("https://")).await.unwrap();
    plane.serve_shard("west", &format!("https://{}", gate.address()), &["internal-ca"]);
    let stage = Stage::on(server).await;
    let world = stage.with_two_authorities().await;
    world.public.offer("stand-in", json!([{"key": "fqdn", "suffix": ".corp"}])).await;
    world.public.until_offer("stand-in", "True", "ProviderReady").await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    (stage, world, gate)
}

async fn until_it_says_unreachable(world: &World) {
    let says = |order: &_| look::says(order, "Brokered", "Unknown", "ProviderUnreachable");
    world.consumer.until("my-app-cert", "the order to say that its provider is silent", says).await;
}

async fn until_leftovers(world: &World, count: usize) {
    let left = |all: &[Assignment]| all.iter().any(|found| found.spec.leftovers.len() == count);
    let what = format!("{count} copies that were left behind");
    let found = until_all(&world.assignments(), watcher::Config::default(), &what, DEADLINE, left).await;
    found.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_dies_is_waited_for_and_the_others_go_on() {
    let (stage, world, gate) = with_a_shard_behind_a_gate().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    stage.decree(json!({"failover": "Manual", "failoverAfter": "1s"})).await;
    stage.until_providers_reachable("True").await;
    let copies = internal.copy_names().await;
    let reader = consumer.keep_reading("my-app-cert-secret", &[internal]);

    gate.set(Passage::Cut);
    until_it_says_unreachable(&world).await;
    let asks = |order: &_| look::brokered_message(order).contains("a person must decide");
    consumer.until("my-app-cert", "a person to be asked", asks).await;
    let message = stage.until_providers_reachable("False").await;
    assert!(message.starts_with("not answering: "), "{message}");
    // A new order of the same kind goes elsewhere, and stays there.
    consumer.order("another", "another.internal.corp").await;
    consumer.until_served("another", public).await;

    gate.set(Passage::Open);
    consumer.until_served("my-app-cert", internal).await;
    stage.until_providers_reachable("True").await;
    consumer.until_served("another", public).await;
    assert_eq!(internal.copy_names().await, copies);
    assert!(world.migrations().list(&ListParams::default()).await.unwrap().items.is_empty());
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    stage.close(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_stays_away_is_left_and_cleaned_when_it_is_back() {
    let (stage, world, gate) = with_a_shard_behind_a_gate().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    stage.decree(json!({"failoverAfter": "1s"})).await;
    let reader = consumer.keep_reading("my-app-cert-secret", &[internal, public]);

    gate.set(Passage::Cut);
    consumer.until_served("my-app-cert", public).await;
    until_leftovers(&world, 1).await;
    world.until_migration_completed().await;
    assert_eq!(internal.copy_names().await.len(), 1, "nobody reaches it");

    gate.set(Passage::Open);
    internal.until_copies(0).await;
    until_leftovers(&world, 0).await;
    consumer.until_served("my-app-cert", public).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    world.until_nothing_is_left().await;
    stage.close(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_starts_while_a_shard_is_away_serves_the_others_and_moves_nothing() {
    let (stage, mut world, gate) = with_a_shard_behind_a_gate().await;
    world.kill_the_operator();
    gate.set(Passage::Cut);
    world.start_the_operator();
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    consumer.order("another", "another.internal.corp").await;
    consumer.until_served("another", public).await;
    until_it_says_unreachable(&world).await;

    gate.set(Passage::Open);
    consumer.until_served("my-app-cert", internal).await;
    consumer.until_served("another", public).await;
    assert!(world.migrations().list(&ListParams::default()).await.unwrap().items.is_empty());
    stage.close(world).await;
}
