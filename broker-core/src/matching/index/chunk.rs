//! A stretch of a long posting. What one change copies is a few dozen references: counting one more reference to an offer
//! that nobody looked at lately takes longer than all that is written.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::matching::Listing;
use crate::matching::rank::{Class, Rank};
use crate::selection::rendezvous::OfferSeed;

/// A chunk that would become longer is split. In tests few offers are to make many chunks.
const CHUNK: usize = if cfg!(test) { 64 } else { 1024 };
/// So would a block of offers.
const BLOCK: usize = if cfg!(test) { 6 } else { 48 };
/// How many offers new chunks have.
pub(super) const USUAL: usize = CHUNK * 3 / 4;

/// Offers in blocks that snapshots share, and the seeds of all of them side by side, as most seeds are looked at alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    seeds: Vec<OfferSeed>,
    runs: Vec<Run>,
    blocks: Vec<Arc<Block>>,
}

type Block = [Arc<Listing>];

/// Neighbours that nothing but their lots tells apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) class: Class,
    /// How many.
    length: usize,
}

/// Some of the offers of a chunk.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'i> {
    blocks: &'i [Arc<Block>],
    from: usize,
}

/// In which order offers are filed. Seeds go last: they tell equal offers apart, so that each has its place.
pub(super) fn order(one: &Listing, other: &Listing) -> Ordering {
    let (one, two) = (one.rank(), other.rank());
    one.class().cmp(&two.class()).then_with(|| one.seed.cmp(&two.seed))
}

impl Chunk {
    /// A chunk of these, which come in their order.
    pub(super) fn of(listings: &[Arc<Listing>]) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for rank in listings.iter().map(|listing| listing.rank()) {
            let run = Run::of(rank);
            match runs.last_mut() {
                Some(last) if last.is_like(&run) => last.length += 1,
                Some(_) | None => runs.push(run),
            }
        }
        let seeds = listings.iter().map(|listing| listing.rank().seed).collect();
        Self { seeds, runs, blocks: listings.chunks(BLOCK * 2 / 3).map(Arc::from).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.seeds.len()
    }

    fn listings(&self) -> impl Iterator<Item = &Arc<Listing>> {
        self.blocks.iter().flat_map(|block| block.iter())
    }

    pub(super) fn first(&self) -> Option<&Arc<Listing>> {
        self.blocks.first()?.first()
    }

    pub(super) fn last(&self) -> Option<&Arc<Listing>> {
        self.blocks.last()?.last()
    }

    /// The runs, with the seeds and the offers of each.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&Run, &[OfferSeed], Stretch<'_>)> {
        self.runs.iter().scan(0, |from, run| {
            let stretch = Stretch { blocks: &self.blocks, from: *from };
            let seeds = self.seeds.get(*from..*from + run.length).unwrap_or_default();
            *from += run.length;
            Some((run, seeds, stretch))
        })
    }

    /// Takes one more offer in.
    pub(super) fn insert(&mut self, new: Arc<Listing>) {
        let goes_before = |other: &Arc<Listing>| order(other, &new).is_le();
        let begins_before = |block: &Arc<Block>| block.first().is_some_and(goes_before);
        let number = self.blocks.partition_point(begins_before).saturating_sub(1);
        let Some(block) = self.blocks.get(number) else { return *self = Self::of(&[new]) };
        let place = block.partition_point(goes_before);
        let at = self.begin_of(number) + place;
        let run = Run::of(new.rank());
        self.seeds.insert(at, new.rank().seed);
        if let Some(other) = self.runs.iter_mut().find(|other| other.is_like(&run)) {
            other.length += 1;
        } else {
            let at = self.runs.partition_point(|other| other.class < run.class);
            self.runs.insert(at, run);
        }
        let mut listings = block.to_vec();
        listings.insert(place, new);
        let halves = listings.chunks(if listings.len() > BLOCK { BLOCK.div_ceil(2) } else { BLOCK });
        self.blocks.splice(number..=number, halves.map(Arc::from));
    }

    /// Takes an offer out, if it is in.
    pub(super) fn remove(&mut self, listing: &Arc<Listing>) {
        let Some((number, place)) = self.place_of(listing) else { return };
        let Some(block) = self.blocks.get_mut(number) else { return };
        let mut listings = block.to_vec();
        listings.remove(place);
        if listings.is_empty() {
            self.blocks.remove(number);
        } else {
            *block = listings.into();
        }
        self.seeds.remove(self.begin_of(number) + place);
        let run = Run::of(listing.rank());
        self.runs.iter_mut().filter(|other| other.is_like(&run)).for_each(|other| other.length -= 1);
        self.runs.retain(|run| run.length > 0);
    }

    /// The second half, taken out, where this has become too long.
    pub(super) fn split(&mut self) -> Option<Self> {
        if self.len() <= CHUNK {
            return None;
        }
        let listings: Vec<Arc<Listing>> = self.listings().cloned().collect();
        let (these, others) = listings.split_at(listings.len() / 2);
        let rest = Self::of(others);
        *self = Self::of(these);
        Some(rest)
    }

    /// Whether an offer is in.
    pub(super) fn has(&self, listing: &Arc<Listing>) -> bool {
        self.place_of(listing).is_some()
    }

    /// In which block an offer is, and where in that.
    fn place_of(&self, listing: &Arc<Listing>) -> Option<(usize, usize)> {
        let ends_before = |block: &Arc<Block>| block.last().is_some_and(|last| order(last, listing).is_lt());
        let number = self.blocks.partition_point(ends_before);
        let place = self.blocks.get(number)?.iter().position(|other| Arc::ptr_eq(other, listing))?;
        Some((number, place))
    }

    /// How many offers are in the blocks before one.
    fn begin_of(&self, number: usize) -> usize {
        self.blocks.iter().take(number).map(|block| block.len()).sum()
    }
}

impl Run {
    fn of(rank: &Rank) -> Self {
        Self { class: rank.class(), length: 1 }
    }

    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.class == other.class
    }
}

impl<'i> Stretch<'i> {
    /// One of the offers.
    pub(super) fn get(self, at: usize) -> Option<&'i Arc<Listing>> {
        let mut at = self.from + at;
        for block in self.blocks {
            match at.checked_sub(block.len()) {
                Some(beyond) => at = beyond,
                None => return block.get(at),
            }
        }
        None
    }

    /// The offers from the first on.
    pub(super) fn iter(self) -> impl Iterator<Item = &'i Arc<Listing>> {
        self.blocks.iter().flat_map(|block| block.iter()).skip(self.from)
    }
}
