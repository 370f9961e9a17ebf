//! Whether an offer can be chosen at all, as the condition `Available` says it.
//!
//! The broker decides by this computation each time; it never reads its own condition back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ApiPattern, CopyKind, InvalidFilter, Offer, Resolution, Scheduling, shorten};
use crate::matching::Policies;
use crate::resource::{Condition, ConditionStatus, Gvk, Gvr};

/// The provider's own message is shown up to this many characters.
const SHOWN: usize = 200;
/// Invalid filters in a message, at most this many.
const LISTED: usize = 3;

/// What the availability of an offer depends on.
#[derive(Clone, Copy, Debug)]
pub struct AvailabilityInput<'a> {
    /// What parsing the spec gave.
    pub parsed: Result<&'a Offer, &'a [InvalidFilter]>,
    /// The condition `Ready` that the provider itself wrote on the AcceptAPI, if any.
    pub ready: Option<&'a Condition>,
    /// The brokered APIs, and what the platform says about who may offer them.
    pub policies: &'a Policies,
    /// The APIs that the provider's cluster serves, so that copies can be written there.
    pub served: &'a [Gvr],
    /// The kinds that copies of translated orders may have there.
    pub kinds: &'a [CopyKind],
    /// Whether the provider's cluster answers.
    pub reachability: Reachability,
}

/// Whether a provider's cluster answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reachability {
    /// It does, as far as anybody knows.
    #[default]
    Reachable,
    /// It does not.
    Unreachable,
}

/// Whether an offer can be chosen, and why not.
///
/// `Cordoned` and `Draining` are unavailable for new orders only; see [`Availability::blocks_held_orders`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Availability {
    /// Why not; `None` where it is available.
    pub unavailable: Option<UnavailableReason>,
    /// The brokered API that the offer is about, where it is exactly one.
    pub api: Option<Gvr>,
    /// Text for people, of bounded length.
    pub message: String,
}

impl Availability {
    /// Available for orders of this API.
    pub fn available(api: Gvr) -> Self {
        let message = format!("accepts orders of {api}");
        Self { unavailable: None, api: Some(api), message }
    }

    /// Status of the condition `Available`.
    pub fn status(&self) -> ConditionStatus {
        if self.unavailable.is_none() { ConditionStatus::True } else { ConditionStatus::False }
    }

    /// Reason of the condition `Available`.
    pub fn reason(&self) -> &'static str {
        self.unavailable.map_or("ProviderReady", UnavailableReason::as_str)
    }

    /// Whether the orders the offer already has must go elsewhere: not so while it is merely cordoned.
    pub fn blocks_held_orders(&self) -> bool {
        self.unavailable.is_some_and(|reason| reason != UnavailableReason::Cordoned)
    }

    fn because(reason: UnavailableReason, api: Option<&Gvr>, message: String) -> Self {
        Self { unavailable: Some(reason), api: api.cloned(), message }
    }
}

/// Why an offer cannot be chosen; the reasons of the condition `Available`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum UnavailableReason {
    /// The spec cannot be honoured as written.
    InvalidFilter,
    /// `spec.translation` cannot be honoured as written.
    InvalidTranslation,
    /// Several brokered APIs fit `spec.gvr`.
    #[serde(rename = "AmbiguousAPI")]
    AmbiguousApi,
    /// No brokered API fits `spec.gvr`, or the provider's cluster does not serve it.
    #[serde(rename = "APINotServed")]
    ApiNotServed,
    /// The platform does not let this provider offer the API.
    NotAllowed,
    /// The provider's own condition `Ready` is False.
    ProviderNotReady,
    /// The provider's cluster does not answer; its AcceptAPI cannot say so, the platform's records do.
    ProviderUnreachable,
    /// It keeps its orders and takes no new ones.
    Cordoned,
    /// Its orders move away.
    Draining,
}

impl UnavailableReason {
    /// The stable `PascalCase` text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "InvalidFilter",
            Self::InvalidTranslation => "InvalidTranslation",
            Self::AmbiguousApi => "AmbiguousAPI",
            Self::ApiNotServed => "APINotServed",
            Self::NotAllowed => "NotAllowed",
            Self::ProviderNotReady => "ProviderNotReady",
            Self::ProviderUnreachable => "ProviderUnreachable",
            Self::Cordoned => "Cordoned",
            Self::Draining => "Draining",
        }
    }
}

impl fmt::Display for UnavailableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decides whether an offer can be chosen. The first reason that holds is given, what the provider can mend first.
pub fn availability(input: &AvailabilityInput<'_>) -> Availability {
    use UnavailableReason as Reason;
    let offer = match input.parsed {
        Ok(offer) => offer,
        Err(invalid) => {
            let only_translation = invalid.iter().all(InvalidFilter::is_of_translation);
            let reason = if only_translation { Reason::InvalidTranslation } else { Reason::InvalidFilter };
            return Availability::because(reason, None, list(invalid));
        }
    };
    let api = match offer.api().resolve(input.policies.apis()) {
        Resolution::One(api) => api,
        Resolution::None => {
            let message = format!("{} is no API brokered by this platform", offer.api());
            return Availability::because(Reason::ApiNotServed, None, message);
        }
        Resolution::Several(apis) => {
            return Availability::because(Reason::AmbiguousApi, None, ambiguous(offer.api(), &apis));
        }
    };
    let because = |reason, message| Availability::because(reason, Some(api), message);
    let Some(terms) = input.policies.terms(api, offer) else {
        let message = format!("the platform does not let this provider offer {}", api.group_resource());
        return because(Reason::NotAllowed, message);
    };
    if let Some(message) = offer.translation().and_then(|by| not_translated(by.gvk(), offer, api, input)) {
        return because(Reason::ApiNotServed, message);
    }
    if offer.translation().is_none() && !input.served.iter().any(|served| served == api) {
        let message = format!("{api} is not served in this cluster: bind the platform's export of it");
        return because(Reason::ApiNotServed, message);
    }
    if let Some(ready) = input.ready.filter(|ready| ready.status == ConditionStatus::False) {
        let message = format!("the provider says Ready=False: {}", shorten(&ready.message, SHOWN));
        return because(Reason::ProviderNotReady, message);
    }
    // What somebody said, the provider before it fell silent or the platform now, comes before silence: it acts at once.
    match terms.scheduling {
        Scheduling::Active | Scheduling::Cordoned if input.reachability == Reachability::Unreachable => {
            because(Reason::ProviderUnreachable, "the provider's cluster does not answer".to_owned())
        }
        Scheduling::Active => Availability::available(api.clone()),
        Scheduling::Cordoned => because(Reason::Cordoned, "keeps its orders, takes no new ones".to_owned()),
        Scheduling::Draining => {
            because(Reason::Draining, "takes no new orders, those it has move away".to_owned())
        }
    }
}

/// Why there can be no copies of the provider's own kind, if so.
fn not_translated(gvk: &Gvk, offer: &Offer, api: &Gvr, input: &AvailabilityInput<'_>) -> Option<String> {
    if offer.copies_among(api, input.kinds).is_some() {
        return None;
    }
    let api = api.group_resource();
    let same =
        |kind: &&CopyKind| kind.kind == gvk.kind && kind.gvr.group == gvk.group && kind.apis.contains(&api);
    Some(match input.kinds.iter().find(same) {
        Some(kind) => {
            format!("{} is served here in version {}, not {}", gvk.kind, kind.gvr.version, gvk.version)
        }
        None => format!(
            "{gvk} is not served in this cluster, or copies of {api} cannot be of that kind: bind the platform's export of \
             it, which the platform names in BrokeredAPI.spec.copyExports"
        ),
    })
}

fn ambiguous(pattern: &ApiPattern, apis: &[&Gvr]) -> String {
    let names: Vec<String> = apis.iter().take(LISTED).map(ToString::to_string).collect();
    format!("{pattern} fits several brokered APIs ({}): say which by spec.gvr.group", names.join(", "))
}

fn list(invalid: &[InvalidFilter]) -> String {
    let mut shown: Vec<String> = invalid.iter().take(LISTED).map(ToString::to_string).collect();
    if let Some(more) = invalid.len().checked_sub(LISTED).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    shown.join("; ")
}
