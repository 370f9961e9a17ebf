//! One test: what it says to a value.

use super::{Amount, Scalar, ScalarKind, Sieve, Span};
use crate::offer::hashing::{TextHash, same};
use crate::offer::{Bound, Unit};

/// A criterion, typed and compact. Texts and lists are kept by the sieve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Test {
    /// The number lies within these bounds, in thousandths, both included. A bare bound counts in the unit of the value.
    Within { min: i64, max: i64, min_is_bare: bool, max_is_bare: bool },
    /// The text is one of these values.
    OneOf { first: u32, count: u32 },
    /// The text is none of these values.
    NoneOf { first: u32, count: u32 },
    /// The text starts with this.
    Prefix { hash: TextHash, span: Span },
    /// The text ends with this.
    Suffix { hash: TextHash, span: Span, is_dotted: bool },
    /// The field is there.
    Present,
    /// Only the filter itself can tell.
    Filter,
}

/// A value of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Word {
    pub(crate) hash: TextHash,
    pub(crate) span: Span,
}

/// What a test says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// The filter itself has to be asked.
    Unsure,
}

impl From<bool> for Answer {
    #[inline]
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Test {
    /// A `boundary`; `None` where its numbers are out of range here.
    pub(super) fn within(min: Option<&Bound>, max: Option<&Bound>) -> Option<Self> {
        let (min, min_is_bare) = limit(min, i64::MIN)?;
        let (max, max_is_bare) = limit(max, i64::MAX)?;
        Some(Self::Within { min, max, min_is_bare, max_is_bare })
    }

    /// In which order tests are made: numbers are at hand, texts have to be fetched, and expressions are computed.
    pub(super) fn cost(&self) -> u8 {
        match self {
            Self::Within { .. } | Self::Present => 0,
            Self::OneOf { .. } | Self::NoneOf { .. } => 1,
            Self::Prefix { .. } | Self::Suffix { .. } => 2,
            Self::Filter => 3,
        }
    }

    /// What it says to a value, whose text is among these bytes.
    #[inline]
    pub(crate) fn accepts(&self, sieve: &Sieve, value: &Scalar, texts: &[u8]) -> Answer {
        let (is_text, has_text) = (value.kind == ScalarKind::Text, value.kind != ScalarKind::Other);
        let text = || value.text.of(texts);
        let is_among = |first: u32, count: u32| {
            let is_it = |word: &Word| word.hash == value.hash && same(sieve.bytes(word.span), text());
            sieve.words(first, count).iter().any(is_it)
        };
        match self {
            // What is no number at all has no amount.
            Self::Within { min, max, min_is_bare, max_is_bare } => match value.amount {
                Amount::Thousandths(number, unit) => {
                    let (Some(min), Some(max)) =
                        (scaled(*min, *min_is_bare, unit), scaled(*max, *max_is_bare, unit))
                    else {
                        return Answer::Unsure;
                    };
                    (min <= number && number <= max).into()
                }
                Amount::None => Answer::No,
                Amount::Other => Answer::Unsure,
            },
            Self::OneOf { first, count } => (has_text && is_among(*first, *count)).into(),
            Self::NoneOf { first, count } => (has_text && !is_among(*first, *count)).into(),
            Self::Prefix { span, .. } => (is_text && begins(text(), sieve.bytes(*span))).into(),
            Self::Suffix { span, .. } => (is_text && ends(text(), sieve.bytes(*span))).into(),
            Self::Present => Answer::Yes,
            Self::Filter => Answer::Unsure,
        }
    }
}

#[inline]
fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|beginning| same(beginning, with))
}

#[inline]
fn ends(text: &[u8], with: &[u8]) -> bool {
    let end = text.len().checked_sub(with.len()).and_then(|at| text.get(at..));
    end.is_some_and(|end| same(end, with))
}

/// A bound of values with this unit; `None` where it is out of range.
#[inline]
fn scaled(limit: i64, is_bare: bool, unit: Unit) -> Option<i64> {
    match (is_bare, unit) {
        (false, _) | (true, Unit::Bare) => Some(limit),
        (true, Unit::Binary) => limit.checked_mul(1 << 30),
        (true, Unit::Decimal) => limit.checked_mul(1_000_000_000),
    }
}

fn limit(bound: Option<&Bound>, open: i64) -> Option<(i64, bool)> {
    match bound {
        Some(bound) => Some((bound.quantity().amount().thousandths()?, bound.is_bare())),
        None => Some((open, false)),
    }
}
