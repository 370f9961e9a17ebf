//! Where a write is judged: what every check gets, and how it says what is broken.

use std::time::Duration;

use super::Broken;
use super::invariant::Invariant;
use super::setting::{Brokered, Setting};
use super::world::{Order, Seen, Terms, World};

/// One write before the judges.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) setting: &'a Setting,
    pub(super) world: &'a World,
    pub(super) seen: Seen<'a>,
    pub(super) found: &'a mut Vec<Broken>,
}

impl Bench<'_> {
    pub(super) fn broken(&mut self, invariant: Invariant, what: String) {
        self.found.push(Broken { invariant: invariant.id, at: self.seen.at, what });
    }

    /// Whether the object is where copies are, and no order.
    pub(super) fn is_copy(&self) -> bool {
        let key = self.seen.key();
        let uid = super::reading::uid(self.seen.object());
        self.setting.providers.contains_key(&key.cluster)
            && self.setting.has_copies_of(&key.group, &key.resource)
            && !self.world.orders.contains_key(uid)
    }

    /// The order that was written, as it was known before, or is now.
    pub(super) fn order(&self) -> Option<&Order> {
        self.world.orders.get(super::reading::uid(self.seen.object()))
    }

    pub(super) fn api(&self, order: &Order) -> Option<&Brokered> {
        self.setting.api(&order.key.group, &order.key.resource)
    }

    pub(super) fn terms(&self, order: &Order) -> Option<Terms> {
        self.api(order).map(|api| self.world.terms(api))
    }

    /// Whether something that was so until `until` still excuses a write.
    pub(super) fn is_recent(&self, until: Duration) -> bool {
        self.seen.at.saturating_sub(until) <= self.setting.lag
    }

    /// Whether the order is paused, for long enough to be known.
    pub(super) fn is_paused(&self, order: &Order) -> bool {
        order.paused.is_some_and(|since| !self.is_recent(since))
    }
}
