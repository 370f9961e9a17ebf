//! Setting a record right that does not fit what is there: which copy serves the order, told from what its consumer holds.
//!
//! Pure, and asked by a person only. Nothing is made, moved or removed by it: its outcome is an Assignment to write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::lost::{Loss, copies_among, loss};
use super::policy::Moves;
use super::readiness::{Readiness, readiness};
use super::record::{Assignment, AssignmentStatus, CopyRef};
use super::world::{CopyView, Fit, Provided, World};
use crate::matching::OfferSet;
use crate::offer::OfferId;
use crate::resource::{ClusterName, Object, ObjectKey, marker};
use crate::translate::{assignment_name, copy_serials, migration_name, migration_serial, references};

/// The name of an offer that is not there any more, in the record of a copy that was made for it.
const WITHDRAWN: &str = "withdrawn";

/// What was found out about an order whose record is lost.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// What is wrong with the record.
    pub loss: Loss,
    /// The copies that may serve the order, in the order of their names.
    pub candidates: Vec<Candidate>,
    /// The record as it should be, or why that cannot be told.
    pub outcome: Result<Assignment, Undecided>,
}

/// A copy that may serve the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The copy, as its record would name it.
    pub copy: CopyRef,
    /// Which of the order's copies it is; `None` where its name does not tell.
    pub serial: Option<u32>,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether the consumer holds what this copy provides.
    pub held: Held,
}

/// What of a copy the consumer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Held {
    /// What the consumer holds is this copy's.
    Yes,
    /// What the consumer holds is not this copy's, or has changed since.
    No,
    /// The consumer holds nothing by which it can be told.
    Unknown,
}

/// Why nothing is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// There is no copy.
    NothingFound,
    /// There are several, and nothing tells them apart.
    Ambiguous,
    /// The copy that was picked is not there, or is another order's.
    NoSuchCopy,
    /// Clusters in which a copy may be do not answer.
    Unreachable(BTreeSet<ClusterName>),
    /// There are more copies than a record can name.
    TooMany,
}

/// What can be told about an order whose record is lost; `None` where the record fits what is there.
///
/// `picked` is the copy that a person names; one that no trace leads to must be in `others`, the objects of which the
/// caller knows that no order has them.
pub fn recovery(
    world: &World<'_>,
    offers: &OfferSet,
    picked: Option<&ObjectKey>,
    others: &BTreeMap<ObjectKey, Arc<Object>>,
) -> Option<Recovery> {
    let loss = loss(world)?;
    let search = Search { world, offers };
    let mut found = search.candidates();
    if let Some(picked) = picked
        && !found.iter().any(|(candidate, _)| candidate.copy.key == *picked)
        && let Some(object) = others.get(picked)
    {
        found.push((search.candidate(search.unrecorded(picked, object, None), object, None), object.clone()));
    }
    let outcome = search.choose(&found, picked).and_then(|chosen| search.record(&found, chosen));
    let candidates = found.into_iter().map(|(candidate, _)| candidate).collect();
    Some(Recovery { loss, candidates, outcome })
}

type Found = (Candidate, Arc<Object>);

struct Search<'w> {
    world: &'w World<'w>,
    offers: &'w OfferSet,
}

impl Search<'_> {
    /// What the record names, what a former order of the same name had, and what is the order's by its name.
    fn candidates(&self) -> Vec<Found> {
        let world = self.world;
        let mut found: BTreeMap<ObjectKey, Found> = BTreeMap::new();
        let mut add = |copy: CopyRef, object: &Arc<Object>, serial: Option<u32>| {
            if !object.is_deleting() {
                let candidate = self.candidate(copy, object, serial);
                found.entry(candidate.copy.key.clone()).or_insert_with(|| (candidate, object.clone()));
            }
        };
        if let Some(record) = &world.assignment {
            let serials = copy_serials(&world.identity, record.serial.min(256));
            for copy in record.named() {
                if let CopyView::Present(there) = world.copy(copy)
                    && is_marked(there, copy, &record.name)
                {
                    add(copy.clone(), there, serials.get(&copy.key.name).copied());
                }
            }
        }
        for (key, object, serial) in
            copies_among(&world.identity, world.assignment.as_ref(), &world.traces.unnamed)
        {
            add(self.unrecorded(key, object, Some(serial)), object, Some(serial));
        }
        for rival in &world.traces.rivals {
            for copy in rival.named() {
                if let Some(CopyView::Present(there)) = world.traces.rival_copies.get(&copy.key)
                    && is_marked(there, copy, &rival.name)
                {
                    add(copy.clone(), there, None);
                }
            }
        }
        found.into_values().collect()
    }

    fn candidate(&self, mut copy: CopyRef, object: &Arc<Object>, serial: Option<u32>) -> Candidate {
        copy.uid = Some(object.uid().to_owned());
        // A copy goes on in the move that made it only while that is recorded.
        copy.migration = copy
            .migration
            .filter(|name| self.world.migrations.iter().any(|migration| migration.name == *name));
        let ready = readiness(object, self.world.policy) == Readiness::Ready;
        let held = self.held(&copy, object);
        Candidate { copy, serial, ready, held }
    }

    /// A copy that no record describes.
    fn unrecorded(&self, key: &ObjectKey, object: &Object, serial: Option<u32>) -> CopyRef {
        let world = self.world;
        let made_by = serial.and_then(|serial| {
            let name = migration_name(&assignment_name(&world.identity), serial);
            world.migrations.iter().find(|migration| migration.name == name)
        });
        let offer = made_by
            .map(|migration| migration.to.clone())
            .filter(|offer| offer.cluster == key.cluster)
            .unwrap_or_else(|| self.offer_of(key));
        let (gvr, kind) = world.traces.kind_of(key, world.policy);
        CopyRef {
            offer,
            gvr,
            kind,
            key: key.clone(),
            uid: Some(object.uid().to_owned()),
            migration: made_by.map(|migration| migration.name.clone()),
        }
    }

    /// The offer for which a copy was made, as far as its place tells: one that serves the order, before others.
    fn offer_of(&self, key: &ObjectKey) -> OfferId {
        let here = |listing: &&Arc<crate::matching::Listing>| {
            let same_api =
                listing.availability().api.as_ref().is_none_or(|api| *api == self.world.policy.gvr);
            let same_place = listing.offer().is_some_and(|offer| offer.copy_namespace() == key.namespace);
            same_api && same_place
        };
        let mut ids: Vec<OfferId> =
            self.offers.of_provider(&key.cluster).filter(here).map(|listing| listing.id().clone()).collect();
        ids.sort_by_key(|id| (!matches!(self.world.chooser.fit(id), Fit::Fits(_)), id.clone()));
        ids.into_iter()
            .next()
            .unwrap_or_else(|| OfferId::new(key.cluster.clone(), key.namespace.clone(), WITHDRAWN))
    }

    /// Whether what the consumer holds is this copy's: the objects, or where there are none the status.
    fn held(&self, copy: &CopyRef, object: &Object) -> Held {
        let world = self.world;
        let told = |same: bool| if same { Held::Yes } else { Held::No };
        let mirrored: Vec<_> = world.mirrored.iter().filter(|object| !object.is_deleting()).collect();
        if mirrored.is_empty() {
            let own = |object: &Object| object.get(&["status"]).map(bare).unwrap_or_default();
            let seen = world.order.as_ref().map(|order| own(order)).unwrap_or_default();
            return if seen == Value::Null { Held::Unknown } else { told(seen == own(object)) };
        }
        let named = references(object, copy);
        told(mirrored.iter().all(|mirror| {
            let key = mirror.annotation(marker::KEY_ANNOTATION).unwrap_or_default();
            let Some(Ok(reference)) = named.get(key) else { return false };
            world.provided.iter().any(|(target, provided)| match provided {
                Provided::Present { object, .. } => {
                    target.key == reference.target.key
                        && target.gvk.kind == reference.target.gvk.kind
                        && content(object) == content(mirror)
                }
                Provided::Missing => false,
            })
        }))
    }

    fn choose<'f>(&self, found: &'f [Found], picked: Option<&ObjectKey>) -> Result<&'f Candidate, Undecided> {
        let all = || found.iter().map(|(candidate, _)| candidate);
        if let Some(picked) = picked {
            return all().find(|candidate| candidate.copy.key == *picked).ok_or(Undecided::NoSuchCopy);
        }
        let silent = self.silent();
        if !silent.is_empty() {
            return Err(Undecided::Unreachable(silent));
        }
        let only = |mut fitting: Vec<&'f Candidate>| fitting.pop().filter(|_| fitting.is_empty());
        if found.is_empty() {
            return Err(Undecided::NothingFound);
        }
        only(all().collect())
            .or_else(|| only(all().filter(|candidate| candidate.held == Held::Yes).collect()))
            // Of what holds data the wrong one would be a loss; of the rest any that works will do.
            .or_else(|| {
                let free = self.world.policy.moves == Moves::Free;
                only(all().filter(|candidate| free && candidate.ready).collect())
            })
            .ok_or(Undecided::Ambiguous)
    }

    /// Clusters that do not answer and hold a copy by the records.
    fn silent(&self) -> BTreeSet<ClusterName> {
        let world = self.world;
        let named = world.assignment.iter().flat_map(Assignment::named);
        let own = named.filter(|copy| matches!(world.copy(copy), CopyView::Unknown)).map(|copy| &copy.key);
        let rivals = world.traces.rival_copies.iter();
        let others = rivals.filter(|(_, view)| matches!(view, CopyView::Unknown)).map(|(key, _)| key);
        own.chain(others).map(|key| key.cluster.clone()).collect()
    }

    /// The record that names the chosen copy as the one that serves, and the others as former ones.
    fn record(&self, found: &[Found], chosen: &Candidate) -> Result<Assignment, Undecided> {
        let world = self.world;
        let before = world.assignment.as_ref();
        let name = assignment_name(&world.identity);
        let is_chosen = |copy: &CopyRef| copy.key == chosen.copy.key;
        let mut leftovers: Vec<CopyRef> =
            found.iter().map(|(other, _)| other.copy.clone()).filter(|copy| !is_chosen(copy)).collect();
        let waiting = before
            .iter()
            .flat_map(|record| record.named())
            .filter(|copy| matches!(world.copy(copy), CopyView::Unknown) && !is_chosen(copy));
        leftovers.extend(waiting.cloned());
        if leftovers.len() > Assignment::MAX_LEFTOVERS {
            return Err(Undecided::TooMany);
        }
        let serials = found.iter().filter_map(|(candidate, _)| candidate.serial);
        let moves = world.migrations.iter().filter_map(|migration| migration_serial(&name, &migration.name));
        let rivals = world.traces.rivals.iter().map(|rival| rival.serial);
        let serial = serials.chain(moves).chain(rivals).chain(before.map(|record| record.serial)).max();
        let handed_out = chosen.ready || !world.mirrored.is_empty() || self.has_related();
        Ok(Assignment {
            name,
            uid: before.map(|record| record.uid.clone()).unwrap_or_default(),
            resource_version: before.map(|record| record.resource_version.clone()).unwrap_or_default(),
            order: world.identity.clone(),
            offer: chosen.copy.offer.clone(),
            copies: vec![chosen.copy.clone()],
            pointer: handed_out.then(|| chosen.copy.key.name.clone()),
            leftovers,
            serial: serial.unwrap_or(1).max(1),
            created_at: None,
            status: AssignmentStatus::default(),
        })
    }

    /// Whether the order's status names anything that was handed over.
    fn has_related(&self) -> bool {
        let related = self.world.order.as_ref().and_then(|order| order.get(&["status", "relatedResources"]));
        related.and_then(Value::as_object).is_some_and(|related| !related.is_empty())
    }
}

/// Whether an object is the copy that a record names, or stands in its place with its mark.
fn is_marked(there: &Object, copy: &CopyRef, record: &str) -> bool {
    copy.uid.as_deref() == Some(there.uid()) || there.label(marker::ORDER_LABEL) == Some(record)
}

/// What of an object is handed over.
fn content(object: &Object) -> BTreeMap<&String, &Value> {
    let own = |key: &str| matches!(key, "apiVersion" | "kind" | "metadata" | "status");
    object.fields().iter().filter(|(key, _)| !own(key)).collect()
}

/// A status without what differs between an order and its copy anyway; null where nothing is left.
fn bare(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(map) = status.as_object_mut() {
        for key in ["conditions", "observedGeneration", "relatedResources"] {
            map.remove(key);
        }
        if map.is_empty() {
            return Value::Null;
        }
    }
    status
}
