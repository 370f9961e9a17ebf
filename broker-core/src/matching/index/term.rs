//! What offers are filed under: a hash of a field, a form and a text.
//!
//! Two that collide share a place, and cost those who look there a check in vain: whoever is found is checked by the
//! plain evaluator all the same.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::fields::Place;

/// How a value is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Form {
    /// The whole text.
    Exact,
    /// Its beginning.
    Prefix,
    /// Its end.
    Suffix,
}

/// A field and a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    place: Place,
    form: Form,
}

/// A field, a form and a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Term(u64);

impl Kind {
    pub(super) fn new(place: Place, form: Form) -> Self {
        Self { place, form }
    }

    pub(super) fn term(self, text: &[u8]) -> Term {
        let mut hasher = FxHasher::default();
        hasher.write_u32((u32::from(self.place) << 8) | u32::from(self.form as u8));
        hasher.write(text);
        Term(spread(hasher.finish()))
    }
}

impl Term {
    /// The two together.
    pub(super) fn and(self, other: Self) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.0);
        hasher.write_u64(other.0);
        Self(spread(hasher.finish()))
    }

    /// The term as a number, evenly spread.
    pub(super) fn hash(self) -> u64 {
        self.0
    }
}

/// Every bit reaches the leading ones, which decide where a term is kept.
fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
