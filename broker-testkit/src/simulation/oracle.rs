//! Says of a history whether a promise was broken at any instant.
//!
//! It reads writes alone, in their order, and judges each by the world that the writes before it have made. It knows what
//! is promised ([`invariant`]) and nothing of how the broker decides. Two more look on: a [`ConsumerEye`] for each
//! consumer, which sees that consumer's objects only; and [`Oracle::at_rest`], which tells whether everything has come to
//! a good end.
//!
//! What it cannot know it does not hold against the broker: an instant is judged with [`Setting::lag`] in hand, and what
//! others break (a provider that deletes a copy, a person that deletes an Assignment) is theirs.

pub mod invariant;

mod bench;
mod consumer;
mod ending;
mod eye;
mod moving;
mod placement;
mod reading;
mod rest;
mod secrecy;
mod setting;
#[cfg(test)]
pub(in crate::simulation) mod tests;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::bench::Bench;
use self::rest::Rest;
use self::secrecy::Secrets;
use self::world::{Seen, World};
use super::history::{Entry, Event, History, Write};

pub use self::eye::{ConsumerEye, Providers};
pub use self::invariant::Invariant;
pub use self::rest::{Expected, Outcome, wrote_at_rest};
pub use self::setting::{Brokered, Party, Setting};

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Which: the id of an [`Invariant`].
    pub invariant: &'static str,
    /// When, by the history's clock.
    pub at: Duration,
    /// By what, with names and values.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}: {}", self.invariant, self.at, self.what)
    }
}

/// Watches a history as it happens.
#[derive(Debug)]
pub struct Oracle {
    setting: Setting,
    world: World,
    secrets: Secrets,
    eyes: BTreeMap<String, ConsumerEye>,
    now: Duration,
}

impl Oracle {
    /// Begins with an empty world.
    pub fn new(setting: Setting) -> Self {
        let eyes =
            setting.consumers.keys().map(|id| (id.clone(), ConsumerEye::new(id, &setting.apis))).collect();
        Self { setting, world: World::default(), secrets: Secrets::default(), eyes, now: Duration::ZERO }
    }

    /// Judges a whole history.
    pub fn judge(setting: Setting, history: &History) -> Vec<Broken> {
        let mut oracle = Self::new(setting);
        history.into_iter().flat_map(|entry| oracle.observe(entry)).collect()
    }

    /// Takes in what happened next, and tells which promises it broke.
    pub fn observe(&mut self, entry: &Entry) -> Vec<Broken> {
        self.now = entry.at;
        match &entry.event {
            Event::Wrote(write) => self.observe_write(entry.at, write),
            Event::Said { who, what } => {
                let leak = self.secrets.found_in(what).map(|whose| Broken {
                    invariant: invariant::SECRET_LEAKED.id,
                    at: entry.at,
                    what: format!("{who} says what is in {whose}"),
                });
                leak.into_iter().collect()
            }
            Event::Called(_) | Event::Harmed { .. } => Vec::new(),
        }
    }

    fn observe_write(&mut self, at: Duration, write: &Write) -> Vec<Broken> {
        let mut found = Vec::new();
        let before = self.world.before(write);
        let broker = self.setting.is_broker(write.by.as_deref());
        let seen = Seen { at, write, before: before.as_deref(), broker };
        self.secrets.learn(seen, &self.setting.providers);
        let mut bench = Bench { setting: &self.setting, world: &self.world, seen, found: &mut found };
        consumer::judge_manners(&mut bench);
        placement::judge_copy(&mut bench);
        moving::judge_deletion(&mut bench);
        ending::judge(&mut bench);
        consumer::judge_mirror(&mut bench);
        consumer::judge_order(&mut bench);
        secrecy::judge(&mut bench, &self.secrets);

        self.world.apply(&self.setting, seen);
        let mut bench = Bench { setting: &self.setting, world: &self.world, seen, found: &mut found };
        placement::judge_assignment(&mut bench);
        moving::judge_pointer(&mut bench);
        self.ask_the_consumers(seen, &mut found);
        found
    }

    fn ask_the_consumers(&mut self, seen: Seen<'_>, found: &mut Vec<Broken>) {
        let world = &self.world;
        if let Some(eye) = self.eyes.get_mut(&seen.key().cluster) {
            found.extend(eye.observe(seen.at, seen.write, seen.broker, world));
        }
        // Elsewhere a copy's end can take from a consumer what it holds, and a provider can promise more or less.
        let mut concerned = world.concerned(seen);
        if concerned.is_empty()
            && seen.begins_deletion()
            && world.copies.contains_key(reading::uid(seen.object()))
        {
            // What no Assignment names may serve somebody all the same, such as after a bad restore.
            concerned = world.orders.keys().cloned().collect();
        }
        for order in concerned.iter().filter_map(|uid| world.orders.get(uid)) {
            if let Some(eye) = self.eyes.get_mut(&order.key.cluster) {
                found.extend(eye.look(&order.key, seen.at, seen.broker, world));
            }
        }
    }

    /// Judges the end: every order that is expected to be served is, and nothing is left of what is over.
    pub fn at_rest(&self, expected: &[Expected]) -> Vec<Broken> {
        let rest = Rest { setting: &self.setting, world: &self.world, at: self.now, found: Vec::new() };
        rest.judge(expected)
    }
}

impl Providers for World {
    fn works(&self, object: &Value) -> bool {
        reading::content(object).is_some_and(|content| self.works(&content))
    }

    fn hands_over(&self, order: &str) -> bool {
        self.orders.get(order).is_some_and(|order| self.promises(order))
    }
}
