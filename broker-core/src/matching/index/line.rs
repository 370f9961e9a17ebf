//! The order in which all postings have their offers, found once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::matching::Listing;
use crate::matching::rank::Class;
use crate::selection::rendezvous::OfferSeed;

/// Offers on their way into the order in which all postings have them: sorted once, and never for each posting.
#[derive(Default)]
pub(super) struct Line<'l> {
    /// Offers by their class, as numbered here, and by their seed.
    offers: Vec<(u32, OfferSeed, &'l Arc<Listing>)>,
    classes: BTreeMap<Class, u32>,
}

impl<'l> Line<'l> {
    /// One more offer.
    pub(super) fn add(&mut self, listing: &'l Arc<Listing>) {
        let rank = listing.rank();
        let class = self.number(rank.class());
        self.offers.push((class, rank.seed, listing));
    }

    /// Those of another line, after these.
    pub(super) fn join(&mut self, other: Self) {
        let mut numbers = vec![0; other.classes.len()];
        for (class, number) in other.classes {
            if let Some(place) = usize::try_from(number).ok().and_then(|number| numbers.get_mut(number)) {
                *place = self.number(class);
            }
        }
        let number = |class: u32| usize::try_from(class).ok().and_then(|class| numbers.get(class).copied());
        self.offers.extend(
            other
                .offers
                .into_iter()
                .map(|(class, seed, listing)| (number(class).unwrap_or(class), seed, listing)),
        );
    }

    fn number(&mut self, class: Class) -> u32 {
        let new = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        *self.classes.entry(class).or_insert(new)
    }

    /// The offers in order, and at which place each is that was added.
    pub(super) fn up(&self) -> (Vec<&'l Arc<Listing>>, Vec<u32>) {
        let mut order = vec![0; self.classes.len()];
        for (at, class) in (0_u32..).zip(self.classes.values()) {
            if let Some(place) = usize::try_from(*class).ok().and_then(|class| order.get_mut(class)) {
                *place = at;
            }
        }
        let order = |class: u32| usize::try_from(class).ok().and_then(|class| order.get(class)).copied();
        let mut sorted: Vec<u128> = (0_u32..)
            .zip(&self.offers)
            .map(|(number, (class, seed, _))| {
                let class = u128::from(order(*class).unwrap_or_default());
                (class << 96) | (u128::from(seed.get()) << 32) | u128::from(number)
            })
            .collect();
        sorted.sort_unstable();
        let mut places = vec![0; sorted.len()];
        let mut listings = Vec::with_capacity(sorted.len());
        for (at, key) in (0_u32..).zip(&sorted) {
            let Ok(number) = usize::try_from(key & u128::from(u32::MAX)) else { continue };
            if let (Some((_, _, listing)), Some(place)) = (self.offers.get(number), places.get_mut(number)) {
                listings.push(*listing);
                *place = at;
            }
        }
        (listings, places)
    }
}
