//! The offers that are filed under one term, best first.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::question::FoundBy;
use super::search::Podium;
use crate::matching::Listing;
use crate::selection::Standing;
use crate::selection::rendezvous::OfferSeed;

/// Offers beyond this many are kept in chunks.
const FEW: usize = 16;
/// A chunk that would become longer is split.
const CHUNK: usize = 256;

/// Offers, best first: in a few words where they are few, in chunks that snapshots share where they are many.
#[derive(Clone, Debug)]
pub(super) enum Posting {
    Few(SmallVec<[Filed; 1]>),
    Many(Vec<Arc<Chunk>>),
}

/// One offer. Its seed is at hand, because of many equal offers only few are looked at more closely.
#[derive(Clone, Debug)]
pub(super) struct Filed {
    pub(super) seed: OfferSeed,
    pub(super) listing: Arc<Listing>,
}

/// A stretch of a posting: seeds and offers side by side, as most seeds are looked at alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    seeds: Vec<OfferSeed>,
    listings: Vec<Arc<Listing>>,
    runs: Vec<Run>,
}

/// Neighbours that nothing but their lots tells apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) standing: Standing,
    pub(super) weight: u32,
    pub(super) is_exact: bool,
    /// How many.
    length: usize,
}

impl Default for Posting {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl Filed {
    pub(super) fn new(listing: Arc<Listing>) -> Self {
        Self { seed: listing.rank().seed, listing }
    }
}

/// In which order offers are filed. Seeds go last: they tell equal offers apart, so that each has its place.
fn order(one: &Listing, other: &Listing) -> Ordering {
    let (one, two) = (one.rank(), other.rank());
    one.standing
        .cmp(&two.standing)
        .then_with(|| two.is_exact.cmp(&one.is_exact))
        .then_with(|| one.weight.cmp(&two.weight))
        .then_with(|| one.seed.cmp(&two.seed))
}

impl Posting {
    /// Files these offers, whatever order they come in.
    pub(super) fn of(mut filed: SmallVec<[Filed; 1]>) -> Self {
        if filed.len() <= FEW {
            filed.sort_unstable_by(|one, other| order(&one.listing, &other.listing));
            return Self::Few(filed);
        }
        // Each offer is fetched once, not for every comparison.
        filed.sort_by_cached_key(|filed| {
            let rank = filed.listing.rank();
            (rank.standing, !rank.is_exact, rank.weight, rank.seed)
        });
        let listings: Vec<Arc<Listing>> = filed.into_iter().map(|filed| filed.listing).collect();
        Self::Many(
            listings.chunks(CHUNK * 3 / 4).map(|listings| Arc::new(Chunk::of(listings.to_vec()))).collect(),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(filed) => filed.is_empty(),
            Self::Many(chunks) => chunks.is_empty(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(filed) => filed.len(),
            Self::Many(chunks) => chunks.iter().map(|chunk| chunk.seeds.len()).sum(),
        }
    }

    pub(super) fn insert(&mut self, new: Arc<Listing>) {
        let goes_before = |other: &Arc<Listing>| order(other, &new).is_le();
        match self {
            Self::Few(filed) => {
                let at = filed.partition_point(|filed| goes_before(&filed.listing));
                filed.insert(at, Filed::new(new));
                if filed.len() > FEW {
                    *self = Self::of(std::mem::take(filed));
                }
            }
            Self::Many(chunks) => {
                let begins_before = |chunk: &Arc<Chunk>| chunk.listings.first().is_some_and(goes_before);
                let at = chunks.partition_point(begins_before).saturating_sub(1);
                let Some(chunk) = chunks.get_mut(at) else { return };
                let mut listings = chunk.listings.clone();
                let place = listings.partition_point(goes_before);
                listings.insert(place, new);
                let rest = (listings.len() > CHUNK).then(|| listings.split_off(listings.len() / 2));
                *chunk = Arc::new(Chunk::of(listings));
                if let Some(rest) = rest {
                    chunks.insert(at + 1, Arc::new(Chunk::of(rest)));
                }
            }
        }
    }

    /// Takes an offer out, if it is in.
    pub(super) fn remove(&mut self, listing: &Arc<Listing>) {
        match self {
            Self::Few(filed) => filed.retain(|filed| !Arc::ptr_eq(&filed.listing, listing)),
            Self::Many(chunks) => {
                let at = place_of(chunks, listing);
                let Some(chunk) = chunks.get_mut(at) else { return };
                let mut listings = chunk.listings.clone();
                listings.retain(|other| !Arc::ptr_eq(other, listing));
                if listings.is_empty() {
                    chunks.remove(at);
                } else {
                    *chunk = Arc::new(Chunk::of(listings));
                }
            }
        }
    }

    /// Whether an offer is filed here.
    pub(super) fn has(&self, listing: &Arc<Listing>) -> bool {
        match self {
            Self::Few(filed) => filed.iter().any(|filed| Arc::ptr_eq(&filed.listing, listing)),
            Self::Many(chunks) => {
                let chunk = chunks.get(place_of(chunks, listing));
                chunk.is_some_and(|chunk| chunk.listings.iter().any(|other| Arc::ptr_eq(other, listing)))
            }
        }
    }

    /// Lets whoever is filed here compete, as far as it may matter.
    #[inline]
    pub(super) fn compete<'i>(&'i self, found_by: FoundBy, podium: &mut Podium<'i, '_>) {
        match self {
            Self::Few(filed) => {
                for filed in filed {
                    podium.consider(filed.seed, &filed.listing, found_by);
                }
            }
            Self::Many(chunks) => {
                for chunk in chunks {
                    let (mut seeds, mut listings) = (chunk.seeds.as_slice(), chunk.listings.as_slice());
                    for run in &chunk.runs {
                        if podium.is_beyond(&run.standing) {
                            return;
                        }
                        let (these, others) = split(seeds, run.length);
                        let (offers, rest) = split(listings, run.length);
                        podium.consider_run(run, these, offers, found_by);
                        (seeds, listings) = (others, rest);
                    }
                }
            }
        }
    }
}

fn split<T>(all: &[T], at: usize) -> (&[T], &[T]) {
    all.split_at_checked(at).unwrap_or((all, &[]))
}

/// The chunk in which an offer is, if it is in any.
fn place_of(chunks: &[Arc<Chunk>], listing: &Listing) -> usize {
    chunks.partition_point(|chunk| chunk.listings.last().is_some_and(|last| order(last, listing).is_lt()))
}

impl Chunk {
    fn of(listings: Vec<Arc<Listing>>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for rank in listings.iter().map(|listing| listing.rank()) {
            let run =
                Run { standing: rank.standing, weight: rank.weight, is_exact: rank.is_exact, length: 1 };
            match runs.last_mut() {
                Some(last) if last.is_like(&run) => last.length += 1,
                Some(_) | None => runs.push(run),
            }
        }
        Self { seeds: listings.iter().map(|listing| listing.rank().seed).collect(), listings, runs }
    }
}

impl Run {
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.standing == other.standing && self.weight == other.weight && self.is_exact == other.is_exact
    }
}
