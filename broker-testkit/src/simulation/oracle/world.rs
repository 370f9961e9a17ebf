//! The world as the writes so far have made it: orders, copies, records, and what belongs to whom.
//!
//! Nothing is judged here. What a check may need of the past is kept: the specs an order had, the statuses a copy
//! showed, what a copy handed over. Things that are gone stay known, so that what is left of them is recognised.

mod copy;
mod order;
mod platform;
mod related;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use broker_core::resource::marker;
use serde_json::Value;

use super::reading::{self, Place};
use super::setting::Setting;
use crate::simulation::history::{ChangeKind, ObjectKey, Write};

pub(super) use copy::Copy;
pub(super) use order::Order;
pub(super) use platform::{Move, Record, Terms};

/// A uid.
pub(super) type Uid = String;

/// The state of everything.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Everything that exists.
    pub(super) objects: BTreeMap<ObjectKey, Arc<Value>>,
    /// The orders, those that are gone too.
    pub(super) orders: BTreeMap<Uid, Order>,
    /// The copies, those that are gone too.
    pub(super) copies: BTreeMap<Uid, Copy>,
    /// Objects where copies may be, by place.
    places: BTreeMap<Place, ObjectKey>,
    /// The Assignments that exist, by name.
    pub(super) records: BTreeMap<String, Record>,
    /// To which order a name of an Assignment belongs, for ever.
    pub(super) order_of_record: BTreeMap<String, Uid>,
    /// Which Assignments name a place.
    naming: BTreeMap<Place, BTreeSet<String>>,
    /// The Migrations that exist, by name.
    pub(super) moves: BTreeMap<String, Move>,
    /// Whether there ever was a playbook, or a Migration made by a person.
    pub(super) has_playbook: bool,
    terms: BTreeMap<(String, String), Terms>,
    /// Which copies ever provided this content.
    origins: BTreeMap<String, BTreeSet<Uid>>,
    /// Which copies ever named this Secret or `ConfigMap`.
    handing: BTreeMap<ObjectKey, BTreeSet<Uid>>,
    /// Clusters that cannot be reached by the broker any more, because they are leaving.
    gone: BTreeSet<String>,
}

/// One write with what was there before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) at: Duration,
    pub(super) write: &'a Write,
    pub(super) before: Option<&'a Value>,
    /// Whether the broker wrote.
    pub(super) broker: bool,
}

impl<'a> Seen<'a> {
    /// Whether this write is where the object's deletion begins.
    pub(super) fn begins_deletion(&self) -> bool {
        let began = self.before.is_some_and(reading::is_terminating);
        !began
            && (self.write.kind == ChangeKind::Deleted
                || (self.before.is_some() && reading::is_terminating(&self.write.object)))
    }

    pub(super) fn is_gone(&self) -> bool {
        self.write.kind == ChangeKind::Deleted
    }

    pub(super) fn object(&self) -> &'a Value {
        &self.write.object
    }

    pub(super) fn key(&self) -> &'a ObjectKey {
        &self.write.key
    }

    /// Whether a part of the object is other than before.
    pub(super) fn changed(&self, pointer: &str) -> bool {
        let before = self.before.unwrap_or(&Value::Null);
        reading::at(before, pointer) != reading::at(self.object(), pointer)
    }
}

impl World {
    /// What was known of the object before this write.
    pub(super) fn before(&self, write: &Write) -> Option<Arc<Value>> {
        self.objects.get(&write.key).or(write.before.as_ref()).cloned()
    }

    /// The write becomes part of the world.
    pub(super) fn apply(&mut self, setting: &Setting, seen: Seen<'_>) {
        let key = seen.key();
        if seen.is_gone() {
            self.objects.remove(key);
        } else {
            self.objects.insert(key.clone(), Arc::clone(&seen.write.object));
        }
        self.note_departure(setting, seen);
        if key.cluster == setting.platform && key.group == marker::GROUP {
            self.apply_to_platform(seen);
        } else if setting.has_copies_of(&key.group, &key.resource) {
            self.apply_to_order_or_copy(setting, seen);
        } else if is_related(key) {
            self.apply_to_related(setting, seen);
        }
    }

    fn apply_to_order_or_copy(&mut self, setting: &Setting, seen: Seen<'_>) {
        let key = seen.key();
        let uid = reading::uid(seen.object()).to_owned();
        let provides = setting.providers.contains_key(&key.cluster);
        if provides {
            let place = place_of(key, seen.object());
            if seen.is_gone() {
                self.places.remove(&place);
            } else {
                self.places.insert(place, key.clone());
            }
        }
        let orders =
            setting.consumers.contains_key(&key.cluster) && setting.api(&key.group, &key.resource).is_some();
        let is_copy = self.copies.contains_key(&uid)
            || (provides && (!orders || seen.broker || self.is_named(&place_of(key, seen.object()))));
        if is_copy && !self.orders.contains_key(&uid) {
            self.apply_to_copy(seen);
        } else if orders {
            self.apply_to_order(seen);
        }
    }

    /// Whether any Assignment names this place.
    pub(super) fn is_named(&self, place: &Place) -> bool {
        self.naming.get(place).is_some_and(|names| !names.is_empty())
    }

    /// The Assignments that name this place.
    pub(super) fn naming(&self, place: &Place) -> impl Iterator<Item = &Record> {
        self.naming.get(place).into_iter().flatten().filter_map(|name| self.records.get(name))
    }

    /// The copy that is at a place now.
    pub(super) fn copy_at(&self, place: &Place) -> Option<&Copy> {
        let object = self.objects.get(self.places.get(place)?)?;
        self.copies.get(reading::uid(object))
    }

    /// The copy that this order's Assignment points to, if it is known, there or gone.
    pub(super) fn pointed(&self, order: &Order) -> Option<&Copy> {
        let pointer = order.pointer.as_ref()?;
        match &pointer.uid {
            Some(uid) => self.copies.get(uid),
            None => self.copy_at(&pointer.place),
        }
    }

    /// The copies of an order that exist.
    pub(super) fn copies_of<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = &'a Copy> {
        order.copies.iter().filter_map(|uid| self.copies.get(uid)).filter(|copy| copy.exists)
    }

    /// The Assignments of an order that exist.
    pub(super) fn records_of<'a>(&'a self, order: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records.values().filter(move |record| record.order == order)
    }

    /// Whether a move of this order is under way.
    pub(super) fn is_moving(&self, order: &str) -> bool {
        self.moves.values().any(|found| found.order.as_deref() == Some(order) && !found.has_ended())
    }

    /// Whether the broker cannot reach a cluster any more, because it is leaving.
    pub(super) fn is_gone(&self, cluster: &str) -> bool {
        self.gone.contains(cluster)
    }

    /// Notices bindings and workspaces that come and go.
    fn note_departure(&mut self, setting: &Setting, seen: Seen<'_>) {
        let (key, object) = (seen.key(), seen.object());
        let leaves = seen.is_gone() || reading::is_terminating(object);
        let cluster = if key.is("apis.kcp.io", "apibindings") {
            let export = reading::text(object, "/spec/reference/export/name");
            let brokered = |api: &super::Brokered| {
                [export, &key.name].contains(&format!("{}.{}", api.resource, api.group).as_str())
            };
            if !setting.apis.iter().any(brokered) {
                return;
            }
            key.cluster.clone()
        } else if key.is("core.kcp.io", "logicalclusters") {
            key.cluster.clone()
        } else if key.is("tenancy.kcp.io", "workspaces") {
            reading::text(object, "/spec/cluster").to_owned()
        } else {
            return;
        };
        if leaves {
            self.gone.insert(cluster);
        } else if key.group == "apis.kcp.io" {
            self.gone.remove(&cluster);
        }
    }
}

/// Whether objects of this resource are handed over.
pub(super) fn is_related(key: &ObjectKey) -> bool {
    key.is("", "secrets") || key.is("", "configmaps")
}

/// Where an object is, in the terms of an Assignment.
pub(super) fn place_of(key: &ObjectKey, object: &Value) -> Place {
    Place {
        cluster: key.cluster.clone(),
        group: key.group.clone(),
        kind: reading::text(object, "/kind").to_owned(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    }
}
