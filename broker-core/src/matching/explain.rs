//! Why an order is served by whom, as plain data for the platform: Assignment, command line, debug endpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::missed::Missed;
use super::refusal::Refusal;
use super::{Listing, OfferSet};
use crate::offer::{Cost, OfferId, shorten};
use crate::selection::{Choice, Contender, DecidedBy, Ranking, Score};

/// Offers that are explained one by one; the others are counted.
pub const NEAREST: usize = 10;
/// The explanation of one offer is at most this many characters.
const EXPLAINED: usize = 400;
/// What people call a provider is shown up to this many characters.
const NAMED: usize = 64;
/// Fields that are summed up where no offer was chosen.
const SUMMED_UP: usize = 5;

/// All offers in view of one order: the nearest one by one, the others by count. Bounded in size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Candidates {
    /// How many offers were looked at, those of other APIs not counted.
    pub considered: usize,
    /// What decided the choice; `None` where no offer was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
    /// The same as the line of the score that decided: `priority 10 before 0 of public-ca`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// The best and the nearest: feasible offers by rank, then refusals by how near they are.
    #[serde(default)]
    pub nearest: Vec<Candidate>,
    /// For the others: how many there are, by verdict (`Feasible`) or first reason (`Filter`, `Cordoned`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, usize>,
    /// Where no offer was chosen: the fields that a change would have to be made to, summed up over the nearest offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misses: Vec<Missed>,
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
    /// What a feasible offer is ranked by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Ranked>,
    /// The first filter that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Missed>,
    /// The filter that failed by least, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Missed>,
}

/// What a feasible offer is ranked by, but for the lot that is drawn among equals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ranked {
    /// Higher goes first; capped by the platform.
    pub priority: i32,
    /// Higher goes first.
    pub specificity: u32,
    /// Lower goes first, unstated last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Share among equals; capped by the platform.
    pub weight: u32,
}

impl Ranked {
    fn of(score: &Score) -> Self {
        Self {
            priority: score.standing.priority,
            specificity: score.standing.specificity,
            cost: score.standing.cost,
            weight: score.draw.weight(),
        }
    }
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

    let alias = |id: &OfferId| Some(shorten(offers.get(id)?.terms()?.alias.as_deref()?, NAMED));
    let mut candidates = Candidates {
        considered: feasible.len() + refused.len(),
        decided_by: ranking.decided_by(choice),
        decision: decision(choice, ranking, alias),
        misses: if chosen.is_none() { summed_up(&refused) } else { Vec::new() },
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
            score: Some(Ranked::of(score)),
            first: None,
            nearest: None,
        });
    }
    for (listing, refusal) in refused {
        candidates.add(refusal.reason(), || Candidate {
            alias: alias(listing.id()),
            offer: listing.id().clone(),
            verdict: CandidateVerdict::Refused,
            reason: Some(refusal.reason().to_owned()),
            message: shorten(&refusal.to_string(), EXPLAINED),
            score: None,
            first: refusal.first_miss().map(Missed::of),
            nearest: refusal
                .nearest_miss()
                .filter(|nearest| Some(*nearest) != refusal.first_miss())
                .map(Missed::of),
        });
    }
    candidates
}

/// What decided, in the words of the score: what the chosen offer has, and what the next best has.
fn decision(
    choice: &Choice,
    ranking: &Ranking,
    alias: impl Fn(&OfferId) -> Option<String>,
) -> Option<String> {
    let chosen = choice.chosen()?;
    let decided_by = ranking.decided_by(choice)?;
    let Some((next, runner_up)) = ranking.iter().find(|(_, contender)| contender.id() != chosen.id()) else {
        return Some(match decided_by {
            DecidedBy::Sticky => "it serves the order already, and no other would".to_owned(),
            DecidedBy::OnlyOne
            | DecidedBy::Priority
            | DecidedBy::Specificity
            | DecidedBy::Cost
            | DecidedBy::Hash => "no other offer would serve the order".to_owned(),
        });
    };
    let (weight, other_weight) = (
        ranking.iter().find(|(_, contender)| contender.id() == chosen.id()).map(|(own, _)| own.draw.weight()),
        next.draw.weight(),
    );
    let of = runner_up.id();
    let of = alias(of).unwrap_or_else(|| shorten(of.cluster.as_str(), NAMED));
    let cost = |cost: Option<Cost>| cost.map_or_else(|| "none stated".to_owned(), |cost| cost.to_string());
    let (own, next) = (chosen.standing(), &next.standing);
    Some(match decided_by {
        DecidedBy::Sticky => "it serves the order already: a better offer alone moves nothing".to_owned(),
        DecidedBy::OnlyOne => "no other offer would serve the order".to_owned(),
        DecidedBy::Priority => format!("priority {} before {} of {of}", own.priority, next.priority),
        DecidedBy::Specificity => {
            format!("specificity {} before {} of {of}", own.specificity, next.specificity)
        }
        DecidedBy::Cost => format!("cost {} before {} of {of}", cost(own.cost), cost(next.cost)),
        DecidedBy::Hash => format!(
            "equal to {of} in all: the order's lot, by weights {} and {other_weight}",
            weight.unwrap_or(other_weight)
        ),
    })
}

/// The fields that keep the nearest offers from being feasible: of those that would be if their filters held.
fn summed_up(refused: &[(&Listing, Refusal)]) -> Vec<Missed> {
    let reachable = || refused.iter().map(|(_, refusal)| refusal).filter(|refusal| refusal.is_only_filters());
    let Some(fewest) = reachable().map(|refusal| refusal.distance().1).min() else { return Vec::new() };
    let nearest = reachable().filter(|refusal| refusal.distance().1 == fewest);
    Missed::summed_up(nearest.flat_map(Refusal::misses), SUMMED_UP)
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
