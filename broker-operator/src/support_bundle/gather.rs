//! Reads what goes into a bundle, and redacts it. What cannot be read is said, and the rest is still told.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use broker_kcp::kcp::api::CLUSTER_ANNOTATION;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Event;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};
use serde::Serialize;
use serde_json::{Value, json};

use super::archive::Files;
use super::names::Names;
use super::pages::page;
use super::redact::{Of, Redactor};
use crate::election::LEASE;
use crate::platform::Platform;
use crate::status::overview;
use crate::survey::{assignments, copies, orders, pages, paths, platform_objects, playbooks};
use crate::{clusters, offers, run, why};

/// What is wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) names: Names,
    pub(super) config: Option<PathBuf>,
    pub(super) metrics: Option<String>,
    pub(super) probes: Option<String>,
    pub(super) orders: usize,
    pub(super) objects: usize,
    pub(super) lease_namespace: String,
    pub(super) timeout: Duration,
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) files: Files,
    pub(super) notes: Vec<String>,
    redactor: Redactor,
}

impl Gathered {
    fn add(&mut self, name: &str, of: Of, value: &Value) {
        let told = self.redactor.redact(of, value);
        // A value of JSON can be written as JSON.
        let text = serde_json::to_string_pretty(&told).unwrap_or_default();
        self.files.push((name.to_owned(), text + "\n"));
    }

    fn add_read<T: Serialize>(&mut self, name: &str, of: Of, read: anyhow::Result<T>) {
        match read.and_then(|read| Ok(serde_json::to_value(read)?)) {
            Ok(value) => self.add(name, of, &value),
            Err(error) => self.note(name, format!("{error:#}")),
        }
    }

    /// Says what is missing. An error may name what it was about.
    fn note(&mut self, name: &str, why: impl Display) {
        let why = self.redactor.names.replace(&why.to_string());
        self.notes.push(format!("{name}: {why}"));
    }

    /// A text of the broker's own, in which nothing but names is of consumers.
    fn add_text(&mut self, name: &str, read: anyhow::Result<String>) {
        match read {
            Ok(text) => {
                let text = self.redactor.names.replace(&text);
                self.files.push((name.to_owned(), text));
            }
            Err(error) => self.note(name, format!("{error:#}")),
        }
    }
}

/// Reads everything.
pub(super) async fn gather(platform: &Platform, wanted: Wanted) -> Gathered {
    let redactor = Redactor { names: wanted.names.clone(), ..Redactor::default() };
    let mut gathered = Gathered { redactor, ..Gathered::default() };
    // Names first: nothing is told before it is known what is to be replaced in it.
    let everybody = learn(platform, &mut gathered).await;
    this_process(platform, &wanted, &mut gathered).await;
    the_platform(platform, &wanted, &mut gathered).await;
    if let Some((orders, copies)) = everybody {
        for (name, objects) in [("orders.json", orders), ("copies.json", copies)] {
            let count = objects.len();
            let told: Vec<Value> = objects
                .into_iter()
                .take(wanted.objects)
                .filter_map(|(_, object)| serde_json::to_value(object).ok())
                .map(|object| gathered.redactor.redact(Of::Consumer, &object))
                .collect();
            if count > told.len() {
                gathered.note(name, format!("{} of {count}; --objects takes more", told.len()));
            }
            let text = serde_json::to_string_pretty(&told).unwrap_or_default();
            gathered.files.push((name.to_owned(), text + "\n"));
        }
        the_stuck(platform, &wanted, &mut gathered).await;
    }
    the_broker(&wanted, &mut gathered).await;
    gathered
}

type Objects = Vec<(String, DynamicObject)>;

/// Learns what consumers and their things are called. `None` where not all of it could be read: then nothing is told of
/// orders.
async fn learn(platform: &Platform, gathered: &mut Gathered) -> Option<(Objects, Objects)> {
    let read = tokio::try_join!(
        orders(platform),
        copies(platform),
        assignments(platform),
        clusters::read(platform),
        paths(platform),
        platform_objects(platform),
    );
    let (orders, copies, assignments, clusters, paths, objects) = match read {
        Ok(read) => read,
        Err(error) => {
            gathered.note("orders, copies and records", format!("{error:#}"));
            return None;
        }
    };
    for schema in objects.schemas.values() {
        gathered.redactor.learn_schema(&Value::Object(schema.fields().clone()));
    }
    let names = &mut gathered.redactor.names;
    for (_, order) in &orders {
        names.learn("consumer", order.annotations().get(CLUSTER_ANNOTATION).map_or("", String::as_str));
        names.learn("namespace", &order.namespace().unwrap_or_default());
        names.learn("order", &order.name_any());
        names.learn("uid", &order.uid().unwrap_or_default());
    }
    for assignment in &assignments {
        let order = &assignment.spec.order;
        names.learn("consumer", &order.cluster_name);
        names.learn("namespace", order.namespace.as_deref().unwrap_or_default());
        names.learn("order", &order.name);
        names.learn("uid", &order.uid);
    }
    // Who offers nothing and serves nobody is there to order.
    for cluster in clusters.values().filter(|cluster| cluster.offers == 0 && cluster.serves == 0) {
        names.learn("consumer", &cluster.id);
        names.learn_also(cluster.path.as_deref().unwrap_or_default(), "consumer", &cluster.id);
    }
    let consumers = assignments.iter().map(|assignment| assignment.spec.order.cluster_name.clone());
    let consumers = consumers
        .chain(orders.iter().filter_map(|(_, order)| order.annotations().get(CLUSTER_ANNOTATION).cloned()));
    for id in consumers {
        names.learn_also(paths.get(&id).map_or("", String::as_str), "consumer", &id);
    }
    match platform.migrations() {
        Ok(migrations) => match pages(&migrations, ListParams::default()).await {
            Ok(migrations) => {
                for migration in migrations {
                    let spec = serde_json::to_value(&migration.spec).unwrap_or_default();
                    for end in ["from", "to", "order"] {
                        let text =
                            |field| spec.get(end).and_then(|it| it.get(field)?.as_str()).unwrap_or_default();
                        names.learn("namespace", text("namespace"));
                        names.learn("order", text("name"));
                    }
                }
            }
            Err(error) => {
                let error = platform.failure("listing migrations", error);
                gathered.note("who is named in migrations", format!("{error:#}"));
                return None;
            }
        },
        Err(error) => {
            gathered.note("who is named in migrations", format!("{error:#}"));
            return None;
        }
    }
    Some((orders, copies))
}

/// What this program is, and how a broker would be configured that runs where it does.
async fn this_process(platform: &Platform, wanted: &Wanted, gathered: &mut Gathered) {
    let server = platform.server.client(&platform.workspace).map_err(anyhow::Error::from);
    let version = match server {
        Ok(client) => {
            let version = client.apiserver_version().await;
            version.map_err(|error| platform.failure("asking for the version", error))
        }
        Err(error) => Err(error),
    };
    let version = match version {
        Ok(version) => json!(version),
        Err(error) => {
            gathered.note("the server's version", format!("{error:#}"));
            Value::Null
        }
    };
    let about = json!({
        "resourceBroker": env!("CARGO_PKG_VERSION"),
        "debugBuild": cfg!(debug_assertions),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "server": version,
        "serverUrl": platform.server.url(),
        "workspace": platform.workspace,
    });
    gathered.add("version.json", Of::Platform, &about);
    gathered.add_read(
        "configuration.json",
        Of::Platform,
        run::configured(wanted.config.as_deref()).map_err(Into::into),
    );
}

/// What the platform's workspace holds, and what is offered.
async fn the_platform(platform: &Platform, wanted: &Wanted, gathered: &mut Gathered) {
    match platform_objects(platform).await {
        Ok(objects) => {
            for (name, objects) in [
                ("brokeredapis.json", objects.brokered_apis),
                ("apiexports.json", objects.exports),
                ("apiexportendpointslices.json", objects.slices),
                ("apiresourceschemas.json", objects.schemas),
            ] {
                let all = objects.values().map(|object| Value::Object(object.fields().clone())).collect();
                gathered.add(name, Of::Platform, &all);
            }
        }
        Err(error) => gathered.note("the platform's objects", format!("{error:#}")),
    }
    let playbooks = playbooks(platform).await;
    let playbooks = playbooks.map(|all| all.into_iter().map(|(_, playbook)| playbook).collect::<Vec<_>>());
    gathered.add_read("migrationconfigurations.json", Of::Platform, playbooks);
    gathered.add_read("assignments.json", Of::Record, assignments(platform).await);
    let migrations = match platform.migrations() {
        Ok(api) => {
            let found = pages(&api, ListParams::default()).await;
            found.map_err(|error| platform.failure("listing migrations", error))
        }
        Err(error) => Err(error),
    };
    gathered.add_read("migrations.json", Of::Record, migrations);
    let offers = offers::read(platform).await;
    let offers = offers.map(|all| {
        let told = all.into_iter().map(|offer| json!({"provider": offer.provider, "offer": offer.object}));
        told.collect::<Vec<_>>()
    });
    gathered.add_read("offers.json", Of::Platform, offers);
    let clusters = clusters::read(platform).await;
    gathered.add_read("clusters.json", Of::Record, clusters.map(|all| all.into_values().collect::<Vec<_>>()));
    match platform.server.client(&platform.workspace) {
        Ok(client) => {
            let lease =
                Api::<Lease>::namespaced(client.clone(), &wanted.lease_namespace).get_opt(LEASE).await;
            let lease = lease.map_err(|error| platform.failure("reading the Lease", error));
            gathered.add_read("lease.json", Of::Record, lease);
            let events = pages(&Api::<Event>::all(client), ListParams::default()).await;
            let events = events.map_err(|error| platform.failure("listing Events", error));
            gathered.add_read("events.json", Of::Record, events);
        }
        Err(error) => gathered.note("lease and events", format!("{error:#}")),
    }
}

/// How all orders stand, and what is wrong with those that are not served.
async fn the_stuck(platform: &Platform, wanted: &Wanted, gathered: &mut Gathered) {
    let rows = match overview::rows(platform, None, None).await {
        Ok(rows) => rows,
        Err(error) => return gathered.note("status.json", format!("{error:#}")),
    };
    gathered.add_read("status.json", Of::Record, serde_json::to_value(&rows).map_err(Into::into));
    let stuck: Vec<_> = rows.iter().filter_map(overview::Row::stuck).collect();
    if stuck.len() > wanted.orders {
        gathered.note("stuck", format!("{} of {} orders; --orders takes more", wanted.orders, stuck.len()));
    }
    for (index, query) in stuck.iter().take(wanted.orders).enumerate() {
        let file = format!("stuck/{}.json", index + 1);
        let looked = why::look(platform, query, &wanted.lease_namespace, wanted.timeout).await;
        let told = looked.map(|(status, explained, diagnosis)| {
            json!({"why": diagnosis, "status": status, "explain": explained})
        });
        gathered.add_read(&file, Of::Record, told);
    }
}

/// What a broker tells at its own addresses, where they are named.
async fn the_broker(wanted: &Wanted, gathered: &mut Gathered) {
    if let Some(address) = &wanted.metrics {
        gathered.add_text("metrics.txt", page(address, "/metrics", wanted.timeout).await);
    }
    if let Some(address) = &wanted.probes {
        gathered.add_text("readyz.txt", page(address, "/readyz?verbose", wanted.timeout).await);
        gathered.add_text("queues.json", page(address, "/debug/queues", wanted.timeout).await);
    }
}
