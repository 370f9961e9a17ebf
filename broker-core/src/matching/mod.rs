//! Which offers would serve an order, and why not the others.
//!
//! [`OfferSet`] is an immutable snapshot of everything that matters: offers, the platform's policy, availability, how
//! many orders each offer serves. [`Matcher`] is the role that answers for one order: [`IndexMatcher`] among a hundred
//! thousand offers as quickly as among ten; [`ScanMatcher`] tries every offer, in the open, and stays the reference that
//! any faster implementation is compared with.
//!
//! Knows nothing of copies, migrations or time: an offer that recently failed for this order is an input.

mod explain;
mod index;
mod missed;
mod orders;
mod policy;
mod rank;
mod refusal;
mod reservation;
mod scan;
mod set;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use explain::{Candidate, CandidateVerdict, Candidates, NEAREST, Ranked};
pub use index::IndexMatcher;
pub use missed::Missed;
pub use orders::OrderIndex;
pub use policy::{ApiPolicy, Policies, ProviderRule, Terms};
pub use refusal::{CONSUMER_MESSAGE_MAX, Reason, Refusal, consumer_message};
pub use reservation::{Reservations, Reserved};
pub use scan::{ScanMatcher, route};
pub use set::{Listing, OfferSet, Offered};

use crate::offer::{OfferId, ReadOrder};
use crate::resource::{ClusterName, Gvr, Object};
use crate::selection::{Choice, Chosen};

/// Everything about an order that the choice of its offer depends on.
#[derive(Clone, Copy, Debug)]
pub struct OrderFacts<'a> {
    /// The order.
    pub object: &'a Object,
    /// The brokered API it is an object of.
    pub api: &'a Gvr,
    /// What makes it this order and no other, in every cluster and for ever; spreads orders over equal offers.
    pub identity: &'a str,
    /// The offer it is assigned to.
    pub current: Option<&'a OfferId>,
    /// Offers that are not to be chosen for it now, such as those that failed it a moment ago.
    pub excluded: &'a BTreeSet<OfferId>,
    /// What was read of it before, where somebody keeps that: an index that is given it answers the quicker. A reading of
    /// another object than this very one is not looked at.
    pub reading: Option<&'a ReadOrder>,
}

impl<'a> OrderFacts<'a> {
    /// An order that is assigned to no offer yet, and that none has failed.
    pub fn new(object: &'a Object, api: &'a Gvr, identity: &'a str) -> Self {
        static NOTHING: BTreeSet<OfferId> = BTreeSet::new();
        Self { object, api, identity, current: None, excluded: &NOTHING, reading: None }
    }

    /// The same of an order that was read before.
    pub fn of(reading: &'a ReadOrder, api: &'a Gvr, identity: &'a str) -> Self {
        Self { reading: Some(reading), ..Self::new(reading.object(), api, identity) }
    }
}

/// The role that says which offer serves an order.
///
/// # Contract
/// - Pure: the same snapshot and the same facts give the same [`Routing`], on every replica, in every thread; neither
///   the order in which offers were added nor the order in which questions are asked matters.
/// - Total: never fails, never panics, whatever a consumer or provider wrote.
/// - Equal to [`route`] on the same offers, explanation included.
/// - Wait-free for readers: an implementation answers from an immutable snapshot; whoever publishes the next
///   one never makes a reader wait.
pub trait Matcher: Send + Sync {
    /// Decides for one order, with reasons.
    fn match_order(&self, order: &OrderFacts<'_>) -> Routing;

    /// The choice alone: always equal to that of [`match_order`](Self::match_order), and where no reasons are
    /// built, far cheaper.
    fn choose_offer(&self, order: &OrderFacts<'_>) -> Choice {
        self.match_order(order).choice
    }

    /// One offer of the snapshot.
    fn listing(&self, offer: &OfferId) -> Option<&Arc<Listing>>;

    /// The choice among the offers of one provider for an order as a new one, whoever serves it now.
    ///
    /// # Errors
    /// What speaks against each of the provider's offers of the API; empty where it has none.
    fn choose_within(
        &self,
        order: &OrderFacts<'_>,
        provider: &ClusterName,
    ) -> Result<Chosen, Vec<(OfferId, Refusal)>>;

    /// What one offer says to an order that it serves already: always equal to
    /// [`Routing::current`] for an order that is assigned to it.
    fn judge_offer(&self, order: &OrderFacts<'_>, offer: &OfferId) -> Verdict {
        let assigned = OrderFacts { current: Some(offer), ..*order };
        let withdrawn = || Verdict::Refused(Refusal::of(Reason::Withdrawn));
        self.match_order(&assigned).current.map_or_else(withdrawn, |(_, verdict)| verdict)
    }
}

/// The answer for one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// The offer it is assigned to, judged as one that already serves it: cordoned and full do not count against it,
    /// and neither does being excluded. `None` where it is assigned to none.
    pub current: Option<(OfferId, Verdict)>,
    /// The offer that should serve it: the current one while that is feasible and not excluded, else the best of
    /// the others. `Choice::None` where no offer is feasible.
    pub choice: Choice,
    /// Why, for the platform's eyes.
    pub explanation: Candidates,
    /// Why no offer would take it as a new order, for the consumer's eyes: only its own fields and what would be
    /// accepted. Empty where one would.
    pub consumer_message: String,
}

impl Routing {
    /// The offer that should serve the order, if any.
    pub fn best(&self) -> Option<&Chosen> {
        self.choice.chosen()
    }

    /// Whether the assigned offer may go on serving the order.
    pub fn current_is_feasible(&self) -> bool {
        matches!(self.current, Some((_, Verdict::Matches { .. })))
    }
}

/// What one offer says to one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would serve it.
    Matches {
        /// Length of the longest prefix or suffix that matched.
        specificity: u32,
    },
    /// It would not.
    Refused(Refusal),
}
