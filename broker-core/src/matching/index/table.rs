//! From terms to who is filed under them: a tree of fixed depth whose snapshots share all but what changed.

use std::sync::Arc;

use smallvec::SmallVec;

use super::posting::Posting;
use super::term::{Kind, Term};

/// Bits of a hash that pick a branch at each of the two steps to a leaf.
const BITS: u32 = 6;
const BRANCHES: usize = 1 << BITS;

/// Who is filed under which term.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    stems: Vec<Arc<Stem>>,
}

#[derive(Clone, Debug, Default)]
struct Stem {
    leaves: Vec<Arc<Leaf>>,
}

/// Terms in order, each with its node.
#[derive(Clone, Debug, Default)]
struct Leaf {
    terms: Vec<Term>,
    nodes: Vec<Node>,
}

/// Kinds of second terms, with how many are filed under each.
type Seconds = SmallVec<[(Kind, u32); 2]>;

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
    pub(super) fn of(nodes: impl IntoIterator<Item = (Term, Node)>) -> Self {
        let mut leaves: Vec<Leaf> = vec![Leaf::default(); BRANCHES * BRANCHES];
        for (term, node) in nodes {
            let (stem, leaf) = path(term);
            if let Some(leaf) = leaves.get_mut(stem * BRANCHES + leaf) {
                leaf.terms.push(term);
                leaf.nodes.push(node);
            }
        }
        let mut leaves = leaves.into_iter().map(Arc::new);
        let stems =
            (0..BRANCHES).map(|_| Arc::new(Stem { leaves: leaves.by_ref().take(BRANCHES).collect() }));
        Self { stems: stems.collect() }
    }

    /// What is known under a term.
    pub(super) fn get(&self, term: Term) -> Option<&Node> {
        let (stem, leaf) = path(term);
        let leaf = self.stems.get(stem)?.leaves.get(leaf)?;
        let at = leaf.terms.binary_search(&term).ok()?;
        leaf.nodes.get(at)
    }

    /// Changes what is known under a term. A node that is left empty is dropped.
    pub(super) fn change(&mut self, term: Term, change: impl FnOnce(&mut Node)) {
        let (stem, leaf) = path(term);
        if self.stems.is_empty() {
            self.stems = vec![Arc::default(); BRANCHES];
        }
        let Some(stem) = self.stems.get_mut(stem) else { return };
        let stem = Arc::make_mut(stem);
        if stem.leaves.is_empty() {
            stem.leaves = vec![Arc::default(); BRANCHES];
        }
        let Some(leaf) = stem.leaves.get_mut(leaf) else { return };
        let leaf = Arc::make_mut(leaf);
        let at = leaf.terms.binary_search(&term).unwrap_or_else(|at| {
            leaf.terms.insert(at, term);
            leaf.nodes.insert(at, Node::default());
            at
        });
        let Some(node) = leaf.nodes.get_mut(at) else { return };
        change(node);
        if node.is_empty() {
            leaf.terms.remove(at);
            leaf.nodes.remove(at);
        }
    }
}

/// Where the leaf of a term is: by its leading bits.
fn path(term: Term) -> (usize, usize) {
    let step =
        |shift: u32| usize::try_from((term.hash() >> shift) & (BRANCHES as u64 - 1)).unwrap_or_default();
    (step(64 - BITS), step(64 - 2 * BITS))
}
