//! The mission's certificate story.

use broker_testkit::provider::Conduct;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::look;
use crate::stage::{GRACE, Stage};

pub(crate) async fn a_certificate_is_ordered_brokered_and_moved_without_a_gap(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    internal.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    public.until_offer("public-ca-certificates", "True", "ProviderReady").await;

    consumer.order("my-app-cert", "app.internal.corp").await;
    let (order, secret) = consumer.until_served("my-app-cert", internal).await;
    assert_eq!(secret.name_any(), "my-app-cert-secret");
    assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/tls"));
    assert_eq!(secret.labels()["broker.platform-mesh.io/managed"], "true");
    assert_eq!(secret.owner_references()[0].uid, order.uid().unwrap());
    assert_eq!(
        order.data["status"]["relatedResources"]["secret"],
        serde_json::json!({
            "namespace": "default", "name": "my-app-cert-secret",
            "gvk": {"group": "", "version": "v1", "kind": "Secret"},
        })
    );
    let copies = internal.until_copies(1).await;
    assert!(copies[0].name_any().len() <= 40, "{}", copies[0].name_any());
    assert!(
        look::tells_nothing_of(&copies[0], "my-app-cert", &consumer.workspace),
        "{:?}",
        copies[0].metadata
    );
    assert_eq!(copies[0].data["spec"], order.data["spec"]);
    assert_eq!(public.copy_names().await, Vec::<String>::new());

    let reader = consumer.keep_reading("my-app-cert-secret", &[internal, public]);
    let watched = world.watch_the_order("my-app-cert").await;
    let endings = world.watch_the_copies().await;
    consumer.change("my-app-cert", "app.corp.com").await;
    let (order, _) = consumer.until_served("my-app-cert", public).await;
    internal.until_copies(0).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    assert!(report.reads > 10, "{report}");
    let served: Vec<&str> = report.handovers.iter().map(|handover| handover.authority.as_str()).collect();
    assert_eq!(served, ["Internal CA", "Public CA"]);
    assert_eq!(public.until_copies(1).await[0].data["spec"], order.data["spec"]);
    endings.assert_replacement_first(GRACE).await;
    let versions = watched.finish().await;
    assert!(versions.iter().all(look::looks_ready), "the order was not ready in between: {versions:?}");

    let migration = world.until_migration_completed().await;
    assert_eq!(migration.spec.from.name.as_deref(), Some("my-app-cert"));
    let receipt = migration.status.unwrap().receipt.expect("a receipt");
    assert!(
        receipt.started_at <= receipt.switched_at && receipt.switched_at < receipt.completed_at,
        "{receipt:?}"
    );
    let assignments = world.assignments().list(&ListParams::default()).await.unwrap();
    assert_eq!(assignments.items.len(), 1);
    assert_eq!(assignments.items[0].spec.copies.len(), 1);
    world.until_bound().await;
    stage.close(world).await;
}

pub(crate) async fn observed_generation_is_the_orders_own(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    for (generation, fqdn) in [(2, "b.internal.corp"), (3, "c.internal.corp")] {
        consumer.change("my-app-cert", fqdn).await;
        let (order, _) = consumer.until_served("my-app-cert", internal).await;
        assert_eq!(order.metadata.generation, Some(generation));
    }

    // Whoever waits for the new generation must not be told that the old copy has seen it.
    public.authority.set_conduct(Conduct::Withhold);
    consumer.change("my-app-cert", "app.corp.com").await;
    public.until_copies(1).await;
    let order = consumer
        .until("my-app-cert", "the move to be told", |order| look::brokered(order) == "Migrating")
        .await;
    assert_eq!(order.metadata.generation, Some(4));
    assert_eq!(order.data["status"]["observedGeneration"], 3);
    assert_eq!(look::condition(&order, "Ready").unwrap()["observedGeneration"], 3);
    assert_eq!(look::condition(&order, "Brokered").unwrap()["observedGeneration"], 4);

    // The replacement's own generation is 1; the order's is what its consumer knows.
    public.authority.set_conduct(Conduct::Issue);
    let (order, _) = consumer.until_served("my-app-cert", public).await;
    assert_eq!(public.until_copies(1).await[0].metadata.generation, Some(1));
    assert_eq!(order.data["status"]["observedGeneration"], 4);
    stage.close(world).await;
}
