//! Which providers offer what: an immutable snapshot, rebuilt when what it is made from changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use broker_core::matching::{Matcher, OfferSet, Offered, ScanMatcher};
use broker_core::offer::{ApiPattern, InvalidFilter, Offer, OfferId, OfferSpec};
use broker_core::port::ProviderRegistry;
use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey};
use serde_json::Value;

use super::indexes::BY_OFFER;
use super::policy::Policies;
use super::reachability::reachability;
use crate::fleet::Fleet;
use crate::kcp::Resource;

/// The offers of all providers of a fleet. Clones share the same snapshots.
#[derive(Clone)]
pub struct KcpProviderRegistry {
    shared: Arc<Shared>,
}

struct Shared {
    fleet: Fleet,
    migrations_enabled: bool,
    stale: AtomicBool,
    published: ArcSwap<Snapshot>,
    /// Parsed offers by key and version, and the guard of whoever rebuilds.
    parsed: Mutex<BTreeMap<ObjectKey, Parsed>>,
}

#[derive(Clone)]
struct Parsed {
    version: String,
    api: ApiPattern,
    offer: Result<Arc<Offer>, Vec<InvalidFilter>>,
}

/// One state of policies and offers.
#[derive(Default)]
struct Snapshot {
    policies: Arc<Policies>,
    offers: Arc<OfferSet>,
    matcher: Option<Arc<dyn Matcher>>,
}

impl KcpProviderRegistry {
    /// The registry of a fleet.
    pub fn new(fleet: Fleet, migrations_enabled: bool) -> Self {
        let shared = Shared {
            fleet,
            migrations_enabled,
            stale: AtomicBool::new(true),
            published: ArcSwap::from_pointee(Snapshot::default()),
            parsed: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What the snapshot is made from changed: the next question is answered from a new one.
    pub fn invalidate(&self) {
        self.shared.stale.store(true, Ordering::Release);
    }

    /// The policies as they are known now.
    pub fn policies(&self) -> Arc<Policies> {
        self.snapshot().policies.clone()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        if self.shared.stale.load(Ordering::Acquire) {
            let mut parsed = self.shared.parsed.lock().unwrap_or_else(PoisonError::into_inner);
            // Cleared before reading: what changes from here on asks for the next one.
            if self.shared.stale.swap(false, Ordering::AcqRel) {
                let snapshot = self.build(&mut parsed);
                self.shared.published.store(Arc::new(snapshot));
            }
        }
        self.shared.published.load_full()
    }

    fn build(&self, parsed: &mut BTreeMap<ObjectKey, Parsed>) -> Snapshot {
        let fleet = &self.shared.fleet;
        let kinds = brokered_kinds(fleet);
        let paths = paths(fleet);
        let resolve = |name: &str| paths.get(name).cloned().unwrap_or_else(|| ClusterName::from(name));
        let apis: Vec<Arc<Object>> =
            fleet.platform().brokered_apis.read().iter().map(|(_, api)| api.clone()).collect();
        let policies = Policies::read(apis.iter(), &kinds, self.shared.migrations_enabled, resolve);
        let objects: Vec<(ObjectKey, Arc<Object>)> = fleet
            .offers()
            .map(|export| {
                let followed = export.kinds().values().filter_map(|kind| export.followed(&kind.gvr));
                followed
                    .flat_map(|f| {
                        f.cache.read().iter().map(|(k, o)| (k.clone(), o.clone())).collect::<Vec<_>>()
                    })
                    .collect()
            })
            .unwrap_or_default();
        parsed.retain(|key, _| objects.binary_search_by(|(other, _)| other.cmp(key)).is_ok());
        let offered: Vec<Offered> = objects
            .iter()
            .filter(|(_, object)| !object.is_deleting())
            .map(|(key, object)| {
                let known = parsed.get(key).filter(|known| known.version == object.resource_version());
                let known = known.cloned().unwrap_or_else(|| {
                    let fresh = parse(key, object);
                    parsed.insert(key.clone(), fresh.clone());
                    fresh
                });
                Offered {
                    id: OfferId::from(key.clone()),
                    api: known.api,
                    parsed: known.offer,
                    ready: object.condition("Ready"),
                    served: served(fleet, &kinds, &key.cluster),
                    reachability: reachability(fleet, &key.cluster),
                    assigned: self.assigned(key),
                }
            })
            .collect();
        let offers = Arc::new(OfferSet::new(&policies.offers, offered));
        let complete = fleet.platform_is_synced() && fleet.offers().is_some_and(|export| export.is_synced());
        let matcher = complete.then(|| Arc::new(ScanMatcher::new(offers.clone())) as Arc<dyn Matcher>);
        Snapshot { policies: Arc::new(policies), offers, matcher }
    }

    /// How many orders an offer serves.
    pub(super) fn assigned(&self, key: &ObjectKey) -> u64 {
        let count = self.shared.fleet.platform().assignments.read().count(BY_OFFER, &key.to_string());
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Whether any offer limits how many orders it takes: only then do assignments change who may be chosen.
    pub(super) fn any_capacity(&self) -> bool {
        let snapshot = self.shared.published.load();
        snapshot
            .offers
            .listings()
            .any(|listing| listing.offer().is_some_and(|offer| offer.capacity().is_some()))
    }
}

impl ProviderRegistry for KcpProviderRegistry {
    fn offers(&self) -> Arc<OfferSet> {
        self.snapshot().offers.clone()
    }

    fn matcher(&self) -> Option<Arc<dyn Matcher>> {
        self.snapshot().matcher.clone()
    }
}

impl fmt::Debug for KcpProviderRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpProviderRegistry").finish_non_exhaustive()
    }
}

/// The brokered kinds that are served, by `<resource>.<group>`.
pub(super) fn brokered_kinds(fleet: &Fleet) -> BTreeMap<String, Resource> {
    let plan = fleet.plan();
    plan.apis
        .iter()
        .filter_map(|(api, export)| Some((api.clone(), plan.exports.get(export)?.kinds.get(api)?.clone())))
        .collect()
}

/// Clusters by path, as far as they are known.
pub(super) fn paths(fleet: &Fleet) -> BTreeMap<String, ClusterName> {
    fleet.exports().iter().flat_map(|export| export.paths()).collect()
}

fn served(fleet: &Fleet, kinds: &BTreeMap<String, Resource>, cluster: &ClusterName) -> Vec<Gvr> {
    let plan = fleet.plan();
    kinds
        .iter()
        .filter(|(api, _)| {
            plan.apis.get(*api).and_then(|export| fleet.export(export)).is_some_and(|export| {
                export.binding(cluster).is_some_and(|binding| {
                    !binding.is_deleting() && binding.text(&["status", "phase"]) == Some("Bound")
                })
            })
        })
        .map(|(_, kind)| kind.gvr.clone())
        .collect()
}

fn parse(key: &ObjectKey, object: &Object) -> Parsed {
    let spec = object.get(&["spec"]).cloned().unwrap_or_default();
    let text =
        |field: &str| spec.pointer(&format!("/gvr/{field}")).and_then(Value::as_str).map(str::to_owned);
    let api = ApiPattern {
        group: text("group"),
        version: text("version"),
        resource: text("resource").unwrap_or_default(),
    };
    let offer =
        OfferSpec::read(&spec).and_then(|spec| Offer::parse(OfferId::from(key.clone()), &spec)).map(Arc::new);
    Parsed { version: object.resource_version().to_owned(), api, offer }
}
