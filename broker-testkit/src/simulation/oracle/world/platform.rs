//! The broker's own records, and the platform's word.

use std::time::Duration;

use broker_core::resource::marker;
use broker_kcp::api::v1alpha1::{GoDuration, Moves};
use serde_json::Value;

use super::{Seen, Uid, World};
use crate::simulation::history::ChangeKind;
use crate::simulation::oracle::reading::{self, Named, Place};
use crate::simulation::oracle::setting::Brokered;

/// One Assignment.
#[derive(Debug, Clone)]
pub(in super::super) struct Record {
    pub(in super::super) name: String,
    pub(in super::super) order: Uid,
    pub(in super::super) copies: Vec<Named>,
    pub(in super::super) leftovers: Vec<Named>,
    pub(in super::super) pointer: Option<Named>,
}

impl Record {
    pub(in super::super) fn read(assignment: &Value) -> Self {
        let copies = |pointer| reading::list(assignment, pointer).iter().filter_map(Named::read).collect();
        Self {
            name: reading::text(assignment, "/metadata/name").to_owned(),
            order: reading::text(assignment, "/spec/order/uid").to_owned(),
            copies: copies("/spec/copies"),
            leftovers: copies("/spec/leftovers"),
            pointer: Named::read(reading::at(assignment, "/spec/pointer")),
        }
    }

    /// Everything it names; a pointer alone names nothing.
    pub(in super::super) fn named(&self) -> impl Iterator<Item = &Named> {
        self.copies.iter().chain(&self.leftovers)
    }

    pub(in super::super) fn names(&self, place: &Place) -> bool {
        self.named().any(|named| named.place == *place)
    }
}

/// One Migration.
#[derive(Debug)]
pub(in super::super) struct Move {
    pub(in super::super) order: Option<Uid>,
    pub(in super::super) state: String,
    /// Whether it is recorded that there is no way back.
    pub(in super::super) no_return: bool,
}

impl Move {
    pub(in super::super) fn has_ended(&self) -> bool {
        ["Completed", "Failed", "RolledBack", "Cancelled"].contains(&self.state.as_str())
    }
}

/// What holds for one API.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Terms {
    pub(in super::super) moves: Moves,
    pub(in super::super) grace: Duration,
}

impl World {
    /// What holds for an order now: the platform's word, else what the oracle was told.
    pub(in super::super) fn terms(&self, api: &Brokered) -> Terms {
        let told = Terms { moves: api.moves, grace: api.grace };
        self.terms.get(&(api.group.clone(), api.resource.clone())).copied().unwrap_or(told)
    }

    pub(super) fn apply_to_platform(&mut self, seen: Seen<'_>) {
        match seen.key().resource.as_str() {
            "assignments" => self.apply_to_assignment(seen),
            "migrations" => self.apply_to_migration(seen),
            "migrationconfigurations" => self.has_playbook = true,
            "brokeredapis" if !seen.is_gone() => self.apply_to_brokered_api(seen.object(), &seen.key().name),
            _ => {}
        }
    }

    fn apply_to_brokered_api(&mut self, object: &Value, name: &str) {
        let Some((resource, group)) = name.split_once('.') else { return };
        let moves =
            if reading::text(object, "/spec/moves") == "Free" { Moves::Free } else { Moves::PlaybookOnly };
        let Ok(grace) = GoDuration::new(reading::text(object, "/spec/gracePeriod")).parse() else { return };
        self.terms.insert((group.to_owned(), resource.to_owned()), Terms { moves, grace });
    }

    fn apply_to_migration(&mut self, seen: Seen<'_>) {
        let (name, object) = (&seen.key().name, seen.object());
        if seen.is_gone() {
            self.moves.remove(name);
            return;
        }
        let record = reading::label(object, marker::ORDER_LABEL);
        let order =
            Some(reading::text(object, "/spec/order/uid")).filter(|uid| !uid.is_empty()).map(str::to_owned);
        let order = order.or_else(|| self.order_of_record.get(record?).cloned());
        self.has_playbook |= seen.write.kind == ChangeKind::Added && !seen.broker;
        let state = reading::text(object, "/status/state").to_owned();
        let no_return = !reading::at(object, "/status/receipt/pointOfNoReturnAt").is_null();
        self.moves.insert(name.clone(), Move { order, state, no_return });
    }

    fn apply_to_assignment(&mut self, seen: Seen<'_>) {
        let name = seen.key().name.clone();
        let former = self.records.remove(&name);
        for place in former.iter().flat_map(Record::named).map(|named| &named.place) {
            if let Some(names) = self.naming.get_mut(place) {
                names.remove(&name);
            }
        }
        let record = Record::read(seen.object());
        let uid = record.order.clone();
        if !seen.broker && (seen.is_gone() || seen.changed("/spec")) {
            self.orders.entry(uid.clone()).and_modify(|order| order.lost = true);
        }
        if seen.is_gone() {
            return;
        }
        self.order_of_record.insert(name.clone(), uid.clone());
        let places: Vec<Place> = record.named().map(|named| named.place.clone()).collect();
        for place in &places {
            self.naming.entry(place.clone()).or_default().insert(name.clone());
        }
        let pointer = record.pointer.clone();
        self.records.insert(name, record);
        for place in &places {
            self.bind(place, seen.at);
        }
        self.point(&uid, pointer, seen);
        self.note_hand_over(&uid, seen.at);
    }

    fn point(&mut self, uid: &str, pointer: Option<Named>, seen: Seen<'_>) {
        let Some(order) = self.orders.get_mut(uid) else { return };
        let moved = match (&order.pointer, &pointer) {
            (Some(old), Some(new)) => !old.is(new),
            (None, None) => false,
            (None, Some(_)) | (Some(_), None) => true,
        };
        order.pointer = pointer;
        if !moved {
            return;
        }
        order.handed = None;
        let Some(order) = self.orders.get(uid) else { return };
        let Some(copy) = self.pointed(order).map(|copy| copy.uid.clone()) else { return };
        if let Some(copy) = self.copies.get_mut(&copy) {
            copy.served |= copy.ready;
        }
        if let Some(order) = self.orders.get_mut(uid) {
            order.pointed.insert(copy, seen.at);
        }
    }
}
