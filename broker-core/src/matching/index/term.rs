//! What offers are filed under: a hash of a field, a form and a text.
//!
//! Two that collide share a place, and cost those who look there a check in vain: whoever is found is checked all the
//! same.

use crate::offer::hashing::{PathHash, TextHash, spread};

/// How a value is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Form {
    /// The whole text.
    Exact,
    /// Its beginning.
    Prefix,
    /// Its end.
    Suffix,
    /// Whether the field is there, whatever it is.
    There,
}

/// A field and a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind(u64);

/// A field, a form and a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term(u64);

impl Kind {
    #[inline]
    pub(super) fn new(path: PathHash, form: Form) -> Self {
        Self(path.get().wrapping_add(u64::from(form as u8)))
    }

    #[inline]
    pub(super) fn term(self, text: TextHash) -> Term {
        Term(spread(self.0 ^ text.get().rotate_left(29)))
    }

    /// The term of a form that is about no text.
    pub(super) fn alone(self) -> Term {
        Term(spread(self.0))
    }
}

impl Term {
    /// The two together.
    #[inline]
    pub(super) fn and(self, other: Self) -> Self {
        Self(spread(self.0 ^ other.0.rotate_left(23)))
    }

    /// The term as a number, evenly spread.
    pub(super) fn hash(self) -> u64 {
        self.0
    }
}
