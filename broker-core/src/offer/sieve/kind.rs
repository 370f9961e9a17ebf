//! By what a check can be looked up.

use crate::offer::hashing::{ASIDE, PathHash};

/// How a value is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    /// The whole text.
    Exact = 1,
    /// Its beginning.
    Prefix = 2,
    /// Its end.
    Suffix = 3,
    /// Whether the field is there, whatever it is.
    There = 4,
}

/// A field and a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(u64);

impl Kind {
    #[inline]
    pub(crate) fn new(path: PathHash, form: Form) -> Self {
        Self(path.get() | u64::from(form as u8))
    }

    /// The field.
    #[inline]
    pub(crate) fn path(self) -> PathHash {
        PathHash::from_bits(self.0)
    }

    /// The form; `None` where nothing is looked up by it.
    #[inline]
    pub(crate) fn form(self) -> Option<Form> {
        match self.0 & ASIDE {
            1 => Some(Form::Exact),
            2 => Some(Form::Prefix),
            3 => Some(Form::Suffix),
            4 => Some(Form::There),
            _ => None,
        }
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}
