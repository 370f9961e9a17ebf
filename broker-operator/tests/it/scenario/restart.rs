//! The operator dies without a word and another one takes over.

use broker_testkit::provider::Conduct;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::look;
use crate::stage::{Stage, World};

pub(crate) async fn killed_before_the_switch_it_ends_the_same(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    world.public.authority.set_conduct(Conduct::Withhold);
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    let reader = world.consumer.keep_reading("my-app-cert-secret", &[&world.internal, &world.public]);
    world.consumer.change("my-app-cert", "app.corp.com").await;
    let replacement = world.public.until_copies(1).await.remove(0);

    world.kill_the_operator();
    // The world goes on while nobody watches: the replacement becomes ready.
    world.public.authority.set_conduct(Conduct::Issue);
    world.public.until_ready(&replacement.name_any()).await;
    world.start_the_operator();

    world.consumer.until_served("my-app-cert", &world.public).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    assert_the_same_end(&world, &replacement.uid().unwrap()).await;
    stage.close(world).await;
}

pub(crate) async fn killed_after_the_switch_it_ends_the_same(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    let reader = world.consumer.keep_reading("my-app-cert-secret", &[&world.internal, &world.public]);
    world.consumer.change("my-app-cert", "app.corp.com").await;
    let replacement = world.public.until_copies(1).await.remove(0);
    let switched = |order: &_| look::served_by(order, "Public CA");
    world.consumer.until("my-app-cert", "the switch", switched).await;

    world.kill_the_operator();
    world.start_the_operator();
    assert_the_same_end(&world, &replacement.uid().unwrap()).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    stage.close(world).await;
}

async fn assert_the_same_end(world: &World, replacement: &str) {
    world.internal.until_copies(0).await;
    let copies = world.public.until_copies(1).await;
    assert_eq!(copies[0].uid().as_deref(), Some(replacement), "the replacement was made twice");
    world.consumer.until_served("my-app-cert", &world.public).await;
    world.until_migration_completed().await;
    let migrations = world.migrations().list(&ListParams::default()).await.unwrap();
    assert_eq!(migrations.items.len(), 1, "one change is one move");
    let assignments = world.assignments().list(&ListParams::default()).await.unwrap();
    assert_eq!(assignments.items.len(), 1);
}
