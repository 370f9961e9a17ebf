//! The matcher as [`decide`](crate::order::decide) asks it: about one order, only as far as a decision needs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::matching::{Matcher, OrderFacts, Verdict};
use crate::offer::{OfferId, ReadOrder};
use crate::order::{Chooser, Fit, LastWord, Placement, Unfit};
use crate::port::Observed;
use crate::resource::ClusterName;
use crate::selection::Chosen;
use crate::translate::Translation;

/// So many offers of one provider are told with what speaks against them.
const MAX_TOLD: usize = 5;

/// The matcher, asked about one order.
pub(super) struct MatcherChooser<'a> {
    pub(super) matcher: &'a dyn Matcher,
    pub(super) observed: &'a Observed,
    pub(super) identity: &'a str,
    /// The order as it was read, this time or before.
    pub(super) reading: Option<&'a ReadOrder>,
    /// Offers whose last place was taken a moment ago.
    pub(super) full: &'a BTreeSet<OfferId>,
}

impl std::fmt::Debug for MatcherChooser<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MatcherChooser").field("order", &self.observed.identity).finish_non_exhaustive()
    }
}

impl MatcherChooser<'_> {
    pub(super) fn facts<'f>(
        &'f self,
        current: Option<&'f OfferId>,
        excluded: &'f BTreeSet<OfferId>,
    ) -> Option<OrderFacts<'f>> {
        let object = self.observed.order.as_ref()?;
        let api = &self.observed.identity.gvr;
        Some(OrderFacts {
            current,
            excluded,
            reading: self.reading,
            ..OrderFacts::new(object, api, self.identity)
        })
    }

    fn is_unread(&self, offer: &OfferId) -> bool {
        let silence = self.observed.unreachable.get(&offer.cluster);
        silence.is_some_and(|silence| silence.last_word == LastWord::Unread)
    }

    /// The offer that the order is assigned to.
    pub(super) fn current(&self) -> Option<&OfferId> {
        self.observed.assignment.as_ref().map(|assignment| &assignment.offer)
    }

    fn placement(&self, chosen: &Chosen) -> Placement {
        let own = self.matcher.listing(chosen.id()).and_then(|listing| listing.copies().cloned());
        let (gvr, kind) = own.map_or_else(
            || (self.observed.identity.gvr.clone(), self.observed.policy.kind.clone()),
            |own| (own.gvr, own.kind),
        );
        Placement { offer: chosen.id().clone(), namespace: chosen.copy_namespace().to_owned(), gvr, kind }
    }
}

impl Chooser for MatcherChooser<'_> {
    fn fit(&self, offer: &OfferId) -> Fit {
        if self.full.contains(offer) {
            return Fit::Refused("the last place was taken by another order".to_owned());
        }
        let none = BTreeSet::new();
        let Some(facts) = self.facts(Some(offer), &none) else { return Fit::Withdrawn };
        // The usual answer, found without building reasons.
        if let Some(chosen) = self.matcher.choose_offer(&facts).chosen().filter(|chosen| chosen.id() == offer)
        {
            return Fit::Fits(self.placement(chosen));
        }
        match self.matcher.judge_offer(&facts, offer) {
            // What a cluster that was never read does not show may be there all the same.
            Verdict::Refused(refusal) if refusal.is_only_unseen() && self.is_unread(offer) => {
                Fit::Unreachable
            }
            Verdict::Refused(refusal) if refusal.is_withdrawn() => Fit::Withdrawn,
            Verdict::Refused(refusal) if refusal.is_only_unreachable() => Fit::Unreachable,
            Verdict::Refused(refusal) => Fit::Refused(refusal.to_string()),
            // Closed, should choosing and judging ever disagree.
            Verdict::Matches { .. } => Fit::Withdrawn,
        }
    }

    fn best(&self, excluded: &BTreeSet<OfferId>) -> Option<Placement> {
        let excluded: BTreeSet<OfferId> = excluded.union(self.full).cloned().collect();
        let choice = self.matcher.choose_offer(&self.facts(None, &excluded)?);
        choice.chosen().map(|chosen| self.placement(chosen))
    }

    fn within(&self, provider: &ClusterName) -> Result<Placement, Unfit> {
        let Some(facts) = self.facts(None, self.full) else {
            return Err(Unfit { reason: "NotFeasible", message: "the order is gone".to_owned() });
        };
        self.matcher.choose_within(&facts, provider).map(|chosen| self.placement(&chosen)).map_err(
            |refused| {
                let reason = match refused.as_slice() {
                    [(_, refusal)] if refusal.misses().next().is_none() => refusal.reason(),
                    _ => "NotFeasible",
                };
                if refused.is_empty() {
                    return Unfit { reason, message: "it has no offer of this API".to_owned() };
                }
                let told = refused.iter().take(MAX_TOLD).map(|(offer, refusal)| {
                    if self.full.contains(offer) {
                        format!("{}: the last place was taken by another order", offer.name)
                    } else {
                        format!("{}: {refusal}", offer.name)
                    }
                });
                Unfit { reason, message: told.collect::<Vec<_>>().join("; ") }
            },
        )
    }

    fn translation(&self, offer: &OfferId) -> Option<Arc<Translation>> {
        self.matcher.listing(offer)?.offer()?.translation().cloned()
    }

    fn explain(&self) -> serde_json::Value {
        let none = BTreeSet::new();
        self.facts(self.current(), &none)
            .and_then(|facts| serde_json::to_value(&self.matcher.match_order(&facts).explanation).ok())
            .unwrap_or_default()
    }

    fn refusal(&self) -> String {
        self.facts(None, self.full)
            .map(|facts| self.matcher.match_order(&facts).consumer_message)
            .unwrap_or_default()
    }
}
