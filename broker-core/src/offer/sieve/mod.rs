//! All filters of an offer in a form that is quick to ask: typed tests in one stretch of memory, the cheap ones first.
//!
//! A sieve decides nothing that the [`Filter`]s do not say, and says so where it cannot tell: numbers beyond its range,
//! fields that are missing but need not be there, expressions. Then the filter itself is asked, on the order itself.
//! Properties hold both to the same answers.

mod kind;
mod scalar;
mod test;

#[cfg(test)]
mod tests;

use super::hashing::{PathHash, TextHash, bytes_of};
use super::{Criterion, Filter};

pub(crate) use kind::{Form, Kind};
pub(crate) use scalar::{Amount, Scalar, ScalarKind};
pub(crate) use test::{Answer, Test, Word};

/// A stretch of a row of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    at: u32,
    length: u32,
}

/// One thing that must hold for one field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Check {
    pub(crate) path: PathHash,
    pub(crate) test: Test,
    path_bytes: Span,
    /// Index of the filter.
    pub(crate) filter: u16,
    /// Whether an order without the field may pass.
    pub(crate) is_optional: bool,
    /// Whether there is a field at all: an expression may look at the whole order.
    pub(crate) has_path: bool,
}

/// The filters of an offer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sieve {
    checks: Box<[Check]>,
    words: Box<[Word]>,
    bytes: Box<[u8]>,
    /// The length of the longest prefix or suffix.
    specificity: u32,
    /// Whether every order that passes matches as specifically as can be.
    is_exact: bool,
}

impl Sieve {
    pub(crate) fn of(filters: &[Filter]) -> Self {
        let mut builder = Builder::default();
        let (mut specificity, mut is_exact) = (0, true);
        for (index, filter) in (0..).zip(filters) {
            let length = filter.greatest_specificity();
            specificity = length.max(specificity);
            is_exact &= length == 0 || !filter.is_optional();
            builder.add(index, filter);
        }
        builder.checks.sort_by_key(|check| check.test.cost());
        Self {
            checks: builder.checks.into(),
            words: builder.words.into(),
            bytes: builder.bytes.into(),
            specificity,
            is_exact,
        }
    }

    /// What must hold, the cheapest first.
    pub(crate) fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The values of a list.
    pub(crate) fn words(&self, first: u32, count: u32) -> &[Word] {
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        first.checked_add(count).and_then(|end| self.words.get(first..end)).unwrap_or_default()
    }

    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        span.of(&self.bytes)
    }

    /// The path of a check, as [`bytes_of`] writes it.
    pub(crate) fn path(&self, check: &Check) -> &[u8] {
        self.bytes(check.path_bytes)
    }

    /// How specifically an order can match at most: the length of the longest prefix or suffix.
    pub(crate) fn specificity(&self) -> u32 {
        self.specificity
    }

    /// Whether every order that passes matches exactly so.
    pub(crate) fn is_exact(&self) -> bool {
        self.is_exact
    }
}

impl Span {
    /// The stretch that these bytes take at the end of a row.
    pub(crate) fn push(row: &mut Vec<u8>, bytes: &[u8]) -> Self {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let span = Self { at: number(row.len()), length: number(bytes.len()) };
        row.extend_from_slice(bytes);
        span
    }

    /// The stretch from here to the end of a row.
    pub(crate) fn since(row: &[u8], at: usize) -> Self {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Self { at: number(at), length: number(row.len().saturating_sub(at)) }
    }

    pub(crate) fn range(self) -> std::ops::Range<usize> {
        let at = usize::try_from(self.at).unwrap_or(usize::MAX);
        at..at.saturating_add(self.length())
    }

    pub(crate) fn length(self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    #[inline]
    pub(crate) fn of(self, row: &[u8]) -> &[u8] {
        let at = usize::try_from(self.at).unwrap_or(usize::MAX);
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        at.checked_add(length).and_then(|end| row.get(at..end)).unwrap_or_default()
    }
}

#[derive(Default)]
struct Builder {
    checks: Vec<Check>,
    words: Vec<Word>,
    bytes: Vec<u8>,
}

impl Builder {
    fn add(&mut self, index: u16, filter: &Filter) {
        let key = filter.key();
        let path = key.map(PathHash::of).unwrap_or_default();
        let path_bytes = key.map(|key| Span::push(&mut self.bytes, &bytes_of(key))).unwrap_or_default();
        let check = |test: Test| Check {
            path,
            test,
            path_bytes,
            filter: index,
            is_optional: filter.is_optional(),
            has_path: key.is_some(),
        };
        if filter.criteria().is_empty() {
            self.checks.push(check(Test::Present));
        }
        let mut asks_filter = false;
        for criterion in filter.criteria() {
            match self.test(criterion) {
                Some(test) => self.checks.push(check(test)),
                None => asks_filter = true,
            }
        }
        if asks_filter {
            self.checks.push(check(Test::Filter));
        }
    }

    /// `None` where only the filter itself can tell.
    fn test(&mut self, criterion: &Criterion) -> Option<Test> {
        match criterion {
            Criterion::ValueIn(values) => {
                let (first, count) = self.list(values.iter().map(String::as_str))?;
                Some(Test::OneOf { first, count })
            }
            Criterion::NotIn(values) => {
                let (first, count) = self.list(values.iter().map(String::as_str))?;
                Some(Test::NoneOf { first, count })
            }
            Criterion::Prefix(text) => {
                let Word { hash, span } = self.word(text);
                Some(Test::Prefix { hash, span })
            }
            Criterion::Suffix(text) => {
                let Word { hash, span } = self.word(text);
                Some(Test::Suffix { hash, span, is_dotted: text.starts_with('.') })
            }
            Criterion::Boundary { min, max } => Test::within(min.as_ref(), max.as_ref()),
            Criterion::Expression(_) => None,
        }
    }

    fn list<'v>(&mut self, values: impl ExactSizeIterator<Item = &'v str>) -> Option<(u32, u32)> {
        let first = u32::try_from(self.words.len()).ok()?;
        let count = u32::try_from(values.len()).ok()?;
        for value in values {
            let word = self.word(value);
            self.words.push(word);
        }
        Some((first, count))
    }

    fn word(&mut self, text: &str) -> Word {
        Word { hash: TextHash::of(text.as_bytes()), span: Span::push(&mut self.bytes, text.as_bytes()) }
    }
}
