//! One order, as offers are held against it.

use std::cell::OnceCell;

use crate::matching::{Listing, OrderFacts};
use crate::offer::read::{Digest, NotWritten};
use crate::offer::sieve::{Answer, Check, Sieve};
use crate::offer::{Offer, OrderView};
use crate::selection::rendezvous::OrderSeed;

/// Filters of one offer that were asked already, as bits. An offer has no more than so many.
type Asked = [u64; crate::offer::limits::MAX_FILTERS / 64];

/// One order.
pub(super) struct Question<'q> {
    order: &'q OrderFacts<'q>,
    digest: &'q Digest,
    seed: OrderSeed,
    /// Asked for only by filters themselves.
    view: OnceCell<OrderView<'q>>,
}

impl<'q> Question<'q> {
    pub(super) fn new(order: &'q OrderFacts<'q>, digest: &'q Digest) -> Self {
        Self { order, digest, seed: OrderSeed::of(order.identity), view: OnceCell::new() }
    }

    #[inline]
    pub(super) fn seed(&self) -> OrderSeed {
        self.seed
    }

    fn view(&self) -> &OrderView<'q> {
        self.view.get_or_init(|| OrderView::new(self.order.object))
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
            match self.answer(sieve, check) {
                Answer::Yes => {}
                Answer::No => return None,
                Answer::Unsure => self.ask(offer, check, asked.get_or_insert_default()).then_some(())?,
            }
        }
        if sieve.is_exact() { Some(sieve.specificity()) } else { offer.matches(self.view()) }
    }

    #[inline]
    fn answer(&self, sieve: &Sieve, check: &Check) -> Answer {
        match self.digest.find(check.path, sieve.path(check)) {
            Ok(Some(field)) => self.digest.test(field, &check.test, sieve),
            // It may be out of reach rather than missing.
            Ok(None) if check.is_optional || !check.has_path => Answer::Unsure,
            Ok(None) => Answer::No,
            Err(NotWritten) => Answer::Unsure,
        }
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
        offer.filters().get(index).is_some_and(|filter| filter.matches(self.view()).is_some())
    }
}
