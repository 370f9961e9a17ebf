//! From what changed to whose turn it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_core::port::ProviderRegistry as _;
use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey, Packed, marker};
use tokio::sync::Notify;

use super::books::Books;
use super::indexes::{
    BY_COPY, BY_OFFER, BY_ORDER, BY_REASON, BY_RELATED, object_text, offers_of, order_of_text, related_text,
};
use super::latency::Latencies;
use super::later::Asking;
use super::mentions::Mentions;
use super::observe::carries_our_mark;
use super::reachability;
use super::registry::KcpProviderRegistry;
use super::requests;
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
    /// Tell the orders of an API that wait for an offer what is near now.
    Waiting(String),
    /// Look whether a marked object is an orphan.
    Orphan(String, ObjectKey),
    /// Remove the helpers of a move that no record speaks of.
    Helpers(String),
    /// Say of a playbook or a move whether it can be followed.
    Later(Asking, String),
}

impl Laned for Chore {
    type Lane = ClusterName;

    fn lane(&self) -> ClusterName {
        match self {
            Self::Offer(key) | Self::Orphan(_, key) => key.cluster.clone(),
            Self::Api(_) | Self::Waiting(_) | Self::Helpers(_) | Self::Later(..) => PLATFORM.into(),
        }
    }
}

/// What an order says that must move and has no playbook that can be followed.
const WITHOUT_PLAYBOOK: [&str; 4] = ["NoPlaybook", "AmbiguousPlaybook", "FenceRequired", "NoComputeCluster"];
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
    /// The orders by what is in them.
    pub(super) books: Books,
    /// What copies of other kinds than their orders' hand over.
    pub(super) mentions: Mentions,
    /// What consumers wait for.
    pub(super) latencies: Arc<Latencies>,
    /// Told when more may have become known.
    pub(super) progress: Arc<Notify>,
}

impl Routes {
    /// Every order of an API, and everything that an assignment names an order of.
    pub(super) fn all_orders(&self, api: &str) {
        let plan = self.fleet.plan();
        let export = plan.apis.get(api).and_then(|export| self.fleet.export(export));
        let followed = export.as_ref().and_then(|export| export.followed(&export.kinds().get(api)?.gvr));
        let assignments = &self.fleet.platform().assignments;
        if let Some(followed) = followed {
            for (key, packed) in followed.cache.packed() {
                // A copy's order is among those below.
                if assignments.read().count(BY_COPY, &object_text(api, &key)) == 0 {
                    self.object(api, &key, &packed.object(), None);
                }
            }
        }
        let named: Vec<OrderKey> = {
            let table = assignments.read();
            table.texts(BY_ORDER, &format!("{api} ")).filter_map(|(text, _)| order_of_text(text)).collect()
        };
        for key in named {
            self.orders.add(key);
        }
        self.chores.add_after(Chore::Api(api.to_owned()), GATHER);
    }

    /// Everything there is: after a start, a change of plan, or an interval.
    pub(super) fn everything(&self) {
        for api in self.fleet.plan().apis.keys() {
            self.all_orders(api);
        }
        let apis: Vec<String> =
            self.fleet.platform().brokered_apis.read().keys().map(|key| key.name.clone()).collect();
        for api in apis {
            self.chores.add_after(Chore::Api(api), GATHER);
        }
        self.all_offers();
        for asking in Asking::ALL {
            self.all_asked(asking);
        }
    }

    fn all_asked(&self, asking: Asking) {
        for key in asking.cache(&self.fleet).read().keys() {
            self.chores.add_after(Chore::Later(asking, key.name.clone()), GATHER);
        }
    }

    fn asked(&self, asking: Asking, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.new.is_some() && spec_changed(change)) {
            self.chores.add_after(Chore::Later(asking, change.key.name.clone()), GATHER);
        }
    }

    /// Everything that people ask for and that waits.
    pub(super) fn requests_again(&self) {
        for name in requests::waiting(&self.fleet) {
            self.chores.add_after(Chore::Later(Asking::Migration, name), GATHER);
        }
    }

    pub(super) fn all_offers(&self) {
        let Some(export) = self.fleet.offers() else { return };
        for followed in export.kinds().values().filter_map(|kind| export.followed(&kind.gvr)) {
            let keys: Vec<ObjectKey> = followed.cache.read().keys().cloned().collect();
            for key in keys {
                self.chores.add_after(Chore::Offer(key), GATHER);
            }
        }
    }

    /// An order, a copy of `owner`, or something that pretends to be one.
    fn object(&self, api: &str, key: &ObjectKey, object: &Object, owner: Option<&OrderKey>) {
        if let Some(owner) = owner {
            self.orders.add(owner.clone());
        } else if carries_our_mark(object) {
            if let Some(mark) = object.label(marker::ORDER_LABEL) {
                self.marked(mark);
                self.chores.add_after(Chore::Orphan(api.to_owned(), key.clone()), ORPHAN_AGE);
            }
        } else if self.fleet.plan().apis.contains_key(api) {
            self.orders.add(OrderKey { api: api.to_owned(), key: key.clone() });
        }
    }

    /// Something among the orders is not what it was.
    fn object_changed(&self, api: &str, change: &Change, is_brokered: bool) {
        let key = &change.key;
        let owner = self.owner_of_copy(api, key);
        let (old, new) = (change.old.as_ref().map(Packed::object), change.new.as_ref().map(Packed::object));
        if is_brokered {
            // Copies, and what pretends to be one, are not looked for by offers.
            let order = new.as_ref().filter(|object| !carries_our_mark(object) && owner.is_none());
            match change.new.as_ref().filter(|_| order.is_some()) {
                Some(packed) => self.books.enter(api, key, packed),
                None => self.books.strike(api, key),
            }
            self.measure(api, key, (old.as_deref(), new.as_deref()), owner.as_ref());
        }
        for object in [old, new].into_iter().flatten() {
            self.object(api, key, &object, owner.as_ref());
        }
    }

    /// Notes what a consumer waits for from here on: a first copy, or the word about one.
    fn measure(
        &self,
        api: &str,
        key: &ObjectKey,
        (old, new): (Option<&Object>, Option<&Object>),
        owner: Option<&OrderKey>,
    ) {
        let Some(object) = new else {
            return self.latencies.forget(&OrderKey { api: api.to_owned(), key: key.clone() });
        };
        if old.is_some_and(|old| old.get(&["status"]) == object.get(&["status"])) {
            return;
        }
        if let Some(owner) = owner {
            if object.get(&["status"]).is_some() && old.is_some() {
                self.latencies.said(owner.clone(), &key.cluster);
            }
        } else if old.is_none() && !carries_our_mark(object) && !object.is_deleting() {
            let assignments = &self.fleet.platform().assignments;
            if assignments.read().count(BY_ORDER, &object_text(api, key)) == 0 {
                self.latencies.ordered(OrderKey { api: api.to_owned(), key: key.clone() });
            }
        }
    }

    fn owner_of_copy(&self, api: &str, key: &ObjectKey) -> Option<OrderKey> {
        let mut found = self.fleet.platform().assignments.find(BY_COPY, &object_text(api, key));
        found.next().and_then(|(_, assignment)| order_of(&assignment))
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
        for (kind, copy) in self.mentions.naming(&text) {
            if let Some(owner) = self.owner_of_copy(&kind, &copy) {
                self.orders.add(owner);
            }
        }
        for (api, kind) in export.kinds() {
            let Some(followed) = export.followed(&kind.gvr) else { continue };
            for copy in followed.cache.keys_of(BY_RELATED, &text) {
                if let Some(owner) = self.owner_of_copy(api, &copy) {
                    self.orders.add(owner);
                }
            }
        }
    }

    /// The orders that must move and cannot, for one of these reasons.
    pub(super) fn held_orders(&self, reasons: &[&str]) {
        let assignments = &self.fleet.platform().assignments;
        for (_, assignment) in reasons.iter().flat_map(|reason| assignments.find(BY_REASON, reason)) {
            if let Some(order) = order_of(&assignment) {
                self.orders.add(order);
            }
        }
    }

    fn assignments_changed(&self, changes: &[Change]) {
        self.requests_again();
        for change in changes {
            let (old, new) =
                (change.old.as_ref().map(Packed::object), change.new.as_ref().map(Packed::object));
            for object in [&old, &new].into_iter().flatten() {
                if let Some(order) = order_of(object) {
                    self.chores.add_after(Chore::Api(order.api.clone()), GATHER);
                    self.orders.add(order);
                }
            }
            // What has been served since before this broker looked is not waited for.
            if let Some(new) = new.as_deref().filter(|new| is_served(new))
                && let Some(order) = order_of(new)
            {
                self.latencies.served(&order);
            }
            let offers = |object: &Option<Arc<Object>>| object.as_deref().map(offers_of).unwrap_or_default();
            self.places_changed(&offers(&old), &offers(&new));
        }
    }

    /// An order had places with these offers, and has them with those now. What we write ourselves no watch tells as a
    /// change: whoever wrote says it.
    pub(super) fn places_changed(&self, before: &BTreeSet<ObjectKey>, after: &BTreeSet<ObjectKey>) {
        for offer in before.symmetric_difference(after) {
            self.chores.add_after(Chore::Offer(offer.clone()), GATHER);
            if self.registry.capacity(offer).is_none() {
                continue;
            }
            self.registry.offer_changed(offer);
            if before.contains(offer) {
                // There is room for somebody who waits.
                self.wanted_by(offer);
            }
        }
    }

    fn offers_changed(&self, changes: &[Change]) {
        let matters: Vec<&Change> = changes.iter().filter(|change| !same_offer(change)).collect();
        // All first: orders that are asked for are decided about with all of them.
        for change in &matters {
            self.registry.offer_changed(&change.key);
        }
        for change in changes {
            self.chores.add_after(Chore::Offer(change.key.clone()), GATHER);
        }
        for change in matters {
            self.offer_turned(&change.key);
        }
    }

    /// Whoever has a place with an offer, or would fit it now.
    fn offer_turned(&self, offer: &ObjectKey) {
        for (_, assignment) in self.fleet.platform().assignments.find(BY_OFFER, &offer.to_string()) {
            if let Some(order) = order_of(&assignment) {
                self.orders.add(order);
            }
        }
        self.wanted_by(offer);
        for api in self.fleet.plan().apis.keys() {
            self.chores.add_after(Chore::Waiting(api.clone()), GATHER);
        }
    }

    /// The orders that an offer would serve.
    fn wanted_by(&self, key: &ObjectKey) {
        let offers = self.registry.offers();
        let Some(listing) = offers.get(&key.clone().into()) else { return };
        let (Some(api), Some(offer)) = (&listing.availability().api, listing.offer()) else { return };
        let api = api.group_resource();
        for key in self.books.matched_by(&api, offer) {
            self.orders.add(OrderKey { api: api.clone(), key });
        }
    }

    /// The orders of an API that nobody serves.
    pub(super) fn waiting_orders(&self, api: &str) {
        let Some(export) = self.fleet.plan().apis.get(api).and_then(|export| self.fleet.export(export))
        else {
            return;
        };
        let Some(followed) = export.kinds().get(api).and_then(|kind| export.followed(&kind.gvr)) else {
            return;
        };
        let keys: Vec<ObjectKey> = followed.cache.read().keys().cloned().collect();
        let assignments = self.fleet.platform().assignments.clone();
        for key in keys {
            let text = object_text(api, &key);
            let known = {
                let table = assignments.read();
                table.count(BY_ORDER, &text) + table.count(BY_COPY, &text)
            };
            if known == 0 {
                self.orders.add(OrderKey { api: api.to_owned(), key });
            }
        }
    }

    /// Clusters begin or cease to bind an export: as consumers, as providers, or both.
    fn bindings_changed(&self, export: &str, changes: &[Change]) {
        let clusters: BTreeSet<ClusterName> =
            changes.iter().map(|change| change.key.cluster.clone()).collect();
        self.registry.policies_changed();
        for cluster in &clusters {
            self.registry.cluster_changed(cluster);
        }
        let plan = self.fleet.plan();
        if let Some(followed) = self.fleet.export(export) {
            for (api, kind) in followed.kinds() {
                let Some(orders) = followed.followed(&kind.gvr).filter(|_| plan.export_of(api).is_some())
                else {
                    continue;
                };
                for cluster in &clusters {
                    let objects: Vec<(ObjectKey, Packed)> = orders
                        .cache
                        .read()
                        .in_cluster(cluster)
                        .map(|(key, packed)| (key.clone(), packed.clone()))
                        .collect();
                    for (key, packed) in &objects {
                        let owner = self.owner_of_copy(api, key);
                        self.object(api, key, &packed.object(), owner.as_ref());
                    }
                }
            }
        }
        reachability::orders_in(self, &clusters);
        let offers = self.registry.offers();
        for listing in clusters.iter().flat_map(|cluster| offers.of_provider(cluster)) {
            let key: ObjectKey = listing.id().clone().into();
            self.chores.add_after(Chore::Offer(key.clone()), GATHER);
            self.offer_turned(&key);
        }
    }
}

impl Observer for Routes {
    fn changed(&self, topic: &Topic, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let objects = || {
            changes.iter().flat_map(|change| {
                [&change.old, &change.new].into_iter().flatten().map(|packed| (&change.key, packed.object()))
            })
        };
        match topic {
            Topic::Orders(api) => {
                let is_brokered = self.fleet.plan().apis.contains_key(api);
                for change in changes {
                    self.object_changed(api, change, is_brokered);
                }
                if is_brokered && changes.iter().any(|change| change.old.is_none() || change.new.is_none()) {
                    self.chores.add_after(Chore::Api(api.clone()), GATHER);
                }
            }
            Topic::Related(export) => {
                objects().for_each(|(key, object)| self.related(export, key, &object));
            }
            Topic::Assignments => self.assignments_changed(changes),
            Topic::Migrations => {
                objects().for_each(|(_, object)| {
                    if let Some(mark) = object.label(marker::ORDER_LABEL) {
                        self.marked(mark);
                    }
                });
                self.asked(Asking::Migration, changes);
                if changes.iter().any(|change| change.new.is_none()) {
                    // A person removed the record of one that failed, or took back what others waited for.
                    self.held_orders(&["MovesHalted"]);
                    self.requests_again();
                }
                for change in changes.iter().filter(|change| change.new.is_none()) {
                    self.chores.add_after(Chore::Helpers(change.key.name.clone()), ORPHAN_AGE);
                }
            }
            Topic::Helpers => {
                objects().for_each(|(_, object)| {
                    let migration = object.label(marker::MIGRATION_LABEL);
                    let record = migration.and_then(|name| {
                        self.fleet.platform().migrations.get(&ObjectKey::new(PLATFORM, "", name))
                    });
                    match (record.as_deref().and_then(|it| it.label(marker::ORDER_LABEL)), migration) {
                        (Some(mark), _) => self.marked(mark),
                        (None, Some(name)) => {
                            self.chores.add_after(Chore::Helpers(name.to_owned()), ORPHAN_AGE);
                        }
                        (None, None) => {}
                    }
                });
            }
            Topic::Configurations => {
                // One that comes, changes or goes may be as specific as another.
                if changes.iter().any(spec_changed) {
                    self.all_asked(Asking::Configuration);
                    self.held_orders(&WITHOUT_PLAYBOOK);
                    self.requests_again();
                }
            }
            Topic::BrokeredApis => {
                self.registry.policies_changed();
                for change in changes {
                    if spec_changed(change) {
                        self.all_orders(&change.key.name);
                        self.all_offers();
                    }
                    self.chores.add_after(Chore::Api(change.key.name.clone()), GATHER);
                }
                self.requests_again();
            }
            Topic::Offers => {
                self.offers_changed(changes);
                self.requests_again();
            }
            Topic::Bindings(export) => {
                self.bindings_changed(export, changes);
                self.requests_again();
            }
            Topic::Clusters(_) => {
                self.registry.policies_changed();
                self.requests_again();
            }
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

/// Whether the order of an assignment was handed its first copy.
fn is_served(assignment: &Object) -> bool {
    matches!(assignment.text(&["status", "phase"]), Some("Bound" | "Migrating"))
}

/// Whether an AcceptAPI promises what it did: our own words in its status do not count.
fn same_offer(change: &Change) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return false };
    let (old, new) = (old.object(), new.object());
    old.get(&["spec"]) == new.get(&["spec"])
        && old.is_deleting() == new.is_deleting()
        && old.condition("Ready") == new.condition("Ready")
        && old.uid() == new.uid()
}

fn spec_changed(change: &Change) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else { return true };
    let (old, new) = (old.object(), new.object());
    old.get(&["spec"]) != new.get(&["spec"]) || old.is_deleting() != new.is_deleting()
}
