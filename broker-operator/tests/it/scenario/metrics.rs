//! What Prometheus reads: the mission's names with their labels, nothing that grows with consumers, and every metric of the
//! documentation.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use kube::ResourceExt;
use serde_json::Value;

use super::explain::get;
use crate::actors::DEADLINE;
use crate::deploy::{documented, promtool};
use crate::stage::Stage;

/// What is read at the address of metrics.
struct Scrape(String);

impl Scrape {
    async fn of(address: SocketAddr) -> Self {
        let (status, body) = get(address, "/metrics").await;
        assert_eq!(status, 200, "{body}");
        let Value::String(text) = body else { panic!("no text: {body}") };
        Self(text)
    }

    /// Reads until a series has this value.
    async fn until(address: SocketAddr, series: &str, value: f64) -> Self {
        let reading = async {
            loop {
                let scrape = Self::of(address).await;
                if scrape.value(series) == Some(value) {
                    return scrape;
                }
            }
        };
        let found = tokio::time::timeout(DEADLINE, reading).await;
        found.unwrap_or_else(|_| panic!("{series} is never {value}"))
    }

    /// The value of a series, by its whole name.
    fn value(&self, series: &str) -> Option<f64> {
        let found = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(found.parse().unwrap())
    }

    /// The metrics there are.
    fn names(&self) -> BTreeSet<String> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }

    fn series(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter(|line| !line.starts_with('#'))
    }
}

pub(crate) async fn a_scrape_has_the_missions_names_and_nothing_of_any_consumer(stage: Stage) {
    let world = stage.with_two_authorities().await;
    let (internal, public, consumer) = (&world.internal, &world.public, &world.consumer);
    internal.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    public.until_offer("public-ca-certificates", "True", "ProviderReady").await;
    let order = consumer.order("my-app-cert", "app.internal.corp").await;
    let (_, secret) = consumer.until_served("my-app-cert", internal).await;
    let mut secrets_of_consumers = vec!["my-app-cert".to_owned(), secret.name_any()];
    secrets_of_consumers.extend([consumer.workspace.clone(), order.annotations()["kcp.io/cluster"].clone()]);
    let mut ids = Vec::new();
    for (provider, fqdn) in [(internal, "app.corp.com"), (public, "")] {
        let copy = provider.until_copies(1).await.remove(0);
        secrets_of_consumers.push(copy.name_any());
        ids.push(copy.annotations()["kcp.io/cluster"].clone());
        if !fqdn.is_empty() {
            consumer.change("my-app-cert", fqdn).await;
            consumer.until_served("my-app-cert", public).await;
        }
    }
    world.until_migration_completed().await;
    world.until_bound().await;

    let address = world.metrics_address();
    let completed = "resource_broker_migrations_total{state=\"Completed\"}";
    let scrape = Scrape::until(address, completed, 1.0).await;
    let value = |series: String| scrape.value(&format!("resource_broker_{series}"));
    for (offer, provider) in ["internal-ca-certificates", "public-ca-certificates"].iter().zip(&ids) {
        let labels = format!("name=\"{offer}\",namespace=\"default\",provider=\"{provider}\"");
        assert_eq!(value(format!("acceptapi_available{{{labels}}}")), Some(1.0), "{}", scrape.0);
        assert_eq!(value(format!("provider_unreachable{{provider=\"{provider}\"}}")), Some(0.0));
    }
    for state in ["Pending", "InitialInProgress", "InitialCompleted", "CutoverInProgress", "CutoverCompleted"]
    {
        assert_eq!(value(format!("migrations_active{{state=\"{state}\"}}")), Some(0.0), "{state}");
    }
    for state in ["Failed", "RolledBack", "Cancelled"] {
        assert_eq!(value(format!("migrations_total{{state=\"{state}\"}}")), Some(0.0), "{state}");
    }
    // An order is placed once; that it moves later is no placement.
    let placed = |id: &str| value(format!("routing_duration_seconds_count{{provider=\"{id}\"}}"));
    assert_eq!((placed(&ids[0]), placed(&ids[1])), (Some(1.0), None), "{}", scrape.0);
    let told = value(format!("status_duration_seconds_count{{provider=\"{}\"}}", ids[0]));
    assert!(told.is_some_and(|told| told >= 1.0), "{}", scrape.0);
    let looks = value("reconcile_duration_seconds_count{controller=\"order\"}".to_owned());
    assert!(looks.is_some_and(|looks| looks >= 2.0), "{}", scrape.0);
    // What a busy server may well cause is told, be it 0.
    for told in ["reconcile_errors_total{controller=\"migration\"}", "queue_retrying{queue=\"orders\"}"] {
        assert!(value(told.to_owned()).is_some(), "{told} is not in {}", scrape.0);
    }
    let api = "api=\"certificates.example.com\"";
    assert_eq!(value(format!("offers{{{api},reason=\"ProviderReady\"}}")), Some(2.0));
    assert_eq!(value(format!("orders{{{api},phase=\"Bound\"}}")), Some(1.0));
    assert_eq!(value(format!("orders_by_reason{{{api},reason=\"Bound\"}}")), Some(1.0));
    assert_eq!((value("leading".to_owned()), value("ready".to_owned())), (Some(1.0), Some(1.0)));

    for series in scrape.series() {
        for secret in &secrets_of_consumers {
            assert!(!series.contains(secret.as_str()), "{series} tells of {secret}");
        }
    }
    assert_eq!(scrape.names(), documented(), "docs/metrics.md lists other metrics than are served");
    promtool(&["check", "metrics"], Some(&scrape.0));

    // Who asks whether it is ready can read what that depends on.
    assert_eq!(get(world.debug_address(), "/readyz").await, (200, Value::from("ok")));
    let (status, body) = get(world.debug_address(), "/readyz?verbose").await;
    let body = body.as_str().unwrap();
    assert_eq!(status, 200, "{body}");
    for cache in [
        "[+] export platform: assignments.broker.platform-mesh.io at ",
        "[+] export acceptapi: acceptapis.broker.platform-mesh.io at ",
        "[+] export certificates.example.com: certificates.example.com at ",
        "[+] export certificates.example.com: secrets at ",
    ] {
        assert!(body.contains(cache), "{cache} is not in {body}");
    }
    let (status, queues) = get(world.debug_address(), "/debug/queues").await;
    assert_eq!((status, &queues["queues"][0]["name"]), (200, &Value::from("orders")), "{queues}");
    stage.close(world).await;
}
