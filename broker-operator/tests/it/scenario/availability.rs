//! Providers that say no, and providers that are no longer there: nothing is waited for.

use broker_kcp::api::v1alpha1::{AcceptApi, Assignment};
use broker_kcp::kcp::api::ApiBinding;
use broker_testkit::wait::{until, until_all};
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

use crate::actors::{DEADLINE, Provider};
use crate::stage::{Stage, World, binding_of};

const OFFER: &str = "internal-ca-certificates";

async fn change(provider: &Provider, spec: Value) {
    let change = Patch::Merge(json!({ "spec": spec }));
    provider.offers().patch(OFFER, &PatchParams::default(), &change).await.unwrap();
}

/// The provider's own word on its offer.
async fn says_ready(provider: &Provider, status: &str) {
    let condition = json!({
        "type": "Ready", "status": status, "reason": "Maintenance", "message": "back on Monday",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let word = json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "AcceptAPI",
        "metadata": { "name": OFFER }, "status": { "conditions": [condition] },
    });
    let own = PatchParams::apply("the-provider").force();
    provider.offers().patch_status(OFFER, &own, &Patch::Apply(word)).await.unwrap();
}

async fn until_assigned(provider: &Provider, count: i64) {
    let told = |offer: Option<&AcceptApi>| {
        offer.is_some_and(|offer| {
            let status = offer.status.as_ref();
            status.is_some_and(|status| {
                status.assigned_orders == Some(count)
                    && status.observed_generation == offer.metadata.generation
            })
        })
    };
    let what = format!("{count} assigned orders, of the generation that is there");
    let found = until(&provider.offers(), OFFER, &what, DEADLINE, told).await;
    found.unwrap_or_else(|error| panic!("{error}"));
}

/// Somebody who would serve what the internal authority serves, less specifically.
async fn a_stand_in(world: &World) {
    world.public.offer("stand-in", json!([{"key": "fqdn", "suffix": ".corp"}])).await;
    world.public.until_offer("stand-in", "True", "ProviderReady").await;
}

fn bindings(provider: &Provider) -> Api<ApiBinding> {
    Api::all(provider.client.clone())
}

async fn delete_binding(provider: &Provider, export: &str) {
    let bindings = bindings(provider);
    let name = binding_of(&bindings, export).await.name_any();
    bindings.delete(&name, &DeleteParams::default()).await.unwrap();
}

pub(crate) async fn every_word_of_platform_and_provider_is_told_on_the_offer_and_acts_at_once(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    internal.until_offer(OFFER, "True", "ProviderReady").await;
    until_assigned(internal, 0).await;
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    until_assigned(internal, 1).await;

    // What keeps the order, or can name no other: told, and nothing moves.
    change(internal, json!({"scheduling": "Cordoned"})).await;
    internal.until_offer(OFFER, "False", "Cordoned").await;
    consumer.until_served("my-app-cert", internal).await;
    for (spec, reason, words) in [
        (json!({"scheduling": "Draining"}), "Draining", "move away"),
        (json!({"scheduling": null, "gvr": {"resource": "castles"}}), "APINotServed", "castles"),
        (
            json!({"gvr": {"resource": "certificates"}, "filters": [{"key": "fqdn", "boundary": {"min": "10Gi", "max": "1Gi"}}]}),
            "InvalidFilter",
            "10Gi to 1Gi",
        ),
    ] {
        change(internal, spec).await;
        let message = internal.until_offer(OFFER, "False", reason).await;
        assert!(message.contains(words), "{message}");
    }
    change(internal, json!({"filters": [{"key": "fqdn", "suffix": ".internal.corp"}]})).await;
    stage.decree(json!({"providers": [{"cluster": public.workspace}]})).await;
    internal.until_offer(OFFER, "False", "NotAllowed").await;
    stage.decree(json!({"providers": [{"cluster": "*"}, {"cluster": internal.workspace, "scheduling": "Cordoned"}]})).await;
    internal.until_offer(OFFER, "False", "Cordoned").await;
    stage.decree(json!({"providers": null})).await;
    internal.until_offer(OFFER, "True", "ProviderReady").await;
    consumer.until_served("my-app-cert", internal).await;
    assert_eq!(public.copy_names().await, Vec::<String>::new());

    // With somebody else to go to, the provider's own word moves the order without any waiting.
    a_stand_in(&world).await;
    says_ready(internal, "False").await;
    let message = internal.until_offer(OFFER, "False", "ProviderNotReady").await;
    assert!(message.contains("back on Monday"), "{message}");
    consumer.until_served("my-app-cert", public).await;
    until_assigned(internal, 0).await;
    says_ready(internal, "True").await;
    internal.until_offer(OFFER, "True", "ProviderReady").await;
    consumer.until_served("my-app-cert", public).await;
    stage.close(world).await;
}

pub(crate) async fn a_provider_that_loses_its_binding_is_left_at_once(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    a_stand_in(&world).await;
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;

    // The copy goes with the binding; the replacement is all that is left.
    delete_binding(internal, "certificates.example.com").await;
    consumer.until_served("my-app-cert", public).await;
    internal.until_offer(OFFER, "False", "APINotServed").await;
    until_no_move_is_left(&world).await;
    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    world.until_no_records().await;
    stage.close(world).await;
}

pub(crate) async fn a_provider_that_no_longer_binds_offers_is_left_and_cleaned(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    a_stand_in(&world).await;
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    let reader = consumer.keep_reading("my-app-cert-secret", &[internal, public]);

    delete_binding(internal, "acceptapi").await;
    consumer.until_served("my-app-cert", public).await;
    internal.until_copies(0).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    stage.close(world).await;
}

pub(crate) async fn a_provider_whose_workspace_is_deleted_is_left_and_holds_nothing(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    a_stand_in(&world).await;
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;

    stage.delete_workspace(&internal.name).await;
    consumer.until_served("my-app-cert", public).await;
    until_no_move_is_left(&world).await;
    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    world.until_no_records().await;
    stage.close(world).await;
}

/// Waits until the order has one copy, and nothing waits for a provider.
async fn until_no_move_is_left(world: &World) {
    let settled = |all: &[Assignment]| {
        all.iter().all(|found| found.spec.copies.len() == 1 && found.spec.leftovers.is_empty())
    };
    let all = watcher::Config::default();
    let found = until_all(&world.assignments(), all, "one copy and no leftovers", DEADLINE, settled).await;
    found.unwrap_or_else(|error| panic!("{error}"));
}
