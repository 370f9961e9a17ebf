//! Copies, and what else is where copies may be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use broker_core::resource::marker;
use serde_json::Value;

use super::{Order, Seen, Uid, World, place_of};
use crate::simulation::history::ObjectKey;
use crate::simulation::oracle::reading::{self, Named, Place};

/// One object where copies may be. It is a copy once an Assignment names it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(in super::super) struct Copy {
    pub(in super::super) uid: Uid,
    pub(in super::super) key: ObjectKey,
    pub(in super::super) place: Place,
    /// As it is, or was at last.
    pub(in super::super) object: Arc<Value>,
    pub(in super::super) exists: bool,
    pub(in super::super) deleting: bool,
    /// Whether the broker made it.
    pub(in super::super) ours: bool,
    /// The order that it is, or was, named for.
    pub(in super::super) order: Option<Uid>,
    /// As it was named last.
    pub(in super::super) named: Option<Named>,
    /// Whether it is only named as a leftover.
    pub(in super::super) leftover: bool,
    /// Whether its consumer was ever handed anything of it.
    pub(in super::super) served: bool,
    /// Whether it is ready now.
    pub(in super::super) ready: bool,
    /// Since when it is ready, or not.
    pub(in super::super) ready_changed: Duration,
    /// Whether it was ever ready.
    pub(in super::super) ever_ready: bool,
    /// The statuses it showed, as they can be compared, and until when; the last one is still shown.
    statuses: Vec<(Value, Option<Duration>)>,
    /// The spec of each generation.
    specs: BTreeMap<i64, Value>,
    /// The specs it was ever ready for.
    pub(in super::super) ready_specs: Vec<Value>,
    /// What its Secrets and `ConfigMaps` ever held.
    pub(in super::super) contents: BTreeSet<String>,
}

impl Copy {
    fn new(seen: Seen<'_>) -> Self {
        let object = &seen.write.object;
        Self {
            uid: reading::uid(object).to_owned(),
            key: seen.key().clone(),
            place: place_of(seen.key(), object),
            object: Arc::clone(object),
            exists: true,
            deleting: false,
            ours: seen.broker,
            order: None,
            named: None,
            leftover: false,
            served: false,
            ready: false,
            ready_changed: seen.at,
            ever_ready: false,
            statuses: Vec::new(),
            specs: BTreeMap::new(),
            ready_specs: Vec::new(),
            contents: BTreeSet::new(),
        }
    }

    /// Whether it is there to stay.
    pub(in super::super) fn lives(&self) -> bool {
        self.exists && !self.deleting
    }

    /// Whether it outlives its order on purpose.
    pub(in super::super) fn is_retained(&self) -> bool {
        reading::annotation(&self.object, marker::RETAINED_ANNOTATION).is_some()
    }

    /// Whether it is of another kind than its order.
    pub(in super::super) fn is_translated(&self, order: &Order) -> bool {
        (&self.key.group, &self.key.resource) != (&order.key.group, &order.key.resource)
    }

    /// Whether it was ready at some instant not longer than `lag` ago.
    pub(in super::super) fn was_ready(&self, at: Duration, lag: Duration) -> bool {
        self.ready || (self.ever_ready && at.saturating_sub(self.ready_changed) <= lag)
    }

    /// Whether it ever showed this status.
    pub(in super::super) fn showed(&self, status: &Value) -> bool {
        self.statuses.iter().any(|(shown, _)| shown == status)
    }

    /// Whether it showed this status at `since` or later.
    pub(in super::super) fn showed_since(&self, status: &Value, since: Duration) -> bool {
        self.statuses.iter().any(|(shown, until)| shown == status && until.is_none_or(|until| until >= since))
    }

    fn observe(&mut self, seen: Seen<'_>) {
        let object = &seen.write.object;
        self.object = Arc::clone(object);
        self.exists = !seen.is_gone();
        self.deleting = seen.is_gone() || reading::is_terminating(object);
        self.specs.insert(reading::generation(object), reading::at(object, "/spec").clone());
        let status = reading::comparable_status(object);
        if self.statuses.last().is_none_or(|(shown, _)| *shown != status) {
            if let Some((_, until)) = self.statuses.last_mut() {
                *until = Some(seen.at);
            }
            self.statuses.push((status, None));
        }
        let ready = !seen.is_gone() && reading::is_ready(object);
        if ready != self.ready {
            (self.ready, self.ready_changed) = (ready, seen.at);
            self.ever_ready |= ready;
        }
        self.note_ready_spec(object);
    }

    /// Remembers the spec that a ready status is about; it may be an earlier one than the present.
    fn note_ready_spec(&mut self, object: &Value) {
        let about = match reading::says_ready(object) {
            Some(about) => about
                .generation()
                .or_else(|| reading::at(object, "/status/observedGeneration").as_i64())
                .unwrap_or_else(|| reading::generation(object)),
            None if self.ready => reading::generation(object),
            None => return,
        };
        if let Some(spec) = self.specs.get(&about)
            && !self.ready_specs.contains(spec)
        {
            self.ready_specs.push(spec.clone());
        }
    }
}

impl World {
    pub(super) fn apply_to_copy(&mut self, seen: Seen<'_>) {
        let uid = reading::uid(seen.object()).to_owned();
        let copy = self.copies.entry(uid.clone()).or_insert_with(|| Copy::new(seen));
        copy.observe(seen);
        let place = copy.place.clone();
        self.bind(&place, seen.at);
        self.note_handed(&uid);
        if let Some(order) = self.copies.get(&uid).and_then(|copy| copy.order.clone()) {
            self.note_hand_over(&order, seen.at);
        }
    }

    /// Joins what is at a place with the Assignments that name it.
    pub(super) fn bind(&mut self, place: &Place, at: Duration) {
        let Some(key) = self.places.get(place) else { return };
        let Some(object) = self.objects.get(key).cloned() else { return };
        let uid = reading::uid(&object).to_owned();
        let names = self.naming.get(place).cloned().unwrap_or_default();
        for name in names {
            let Some(record) = self.records.get(&name) else { continue };
            let leftover = record.leftovers.iter().find(|left| left.place == *place);
            let Some(found) = record.copies.iter().find(|found| found.place == *place).or(leftover) else {
                continue;
            };
            if found.uid.as_ref().is_some_and(|known| *known != uid) {
                continue;
            }
            let (found, order, leftover) = (found.clone(), record.order.clone(), leftover.is_some());
            let Some(copy) = self.copies.get_mut(&uid) else { continue };
            copy.named = Some(found);
            copy.leftover = leftover;
            if copy.order.is_none() {
                copy.order = Some(order.clone());
            }
            if let Some(order) = self.orders.get_mut(&order) {
                order.copies.insert(uid.clone());
                if order.pointer.as_ref().is_some_and(|pointer| pointer.place == *place) {
                    order.pointed.entry(uid.clone()).or_insert(at);
                }
            }
        }
    }
}
