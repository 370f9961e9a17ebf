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

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use std::sync::Arc;

use self::rendezvous::{Draw, OrderSeed};
use crate::offer::{Cost, Offer, OfferId};
use crate::resource::ClusterName;

/// An offer that would serve the order.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// The offer.
    pub offer: Arc<Offer>,
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
    /// Which offer.
    pub fn id(&self) -> &OfferId {
        self.offer.id()
    }

    /// What it is compared by, for the order of this seed.
    pub fn score(&self, order: OrderSeed) -> Score {
        let standing = Standing { priority: self.priority, specificity: self.specificity, cost: self.cost };
        Score { standing, draw: Draw::of(order, self.offer.seed(), self.weight) }
    }
}

/// What offers are compared by before a lot is drawn. The smaller one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Higher goes first.
    pub priority: i32,
    /// Higher goes first.
    pub specificity: u32,
    /// Lower goes first, unstated last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

impl Standing {
    /// What decides between this standing and another.
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

impl Ord for Standing {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.priority != other.priority {
            return other.priority.cmp(&self.priority);
        }
        if self.specificity != other.specificity {
            return other.specificity.cmp(&self.specificity);
        }
        // Costs are compared last and only where both are stated: comparing decimals is the dear part.
        match (&self.cost, &other.cost) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => one.cmp(other),
        }
    }
}

impl PartialOrd for Standing {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// For people: `priority 10, specificity 9, cost 0.5`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "priority {}, specificity {}", self.priority, self.specificity)?;
        if let Some(cost) = self.cost {
            write!(f, ", cost {cost}")?;
        }
        Ok(())
    }
}

/// What offers are compared by. The smaller score goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Score {
    /// What it brings along.
    #[serde(flatten)]
    pub standing: Standing,
    /// The lot drawn among equals.
    pub draw: Draw,
}

/// For people: `priority 10, specificity 9, cost 0.5, weight 100`.
impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, weight {}", self.standing, self.draw.weight())
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

/// The chosen offer. Cheap to make and to pass on: it shares what the snapshot holds.
#[derive(Clone, Debug)]
pub struct Chosen {
    offer: Arc<Offer>,
    standing: Standing,
}

impl Chosen {
    pub(crate) fn new(offer: Arc<Offer>, standing: Standing) -> Self {
        Self { offer, standing }
    }

    /// Which offer.
    pub fn id(&self) -> &OfferId {
        self.offer.id()
    }

    /// The offer.
    pub fn offer(&self) -> &Arc<Offer> {
        &self.offer
    }

    /// Namespace of the provider's cluster that the copy goes to.
    pub fn copy_namespace(&self) -> &str {
        self.offer.copy_namespace()
    }

    /// What it was chosen by.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The provider's cluster, in which the copy goes.
    pub fn provider(&self) -> &ClusterName {
        &self.id().cluster
    }
}

/// Choices are equal that name the same offer with the same standing.
impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id() && self.standing == other.standing
    }
}

impl Eq for Chosen {}

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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking(Vec<(Score, Contender)>);

impl Ranking {
    /// Ranks for the order of this identity; the order in which contenders come does not matter.
    ///
    /// Of several with one identity, which should not occur, the best counts.
    pub fn new(contenders: impl IntoIterator<Item = Contender>, identity: &str) -> Self {
        let order = OrderSeed::of(identity);
        let mut ranked: Vec<(Score, Contender)> =
            contenders.into_iter().map(|contender| (contender.score(order), contender)).collect();
        ranked.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.id().cmp(other.id())));
        Self(ranked)
    }

    /// The contenders with their scores, best first.
    pub fn iter(&self) -> impl Iterator<Item = &(Score, Contender)> {
        self.0.iter()
    }

    /// The current offer while it contends, else the best.
    pub fn choose(&self, current: Option<&OfferId>) -> Choice {
        let chosen =
            |(score, contender): &(Score, Contender)| Chosen::new(contender.offer.clone(), score.standing);
        match self.iter().find(|(_, contender)| Some(contender.id()) == current) {
            Some(held) => Choice::Keep(chosen(held)),
            None => self.0.first().map_or(Choice::None, |best| Choice::Take(chosen(best))),
        }
    }

    /// What decided a choice from this ranking; `None` where nothing was chosen.
    pub fn decided_by(&self, choice: &Choice) -> Option<DecidedBy> {
        match choice {
            Choice::Keep(_) => Some(DecidedBy::Sticky),
            Choice::Take(best) => {
                let next = self.iter().find(|(_, contender)| contender.id() != best.id());
                Some(next.map_or(DecidedBy::OnlyOne, |(next, _)| best.standing.decided_by(&next.standing)))
            }
            Choice::None => None,
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
