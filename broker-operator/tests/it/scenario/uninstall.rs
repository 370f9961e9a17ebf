//! The broker is taken away, and `uninstall` lets go of what it holds.

use broker_testkit::wait::{until, until_all};
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::runtime::watcher;
use kube::{Resource as _, ResourceExt};
use serde_json::{Value, json};

use crate::actors::{Consumer, DEADLINE};
use crate::stage::Stage;

const FINALIZER: &str = "broker.platform-mesh.io/order";
const FENCE: &str = "broker.platform-mesh.io/quiesce";

/// How many of the consumer's orders the broker holds.
async fn held(consumer: &Consumer) -> usize {
    let all = consumer.orders().list(&ListParams::default()).await.unwrap();
    all.iter().filter(|order| order.finalizers().contains(&FINALIZER.to_owned())).count()
}

/// An object as it must still be.
fn identity(object: &DynamicObject) -> (String, Option<String>, bool) {
    (object.name_any(), object.uid(), object.meta().deletion_timestamp.is_some())
}

pub(crate) async fn what_the_broker_holds_is_let_go_of_and_copies_and_secrets_stay(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    let commands = stage.commands();
    for name in ["my-app-cert", "other"] {
        world.consumer.order(name, "app.internal.corp").await;
        world.consumer.until_served(name, &world.internal).await;
    }
    world.until_bound().await;
    let copies: Vec<_> = world.internal.until_copies(2).await.iter().map(identity).collect();

    // While a broker works it would take them up again; who it is is told.
    let shown = commands.as_broker(&["uninstall"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.out.contains("would be let go of") && shown.out.contains("--yes does it"), "{shown:?}");
    let refused = commands.as_broker(&["uninstall", "--yes"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("holds the Lease"), "{refused:?}");
    let refused = commands.as_broker(&["uninstall", "--force"]).await;
    assert!(refused.code == 2 && refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(held(&world.consumer).await, 2, "nothing is written by looking");

    // One that was killed holds its Lease no longer than it says.
    world.kill_the_operator();
    let secret = world.consumer.secrets().get("my-app-cert-secret").await.unwrap();
    let done = commands.as_broker(&["uninstall", "--yes", "-o", "json"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let report = done.json();
    let told = report["orders"].as_array().unwrap();
    assert_eq!((told.len(), &report["records"]), (2, &json!(2)), "{report}");
    for order in told {
        assert_eq!((&order["released"], &order["handedOver"]), (&json!(true), &json!(1)), "{report}");
        assert_eq!(order["copies"].as_array().map(Vec::len), Some(1), "{report}");
    }
    assert_eq!(held(&world.consumer).await, 0);
    let still: Vec<_> = world.internal.until_copies(2).await.iter().map(identity).collect();
    assert_eq!(still, copies);
    let handed_over = world.consumer.secrets().get("my-app-cert-secret").await.unwrap();
    assert_eq!((handed_over.uid(), handed_over.data), (secret.uid(), secret.data));
    let again = commands.as_broker(&["uninstall", "--yes"]).await;
    assert!(
        again.code == 0 && again.out.starts_with("No order holds the broker's finalizer.\n"),
        "{again:?}"
    );

    // An order goes when its consumer says so; the copy is the provider's own.
    world.consumer.delete("other").await;
    world.consumer.until_gone("other").await;
    let still: Vec<_> = world.internal.until_copies(2).await.iter().map(identity).collect();
    assert_eq!(still, copies);

    // A broker that is started again goes on from its records, and clears away what nobody orders any more.
    world.start_the_operator();
    let left = world.internal.until_copies(1).await;
    assert!(copies.contains(&identity(&left[0])), "{left:?}");
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.until_bound().await;
    assert_eq!(held(&world.consumer).await, 1);
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn a_workspace_is_unbound_freely_once_the_broker_let_go_of_it(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    let commands = stage.commands();
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.kill_the_operator();

    // Without its BrokeredAPI nobody knows what an order is: it is not said that all is done.
    let apis = stage.brokered_apis();
    let mut brokered = apis.get("certificates.example.com").await.unwrap();
    apis.delete(&brokered.name_any(), &DeleteParams::default()).await.unwrap();
    let missed = commands.as_broker(&["uninstall", "--yes"]).await;
    assert_eq!(missed.code, 1, "{missed:?}");
    assert!(missed.out.contains("orders of certificates.example.com were not looked at"), "{missed:?}");
    assert_eq!(held(&world.consumer).await, 1);
    brokered.metadata.resource_version = None;
    brokered.metadata.uid = None;
    apis.create(&PostParams::default(), &brokered).await.unwrap();

    let done = commands.as_broker(&["uninstall", "--yes"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let bindings = world.consumer.bindings();
    let name = crate::stage::binding_of_certificates(&world.consumer).await.name_any();
    bindings.delete(&name, &DeleteParams::default()).await.unwrap();
    let gone = until(&bindings, &name, "the binding to be gone", DEADLINE, |found| found.is_none()).await;
    gone.unwrap_or_else(|error| panic!("{error}"));
    world.internal.until_copies(1).await;
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn a_move_under_way_is_left_by_force_alone_and_what_serves_takes_writes_again(stage: Stage) {
    let mut world = stage.with_two_authorities().await;
    let commands = stage.commands();
    stage.decree(json!({ "moves": "PlaybookOnly" })).await;
    let certificate = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Certificate" });
    let playbook = json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1",
        "kind": "MigrationConfiguration",
        "metadata": { "name": "certificates" },
        "spec": { "from": certificate, "to": certificate, "stages": [
            { "name": "catch-up", "phase": "Cutover", "successConditions": ["status.lag == 0"] },
        ] },
    });
    let playbook = serde_json::from_value(playbook).unwrap();
    stage.configurations().create(&PostParams::default(), &playbook).await.unwrap();
    world.consumer.order("my-app-cert", "app.internal.corp").await;
    world.consumer.until_served("my-app-cert", &world.internal).await;
    world.consumer.change("my-app-cert", "app.corp.com").await;
    let copies = world.internal.copies();
    let fenced = |copies: &[DynamicObject]| copies.iter().any(|copy| copy.annotations().contains_key(FENCE));
    let all = watcher::Config::default();
    let raised = until_all(&copies, all, "the fence on what serves", DEADLINE, fenced).await;
    raised.unwrap_or_else(|error| panic!("{error}"));
    world.kill_the_operator();

    let refused = commands.as_broker(&["uninstall", "--yes"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("moves are under way: a-"), "{refused:?}");
    assert!(fenced(&copies.list(&ListParams::default()).await.unwrap().items));
    assert_eq!(held(&world.consumer).await, 1);
    let done = commands.as_broker(&["uninstall", "--yes", "--force", "-o", "json"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let report: Value = done.json();
    let order = &report["orders"][0];
    let serving = copies.list(&ListParams::default()).await.unwrap().items.remove(0);
    assert_eq!(order["fencesLifted"][0]["name"], json!(serving.name_any()), "{report}");
    assert_eq!(order["copies"].as_array().map(Vec::len), Some(2), "{report}");
    assert_eq!(report["moves"].as_array().map(Vec::len), Some(1), "{report}");
    assert!(!fenced(&[serving]));
    assert_eq!(world.copies_everywhere().await.len(), 2);
    world.consumer.delete("my-app-cert").await;
    world.consumer.until_gone("my-app-cert").await;
    drop(commands);
    stage.close(world).await;
}
