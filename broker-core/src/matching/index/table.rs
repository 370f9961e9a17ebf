//! From terms to who is filed under them: a tree of fixed depth whose snapshots share all but what changed.

use std::sync::Arc;

use smallvec::SmallVec;

use super::posting::Posting;
use super::term::Term;
use crate::offer::sieve::Kind;

/// A leaf has about so many terms when the table is made.
const USUAL: usize = 3;
/// Where leaves have more on average, the table is made anew with more of them.
const CROWDED: usize = 8 * USUAL;
/// Bits of a hash that pick a branch at each of the two steps to a leaf. Where there are few terms, each may have long
/// postings, and is better not copied when another one changes: so there are never few leaves.
const BITS: std::ops::RangeInclusive<u32> = 4..=8;

/// Who is filed under which term.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    stems: Vec<Arc<Stem>>,
    bits: u32,
    terms: usize,
}

type Stem = [Arc<Leaf>];
/// In the order of the terms.
type Leaf = [Slot];

#[derive(Clone, Debug)]
struct Slot {
    term: Term,
    node: Node,
}

/// Kinds of second terms, with how many are filed under each.
type Seconds = SmallVec<[(Kind, u32); 1]>;

/// What is known under one term.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Who is filed here.
    pub(super) posting: Posting,
    /// By which kinds of a second term others are filed under this one and that, and how many of each.
    pub(super) seconds: Option<Box<Seconds>>,
}

impl Node {
    /// The kinds of second terms.
    #[inline]
    pub(super) fn seconds(&self) -> impl Iterator<Item = Kind> {
        self.seconds.iter().flat_map(|seconds| seconds.iter()).map(|(kind, _)| *kind)
    }

    /// One more is filed under this term and one of that kind.
    pub(super) fn add_second(&mut self, kind: Kind) {
        let seconds = self.seconds.get_or_insert_default();
        match seconds.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => seconds.push((kind, 1)),
        }
    }

    /// One less is.
    pub(super) fn drop_second(&mut self, kind: Kind) {
        let Some(seconds) = &mut self.seconds else { return };
        for (_, count) in seconds.iter_mut().filter(|(other, _)| *other == kind) {
            *count = count.saturating_sub(1);
        }
        seconds.retain(|(_, count)| *count > 0);
        if seconds.is_empty() {
            self.seconds = None;
        }
    }

    fn is_empty(&self) -> bool {
        self.posting.is_empty() && self.seconds.is_none()
    }
}

impl Table {
    /// A table of these nodes, which must be in the order of their terms and without repetition.
    pub(super) fn of(nodes: Vec<(Term, Node)>) -> Self {
        let terms = nodes.len();
        Self::filled(terms, nodes.into_iter().map(|(term, node)| Slot { term, node }))
    }

    fn filled(terms: usize, slots: impl Iterator<Item = Slot>) -> Self {
        let bits = (terms / USUAL).max(1).ilog2().div_ceil(2).clamp(*BITS.start(), *BITS.end());
        let nothing: Arc<Leaf> = Arc::default();
        let mut slots = slots.peekable();
        let mut these: Vec<Slot> = Vec::new();
        let mut leaf = |number: u64| -> Arc<Leaf> {
            while let Some(slot) = slots.next_if(|slot| slot.term.hash() >> (64 - 2 * bits) == number) {
                these.push(slot);
            }
            if these.is_empty() { nothing.clone() } else { these.drain(..).collect() }
        };
        let branches = 1_u64 << bits;
        let stems =
            (0..branches).map(|stem| (0..branches).map(|at| leaf((stem << bits) | at)).collect()).collect();
        Self { stems, bits, terms }
    }

    /// What is known under a term.
    #[inline]
    pub(super) fn get(&self, term: Term) -> Option<&Node> {
        let (stem, leaf) = self.path(term);
        let leaf = self.stems.get(stem)?.get(leaf)?;
        // A handful: quicker gone through than halved.
        leaf.iter().find(|slot| slot.term == term).map(|slot| &slot.node)
    }

    /// Changes what is known under a term. A node that is left empty is dropped.
    pub(super) fn change(&mut self, term: Term, change: impl FnOnce(&mut Node)) {
        if self.terms >= self.stems.len().pow(2) * CROWDED {
            *self = self.spread();
        }
        let (stem, leaf) = self.path(term);
        let Some(leaf) = self.stems.get_mut(stem).and_then(|stem| Arc::make_mut(stem).get_mut(leaf)) else {
            return;
        };
        let mut slots = leaf.to_vec();
        let before = slots.len();
        let at = slots.binary_search_by_key(&term, |slot| slot.term).unwrap_or_else(|at| {
            slots.insert(at, Slot { term, node: Node::default() });
            at
        });
        if let Some(slot) = slots.get_mut(at) {
            change(&mut slot.node);
            if slot.node.is_empty() {
                slots.remove(at);
            }
        }
        self.terms = (self.terms + slots.len()).saturating_sub(before);
        *leaf = slots.into();
    }

    /// The same with as many leaves as its terms are worth, and at least one.
    fn spread(&self) -> Self {
        let slots = self.stems.iter().flat_map(|stem| stem.iter()).flat_map(|leaf| leaf.iter()).cloned();
        Self::filled(self.terms, slots)
    }

    /// Where the leaf of a term is: by its leading bits.
    #[inline]
    fn path(&self, term: Term) -> (usize, usize) {
        let mask = (1_u64 << self.bits) - 1;
        let step = |bits: u32| usize::try_from(term.hash().rotate_left(bits) & mask).unwrap_or_default();
        (step(self.bits), step(2 * self.bits))
    }
}
