//! Who takes part: consumers and providers with canaries in all that they write.

use broker_operator::demo::market;
use broker_operator::demo::stage::{self, Stage};
use broker_testkit::provider::ScriptedProvider;
use broker_testkit::wait::{until, until_all};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams,
};
use kube::core::GroupVersionKind;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::token::{Owner, Spot, canary};
use crate::actors::DEADLINE;

/// So many do something at the same time.
pub(super) const WIDTH: usize = 8;

pub(super) fn vault() -> ApiResource {
    let gvk = GroupVersionKind::gvk("canary.example.com", "v1alpha1", "Vault");
    ApiResource::from_gvk_with_plural(&gvk, "vaults")
}

/// A number that nobody else has.
pub(super) fn number(consumer: usize) -> u64 {
    7_310_000_000_000 + 1_009 * consumer as u64
}

fn spec(consumer: usize, zone: &str, edition: usize) -> Value {
    let word = |place: &str| format!("{}-{place}-{edition}", canary(Owner::Consumer(consumer), Spot::Spec));
    json!({
        "zone": zone, "note": word("note"), "tags": [word("tag"), word("other")],
        "settings": {word("key"): word("value")},
        "more": {"deep": [{word("deepkey"): word("deep")}], "number": number(consumer)},
    })
}

pub(super) fn zone(provider: usize) -> String {
    format!("zone-{provider}")
}

/// A zone that nobody has.
pub(super) fn nowhere(consumer: usize) -> String {
    canary(Owner::Consumer(consumer), Spot::Zone)
}

/// A consumer with one order.
pub(super) struct Consumer {
    pub(super) index: usize,
    pub(super) workspace: stage::Consumer,
    pub(super) namespace: String,
    pub(super) order: String,
}

impl Consumer {
    async fn new(stage: &Stage, index: usize) -> Self {
        let word = |spot| canary(Owner::Consumer(index), spot);
        let workspace = stage.consumer(&word(Spot::Workspace)).await.unwrap();
        let namespace = word(Spot::Namespace);
        let namespaces: Api<Namespace> = Api::all(workspace.client.clone());
        let metadata = ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() };
        let wanted = Namespace { metadata, ..Namespace::default() };
        namespaces.create(&PostParams::default(), &wanted).await.unwrap();
        Self { index, workspace, namespace, order: word(Spot::Name) }
    }

    pub(super) fn orders(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.workspace.client.clone(), &self.namespace, &vault())
    }

    pub(super) async fn order(&self, zone: &str) -> DynamicObject {
        let mark = |what: &str| format!("{}-{what}", canary(Owner::Consumer(self.index), Spot::Mark));
        let order = json!({
            "apiVersion": "canary.example.com/v1alpha1", "kind": "Vault",
            "metadata": {
                "name": self.order, "namespace": self.namespace,
                "labels": {"team": mark("label"), mark("labelkey"): "x"},
                "annotations": {"note": mark("annotation"), mark("annotationkey"): "x"},
            },
            "spec": spec(self.index, zone, 1),
        });
        let order = serde_json::from_value(order).unwrap();
        self.orders().create(&PostParams::default(), &order).await.unwrap()
    }

    /// Says something else, and wants it somewhere else.
    pub(super) async fn change(&self, zone: &str, edition: usize) {
        let change = Patch::Merge(json!({"spec": spec(self.index, zone, edition)}));
        self.orders().patch(&self.order, &PatchParams::default(), &change).await.unwrap();
    }

    pub(super) async fn delete(&self) {
        self.orders().delete(&self.order, &DeleteParams::default()).await.unwrap();
    }

    pub(super) async fn until_gone(&self) {
        let orders = self.orders();
        let gone = until(&orders, &self.order, "it to be gone", DEADLINE, |found| found.is_none()).await;
        gone.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(super) async fn until(&self, what: &str, holds: impl Fn(&DynamicObject) -> bool) -> DynamicObject {
        let (orders, what) = (self.orders(), format!("{} {what}", self.order));
        let found = until(&orders, &self.order, &what, DEADLINE, |order| order.is_some_and(&holds)).await;
        found.unwrap_or_else(|error| panic!("{error}")).unwrap()
    }

    /// Waits until the order is served as it is now by this provider, and holds that provider's Secret.
    pub(super) async fn until_served(&self, provider: usize) {
        let zone = zone(provider);
        let served = |order: &DynamicObject| {
            market::is_served(order) && market::served_by(order) == Some(zone.as_str())
        };
        let order = self.until("to be served", served).await;
        let name = order.data["status"]["relatedResources"]["connection"]["name"].as_str().unwrap();
        let secrets: Api<Secret> = Api::namespaced(self.workspace.client.clone(), &self.namespace);
        assert!(secrets.get(name).await.unwrap().data.is_some());
    }

    pub(super) async fn until_told(&self, reason: &str) {
        self.until(&format!("to say {reason}"), |order| market::brokered(order) == reason).await;
    }
}

/// A provider at work.
pub(super) struct Provider {
    pub(super) index: usize,
    pub(super) client: Client,
    _stop: DropGuard,
}

impl Provider {
    async fn new(stage: &Stage, index: usize) -> Self {
        let word = |spot| canary(Owner::Provider(index), spot);
        let name = word(Spot::Workspace);
        let agent = stage.agent(&name).await.unwrap();
        let stop = CancellationToken::new();
        let secret = format!("{}-", word(Spot::Secret));
        let work = ScriptedProvider::new(vault(), zone(index)).with_marked_passwords(secret);
        let working = work.run(agent, stop.clone());
        tokio::spawn(async move { working.await.unwrap() });
        let client = stage.client(&name).unwrap();
        let offer = json!({
            "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "AcceptAPI",
            "metadata": {"name": word(Spot::Offer), "namespace": "default"},
            "spec": {
                "gvr": {"group": "canary.example.com", "version": "v1alpha1", "resource": "vaults"},
                "filters": [{"key": "zone", "valueIn": [zone(index)]}, {"key": "note", "prefix": "kanarie"}],
            },
        });
        let offers: Api<DynamicObject> = Api::namespaced_with(
            client.clone(),
            "default",
            &ApiResource::from_gvk_with_plural(
                &GroupVersionKind::gvk("broker.platform-mesh.io", "v1alpha1", "AcceptAPI"),
                "acceptapis",
            ),
        );
        offers.create(&PostParams::default(), &serde_json::from_value(offer).unwrap()).await.unwrap();
        Self { index, client, _stop: stop.drop_guard() }
    }

    fn copies(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), "default", &vault())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Waits until it holds so many copies, and the Secrets of no more.
    pub(super) async fn until_copies(&self, count: usize) {
        let all = watcher::Config::default();
        let what = format!("{count} copies at {}", self.index);
        let found = until_all(&self.copies(), all, &what, DEADLINE, |all| all.len() == count).await;
        found.unwrap_or_else(|error| panic!("{error}"));
        let ours = watcher::Config::default().labels("broker.platform-mesh.io/managed=true");
        let what = format!("{count} Secrets at {}", self.index);
        let found = until_all(&self.secrets(), ours, &what, DEADLINE, |all| all.len() == count).await;
        found.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The passwords that it made, by the number in the spec of their copies: that tells whose they are.
    pub(super) async fn passwords(&self) -> Vec<(u64, String)> {
        let mut passwords = Vec::new();
        for copy in self.copies().list(&ListParams::default()).await.unwrap() {
            let number = copy.data["spec"]["more"]["number"].as_u64().unwrap();
            let secret = self.secrets().get(&format!("{}-connection", copy.name_any())).await.unwrap();
            passwords.push((number, crate::look::entry(&secret, "password")));
        }
        passwords
    }
}

/// Consumers and providers on a stage.
pub(super) async fn assemble(
    stage: &Stage,
    consumers: usize,
    providers: usize,
) -> (Vec<Consumer>, Vec<Provider>) {
    let providers = (0..providers).map(|index| Provider::new(stage, index));
    let providers = stream::iter(providers).buffered(WIDTH).collect().await;
    let consumers = (0..consumers).map(|index| Consumer::new(stage, index));
    (stream::iter(consumers).buffered(WIDTH).collect().await, providers)
}
