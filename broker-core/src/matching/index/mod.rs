//! The compiled index over offers: the same answers as the plain scan, at a cost that hardly grows with their number.
//!
//! Every offer that can be chosen at all is filed under the rarest thing that its orders must have: a text at a field,
//! the end or the beginning of one, or two of them together. An order is read once, looks where its own texts lead,
//! and has the few offers that it finds there checked, best first, as few of them as the choice needs: see [`search`].
//! Whoever asks about an order again brings along what was read of it ([`ReadOrder`](crate::offer::ReadOrder)).
//!
//! An [`IndexMatcher`] is immutable. [`IndexMatcher::updated`] makes the next one, which shares all but what changed;
//! readers of the old one never notice. Invariants, held by properties: equal to the scan on whatever offers and orders,
//! and an index that was updated answers as one that was built anew.
//!
//! Not for reasons: what speaks against each offer is asked of the scan.

mod build;
mod chunk;
mod fields;
mod forms;
mod home;
mod line;
mod posting;
mod question;
mod search;
mod shelf;
mod table;
mod term;

use std::fmt;
use std::sync::Arc;

use self::shelf::Shelf;
use super::scan::{choose_by_scan, choose_held, choose_of, route_facts, verdict_on};
use super::{Listing, Matcher, OfferSet, OrderFacts, Refusal, Routing, Verdict};
use crate::offer::OfferId;
use crate::offer::hashing::same;
use crate::offer::read::Digest;
use crate::resource::{ClusterName, Gvr};
use crate::selection::{Choice, Chosen};

/// Where more than one of this many offers changed, building costs less than updating.
const REBUILT: usize = 16;
/// Asking so many offers costs less than reading an order.
const FEW: usize = 3;

/// A [`Matcher`] over a compiled index.
#[derive(Clone, Default)]
pub struct IndexMatcher {
    offers: Arc<OfferSet>,
    shelves: Shelves,
}

/// The shelves by API: there are few, and comparing names in place is quicker than a tree.
#[derive(Clone, Default)]
struct Shelves(Vec<(Gvr, Shelf)>);

impl Shelves {
    #[inline]
    fn get(&self, api: &Gvr) -> Option<&Shelf> {
        let is_it = |(other, _): &&(Gvr, Shelf)| {
            same(other.resource.as_bytes(), api.resource.as_bytes())
                && same(other.group.as_bytes(), api.group.as_bytes())
                && same(other.version.as_bytes(), api.version.as_bytes())
        };
        self.0.iter().find(is_it).map(|(_, shelf)| shelf)
    }

    /// The shelf of an API, a new one if need be.
    fn of(&mut self, api: &Gvr) -> Option<&mut Shelf> {
        let known = self.0.iter().position(|(other, _)| other == api);
        let at = known.unwrap_or_else(|| {
            self.0.push((api.clone(), Shelf::default()));
            self.0.len() - 1
        });
        self.0.get_mut(at).map(|(_, shelf)| shelf)
    }
}

impl IndexMatcher {
    /// A matcher on this snapshot, built from nothing.
    pub fn new(offers: Arc<OfferSet>) -> Self {
        // Offers of one API name the same one.
        let mut by_api: Vec<(&Arc<Gvr>, Vec<&Arc<Listing>>)> = Vec::new();
        for listing in offers.listings() {
            let Some(api) = listing.open_to() else { continue };
            match by_api.iter_mut().find(|(other, _)| Arc::ptr_eq(other, api) || *other == api) {
                Some((_, these)) => these.push(listing),
                None => by_api.push((api, vec![listing])),
            }
        }
        let shelves = by_api.into_iter().map(|(api, these)| (api.as_ref().clone(), Shelf::of(&these)));
        Self { shelves: Shelves(shelves.collect()), offers }
    }

    /// The matcher on the next snapshot, in which no other offers than these have changed.
    #[must_use]
    pub fn updated<'c>(&self, offers: Arc<OfferSet>, changed: impl IntoIterator<Item = &'c OfferId>) -> Self {
        let mut shelves = self.shelves.clone();
        for id in changed {
            let (old, new) = (self.offers.get(id), offers.get(id));
            if let (Some(old), Some(new)) = (old, new)
                && Arc::ptr_eq(old, new)
            {
                continue;
            }
            if let Some(listing) = old
                && let Some(api) = listing.open_to()
                && let Some(place) = shelves.of(api)
            {
                place.remove(listing);
            }
            if let Some(listing) = new
                && let Some(api) = listing.open_to()
                && let Some(place) = shelves.of(api)
            {
                place.insert(listing);
            }
        }
        Self { offers, shelves }
    }

    /// The matcher on any other snapshot: what changed is found by comparing, and where that is much, all is built anew.
    #[must_use]
    pub fn on(&self, offers: Arc<OfferSet>) -> Self {
        let changed = offers.changes_since(&self.offers);
        if changed.len() > offers.len() / REBUILT {
            return Self::new(offers);
        }
        self.updated(offers, &changed)
    }

    /// The snapshot.
    pub fn offers(&self) -> &Arc<OfferSet> {
        &self.offers
    }
}

impl Matcher for IndexMatcher {
    fn match_order(&self, order: &OrderFacts<'_>) -> Routing {
        route_facts(&self.offers, order)
    }

    fn choose_offer(&self, order: &OrderFacts<'_>) -> Choice {
        let read = order.reading.and_then(|reading| reading.digest_of(order.object));
        if read.is_none() && self.offers.len() <= FEW {
            return choose_by_scan(&self.offers, order);
        }
        if order.current.is_some()
            && let Some(kept) = choose_held(&self.offers, order)
        {
            return kept;
        }
        let Some(these) = self.shelves.get(order.api) else { return Choice::None };
        match read {
            Some(digest) => these.choose(order, digest),
            None => these.choose(order, &Digest::of(order.object)),
        }
    }

    fn listing(&self, offer: &OfferId) -> Option<&Arc<Listing>> {
        self.offers.get(offer)
    }

    fn choose_within(
        &self,
        order: &OrderFacts<'_>,
        provider: &ClusterName,
    ) -> Result<Chosen, Vec<(OfferId, Refusal)>> {
        choose_of(&self.offers, order, provider)
    }

    fn judge_offer(&self, order: &OrderFacts<'_>, offer: &OfferId) -> Verdict {
        verdict_on(&self.offers, order, offer)
    }
}

impl fmt::Debug for IndexMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexMatcher").field("offers", &self.offers.len()).finish_non_exhaustive()
    }
}
