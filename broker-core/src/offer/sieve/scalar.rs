//! A value of an order as tests see it.

use super::Span;
use crate::offer::hashing::TextHash;
use crate::offer::{Quantity, Unit};

/// A text, a number or a boolean, or what is none of them. Its text is kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scalar {
    /// The canonical text.
    pub(crate) text: Span,
    pub(crate) hash: TextHash,
    pub(crate) kind: ScalarKind,
    pub(crate) amount: Amount,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarKind {
    Text,
    /// A number or a boolean: it has a text, but no beginning and no end.
    Plain,
    /// An object, a list or a null inside of a list: no criterion accepts it.
    Other,
}

/// A value as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// It is none.
    None,
    /// So many thousandths.
    Thousandths(i64, Unit),
    /// More, or with more digits, than that: the filter itself can tell.
    Other,
}

impl Amount {
    pub(crate) fn of(quantity: Option<Quantity>) -> Self {
        let Some(quantity) = quantity else { return Self::None };
        match quantity.amount().thousandths() {
            Some(thousandths) => Self::Thousandths(thousandths, quantity.unit()),
            None => Self::Other,
        }
    }
}
