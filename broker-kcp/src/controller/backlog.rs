//! The work queue as plain data: told the time, never asking for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use broker_core::resource::{ClusterName, ObjectKey};

/// The first back-off after a failure; each further one in a row doubles it.
const FIRST_RETRY: Duration = Duration::from_millis(10);
/// The longest back-off. An API server that was away is tried again within this time.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// A key that belongs to a lane; lanes take turns.
pub trait Laned {
    /// What takes turns, such as the consumer's cluster.
    type Lane: Clone + Ord + Send;

    /// The lane of this key.
    fn lane(&self) -> Self::Lane;
}

impl Laned for ObjectKey {
    type Lane = ClusterName;

    fn lane(&self) -> ClusterName {
        self.cluster.clone()
    }
}

/// How working on a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until somebody adds the key again.
    Done,
    /// Well, but look again after this time.
    After(Duration),
    /// It failed: again, after a time that doubles with each failure in a row.
    Retry,
    /// It failed, and whoever was asked wants to be left alone for so long: as [`Self::Retry`], but not before that,
    /// whatever happens meanwhile.
    RetryAfter(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Clean,
    /// Added again while it was worked on.
    Dirty(Instant),
}

/// Keys that wait, that sleep and that are worked on.
#[derive(Debug)]
pub struct Backlog<K: Laned> {
    lanes: BTreeMap<K::Lane, VecDeque<K>>,
    /// The lanes that have work, in the order of their turns.
    turns: VecDeque<K::Lane>,
    queued: BTreeMap<K, Instant>,
    sleeping: BTreeMap<K, Instant>,
    wakes: BTreeSet<(Instant, K)>,
    running: BTreeMap<K, Running>,
    failures: BTreeMap<K, u32>,
    /// Keys that are not to be worked on before a time.
    held: BTreeMap<K, Instant>,
}

impl<K: Laned + Clone + Ord> Default for Backlog<K> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            queued: BTreeMap::new(),
            sleeping: BTreeMap::new(),
            wakes: BTreeSet::new(),
            running: BTreeMap::new(),
            failures: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }
}

impl<K: Laned + Clone + Ord> Backlog<K> {
    /// Asks for work on the key, now. A key that waits already keeps its place; one that is worked on is worked on
    /// again afterwards.
    pub fn add(&mut self, key: K, now: Instant) {
        if let Some(running) = self.running.get_mut(&key) {
            if *running == Running::Clean {
                *running = Running::Dirty(now);
            }
            return;
        }
        if self.held.get(&key).is_some_and(|until| *until > now) {
            // It sleeps until then.
            return;
        }
        self.unsleep(&key);
        if self.queued.contains_key(&key) {
            return;
        }
        let lane = key.lane();
        let queue = self.lanes.entry(lane.clone()).or_default();
        if queue.is_empty() {
            self.turns.push_back(lane);
        }
        queue.push_back(key.clone());
        self.queued.insert(key, now);
    }

    /// Asks for work on the key at a time; the earliest of several wins, and work asked for now wins over all.
    pub fn add_at(&mut self, key: K, at: Instant) {
        let at = self.held.get(&key).map_or(at, |until| at.max(*until));
        if self.queued.contains_key(&key) || self.sleeping.get(&key).is_some_and(|known| *known <= at) {
            return;
        }
        self.unsleep(&key);
        self.sleeping.insert(key.clone(), at);
        self.wakes.insert((at, key));
    }

    /// The next key to work on, or nothing while none is due.
    pub fn next(&mut self, now: Instant) -> Option<K> {
        self.wake(now);
        let lane = self.turns.pop_front()?;
        let queue = self.lanes.get_mut(&lane)?;
        let key = queue.pop_front();
        if queue.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.turns.push_back(lane);
        }
        let key = key?;
        self.queued.remove(&key);
        self.held.remove(&key);
        self.running.insert(key.clone(), Running::Clean);
        Some(key)
    }

    /// Gives a key back that [`Self::next`] handed out.
    pub fn finish(&mut self, key: K, outcome: Outcome, now: Instant) {
        let again = match self.running.remove(&key) {
            Some(Running::Dirty(since)) => Some(since),
            Some(Running::Clean) | None => None,
        };
        match outcome {
            Outcome::Done => {
                self.failures.remove(&key);
            }
            Outcome::After(delay) => {
                self.failures.remove(&key);
                self.add_at(key.clone(), now + delay);
            }
            Outcome::Retry => {
                // A change that arrived meanwhile does not cut the back-off short while things keep failing, or a
                // busy object would be retried in a tight loop.
                let delay = self.failed(&key);
                self.add_at(key, now + delay);
                return;
            }
            Outcome::RetryAfter(asked) => {
                let at = now + self.failed(&key).max(asked);
                self.unsleep(&key);
                self.held.insert(key.clone(), now + asked);
                self.add_at(key, at);
                return;
            }
        }
        if let Some(since) = again {
            self.add(key, since);
        }
    }

    /// Counts a failure of the key; the time until the next attempt.
    fn failed(&mut self, key: &K) -> Duration {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let delay = back_off(*failures);
        *failures = failures.saturating_add(1);
        delay
    }

    /// When the next sleeping key is due.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// How many keys wait to be worked on now.
    pub fn waiting(&self) -> usize {
        self.queued.len()
    }

    /// How many keys are worked on.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// How many keys failed and are tried again.
    pub fn failing(&self) -> usize {
        self.failures.len()
    }

    /// The keys that failed and are tried again: how often in a row each failed, and when it is due, unless it waits or
    /// is worked on already.
    pub fn retries(&self) -> impl Iterator<Item = (&K, u32, Option<Instant>)> {
        self.failures.iter().map(|(key, failures)| (key, *failures, self.sleeping.get(key).copied()))
    }

    /// Since when the key that waits longest has been waiting.
    pub fn oldest(&self) -> Option<Instant> {
        self.queued.values().min().copied()
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, key)) = self.wakes.first().cloned() {
            if at > now {
                return;
            }
            self.wakes.remove(&(at, key.clone()));
            self.sleeping.remove(&key);
            if let Some(running) = self.running.get_mut(&key) {
                // Due while it is worked on: once more afterwards.
                *running = Running::Dirty(now);
            } else {
                self.add(key, at);
            }
        }
    }

    fn unsleep(&mut self, key: &K) {
        if let Some(at) = self.sleeping.remove(key) {
            self.wakes.remove(&(at, key.clone()));
        }
    }
}

/// The time to wait after this many failures in a row before.
pub(crate) fn back_off(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST_RETRY)
}
