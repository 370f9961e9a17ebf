//! One order, as the offers of one shelf are held against it.

use std::cell::OnceCell;

use super::fields::{Fields, Found, Terms};
use crate::matching::{Listing, OrderFacts};
use crate::offer::read::Digest;
use crate::offer::sieve::{Answer, Check};
use crate::offer::{Offer, OrderView};
use crate::selection::rendezvous::OrderSeed;

/// Filters of one offer that were asked already, as bits. An offer has no more than so many.
type Asked = [u64; crate::offer::limits::MAX_FILTERS / 64];

/// One order.
pub(super) struct Question<'q> {
    order: &'q OrderFacts<'q>,
    digest: &'q Digest,
    fields: &'q Fields,
    found: Found<'q>,
    /// For the filters themselves.
    view: OrderView<'q>,
    /// Asked for only where lots are drawn.
    seed: OnceCell<OrderSeed>,
}

impl<'q> Question<'q> {
    pub(super) fn new(order: &'q OrderFacts<'q>, digest: &'q Digest, fields: &'q Fields) -> Self {
        let (found, view) = (fields.find(digest), OrderView::new(order.object));
        Self { order, digest, fields, found, view, seed: OnceCell::new() }
    }

    /// The terms under which the order is looked up.
    pub(super) fn terms(&self) -> Terms {
        self.fields.terms(self.digest, &self.found)
    }

    pub(super) fn seed(&self) -> OrderSeed {
        *self.seed.get_or_init(|| OrderSeed::of(self.order.identity))
    }

    /// How specifically an offer matches; `None` where it does not, or is not to be chosen now.
    pub(super) fn check(&self, listing: &Listing) -> Option<u32> {
        let offer = listing.offer()?;
        if !self.order.excluded.is_empty() && self.order.excluded.contains(listing.id()) {
            return None;
        }
        let sieve = offer.sieve();
        let mut asked: Option<Asked> = None;
        for check in sieve.checks() {
            let answer = match self.fields.place_of(check) {
                Some(place) => match self.found.get(place)? {
                    Some(field) => self.digest.test(field, &check.test, sieve),
                    // It may be out of reach rather than missing.
                    None if check.is_optional => Answer::Unsure,
                    None => Answer::No,
                },
                None => Answer::Unsure,
            };
            match answer {
                Answer::Yes => {}
                Answer::No => return None,
                Answer::Unsure => self.ask(offer, check, asked.get_or_insert_default()).then_some(())?,
            }
        }
        if sieve.is_exact() { Some(sieve.specificity()) } else { offer.matches(&self.view) }
    }

    /// What the filter itself says, if it was not asked before.
    #[cold]
    fn ask(&self, offer: &Offer, check: &Check, asked: &mut Asked) -> bool {
        let index = usize::from(check.filter);
        if let Some(bits) = asked.get_mut(index / 64) {
            if *bits & (1 << (index % 64)) != 0 {
                return true;
            }
            *bits |= 1 << (index % 64);
        }
        offer.filters().get(index).is_some_and(|filter| filter.matches(&self.view).is_some())
    }
}
