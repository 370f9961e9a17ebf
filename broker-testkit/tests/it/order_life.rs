//! The whole life of orders over the in-memory ports: no server, no runtime features, every write accounted for.

use std::time::Duration;

use broker_core::broker::{Broker, PassError, Passed};
use broker_core::migration::MigrationState;
use broker_core::offer::{OfferId, OfferSpec};
use broker_core::order::{Moves, Phase, Policy};
use broker_core::port::{OrderAddress, PortErrorKind};
use broker_core::resource::{Gvk, Gvr, Object, ObjectRef, marker};
use broker_testkit::memory::{Crash, MemoryFleet};
use futures::FutureExt as _;
use serde_json::{Value, json};

pub(crate) type MemoryBroker = Broker<MemoryFleet, MemoryFleet, MemoryFleet, MemoryFleet>;

/// The third offers only in stories that say so.
const PROVIDERS: [&str; 3] = ["internal", "external", "third"];

pub(crate) const GRACE: Duration = Duration::from_secs(30);

fn gvr() -> Gvr {
    Gvr::new("example.com", "v1alpha1", "certificates")
}

fn secret() -> Gvk {
    Gvk::new("", "v1", "Secret")
}

pub(crate) fn policy(moves: Moves) -> Policy {
    let mut policy = Policy::new(gvr(), "Certificate");
    policy.moves = moves;
    policy
}

pub(crate) struct Story {
    pub(crate) fleet: MemoryFleet,
    pub(crate) broker: MemoryBroker,
}

impl Story {
    pub(crate) fn new(moves: Moves) -> Self {
        let fleet = MemoryFleet::new(policy(moves));
        let broker = broker(&fleet);
        let story = Self { fleet, broker };
        story.offer("internal", ".internal.corp");
        story.offer("external", ".corp.com");
        story
    }

    pub(crate) fn offer(&self, cluster: &str, suffix: &str) {
        let spec: OfferSpec = serde_json::from_value(json!({
            "gvr": { "group": "example.com", "version": "v1alpha1", "resource": "certificates" },
            "namespace": "default",
            "filters": [{ "key": "spec.fqdn", "suffix": suffix }],
        }))
        .unwrap();
        self.fleet.offer(&OfferId::new(cluster, "default", "ca"), spec);
    }

    pub(crate) fn withdraw(&self, cluster: &str) {
        self.fleet.withdraw(&OfferId::new(cluster, "default", "ca"));
    }

    pub(crate) fn order(&self, consumer: &str, name: &str, fqdn: &str) -> OrderAddress {
        let object = json!({
            "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
            "metadata": { "name": name, "namespace": "default" },
            "spec": { "fqdn": fqdn },
        });
        self.fleet.write(consumer, &object).unwrap()
    }

    pub(crate) fn target(address: &OrderAddress) -> ObjectRef {
        ObjectRef { gvk: policy(Moves::Free).gvk(), key: address.key.clone() }
    }

    pub(crate) fn pass(&self, address: &OrderAddress) -> Result<Passed, PassError> {
        self.broker.pass(address).now_or_never().expect("memory answers at once")
    }

    /// Every provider works on what it has; true where that changed anything.
    pub(crate) fn provide(&self) -> bool {
        let worked: Vec<bool> = PROVIDERS.iter().map(|cluster| self.fleet.provide(cluster)).collect();
        worked.contains(&true)
    }

    /// Providers work and the broker passes until nothing changes any more.
    pub(crate) fn settle(&self, address: &OrderAddress) -> Passed {
        for _ in 0..50 {
            let before = self.fleet.history().len();
            let passed = self.pass(address).unwrap();
            if !self.provide() && self.fleet.history().len() == before {
                return passed;
            }
        }
        panic!("no rest: {:#?}", self.fleet.history());
    }

    pub(crate) fn settle_past_grace(&self, address: &OrderAddress) -> Passed {
        self.settle(address);
        self.fleet.advance(GRACE);
        self.settle(address)
    }

    pub(crate) fn secret_of(&self, consumer: &str, name: &str) -> Option<Value> {
        self.fleet.get(&secret(), consumer, "default", name).and_then(|object| object.get(&["data"]).cloned())
    }

    pub(crate) fn seen(&self, address: &OrderAddress) -> std::sync::Arc<Object> {
        let key = &address.key;
        self.fleet.get(&policy(Moves::Free).gvk(), key.cluster.as_str(), &key.namespace, &key.name).unwrap()
    }

    pub(crate) fn reason(&self, address: &OrderAddress) -> String {
        self.seen(address).condition("Brokered").map(|condition| condition.reason).unwrap_or_default()
    }

    /// Everything that a person could see in the end, without names that depend on how often something was tried.
    fn end_state(&self, address: &OrderAddress) -> Value {
        let order = self.fleet.get(
            &policy(Moves::Free).gvk(),
            address.key.cluster.as_str(),
            "default",
            &address.key.name,
        );
        json!({
            "status": order.map(|order| order.get(&["status"]).cloned()),
            "secret": self.secret_of("consumer", "my-app-cert-secret"),
            "copies": self.fleet.clusters_with_copies(),
            "states": self.fleet.migration_states().iter().map(|state| state.as_str()).collect::<Vec<_>>(),
            "phases": self.fleet.assignments().iter().map(|a| (a.status.phase, a.copies.len(), a.pointer.is_some())).map(|t| format!("{t:?}")).collect::<Vec<_>>(),
        })
    }
}

pub(crate) fn broker(fleet: &MemoryFleet) -> MemoryBroker {
    Broker::new(fleet.clone(), fleet.clone(), fleet.clone(), fleet.clone())
}

#[test]
fn an_order_that_flaps_is_told_of_now_and_then_and_always_says_how_it_is() {
    let story = Story::new(Moves::Free);
    let address = story.order("acme", "cert", "app.internal.corp");
    story.settle(&address);
    let told = || story.fleet.told().len();
    let before = told();
    for round in 0..20 {
        // Without its offer it stays served and says that none fits; with it, that it is bound.
        story.withdraw("internal");
        story.settle(&address);
        assert_eq!(story.seen(&address).condition("Brokered").unwrap().reason, "NoMatchingOffer", "{round}");
        story.offer("internal", ".internal.corp");
        story.settle(&address);
        assert_eq!(story.seen(&address).condition("Brokered").unwrap().reason, "Bound", "{round}");
    }
    assert!(told() - before <= 2, "{:?}", story.fleet.told());
    story.fleet.advance(Duration::from_mins(10));
    story.withdraw("internal");
    let now = told();
    story.settle(&address);
    assert_eq!(told() - now, 1, "after a while it is told again: {:?}", story.fleet.told());
}

#[test]
fn an_order_is_routed_issued_and_moved_with_the_replacement_first() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    assert_eq!(story.reason(&order), "Bound");
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["issuer"], "internal");
    let status = story.seen(&order);
    assert_eq!(
        status.get(&["status", "relatedResources", "secret", "name"]),
        Some(&json!("my-app-cert-secret"))
    );

    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle(&order);
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["issuer"], "external");
    assert_eq!(story.fleet.clusters_with_copies().len(), 2, "the old copy stays for the grace period");
    assert_eq!(story.fleet.migration_states(), [MigrationState::CutoverCompleted]);

    story.fleet.advance(GRACE);
    story.settle(&order);
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["external"]);
    assert_eq!(story.fleet.migration_states(), [MigrationState::Completed]);
    assert_eq!(story.fleet.assignments()[0].status.phase, Some(Phase::Bound));
}

#[test]
fn a_crash_before_or_after_any_write_ends_in_the_same_state() {
    let clean = Story::new(Moves::Free);
    let order = clean.order("consumer", "my-app-cert", "app.internal.corp");
    clean.fleet.crash(None);
    clean.settle(&order);
    clean.order("consumer", "my-app-cert", "app.corp.com");
    clean.settle_past_grace(&order);
    let writes = clean.fleet.writes();
    assert!(writes > 10, "the story has {writes} writes");
    let expected = clean.end_state(&order);

    for crash in (0..writes).flat_map(|n| [Crash::Before(n), Crash::After(n)]) {
        let mut story = Story::new(Moves::Free);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.fleet.crash(Some(crash));
        let survive = |story: &mut Story| {
            for _ in 0..80 {
                let before = story.fleet.history().len();
                if story.pass(&order).is_err() {
                    story.broker = broker(&story.fleet);
                    continue;
                }
                let worked = story.fleet.provide("internal") | story.fleet.provide("external");
                if !worked && story.fleet.history().len() == before {
                    return;
                }
            }
            panic!("{crash:?}: no rest: {:#?}", story.fleet.history());
        };
        survive(&mut story);
        story.order("consumer", "my-app-cert", "app.corp.com");
        survive(&mut story);
        story.fleet.advance(GRACE);
        survive(&mut story);
        assert_eq!(story.end_state(&order), expected, "{crash:?}: {:#?}", story.fleet.history());
    }
}

#[test]
fn at_every_write_of_a_move_the_consumer_holds_a_certificate() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    for write in 0..100 {
        // The broker is stopped before each write in turn, and looked over the shoulder of.
        story.fleet.crash(Some(Crash::Before(1)));
        let result = story.pass(&order);
        assert!(story.secret_of("consumer", "my-app-cert-secret").is_some(), "write {write}");
        let worked = story.fleet.provide("internal") | story.fleet.provide("external");
        match result {
            Ok(_) if !worked && story.fleet.clusters_with_copies().len() == 1 => return,
            Ok(_) => story.fleet.advance(GRACE),
            Err(error) => {
                assert!(matches!(error, PassError::Port(error) if error.kind == PortErrorKind::Unavailable));
            }
        }
    }
    panic!("the move did not end: {:#?}", story.fleet.history());
}

#[test]
fn a_second_pass_over_an_order_at_rest_writes_nothing() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    let restarted = broker(&story.fleet);
    let passed = restarted.pass(&order).now_or_never().expect("memory answers at once").unwrap();
    assert_eq!(passed.written, Vec::<&str>::new());
}

#[test]
fn equal_names_of_two_consumers_never_meet() {
    let story = Story::new(Moves::Free);
    let one = story.order("consumer", "my-app-cert", "one.internal.corp");
    let two = story.order("other", "my-app-cert", "two.internal.corp");
    story.settle(&one);
    story.settle(&two);
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["fqdn"], "one.internal.corp");
    assert_eq!(story.secret_of("other", "my-app-cert-secret").unwrap()["fqdn"], "two.internal.corp");
    story.fleet.delete(&Story::target(&one)).unwrap();
    story.settle(&one);
    assert!(story.secret_of("consumer", "my-app-cert-secret").is_none());
    assert!(story.secret_of("other", "my-app-cert-secret").is_some());
    assert_eq!(story.fleet.copies_in("internal").len(), 1);
}

#[test]
fn an_order_that_fits_nobody_waits_and_is_routed_when_an_offer_appears() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.example.org");
    story.settle(&order);
    assert_eq!(story.reason(&order), "NoMatchingOffer");
    let message = story.seen(&order).condition("Brokered").unwrap().message;
    assert!(message.contains("app.example.org"), "{message}");
    assert!(
        !message.contains("internal|") && !message.contains("default/ca"),
        "names another party: {message}"
    );
    story.offer("external", ".example.org");
    story.settle(&order);
    assert_eq!(story.reason(&order), "Bound");
}

#[test]
fn an_offer_withdrawn_without_another_keeps_serving() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.withdraw("internal");
    story.settle_past_grace(&order);
    assert_eq!(story.reason(&order), "NoMatchingOffer");
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["issuer"], "internal");
    assert_eq!(story.fleet.copies_in("internal").len(), 1);
}

#[test]
fn an_order_that_holds_data_stays_and_says_that_no_playbook_moves_it() {
    let story = Story::new(Moves::PlaybookOnly);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle_past_grace(&order);
    assert_eq!(story.reason(&order), "NoPlaybook");
    assert!(story.fleet.migrations().is_empty());
    let copies = story.fleet.copies_in("internal");
    assert_eq!(copies[0].get(&["spec", "fqdn"]), Some(&json!("app.internal.corp")), "the last accepted spec");
}

#[test]
fn deleting_the_order_at_any_write_leaves_nothing_behind() {
    for moment in 0..60 {
        let story = Story::new(Moves::Free);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        story.order("consumer", "my-app-cert", "app.corp.com");
        story.fleet.crash(Some(Crash::Before(moment)));
        for _ in 0..20 {
            if story.pass(&order).is_err() {
                break;
            }
            story.fleet.provide("external");
            story.fleet.advance(GRACE);
        }
        story.fleet.crash(None);
        story.fleet.delete(&Story::target(&order)).unwrap();
        story.settle(&order);
        let left: Vec<_> = story.fleet.objects().into_iter().map(|(target, _)| target.to_string()).collect();
        assert!(left.is_empty(), "before write {moment}: {left:?}");
        assert!(
            story.fleet.assignments().is_empty() && story.fleet.migrations().is_empty(),
            "before write {moment}"
        );
    }
}

#[test]
fn a_foreign_object_of_the_wanted_name_is_left_alone() {
    let story = Story::new(Moves::Free);
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "my-app-cert-secret", "namespace": "default" }, "data": { "mine": "yes" },
    });
    story.fleet.write("consumer", &foreign);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    let passed = story.settle(&order);
    assert_eq!(story.reason(&order), "ForeignObject");
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap(), json!({ "mine": "yes" }));
    assert!(passed.wake.is_some(), "tried again when the consumer may have made room");
    assert!(story.fleet.told().iter().any(|(_, reason)| reason == "ForeignObject"));
}

#[test]
fn a_provider_cannot_hand_over_what_is_not_the_copys() {
    for (entry, expected) in [
        (
            json!({ "name": "x", "gvk": { "group": "rbac.authorization.k8s.io", "version": "v1", "kind": "Role" } }),
            "RelatedObjectRefused",
        ),
        (
            json!({ "name": "x", "namespace": "kube-system", "gvk": { "group": "", "version": "v1", "kind": "Secret" } }),
            "RelatedObjectRefused",
        ),
        (
            json!({ "name": "not-there", "gvk": { "group": "core", "version": "v1", "kind": "Secret" } }),
            "RelatedObjectMissing",
        ),
        (json!("nonsense"), "RelatedObjectRefused"),
    ] {
        let story = Story::new(Moves::Free);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        let copy = story.fleet.copies_in("internal").remove(0);
        let target = ObjectRef { gvk: copy.gvk(), key: copy.key_in(&"internal".into()) };
        story.fleet.set(&target, &["status", "relatedResources"], json!({ "secret": entry }));
        story.pass(&order).unwrap();
        assert_eq!(story.reason(&order), expected, "{entry}");
    }
}

#[test]
fn one_consumers_secret_is_never_handed_to_another() {
    let story = Story::new(Moves::Free);
    let one = story.order("consumer", "one", "one.internal.corp");
    let two = story.order("other", "two", "two.internal.corp");
    story.settle(&one);
    story.settle(&two);
    let copies = story.fleet.copies_in("internal");
    let (first, second) = (&copies[0], &copies[1]);
    let target = ObjectRef { gvk: first.gvk(), key: first.key_in(&"internal".into()) };
    story.fleet.set(
        &target,
        &["status", "relatedResources", "secret", "name"],
        format!("{}-tls", second.name()).into(),
    );
    story.pass(&one).unwrap();
    story.pass(&two).unwrap();
    let reasons = [story.reason(&one), story.reason(&two)];
    assert!(reasons.contains(&"RelatedObjectRefused".to_owned()), "{reasons:?}");
    if let Some(secret) = story.secret_of("consumer", "one-secret") {
        assert_eq!(secret["fqdn"], "one.internal.corp");
    }
    if let Some(secret) = story.secret_of("other", "two-secret") {
        assert_eq!(secret["fqdn"], "two.internal.corp");
    }
}

#[test]
fn a_copy_that_somebody_deleted_is_made_again() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    let copy = story.fleet.copies_in("internal").remove(0);
    story.fleet.delete(&ObjectRef { gvk: copy.gvk(), key: copy.key_in(&"internal".into()) }).unwrap();
    story.settle(&order);
    let again = story.fleet.copies_in("internal");
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].uid(), copy.uid());
    assert_eq!(story.reason(&order), "Bound");
}

#[test]
fn a_replacement_that_fails_in_the_grace_period_is_taken_back() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle(&order);
    let copy = story.fleet.copies_in("external").remove(0);
    let target = ObjectRef { gvk: copy.gvk(), key: copy.key_in(&"external".into()) };
    let failed = json!([{ "type": "Ready", "status": "False", "reason": "Revoked", "message": "" }]);
    story.fleet.set(&target, &["status", "conditions"], failed);
    for _ in 0..10 {
        story.pass(&order).unwrap();
    }
    assert!(story.fleet.migration_states().contains(&MigrationState::RolledBack));
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["issuer"], "internal");
    assert_eq!(story.fleet.copies_in("internal").len(), 1);
    assert!(story.fleet.copies_in("external").is_empty(), "{:#?}", story.fleet.history());
    let passed = story.pass(&order).unwrap();
    assert!(passed.wake.is_some(), "tried again after a pause");
}

#[test]
fn an_edit_that_is_taken_back_before_the_switch_calls_the_move_off() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.pass(&order).unwrap();
    assert_eq!(story.fleet.copies_in("external").len(), 1);
    story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    assert_eq!(story.fleet.migration_states(), [MigrationState::Cancelled]);
    assert!(story.fleet.copies_in("external").is_empty());
    assert_eq!(story.reason(&order), "Bound");
    let seen = story.seen(&order);
    assert_eq!(seen.get(&["status", "observedGeneration"]), Some(&json!(seen.generation())));
}

#[test]
fn the_observed_generation_is_the_orders_own() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "a.internal.corp");
    story.settle(&order);
    for fqdn in ["b.internal.corp", "c.internal.corp"] {
        story.order("consumer", "my-app-cert", fqdn);
        story.pass(&order).unwrap();
        let seen = story.seen(&order);
        let observed = seen.get(&["status", "observedGeneration"]).and_then(Value::as_i64).unwrap();
        assert!(observed < seen.generation(), "the provider has not seen it yet");
        story.settle(&order);
        let seen = story.seen(&order);
        assert_eq!(seen.get(&["status", "observedGeneration"]), Some(&json!(seen.generation())));
        assert_eq!(seen.condition("Ready").unwrap().observed_generation, Some(seen.generation()));
    }
}

#[test]
fn a_provider_that_does_not_answer_is_waited_for() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.fleet.set_reachable("internal", false);
    story.settle(&order);
    assert_eq!(story.reason(&order), "ProviderUnreachable");
    assert!(story.secret_of("consumer", "my-app-cert-secret").is_some());
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    assert_eq!(story.fleet.objects().len(), 3, "the order waits for its copy and the copy's Secret");
    story.fleet.set_reachable("internal", true);
    story.settle(&order);
    assert!(story.fleet.objects().is_empty());
}

#[test]
fn a_provider_that_left_the_fleet_is_replaced_and_holds_nothing_up() {
    let story = Story::new(Moves::Free);
    story.offer("external", ".corp");
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.fleet.remove_cluster("internal");
    story.settle_past_grace(&order);
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["issuer"], "external");
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    assert!(story.fleet.assignments().is_empty());
}

#[test]
fn an_order_whose_record_was_lost_is_not_placed_again() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.fleet.set(&Story::target(&order), &["metadata", "finalizers"], json!([marker::ORDER_FINALIZER]));
    story.settle(&order);
    assert_eq!(story.reason(&order), "AssignmentLost");
    assert!(story.fleet.assignments().is_empty());
}

#[test]
fn a_paused_order_is_left_as_it_is() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.fleet.set(
        &Story::target(&order),
        &["metadata", "annotations"],
        json!({ marker::PAUSED_ANNOTATION: "true" }),
    );
    let before = story.fleet.history().len();
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle(&order);
    assert_eq!(story.fleet.history().len(), before);
}

#[test]
fn a_retained_copy_outlives_its_order_and_is_marked() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    let retain = json!({ marker::DELETION_POLICY_ANNOTATION: "Retain" });
    story.fleet.set(&Story::target(&order), &["metadata", "annotations"], retain);
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    assert!(story.fleet.assignments().is_empty());
    let copies = story.fleet.copies_in("internal");
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].annotation(marker::RETAINED_ANNOTATION), Some("true"));
}

#[test]
fn a_first_copy_that_never_becomes_ready_gives_way_to_another_offer() {
    let story = Story::new(Moves::PlaybookOnly);
    story.offer("external", ".corp");
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.pass(&order).unwrap();
    let first = story.fleet.clusters_with_copies().into_iter().next().unwrap();
    let second = if first == "internal" { "external" } else { "internal" };
    story.fleet.advance(Duration::from_mins(10));
    for _ in 0..10 {
        story.pass(&order).unwrap();
        story.fleet.provide(second);
    }
    story.fleet.advance(GRACE);
    story.pass(&order).unwrap();
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["issuer"], second);
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), [second]);
}
