//! Two brokers that both believe to lead, under load.

use futures::future::join_all;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::actors::Provider;
use crate::operator::RunningOperator;
use crate::stage::{Stage, World};

/// How many orders are made, moved and deleted at the same time.
const ORDERS: usize = 8;

fn name(index: usize) -> String {
    format!("order-{index}")
}

pub(crate) async fn two_brokers_that_both_work_lose_nothing_and_double_nothing(stage: Stage) {
    let world = stage.with_two_authorities().await;
    // The first one holds the Lease; the second one does not ask.
    let second = RunningOperator::start_regardless(stage.broker());
    let all: Vec<usize> = (0..ORDERS).collect();
    let consumer = &world.consumer;
    join_all(all.iter().map(|index| async move {
        consumer.order(&name(*index), &format!("{}.internal.corp", name(*index))).await
    }))
    .await;
    until_served(&world, &all, &world.internal).await;
    let secrets: Vec<String> = all.iter().map(|index| format!("{}-secret", name(*index))).collect();
    let readers: Vec<_> = secrets
        .iter()
        .skip(ORDERS / 2)
        .map(|secret| consumer.keep_reading(secret, &[&world.internal, &world.public]))
        .collect();

    // All of them move at once, and half of those are deleted on their way.
    let (deleted, kept) = all.split_at(ORDERS / 2);
    move_to(&world, &all, "corp.com").await;
    join_all(deleted.iter().map(|index| async move { consumer.delete(&name(*index)).await })).await;
    until_served(&world, kept, &world.public).await;
    // And back, before the old copies went.
    move_to(&world, kept, "internal.corp").await;
    until_served(&world, kept, &world.internal).await;

    for index in deleted {
        consumer.until_gone(&name(*index)).await;
    }
    for provider in [(&world.public, 0), (&world.internal, kept.len())] {
        provider.0.until_copies(provider.1).await;
    }
    for reader in readers {
        let report = reader.finish().await.unwrap();
        // The order goes back to the first authority, and not once more: told once by the watch, once by the reads. The
        // broker that lags behind puts nothing back.
        assert_eq!(report.bad(), report.returned, "{report}");
        assert!(report.returned <= 2, "{report}");
    }
    world.until_bound().await;
    let assignments = world.assignments().list(&ListParams::default()).await.unwrap().items;
    let mut named: Vec<String> =
        assignments.iter().flat_map(|it| &it.spec.copies).map(|copy| copy.name.clone()).collect();
    let mut there: Vec<String> =
        world.internal.until_copies(kept.len()).await.iter().map(ResourceExt::name_any).collect();
    named.sort();
    there.sort();
    assert_eq!(
        (assignments.len(), named),
        (kept.len(), there),
        "every copy is named, and every order has one"
    );
    second.stop().await;
    stage.close(world).await;
}

async fn move_to(world: &World, orders: &[usize], domain: &str) {
    join_all(orders.iter().map(|index| async move {
        world.consumer.change(&name(*index), &format!("{}.{domain}", name(*index))).await
    }))
    .await;
}

async fn until_served(world: &World, orders: &[usize], provider: &Provider) {
    join_all(orders.iter().map(|index| async move {
        world.consumer.until_served(&name(*index), provider).await;
    }))
    .await;
}
