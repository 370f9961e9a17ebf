//! Reads what is offered, and on what terms, from the caches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::matching::{self, OfferSet, Offered};
use broker_core::offer::{ApiPattern, CopyKind, InvalidFilter, Offer, OfferId};
use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey};

use super::policy::Policies;
use super::reachability::reachability;
use crate::fleet::{CopyPlan, Export, Fleet, Followed};
use crate::kcp::Resource;

/// Reads the platform's policies and the providers' offers. What was parsed is kept until it changes.
pub(super) struct MarketReader {
    fleet: Fleet,
    migrations_enabled: bool,
    parsed: BTreeMap<ObjectKey, Parsed>,
}

#[derive(Clone)]
struct Parsed {
    version: String,
    api: ApiPattern,
    offer: Result<Arc<Offer>, Vec<InvalidFilter>>,
}

impl MarketReader {
    pub(super) fn new(fleet: Fleet, migrations_enabled: bool) -> Self {
        Self { fleet, migrations_enabled, parsed: BTreeMap::new() }
    }

    /// What is brokered, how carefully, and who may offer it.
    pub(super) fn policies(&self) -> Policies {
        let kinds = brokered_kinds(&self.fleet);
        let paths = paths(&self.fleet);
        let resolve = |name: &str| paths.get(name).cloned().unwrap_or_else(|| ClusterName::from(name));
        let apis: Vec<Arc<Object>> =
            self.fleet.platform().brokered_apis.read().iter().map(|(_, api)| api).collect();
        Policies::read(apis.iter(), &kinds, self.migrations_enabled, resolve)
    }

    /// Every offer there is, sharing with `known` what is as it was.
    pub(super) fn all(
        &mut self,
        policies: &matching::Policies,
        known: &OfferSet,
        assigned: impl Fn(&ObjectKey) -> u64,
    ) -> OfferSet {
        let mut keys: BTreeSet<ObjectKey> = BTreeSet::new();
        for followed in self.followed() {
            keys.extend(followed.cache.read().keys().cloned());
        }
        self.parsed.retain(|key, _| keys.contains(key));
        keys.extend(known.listings().map(|listing| listing.id().clone().into()));
        self.some(policies, known, &keys, assigned)
    }

    /// The next snapshot after `known`, in which no others than these changed.
    pub(super) fn some(
        &mut self,
        policies: &matching::Policies,
        known: &OfferSet,
        keys: &BTreeSet<ObjectKey>,
        assigned: impl Fn(&ObjectKey) -> u64,
    ) -> OfferSet {
        let kinds = brokered_kinds(&self.fleet);
        let mut present = Vec::new();
        let mut offers = known.clone();
        // Neighbours are mostly of one cluster, and it serves the same to all of them.
        let mut last: Option<(ClusterName, Vec<Gvr>)> = None;
        for key in keys {
            let object = self.followed().iter().find_map(|followed| followed.cache.get(key));
            let Some(object) = object.filter(|object| !object.is_deleting()) else {
                self.parsed.remove(key);
                offers = offers.without(&OfferId::from(key.clone()));
                continue;
            };
            let served = match &last {
                Some((cluster, served)) if *cluster == key.cluster => served.clone(),
                Some(_) | None => served(&self.fleet, &kinds, &key.cluster),
            };
            last = Some((key.cluster.clone(), served.clone()));
            let parsed = self.parsed(key, &object);
            present.push(Offered {
                id: OfferId::from(key.clone()),
                api: parsed.api,
                parsed: parsed.offer,
                ready: object.condition("Ready"),
                served,
                kinds: copy_kinds(&self.fleet, &key.cluster),
                reachability: reachability(&self.fleet, &key.cluster),
                assigned: assigned(key),
            });
        }
        offers.with(policies, present)
    }

    /// The AcceptAPIs of one cluster.
    pub(super) fn keys_in(&self, cluster: &ClusterName) -> Vec<ObjectKey> {
        let mut keys = Vec::new();
        for followed in self.followed() {
            keys.extend(followed.cache.read().in_cluster(cluster).map(|(key, _)| key.clone()));
        }
        keys
    }

    fn followed(&self) -> Vec<Followed> {
        let Some(export) = self.fleet.offers() else { return Vec::new() };
        export.kinds().values().filter_map(|kind| export.followed(&kind.gvr).cloned()).collect()
    }

    fn parsed(&mut self, key: &ObjectKey, object: &Object) -> Parsed {
        if let Some(known) = self.parsed.get(key).filter(|known| known.version == object.resource_version()) {
            return known.clone();
        }
        let mut fresh = parse(key, object);
        // A version that only our own words in the status made promises what the one before did.
        if let Some(Parsed { offer: Ok(known), .. }) = self.parsed.get(key)
            && let Ok(offer) = &fresh.offer
            && known == offer
        {
            fresh.offer = Ok(known.clone());
        }
        self.parsed.insert(key.clone(), fresh.clone());
        fresh
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

/// The kinds beside the orders' own that copies may have in a cluster.
fn copy_kinds(fleet: &Fleet, cluster: &ClusterName) -> Vec<CopyKind> {
    let plan = fleet.plan();
    let served = |(kind, copies): (&String, &CopyPlan)| {
        let export = fleet.export(&copies.export).filter(|export| binds(export, cluster))?;
        let resource = export.kinds().get(kind)?;
        Some(CopyKind { gvr: resource.gvr.clone(), kind: resource.kind.clone(), apis: copies.apis.clone() })
    };
    plan.copies.iter().filter_map(served).collect()
}

fn binds(export: &Export, cluster: &ClusterName) -> bool {
    export
        .binding(cluster)
        .is_some_and(|binding| !binding.is_deleting() && binding.text(&["status", "phase"]) == Some("Bound"))
}

fn served(fleet: &Fleet, kinds: &BTreeMap<String, Resource>, cluster: &ClusterName) -> Vec<Gvr> {
    let plan = fleet.plan();
    kinds
        .iter()
        .filter(|(api, _)| {
            let export = plan.apis.get(*api).and_then(|export| fleet.export(export));
            export.is_some_and(|export| binds(&export, cluster))
        })
        .map(|(_, kind)| kind.gvr.clone())
        .collect()
}

fn parse(key: &ObjectKey, object: &Object) -> Parsed {
    let Offered { api, parsed, .. } = Offered::observe(&key.cluster, object);
    Parsed { version: object.resource_version().to_owned(), api, offer: parsed }
}
