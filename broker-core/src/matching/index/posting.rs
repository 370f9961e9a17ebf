//! The offers that are filed under one term, best first.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::entry::Entry;
use super::search::{Podium, Question};
use crate::matching::Listing;
use crate::selection::Standing;
use crate::selection::rendezvous::OfferSeed;

/// Offers beyond this many are kept in chunks.
const FEW: usize = 16;
/// A chunk that would become longer is split.
const CHUNK: usize = 128;

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
    pub(super) entry: Arc<Entry>,
}

/// A stretch of a posting.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    filed: Vec<Filed>,
    runs: Vec<Run>,
}

/// Neighbours that nothing but their lots tells apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) standing: Standing,
    pub(super) weight: u32,
    pub(super) exact: bool,
    /// How many.
    length: usize,
}

impl Default for Posting {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl Filed {
    pub(super) fn new(entry: Arc<Entry>) -> Self {
        Self { seed: entry.offer().seed(), entry }
    }

    /// In which order offers are filed. Seeds go last: they tell equal offers apart, so that each has its place.
    fn rank(&self, other: &Self) -> Ordering {
        let (one, two) = (&self.entry, &other.entry);
        one.standing()
            .cmp(&two.standing())
            .then_with(|| two.is_exact().cmp(&one.is_exact()))
            .then_with(|| one.weight().cmp(&two.weight()))
            .then_with(|| self.seed.cmp(&other.seed))
    }
}

impl Posting {
    /// Files these offers, whatever order they come in.
    pub(super) fn of(mut filed: SmallVec<[Filed; 1]>) -> Self {
        if filed.len() > 1 {
            filed.sort_unstable_by(Filed::rank);
        }
        if filed.len() <= FEW {
            return Self::Few(filed);
        }
        Self::Many(filed.chunks(CHUNK / 2).map(|filed| Arc::new(Chunk::of(filed.to_vec()))).collect())
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
            Self::Many(chunks) => chunks.iter().map(|chunk| chunk.filed.len()).sum(),
        }
    }

    pub(super) fn insert(&mut self, new: Filed) {
        match self {
            Self::Few(filed) => {
                let at = filed.partition_point(|other| other.rank(&new).is_le());
                filed.insert(at, new);
                if filed.len() > FEW {
                    *self = Self::of(std::mem::take(filed));
                }
            }
            Self::Many(chunks) => {
                let begins_before =
                    |chunk: &Arc<Chunk>| chunk.filed.first().is_some_and(|first| first.rank(&new).is_le());
                let at = chunks.partition_point(begins_before).saturating_sub(1);
                let Some(chunk) = chunks.get_mut(at) else { return };
                let mut filed = chunk.filed.clone();
                let place = filed.partition_point(|other| other.rank(&new).is_le());
                filed.insert(place, new);
                if filed.len() > CHUNK {
                    let rest = filed.split_off(filed.len() / 2);
                    chunks.insert(at + 1, Arc::new(Chunk::of(rest)));
                }
                if let Some(chunk) = chunks.get_mut(at) {
                    *chunk = Arc::new(Chunk::of(filed));
                }
            }
        }
    }

    /// Takes the offer of this listing out, if it is in; `like` is filed where it is.
    pub(super) fn remove(&mut self, like: &Filed, listing: &Arc<Listing>) {
        match self {
            Self::Few(filed) => filed.retain(|filed| !filed.entry.is_of(listing)),
            Self::Many(chunks) => {
                let at = place_of(chunks, like);
                let Some(chunk) = chunks.get_mut(at) else { return };
                let mut filed = chunk.filed.clone();
                filed.retain(|filed| !filed.entry.is_of(listing));
                if filed.is_empty() {
                    chunks.remove(at);
                } else {
                    *chunk = Arc::new(Chunk::of(filed));
                }
            }
        }
    }

    /// Whether the offer of this listing is filed here; `like` is filed where it is.
    pub(super) fn has(&self, like: &Filed, listing: &Arc<Listing>) -> bool {
        let filed = match self {
            Self::Few(filed) => filed.as_slice(),
            Self::Many(chunks) => {
                chunks.get(place_of(chunks, like)).map(|chunk| chunk.filed.as_slice()).unwrap_or_default()
            }
        };
        filed.iter().any(|filed| filed.entry.is_of(listing))
    }

    /// Lets whoever is filed here compete, as far as it may matter.
    pub(super) fn compete<'i>(&'i self, question: &Question<'_>, podium: &mut Podium<'i>) {
        match self {
            Self::Few(filed) => filed.iter().for_each(|filed| podium.consider(filed, question)),
            Self::Many(chunks) => {
                for chunk in chunks {
                    let mut rest = chunk.filed.as_slice();
                    for run in &chunk.runs {
                        if podium.is_beyond(&run.standing) {
                            return;
                        }
                        let (these, others) = rest.split_at_checked(run.length).unwrap_or((rest, &[]));
                        podium.consider_run(run, these, question);
                        rest = others;
                    }
                }
            }
        }
    }
}

/// The chunk in which whoever is filed like this is.
fn place_of(chunks: &[Arc<Chunk>], like: &Filed) -> usize {
    chunks.partition_point(|chunk| chunk.filed.last().is_some_and(|last| last.rank(like).is_lt()))
}

impl Chunk {
    fn of(filed: Vec<Filed>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for Filed { entry, .. } in &filed {
            let run = Run {
                standing: entry.standing(),
                weight: entry.weight(),
                exact: entry.is_exact(),
                length: 1,
            };
            match runs.last_mut() {
                Some(last) if last.is_like(&run) => last.length += 1,
                Some(_) | None => runs.push(run),
            }
        }
        Self { filed, runs }
    }
}

impl Run {
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.standing == other.standing && self.weight == other.weight && self.exact == other.exact
    }
}
