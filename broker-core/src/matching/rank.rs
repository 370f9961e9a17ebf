//! What an offer competes with, whoever asks.

use super::policy::Terms;
use crate::offer::{Offer, OfferId};
use crate::selection::Standing;
use crate::selection::rendezvous::OfferSeed;

/// What an offer is ranked by among those that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rank {
    /// Where it matches as specifically as can be.
    pub(super) standing: Standing,
    pub(super) weight: u32,
    pub(super) seed: OfferSeed,
    /// Whether every order that passes has exactly this standing.
    pub(super) is_exact: bool,
    /// Whether it can be chosen for a new order, whatever is in that. Else the rest has no meaning.
    pub(super) is_open: bool,
}

/// What tells offers apart before lots are drawn. The smaller one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    pub(super) standing: Standing,
    /// Whether an order that passes may have less than that.
    pub(super) is_vague: bool,
    weight: u32,
}

impl Rank {
    /// With which others it is filed side by side.
    pub(super) fn class(&self) -> Class {
        Class { standing: self.standing, is_vague: !self.is_exact, weight: self.weight }
    }

    /// Of an offer that cannot be chosen.
    pub(super) fn closed(id: &OfferId) -> Self {
        let standing = Standing { priority: 0, specificity: 0, cost: None };
        Self { standing, weight: 1, seed: OfferSeed::of(id), is_exact: false, is_open: false }
    }

    pub(super) fn of(offer: &Offer, terms: &Terms) -> Self {
        let sieve = offer.sieve();
        Self {
            standing: Standing {
                priority: terms.priority,
                specificity: sieve.specificity(),
                cost: offer.cost(),
            },
            weight: terms.weight,
            seed: offer.seed(),
            is_exact: sieve.is_exact(),
            is_open: true,
        }
    }
}
