//! The broker over the ports in memory against the pure machine of a move: whatever is done to it, in any sequence, what
//! is recorded is what the machine can come to from what was recorded before, and when nobody does anything more it
//! rests.
//!
//! `PROPTEST_CASES=2000` tries more sequences.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use broker_core::broker::PassError;
use broker_core::migration::{Controls, Event, Migration, MigrationState, Position, Route, transition};
use broker_core::order::{Compute, Moves};
use broker_core::port::OrderAddress;
use broker_core::resource::marker;
use broker_testkit::memory::Crash;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::{Value, json};

use super::order_life::{Story, broker};
use super::playbook_moves::{playbook, stages};

/// Fewer than proptest's own number: every case is a whole life of an order.
const CASES: u32 = 48;

/// What somebody does.
#[derive(Clone, Debug)]
enum Command {
    /// The provider of one of the copies says something.
    Says(&'static str, Value),
    /// A person says something of the last move.
    Controls(Word),
    Passes(u64),
    /// The broker dies at one of the next writes, before or after it took effect.
    Dies(Crash),
    /// The consumer orders what the other provider takes.
    Edited,
    Deleted,
    /// The broker looks, and nobody does anything.
    Looks,
}

#[derive(Clone, Copy, Debug)]
enum Word {
    Pause,
    GoOn,
    Cancel,
    Rollback,
    AllowLoss,
    Approve,
}

/// What is known of an order without looking at what the broker does.
#[derive(Clone, Debug)]
struct Known {
    deleted: bool,
}

struct Commands;

impl ReferenceStateMachine for Commands {
    type State = Known;
    type Transition = Command;

    fn init_state() -> BoxedStrategy<Known> {
        Just(Known { deleted: false }).boxed()
    }

    fn transitions(known: &Known) -> BoxedStrategy<Command> {
        let ready = |status: &str| json!({ "conditions": [{ "type": "Ready", "status": status }] });
        let sayings = vec![
            ("external", json!({ "copyProgress": 100 })),
            ("external", json!({ "lag": 0 })),
            ("external", json!({ "checksum": "abc" })),
            ("external", json!({ "checksum": "xyz" })),
            ("external", json!({ "cleaned": true, "restored": true })),
            ("external", ready("False")),
            ("external", ready("True")),
            ("internal", ready("False")),
            ("internal", ready("True")),
            ("internal", json!({ "quiesced": false })),
            ("internal", json!({ "quiesced": true })),
            ("external", json!({ "quiesced": true })),
        ];
        let words =
            vec![Word::Pause, Word::GoOn, Word::Cancel, Word::Rollback, Word::AllowLoss, Word::Approve];
        let crash = (any::<bool>(), 0_usize..4).prop_map(|(before, write)| {
            Command::Dies(if before { Crash::Before(write) } else { Crash::After(write) })
        });
        prop_oneof![
            12 => select(sayings).prop_map(|(cluster, status)| Command::Says(cluster, status)),
            4 => select(words).prop_map(Command::Controls),
            4 => select(vec![10_u64, 30, 40, 3_600]).prop_map(Command::Passes),
            6 => crash,
            2 => Just(if known.deleted { Command::Looks } else { Command::Edited }),
            1 => Just(Command::Deleted),
            4 => Just(Command::Looks),
        ]
        .boxed()
    }

    fn apply(known: Known, command: &Command) -> Known {
        Known { deleted: known.deleted || matches!(command, Command::Deleted) }
    }
}

/// A broker over the ports in memory, with one order that has to move.
struct Fleet {
    story: Story,
    order: OrderAddress,
    /// Where each move was seen to stand.
    recorded: BTreeMap<String, Position>,
    large: bool,
}

impl Fleet {
    /// Providers work, the broker looks and writes; one that dies is replaced by another that remembers nothing.
    /// True while there is something to do.
    fn step(&mut self) -> bool {
        let before = self.story.fleet.history().len();
        let worked = self.story.provide();
        let died = match self.story.pass(&self.order) {
            Ok(_) => false,
            Err(error @ (PassError::Unsound(_) | PassError::Restless(_) | PassError::NotReady)) => {
                panic!("{error}: {:#?}", self.story.fleet.history())
            }
            Err(PassError::Port(_)) => {
                self.story.fleet.crash(None);
                self.story.broker = broker(&self.story.fleet);
                true
            }
        };
        let history = self.story.fleet.history();
        self.check_moves(&history[before..]);
        worked || died || history.len() > before
    }

    /// What is recorded of every move is what the machine comes to by as many events as there were writes of its record.
    fn check_moves(&mut self, written: &[String]) {
        let records = self.story.fleet.migrations();
        for record in &records {
            let start = self.recorded.get(&record.name).copied().unwrap_or_default();
            let prefix = format!("update-migration {} ", record.name);
            let writes = written.iter().filter(|line| line.starts_with(&prefix)).count();
            let reachable = reachable(start, writes, &record.route());
            assert!(
                reachable.contains(&record.position),
                "{}: {:?} does not follow from {start:?} within {writes} writes: {written:#?}",
                record.name,
                record.position
            );
        }
        self.recorded = records.into_iter().map(|record| (record.name, record.position)).collect();
    }

    fn last_move(&self) -> Option<Migration> {
        self.story.fleet.migrations().into_iter().max_by_key(|record| record.serial)
    }

    fn control(&self, word: Word) {
        let Some(record) = self.last_move() else { return };
        let stage = record.stage().map(|stage| stage.name.clone());
        self.story.fleet.control(&record.name, |controls: &mut Controls| match word {
            Word::Pause => controls.paused = true,
            Word::GoOn => controls.paused = false,
            Word::Cancel => controls.cancel = true,
            Word::Rollback => controls.rollback = true,
            Word::AllowLoss => controls.allow_loss = true,
            Word::Approve => controls.approved.extend(stage),
        });
    }

    fn rest(&mut self) {
        for _ in 0..100 {
            if !self.step() {
                return;
            }
        }
        panic!("no rest: {:#?}", self.story.fleet.history());
    }
}

/// Where a move can stand after at most so many events. What is read from an assignment that is newer than its record is
/// none of them: the one is never restored without the other here.
fn reachable(start: Position, events: usize, route: &Route) -> BTreeSet<Position> {
    let mut seen = BTreeSet::from([start]);
    for _ in 0..events {
        let next: Vec<Position> = seen
            .iter()
            .flat_map(|at| {
                let events = Event::ALL.into_iter();
                let events = events.filter(|event| !matches!(event, Event::SwitchSeen | Event::EndSeen));
                events.filter_map(|event| transition(*at, event, route).ok())
            })
            .collect();
        seen.extend(next);
    }
    seen
}

struct Machine;

impl StateMachineTest for Machine {
    type SystemUnderTest = Fleet;
    type Reference = Commands;

    fn init_test(_: &Known) -> Fleet {
        let story = Story::new(Moves::PlaybookOnly);
        story.fleet.set_compute(Compute::Answers);
        let mut stages = stages();
        stages[2]["approval"] = json!("Required");
        let back = json!([{ "name": "back", "successConditions": ["status.restored == true"] }]);
        story.fleet.set_playbooks([playbook(&stages, &back)]);
        story.fleet.say("internal", &json!({ "checksum": "abc" }));
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        story.order("consumer", "my-app-cert", "app.corp.com");
        Fleet { story, order, recorded: BTreeMap::new(), large: true }
    }

    fn apply(mut it: Fleet, _: &Known, command: Command) -> Fleet {
        match command {
            Command::Says(cluster, status) => it.story.fleet.say(cluster, &status),
            Command::Controls(word) => it.control(word),
            Command::Passes(seconds) => it.story.fleet.advance(Duration::from_secs(seconds)),
            Command::Dies(crash) => it.story.fleet.crash(Some(crash)),
            Command::Edited => {
                it.large = !it.large;
                let fqdn = if it.large { "app.corp.com" } else { "app.internal.corp" };
                it.story.order("consumer", "my-app-cert", fqdn);
            }
            Command::Deleted => it.story.fleet.delete(&Story::target(&it.order)).unwrap(),
            Command::Looks => {}
        }
        it.step();
        it
    }

    fn check_invariants(it: &Fleet, _: &Known) {
        let running = it.story.fleet.migrations().iter().filter(|record| !record.state().is_final()).count();
        assert!(running <= 1, "an order makes one move at a time");
        for assignment in it.story.fleet.assignments() {
            assert!(matches!(assignment.copies.len(), 1 | 2), "{assignment:?}");
            let Some(pointer) = &assignment.pointer else { continue };
            let serving = assignment.serving().unwrap_or_else(|| panic!("{pointer} is no copy"));
            let cluster = serving.key.cluster.as_str();
            let is_there = it.story.fleet.copies_in(cluster).iter().any(|copy| copy.name() == pointer);
            let deleted = it.story.fleet.get(
                &Story::target(&it.order).gvk,
                it.order.key.cluster.as_str(),
                &it.order.key.namespace,
                &it.order.key.name,
            );
            let lives = deleted.is_some_and(|order| !order.is_deleting());
            assert!(is_there || !lives, "the copy that serves is there");
        }
    }

    fn teardown(mut it: Fleet, known: Known) {
        it.story.fleet.crash(None);
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let well = json!({
            "copyProgress": 100, "lag": 0, "checksum": "abc", "cleaned": true, "restored": true,
            "quiesced": true, "conditions": ready,
        });
        for cluster in ["internal", "external"] {
            it.story.fleet.say(cluster, &well);
        }
        for _ in 0..12 {
            it.control(Word::GoOn);
            it.control(Word::Approve);
            it.rest();
            it.story.fleet.advance(Duration::from_hours(1));
        }
        it.rest();
        let before = it.story.fleet.history().len();
        it.rest();
        assert_eq!(it.story.fleet.history().len(), before, "something is written at rest");
        assert!(it.story.fleet.helpers().is_empty(), "helpers are left");
        if known.deleted {
            let left: Vec<String> =
                it.story.fleet.objects().iter().map(|(target, _)| target.to_string()).collect();
            assert!(left.is_empty(), "{left:?}");
            assert!(it.story.fleet.assignments().is_empty() && it.story.fleet.migrations().is_empty());
            return;
        }
        let assignment = &it.story.fleet.assignments()[0];
        let open = it.last_move().filter(|record| {
            let late = record.state() == MigrationState::Failed && record.position.switched;
            !record.state().is_final() || late && assignment.moving().is_some()
        });
        // A person who asked for the old copy, and did not say that writes may be lost, is asked for that.
        let waits_for_a_person = open.as_ref().is_some_and(|record| record.controls.rollback);
        assert!(open.is_none() || waits_for_a_person, "{open:#?}");
        if open.is_none() {
            assert_eq!(assignment.copies.len(), 1, "{assignment:?}");
            let serving = assignment.serving().unwrap();
            let copies = it.story.fleet.copies_in(serving.key.cluster.as_str());
            let fenced = |copy: &&std::sync::Arc<broker_core::resource::Object>| {
                copy.annotation(marker::QUIESCE_ANNOTATION) == Some("true")
            };
            assert_eq!(copies.iter().filter(fenced).count(), 0, "the fence is still there");
        }
    }
}

fn config() -> Config {
    let config = Config::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    Config { cases: if asked { config.cases } else { CASES }, ..config }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn what_is_recorded_of_a_move_follows_from_what_was_recorded_before_and_the_end_is_rest(
        sequential 1..40 => Machine
    );
}
