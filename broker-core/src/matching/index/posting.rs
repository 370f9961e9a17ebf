//! The offers that are filed under one term, best first.

use std::sync::Arc;

use smallvec::SmallVec;

use super::chunk::{Chunk, USUAL, order};
use super::search::Podium;
use crate::matching::Listing;
use crate::selection::rendezvous::OfferSeed;

/// Offers beyond this many are kept in chunks.
const FEW: usize = 16;
/// Offers, best first: in a few words where they are few, in chunks that snapshots share where they are many.
#[derive(Clone, Debug)]
pub(super) enum Posting {
    Few {
        filed: SmallVec<[Filed; 1]>,
        /// Whether nothing but their lots tells them apart.
        are_equal: bool,
    },
    Many(Vec<Arc<Chunk>>),
}

/// One offer. Its seed is at hand, because of many equal offers only few are looked at more closely.
#[derive(Clone, Debug)]
pub(super) struct Filed {
    pub(super) seed: OfferSeed,
    pub(super) listing: Arc<Listing>,
}

impl Default for Posting {
    fn default() -> Self {
        Self::few(SmallVec::new())
    }
}

impl Filed {
    pub(super) fn new(listing: Arc<Listing>) -> Self {
        Self { seed: listing.rank().seed, listing }
    }
}

impl Posting {
    /// Files these offers, which come in their order.
    pub(super) fn of(filed: SmallVec<[Filed; 1]>) -> Self {
        if filed.len() <= FEW {
            return Self::few(filed);
        }
        let listings: Vec<Arc<Listing>> = filed.into_iter().map(|filed| filed.listing).collect();
        Self::Many(listings.chunks(USUAL).map(|listings| Arc::new(Chunk::of(listings))).collect())
    }

    /// A few, which come in their order.
    fn few(filed: SmallVec<[Filed; 1]>) -> Self {
        let are_equal = match (filed.first(), filed.last()) {
            (Some(first), Some(last)) => {
                let (first, last) = (first.listing.rank(), last.listing.rank());
                first.is_exact && first.class() == last.class()
            }
            _ => true,
        };
        Self::Few { filed, are_equal }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few { filed, .. } => filed.is_empty(),
            Self::Many(chunks) => chunks.is_empty(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few { filed, .. } => filed.len(),
            Self::Many(chunks) => chunks.iter().map(|chunk| chunk.len()).sum(),
        }
    }

    pub(super) fn insert(&mut self, new: Arc<Listing>) {
        let goes_before = |other: &Arc<Listing>| order(other, &new).is_le();
        match self {
            Self::Few { filed, .. } => {
                let at = filed.partition_point(|filed| goes_before(&filed.listing));
                filed.insert(at, Filed::new(new));
                *self = Self::of(std::mem::take(filed));
            }
            Self::Many(chunks) => {
                let begins_before = |chunk: &Arc<Chunk>| chunk.first().is_some_and(goes_before);
                let at = chunks.partition_point(begins_before).saturating_sub(1);
                let Some(chunk) = chunks.get_mut(at).map(Arc::make_mut) else { return };
                chunk.insert(new);
                if let Some(rest) = chunk.split() {
                    chunks.insert(at + 1, Arc::new(rest));
                }
            }
        }
    }

    /// Takes an offer out, if it is in.
    pub(super) fn remove(&mut self, listing: &Arc<Listing>) {
        match self {
            Self::Few { filed, .. } => {
                filed.retain(|filed| !Arc::ptr_eq(&filed.listing, listing));
                *self = Self::few(std::mem::take(filed));
            }
            Self::Many(chunks) => {
                let at = place_of(chunks, listing);
                let Some(chunk) = chunks.get_mut(at).map(Arc::make_mut) else { return };
                chunk.remove(listing);
                if chunk.len() == 0 {
                    chunks.remove(at);
                }
            }
        }
    }

    /// Whether an offer is filed here.
    pub(super) fn has(&self, listing: &Arc<Listing>) -> bool {
        match self {
            Self::Few { filed, .. } => filed.iter().any(|filed| Arc::ptr_eq(&filed.listing, listing)),
            Self::Many(chunks) => {
                chunks.get(place_of(chunks, listing)).is_some_and(|chunk| chunk.has(listing))
            }
        }
    }

    /// Lets whoever is filed here compete, as far as it may matter.
    #[inline]
    pub(super) fn compete<'i>(&'i self, podium: &mut Podium<'i, '_>) {
        match self {
            Self::Few { filed, .. } if filed.is_empty() => {}
            Self::Few { filed, are_equal: true } => podium.consider_equals(filed),
            Self::Few { .. } | Self::Many(_) => self.compete_in_turn(podium),
        }
    }

    #[inline(never)]
    fn compete_in_turn<'i>(&'i self, podium: &mut Podium<'i, '_>) {
        match self {
            Self::Few { filed, .. } => {
                for filed in filed {
                    podium.consider(podium.number(filed.seed), &filed.listing);
                }
            }
            Self::Many(chunks) => {
                for (run, seeds, listings) in chunks.iter().flat_map(|chunk| chunk.runs()) {
                    if podium.is_beyond(&run.class.standing) {
                        return;
                    }
                    podium.consider_run(run, seeds, listings);
                }
            }
        }
    }
}

/// The chunk in which an offer is, if it is in any.
fn place_of(chunks: &[Arc<Chunk>], listing: &Listing) -> usize {
    chunks.partition_point(|chunk| chunk.last().is_some_and(|last| order(last, listing).is_lt()))
}
