//! A small world made by hand: `acme` and `globex` order, `alpha` and `beta` provide, the broker does everything right,
//! until a test makes it do something else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::simulation::history::{ChangeKind, Entry, Event, History, ObjectKey, Write};
use crate::simulation::oracle::{Broken, Brokered, Expected, Oracle, Party, Setting};

pub(in crate::simulation) const GRACE: u64 = 10_000;
pub(in crate::simulation) const BROKER: Option<&str> = Some("broker");
pub(in crate::simulation) const AGENT: Option<&str> = Some("agent");
pub(in crate::simulation) const PERSON: Option<&str> = Some("alice");
const FINALIZER: &str = "broker.platform-mesh.io/order";
const GROUP: &str = "broker.platform-mesh.io";

pub(in crate::simulation) struct Story {
    pub(in crate::simulation) oracle: Oracle,
    pub(in crate::simulation) now: u64,
    pub(in crate::simulation) history: History,
    pub(in crate::simulation) found: Vec<Broken>,
    objects: BTreeMap<ObjectKey, Value>,
    revision: u64,
}

/// One order with its records, as the broker of the story would name them.
#[derive(Clone, Copy)]
pub(in crate::simulation) struct Cast {
    pub(in crate::simulation) consumer: &'static str,
    pub(in crate::simulation) order: &'static str,
    pub(in crate::simulation) uid: &'static str,
    pub(in crate::simulation) record: &'static str,
}

pub(in crate::simulation) const ACME: Cast =
    Cast { consumer: "acme", order: "shop-cert", uid: "uid-acme", record: "a-1" };
pub(in crate::simulation) const GLOBEX: Cast =
    Cast { consumer: "globex", order: "shop-cert", uid: "uid-globex", record: "a-2" };

impl Cast {
    pub(in crate::simulation) fn order(self) -> ObjectKey {
        ObjectKey::new(self.consumer, "example.com", "certificates", "shop", self.order)
    }

    pub(in crate::simulation) fn secret(self) -> ObjectKey {
        ObjectKey::new(self.consumer, "", "secrets", "shop", &format!("{}-secret", self.order))
    }

    pub(in crate::simulation) fn record(self) -> ObjectKey {
        ObjectKey::new("platform", GROUP, "assignments", "", self.record)
    }

    pub(in crate::simulation) fn migration(self) -> ObjectKey {
        ObjectKey::new("platform", GROUP, "migrations", "", &format!("{}-m", self.record))
    }

    pub(in crate::simulation) fn copy(self, provider: &str) -> ObjectKey {
        ObjectKey::new(provider, "example.com", "certificates", "default", &format!("c-{}", self.record))
    }

    pub(in crate::simulation) fn provided(self, provider: &str) -> ObjectKey {
        ObjectKey::new(provider, "", "secrets", "default", &format!("c-{}-tls", self.record))
    }

    pub(in crate::simulation) fn copy_uid(self, provider: &str) -> String {
        format!("{}-{provider}", self.record)
    }

    /// How an Assignment names the copy at a provider.
    pub(in crate::simulation) fn named(self, provider: &str) -> Value {
        json!({
            "clusterName": provider,
            "gvk": {"group": "example.com", "version": "v1", "kind": "Certificate"},
            "namespace": "default",
            "name": format!("c-{}", self.record),
            "uid": self.copy_uid(provider),
            "offer": {"clusterName": provider, "name": "offer"},
        })
    }
}

pub(in crate::simulation) fn setting() -> Setting {
    Setting {
        platform: "platform".to_owned(),
        consumers: BTreeMap::from([
            ("acme".to_owned(), Party::with(["canary-1"])),
            ("globex".to_owned(), Party::with(["canary-2"])),
        ]),
        providers: BTreeMap::from([
            ("alpha".to_owned(), Party::with(["canary-3"])),
            ("beta".to_owned(), Party::with(["canary-4"])),
        ]),
        apis: vec![Brokered::certificates(Duration::from_millis(GRACE))],
        broker: "broker".to_owned(),
        lag: Duration::ZERO,
        ahead: Duration::ZERO,
    }
}

pub(in crate::simulation) fn ready(generation: i64) -> Value {
    json!({"type": "Ready", "status": "True", "reason": "Issued", "observedGeneration": generation})
}

fn brokered() -> Value {
    json!({"type": "Brokered", "status": "True", "reason": "Bound", "observedGeneration": 1})
}

fn named_secret(name: &str, namespace: &str) -> Value {
    json!({"secret": {"name": name, "namespace": namespace, "gvk": {"group": "", "version": "v1", "kind": "Secret"}}})
}

/// The credential that a provider makes for a copy.
pub(in crate::simulation) fn credential(cast: Cast, provider: &str) -> String {
    format!("password of {} at {provider}", cast.record)
}

fn data(text: &str) -> Value {
    json!({"password": STANDARD.encode(text)})
}

impl Story {
    pub(in crate::simulation) fn new() -> Self {
        Self::of(setting())
    }

    pub(in crate::simulation) fn of(setting: Setting) -> Self {
        Self {
            oracle: Oracle::new(setting),
            now: 0,
            history: History::new(),
            found: Vec::new(),
            objects: BTreeMap::new(),
            revision: 0,
        }
    }

    /// The ids of what was broken since the last question.
    pub(in crate::simulation) fn broken(&mut self) -> Vec<&'static str> {
        self.found.drain(..).map(|broken| broken.invariant).collect()
    }

    pub(in crate::simulation) fn assert_kept(&mut self) {
        assert!(self.found.is_empty(), "{:#?}", self.found);
    }

    pub(in crate::simulation) fn pass(&mut self, millis: u64) {
        self.now += millis;
    }

    pub(in crate::simulation) fn get(&self, key: &ObjectKey) -> &Value {
        &self.objects[key]
    }

    pub(in crate::simulation) fn push(&mut self, event: Event) {
        let at = Duration::from_millis(self.now);
        self.history.push(at, event.clone());
        self.found.extend(self.oracle.observe(&Entry { at, event }));
    }

    fn wrote(&mut self, by: Option<&str>, method: &str, kind: ChangeKind, key: &ObjectKey, object: Value) {
        self.revision += 1;
        self.now += 1;
        let before = self.objects.remove(key).map(Arc::new);
        if kind != ChangeKind::Deleted {
            self.objects.insert(key.clone(), object.clone());
        }
        self.push(Event::Wrote(Write {
            revision: self.revision,
            by: by.map(str::to_owned),
            manager: None,
            method: Some(method.to_owned()),
            kind,
            key: key.clone(),
            object: Arc::new(object),
            before,
        }));
    }

    pub(in crate::simulation) fn create(&mut self, by: Option<&str>, key: &ObjectKey, object: Value) {
        self.wrote(by, "POST", ChangeKind::Added, key, object);
    }

    pub(in crate::simulation) fn create_by_patch(
        &mut self,
        by: Option<&str>,
        key: &ObjectKey,
        object: Value,
    ) {
        self.wrote(by, "PATCH", ChangeKind::Added, key, object);
    }

    pub(in crate::simulation) fn edit(
        &mut self,
        by: Option<&str>,
        key: &ObjectKey,
        change: impl FnOnce(&mut Value),
    ) {
        let mut object = self.objects[key].clone();
        change(&mut object);
        self.wrote(by, "PATCH", ChangeKind::Modified, key, object);
    }

    pub(in crate::simulation) fn remove(&mut self, by: Option<&str>, key: &ObjectKey) {
        let object = self.objects[key].clone();
        self.wrote(by, "DELETE", ChangeKind::Deleted, key, object);
    }

    /// Begins a deletion that a finalizer holds.
    pub(in crate::simulation) fn mark_deleted(&mut self, by: Option<&str>, key: &ObjectKey) {
        self.edit(by, key, |object| object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    }

    // What consumers and providers do.

    pub(in crate::simulation) fn order(&mut self, cast: Cast) {
        let object = json!({
            "kind": "Certificate",
            "metadata": {"uid": cast.uid, "generation": 1, "name": cast.order, "namespace": "shop"},
            "spec": {"fqdn": format!("{}.example.com", cast.consumer)},
        });
        self.create(PERSON, &cast.order(), object);
    }

    pub(in crate::simulation) fn provide(&mut self, cast: Cast, provider: &str) {
        let secret = json!({
            "kind": "Secret",
            "metadata": {"labels": {"broker.platform-mesh.io/managed": "true"},
                "ownerReferences": [{"uid": cast.copy_uid(provider)}]},
            "data": data(&credential(cast, provider)),
        });
        self.create(AGENT, &cast.provided(provider), secret);
        self.tell_ready(cast, provider);
    }

    pub(in crate::simulation) fn tell_ready(&mut self, cast: Cast, provider: &str) {
        let name = cast.provided(provider).name;
        self.edit(AGENT, &cast.copy(provider), |copy| {
            let generation = copy["metadata"]["generation"].as_i64().unwrap();
            copy["status"] = json!({
                "issuer": provider,
                "conditions": [ready(generation)],
                "relatedResources": named_secret(&name, "default"),
            });
        });
    }

    pub(in crate::simulation) fn tell_unready(&mut self, cast: Cast, provider: &str) {
        self.edit(AGENT, &cast.copy(provider), |copy| {
            copy["status"]["conditions"][0]["status"] = json!("False");
        });
    }

    // What the broker does.

    pub(in crate::simulation) fn assign(&mut self, cast: Cast, provider: &str) {
        let mut named = cast.named(provider);
        named.as_object_mut().unwrap().remove("uid");
        let object = json!({
            "kind": "Assignment",
            "metadata": {"name": cast.record},
            "spec": {
                "order": {"clusterName": cast.consumer, "uid": cast.uid, "namespace": "shop", "name": cast.order},
                "copies": [named],
            },
        });
        self.create(BROKER, &cast.record(), object);
    }

    pub(in crate::simulation) fn hold(&mut self, cast: Cast) {
        self.edit(BROKER, &cast.order(), |order| order["metadata"]["finalizers"] = json!([FINALIZER]));
    }

    pub(in crate::simulation) fn copy_object(&self, cast: Cast, provider: &str) -> Value {
        json!({
            "kind": "Certificate",
            "metadata": {"uid": cast.copy_uid(provider), "generation": 1, "name": cast.copy(provider).name,
                "namespace": "default", "labels": {"broker.platform-mesh.io/order": cast.record}},
            "spec": self.objects[&cast.order()]["spec"],
        })
    }

    pub(in crate::simulation) fn make_copy(&mut self, cast: Cast, provider: &str) {
        let object = self.copy_object(cast, provider);
        self.create(BROKER, &cast.copy(provider), object);
    }

    pub(in crate::simulation) fn point(&mut self, cast: Cast, provider: &str) {
        self.edit(BROKER, &cast.record(), |record| record["spec"]["pointer"] = cast.named(provider));
    }

    pub(in crate::simulation) fn name(&mut self, cast: Cast, providers: &[&str]) {
        let copies: Vec<Value> = providers.iter().map(|provider| cast.named(provider)).collect();
        self.edit(BROKER, &cast.record(), |record| record["spec"]["copies"] = json!(copies));
    }

    pub(in crate::simulation) fn mirror(&mut self, cast: Cast, provider: &str) {
        let content = data(&credential(cast, provider));
        if self.objects.contains_key(&cast.secret()) {
            self.edit(BROKER, &cast.secret(), |secret| secret["data"] = content);
            return;
        }
        let object = json!({
            "kind": "Secret",
            "metadata": {
                "labels": {"broker.platform-mesh.io/managed": "true", "broker.platform-mesh.io/order": cast.record},
                "ownerReferences": [{"uid": cast.uid}],
            },
            "data": content,
        });
        self.create(BROKER, &cast.secret(), object);
    }

    /// The status of the copy at a provider, as the order of this generation shows it.
    pub(in crate::simulation) fn show(&mut self, cast: Cast, provider: &str, generation: i64) {
        let copy = self.objects[&cast.copy(provider)].clone();
        let secret = cast.secret().name;
        self.edit(BROKER, &cast.order(), |order| {
            let mut status = copy["status"].clone();
            status["conditions"][0]["observedGeneration"] = json!(generation);
            status["conditions"].as_array_mut().unwrap().push(brokered());
            status["relatedResources"] = named_secret(&secret, "shop");
            order["status"] = status;
        });
    }

    /// From the order to its being served by `alpha`.
    pub(in crate::simulation) fn serve(&mut self, cast: Cast) {
        self.order(cast);
        self.assign(cast, "alpha");
        self.hold(cast);
        self.make_copy(cast, "alpha");
        self.name(cast, &["alpha"]);
        self.provide(cast, "alpha");
        self.point(cast, "alpha");
        self.mirror(cast, "alpha");
        self.show(cast, "alpha", 1);
    }

    /// From the decision to move to a ready replacement at `beta`.
    pub(in crate::simulation) fn begin_move(&mut self, cast: Cast) {
        let object = json!({
            "kind": "Migration",
            "metadata": {"name": cast.migration().name, "labels": {"broker.platform-mesh.io/order": cast.record}},
            "spec": {"order": {"uid": cast.uid}},
        });
        self.create(BROKER, &cast.migration(), object);
        self.name(cast, &["alpha", "beta"]);
        self.make_copy(cast, "beta");
        self.provide(cast, "beta");
    }

    pub(in crate::simulation) fn switch(&mut self, cast: Cast) {
        self.point(cast, "beta");
        self.mirror(cast, "beta");
        self.show(cast, "beta", 1);
        self.tell_move(cast, "CutoverCompleted", false);
    }

    pub(in crate::simulation) fn tell_move(&mut self, cast: Cast, state: &str, no_return: bool) {
        self.edit(BROKER, &cast.migration(), |migration| {
            migration["status"]["state"] = json!(state);
            if no_return {
                migration["status"]["receipt"]["pointOfNoReturnAt"] = json!("2026-01-01T00:00:00Z");
            }
        });
    }

    /// From the end of the grace period to the end of the move.
    pub(in crate::simulation) fn end_move(&mut self, cast: Cast) {
        self.pass(GRACE);
        self.tell_move(cast, "CutoverCompleted", true);
        self.remove(BROKER, &cast.copy("alpha"));
        self.name(cast, &["beta"]);
        self.tell_move(cast, "Completed", true);
    }

    /// The consumer deletes its order, and everything goes in good order.
    pub(in crate::simulation) fn end(&mut self, cast: Cast, provider: &str) {
        self.mark_deleted(PERSON, &cast.order());
        self.remove(BROKER, &cast.copy(provider));
        self.remove(BROKER, &cast.secret());
        self.remove(BROKER, &cast.record());
        self.remove(BROKER, &cast.order());
    }

    pub(in crate::simulation) fn at_rest(&self, cast: Cast, provider: Option<&str>) -> Vec<Broken> {
        let expected = match provider {
            Some(provider) => Expected::served(cast.order(), provider),
            None => Expected::nobody(cast.order()),
        };
        self.oracle.at_rest(&[expected])
    }
}
