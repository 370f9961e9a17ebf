//! What offers are filed under: a hash of a field, a form and a text.
//!
//! Two that collide share a place, and cost those who look there a check in vain: whoever is found is checked all the
//! same.

use crate::offer::hashing::{TextHash, spread};
use crate::offer::sieve::Kind;

/// A field, a form and a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term(u64);

impl Term {
    #[inline]
    pub(super) fn of(kind: Kind, text: TextHash) -> Self {
        Self(spread(kind.get() ^ text.get().rotate_left(29)))
    }

    /// The term of a form that is about no text.
    pub(super) fn of_kind(kind: Kind) -> Self {
        Self(spread(kind.get()))
    }

    /// A term of no kind.
    pub(super) const fn nobodys() -> Self {
        Self(0)
    }

    /// The two together.
    #[inline]
    pub(super) fn and(self, other: Self) -> Self {
        Self(spread(self.0 ^ other.0.rotate_left(23)))
    }

    /// The term that is this number.
    pub(super) fn from_hash(hash: u64) -> Self {
        Self(hash)
    }

    /// The term as a number, evenly spread.
    pub(super) fn hash(self) -> u64 {
        self.0
    }
}
