//! Moves by a playbook, over the in-memory ports: stages, helpers, the fence, what a person says, and every crash.

use std::time::Duration;

use broker_core::migration::{Controls, Migration, MigrationState};
use broker_core::order::{Compute, Fence, Moves};
use broker_core::playbook::Playbook;
use broker_core::port::OrderAddress;
use broker_core::resource::marker;
use broker_testkit::memory::Crash;
use serde_json::{Value, json};

use super::order_life::{GRACE, Story};

/// Copies under no fence, catches up under it, verifies, finalizes; each stage waits for a field of the new copy.
pub(crate) fn stages() -> Value {
    json!([
        { "name": "copy", "phase": "Initial", "successConditions": ["status.copyProgress == 100"], "templates": {
            "mover": { "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "move-${to.metadata.name}" },
                       "spec": { "secret": "${from.metadata.name}" } },
            "notes": "# nothing is made of comments",
        } },
        { "name": "catch-up", "phase": "Cutover", "successConditions": ["status.lag == 0"] },
        { "name": "compare", "phase": "Verify", "successConditions": ["status.checksum == from.status.checksum"],
          "failureConditions": ["has(to.status.checksum) && to.status.checksum != from.status.checksum"] },
        { "name": "finalize", "phase": "Finalize", "successConditions": ["status.cleaned == true"] },
    ])
}

pub(crate) fn playbook(stages: &Value, rollback: &Value) -> Playbook {
    let certificate = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Certificate" });
    let spec = json!({ "from": certificate, "to": certificate, "stages": stages, "rollback": rollback });
    Playbook::parse_json("certificates", &spec).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// A move of one order, and everybody who takes part.
pub(crate) struct Move {
    pub(crate) story: Story,
    pub(crate) order: OrderAddress,
}

impl Move {
    /// An order that is served by `internal` and must move to `external`, by the playbook.
    pub(crate) fn begun(playbook: Playbook) -> Self {
        let it = Self::served(playbook);
        it.change();
        it
    }

    pub(crate) fn served(playbook: Playbook) -> Self {
        let story = Story::new(Moves::PlaybookOnly);
        story.fleet.set_compute(Compute::Answers);
        story.fleet.set_playbooks([playbook]);
        story.fleet.say("internal", &json!({ "checksum": "abc" }));
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        Self { story, order }
    }

    pub(crate) fn change(&self) {
        self.story.order("consumer", "my-app-cert", "app.corp.com");
    }

    pub(crate) fn settle(&self) {
        self.story.settle(&self.order);
    }

    /// The provider of the new copy says something, and everybody reacts.
    pub(crate) fn says(&self, status: &Value) {
        self.story.fleet.say("external", status);
        self.settle();
    }

    pub(crate) fn record(&self) -> Migration {
        self.story.fleet.migrations().last().cloned().unwrap()
    }

    pub(crate) fn state(&self) -> MigrationState {
        self.record().state()
    }

    pub(crate) fn control(&self, change: impl FnOnce(&mut Controls)) {
        self.story.fleet.control(&self.record().name, change);
        self.settle();
    }

    /// Whose Secret the consumer holds.
    pub(crate) fn serves(&self) -> String {
        let secret = self.story.secret_of("consumer", "my-app-cert-secret").unwrap();
        secret["issuer"].as_str().unwrap().to_owned()
    }

    pub(crate) fn is_fenced(&self, cluster: &str) -> bool {
        let copies = self.story.fleet.copies_in(cluster);
        copies.iter().any(|copy| copy.annotation(marker::QUIESCE_ANNOTATION) == Some("true"))
    }

    pub(crate) fn helpers(&self) -> Vec<String> {
        self.story
            .fleet
            .helpers()
            .iter()
            .map(|helper| format!("{}/{}", helper.gvk().kind, helper.name()))
            .collect()
    }

    /// Nothing is held up, nothing is left, and the order is served by this provider alone.
    pub(crate) fn is_over(&self, state: MigrationState, served_by: &str) {
        assert_eq!(self.state(), state, "{}", self.record().message);
        assert_eq!(self.serves(), served_by);
        assert_eq!(self.story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), [served_by]);
        assert!(!self.is_fenced(served_by), "the fence is still there");
        assert_eq!(self.helpers(), [""; 0], "helpers are left");
        let before = self.story.fleet.history().len();
        self.settle();
        assert_eq!(self.story.fleet.history().len(), before, "something is written at rest");
    }

    pub(crate) fn until_switched(&self) {
        self.settle();
        self.says(&json!({ "copyProgress": 100 }));
        self.says(&json!({ "lag": 0 }));
    }

    /// To the end, whatever happened on the way.
    pub(crate) fn to_the_end(&self) {
        self.until_switched();
        self.says(&json!({ "checksum": "abc", "cleaned": true }));
        for _ in 0..4 {
            self.story.fleet.advance(GRACE);
            self.settle();
        }
    }
}

#[test]
fn each_stage_waits_for_its_condition_and_the_fence_is_held_only_around_the_switch() {
    let it = Move::begun(playbook(&stages(), &json!([])));
    it.settle();
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::InitialInProgress, "internal"));
    assert!(it.record().message.contains("status.copyProgress == 100"), "{}", it.record().message);
    assert_eq!(it.helpers().len(), 4, "a namespace, two credentials and the mover: {:?}", it.helpers());
    it.says(&json!({ "copyProgress": 99 }));
    assert!(it.record().message.contains("99"), "what was found is told: {}", it.record().message);
    assert!(!it.is_fenced("internal"));

    it.says(&json!({ "copyProgress": 100 }));
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::CutoverInProgress, "internal"));
    assert!(it.is_fenced("internal") && it.record().receipt.fenced_at.is_some());

    it.says(&json!({ "lag": 0 }));
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::CutoverCompleted, "external"));
    assert!(it.is_fenced("internal"), "what it would take now would be lost");
    it.story.fleet.advance(GRACE);
    it.settle();
    assert_eq!(it.story.fleet.copies_in("internal").len(), 1, "the old copy stays until all is verified");

    it.says(&json!({ "checksum": "abc" }));
    assert!(it.record().message.contains("finalize"), "{}", it.record().message);
    it.says(&json!({ "cleaned": true }));
    it.is_over(MigrationState::Completed, "external");
    let receipt = it.record().receipt;
    assert_eq!(receipt.verified, ["status.checksum == from.status.checksum"]);
    assert_eq!(receipt.loss, None);
    assert!(receipt.cutover_at <= receipt.fenced_at && receipt.fenced_at <= receipt.switched_at);
}

#[test]
fn a_crash_before_or_after_any_write_of_a_staged_move_ends_in_the_same_state() {
    let clean = Move::begun(playbook(&stages(), &json!([])));
    clean.story.fleet.crash(None);
    clean.to_the_end();
    clean.is_over(MigrationState::Completed, "external");
    let writes = clean.story.fleet.writes();
    assert!(writes > 25, "{writes}");
    for write in 0..writes {
        for crash in [Crash::Before(write), Crash::After(write)] {
            let mut it = Move::served(playbook(&stages(), &json!([])));
            it.change();
            it.story.fleet.crash(Some(crash));
            for (cluster, status) in [
                ("external", json!({})),
                ("external", json!({ "copyProgress": 100 })),
                ("external", json!({ "lag": 0 })),
                ("external", json!({ "checksum": "abc", "cleaned": true })),
            ] {
                it.story.fleet.say(cluster, &status);
                it.settle_with_restarts();
            }
            it.story.fleet.advance(GRACE);
            it.settle_with_restarts();
            it.is_over(MigrationState::Completed, "external");
            assert_eq!(it.story.fleet.migrations().len(), 1, "{crash:?}");
        }
    }
}

impl Move {
    /// As `settle`; a broker that fails is replaced by another that remembers nothing.
    pub(crate) fn settle_with_restarts(&mut self) {
        for _ in 0..200 {
            let before = self.story.fleet.history().len();
            match self.story.pass(&self.order) {
                Ok(_) if !self.story.provide() && self.story.fleet.history().len() == before => return,
                Ok(_) => {}
                Err(_) => {
                    self.story.fleet.crash(None);
                    self.story.broker = super::order_life::broker(&self.story.fleet);
                }
            }
        }
        panic!("no rest: {:#?}", self.story.fleet.history());
    }
}

#[test]
fn deleting_the_order_at_any_write_of_a_staged_move_leaves_nothing() {
    let clean = Move::begun(playbook(&stages(), &json!([])));
    clean.story.fleet.crash(None);
    clean.to_the_end();
    for write in 0..clean.story.fleet.writes() {
        let mut it = Move::begun(playbook(&stages(), &json!([])));
        it.story.fleet.crash(Some(Crash::After(write)));
        it.story
            .fleet
            .say("external", &json!({ "copyProgress": 100, "lag": 0, "checksum": "abc", "cleaned": true }));
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
        assert!(left.is_empty(), "after write {write}: {left:?}");
        assert!(it.story.fleet.migrations().is_empty() && it.story.fleet.assignments().is_empty());
    }
}

#[test]
fn a_provider_that_answers_no_fence_keeps_its_orders_unless_that_is_allowed() {
    for (fence, allow_loss, moves) in
        [(None, false, false), (Some(Fence::BestEffort), false, true), (None, true, true)]
    {
        let it = Move::begun(playbook(&stages(), &json!([])));
        it.story.fleet.set_policy(|policy| policy.fence = fence);
        it.story.fleet.say("internal", &json!({ "quiesced": false }));
        it.settle();
        it.control(|controls| controls.allow_loss = allow_loss);
        it.says(&json!({ "copyProgress": 100, "lag": 0, "checksum": "abc", "cleaned": true }));
        assert_eq!((it.state(), it.serves().as_str()), (MigrationState::CutoverInProgress, "internal"));
        it.story.fleet.advance(Duration::from_secs(30));
        it.settle();
        if moves {
            it.story.fleet.advance(GRACE);
            it.settle();
            it.is_over(MigrationState::Completed, "external");
            assert!(it.record().receipt.loss.unwrap().contains("writes may be lost"));
        } else {
            assert!(it.record().message.contains("FenceRequired"), "{}", it.record().message);
            it.is_over(MigrationState::Failed, "internal");
        }
    }
}

#[test]
fn a_stage_that_fails_or_takes_too_long_leaves_the_old_copy_as_it_was() {
    // (what is said before, what is said or how long it takes then)
    for (before, failing) in
        [(json!({}), None), (json!({ "copyProgress": 100 }), None), (json!({}), Some("mover"))]
    {
        let it = Move::begun(playbook(&stages(), &json!([])));
        it.settle();
        it.says(&before);
        if let Some(key) = failing {
            let helpers = it.story.fleet.helpers();
            let job = helpers
                .iter()
                .find(|helper| helper.annotation(marker::HELPER_ANNOTATION) == Some(key))
                .unwrap();
            let target =
                broker_core::resource::ObjectRef { gvk: job.gvk(), key: job.key_in(&"compute".into()) };
            let failed = json!([{ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded" }]);
            it.story.fleet.set(&target, &["status", "conditions"], failed);
        } else {
            it.story.fleet.advance(Duration::from_hours(2));
        }
        it.settle();
        it.is_over(MigrationState::Failed, "internal");
        assert!(!it.record().message.is_empty());
        assert_eq!(it.story.reason(&it.order), "MoveFailed");
    }
}

#[test]
fn a_move_is_called_off_at_any_point_before_the_switch() {
    for said in [json!({}), json!({ "copyProgress": 50 }), json!({ "copyProgress": 100 })] {
        for by_a_person in [true, false] {
            let it = Move::begun(playbook(&stages(), &json!([])));
            it.settle();
            it.says(&said);
            if by_a_person {
                // The order fits its old provider again, or the next move would begin at once.
                it.story.fleet.control(&it.record().name, |controls| controls.cancel = true);
            }
            it.story.order("consumer", "my-app-cert", "app.internal.corp");
            it.settle();
            it.is_over(MigrationState::Cancelled, "internal");
        }
    }
}

#[test]
fn a_paused_move_goes_no_further_than_it_must_and_goes_on_later() {
    let it = Move::begun(playbook(&stages(), &json!([])));
    it.settle();
    it.control(|controls| controls.paused = true);
    it.says(&json!({ "copyProgress": 100 }));
    assert_eq!(it.state(), MigrationState::InitialInProgress);
    assert!(!it.is_fenced("internal"));
    it.control(|controls| controls.paused = false);
    assert_eq!(it.state(), MigrationState::CutoverInProgress);
    // What holds up writes is finished.
    it.control(|controls| controls.paused = true);
    it.says(&json!({ "lag": 0, "checksum": "abc", "cleaned": true }));
    it.story.fleet.advance(GRACE);
    it.settle();
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::CutoverCompleted, "external"));
    assert_eq!(it.story.fleet.copies_in("internal").len(), 1, "the old copy stays");
    it.control(|controls| controls.paused = false);
    it.is_over(MigrationState::Completed, "external");
}

#[test]
fn a_move_that_is_paused_before_it_begins_waits_and_no_other_takes_its_place() {
    let mut paused = 0;
    for write in 0..8 {
        let mut it = Move::begun(playbook(&stages(), &json!([])));
        it.story.fleet.crash(Some(Crash::Before(write)));
        it.story.pass(&it.order).ok();
        it.story.fleet.crash(None);
        if it.story.fleet.migrations().is_empty() || it.state() != MigrationState::Pending {
            continue;
        }
        let begun = it.story.fleet.clusters_with_copies().len();
        it.story.fleet.control(&it.record().name, |controls| controls.paused = true);
        it.settle_with_restarts();
        if begun == 1 && it.story.fleet.assignments()[0].copies.len() == 1 {
            paused += 1;
            assert_eq!((it.state(), it.serves().as_str()), (MigrationState::Pending, "internal"));
            assert_eq!(it.story.fleet.clusters_with_copies().len(), 1);
        }
        assert_eq!(it.story.fleet.migrations().len(), 1, "another was begun");
        it.control(|controls| controls.paused = false);
        it.to_the_end();
        it.is_over(MigrationState::Completed, "external");
    }
    assert!(paused > 0, "none was paused before it began");
}

#[test]
fn writes_are_let_through_at_once_when_a_cutover_is_called_off() {
    let it = Move::begun(playbook(&stages(), &json!([])));
    it.settle();
    it.says(&json!({ "copyProgress": 100 }));
    assert!(it.is_fenced("internal"));
    // What is removed meanwhile may take its time.
    let copy = it.story.fleet.copies_in("external").remove(0);
    let target = broker_core::resource::ObjectRef { gvk: copy.gvk(), key: copy.key_in(&"external".into()) };
    it.story.fleet.set(&target, &["metadata", "finalizers"], json!(["provider.example/slow"]));
    it.story.order("consumer", "my-app-cert", "app.internal.corp");
    it.settle();
    assert_eq!(it.state(), MigrationState::Cancelled);
    assert_eq!(it.story.fleet.copies_in("external").len(), 1, "it is still going");
    assert!(!it.is_fenced("internal"));
}

#[test]
fn a_record_that_somebody_deleted_is_made_again_with_its_playbook() {
    for (said, helpers) in [(json!({}), true), (json!({ "copyProgress": 100 }), true), (json!({}), false)] {
        let it = Move::begun(playbook(&stages(), &json!([])));
        it.settle();
        it.says(&said);
        it.story.fleet.forget_migrations();
        if !helpers {
            it.story.fleet.set_playbooks([]);
            it.settle();
            assert_eq!(it.story.reason(&it.order), "NoPlaybook");
            assert_eq!(it.serves(), "internal");
            it.story.fleet.set_playbooks([playbook(&stages(), &json!([]))]);
        }
        it.settle();
        assert_eq!(it.serves(), "internal");
        it.to_the_end();
        it.is_over(MigrationState::Completed, "external");
    }
}

#[test]
fn a_stage_that_asks_for_approval_waits_for_a_person() {
    let mut stages = stages();
    stages[0]["approval"] = "Required".into();
    let it = Move::begun(playbook(&stages, &json!([])));
    it.settle();
    it.says(&json!({ "copyProgress": 100 }));
    assert_eq!(it.state(), MigrationState::InitialInProgress);
    assert!(it.record().message.contains("approval"), "{}", it.record().message);
    it.control(|controls| {
        controls.approved.insert("copy".to_owned());
    });
    assert_eq!(it.state(), MigrationState::CutoverInProgress);
}

#[test]
fn what_is_lost_is_left_without_the_stages_that_need_it_where_a_person_says_so() {
    let it = Move::begun(playbook(&stages(), &json!([])));
    it.settle();
    it.story.fleet.remove_cluster("internal");
    it.says(&json!({ "copyProgress": 50 }));
    assert_eq!(it.state(), MigrationState::InitialInProgress);
    it.control(|controls| controls.skip_source = true);
    it.story.fleet.advance(GRACE);
    it.settle();
    assert_eq!(it.state(), MigrationState::Completed, "{}", it.record().message);
    assert_eq!((it.serves().as_str(), it.helpers()), ("external", Vec::new()));
    assert_eq!(it.story.fleet.assignments()[0].copies.len(), 1, "what is lost is no longer named");
    assert!(it.record().receipt.loss.unwrap().contains("writes may be lost"));
}

#[test]
fn what_a_playbook_needs_is_told_before_anything_begins() {
    let no_cutover =
        json!([{ "name": "copy", "phase": "Initial", "successConditions": ["status.copyProgress == 100"] }]);
    for (stages, compute, expected) in
        [(no_cutover, Compute::Answers, "FenceRequired"), (stages(), Compute::Missing, "NoComputeCluster")]
    {
        let it = Move::served(playbook(&stages, &json!([])));
        it.story.fleet.set_compute(compute);
        it.change();
        it.settle();
        assert_eq!(it.story.reason(&it.order), expected);
        assert!(it.story.fleet.migrations().is_empty());
        assert_eq!(it.serves(), "internal");
    }
    let it = Move::served(playbook(&stages(), &json!([])));
    it.story.fleet.set_playbooks([playbook(&stages(), &json!([])), {
        let mut other = playbook(&stages(), &json!([]));
        other.name = "certificates-too".to_owned();
        other
    }]);
    it.change();
    it.settle();
    assert_eq!(it.story.reason(&it.order), "AmbiguousPlaybook");
}

#[test]
fn no_more_moves_run_than_may_and_none_begins_after_too_many_failures() {
    let story = Story::new(Moves::Free);
    story.fleet.set_policy(|policy| policy.limits.concurrent_moves = 1);
    let orders: Vec<OrderAddress> =
        ["one", "two"].iter().map(|name| story.order("consumer", name, "app.internal.corp")).collect();
    let settle_all = || {
        for order in &orders {
            story.settle(order);
        }
    };
    settle_all();
    for name in ["one", "two"] {
        story.order("consumer", name, "app.corp.com");
    }
    settle_all();
    assert_eq!(story.reason(&orders[1]), "MovesHalted");
    assert_eq!(story.fleet.migrations().len(), 1);
    story.fleet.advance(GRACE);
    settle_all();
    assert_eq!(story.fleet.migrations().len(), 2, "when the first is over the second begins");
}
