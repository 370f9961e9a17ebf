//! The plain evaluator: every offer is asked. Slow beyond some hundred offers, and easy to believe.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::explain::explain;
use super::refusal::{Reason, Refusal, consumer_message};
use super::{Listing, Matcher, OfferSet, OrderFacts, Routing, Verdict};
use crate::offer::{OfferId, OrderView, UnavailableReason};
use crate::resource::{Gvr, Object};
use crate::selection::{Contender, Ranking};

/// A [`Matcher`] that asks every offer of its snapshot.
#[derive(Clone, Debug)]
pub struct ScanMatcher {
    offers: Arc<OfferSet>,
}

impl ScanMatcher {
    /// A matcher on this snapshot.
    pub fn new(offers: Arc<OfferSet>) -> Self {
        Self { offers }
    }
}

impl Matcher for ScanMatcher {
    fn match_order(&self, order: &OrderFacts<'_>) -> Routing {
        route_facts(&self.offers, order)
    }
}

/// Decides which offer serves an order: what every [`Matcher`] answers.
///
/// `identity` must be the order's own, for ever: it decides between equal offers. `current` is the offer the order is
/// assigned to; `excluded` are not chosen, however well they fit, though the verdict on `current` does not count it.
pub fn route(
    offers: &OfferSet,
    order: &Object,
    api: &Gvr,
    identity: &str,
    current: Option<&OfferId>,
    excluded: &BTreeSet<OfferId>,
) -> Routing {
    route_facts(offers, &OrderFacts { object: order, api, identity, current, excluded })
}

fn route_facts(offers: &OfferSet, order: &OrderFacts<'_>) -> Routing {
    let view = OrderView::new(order.object);
    let mut contenders = Vec::new();
    let mut refused = Vec::new();
    for listing in offers.listings() {
        let held = order.current == Some(listing.id());
        match judge(listing, order, &view, held) {
            Verdict::Matches { specificity } => contenders.extend(contender(listing, specificity)),
            Verdict::Refused(refusal) => refused.push((listing, refusal)),
        }
    }
    let consumer_message = if contenders.is_empty() {
        consumer_message(refused.iter().map(|(_, refusal)| refusal))
    } else {
        String::new()
    };
    let ranking = Ranking::new(contenders, order.identity);
    let choice = ranking.choose(order.current);
    let current = order.current.map(|id| (id.clone(), judge_current(offers, id, order, &view)));
    let explanation = explain(offers, &ranking, refused, &choice);
    Routing { current, choice, explanation, consumer_message }
}

fn contender(listing: &Listing, specificity: u32) -> Option<Contender> {
    let (offer, terms) = (listing.offer()?, listing.terms()?);
    Some(Contender {
        id: listing.id().clone(),
        copy_namespace: offer.copy_namespace().to_owned(),
        priority: terms.priority,
        specificity,
        cost: offer.cost(),
        weight: terms.weight,
    })
}

/// The verdict on the offer an order is assigned to, as one that already serves it.
fn judge_current(offers: &OfferSet, id: &OfferId, order: &OrderFacts<'_>, view: &OrderView<'_>) -> Verdict {
    match offers.get(id) {
        Some(listing) => {
            let nothing = BTreeSet::new();
            judge(listing, &OrderFacts { excluded: &nothing, ..*order }, view, true)
        }
        None => Verdict::Refused(Refusal::of(Reason::Withdrawn)),
    }
}

/// Everything that speaks against one offer. `held`: the order is already served by it.
fn judge(listing: &Listing, order: &OrderFacts<'_>, view: &OrderView<'_>, held: bool) -> Verdict {
    let available_for_other = listing.availability().api.as_ref().is_some_and(|api| api != order.api);
    if available_for_other || !listing.api().matches(order.api) {
        let offered = listing.api().to_string();
        return Verdict::Refused(Refusal::of(Reason::OtherApi { offered }));
    }
    let mut reasons = Vec::new();
    if order.excluded.contains(listing.id()) {
        reasons.push(Reason::Excluded);
    }
    reasons.extend(unavailable(listing, held));
    let Some(offer) = listing.offer() else {
        return Verdict::Refused(Refusal::new(reasons).unwrap_or_else(|| Refusal::of(invalid(listing))));
    };
    if let Some(capacity) = offer.capacity().filter(|capacity| listing.assigned() >= *capacity && !held) {
        reasons.push(Reason::Full { capacity, assigned: listing.assigned() });
    }
    let specificity = offer.matches(view);
    if specificity.is_none() {
        reasons.extend(offer.misses(view).into_iter().map(Reason::Filter));
    }
    match (Refusal::new(reasons), specificity) {
        (None, Some(specificity)) => Verdict::Matches { specificity },
        (Some(refusal), _) => Verdict::Refused(refusal),
        // Closed, should matching and explaining ever disagree.
        (None, None) => Verdict::Refused(Refusal::of(invalid(listing))),
    }
}

fn invalid(listing: &Listing) -> Reason {
    let message = listing.availability().message.clone();
    Reason::NotAvailable { reason: UnavailableReason::InvalidFilter, message }
}

fn unavailable(listing: &Listing, held: bool) -> Option<Reason> {
    let availability = listing.availability();
    Some(match availability.unavailable? {
        UnavailableReason::Cordoned if held => return None,
        UnavailableReason::Cordoned => Reason::Cordoned,
        UnavailableReason::Draining => Reason::Draining,
        UnavailableReason::NotAllowed => Reason::NotAllowed,
        reason @ (UnavailableReason::InvalidFilter
        | UnavailableReason::AmbiguousApi
        | UnavailableReason::ApiNotServed
        | UnavailableReason::ProviderNotReady
        | UnavailableReason::ProviderUnreachable) => {
            Reason::NotAvailable { reason, message: availability.message.clone() }
        }
    })
}
