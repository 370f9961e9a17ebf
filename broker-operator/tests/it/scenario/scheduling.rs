//! The platform's word on whether a provider takes orders, given by commands.

use kube::ResourceExt;
use serde_json::json;

use crate::look;
use crate::stage::Stage;

const CERTIFICATES: &str = "certificates.example.com";

/// What the platform says of providers, as JSON.
async fn rules(stage: &Stage) -> serde_json::Value {
    let api = stage.brokered_apis().get(CERTIFICATES).await.unwrap();
    serde_json::to_value(&api.spec.providers).unwrap()
}

pub(crate) async fn a_cordoned_provider_keeps_its_orders_and_gets_no_new_ones(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    consumer.order("first", "first.internal.corp").await;
    consumer.until_served("first", internal).await;
    world.until_bound().await;

    let commands = stage.commands();
    let path = internal.workspace.as_str();
    let shown = commands.as_admin(&["cordon", path, "--dry-run"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.out.contains("would be cordoned (was Active): its 1 order stays"), "{}", shown.out);
    assert_eq!(rules(&stage).await, json!([]), "nothing is changed by looking");

    let done = commands.as_admin(&["cordon", path]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.out.starts_with(&format!("{CERTIFICATES}: {path} is cordoned (was Active)")),
        "{}",
        done.out
    );
    internal.until_offer("internal-ca-certificates", "False", "Cordoned").await;
    let again = commands.as_admin(&["cordon", path, "--api", CERTIFICATES]).await;
    assert!(again.out.contains("is cordoned already; nothing is changed"), "{}", again.out);

    consumer.order("second", "second.internal.corp").await;
    consumer.until("second", "the order to wait", |order| look::brokered(order) == "NoMatchingOffer").await;
    consumer.until_served("first", internal).await;
    // Everybody else may still offer.
    consumer.order("third", "third.corp.com").await;
    consumer.until_served("third", public).await;

    let done = commands.as_admin(&["uncordon", path]).await;
    assert!(done.out.contains("is active (was Cordoned): it takes orders again"), "{done:?}");
    assert_eq!(rules(&stage).await, json!([]), "no trace is left");
    consumer.until_served("second", internal).await;
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn a_drained_provider_loses_its_orders_and_gets_them_again_when_it_is_uncordoned(
    stage: Stage,
) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    public.offer("spare", json!([{"key": "fqdn", "suffix": ".corp"}])).await;
    public.until_offer("spare", "True", "ProviderReady").await;
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    world.until_bound().await;

    let commands = stage.commands();
    let id = internal.offers().get("internal-ca-certificates").await.unwrap().annotations()["kcp.io/cluster"]
        .clone();
    let done = commands.as_admin(&["drain", &id]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.out.contains("is draining (was Active): its 1 order moves where another offer fits"),
        "{}",
        done.out
    );
    consumer.until_served("my-app-cert", public).await;
    internal.until_copies(0).await;

    let done = commands.as_admin(&["uncordon", &id]).await;
    assert_eq!(done.code, 0, "{done:?}");
    internal.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    // It gets new orders, and does not pull back the one that moved.
    consumer.order("new", "new.internal.corp").await;
    consumer.until_served("new", internal).await;
    consumer.until_served("my-app-cert", public).await;
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn who_may_not_write_the_platforms_word_is_told(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let internal = &world.internal;
    internal.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    let commands = stage.commands();
    let refused = commands.as_broker(&["cordon", &internal.workspace]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("BrokeredAPI certificates.example.com")
            && refused.err.contains("lacks this right"),
        "{}",
        refused.err
    );
    let unknown = commands.as_admin(&["cordon", "root:nowhere"]).await;
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(
        unknown.err.contains("root:nowhere") && unknown.err.contains(&internal.workspace),
        "{}",
        unknown.err
    );
    let unknown = commands.as_admin(&["drain", &internal.workspace, "--api", "databases.example.com"]).await;
    assert!(unknown.err.contains("there are: certificates.example.com"), "{}", unknown.err);
    assert_eq!(rules(&stage).await, json!([]));
    drop(commands);
    stage.close(world).await;
}
