//! What is not ours, and who claims what is not theirs.

use std::collections::BTreeMap;

use broker_testkit::provider::{Conduct, secret_name};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::look;
use crate::stage::Stage;

fn own_secret(name: &str) -> Secret {
    Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        string_data: Some(BTreeMap::from([("password".to_owned(), "the consumer's own".to_owned())])),
        ..Secret::default()
    }
}

pub(crate) async fn a_foreign_secret_of_the_wanted_name_is_left_alone(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    let foreign =
        consumer.secrets().create(&PostParams::default(), &own_secret("my-app-cert-secret")).await.unwrap();
    consumer.order("my-app-cert", "app.internal.corp").await;

    let told = |order: &_| look::brokered(order) == "ForeignObject";
    let order = consumer.until("my-app-cert", "the order to say that the name is taken", told).await;
    assert!(
        look::brokered_message(&order).contains("my-app-cert-secret"),
        "{}",
        look::brokered_message(&order)
    );
    let event = consumer.until_event("my-app-cert", "ForeignObject").await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    // The status must not send anybody to an object that is not the order's.
    assert!(order.data.pointer("/status/relatedResources/secret").is_none(), "{:?}", order.data["status"]);

    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    internal.until_copies(0).await;
    let untouched = consumer.secrets().get("my-app-cert-secret").await.unwrap();
    assert_eq!(untouched.resource_version(), foreign.resource_version());
    stage.close(world).await;
}

pub(crate) async fn a_provider_naming_another_copys_secret_is_refused(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, victim) = (&world.internal, &world.consumer);
    let thief = stage.consumer("globex").await;
    victim.order("my-app-cert", "victim.internal.corp").await;
    let (_, secret) = victim.until_served("my-app-cert", internal).await;
    let loot = secret_name(&internal.copy_names().await[0]);

    internal.authority.set_conduct(Conduct::Name(json!({
        "secret": {"namespace": "default", "name": loot, "gvk": {"group": "", "version": "v1", "kind": "Secret"}},
    })));
    thief.order("my-app-cert", "thief.internal.corp").await;
    let refused = |order: &_| look::brokered(order) == "RelatedObjectRefused";
    let order = thief.until("my-app-cert", "the refusal to be told", refused).await;
    assert!(order.data.pointer("/status/relatedResources/secret").is_none(), "{:?}", order.data["status"]);
    thief.until_no_mirrors().await;

    // The victim's is what it was.
    let (_, still) = victim.until_served("my-app-cert", internal).await;
    assert_eq!(still.data, secret.data);
    stage.close(world).await;
}

pub(crate) async fn a_provider_naming_another_kind_is_refused(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    internal.authority.set_conduct(Conduct::Name(json!({
        "secret": {"namespace": "default", "name": "default", "gvk": {"group": "", "version": "v1", "kind": "ServiceAccount"}},
    })));
    consumer.order("my-app-cert", "app.internal.corp").await;
    let refused = |order: &_| look::brokered(order) == "RelatedObjectRefused";
    let order = consumer.until("my-app-cert", "the refusal to be told", refused).await;
    assert!(look::brokered_message(&order).contains("ServiceAccount"), "{}", look::brokered_message(&order));

    // Nor one from another namespace.
    internal.authority.set_conduct(Conduct::Name(json!({
        "secret": {"namespace": "kube-system", "name": "x", "gvk": {"group": "", "version": "v1", "kind": "Secret"}},
    })));
    let namespace = |order: &_| {
        look::brokered_message(order).contains("kube-system")
            || look::brokered_message(order).contains("namespace")
    };
    consumer.until("my-app-cert", "the refusal of another namespace to be told", namespace).await;
    consumer.until_no_mirrors().await;

    // And with the truth all is well.
    internal.authority.set_conduct(Conduct::Issue);
    consumer.until_served("my-app-cert", internal).await;
    stage.close(world).await;
}

pub(crate) async fn a_provider_forging_our_marker_is_never_brokered(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    let real = internal.until_copies(1).await.remove(0);

    // Its own object under the marker of somebody's order, asking for what only the other provider serves.
    let forged = json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
        "metadata": {
            "name": "forged", "namespace": "default", "labels": real.labels(),
            "annotations": {"broker.platform-mesh.io/order-generation": "1"},
        },
        "spec": {"fqdn": "forged.corp.com"},
    });
    internal.copies().create(&PostParams::default(), &serde_json::from_value(forged).unwrap()).await.unwrap();

    // An order made after it that has been served shows that the broker has had its chance.
    consumer.order("after", "after.corp.com").await;
    consumer.until_served("after", public).await;
    let copies = public.until_copies(1).await;
    assert_eq!(copies[0].data["spec"]["fqdn"], "after.corp.com");
    let assignments = world.assignments().list(&ListParams::default()).await.unwrap();
    assert!(assignments.iter().all(|found| found.spec.order.name != "forged"), "{assignments:?}");

    // Nor does it disturb the order whose marker it carries.
    let (_, secret) = consumer.until_served("my-app-cert", internal).await;
    assert_eq!(secret.owner_references().len(), 1);
    assert_eq!(internal.copies().get(&real.name_any()).await.unwrap().uid(), real.uid());
    stage.close(world).await;
}

pub(crate) async fn the_brokers_rights_do_not_reach_a_consumers_own_secret(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, consumer) = (&world.internal, &world.consumer);
    consumer.secrets().create(&PostParams::default(), &own_secret("database-password")).await.unwrap();
    let order = consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    let cluster = order.annotations()["kcp.io/cluster"].clone();

    // In the consumer's workspace the broker is nobody.
    let direct: Api<Secret> = Api::namespaced(stage.broker_in(&consumer.workspace), "default");
    let refused = direct.get("database-password").await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused:?}");

    // Through the export it sees the Secrets it manages and no other.
    let through: Api<Secret> = Api::namespaced(stage.broker_through_the_export(&cluster).await, "default");
    assert!(through.get("my-app-cert-secret").await.is_ok());
    let hidden = through.get("database-password").await.unwrap_err();
    assert!(matches!(&hidden, kube::Error::Api(status) if status.code == 404), "{hidden:?}");
    let seen: Vec<String> =
        through.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(seen, ["my-app-cert-secret"]);
    stage.close(world).await;
}
