//! Places that are taken before anybody can see it: between a decision and the record of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::offer::OfferId;

/// Whether an order may take one of the places of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It may: it has one already, or one is kept for it now.
    Granted,
    /// All are taken, or kept for others.
    Full,
}

/// The places that are kept for orders whose records nobody can see yet.
///
/// Two orders that are decided about at once see the same places free. The one that reserves first gets the last one; the
/// other is told before anything is written, and decides again. In one process only: two brokers that both believe to
/// lead may fill one place twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reservations {
    kept: BTreeMap<OfferId, BTreeSet<String>>,
}

impl Reservations {
    /// Asks for one of the `capacity` places of an offer. `assigned` are the orders that records say it has; orders are
    /// named as their assignments are.
    pub fn reserve(
        &mut self,
        offer: &OfferId,
        order: &str,
        capacity: u64,
        assigned: &BTreeSet<String>,
    ) -> Reserved {
        let kept = self.kept.get(offer);
        if assigned.contains(order) || kept.is_some_and(|kept| kept.contains(order)) {
            return Reserved::Granted;
        }
        let unseen = kept.into_iter().flatten().filter(|order| !assigned.contains(*order)).count();
        let taken = u64::try_from(assigned.len() + unseen).unwrap_or(u64::MAX);
        if taken >= capacity {
            return Reserved::Full;
        }
        self.kept.entry(offer.clone()).or_default().insert(order.to_owned());
        Reserved::Granted
    }

    /// Gives back all that is kept for an order.
    pub fn release(&mut self, order: &str) {
        self.kept.retain(|_, orders| {
            orders.remove(order);
            !orders.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_last_place_is_given_once() {
        let offer = OfferId::new("p", "n", "o");
        let mut reservations = Reservations::default();
        let mut reserve =
            |order: &str, assigned: &[&str]| reservations.reserve(&offer, order, 2, &names(assigned));
        assert_eq!(reserve("b", &["a"]), Reserved::Granted);
        assert_eq!(reserve("c", &["a"]), Reserved::Full);
        // Whoever has a place is not told that all are taken, and whoever can be seen is not counted twice.
        assert_eq!(reserve("a", &["a"]), Reserved::Granted);
        assert_eq!(reserve("b", &["a"]), Reserved::Granted);
        assert_eq!(reserve("b", &["a", "b"]), Reserved::Granted);
        assert_eq!(reserve("c", &["b"]), Reserved::Granted);
    }

    #[test]
    fn a_place_that_is_given_back_is_free_and_other_offers_are_not_concerned() {
        let (one, two) = (OfferId::new("p", "n", "one"), OfferId::new("p", "n", "two"));
        let mut reservations = Reservations::default();
        assert_eq!(reservations.reserve(&one, "a", 1, &names(&[])), Reserved::Granted);
        assert_eq!(reservations.reserve(&two, "b", 1, &names(&[])), Reserved::Granted);
        assert_eq!(reservations.reserve(&one, "b", 1, &names(&[])), Reserved::Full);
        reservations.release("a");
        assert_eq!(reservations.reserve(&one, "b", 1, &names(&[])), Reserved::Granted);
        reservations.release("b");
        assert_eq!(reservations, Reservations::default());
        assert_eq!(reservations.reserve(&one, "c", 0, &names(&[])), Reserved::Full);
    }
}
