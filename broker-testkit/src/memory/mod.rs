//! The ports in memory: a whole fleet of clusters as one map, for tests of the broker's decisions without a server.
//!
//! [`MemoryFleet`] implements every port of [`broker_core::port`]. It keeps their contracts exactly (guards, uids,
//! finalizers, owner references, read your writes) and can be told to fail any write before or after it took effect,
//! so a test can crash the broker at every write of a story and compare where it ends.

mod executor;
mod observer;
mod people;
mod restore;

pub use restore::Backup;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_core::matching::{
    ApiPolicy, IndexMatcher, Matcher, OfferSet, Offered, Policies, Reservations, Reserved,
};
use broker_core::migration::{Migration, Request, Standing};
use broker_core::offer::{ApiPattern, CopyKind, Offer, OfferId, OfferSpec, Reachability};
use broker_core::order::{Assignment, Compute, Policy};
use broker_core::playbook::Playbooks;
use broker_core::port::{Clock, ProviderRegistry};
use broker_core::resource::{ClusterName, Object, ObjectRef};
use broker_core::time::Timestamp;

/// The cluster in which the helper objects of playbooks run.
pub const COMPUTE: &str = "compute";

/// A fleet of clusters in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct MemoryFleet {
    state: Arc<Mutex<State>>,
}

/// When a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The n-th write (from 0) is not carried out.
    Before(usize),
    /// The n-th write (from 0) is carried out, and its answer is lost.
    After(usize),
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) policy: Arc<Policy>,
    pub(crate) now: Timestamp,
    pub(crate) version: u64,
    pub(crate) objects: BTreeMap<ObjectRef, Arc<Object>>,
    pub(crate) assignments: BTreeMap<String, Assignment>,
    pub(crate) migrations: BTreeMap<String, Migration>,
    /// What people ask for and the broker has not taken up, by name.
    pub(crate) requests: BTreeMap<String, Request>,
    pub(crate) offers: BTreeMap<OfferId, OfferSpec>,
    /// The kinds that copies may have beside the orders' own, in every cluster.
    pub(crate) kinds: Vec<CopyKind>,
    /// Since when they do not answer.
    pub(crate) unreachable: BTreeMap<ClusterName, Timestamp>,
    /// Nothing that they said before is known.
    pub(crate) unread: BTreeSet<ClusterName>,
    pub(crate) gone: BTreeSet<ClusterName>,
    pub(crate) reservations: Reservations,
    pub(crate) playbooks: Arc<Playbooks>,
    pub(crate) compute: Compute,
    /// What providers say in the status of copies beside what all say.
    pub(crate) said: BTreeMap<ClusterName, serde_json::Map<String, serde_json::Value>>,
    pub(crate) history: Vec<String>,
    pub(crate) told: Vec<(String, String)>,
    pub(crate) crash: Option<Crash>,
    pub(crate) writes: usize,
}

impl State {
    /// The orders that have a place with an offer, by their assignments' names.
    fn assigned(&self, offer: &OfferId) -> BTreeSet<String> {
        let has = |assignment: &Assignment| {
            assignment.offer == *offer || assignment.copies.iter().any(|copy| copy.offer == *offer)
        };
        self.assignments
            .iter()
            .filter(|(_, assignment)| has(assignment))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl State {
    /// The offers as they are known now.
    pub(crate) fn offer_set(&self) -> OfferSet {
        let gvr = self.policy.gvr.clone();
        let policies: Policies = [(gvr.clone(), ApiPolicy::default())].into_iter().collect();
        let seen = |cluster: &ClusterName| !self.gone.contains(cluster) && !self.unread.contains(cluster);
        let offered = self.offers.iter().filter(|(id, _)| seen(&id.cluster)).map(|(id, spec)| {
            let parsed = Offer::parse(id.clone(), spec).map(Arc::new);
            Offered {
                id: id.clone(),
                api: ApiPattern {
                    group: spec.gvr.group.clone(),
                    version: spec.gvr.version.clone(),
                    resource: spec.gvr.resource.clone(),
                },
                parsed,
                ready: None,
                served: vec![gvr.clone()],
                kinds: self.kinds.clone(),
                reachability: if self.unreachable.contains_key(&id.cluster) {
                    Reachability::Unreachable
                } else {
                    Reachability::Reachable
                },
                assigned: self.assigned(id).len().try_into().unwrap_or(u64::MAX),
            }
        });
        OfferSet::new(&policies, offered)
    }
}

impl MemoryFleet {
    /// A fleet without clusters, offers or orders, in which one API is brokered.
    pub fn new(policy: Policy) -> Self {
        let state = State {
            policy: Arc::new(policy),
            now: Timestamp::from_millis(1_700_000_000_000),
            version: 0,
            objects: BTreeMap::new(),
            assignments: BTreeMap::new(),
            migrations: BTreeMap::new(),
            requests: BTreeMap::new(),
            offers: BTreeMap::new(),
            kinds: Vec::new(),
            unreachable: BTreeMap::new(),
            unread: BTreeSet::new(),
            gone: BTreeSet::new(),
            reservations: Reservations::default(),
            playbooks: Arc::default(),
            compute: Compute::Missing,
            said: BTreeMap::new(),
            history: Vec::new(),
            told: Vec::new(),
            crash: None,
            writes: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one write of the broker fail.
    pub fn crash(&self, crash: Option<Crash>) {
        let mut state = self.lock();
        state.crash = crash;
        state.writes = 0;
    }

    /// How many writes the broker tried since the last call of [`MemoryFleet::crash`].
    pub fn writes(&self) -> usize {
        self.lock().writes
    }

    /// What the broker wrote, in order, as texts for people.
    pub fn history(&self) -> Vec<String> {
        self.lock().history.clone()
    }

    /// Reasons of the Events that consumers were told, with the name of the order.
    pub fn told(&self) -> Vec<(String, String)> {
        self.lock().told.clone()
    }

    /// The assignments, by name.
    pub fn assignments(&self) -> Vec<Assignment> {
        self.lock().assignments.values().cloned().collect()
    }

    /// The migrations, by name.
    pub fn migrations(&self) -> Vec<Migration> {
        self.lock().migrations.values().cloned().collect()
    }

    /// Every object of every cluster.
    pub fn objects(&self) -> Vec<(ObjectRef, Arc<Object>)> {
        self.lock().objects.iter().map(|(key, object)| (key.clone(), Arc::clone(object))).collect()
    }
}

impl Clock for MemoryFleet {
    fn now(&self) -> Timestamp {
        self.lock().now
    }
}

impl ProviderRegistry for MemoryFleet {
    fn offers(&self) -> Arc<OfferSet> {
        Arc::new(self.lock().offer_set())
    }

    fn matcher(&self) -> Option<Arc<dyn Matcher>> {
        Some(Arc::new(IndexMatcher::new(self.offers())))
    }

    fn reserve(&self, offer: &OfferId, order: &str) -> Reserved {
        let mut state = self.lock();
        let orders = state.offers.get(offer).and_then(|spec| spec.capacity.as_ref()?.orders);
        let Some(capacity) = orders.and_then(|orders| u64::try_from(orders).ok()) else {
            return Reserved::Granted;
        };
        let assigned = state.assigned(offer);
        state.reservations.reserve(offer, order, capacity, &assigned)
    }

    fn admit(&self, policy: &Policy, migration: &Migration, _order: &str) -> Option<String> {
        // One write after the other: what was admitted is recorded before the next asks.
        policy.limits.hold_up(migration, self.lock().migrations.values().map(Standing::from))
    }

    fn release(&self, order: &str) {
        self.lock().reservations.release(order);
    }
}
