//! Orders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use broker_core::resource::marker;
use serde_json::Value;

use super::{Seen, Uid, World};
use crate::simulation::history::ObjectKey;
use crate::simulation::oracle::reading::{self, Named};

/// One order.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(in super::super) struct Order {
    pub(in super::super) key: ObjectKey,
    pub(in super::super) uid: Uid,
    /// As it is, or was at last.
    pub(in super::super) object: Arc<Value>,
    pub(in super::super) exists: bool,
    /// The spec of each generation.
    pub(in super::super) specs: BTreeMap<i64, Value>,
    /// When it was last seen with the broker's finalizer; none if it never was.
    pub(in super::super) held: Option<Duration>,
    pub(in super::super) deleting: bool,
    /// Whether its copy is to outlive it.
    pub(in super::super) retain: bool,
    /// Since when nothing is to be changed for it.
    pub(in super::super) paused: Option<Duration>,
    /// Whether it was ever handed anything.
    pub(in super::super) served: bool,
    /// Whether somebody else than the broker took its Assignment away or changed it.
    pub(in super::super) lost: bool,
    /// What its Assignment points to.
    pub(in super::super) pointer: Option<Named>,
    /// Every copy it was ever pointed to, with the time of the last such move.
    pub(in super::super) pointed: BTreeMap<Uid, Duration>,
    /// Since when the consumer holds what the copy provides that is pointed to.
    pub(in super::super) handed: Option<Duration>,
    /// Every copy it ever had.
    pub(in super::super) copies: BTreeSet<Uid>,
    /// The Secrets and `ConfigMaps` made for it that exist.
    pub(in super::super) mirrors: BTreeSet<ObjectKey>,
    /// What the broker wrote last into each it ever made.
    pub(in super::super) mirrored: BTreeMap<ObjectKey, String>,
}

impl Order {
    fn new(key: ObjectKey, object: &Arc<Value>) -> Self {
        Self {
            key,
            uid: reading::uid(object).to_owned(),
            object: Arc::clone(object),
            exists: true,
            specs: BTreeMap::new(),
            held: None,
            deleting: false,
            retain: false,
            paused: None,
            served: false,
            lost: false,
            pointer: None,
            pointed: BTreeMap::new(),
            handed: None,
            copies: BTreeSet::new(),
            mirrors: BTreeSet::new(),
            mirrored: BTreeMap::new(),
        }
    }

    /// Whether it is there to stay.
    pub(in super::super) fn lives(&self) -> bool {
        self.exists && !self.deleting
    }
}

impl World {
    pub(super) fn apply_to_order(&mut self, seen: Seen<'_>) {
        let object = &seen.write.object;
        let uid = reading::uid(object).to_owned();
        let order = self.orders.entry(uid.clone()).or_insert_with(|| Order::new(seen.key().clone(), object));
        order.object = Arc::clone(object);
        order.exists = !seen.is_gone();
        let deleting = seen.is_gone() || reading::is_terminating(object);
        if deleting && !order.deleting {
            order.retain = reading::annotation(object, marker::DELETION_POLICY_ANNOTATION) == Some("Retain");
        }
        order.deleting = deleting;
        let paused = reading::annotation(object, marker::PAUSED_ANNOTATION) == Some("true");
        order.paused = if paused { order.paused.or(Some(seen.at)) } else { None };
        order.specs.insert(reading::generation(object), reading::at(object, "/spec").clone());
        if order.exists && reading::is_held(object) {
            order.held = Some(seen.at);
        } else if seen.before.is_some_and(reading::is_held) {
            // It was held until now.
            order.held = Some(seen.at);
        }
        self.note_hand_over(&uid, seen.at);
    }

    /// Notices the moment from which on the consumer holds everything of the copy that is pointed to.
    pub(in super::super) fn note_hand_over(&mut self, uid: &str, at: Duration) {
        let Some(order) = self.orders.get(uid) else { return };
        let Some(copy) = self.pointed(order).filter(|copy| copy.exists) else { return };
        if order.handed.is_some() || !self.holds_everything_of(order, copy) {
            return;
        }
        let copy = copy.uid.clone();
        if let Some(order) = self.orders.get_mut(uid) {
            order.handed = Some(at);
            order.served = true;
        }
        if let Some(copy) = self.copies.get_mut(&copy) {
            copy.served = true;
        }
    }

    fn holds_everything_of(&self, order: &Order, copy: &super::Copy) -> bool {
        let status = reading::comparable_status(&order.object);
        if status.is_null() || !(copy.is_translated(order) || copy.showed(&status)) {
            return false;
        }
        let told = reading::related(&order.object);
        let held = |key: &String| {
            let Some(related) = told.get(key) else { return false };
            let place = ObjectKey::new(
                &order.key.cluster,
                "",
                &related.resource(),
                &related.namespace,
                &related.name,
            );
            let content = self.objects.get(&place).and_then(|object| reading::content(object));
            content.is_some_and(|content| copy.contents.contains(&content))
        };
        let provided = reading::related(&copy.object);
        if copy.is_translated(order) { told.keys().all(held) } else { provided.keys().all(held) }
    }
}
