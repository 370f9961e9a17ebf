//! What must hold in the end.

use std::time::Duration;

use broker_core::resource::marker;
use serde::{Deserialize, Serialize};

use super::invariant::{self as promise, Invariant};
use super::reading::{self, ReadyFor};
use super::world::{Copy, Move, Order, Record, World};
use super::{Broken, Setting};
use crate::simulation::history::{Event, History, ObjectKey};

/// Who is to serve an order in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The order; it must exist.
    pub order: ObjectKey,
    /// What is to become of it.
    pub outcome: Outcome,
}

/// What is to become of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The provider in this cluster serves it as it is now.
    Served(String),
    /// Nobody takes it as it is now, or it may not move: the provider in this cluster keeps serving what it took before.
    Kept(String),
    /// Nobody serves it, and nothing is made for it.
    Nobody,
}

impl Expected {
    /// The order is served by the provider in that cluster.
    pub fn served(order: ObjectKey, provider: &str) -> Self {
        Self { order, outcome: Outcome::Served(provider.to_owned()) }
    }

    /// The order keeps what the provider in that cluster made for an earlier generation of it.
    pub fn kept(order: ObjectKey, provider: &str) -> Self {
        Self { order, outcome: Outcome::Kept(provider.to_owned()) }
    }

    /// Nobody serves the order.
    pub fn nobody(order: ObjectKey) -> Self {
        Self { order, outcome: Outcome::Nobody }
    }
}

/// The end of a history before its judge.
#[derive(Debug)]
pub(super) struct Rest<'a> {
    pub(super) setting: &'a Setting,
    pub(super) world: &'a World,
    pub(super) at: Duration,
    pub(super) found: Vec<Broken>,
}

impl Rest<'_> {
    fn broken(&mut self, invariant: Invariant, what: String) {
        self.found.push(Broken { invariant: invariant.id, at: self.at, what });
    }

    pub(super) fn judge(mut self, expected: &[Expected]) -> Vec<Broken> {
        for expected in expected {
            self.judge_order(expected);
        }
        self.judge_copies();
        self.judge_records();
        self.judge_mirrors();
        self.judge_finalizers();
        self.judge_helpers();
        self.judge_fences();
        self.found
    }

    fn judge_order(&mut self, expected: &Expected) {
        let world = self.world;
        let order =
            world.objects.get(&expected.order).and_then(|object| world.orders.get(reading::uid(object)));
        let Some(order) = order else {
            self.broken(promise::NOT_SERVED, format!("{} is not there", expected.order));
            return;
        };
        let living: Vec<&Copy> = world.copies_of(order).filter(|copy| !copy.is_retained()).collect();
        let (provider, anew) = match &expected.outcome {
            Outcome::Served(provider) => (provider, true),
            Outcome::Kept(provider) => (provider, false),
            Outcome::Nobody => {
                for copy in living {
                    let what = format!("{} is not to be served, and has {}", order.key, copy.place);
                    self.broken(promise::LEFT_BEHIND, what);
                }
                return;
            }
        };
        let records: Vec<&Record> = world.records_of(&order.uid).collect();
        let [record] = records.as_slice() else {
            self.broken(promise::NOT_SERVED, format!("{} has {} Assignments", order.key, records.len()));
            return;
        };
        let problem = self.problem_of(order, record, &living, provider);
        let problem = problem.or_else(|| self.difference(order)).or_else(|| {
            // What is kept is not what the order asks for now, and the order says so.
            if anew { self.delay(order) } else { None }
        });
        if let Some(problem) = problem {
            self.broken(promise::NOT_SERVED, format!("{}: {problem}", order.key));
        }
    }

    fn problem_of(&self, order: &Order, record: &Record, living: &[&Copy], provider: &str) -> Option<String> {
        let world = self.world;
        let Some(serving) = world.pointed(order).filter(|copy| copy.lives()) else {
            return Some("its Assignment points to nothing that is there".to_owned());
        };
        if serving.key.cluster != provider {
            return Some(format!("it is served by {} and not at {provider}", serving.place));
        }
        if record.copies.len() != 1 || !record.leftovers.is_empty() || living.len() != 1 {
            let (named, left) = (record.copies.len(), record.leftovers.len());
            return Some(format!(
                "{named} copies and {left} leftovers are named, {} are there",
                living.len()
            ));
        }
        if record.copies.iter().any(|named| named.uid.as_ref() != Some(&serving.uid)) {
            return Some(format!("the uid of {} is not recorded", serving.place));
        }
        (!serving.ready).then(|| format!("{} is not ready", serving.place))
    }

    /// What the order asks for that the copy does not have yet.
    fn delay(&self, order: &Order) -> Option<String> {
        let serving = self.world.pointed(order)?;
        if !serving.is_translated(order) {
            let (asked, made) = (reading::at(&order.object, "/spec"), reading::at(&serving.object, "/spec"));
            if !reading::contains(made, asked) {
                return Some(format!("{} asks for {made}, the order for {asked}", serving.place));
            }
            let observed = reading::says_ready(&order.object).and_then(ReadyFor::generation);
            if observed.is_some_and(|observed| observed != reading::generation(&order.object)) {
                return Some(format!("it is Ready for another generation than its own, {observed:?}"));
            }
        }
        let brokered = reading::condition(&order.object, "Brokered").map(|condition| &condition["status"]);
        brokered
            .is_none_or(|status| status != "True")
            .then(|| format!("its condition Brokered is {}", brokered.unwrap_or(&serde_json::Value::Null)))
    }

    /// What the consumer does not hold as the copy provides it.
    fn difference(&self, order: &Order) -> Option<String> {
        let world = self.world;
        let serving = world.pointed(order)?;
        let compared = !serving.is_translated(order);
        if compared
            && reading::comparable_status(&order.object) != reading::comparable_status(&serving.object)
        {
            return Some(format!("its status is not that of {}", serving.place));
        }
        let api = self.setting.api(&order.key.group, &order.key.resource);
        let told = reading::related(&order.object);
        if told.is_empty() && api.is_some_and(|api| api.hands_over) {
            return Some("nothing is handed over".to_owned());
        }
        reading::related(&serving.object).into_iter().find_map(|(key, provided)| {
            let content = |cluster: &str, related: &reading::Related| {
                let (resource, namespace) = (related.resource(), &related.namespace);
                let key = ObjectKey::new(cluster, "", &resource, namespace, &related.name);
                world.objects.get(&key).and_then(|object| reading::content(object))
            };
            let here = told.get(&key).and_then(|told| content(&order.key.cluster, told));
            let there = content(&serving.key.cluster, &provided);
            (here.is_none() || here != there)
                .then(|| format!("what it holds as {key:?} is not what is provided"))
        })
    }

    fn judge_copies(&mut self) {
        let world = self.world;
        let existing = world.copies.values().filter(|copy| copy.exists && copy.ours && !copy.is_retained());
        for copy in existing.filter(|copy| !world.is_gone(&copy.key.cluster)) {
            let order = copy.order.as_ref().and_then(|uid| world.orders.get(uid));
            let retained = order.is_some_and(|order| order.retain);
            // One whose Assignment was lost waits for a person.
            let lost = order.is_some_and(|order| order.exists && order.lost);
            // One that its provider holds is going.
            let going = copy.deleting && !reading::list(&copy.object, "/metadata/finalizers").is_empty();
            let lives = order.is_some_and(|order| order.exists) && world.is_named(&copy.place);
            if !lives && !lost && !retained && !going {
                self.broken(promise::LEFT_BEHIND, format!("{} is of no order", copy.place));
            }
        }
    }

    fn judge_records(&mut self) {
        let world = self.world;
        let exists = |uid: &str| world.orders.get(uid).is_some_and(|order| order.exists);
        for record in world.records.values().filter(|record| !exists(&record.order)) {
            self.broken(promise::LEFT_BEHIND, format!("Assignment {} is of no order", record.name));
        }
        for (name, found) in &world.moves {
            if found.order.as_ref().is_some_and(|order| !exists(order)) {
                self.broken(promise::LEFT_BEHIND, format!("Migration {name} is of no order"));
            } else if !found.has_ended() {
                self.broken(promise::MOVE_UNFINISHED, format!("Migration {name} is {:?}", found.state));
            }
        }
    }

    fn judge_mirrors(&mut self) {
        let world = self.world;
        for order in world.orders.values() {
            let told = if order.exists {
                reading::related(&order.object)
            } else {
                std::collections::BTreeMap::new()
            };
            for key in &order.mirrors {
                let named = told.values().any(|related| {
                    (&related.name, &related.namespace, related.resource())
                        == (&key.name, &key.namespace, key.resource.clone())
                });
                let ours = world.objects.get(key).is_some_and(|object| {
                    reading::label(object, marker::MANAGED_LABEL) == Some(marker::MANAGED_VALUE)
                });
                if ours && !named && !world.is_gone(&key.cluster) {
                    self.broken(
                        promise::LEFT_BEHIND,
                        format!("{key} was made for {}, and is not named", order.key),
                    );
                }
            }
        }
    }

    /// What was made for a move goes with it, whichever way it ends.
    fn judge_helpers(&mut self) {
        let world = self.world;
        for (key, object) in &world.objects {
            let Some(of) = reading::label(object, marker::MIGRATION_LABEL) else { continue };
            if world.moves.get(of).is_none_or(Move::has_ended) {
                self.broken(promise::LEFT_BEHIND, format!("{key} is of the move {of}, which is over"));
            }
        }
    }

    fn judge_fences(&mut self) {
        let world = self.world;
        for order in world.orders.values().filter(|order| order.lives() && order.paused.is_none()) {
            let fenced =
                |copy: &&Copy| reading::annotation(&copy.object, marker::QUIESCE_ANNOTATION) == Some("true");
            let serving = world.pointed(order).filter(|copy| copy.lives()).filter(fenced);
            if let Some(copy) = serving.filter(|_| !world.is_moving(&order.uid)) {
                self.broken(
                    promise::FENCE_KEPT,
                    format!("{} serves {}, and takes no writes", copy.place, order.key),
                );
            }
        }
    }

    fn judge_finalizers(&mut self) {
        let world = self.world;
        for order in
            world.orders.values().filter(|order| order.exists && order.deleting && order.paused.is_none())
        {
            // A provider's own finalizer is respected.
            let waits = world.copies_of(order).any(|copy| !world.is_gone(&copy.key.cluster));
            if reading::is_held(&order.object) && !waits {
                self.broken(
                    promise::FINALIZER_KEPT,
                    format!("{} is being deleted, and is not let go", order.key),
                );
            }
        }
    }
}

/// What the broker wrote from the entry of this index on, although it was at rest: anything but its Lease and Events.
pub fn wrote_at_rest(setting: &Setting, history: &History, from: usize) -> Vec<Broken> {
    let mut found = Vec::new();
    for entry in history.entries().iter().skip(from) {
        let Event::Wrote(write) = &entry.event else { continue };
        let quiet = ["leases", "events"].contains(&write.key.resource.as_str());
        if setting.is_broker(write.by.as_deref()) && !quiet {
            let what =
                format!("{} is written ({:?}) although there is nothing left to do", write.key, write.kind);
            found.push(Broken { invariant: promise::WROTE_AT_REST.id, at: entry.at, what });
        }
    }
    found
}
