//! Why an order is served by whom, as plain data for the platform: Assignment, command line, debug endpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::{Listing, OfferSet};
use crate::offer::{OfferId, shorten};
use crate::selection::{Choice, Chosen, Contender, DecidedBy, Ranking, Score};

/// Offers that are explained one by one; the others are counted.
pub const NEAREST: usize = 10;
/// The explanation of one offer is at most this many characters.
const EXPLAINED: usize = 400;

/// All offers in view of one order: the nearest one by one, the others by count. Bounded in size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidates {
    /// How many offers were looked at, those of other APIs not counted.
    pub considered: usize,
    /// What decided the choice; `None` where no offer was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
    /// The best and the nearest: feasible offers by rank, then refusals by how near they are.
    #[serde(default)]
    pub nearest: Vec<Candidate>,
    /// For the others: how many there are, by verdict (`Feasible`) or first reason (`Filter`, `Cordoned`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, usize>,
}

/// One offer in view of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Which offer.
    pub offer: OfferId,
    /// What the platform calls its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Chosen, feasible or refused.
    pub verdict: CandidateVerdict,
    /// The first reason of a refusal: `Filter`, `Cordoned`, `ProviderNotReady`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The score, or all reasons of the refusal with the exact filter, as text for people; bounded.
    pub message: String,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CandidateVerdict {
    /// It serves the order.
    Chosen,
    /// It would.
    Feasible,
    /// It would not.
    Refused,
}

/// Explains a choice. Refusals of other APIs' offers are left out altogether.
pub(super) fn explain(
    offers: &OfferSet,
    ranking: &Ranking,
    mut refused: Vec<(&Listing, Refusal)>,
    choice: &Choice,
) -> Candidates {
    refused.retain(|(_, refusal)| !refusal.is_other_api());
    refused.sort_by(|(one, a), (other, b)| {
        a.distance().cmp(&b.distance()).then_with(|| one.id().cmp(other.id()))
    });
    let chosen = choice.chosen();
    // The chosen offer comes first, also where stickiness keeps it from being the best.
    let is_chosen = |contender: &Contender| chosen.is_some_and(|chosen| chosen.id() == contender.id());
    let mut feasible: Vec<&(Score, Contender)> = ranking.iter().collect();
    feasible.sort_by_key(|(_, contender)| !is_chosen(contender));

    let alias = |id: &OfferId| offers.get(id)?.terms()?.alias.clone();
    let mut candidates = Candidates {
        considered: feasible.len() + refused.len(),
        decided_by: chosen.map(Chosen::decided_by),
        ..Candidates::default()
    };
    for (score, contender) in feasible {
        let verdict =
            if is_chosen(contender) { CandidateVerdict::Chosen } else { CandidateVerdict::Feasible };
        candidates.add("Feasible", || Candidate {
            alias: alias(contender.id()),
            offer: contender.id().clone(),
            verdict,
            reason: None,
            message: score.to_string(),
        });
    }
    for (listing, refusal) in refused {
        candidates.add(refusal.reason(), || Candidate {
            alias: alias(listing.id()),
            offer: listing.id().clone(),
            verdict: CandidateVerdict::Refused,
            reason: Some(refusal.reason().to_owned()),
            message: shorten(&refusal.to_string(), EXPLAINED),
        });
    }
    candidates
}

impl Candidates {
    fn add(&mut self, kind: &str, candidate: impl FnOnce() -> Candidate) {
        if self.nearest.len() < NEAREST {
            self.nearest.push(candidate());
        } else {
            *self.others.entry(kind.to_owned()).or_default() += 1;
        }
    }
}
