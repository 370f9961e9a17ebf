//! Why an offer does not serve an order, in two voices: the platform's, with all names, and the consumer's.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::offer::{Expected, Miss, UnavailableReason, shorten};

/// A message for a consumer is never longer than this many bytes.
pub const CONSUMER_MESSAGE_MAX: usize = 512;
/// Fields that a message for a consumer speaks of.
const CONSUMER_FIELDS: usize = 3;
/// Alternatives per field that a message for a consumer names.
const CONSUMER_ALTERNATIVES: usize = 4;

/// Everything that speaks against one offer for one order; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    first: Reason,
    more: Vec<Reason>,
}

impl Refusal {
    /// A refusal for one reason.
    pub fn of(reason: Reason) -> Self {
        Self { first: reason, more: Vec::new() }
    }

    /// A refusal for these reasons; `None` where there are none.
    pub fn new(reasons: impl IntoIterator<Item = Reason>) -> Option<Self> {
        let mut reasons = reasons.into_iter();
        Some(Self { first: reasons.next()?, more: reasons.collect() })
    }

    /// The reasons, those that a change of the order cannot mend first.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The first reason, as stable text for conditions and counts.
    pub fn reason(&self) -> &'static str {
        self.first.as_str()
    }

    /// Whether the offer is about another API altogether.
    pub fn is_other_api(&self) -> bool {
        self.reasons().any(|reason| matches!(reason, Reason::OtherApi { .. }))
    }

    /// Whether filters alone refuse: with another order the offer would be chosen.
    pub fn is_only_filters(&self) -> bool {
        self.reasons().all(|reason| matches!(reason, Reason::Filter(_)))
    }

    /// Whether nothing is refused but that the offer, or the API in its cluster, is not to be seen.
    pub fn is_only_unseen(&self) -> bool {
        self.reasons().all(|reason| {
            matches!(
                reason,
                Reason::Withdrawn | Reason::NotAvailable { reason: UnavailableReason::ApiNotServed, .. }
            )
        })
    }

    /// Whether the provider merely does not answer: nothing else speaks against the offer.
    pub fn is_only_unreachable(&self) -> bool {
        self.reasons().all(|reason| {
            matches!(reason, Reason::NotAvailable { reason: UnavailableReason::ProviderUnreachable, .. })
        })
    }

    /// Whether there is no such offer any more.
    pub fn is_withdrawn(&self) -> bool {
        self.reasons().any(|reason| matches!(reason, Reason::Withdrawn))
    }

    /// The misses among the reasons.
    pub fn misses(&self) -> impl Iterator<Item = &Miss> {
        self.reasons().filter_map(|reason| match reason {
            Reason::Filter(miss) => Some(miss),
            Reason::Withdrawn
            | Reason::OtherApi { .. }
            | Reason::NotAllowed
            | Reason::NotAvailable { .. }
            | Reason::Cordoned
            | Reason::Draining
            | Reason::Full { .. }
            | Reason::Excluded => None,
        })
    }

    /// The first filter that failed.
    pub fn first_miss(&self) -> Option<&Miss> {
        self.misses().next()
    }

    /// The filter that failed by least; of equally near ones the first.
    pub fn nearest_miss(&self) -> Option<&Miss> {
        self.misses().min_by_key(|miss| (miss.distance, miss.filter))
    }

    /// For sorting, nearest first: reasons that the order cannot mend, filters that failed, how far they failed.
    pub fn distance(&self) -> (usize, usize, u32) {
        let misses = self.misses().count();
        let far = self.misses().map(|miss| miss.distance).fold(0, u32::saturating_add);
        (self.reasons().count() - misses, misses, far)
    }
}

/// For the platform: all reasons.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.reasons().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            reason.fmt(f)?;
        }
        Ok(())
    }
}

/// One thing that speaks against an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// The offer is gone.
    Withdrawn,
    /// It is about another API.
    OtherApi {
        /// The API it is about.
        offered: String,
    },
    /// The platform does not let its provider offer this API.
    NotAllowed,
    /// It cannot be chosen for anybody's orders.
    NotAvailable {
        /// Why.
        reason: UnavailableReason,
        /// Text for the platform.
        message: String,
    },
    /// It takes no new orders.
    Cordoned,
    /// It takes no orders, and those it has move away.
    Draining,
    /// It serves as many orders as it can.
    Full {
        /// Its ceiling.
        capacity: u64,
        /// Orders it serves.
        assigned: u64,
    },
    /// It is not to be chosen for this order now, for instance because it failed it a moment ago.
    Excluded,
    /// A filter does not match.
    Filter(Miss),
}

impl Reason {
    /// Whether an offer that would take the order merely does not do so now.
    fn is_passing(&self) -> bool {
        match self {
            Self::Cordoned | Self::Draining | Self::Full { .. } | Self::Excluded => true,
            Self::NotAvailable { reason, .. } => {
                matches!(reason, UnavailableReason::ProviderNotReady | UnavailableReason::ProviderUnreachable)
            }
            Self::Withdrawn | Self::OtherApi { .. } | Self::NotAllowed | Self::Filter(_) => false,
        }
    }

    /// The stable `PascalCase` text.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Withdrawn => "Withdrawn",
            Self::OtherApi { .. } => "OtherAPI",
            Self::NotAllowed => "NotAllowed",
            Self::NotAvailable { reason, .. } => reason.as_str(),
            Self::Cordoned => "Cordoned",
            Self::Draining => "Draining",
            Self::Full { .. } => "Full",
            Self::Excluded => "Excluded",
            Self::Filter(_) => "Filter",
        }
    }
}

/// For the platform.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withdrawn => f.write_str("the offer no longer exists"),
            Self::OtherApi { offered } => write!(f, "offers {offered}"),
            Self::NotAllowed => f.write_str("the platform does not let this provider offer the API"),
            Self::NotAvailable { reason, message } => write!(f, "{reason}: {message}"),
            Self::Cordoned => f.write_str("cordoned: takes no new orders"),
            Self::Draining => f.write_str("draining: takes no orders"),
            Self::Full { capacity, assigned } => write!(f, "full: serves {assigned} of {capacity} orders"),
            Self::Excluded => f.write_str("failed this order recently"),
            Self::Filter(miss) => write!(f, "filters[{}]: {miss}", miss.filter),
        }
    }
}

/// Why no offer takes an order, as its owner may read it.
///
/// Speaks only of the order's own fields, their values and what would be accepted; never of who offers, nor at what
/// cost or capacity. Only the nearest offers that would take the order if their filters held are spoken of: others could not
/// be reached by changing it. At most [`CONSUMER_MESSAGE_MAX`] bytes.
pub fn consumer_message<'r>(refusals: impl IntoIterator<Item = &'r Refusal>) -> String {
    let mut nearest: Vec<&Refusal> = Vec::new();
    let mut met_otherwise = false;
    for refusal in refusals {
        met_otherwise |= refusal.reasons().all(Reason::is_passing);
        if refusal.is_only_filters() {
            nearest.push(refusal);
        }
    }
    if met_otherwise {
        return "no provider is taking this order at the moment".to_owned();
    }
    let Some(fewest) = nearest.iter().map(|refusal| refusal.distance().1).min() else {
        return "no provider offers this at the moment".to_owned();
    };
    nearest.retain(|refusal| refusal.distance().1 == fewest);
    nearest.sort_by_key(|refusal| refusal.distance());
    bounded(&sentences(&nearest))
}

fn sentences(refusals: &[&Refusal]) -> String {
    let mut order: Vec<String> = Vec::new();
    let mut accepted: BTreeMap<String, Vec<&Expected>> = BTreeMap::new();
    for miss in refusals.iter().flat_map(|refusal| refusal.misses()) {
        let finding = miss.finding();
        let alternatives = accepted.entry(finding.clone()).or_insert_with(|| {
            order.push(finding);
            Vec::new()
        });
        if !alternatives.contains(&&miss.expected) {
            alternatives.push(&miss.expected);
        }
    }
    let mut sentences: Vec<String> = Vec::new();
    for finding in order.iter().take(CONSUMER_FIELDS) {
        let alternatives = accepted.get(finding).map(Vec::as_slice).unwrap_or_default();
        let mut shown: Vec<String> =
            alternatives.iter().take(CONSUMER_ALTERNATIVES).map(ToString::to_string).collect();
        if alternatives.len() > CONSUMER_ALTERNATIVES {
            shown.push("others".to_owned());
        }
        sentences.push(format!("{finding}; accepted: {}", shown.join(", or ")));
    }
    if order.len() > CONSUMER_FIELDS {
        sentences.push("further fields differ".to_owned());
    }
    sentences.join(". ")
}

fn bounded(text: &str) -> String {
    if text.len() <= CONSUMER_MESSAGE_MAX {
        return text.to_owned();
    }
    let mut characters = text.chars().count();
    loop {
        let cut = shorten(text, characters);
        if cut.len() <= CONSUMER_MESSAGE_MAX {
            return cut;
        }
        characters =
            characters.saturating_sub(cut.len().saturating_sub(CONSUMER_MESSAGE_MAX).div_ceil(4).max(1));
    }
}
