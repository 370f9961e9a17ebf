//! One offer as the index keeps it: where its fields are read, and what it is ranked by.

use std::sync::Arc;

use super::fields::{Fields, Place};
use super::search::Question;
use crate::matching::Listing;
use crate::offer::{Criterion, Filter, Offer, Reading};
use crate::selection::Standing;

/// An offer that can be chosen by whoever passes its filters.
#[derive(Debug)]
pub(super) struct Entry {
    listing: Arc<Listing>,
    offer: Arc<Offer>,
    /// Index of each filter and the place of its field; those with an expression last, as they cost most.
    checks: Box<[(u32, Option<Place>)]>,
    /// The length of the longest prefix or suffix.
    specificity: u32,
    /// Whether every order that passes matches as specifically as can be.
    exact: bool,
}

impl Entry {
    /// An offer; `None` where it cannot be chosen, whatever the order.
    pub(super) fn new(listing: &Arc<Listing>, fields: &Fields) -> Option<Self> {
        let offer = listing.offer().filter(|_| is_open(listing))?.clone();
        let (mut specificity, mut exact, mut costly) = (0, true, false);
        let mut checks: Vec<(u32, Option<Place>)> = Vec::with_capacity(offer.filters().len());
        for (index, filter) in (0..).zip(offer.filters()) {
            let length = filter.greatest_specificity();
            specificity = length.max(specificity);
            exact &= length == 0 || !filter.is_optional();
            costly |= is_costly(filter);
            checks.push((index, filter.key().and_then(|path| fields.find(path))));
        }
        if costly {
            checks.sort_by_key(|(index, _)| filter(&offer, *index).is_some_and(is_costly));
        }
        Some(Self { listing: listing.clone(), checks: checks.into(), specificity, exact, offer })
    }

    pub(super) fn is_of(&self, listing: &Arc<Listing>) -> bool {
        Arc::ptr_eq(&self.listing, listing)
    }

    pub(super) fn offer(&self) -> &Arc<Offer> {
        &self.offer
    }

    /// What it is ranked by where it matches as specifically as can be.
    pub(super) fn standing(&self) -> Standing {
        let priority = self.listing.terms().map(|terms| terms.priority).unwrap_or_default();
        Standing { priority, specificity: self.specificity, cost: self.offer.cost() }
    }

    pub(super) fn weight(&self) -> u32 {
        self.listing.terms().map(|terms| terms.weight).unwrap_or_default()
    }

    /// Whether every order that passes has exactly this [`standing`](Self::standing).
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// How specifically the offer matches; `None` where it does not, or is not to be chosen now.
    pub(super) fn check(&self, question: &Question<'_>) -> Option<u32> {
        let order = question.order;
        let full = self.offer.capacity().is_some_and(|capacity| self.listing.assigned() >= capacity);
        if full || (!order.excluded.is_empty() && order.excluded.contains(self.offer.id())) {
            return None;
        }
        let mut specificity = if self.exact { self.specificity } else { 0 };
        for (index, place) in &self.checks {
            let filter = filter(&self.offer, *index)?;
            let alone;
            let field = match (place, filter.key()) {
                (Some(place), _) => question.readings.get(usize::from(*place))?,
                (None, None) => {
                    alone = Reading::default();
                    &alone
                }
                // A field for which there was no place any more.
                (None, Some(path)) => {
                    alone = Reading::at(path, order.object);
                    &alone
                }
            };
            if self.exact {
                filter.passes(field, &question.view).then_some(())?;
            } else {
                specificity = filter.matches_reading(field, &question.view)?.max(specificity);
            }
        }
        Some(specificity)
    }
}

/// Whether nothing speaks against an offer but what depends on the order, and how full it is.
pub(super) fn is_open(listing: &Listing) -> bool {
    listing.availability().unavailable.is_none() && listing.terms().is_some()
}

/// Whether a filter is dear to check.
fn is_costly(filter: &Filter) -> bool {
    filter.criteria().iter().any(|criterion| matches!(criterion, Criterion::Expression(_)))
}

fn filter(offer: &Offer, index: u32) -> Option<&Filter> {
    offer.filters().get(usize::try_from(index).ok()?)
}
