//! Why an order is served by whom: the command, the debug endpoint and the Assignment say the same; the consumer reads
//! of itself alone.

use std::net::SocketAddr;

use broker_testkit::wait::until_all;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::watcher;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::actors::DEADLINE;
use crate::look;
use crate::stage::Stage;

/// Status and body of an answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)))
}

pub(crate) async fn the_command_and_the_debug_endpoint_answer_as_the_assignment_does(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    internal.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    public.until_offer("public-ca-certificates", "True", "ProviderReady").await;
    let order = consumer.order("my-app-cert", "app.internal.corp").await;
    consumer.until_served("my-app-cert", internal).await;
    world.until_bound().await;

    let commands = stage.commands();
    let id = order.annotations()["kcp.io/cluster"].clone();
    let path = consumer.workspace.as_str();
    let table =
        commands.as_broker(&["explain", "certificate/my-app-cert", "-n", "default", "--cluster", path]).await;
    assert_eq!(table.code, 0, "{table:?}");
    assert!(
        table.out.contains(&format!("Served by default/internal-ca-certificates of {}", internal.workspace)),
        "{}",
        table.out
    );
    let words = table.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let missed = "Filter ✗ filters[0] spec.fqdn is app.internal.corp: does not end with .corp.com";
    assert!(words.contains(missed), "{}", table.out);
    assert!(table.out.lines().all(|line| line.trim_end().chars().count() <= 100), "{}", table.out);

    // However it is asked for, it is the same.
    let ask = async |resource: &str, cluster: &str| {
        let ran = commands.as_broker(&["explain", resource, "--cluster", cluster, "-o", "json"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()
    };
    let told = ask("certificate/my-app-cert", path).await;
    assert_eq!(told, ask("certificates.example.com/my-app-cert", &id).await);
    assert_eq!(told, ask("certificates/my-app-cert", path).await);
    let asked =
        format!("/debug/explain?cluster={path}&resource=certificates&namespace=default&name=my-app-cert");
    assert_eq!(get(world.debug_address(), &asked).await, (200, told.clone()));

    assert_eq!(told["current"], told["chosen"]);
    assert_eq!(told["why"]["decidedBy"], "Sticky");
    assert_eq!(told["paths"][&id], path);
    let assignments = world.assignments().list(&ListParams::default()).await.unwrap();
    let recorded = serde_json::to_value(assignments.items[0].status.as_ref().unwrap()).unwrap();
    assert_eq!(recorded["considered"], told["why"]["considered"]);
    let (ours, theirs) = (&recorded["candidates"][1], &told["why"]["nearest"][1]);
    assert_eq!(ours["first"], theirs["first"]);
    assert_eq!(ours["first"]["filter"], 0);
    assert_eq!(ours["offer"]["clusterName"], theirs["offer"]["cluster"]);

    // Where it would go now, had it not gone already.
    consumer.change("my-app-cert", "app.corp.com").await;
    consumer.until_served("my-app-cert", public).await;
    let moved = ask("certificate/my-app-cert", path).await;
    assert_eq!(moved["chosen"]["name"], "public-ca-certificates");
    drop(commands);
    stage.close(world).await;
}

pub(crate) async fn what_cannot_be_explained_is_told(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let consumer = &world.consumer;
    consumer.order("my-app-cert", "app.example.org").await;
    consumer
        .until("my-app-cert", "the order to wait", |order| look::brokered(order) == "NoMatchingOffer")
        .await;
    let commands = stage.commands();
    let path = consumer.workspace.as_str();
    let ran = commands.as_broker(&["explain", "certificate/my-app-cert", "--cluster", path]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("No offer would serve it (2 considered)."), "{}", ran.out);
    let misses =
        "✗ spec.fqdn is app.example.org: ends with no suffix of [.corp.com, .internal.corp]; nearest";
    assert!(ran.out.contains(misses), "{}", ran.out);

    for (resource, cluster, status, reason, words) in [
        ("certificate/none", path, 404, "UnknownOrder", "there is no order certificates.example.com"),
        ("certificate/my-app-cert", "root:nowhere", 404, "UnknownCluster", "`root:nowhere`"),
        ("databases/my-app-cert", path, 404, "UnknownAPI", "there are: certificates.example.com"),
    ] {
        let ran = commands.as_broker(&["explain", resource, "--cluster", cluster]).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(words), "{}", ran.err);
        let (resource, name) = resource.split_once('/').unwrap();
        let asked = format!("/debug/explain?cluster={cluster}&resource={resource}&name={name}");
        let (found, body) = get(world.debug_address(), &asked).await;
        assert_eq!((found, &body["error"]["reason"]), (status, &json!(reason)), "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(words), "{body}");
    }
    assert_eq!(get(world.debug_address(), "/debug/explain?name=a").await.0, 400);
    assert_eq!(get(world.debug_address(), "/readyz").await.0, 200);
    let ran = commands.as_broker(&["explain", "my-app-cert", "--cluster", path]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    drop(commands);
    stage.close(world).await;
}

/// Part of every name that consumers must never read.
const CANARY: &str = broker_core::testing::CANARY;
const CANARY_NUMBER: &str = broker_core::testing::CANARY_NUMBER;

pub(crate) async fn a_consumer_is_told_nothing_of_others_and_nothing_twice(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    for (provider, suffix) in [(internal, ".example.org"), (public, ".example.net")] {
        let name = format!("{CANARY}-offer");
        provider.offer(&name, json!([{"key": "fqdn", "suffix": suffix}])).await;
        let terms = json!({"spec": {
            "cost": format!("{CANARY_NUMBER}.5"), "capacity": {"orders": 31_337}, "priority": 31_337,
        }});
        let patch = Patch::Merge(terms);
        provider.offers().patch(&name, &PatchParams::default(), &patch).await.unwrap();
        provider.until_offer(&name, "True", "ProviderReady").await;
    }
    let rules = json!({"spec": {"providers": [{"cluster": "*", "alias": format!("{CANARY}-alias")}]}});
    let api = stage.brokered_apis();
    api.patch("certificates.example.com", &PatchParams::default(), &Patch::Merge(rules)).await.unwrap();

    let watched = world.watch_the_order("my-app-cert").await;
    consumer.order("my-app-cert", "app.example.com").await;
    consumer
        .until("my-app-cert", "the order to wait", |order| look::brokered(order) == "NoMatchingOffer")
        .await;
    consumer.until_event("my-app-cert", "NoMatchingOffer").await;

    // What does not concern the order, or says the same of it as before, tells its consumer nothing.
    let before = consumer.orders().get("my-app-cert").await.unwrap();
    for priority in [1, 2, 3] {
        let patch = Patch::Merge(json!({"spec": {"priority": priority}}));
        internal.offers().patch(&format!("{CANARY}-offer"), &PatchParams::default(), &patch).await.unwrap();
    }
    internal
        .offer(
            "unrelated",
            json!([{"key": "spec.certType", "valueIn": ["nothing"]}, {"key": "x", "suffix": "y"}]),
        )
        .await;
    internal.until_offer("unrelated", "True", "ProviderReady").await;
    // One that is told is a sign that all before it was looked at.
    consumer.change("my-app-cert", "other.example.com").await;
    let says = |order: &_| look::brokered_message(order).contains("other.example.com");
    let versions = watched.finish_after(says).await;
    let told: Vec<&str> =
        versions.iter().map(look::brokered_message).filter(|message| !message.is_empty()).collect();
    let mut distinct = told.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), 2, "{told:?}");
    let unchanged = versions.iter().filter(|version| version.resource_version() == before.resource_version());
    assert_eq!(unchanged.count(), 1);

    // Every word that the consumer can read.
    let order = consumer.orders().get("my-app-cert").await.unwrap();
    let events = until_all(&consumer.events(), watcher::Config::default(), "the Events", DEADLINE, |_| true)
        .await
        .unwrap();
    let ours: Vec<_> =
        events.iter().filter(|event| event.involved_object.name.as_deref() == Some("my-app-cert")).collect();
    assert_eq!(ours.len(), 1, "one Event while the reason is the same: {ours:?}");
    let read = format!("{}{}", serde_json::to_string(&order).unwrap(), serde_json::to_string(&ours).unwrap());
    for secret in [CANARY, CANARY_NUMBER, &internal.workspace, &public.workspace, "internal-ca", "public-ca"]
    {
        assert!(!read.contains(secret), "{secret} in {read}");
    }
    // The platform reads all of it.
    let commands = stage.commands();
    let ran = commands
        .as_broker(&["explain", "certificate/my-app-cert", "--cluster", &consumer.workspace, "-o", "yaml"])
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.contains(&format!("{CANARY}-offer")) && ran.out.contains(&format!("{CANARY}-alias")),
        "{}",
        ran.out
    );
    drop(commands);
    stage.close(world).await;
}
