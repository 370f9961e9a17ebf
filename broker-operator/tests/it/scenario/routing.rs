//! Which offer serves, and what is said where none does.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::json;

use crate::look;
use crate::stage::Stage;

pub(crate) async fn orders_of_the_same_name_never_mix(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, acme) = (&world.internal, &world.consumer);
    let globex = stage.consumer("globex").await;
    acme.order("my-app-cert", "acme.internal.corp").await;
    globex.order("my-app-cert", "globex.internal.corp").await;

    // `until_served` checks that each Secret certifies its own order's name.
    let (_, of_acme) = acme.until_served("my-app-cert", internal).await;
    let (_, of_globex) = globex.until_served("my-app-cert", internal).await;
    assert_eq!(of_acme.name_any(), of_globex.name_any());
    assert_ne!(look::entry(&of_acme, "tls.crt"), look::entry(&of_globex, "tls.crt"));
    let copies = internal.until_copies(2).await;
    assert_ne!(copies[0].name_any(), copies[1].name_any());

    globex.delete("my-app-cert").await;
    globex.until_gone("my-app-cert").await;
    globex.until_no_mirrors().await;
    let left = internal.until_copies(1).await;
    assert_eq!(left[0].data["spec"]["fqdn"], "acme.internal.corp");
    let (_, still) = acme.until_served("my-app-cert", internal).await;
    assert_eq!(still.data, of_acme.data);
    stage.close(world).await;
}

pub(crate) async fn an_order_that_fits_nobody_is_routed_the_moment_an_offer_appears(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (public, consumer) = (&world.public, &world.consumer);
    consumer.order("my-app-cert", "app.example.org").await;
    let says = |order: &_| look::says(order, "Brokered", "False", "NoMatchingOffer");
    let order = consumer.until("my-app-cert", "the order to wait", says).await;

    // The consumer learns its own field and value, and nothing of the parties who refused.
    let message = look::brokered_message(&order);
    assert!(message.contains("fqdn") && message.contains("app.example.org"), "{message}");
    for secret in ["internal-ca", "public-ca", &world.internal.workspace, &public.workspace] {
        assert!(!message.contains(secret), "{message}");
    }
    assert_eq!(world.copies_everywhere().await, Vec::<String>::new());

    public.offer("org-certificates", json!([{"key": "fqdn", "suffix": ".example.org"}])).await;
    consumer.until_served("my-app-cert", public).await;
    stage.close(world).await;
}

pub(crate) async fn an_offer_withdrawn_with_no_other_keeps_serving(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    consumer.order("my-app-cert", "app.internal.corp").await;
    let (_, secret) = consumer.until_served("my-app-cert", internal).await;
    let copy = internal.copy_names().await;

    let reader = consumer.keep_reading("my-app-cert-secret", &[internal]);
    internal.withdraw("internal-ca-certificates").await;
    let told = |order: &_| look::brokered(order) == "NoMatchingOffer";
    let order = consumer.until("my-app-cert", "the order to say that no offer fits", told).await;
    assert!(look::looks_ready(&order), "{:?}", order.data["status"]);
    assert_eq!(internal.copy_names().await, copy);
    assert_eq!(
        secrets_data(&consumer.secrets().get("my-app-cert-secret").await.unwrap()),
        secrets_data(&secret)
    );

    // It goes on serving, and the consumer may still delete it.
    internal.offer("again", json!([{"key": "spec.fqdn", "suffix": ".internal.corp"}])).await;
    consumer.until_served("my-app-cert", internal).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    stage.close(world).await;
}

pub(crate) async fn a_broken_filter_is_told_and_serves_nobody(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    let broken = json!([{"key": "fqdn", "suffix": ".example.org"}, {"key": "spec.keySize", "boundary": {"min": "10Gi", "max": "1Gi"}}]);
    internal.offer("broken", broken).await;
    let message = internal.until_offer("broken", "False", "InvalidFilter").await;
    assert!(message.contains("filters[1]") && message.contains("10Gi to 1Gi"), "{message}");
    assert!(message.contains("10Gi"), "what would be accepted: {message}");

    // The filter before it would let this order through; the offer as a whole must not.
    consumer.order("my-app-cert", "app.example.org").await;
    let waits = |order: &_| look::brokered(order) == "NoMatchingOffer";
    consumer.until("my-app-cert", "the order to wait", waits).await;
    assert_eq!(world.copies_everywhere().await, Vec::<String>::new());
    stage.close(world).await;
}

fn secrets_data(secret: &Secret) -> Vec<(String, Vec<u8>)> {
    secret.data.iter().flatten().map(|(key, bytes)| (key.clone(), bytes.0.clone())).collect()
}
