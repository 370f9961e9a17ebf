//! The plain evaluator: every offer is asked. Slow beyond some hundred offers, and easy to believe.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::explain::explain;
use super::refusal::{Reason, Refusal, consumer_message};
use super::{Listing, Matcher, OfferSet, OrderFacts, Routing, Verdict};
use crate::offer::{OfferId, OrderView, UnavailableReason};
use crate::resource::{ClusterName, Gvr, Object};
use crate::selection::{Choice, Chosen, Contender, Ranking, Standing, choose};

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

    fn choose_offer(&self, order: &OrderFacts<'_>) -> Choice {
        choose_by_scan(&self.offers, order)
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

/// The choice, every offer asked.
pub(super) fn choose_by_scan(offers: &OfferSet, order: &OrderFacts<'_>) -> Choice {
    let view = OrderView::new(order.object);
    let contenders = offers.listings().filter_map(|listing| {
        let held = order.current == Some(listing.id());
        let specificity = feasible(listing, order, &view, held)?;
        contender(listing, specificity)
    });
    choose(contenders, order.identity, order.current)
}

/// The choice among the offers of one provider.
pub(super) fn choose_of(
    offers: &OfferSet,
    order: &OrderFacts<'_>,
    provider: &ClusterName,
) -> Result<Chosen, Vec<(OfferId, Refusal)>> {
    let view = OrderView::new(order.object);
    let (mut contenders, mut refused) = (Vec::new(), Vec::new());
    for listing in offers.of_provider(provider) {
        match judge(listing, order, &view, false) {
            Verdict::Matches { specificity } => contenders.extend(contender(listing, specificity)),
            Verdict::Refused(refusal) if refusal.is_other_api() => {}
            Verdict::Refused(refusal) => refused.push((listing.id().clone(), refusal)),
        }
    }
    choose(contenders, order.identity, None).chosen().cloned().ok_or(refused)
}

/// The offer that an order is assigned to, while that is feasible for it and not excluded.
pub(super) fn choose_held(offers: &OfferSet, order: &OrderFacts<'_>) -> Option<Choice> {
    let listing = offers.get(order.current?)?;
    let specificity = feasible(listing, order, &OrderView::new(order.object), true)?;
    let Contender { offer, priority, specificity, cost, .. } = contender(listing, specificity)?;
    let standing = Standing { priority, specificity, cost };
    Some(Choice::Keep(Chosen::new(offer, standing)))
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
    route_facts(offers, &OrderFacts { current, excluded, ..OrderFacts::new(order, api, identity) })
}

pub(super) fn route_facts(offers: &OfferSet, order: &OrderFacts<'_>) -> Routing {
    let view = OrderView::new(order.object);
    let mut contenders = Vec::new();
    let mut refused: Vec<(&Listing, Refusal)> = Vec::new();
    for listing in offers.listings() {
        let held = order.current == Some(listing.id());
        match judge(listing, order, &view, held) {
            Verdict::Matches { specificity } => contenders.extend(contender(listing, specificity)),
            Verdict::Refused(refusal) => refused.push((listing.as_ref(), refusal)),
        }
    }
    let consumer_message = if contenders.is_empty() {
        consumer_message(refused.iter().map(|(_, refusal)| refusal))
    } else {
        String::new()
    };
    let ranking = Ranking::new(contenders, order.identity);
    let choice = ranking.choose(order.current);
    let current = order.current.map(|id| (id.clone(), verdict_on(offers, order, id)));
    let explanation = explain(offers, &ranking, refused, &choice);
    Routing { current, choice, explanation, consumer_message }
}

fn contender(listing: &Listing, specificity: u32) -> Option<Contender> {
    let (offer, terms) = (listing.offer()?, listing.terms()?);
    Some(Contender {
        offer: offer.clone(),
        priority: terms.priority,
        specificity,
        cost: offer.cost(),
        weight: terms.weight,
    })
}

/// What an offer says to an order that it serves already, excluded or not.
pub(super) fn verdict_on(offers: &OfferSet, order: &OrderFacts<'_>, id: &OfferId) -> Verdict {
    match offers.get(id) {
        Some(listing) => {
            let nothing = BTreeSet::new();
            let facts = OrderFacts { excluded: &nothing, ..*order };
            judge(listing, &facts, &OrderView::new(order.object), true)
        }
        None => Verdict::Refused(Refusal::of(Reason::Withdrawn)),
    }
}

/// Everything that speaks against one offer. `held`: the order is already served by it.
fn judge(listing: &Listing, order: &OrderFacts<'_>, view: &OrderView<'_>, held: bool) -> Verdict {
    let mut reasons: Vec<Reason> = objections(listing, order, held).collect();
    let specificity = match listing.offer() {
        // What an offer of another API filters on says nothing about this order.
        Some(offer) if !reasons.iter().any(|reason| matches!(reason, Reason::OtherApi { .. })) => {
            let specificity = offer.matches(view);
            if specificity.is_none() {
                reasons.extend(offer.misses(view).into_iter().map(Reason::Filter));
            }
            specificity
        }
        Some(_) | None => None,
    };
    match (Refusal::new(reasons), specificity) {
        (None, Some(specificity)) => Verdict::Matches { specificity },
        (Some(refusal), _) => Verdict::Refused(refusal),
        // Closed, should matching and explaining ever disagree.
        (None, None) => Verdict::Refused(Refusal::of(invalid(listing))),
    }
}

/// How specifically an offer matches; `None` where anything speaks against it. [`judge`] without the reasons.
fn feasible(listing: &Listing, order: &OrderFacts<'_>, view: &OrderView<'_>, held: bool) -> Option<u32> {
    if objections(listing, order, held).next().is_some() {
        return None;
    }
    listing.offer()?.matches(view)
}

/// What speaks against an offer whatever is in the order.
fn objections<'l>(
    listing: &'l Listing,
    order: &OrderFacts<'_>,
    held: bool,
) -> impl Iterator<Item = Reason> + use<'l> {
    let available_for_other = listing.availability().api.as_ref().is_some_and(|api| api != order.api);
    // Of an order that it holds, an offer that became invalid is not "of another API", whatever is left of it.
    let unknown = held && listing.offer().is_none();
    let other = available_for_other || !(listing.api().matches(order.api) || unknown);
    let other_api = other.then(|| Reason::OtherApi { offered: listing.api().to_string() });
    let excluded = (!other && order.excluded.contains(listing.id())).then_some(Reason::Excluded);
    let unavailable = if other { None } else { unavailable(listing, held) };
    let capacity = listing.offer().and_then(|offer| offer.capacity());
    let full = capacity
        .filter(|capacity| !other && !held && listing.assigned() >= *capacity)
        .map(|capacity| Reason::Full { capacity, assigned: listing.assigned() });
    other_api.into_iter().chain(excluded).chain(unavailable).chain(full)
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
        | UnavailableReason::InvalidTranslation
        | UnavailableReason::AmbiguousApi
        | UnavailableReason::ApiNotServed
        | UnavailableReason::ProviderNotReady
        | UnavailableReason::ProviderUnreachable) => {
            Reason::NotAvailable { reason, message: availability.message.clone() }
        }
    })
}
