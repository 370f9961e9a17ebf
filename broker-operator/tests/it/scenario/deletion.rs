//! Endings: of orders, copies, bindings, workspaces.

use broker_testkit::provider::Conduct;
use broker_testkit::wait::until;
use kube::ResourceExt;
use kube::api::DeleteParams;

use crate::actors::DEADLINE;
use crate::look;
use crate::stage::{Stage, binding_of_certificates};

pub(crate) async fn an_order_deleted_before_it_is_served_leaves_nothing(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    internal.authority.set_conduct(Conduct::Withhold);
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.order("unroutable", "app.example.org").await;
    internal.until_copies(1).await;
    let waits = |order: &_| look::brokered(order) == "NoMatchingOffer";
    consumer.until("unroutable", "the order to wait", waits).await;

    for name in ["my-app-cert", "unroutable"] {
        consumer.delete(name).await;
        consumer.until_gone(name).await;
    }
    world.until_nothing_is_left().await;
    stage.close(world).await;
}

pub(crate) async fn an_order_deleted_during_a_move_leaves_nothing(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    public.authority.set_conduct(Conduct::Withhold);
    consumer.change("my-app-cert", "app.corp.com").await;
    public.until_copies(1).await;
    internal.until_copies(1).await;

    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    world.until_nothing_is_left().await;
    stage.close(world).await;
}

pub(crate) async fn an_order_deleted_after_a_move_leaves_nothing(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    consumer.change("my-app-cert", "app.corp.com").await;
    // Right after the switch the old copy is still there for its grace period.
    consumer.until_served("my-app-cert", public).await;

    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    world.until_nothing_is_left().await;
    stage.close(world).await;
}

pub(crate) async fn a_copy_deleted_by_its_provider_is_made_again(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    let lost = internal.until_copies(1).await.remove(0);

    let reader = consumer.keep_reading("my-app-cert-secret", &[internal]);
    internal.copies().delete(&lost.name_any(), &DeleteParams::default()).await.unwrap();
    let again = internal.until_a_copy_other_than(&lost.uid().unwrap()).await;
    assert_eq!(again.data["spec"], lost.data["spec"]);
    // It is served by the new copy when the Secret holds what the new copy's authority wrote last.
    world.until_mirrored(internal, &again).await;
    consumer.until_served("my-app-cert", internal).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    internal.until_copies(1).await;
    stage.close(world).await;
}

pub(crate) async fn orders_of_a_deleted_binding_are_let_go(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;

    let binding = binding_of_certificates(consumer).await.name_any();
    consumer.bindings().delete(&binding, &DeleteParams::default()).await.unwrap();
    let gone =
        until(&consumer.bindings(), &binding, "the binding to be gone", DEADLINE, |found| found.is_none())
            .await;
    gone.unwrap_or_else(|error| panic!("{error}"));
    world.until_providers_are_clean().await;
    world.until_no_records().await;
    stage.close(world).await;
}

pub(crate) async fn orders_of_a_deleted_workspace_are_let_go(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;

    stage.delete_workspace(&consumer.name).await;
    world.until_providers_are_clean().await;
    world.until_no_records().await;
    stage.close(world).await;
}
