//! One test: what it says to a value.

use super::{Amount, Scalar, ScalarKind, Sieve, Span};
use crate::offer::hashing::TextHash;
use crate::offer::{Bound, Unit};

/// A criterion, typed and compact. Texts and lists are kept by the sieve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Test {
    /// The number lies within these bounds, in thousandths, both included.
    Within { min: Limit, max: Limit },
    /// The text is one of these values.
    OneOf { first: u32, count: u32 },
    /// The text is none of these values.
    NoneOf { first: u32, count: u32 },
    /// The text starts with this.
    Prefix { hash: TextHash, span: Span },
    /// The text ends with this.
    Suffix { hash: TextHash, span: Span },
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

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// There is none.
    Open,
    /// So many thousandths, whatever the unit of the value.
    Fixed(i64),
    /// So many thousandths of the unit of the value.
    Bare(i64),
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
        Some(Self::Within { min: Limit::of(min)?, max: Limit::of(max)? })
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
        if value.kind == ScalarKind::Other {
            return match self {
                Self::Present => Answer::Yes,
                Self::Filter => Answer::Unsure,
                _ => Answer::No,
            };
        }
        match *self {
            Self::Within { min, max } => match value.amount {
                Amount::Thousandths(number, unit) => within(min, max, number, unit),
                Amount::None => Answer::No,
                Amount::Other => Answer::Unsure,
            },
            Self::OneOf { first, count } => is_among(sieve, first, count, value, texts).into(),
            Self::NoneOf { first, count } => (!is_among(sieve, first, count, value, texts)).into(),
            Self::Prefix { span, .. } => {
                (value.kind == ScalarKind::Text && value.text.of(texts).starts_with(sieve.bytes(span))).into()
            }
            Self::Suffix { span, .. } => {
                (value.kind == ScalarKind::Text && value.text.of(texts).ends_with(sieve.bytes(span))).into()
            }
            Self::Present => Answer::Yes,
            Self::Filter => Answer::Unsure,
        }
    }
}

#[inline]
fn is_among(sieve: &Sieve, first: u32, count: u32, value: &Scalar, texts: &[u8]) -> bool {
    sieve
        .words(first, count)
        .iter()
        .any(|word| word.hash == value.hash && sieve.bytes(word.span) == value.text.of(texts))
}

#[inline]
fn within(min: Limit, max: Limit, number: i64, unit: Unit) -> Answer {
    match (min.against(unit), max.against(unit)) {
        (Some(min), Some(max)) => {
            let enough = min.is_none_or(|min| min <= number);
            (enough && max.is_none_or(|max| number <= max)).into()
        }
        (_, _) => Answer::Unsure,
    }
}

impl Limit {
    fn of(bound: Option<&Bound>) -> Option<Self> {
        let Some(bound) = bound else { return Some(Self::Open) };
        let thousandths = bound.quantity().amount().thousandths()?;
        Some(if bound.is_bare() { Self::Bare(thousandths) } else { Self::Fixed(thousandths) })
    }

    /// The bound of a value with this unit, if there is one; `None` where it is out of range.
    #[expect(clippy::option_option, reason = "no bound and a bound that cannot be held are two things")]
    #[inline]
    fn against(self, unit: Unit) -> Option<Option<i64>> {
        match (self, unit) {
            (Self::Open, _) => Some(None),
            (Self::Fixed(number), _) | (Self::Bare(number), Unit::Bare) => Some(Some(number)),
            (Self::Bare(number), Unit::Binary) => number.checked_mul(1 << 30).map(Some),
            (Self::Bare(number), Unit::Decimal) => number.checked_mul(1_000_000_000).map(Some),
        }
    }
}
