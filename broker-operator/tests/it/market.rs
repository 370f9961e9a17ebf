//! The mission's use cases: each is one scenario, played with the very files of `examples/routing`, on both
//! servers.

use std::collections::BTreeSet;
use std::ops::Deref;

use broker_kcp::api::v1alpha1::Candidate;
use broker_operator::demo::market::{self, CONSUMER, brokered, brokered_message, is_served, served_by};
use broker_testkit::wait::until_all;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::watcher;
use serde_json::Value;

use crate::actors::DEADLINE;
use crate::look;
use crate::operator::RunningOperator;
use crate::scenario::usecases;
use crate::server::Server;
use crate::stage::{GRACE, chain};

/// The definitions of the example's APIs.
const DATABASES: &str = include_str!("../../../examples/routing/databases.yaml");
const MACHINES: &str = include_str!("../../../examples/routing/virtualmachines.yaml");
const CERTIFICATES: &str = include_str!("../../../examples/certificates/certificates.yaml");

/// A market with the operator at work.
pub(crate) struct Market {
    ground: market::Market,
    operator: RunningOperator,
    server: Server,
}

impl Deref for Market {
    type Target = market::Market;

    fn deref(&self) -> &market::Market {
        &self.ground
    }
}

impl Market {
    /// Opens a market of these APIs with these providers, and these offers of theirs.
    pub(crate) async fn open(server: Server, apis: &[&str], providers: &[&str]) -> Self {
        let ground = market::Market::open(server.admin.clone(), &server.tree, GRACE, apis, providers).await;
        let ground = ground.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let operator = RunningOperator::start(ground.stage().broker().clone());
        Self { ground, operator, server }
    }

    /// Applies a file in a workspace.
    pub(crate) async fn file(&self, workspace: &str, yaml: &str) -> Vec<DynamicObject> {
        self.apply(workspace, yaml).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Applies the offers of a provider, and waits until each is available.
    pub(crate) async fn offer(&self, provider: &str, yaml: &str) {
        self.ground.offer(provider, yaml).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
    }

    /// Orders what is in a file.
    pub(crate) async fn order(&self, yaml: &str) {
        self.file(CONSUMER, yaml).await;
    }

    /// Changes an order as `kubectl patch --type merge` does.
    pub(crate) async fn change(&self, kind: &str, name: &str, patch: Value) -> DynamicObject {
        let orders = self.objects(CONSUMER, kind).unwrap();
        orders.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    /// Waits until the order is served as it is now by this provider, and holds the Secret it names.
    pub(crate) async fn until_served(&self, kind: &str, name: &str, provider: &str) -> DynamicObject {
        let what = format!("{kind} {name} to be served by {provider}");
        let served = |order: &DynamicObject| is_served(order) && served_by(order) == Some(provider);
        let order = self.until(kind, name, &what, served).await;
        let order = order.unwrap_or_else(|error| panic!("{error}"));
        let related = order.data["status"]["relatedResources"].as_object().unwrap();
        let secret = related.values().next().unwrap()["name"].as_str().unwrap();
        let secrets: Api<Secret> = Api::default_namespaced(self.client(CONSUMER).unwrap().clone());
        let secret = secrets.get(secret).await.unwrap();
        if let Some(host) = order.data.pointer("/status/host") {
            assert_eq!(look::entry(&secret, "host"), *host, "the Secret is another provider's");
        } else {
            assert!(!look::entry(&secret, "tls.crt").is_empty());
        }
        order
    }

    /// Waits until the broker says this about the order as it is now, and returns its message.
    pub(crate) async fn until_told(&self, kind: &str, name: &str, reason: &str) -> (DynamicObject, String) {
        let what = format!("{kind} {name} to say {reason}");
        let order = self.until(kind, name, &what, |order| brokered(order) == reason).await;
        let order = order.unwrap_or_else(|error| panic!("{error}"));
        let message = brokered_message(&order).to_owned();
        (order, message)
    }

    /// What the provider has of a kind, in the namespace `default`.
    pub(crate) async fn copies(&self, provider: &str, kind: &str) -> Vec<DynamicObject> {
        self.objects(provider, kind).unwrap().list(&ListParams::default()).await.unwrap().items
    }

    /// Waits until the provider has as many objects of a kind as said.
    pub(crate) async fn until_copies(&self, provider: &str, kind: &str, count: usize) {
        let copies = self.objects(provider, kind).unwrap();
        let what = format!("{count} {kind}s at {provider}");
        let all = watcher::Config::default();
        let found = until_all(&copies, all, &what, DEADLINE, |copies| copies.len() == count).await;
        found.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Why the order is served by whom, as the platform records it.
    pub(crate) async fn candidates(&self, order: &str) -> Vec<Candidate> {
        let assignments = self.stage().assignments().unwrap().list(&ListParams::default()).await.unwrap();
        let ours = assignments.items.into_iter().find(|found| found.spec.order.name == order).unwrap();
        ours.status.unwrap().candidates
    }

    /// Deletes every order and every offer, and waits until they are gone with all that belongs to them.
    async fn clear(&self, providers: &[&str]) {
        for kind in ["Database", "VirtualMachine", "Certificate"] {
            self.delete_all(self.objects(CONSUMER, kind).unwrap()).await;
        }
        for provider in providers {
            let offers = ["default", "provider-workspace", "internal-ca-provider"];
            for namespace in offers {
                self.delete_all(self.in_namespace(provider, "AcceptAPI", namespace).unwrap()).await;
            }
        }
    }

    async fn delete_all(&self, objects: Api<DynamicObject>) {
        let all = watcher::Config::default();
        objects.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
        let gone = until_all(&objects, all, "all to be gone", DEADLINE, <[DynamicObject]>::is_empty).await;
        gone.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends the operator as a signal would, and finds that it ended well.
    pub(crate) async fn close(self) {
        self.operator.stop().await;
        self.ground.close().await;
        if let Some(server) = self.server.embedded {
            server.shutdown().await;
        }
    }
}

/// Makes a test of each scenario on a market of its own on the embedded control plane, where that costs nothing, and one
/// of all of them on one market on kcp, where workspaces take their time.
macro_rules! on_both_servers {
    ($($scenario:ident: [$($api:ident),*] by $providers:expr),* $(,)?) => {
        mod embedded {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    crate::prepare();
                    let market = Market::open(Server::embedded().await, &[$($api),*], &$providers).await;
                    usecases::$scenario(&market).await;
                    market.close().await;
                }
            )*
        }

        mod kcp {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn every_use_case_on_one_market() {
                crate::prepare();
                let providers: BTreeSet<&str> = [$(&$providers[..]),*].concat().into_iter().collect();
                let providers: Vec<&str> = providers.into_iter().collect();
                let apis = [DATABASES, MACHINES, CERTIFICATES];
                let market = Market::open(Server::kcp().await, &apis, &providers).await;
                $(
                    eprintln!("{}", stringify!($scenario));
                    usecases::$scenario(&market).await;
                    market.clear(&providers).await;
                )*
                market.close().await;
            }
        }
    };
}

on_both_servers! {
    a_region_decides_where_the_data_lives: [DATABASES] by ["eu", "us", "on-premises"],
    production_is_certified_by_who_is_paid_for_it: [CERTIFICATES] by ["letsencrypt", "enterprise"],
    the_cheaper_offer_is_taken_and_nothing_placed_moves_for_a_bargain: [DATABASES] by ["eu", "us", "on-premises"],
    the_longest_suffix_wins: [CERTIFICATES] by ["internal-ca", "letsencrypt", "enterprise"],
    a_machine_goes_where_its_provider_region_and_size_fit: [MACHINES] by ["eu", "us", "on-premises"],
    an_engine_and_a_size_choose_the_database: [DATABASES] by ["eu", "us", "on-premises"],
    a_changed_label_moves_what_holds_no_data_and_nothing_else: [DATABASES, MACHINES] by ["eu", "us"],
    an_order_nobody_takes_says_what_would_do_and_is_routed_when_an_offer_comes: [DATABASES] by ["eu", "us"],
}

/// The files of the example are played above; this shows that they are the mission's where they say so.
#[test]
fn the_missions_orders_and_offers_are_in_the_example_unchanged() {
    use broker_operator::files::{parse_objects, read_objects};

    let read = |yaml: &str| parse_objects("example".as_ref(), yaml).unwrap();
    let examples: Vec<Value> = [
        include_str!("../../../examples/routing/region/orders.yaml"),
        include_str!("../../../examples/routing/hybrid/orders.yaml"),
        include_str!("../../../examples/routing/hybrid/internal-ca.yaml"),
        include_str!("../../../examples/routing/machines/order.yaml"),
        include_str!("../../../examples/routing/environment/letsencrypt.yaml"),
        include_str!("../../../examples/routing/environment/enterprise.yaml"),
        include_str!("../../../examples/routing/engines/eu.yaml"),
    ]
    .into_iter()
    .flat_map(read)
    .collect();
    let mut seen = 0;
    for file in ["orders", "acceptapi"] {
        let path = format!("{}/tests/it/mission/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        for object in read_objects(path.as_ref()).unwrap() {
            assert!(examples.contains(&object), "no example has {object:#}");
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
}
