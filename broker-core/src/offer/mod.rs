//! What a provider promises: an API, which orders of it, and how it wants to be chosen.
//!
//! [`Offer::parse`] turns what was written into typed predicates, once; whatever cannot be honoured exactly as written
//! makes the whole offer invalid, with the place and what would be accepted. An offer knows nothing of the platform's
//! policy, of its provider's health or of how many orders it serves: see [`availability`] and [`matching`](crate::matching).

mod api;
mod availability;
mod bound;
mod copies;
mod decimal;
mod filter;
pub(crate) mod hashing;
mod id;
mod invalid;
pub mod limits;
pub mod lint;
mod miss;
mod nearness;
mod parse;
mod quantity;
pub(crate) mod read;
mod reading;
mod shape;
pub(crate) mod sieve;
mod spec;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::sieve::Sieve;
use crate::selection::rendezvous::OfferSeed;
use crate::translate::Translation;

pub use api::{ApiPattern, Resolution};
pub use availability::{Availability, AvailabilityInput, Reachability, UnavailableReason, availability};
pub use bound::Bound;
pub use copies::CopyKind;
pub use decimal::Decimal;
pub use filter::{Criterion, Filter, scalar_text};
pub use id::OfferId;
pub use invalid::InvalidFilter;
pub(crate) use invalid::shorten;
pub use miss::{Expected, Miss};
pub(crate) use parse::{is_dns_name, is_name, shown};
pub use quantity::{Quantity, Unit};
pub use read::ReadOrder;
pub(crate) use reading::Reading;
pub use spec::{ApiSpec, BoundarySpec, CapacitySpec, FilterSpec, OfferSpec, Scheduling};
pub use view::OrderView;

/// The weight of an offer that names none.
pub const DEFAULT_WEIGHT: u32 = 100;
/// The greatest weight an offer may ask for; the least is 1.
pub const MAX_WEIGHT: u32 = 1000;
/// Namespace of copies where neither the spec nor the AcceptAPI itself names one.
const FALLBACK_NAMESPACE: &str = "default";

/// One parsed AcceptAPI.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    id: OfferId,
    seed: OfferSeed,
    api: ApiPattern,
    copy_namespace: String,
    filters: Vec<Filter>,
    sieve: Sieve,
    priority: i32,
    weight: u32,
    cost: Option<Cost>,
    capacity: Option<u64>,
    scheduling: Scheduling,
    translation: Option<Arc<Translation>>,
}

impl Offer {
    /// Parses what the provider wrote in the AcceptAPI `id`.
    ///
    /// # Errors
    /// Everything in the spec that cannot be honoured exactly as written, in the order of the spec.
    pub fn parse(id: OfferId, spec: &OfferSpec) -> Result<Self, Vec<InvalidFilter>> {
        parse::offer(id, spec)
    }

    /// Parses `AcceptAPI.spec` as JSON, whatever is in there.
    ///
    /// # Errors
    /// As [`Offer::parse`]; a spec of another shape, an unknown field included, is one of its errors.
    pub fn parse_json(id: OfferId, spec: &serde_json::Value) -> Result<Self, Vec<InvalidFilter>> {
        let typed = <OfferSpec as serde::Deserialize>::deserialize(spec);
        match typed {
            Ok(spec) => parse::offer(id, &spec),
            Err(error) => Err(shape::faults(spec, &error.to_string())),
        }
    }

    /// Which AcceptAPI this is.
    pub fn id(&self) -> &OfferId {
        &self.id
    }

    /// What the offer brings to every draw among equals.
    pub fn seed(&self) -> OfferSeed {
        self.seed
    }

    /// The API, as far as the provider named it.
    pub fn api(&self) -> &ApiPattern {
        &self.api
    }

    /// Namespace of the provider's cluster that copies go to.
    pub fn copy_namespace(&self) -> &str {
        &self.copy_namespace
    }

    /// What an order must look like; all must hold.
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// The filters once more, in a form that is quick to ask.
    pub(crate) fn sieve(&self) -> &Sieve {
        &self.sieve
    }

    /// Higher is asked first; the platform may cap it.
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// Share among equals, 1 to 1000; the platform may cap it.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// Lower is asked first; an offer without a stated cost comes after those with one.
    pub fn cost(&self) -> Option<Cost> {
        self.cost
    }

    /// The most orders it serves at once.
    pub fn capacity(&self) -> Option<u64> {
        self.capacity
    }

    /// The provider's own word on taking and keeping orders.
    pub fn scheduling(&self) -> Scheduling {
        self.scheduling
    }

    /// How its copies become objects of the provider's own kind, where they do.
    pub fn translation(&self) -> Option<&Arc<Translation>> {
        self.translation.as_ref()
    }

    #[cfg(test)]
    pub(crate) fn translated_by(mut self, translation: Translation) -> Self {
        self.translation = Some(Arc::new(translation));
        self
    }

    /// How specifically all filters match: the longest prefix or suffix that did; `None` where one of them does not.
    pub fn matches(&self, order: &OrderView<'_>) -> Option<u32> {
        self.filters.iter().try_fold(0, |specificity, filter| Some(filter.matches(order)?.max(specificity)))
    }

    /// Every filter that does not match, in the order of the spec.
    pub fn misses(&self, order: &OrderView<'_>) -> Vec<Miss> {
        self.filters.iter().filter_map(|filter| filter.miss(order)).collect()
    }
}

/// A cost: a decimal that is not negative. Only comparable with other costs; no currency is implied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cost(Decimal);

impl Cost {
    /// The cost, unless negative.
    pub fn new(amount: Decimal) -> Option<Self> {
        (!amount.is_negative()).then_some(Self(amount))
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Cost> for String {
    fn from(cost: Cost) -> Self {
        cost.to_string()
    }
}

/// A text that is no cost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no cost: expected a decimal of zero or more")]
pub struct ParseCostError(String);

impl TryFrom<String> for Cost {
    type Error = ParseCostError;

    fn try_from(text: String) -> Result<Self, ParseCostError> {
        Decimal::parse(&text).and_then(Self::new).ok_or(ParseCostError(text))
    }
}
