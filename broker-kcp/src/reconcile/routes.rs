//! From what changed to whose turn it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey, marker};
use tokio::sync::Notify;

use super::indexes::{BY_COPY, BY_RELATED, object_text, related_text};
use super::later::Asking;
use super::observe::carries_our_mark;
use super::reachability;
use super::registry::KcpProviderRegistry;
use crate::controller::{Laned, Queue};
use crate::fleet::{Fleet, Observer, PLATFORM, Topic, Turn};
use crate::store::Change;

/// One order by its address: what the queue of orders is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The brokered API, `<resource>.<group>`.
    pub api: String,
    /// Where the order is, or was.
    pub key: ObjectKey,
}

impl Laned for OrderKey {
    type Lane = ClusterName;

    fn lane(&self) -> ClusterName {
        self.key.cluster.clone()
    }
}

/// What is to be done besides orders. All of it may wait a moment, so that bursts become one write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Chore {
    /// Report the status of an AcceptAPI.
    Offer(ObjectKey),
    /// Report the status of a BrokeredAPI.
    Api(String),
    /// Look whether a marked object is an orphan.
    Orphan(String, ObjectKey),
    /// Say of a record that it is not supported yet.
    Later(Asking, String),
}

impl Laned for Chore {
    type Lane = ClusterName;

    fn lane(&self) -> ClusterName {
        match self {
            Self::Offer(key) | Self::Orphan(_, key) => key.cluster.clone(),
            Self::Api(_) | Self::Later(..) => PLATFORM.into(),
        }
    }
}

/// How long reports wait for more to report.
pub(super) const GATHER: std::time::Duration = std::time::Duration::from_millis(500);
/// How long a marked object is given for its Assignment to appear in the caches.
const ORPHAN_AGE: std::time::Duration = std::time::Duration::from_secs(10);

/// Puts into the queues what a change may concern.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) fleet: Fleet,
    pub(super) registry: KcpProviderRegistry,
    pub(super) orders: Queue<OrderKey>,
    pub(super) chores: Queue<Chore>,
    /// Told when more may have become known.
    pub(super) progress: Arc<Notify>,
}

impl Routes {
    /// Every order of an API, and everything that an assignment names an order of.
    pub(super) fn all_orders(&self, api: &str) {
        let plan = self.fleet.plan();
        let export = plan.apis.get(api).and_then(|export| self.fleet.export(export));
        let followed = export.as_ref().and_then(|export| export.followed(&export.kinds().get(api)?.gvr));
        if let Some(followed) = followed {
            let keys: Vec<(ObjectKey, Arc<Object>)> =
                followed.cache.read().iter().map(|(key, object)| (key.clone(), object.clone())).collect();
            for (key, object) in keys {
                self.object(api, &key, &object);
            }
        }
        let assignments: Vec<Arc<Object>> =
            self.fleet.platform().assignments.read().iter().map(|(_, object)| object.clone()).collect();
        for assignment in assignments {
            if let Some(key) = order_of(&assignment).filter(|key| key.api == api) {
                self.orders.add(key);
            }
        }
        self.chores.add_after(Chore::Api(api.to_owned()), GATHER);
    }

    /// Everything there is: after a start, a change of plan, or an interval.
    pub(super) fn everything(&self) {
        for api in self.fleet.plan().apis.keys() {
            self.all_orders(api);
        }
        let apis: Vec<String> =
            self.fleet.platform().brokered_apis.read().iter().map(|(key, _)| key.name.clone()).collect();
        for api in apis {
            self.chores.add_after(Chore::Api(api), GATHER);
        }
        self.all_offers();
        for asking in Asking::ALL {
            for (key, _) in asking.cache(&self.fleet).read().iter() {
                self.chores.add_after(Chore::Later(asking, key.name.clone()), GATHER);
            }
        }
    }

    fn asked(&self, asking: Asking, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.new.is_some() && spec_changed(change)) {
            self.chores.add_after(Chore::Later(asking, change.key.name.clone()), GATHER);
        }
    }

    pub(super) fn all_offers(&self) {
        let Some(export) = self.fleet.offers() else { return };
        for followed in export.kinds().values().filter_map(|kind| export.followed(&kind.gvr)) {
            let keys: Vec<ObjectKey> = followed.cache.read().iter().map(|(key, _)| key.clone()).collect();
            for key in keys {
                self.chores.add_after(Chore::Offer(key), GATHER);
            }
        }
    }

    /// An order, a copy, or something that pretends to be one.
    fn object(&self, api: &str, key: &ObjectKey, object: &Object) {
        if let Some(owner) = self.owner_of_copy(api, key) {
            self.orders.add(owner);
        } else if carries_our_mark(object) {
            if let Some(mark) = object.label(marker::ORDER_LABEL) {
                self.marked(mark);
                self.chores.add_after(Chore::Orphan(api.to_owned(), key.clone()), ORPHAN_AGE);
            }
        } else {
            self.orders.add(OrderKey { api: api.to_owned(), key: key.clone() });
        }
    }

    fn owner_of_copy(&self, api: &str, key: &ObjectKey) -> Option<OrderKey> {
        let found = self.fleet.platform().assignments.find(BY_COPY, &object_text(api, key));
        found.first().and_then(|(_, assignment)| order_of(assignment))
    }

    /// The order of the assignment that a mark names.
    fn marked(&self, mark: &str) {
        let assignment = self.fleet.platform().assignments.get(&ObjectKey::new(PLATFORM, "", mark));
        if let Some(order) = assignment.as_deref().and_then(order_of) {
            self.orders.add(order);
        }
    }

    fn related(&self, export: &str, key: &ObjectKey, object: &Object) {
        if let Some(mark) = object.label(marker::ORDER_LABEL) {
            self.marked(mark);
        }
        let Some(export) = self.fleet.export(export) else { return };
        let text = related_text(&object.gvk().kind, key);
        for (api, kind) in export.kinds() {
            let Some(followed) = export.followed(&kind.gvr) else { continue };
            for (copy, _) in followed.cache.find(BY_RELATED, &text) {
                if let Some(owner) = self.owner_of_copy(api, &copy) {
                    self.orders.add(owner);
                }
            }
        }
    }

    fn assignment(&self, object: &Object) {
        if let Some(order) = order_of(object) {
            self.orders.add(order);
        }
        if let Some(offer) = offer_of(object) {
            self.chores.add_after(Chore::Offer(offer), GATHER);
        }
        let gvr = |key: &str| object.text(&["spec", "order", "gvr", key]).unwrap_or_default().to_owned();
        let api = Gvr::new(gvr("group"), "", gvr("resource")).group_resource();
        self.chores.add_after(Chore::Api(api), GATHER);
        if self.registry.any_capacity() {
            self.registry.invalidate();
        }
    }

    fn offers_changed(&self, changes: &[Change]) {
        let mut matters = false;
        for change in changes {
            self.chores.add_after(Chore::Offer(change.key.clone()), GATHER);
            matters |= !same_offer(change.old.as_deref(), change.new.as_deref());
        }
        if matters {
            self.registry.invalidate();
            for api in self.fleet.plan().apis.keys() {
                self.all_orders(api);
            }
        }
    }

    fn bindings_changed(&self, export: &str) {
        self.registry.invalidate();
        let plan = self.fleet.plan();
        for api in plan.apis.iter().filter(|(_, of)| *of == export).map(|(api, _)| api) {
            self.all_orders(api);
        }
        self.all_offers();
    }
}

impl Observer for Routes {
    fn changed(&self, topic: &Topic, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let objects = || {
            changes.iter().flat_map(|change| {
                [change.old.as_deref(), change.new.as_deref()]
                    .into_iter()
                    .flatten()
                    .map(|object| (&change.key, object))
            })
        };
        match topic {
            Topic::Orders(api) => {
                objects().for_each(|(key, object)| self.object(api, key, object));
                if changes.iter().any(|change| change.old.is_none() || change.new.is_none()) {
                    self.chores.add_after(Chore::Api(api.clone()), GATHER);
                }
            }
            Topic::Related(export) => {
                objects().for_each(|(key, object)| self.related(export, key, object));
            }
            Topic::Assignments => objects().for_each(|(_, object)| self.assignment(object)),
            Topic::Migrations => {
                objects().for_each(|(_, object)| {
                    if let Some(mark) = object.label(marker::ORDER_LABEL) {
                        self.marked(mark);
                    }
                });
                self.asked(Asking::Migration, changes);
            }
            Topic::Configurations => self.asked(Asking::Configuration, changes),
            Topic::BrokeredApis => {
                self.registry.invalidate();
                for change in changes {
                    if spec_changed(change) {
                        self.all_orders(&change.key.name);
                        self.all_offers();
                    }
                    self.chores.add_after(Chore::Api(change.key.name.clone()), GATHER);
                }
            }
            Topic::Offers => self.offers_changed(changes),
            Topic::Bindings(export) => self.bindings_changed(export),
            Topic::Clusters(_) => self.registry.invalidate(),
            Topic::Exports | Topic::Slices | Topic::Schemas => {}
        }
    }

    fn synced(&self) {
        self.registry.invalidate();
        self.progress.notify_one();
    }

    fn turned(&self, turn: Turn, clusters: &BTreeSet<ClusterName>) {
        reachability::turned(self, turn, clusters);
    }
}

/// The order that an assignment is about.
pub(super) fn order_of(assignment: &Object) -> Option<OrderKey> {
    let text = |key: &str| assignment.text(&["spec", "order", key]);
    let gvr = |key: &str| assignment.text(&["spec", "order", "gvr", key]).unwrap_or_default();
    let api = Gvr::new(gvr("group"), "", gvr("resource")).group_resource();
    let key = ObjectKey::new(text("clusterName")?, text("namespace").unwrap_or_default(), text("name")?);
    Some(OrderKey { api, key })
}

fn offer_of(assignment: &Object) -> Option<ObjectKey> {
    let text = |key: &str| assignment.text(&["spec", "offer", key]);
    Some(ObjectKey::new(text("clusterName")?, text("namespace").unwrap_or_default(), text("name")?))
}

/// Whether two states of an AcceptAPI promise the same: our own words in its status do not count.
fn same_offer(old: Option<&Object>, new: Option<&Object>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => {
            old.get(&["spec"]) == new.get(&["spec"])
                && old.is_deleting() == new.is_deleting()
                && old.condition("Ready") == new.condition("Ready")
                && old.uid() == new.uid()
        }
        _ => false,
    }
}

fn spec_changed(change: &Change) -> bool {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => {
            old.get(&["spec"]) != new.get(&["spec"]) || old.is_deleting() != new.is_deleting()
        }
        _ => true,
    }
}
