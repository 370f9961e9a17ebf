//! Moves that a person asks for, over the in-memory ports: which order is meant, what has to be there first, every crash,
//! and what becomes of what was asked for.

use std::time::Duration;

use broker_core::migration::{Controls, End, Migration, MigrationState, OrderName, Origin, Request};
use broker_core::offer::{OfferId, OfferSpec};
use broker_core::order::{Compute, Moves};
use broker_core::port::OrderAddress;
use broker_core::resource::marker;
use broker_testkit::memory::Crash;
use serde_json::json;

use super::order_life::{GRACE, Story, broker};
use super::playbook_moves::{playbook, stages};

/// What every request here is called.
const NAME: &str = "failover-migration";

fn request(from: &str, to: &str) -> Request {
    let end = |cluster: &str| End {
        name: Some("my-app-cert".to_owned()),
        cluster: cluster.to_owned(),
        ..End::default()
    };
    Request {
        name: NAME.to_owned(),
        uid: String::new(),
        resource_version: String::new(),
        created_at: None,
        from: end(from),
        to: end(to),
        order: None,
        controls: Controls::default(),
        told: None,
    }
}

/// An order that `internal` serves and that `third` would serve as well.
struct Scene {
    story: Story,
    order: OrderAddress,
}

impl Scene {
    fn new(moves: Moves) -> Self {
        let story = Story::new(moves);
        story.fleet.set_compute(Compute::Answers);
        story.fleet.say("internal", &json!({ "checksum": "abc" }));
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        story.offer("third", ".internal.corp");
        story.settle(&order);
        Self { story, order }
    }

    fn with_a_playbook() -> Self {
        let it = Self::new(Moves::PlaybookOnly);
        it.story.fleet.set_playbooks([playbook(&stages(), &json!([]))]);
        it
    }

    fn ask(&self, request: Request) {
        self.story.fleet.ask(request);
        self.settle();
    }

    fn settle(&self) {
        self.story.settle(&self.order);
    }

    /// As `settle`; a broker that fails is replaced by another that remembers nothing.
    fn settle_with_restarts(&mut self) {
        for _ in 0..200 {
            let before = self.story.fleet.history().len();
            match self.story.pass(&self.order) {
                Ok(_) if !self.story.provide() && self.story.fleet.history().len() == before => return,
                Ok(_) => {}
                Err(_) => {
                    self.story.fleet.crash(None);
                    self.story.broker = broker(&self.story.fleet);
                }
            }
        }
        panic!("no rest: {:#?}", self.story.fleet.history());
    }

    fn says(&self, cluster: &str, status: &serde_json::Value) {
        self.story.fleet.say(cluster, status);
        self.settle();
    }

    fn control(&self, change: impl FnOnce(&mut Controls)) {
        self.story.fleet.control(NAME, change);
        self.settle();
    }

    fn past_the_grace_period(&self) {
        self.story.fleet.advance(GRACE);
        self.settle();
    }

    fn record(&self) -> Migration {
        let found = self.story.fleet.migrations().into_iter().find(|migration| migration.name == NAME);
        found.unwrap_or_else(|| panic!("not taken up: {:?}", self.story.fleet.answered(NAME)))
    }

    fn state(&self) -> MigrationState {
        self.record().state()
    }

    fn reason(&self) -> String {
        self.story.fleet.answered(NAME).map(|answer| answer.reason).unwrap_or_default()
    }

    fn serves(&self) -> String {
        let secret = self.story.secret_of("consumer", "my-app-cert-secret").unwrap();
        secret["issuer"].as_str().unwrap().to_owned()
    }

    /// The move is over, the order is served by this provider alone, and nothing is left or written any more.
    fn is_over(&self, state: MigrationState, served_by: &str) {
        assert_eq!(self.state(), state, "{}", self.record().message);
        assert_eq!(self.serves(), served_by);
        assert_eq!(self.story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), [served_by]);
        let fenced = |copy: &std::sync::Arc<broker_core::resource::Object>| {
            copy.annotation(marker::QUIESCE_ANNOTATION).is_some_and(|asked| asked == "true")
        };
        assert!(!self.story.fleet.copies_in(served_by).iter().any(fenced), "the fence is still there");
        assert!(self.story.fleet.helpers().is_empty(), "helpers are left");
        self.is_at_rest();
    }

    fn is_at_rest(&self) {
        let before = self.story.fleet.history();
        self.story.fleet.advance(Duration::from_hours(1));
        self.settle();
        assert_eq!(self.story.fleet.history(), before, "something is written at rest");
    }
}

#[test]
fn an_order_is_moved_by_a_persons_word_though_it_might_stay_and_stays_where_it_was_moved_to() {
    let it = Scene::new(Moves::Free);
    it.ask(request("internal", "third"));
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::CutoverCompleted, "third"));
    it.past_the_grace_period();
    it.is_over(MigrationState::Completed, "third");
    let record = it.record();
    assert_eq!((record.origin, record.serial), (Origin::Person, 2));
    assert!(record.receipt.switched_at.is_some() && record.receipt.completed_at.is_some());

    // By a record of the same name, back again.
    it.story.fleet.take_back(NAME);
    it.ask(request("third", "internal"));
    it.past_the_grace_period();
    it.is_over(MigrationState::Completed, "internal");
    // What the order no longer fits it leaves, by whomever it was brought there.
    it.story.withdraw("internal");
    it.settle();
    it.past_the_grace_period();
    assert_eq!(it.serves(), "third");
}

#[test]
fn a_crash_before_or_after_any_write_of_a_persons_move_ends_in_the_same_state() {
    let said = [
        json!({}),
        json!({ "copyProgress": 100 }),
        json!({ "lag": 0 }),
        json!({ "checksum": "abc", "cleaned": true }),
    ];
    let clean = Scene::with_a_playbook();
    clean.story.fleet.crash(None);
    clean.ask(request("internal", "third"));
    for status in &said {
        clean.says("third", status);
    }
    clean.past_the_grace_period();
    clean.is_over(MigrationState::Completed, "third");
    let writes = clean.story.fleet.writes();
    assert!(writes > 25, "{writes}");
    for write in 0..writes {
        for crash in [Crash::Before(write), Crash::After(write)] {
            let mut it = Scene::with_a_playbook();
            it.story.fleet.crash(Some(crash));
            it.story.fleet.ask(request("internal", "third"));
            for status in &said {
                it.story.fleet.say("third", status);
                it.settle_with_restarts();
            }
            it.story.fleet.advance(GRACE);
            it.settle_with_restarts();
            it.is_over(MigrationState::Completed, "third");
            assert_eq!(it.story.fleet.migrations().len(), 1, "{crash:?}");
            assert_eq!(it.record().receipt.loss, None);
        }
    }
}

#[test]
fn what_cannot_begin_is_told_why_and_begins_when_it_can() {
    let offer = |scheduling: &str, capacity: u32| -> OfferSpec {
        serde_json::from_value(json!({
            "gvr": { "group": "example.com", "version": "v1alpha1", "resource": "certificates" },
            "namespace": "default", "scheduling": scheduling, "capacity": { "orders": capacity },
        }))
        .unwrap()
    };
    let third = OfferId::new("third", "default", "ca");
    let it = Scene::with_a_playbook();
    it.story.fleet.set_playbooks([]);
    it.story.fleet.set_compute(Compute::Missing);
    it.story.fleet.withdraw(&third);
    it.ask(request("internal", "third"));
    assert_eq!(it.reason(), "UnknownProvider");
    let told = it.story.fleet.answered(NAME).unwrap().message;
    assert!(told.contains("`third`; there are external, internal"), "{told}");
    it.is_at_rest();

    for (spec, reason) in
        [(offer("Cordoned", 9), "Cordoned"), (offer("Draining", 9), "Draining"), (offer("Active", 0), "Full")]
    {
        it.story.fleet.offer(&third, spec);
        it.settle();
        assert_eq!(it.reason(), reason);
    }
    it.story.offer("third", ".elsewhere");
    it.settle();
    assert_eq!(it.reason(), "NotFeasible");
    let told = it.story.fleet.answered(NAME).unwrap().message;
    assert!(told.contains("spec.fqdn is `app.internal.corp`"), "{told}");
    it.story.offer("third", ".internal.corp");
    it.settle();
    assert_eq!(it.reason(), "NoPlaybook");
    it.story.fleet.set_playbooks([playbook(&stages(), &json!([]))]);
    it.settle();
    assert_eq!(it.reason(), "NoComputeCluster");
    it.story.fleet.set_compute(Compute::Answers);
    it.story.fleet.set_policy(|policy| policy.limits.concurrent_moves = 0);
    it.settle();
    assert_eq!(it.reason(), "MovesHalted");
    it.story.fleet.set_policy(|policy| policy.migrations_enabled = false);
    it.settle();
    assert_eq!(it.reason(), "MigrationDisabled");
    it.control(|controls| controls.paused = true);
    assert_eq!(it.reason(), "Paused");
    assert_eq!(it.serves(), "internal");
    assert_eq!(
        it.story.reason(&it.order),
        "Bound",
        "what nobody but the platform asked is not the consumer's"
    );

    it.control(|controls| controls.paused = false);
    it.story.fleet.set_policy(|policy| {
        policy.migrations_enabled = true;
        policy.limits.concurrent_moves = 1;
    });
    it.settle();
    assert_eq!(it.state(), MigrationState::InitialInProgress);
}

#[test]
fn a_playbook_without_a_fenced_stage_moves_only_where_a_person_allows_for_loss_and_the_receipt_says_so() {
    let unfenced =
        json!([{ "name": "copy", "phase": "Initial", "successConditions": ["status.copyProgress == 100"] }]);
    let it = Scene::with_a_playbook();
    it.story.fleet.set_playbooks([playbook(&unfenced, &json!([]))]);
    it.ask(request("internal", "third"));
    assert_eq!(it.reason(), "FenceRequired");
    it.control(|controls| controls.allow_loss = true);
    it.says("third", &json!({ "copyProgress": 100 }));
    it.past_the_grace_period();
    it.is_over(MigrationState::Completed, "third");
    assert!(it.record().receipt.loss.unwrap().contains("writes may be lost"));
}

#[test]
fn a_request_that_may_mean_several_orders_waits_until_one_is_said() {
    let it = Scene::new(Moves::Free);
    it.story.withdraw("third");
    let other = it.story.order("globex", "my-app-cert", "other.internal.corp");
    it.story.settle(&other);
    it.story.offer("third", ".internal.corp");
    it.ask(request("internal", "third"));
    it.story.settle(&other);
    assert_eq!(it.reason(), "AmbiguousOrder");
    let told = it.story.fleet.answered(NAME).unwrap().message;
    assert!(told.contains("default/my-app-cert of consumer, certificates.example.com"), "{told}");
    assert!(told.contains("of globex"), "{told}");
    it.is_at_rest();

    it.story.fleet.take_back(NAME);
    let order = OrderName { cluster: "globex".to_owned(), namespace: None, name: "my-app-cert".to_owned() };
    it.ask(Request { order: Some(order), ..request("internal", "third") });
    it.story.settle(&other);
    assert_eq!(it.record().order.key.cluster.as_str(), "globex");
    assert_eq!(it.serves(), "internal", "the other order is not touched");
}

#[test]
fn what_is_lost_is_left_by_a_persons_word_alone_and_removed_when_it_answers_again() {
    let it = Scene::with_a_playbook();
    it.story.fleet.set_reachable("internal", false);
    it.ask(request("internal", "third"));
    assert_eq!(it.reason(), "ProviderUnreachable");
    let told = it.story.fleet.answered(NAME).unwrap().message;
    assert!(told.contains("spec.skipSource"), "{told}");
    it.story.fleet.advance(Duration::from_hours(1));
    it.settle();
    assert_eq!(it.serves(), "internal", "nobody said so");

    it.control(|controls| controls.skip_source = true);
    it.says("third", &json!({ "copyProgress": 100, "lag": 0, "checksum": "abc", "cleaned": true }));
    assert_eq!(it.serves(), "third", "{}", it.record().message);
    it.past_the_grace_period();
    assert_eq!(it.state(), MigrationState::Completed, "{}", it.record().message);
    assert!(it.record().receipt.loss.unwrap().contains("writes may be lost"));
    assert_eq!(it.story.fleet.copies_in("internal").len(), 1, "it cannot be removed yet");
    it.story.fleet.set_reachable("internal", true);
    it.settle();
    it.is_over(MigrationState::Completed, "third");
}

#[test]
fn a_source_that_falls_silent_holds_up_the_switch_until_a_person_gives_it_up() {
    let it = Scene::with_a_playbook();
    it.ask(request("internal", "third"));
    it.story.fleet.set_reachable("internal", false);
    it.says("third", &json!({ "copyProgress": 100 }));
    it.story.fleet.advance(Duration::from_mins(10));
    it.settle();
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::InitialCompleted, "internal"));
    assert!(it.record().message.contains("spec.skipSource"), "{}", it.record().message);
    it.control(|controls| controls.skip_source = true);
    assert_eq!(it.serves(), "third", "{}", it.record().message);
}

#[test]
fn of_two_requests_for_one_order_the_second_waits_and_is_told_what_became_of_the_order() {
    let it = Scene::new(Moves::PlaybookOnly);
    it.story.fleet.set_playbooks([playbook(&stages(), &json!([]))]);
    it.ask(request("internal", "third"));
    it.ask(Request { name: "second".to_owned(), ..request("internal", "third") });
    let second = || it.story.fleet.answered("second").unwrap();
    assert_eq!(second().reason, "Waiting");
    assert!(second().message.contains(NAME), "{}", second().message);
    it.is_at_rest_until_the_stage_ends();
    it.says("third", &json!({ "copyProgress": 100, "lag": 0, "checksum": "abc", "cleaned": true }));
    it.past_the_grace_period();
    assert_eq!(it.state(), MigrationState::Completed);
    assert_eq!(second().reason, "NotServedThere");
    assert!(second().message.contains("default/my-app-cert of consumer by third"), "{}", second().message);
}

impl Scene {
    fn is_at_rest_until_the_stage_ends(&self) {
        let before = self.story.fleet.history();
        self.settle();
        assert_eq!(self.story.fleet.history(), before);
    }
}

#[test]
fn what_is_taken_back_before_the_switch_is_undone_and_after_it_goes_to_its_end() {
    let said =
        [json!({}), json!({ "copyProgress": 50 }), json!({ "copyProgress": 100 }), json!({ "lag": 0 })];
    for taken_back in 0..said.len() {
        let it = Scene::with_a_playbook();
        it.ask(request("internal", "third"));
        for status in said.iter().take(taken_back + 1) {
            it.says("third", status);
        }
        let switched = it.serves() == "third";
        assert_eq!(switched, taken_back == 3);
        it.story.fleet.take_back(NAME);
        it.settle();
        if switched {
            it.says("third", &json!({ "checksum": "abc", "cleaned": true }));
            it.past_the_grace_period();
            it.is_over(MigrationState::Completed, "third");
        } else {
            it.is_over(MigrationState::Cancelled, "internal");
        }
    }
}

#[test]
fn a_persons_move_is_paused_approved_called_off_and_rolled_back_as_every_other() {
    let mut asks = stages();
    asks[0]["approval"] = "Required".into();
    let it = Scene::with_a_playbook();
    it.story.fleet.set_playbooks([playbook(&asks, &json!([]))]);
    it.ask(request("internal", "third"));
    it.says("third", &json!({ "copyProgress": 100 }));
    assert_eq!(it.state(), MigrationState::InitialInProgress);
    it.control(|controls| {
        controls.paused = true;
        controls.approved.insert("copy".to_owned());
    });
    assert_eq!(it.state(), MigrationState::InitialInProgress);
    it.control(|controls| controls.paused = false);
    assert_eq!(it.state(), MigrationState::CutoverInProgress);
    it.control(|controls| controls.cancel = true);
    it.is_over(MigrationState::Cancelled, "internal");

    // After the switch there is the way back alone.
    let it = Scene::new(Moves::Free);
    it.ask(request("internal", "third"));
    assert_eq!(it.serves(), "third");
    it.control(|controls| controls.rollback = true);
    it.is_over(MigrationState::RolledBack, "internal");

    // Before it began, nothing happens at all.
    let it = Scene::new(Moves::Free);
    it.story.fleet.ask(Request {
        controls: Controls { cancel: true, ..Controls::default() },
        ..request("internal", "third")
    });
    it.settle();
    assert!(it.story.fleet.migrations().is_empty() && it.story.fleet.answered(NAME).is_none());
    assert_eq!(it.serves(), "internal");
}

#[test]
fn a_move_that_failed_is_not_tried_again_by_itself() {
    let it = Scene::with_a_playbook();
    it.ask(request("internal", "third"));
    it.story.fleet.advance(Duration::from_hours(2));
    it.settle();
    it.is_over(MigrationState::Failed, "internal");
    assert_eq!(it.story.reason(&it.order), "Bound");
}

#[test]
fn an_order_deleted_at_any_write_of_a_persons_move_leaves_nothing_but_the_word_on_it() {
    let said = json!({ "copyProgress": 100, "lag": 0, "checksum": "abc", "cleaned": true });
    let clean = Scene::with_a_playbook();
    clean.story.fleet.crash(None);
    clean.ask(request("internal", "third"));
    clean.says("third", &said);
    clean.past_the_grace_period();
    let mut taken_up = 0;
    for write in 0..clean.story.fleet.writes() {
        let mut it = Scene::with_a_playbook();
        it.story.fleet.say("third", &said);
        it.story.fleet.crash(Some(Crash::After(write)));
        it.story.fleet.ask(request("internal", "third"));
        for _ in 0..100 {
            if it.story.pass(&it.order).is_err() {
                break;
            }
            it.story.provide();
            it.story.fleet.advance(Duration::from_secs(10));
        }
        it.story.fleet.crash(None);
        it.story.fleet.delete(&Story::target(&it.order)).unwrap();
        it.settle_with_restarts();
        let left: Vec<String> =
            it.story.fleet.objects().iter().map(|(target, _)| target.to_string()).collect();
        assert!(left.is_empty() && it.story.fleet.assignments().is_empty(), "after write {write}: {left:?}");
        for record in it.story.fleet.migrations() {
            taken_up += 1;
            let over = matches!(record.state(), MigrationState::Cancelled | MigrationState::Completed);
            assert!(over, "after write {write}: {:?}", record.state());
        }
    }
    assert!(taken_up > 20, "{taken_up}");
}
