//! Which providers offer what: an immutable snapshot and an index over it, brought up to date when the next question
//! is asked, by as much as changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use broker_core::matching::{IndexMatcher, Matcher, OfferSet, Reservations, Reserved};
use broker_core::migration::{Migration, Standing};
use broker_core::offer::OfferId;
use broker_core::order::Policy;
use broker_core::port::ProviderRegistry;
use broker_core::resource::{ClusterName, ObjectKey};

use super::indexes::BY_OFFER;
use super::market::MarketReader;
use super::policy::Policies;
use crate::fleet::Fleet;
use crate::record::standing;
use crate::store::Projection;

/// The offers of all providers of a fleet. Clones share the same snapshots.
#[derive(Clone)]
pub struct KcpProviderRegistry {
    shared: Arc<Shared>,
}

struct Shared {
    fleet: Fleet,
    /// How many changes were told of so far.
    told: AtomicU64,
    changed: Mutex<Changed>,
    published: ArcSwap<Snapshot>,
    /// The reader, which is also the guard of whoever publishes.
    reader: Mutex<MarketReader>,
    reservations: Mutex<Reservations>,
    /// The moves that are recorded.
    standings: Mutex<Projection<Standing>>,
    /// Moves that may begin and whose records may not be seen yet, by the orders' assignments.
    admitted: Mutex<BTreeMap<String, Standing>>,
}

/// What is not as it was when it was read last.
#[derive(Debug, Default)]
struct Changed {
    everything: bool,
    policies: bool,
    clusters: BTreeSet<ClusterName>,
    offers: BTreeSet<ObjectKey>,
}

/// One state of policies and offers.
#[derive(Default)]
struct Snapshot {
    policies: Arc<Policies>,
    index: Arc<IndexMatcher>,
    /// Whether all that the offers are made from was read.
    complete: bool,
    /// The changes up to which it tells everything.
    told: u64,
}

impl KcpProviderRegistry {
    /// The registry of a fleet.
    pub fn new(fleet: Fleet, migrations_enabled: bool) -> Self {
        let shared = Shared {
            told: AtomicU64::new(1),
            changed: Mutex::new(Changed { everything: true, ..Changed::default() }),
            published: ArcSwap::from_pointee(Snapshot::default()),
            reader: Mutex::new(MarketReader::new(fleet.clone(), migrations_enabled)),
            reservations: Mutex::default(),
            standings: Mutex::new(Projection::new(standing)),
            admitted: Mutex::default(),
            fleet,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Anything may have changed: all is compared before the next question is answered.
    pub fn invalidate(&self) {
        self.change(|changed| changed.everything = true);
    }

    /// The platform's policies may have changed, or the names of clusters by which they speak of providers.
    pub(super) fn policies_changed(&self) {
        self.change(|changed| changed.policies = true);
    }

    /// What this cluster serves may have changed.
    pub(super) fn cluster_changed(&self, cluster: &ClusterName) {
        self.change(|changed| {
            changed.clusters.insert(cluster.clone());
        });
    }

    /// This offer changed, or how many orders it has.
    pub(super) fn offer_changed(&self, key: &ObjectKey) {
        self.change(|changed| {
            changed.offers.insert(key.clone());
        });
    }

    fn change(&self, note: impl FnOnce(&mut Changed)) {
        note(&mut lock(&self.shared.changed));
        self.shared.told.fetch_add(1, Ordering::Release);
    }

    /// The policies as they are known now.
    pub fn policies(&self) -> Arc<Policies> {
        self.snapshot().policies.clone()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let asked = self.shared.told.load(Ordering::Acquire);
        let known = self.shared.published.load_full();
        if known.told >= asked {
            return known;
        }
        let mut reader = lock(&self.shared.reader);
        // Somebody else may have read it meanwhile.
        let before = self.shared.published.load_full();
        if before.told >= asked {
            return before;
        }
        // Counted before reading: what changes from here on asks for the next one.
        let told = self.shared.told.load(Ordering::Acquire);
        let changed = std::mem::take(&mut *lock(&self.shared.changed));
        let next = Arc::new(self.next(&before, told, changed, &mut reader));
        self.shared.published.store(next.clone());
        next
    }

    /// The snapshot after `before`.
    fn next(&self, before: &Snapshot, told: u64, changed: Changed, reader: &mut MarketReader) -> Snapshot {
        let fleet = &self.shared.fleet;
        let complete = fleet.platform_is_synced() && fleet.offers().is_some_and(|export| export.is_synced());
        let policies = if changed.everything || changed.policies {
            Arc::new(reader.policies())
        } else {
            before.policies.clone()
        };
        let same_terms = policies.offers == before.policies.offers;
        let known = before.index.offers();
        let index = if changed.everything || !same_terms {
            // Listed under other terms, nothing is what it was.
            let nothing = OfferSet::default();
            let base = if same_terms { known.as_ref() } else { &nothing };
            let offers = reader.all(&policies.offers, base, |key| self.assigned(key));
            Arc::new(before.index.on(Arc::new(offers)))
        } else {
            let mut keys = changed.offers;
            for cluster in &changed.clusters {
                keys.extend(reader.keys_in(cluster));
                keys.extend(known.of_provider(cluster).map(|listing| listing.id().clone().into()));
            }
            if keys.is_empty() {
                before.index.clone()
            } else {
                let offers = reader.some(&policies.offers, known, &keys, |key| self.assigned(key));
                let ids: Vec<OfferId> = keys.into_iter().map(OfferId::from).collect();
                Arc::new(before.index.updated(Arc::new(offers), &ids))
            }
        };
        Snapshot { policies, index, complete, told }
    }

    /// How many orders have a place with an offer.
    pub(super) fn assigned(&self, key: &ObjectKey) -> u64 {
        let count = self.shared.fleet.platform().assignments.read().count(BY_OFFER, &key.to_string());
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// What a provider is called: by the platform's own name for it, else by its cluster.
    pub(super) fn name_of(&self, provider: &ClusterName) -> String {
        let offers = self.offers();
        let alias = offers.of_provider(provider).find_map(|listing| listing.terms()?.alias.clone());
        alias.unwrap_or_else(|| provider.to_string())
    }

    /// How many orders an offer takes at most, where it says so: only then do assignments change who may be chosen.
    pub(super) fn capacity(&self, key: &ObjectKey) -> Option<u64> {
        self.offers().get(&OfferId::from(key.clone()))?.offer()?.capacity()
    }
}

impl ProviderRegistry for KcpProviderRegistry {
    fn offers(&self) -> Arc<OfferSet> {
        self.snapshot().index.offers().clone()
    }

    fn matcher(&self) -> Option<Arc<dyn Matcher>> {
        let snapshot = self.snapshot();
        snapshot.complete.then(|| snapshot.index.clone() as Arc<dyn Matcher>)
    }

    fn reserve(&self, offer: &OfferId, order: &str) -> Reserved {
        let key = ObjectKey::from(offer.clone());
        let Some(capacity) = self.capacity(&key) else { return Reserved::Granted };
        let mut reservations = lock(&self.shared.reservations);
        let assignments = &self.shared.fleet.platform().assignments;
        let assigned: BTreeSet<String> =
            assignments.read().keys_of(BY_OFFER, &key.to_string()).map(|key| key.name.clone()).collect();
        reservations.reserve(offer, order, capacity, &assigned)
    }

    fn admit(&self, policy: &Policy, migration: &Migration, order: &str) -> Option<String> {
        let recorded: BTreeMap<String, Standing> = {
            let mut standings = lock(&self.shared.standings);
            let standings = standings.of(&self.shared.fleet.platform().migrations.read());
            standings.map(|standing| (standing.name.clone(), standing.clone())).collect()
        };
        let mut admitted = lock(&self.shared.admitted);
        let unrecorded = admitted.values().filter(|standing| !recorded.contains_key(&standing.name)).cloned();
        let moves: Vec<Standing> = recorded.values().cloned().chain(unrecorded).collect();
        let held = policy.limits.hold_up(migration, moves);
        if held.is_none() {
            admitted.insert(order.to_owned(), Standing::from(migration));
        }
        held
    }

    fn release(&self, order: &str) {
        lock(&self.shared.reservations).release(order);
        lock(&self.shared.admitted).remove(order);
    }
}

impl fmt::Debug for KcpProviderRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpProviderRegistry").finish_non_exhaustive()
    }
}

/// Nothing that is locked here is left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
