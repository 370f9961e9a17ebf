//! Choosing one of the offers that would serve an order.
//!
//! Priority (higher first), specificity (higher first), cost (lower first, unstated last), then weighted rendezvous hashing
//! on the order's identity. The order is total: contenders that are equal in everything, the drawn score included, are
//! told apart by their identity. An assigned order stays where it is while that offer is among the contenders.
//!
//! Knows nothing of filters, policy or availability: whoever contends may be chosen.

pub mod rendezvous;

#[cfg(test)]
mod tests;

use std::cmp::{Ordering, Reverse};
use std::fmt;

use serde::{Deserialize, Serialize};

use self::rendezvous::Draw;
use crate::offer::{Cost, OfferId};
use crate::resource::ClusterName;

/// An offer that would serve the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Which offer.
    pub id: OfferId,
    /// Namespace of the provider's cluster that the copy would go to.
    pub copy_namespace: String,
    /// Higher goes first.
    pub priority: i32,
    /// Higher goes first.
    pub specificity: u32,
    /// Lower goes first; unstated comes after every stated cost, so that silence is no bargain.
    pub cost: Option<Cost>,
    /// Share among equals; 0 counts as 1.
    pub weight: u32,
}

impl Contender {
    /// What it is compared by, for an order of this identity.
    pub fn score(&self, identity: &str) -> Score {
        Score {
            priority: self.priority,
            specificity: self.specificity,
            cost: self.cost,
            draw: Draw::new(identity, &self.id, self.weight),
        }
    }
}

/// What offers are compared by. The smaller score goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Higher goes first.
    pub priority: i32,
    /// Higher goes first.
    pub specificity: u32,
    /// Lower goes first, unstated last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The lot drawn among equals.
    pub draw: Draw,
}

impl Score {
    /// What decides between this score and another.
    pub fn decided_by(&self, other: &Self) -> DecidedBy {
        if self.priority != other.priority {
            DecidedBy::Priority
        } else if self.specificity != other.specificity {
            DecidedBy::Specificity
        } else if self.cost != other.cost {
            DecidedBy::Cost
        } else {
            DecidedBy::Hash
        }
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |score: &Self| {
            (
                Reverse(score.priority),
                Reverse(score.specificity),
                score.cost.is_none(),
                score.cost,
                score.draw,
            )
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which offer serves the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The one it is assigned to.
    Keep(Chosen),
    /// This one; it is assigned to none, or to one that may not serve it.
    Take(Chosen),
    /// None would.
    None,
}

impl Choice {
    /// The chosen offer, if any.
    pub fn chosen(&self) -> Option<&Chosen> {
        match self {
            Self::Keep(chosen) | Self::Take(chosen) => Some(chosen),
            Self::None => None,
        }
    }
}

/// For people: `priority 10, specificity 9, cost 0.5`.
impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "priority {}, specificity {}", self.priority, self.specificity)?;
        if let Some(cost) = self.cost {
            write!(f, ", cost {cost}")?;
        }
        write!(f, ", weight {}", self.draw.weight())
    }
}

/// The chosen offer: what is needed to place the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Which offer.
    pub id: OfferId,
    /// Namespace of the provider's cluster that the copy goes to.
    pub copy_namespace: String,
    /// What it was chosen by.
    pub score: Score,
    /// What decided between it and the next best.
    pub decided_by: DecidedBy,
}

impl Chosen {
    fn new((score, contender): &(Score, Contender), decided_by: DecidedBy) -> Self {
        Self {
            id: contender.id.clone(),
            copy_namespace: contender.copy_namespace.clone(),
            score: *score,
            decided_by,
        }
    }

    /// The provider's cluster, in which the copy goes.
    pub fn provider(&self) -> &ClusterName {
        &self.id.cluster
    }
}

/// What decided a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DecidedBy {
    /// The order stays where it is.
    Sticky,
    /// No other offer would serve it.
    OnlyOne,
    /// A higher priority.
    Priority,
    /// A longer prefix or suffix that matched.
    Specificity,
    /// A lower cost.
    Cost,
    /// The order's lot among equal offers.
    Hash,
}

impl DecidedBy {
    /// The stable `PascalCase` text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sticky => "Sticky",
            Self::OnlyOne => "OnlyOne",
            Self::Priority => "Priority",
            Self::Specificity => "Specificity",
            Self::Cost => "Cost",
            Self::Hash => "Hash",
        }
    }
}

/// The contenders for one order, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranking(Vec<(Score, Contender)>);

impl Ranking {
    /// Ranks for the order of this identity; the order in which contenders come does not matter.
    ///
    /// Of several with one identity, which should not occur, the best counts.
    pub fn new(contenders: impl IntoIterator<Item = Contender>, identity: &str) -> Self {
        let mut ranked: Vec<(Score, Contender)> =
            contenders.into_iter().map(|contender| (contender.score(identity), contender)).collect();
        ranked.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.id.cmp(&other.id)));
        Self(ranked)
    }

    /// The contenders with their scores, best first.
    pub fn iter(&self) -> impl Iterator<Item = &(Score, Contender)> {
        self.0.iter()
    }

    /// The current offer while it contends, else the best.
    pub fn choose(&self, current: Option<&OfferId>) -> Choice {
        if let Some(held) = self.iter().find(|(_, contender)| Some(&contender.id) == current) {
            return Choice::Keep(Chosen::new(held, DecidedBy::Sticky));
        }
        match (self.0.first(), self.0.get(1)) {
            (Some(best), Some((next, _))) => Choice::Take(Chosen::new(best, best.0.decided_by(next))),
            (Some(best), None) => Choice::Take(Chosen::new(best, DecidedBy::OnlyOne)),
            (None, _) => Choice::None,
        }
    }
}

/// Chooses for the order of this identity: [`Ranking::new`] and [`Ranking::choose`].
pub fn choose(
    contenders: impl IntoIterator<Item = Contender>,
    identity: &str,
    current: Option<&OfferId>,
) -> Choice {
    Ranking::new(contenders, identity).choose(current)
}
