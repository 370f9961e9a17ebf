//! By what a check can be looked up.

use crate::offer::hashing::PathHash;

/// How a value is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// The whole text.
    Exact = 1,
    /// Its beginning.
    Prefix,
    /// Its end.
    Suffix,
    /// Whether the field is there, whatever it is.
    There,
}

/// A field and a form, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(u64);

impl Kind {
    #[inline]
    pub(crate) fn new(path: PathHash, form: Form) -> Self {
        Self(path.get().wrapping_add(u64::from(form as u8)))
    }

    /// A kind that nothing is looked up by, and that no check has.
    pub(crate) const fn nobodys() -> Self {
        Self(1)
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}
