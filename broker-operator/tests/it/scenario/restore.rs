//! Backups restored under the broker's feet, and `recover`.

use std::collections::BTreeMap;

use broker_core::order::OrderIdentity;
use broker_core::resource::{Gvr, ObjectKey};
use broker_core::translate::copy_name;
use broker_kcp::api::v1alpha1::Assignment;
use broker_testkit::provider::certificate_resource;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::actors::{Consumer, Provider};
use crate::commands::Commands;
use crate::look;
use crate::stage::{Stage, World};

const FINALIZER: &str = "broker.platform-mesh.io/order";
const ORDER: &str = "certificate/my-app-cert";

/// As a backup keeps it: everything but what the server counts and stamps.
fn backed_up<K: Resource + Clone>(object: &K) -> K {
    let mut object = object.clone();
    let metadata = object.meta_mut();
    metadata.uid = None;
    metadata.resource_version = None;
    metadata.creation_timestamp = None;
    metadata.deletion_timestamp = None;
    metadata.generation = None;
    metadata.managed_fields = None;
    object
}

async fn the_assignment(world: &World) -> Assignment {
    let all = world.assignments().list(&ListParams::default()).await.unwrap();
    assert_eq!(all.items.len(), 1, "{all:?}");
    all.items.into_iter().next().unwrap()
}

async fn lose_the_assignment(world: &World) {
    let name = the_assignment(world).await.name_any();
    world.assignments().delete(&name, &DeleteParams::default()).await.unwrap();
}

async fn until_lost(consumer: &Consumer) -> DynamicObject {
    let lost = |order: &_| look::says(order, "Brokered", "Unknown", "AssignmentLost");
    consumer.until("my-app-cert", "the order to say that its record is lost", lost).await
}

/// The version of everything that `recover` could write, Assignments apart.
async fn versions(stage: &Stage, world: &World) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    let mut note = |what: &str, object: &dyn AsVersion| {
        let (name, version) = object.as_version();
        versions.insert(format!("{what} {name}"), version);
    };
    let all = ListParams::default();
    for provider in [&world.internal, &world.public] {
        for copy in provider.copies().list(&all).await.unwrap() {
            note(&format!("copy {}", provider.workspace), &copy);
        }
        for secret in provider.secrets().list(&all).await.unwrap() {
            note(&format!("Secret {}", provider.workspace), &secret);
        }
        for offer in provider.offers().list(&all).await.unwrap() {
            note(&format!("offer {}", provider.workspace), &offer);
        }
    }
    for order in world.consumer.orders().list(&all).await.unwrap() {
        note("order", &order);
    }
    for secret in world.consumer.secrets().list(&all).await.unwrap() {
        note("mirrored", &secret);
    }
    for event in world.consumer.events().list(&all).await.unwrap() {
        note("event", &event);
    }
    for migration in world.migrations().list(&all).await.unwrap() {
        note("migration", &migration);
    }
    for api in stage.brokered_apis().list(&all).await.unwrap() {
        note("api", &api);
    }
    versions
}

trait AsVersion {
    fn as_version(&self) -> (String, String);
}

impl<K: ResourceExt> AsVersion for K {
    fn as_version(&self) -> (String, String) {
        (self.name_any(), self.resource_version().unwrap())
    }
}

/// Recovers the order while no broker runs: first in words, then in fact. Nothing but its Assignment is written.
async fn recover(stage: &Stage, world: &World, commands: &Commands, lost: &str) {
    let before = versions(stage, world).await;
    let assignments = world.assignments().list(&ListParams::default()).await.unwrap().items;
    let shown = commands.as_broker(&["recover", "--all", "--dry-run", "-o", "json"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    let report = &shown.json()[0];
    assert_eq!(
        (&report["lost"], &report["outcome"], &report["dryRun"]),
        (&json!(lost), &json!("Adopted"), &json!(true))
    );
    let same = world.assignments().list(&ListParams::default()).await.unwrap().items;
    let known = |all: &[Assignment]| all.iter().map(AsVersion::as_version).collect::<Vec<_>>();
    assert_eq!(known(&same), known(&assignments), "nothing is written by looking");

    let done = commands
        .as_broker(&["recover", ORDER, "-n", "default", "--cluster", &world.consumer.workspace])
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains(&format!("of {}: ", world.consumer.workspace)), "{}", done.out);
    assert!(done.out.contains("serves it: ready"), "{}", done.out);
    assert_eq!(versions(stage, world).await, before);
    let again = commands.as_broker(&["recover", "--all"]).await;
    assert_eq!((again.code, again.out.as_str()), (0, "No order's record is lost.\n"));
}

/// The order is served again by the very copy, and nothing else is left.
async fn is_served_by(world: &World, provider: &Provider, copy: &DynamicObject) {
    world.consumer.until_served("my-app-cert", provider).await;
    world.until_bound().await;
    let copies = provider.until_copies(1).await;
    assert_eq!(copies[0].uid(), copy.uid());
    assert_eq!(world.copies_everywhere().await, [copy.name_any()]);
    assert_eq!(the_assignment(world).await.spec.copies.len(), 1);
}

pub(crate) async fn an_order_whose_assignment_is_missing_keeps_its_copy_until_it_is_recovered(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    let copy = world.internal.until_copies(1).await.remove(0);
    let reader = world.consumer.keep_reading("my-app-cert-secret", &[&world.internal]);

    lose_the_assignment(&world).await;
    let order = until_lost(&world.consumer).await;
    assert!(order.finalizers().contains(&FINALIZER.to_owned()));
    // What the broker certainly removes is removed after it had its look at the copy that nobody names any more.
    a_copy_that_was_left_behind_goes(&stage, &world).await;
    let still = world.internal.copies().get(&copy.name_any()).await.unwrap();
    assert_eq!((still.uid(), still.meta().deletion_timestamp.is_some()), (copy.uid(), false));

    world.kill_the_operator();
    let commands = stage.commands();
    recover(&stage, &world, &commands, "Missing").await;
    world.start_the_operator();
    is_served_by(&world, &world.internal, &copy).await;
    // And goes on as before: a change moves it.
    world.consumer.change("my-app-cert", "app.corp.com").await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    world.consumer.until_served("my-app-cert", &world.public).await;
    world.internal.until_copies(0).await;
    drop(commands);
    stage.close(world).await;
}

/// A copy of an order that moved on, as a broker leaves it behind that dies at the wrong moment: it goes.
async fn a_copy_that_was_left_behind_goes(stage: &Stage, world: &World) {
    let other = stage.consumer("globex").await;
    let order = other.order("moving", "moving.internal.corp").await;
    other.until_served("moving", &world.internal).await;
    other.change("moving", "moving.corp.com").await;
    other.until_served("moving", &world.public).await;
    world.until_migration_completed().await;
    let record = the_assignment(world).await;
    let identity = OrderIdentity {
        gvr: Gvr::new("example.com", "v1alpha1", "certificates"),
        key: ObjectKey::new(record.spec.order.cluster_name.as_str(), "default", "moving"),
        uid: order.uid().unwrap(),
    };
    let cluster = world.internal.until_copies(1).await[0].annotations()["kcp.io/cluster"].clone();
    let name = copy_name(&identity, 1);
    let left = json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
        "metadata": {
            "name": name, "namespace": "default",
            "labels": {"broker.platform-mesh.io/order": record.name_any()},
        },
        "spec": {"fqdn": "moving.internal.corp"},
    });
    let client = stage.broker_through_the_export(&cluster).await;
    let copies: Api<DynamicObject> = Api::namespaced_with(client, "default", &certificate_resource());
    let ours = PostParams { field_manager: Some("resource-broker".to_owned()), ..PostParams::default() };
    copies.create(&ours, &serde_json::from_value(left).unwrap()).await.unwrap();
    world.internal.until_copies(2).await;
    world.internal.until_copies(1).await;
    other.delete("moving").await;
    other.until_gone("moving").await;
}

pub(crate) async fn an_assignment_from_before_a_move_is_recovered_with_the_copy_that_serves(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    let backup = backed_up(&the_assignment(&world).await);
    world.consumer.change("my-app-cert", "app.corp.com").await;
    world.consumer.until_served("my-app-cert", &world.public).await;
    world.until_migration_completed().await;
    world.internal.until_copies(0).await;
    let copy = world.public.until_copies(1).await.remove(0);
    let reader = world.consumer.keep_reading("my-app-cert-secret", &[&world.public]);

    world.kill_the_operator();
    for migration in world.migrations().list(&ListParams::default()).await.unwrap() {
        world.migrations().delete(&migration.name_any(), &DeleteParams::default()).await.unwrap();
    }
    lose_the_assignment(&world).await;
    world.assignments().create(&PostParams::default(), &backup).await.unwrap();
    world.start_the_operator();
    until_lost(&world.consumer).await;
    assert_eq!(world.copies_everywhere().await, [copy.name_any()], "neither removed nor made again");

    world.kill_the_operator();
    let commands = stage.commands();
    recover(&stage, &world, &commands, "Older").await;
    world.start_the_operator();
    is_served_by(&world, &world.public, &copy).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn a_restored_consumer_is_served_by_the_copy_that_it_had(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    let copy = world.internal.until_copies(1).await.remove(0);
    let former = the_assignment(&world).await;

    world.kill_the_operator();
    let orders = world.consumer.orders();
    let backup = backed_up(&orders.get("my-app-cert").await.unwrap());
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    orders.patch("my-app-cert", &PatchParams::default(), &release).await.unwrap();
    world.consumer.delete("my-app-cert").await;
    world.consumer.until_gone("my-app-cert").await;
    let restored = orders.create(&PostParams::default(), &backup).await.unwrap();
    assert_ne!(restored.uid().unwrap(), former.spec.order.uid);
    world.start_the_operator();
    until_lost(&world.consumer).await;
    assert_eq!(world.internal.copy_names().await, [copy.name_any()]);

    world.kill_the_operator();
    let commands = stage.commands();
    recover(&stage, &world, &commands, "Missing").await;
    world.start_the_operator();
    is_served_by(&world, &world.internal, &copy).await;
    assert_ne!(the_assignment(&world).await.name_any(), former.name_any());
    world.consumer.delete("my-app-cert").await;
    world.consumer.until_gone("my-app-cert").await;
    world.until_nothing_is_left().await;
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn a_restored_provider_serves_with_the_copy_that_it_restored(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    let before = world.internal.until_copies(1).await.remove(0);

    world.kill_the_operator();
    let copies = world.internal.copies();
    copies.delete(&before.name_any(), &DeleteParams::default()).await.unwrap();
    world.internal.until_copies(0).await;
    let copy = copies.create(&PostParams::default(), &backed_up(&before)).await.unwrap();
    world.internal.until_ready(&copy.name_any()).await;
    world.start_the_operator();
    until_lost(&world.consumer).await;

    world.kill_the_operator();
    let commands = stage.commands();
    recover(&stage, &world, &commands, "OtherCopy").await;
    world.start_the_operator();
    is_served_by(&world, &world.internal, &copy).await;
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn an_order_deleted_while_its_assignment_is_missing_leaves_nothing(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let consumer = &world.consumer;
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    lose_the_assignment(&world).await;
    until_lost(consumer).await;
    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    world.until_nothing_is_left().await;
    stage.close(world).await;
}

pub(crate) async fn what_recover_cannot_tell_is_said_and_an_order_without_a_copy_is_placed_again_on_request(
    stage: Stage,
) {
    let mut world = stage.with_two_authorities().await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    let commands = stage.commands();
    let path = world.consumer.workspace.clone();
    let fits = commands.as_broker(&["recover", ORDER, "--cluster", &path]).await;
    assert_eq!(fits.code, 0, "{fits:?}");
    assert!(fits.out.contains("its record fits what is there"), "{}", fits.out);
    for (arguments, words) in [
        (&["recover", "certificate/other", "--cluster", &path][..], "there is no order"),
        (&["recover", "database/other", "--cluster", &path], "is no brokered API"),
        (&["recover", "nonsense", "--cluster", &path], "names no order"),
        (&["recover", ORDER, "--cluster", "root:nowhere"], "root:nowhere"),
        (&["recover"], "required"),
        (&["recover", "--all", "--place-again"], "required"),
    ] {
        let refused = commands.as_broker(arguments).await;
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains(words), "{arguments:?}: {}", refused.err);
    }

    // Both are gone, the record and the copy.
    world.kill_the_operator();
    lose_the_assignment(&world).await;
    let copy = world.internal.until_copies(1).await.remove(0);
    world.internal.copies().delete(&copy.name_any(), &DeleteParams::default()).await.unwrap();
    world.internal.until_copies(0).await;
    world.start_the_operator();
    until_lost(&world.consumer).await;
    let nothing = commands.as_broker(&["recover", ORDER, "--cluster", &path]).await;
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(nothing.out.contains("--place-again"), "{}", nothing.out);
    let foreign = format!("{}/default/no-such-copy", world.internal.workspace);
    let refused = commands.as_broker(&["recover", ORDER, "--cluster", &path, "--copy", &foreign]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.out.contains("what --copy names is not there"), "{}", refused.out);
    let shown =
        commands.as_broker(&["recover", ORDER, "--cluster", &path, "--place-again", "--dry-run"]).await;
    assert!(shown.out.contains("would be removed"), "{shown:?}");
    until_lost(&world.consumer).await;

    let done = commands.as_broker(&["recover", ORDER, "--cluster", &path, "--place-again"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    drop(commands);
    stage.close(world).await;
}
