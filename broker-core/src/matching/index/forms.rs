//! In which forms the values of a field are looked up.

use super::fields::Terms;
use super::term::Term;

use crate::offer::hashing::{PathHash, TextHash};
use crate::offer::read::{Digest, Field, LONGEST};
use crate::offer::sieve::{Check, Form, Kind, ScalarKind, Sieve, Test, Word};

/// A list of more values is not looked up by.
const MOST_VALUES: u32 = 64;

/// In which forms the values of one field are looked up. Never taken back: a form too many costs a look in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forms {
    exact: bool,
    /// Whether there is any form at all.
    any: bool,
    /// Lengths of the suffixes that begin with a dot, as bits.
    dotted: Lengths,
    /// Lengths of the other suffixes.
    suffixes: Lengths,
    /// Lengths of the prefixes.
    prefixes: Lengths,
}

/// Lengths up to [`LONGEST`], as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lengths([u64; LONGEST / 64 + 1]);

/// In which form, and under which texts, a check is looked up.
pub(super) enum LookedUp<'s> {
    Values(&'s [Word]),
    /// With its length.
    Prefix(TextHash, usize),
    /// With its length; and whether it begins with a dot.
    Suffix(TextHash, usize, bool),
}

/// `None` where it is not.
#[inline]
pub(super) fn looked_up<'s>(check: &Check, sieve: &'s Sieve) -> Option<LookedUp<'s>> {
    match check.test {
        Test::OneOf { first, count } if count <= MOST_VALUES => {
            Some(LookedUp::Values(sieve.words(first, count)))
        }
        Test::Prefix { hash, span } if span.length() <= LONGEST => {
            Some(LookedUp::Prefix(hash, span.length()))
        }
        Test::Suffix { hash, span, is_dotted } if span.length() <= LONGEST => {
            Some(LookedUp::Suffix(hash, span.length(), is_dotted))
        }
        Test::OneOf { .. }
        | Test::NoneOf { .. }
        | Test::Prefix { .. }
        | Test::Suffix { .. }
        | Test::Within { .. }
        | Test::Present
        | Test::Filter => None,
    }
}

impl LookedUp<'_> {
    pub(super) fn form(&self) -> Form {
        match self {
            Self::Values(_) => Form::Exact,
            Self::Prefix(..) => Form::Prefix,
            Self::Suffix(..) => Form::Suffix,
        }
    }

    /// The hashes of the texts.
    pub(super) fn hashes(&self) -> impl Iterator<Item = TextHash> {
        let (words, one) = match self {
            Self::Values(words) => (*words, None),
            Self::Prefix(hash, _) | Self::Suffix(hash, ..) => (<&[Word]>::default(), Some(*hash)),
        };
        words.iter().map(|word| word.hash).chain(one)
    }
}

impl Forms {
    /// Whether anything is looked up by the field.
    #[inline]
    pub(super) fn are_any(&self) -> bool {
        self.any
    }

    pub(super) fn know(&self, looked: &LookedUp<'_>) -> bool {
        match looked {
            LookedUp::Values(_) => self.exact,
            LookedUp::Prefix(_, length) => self.prefixes.has(*length),
            LookedUp::Suffix(_, length, true) => self.dotted.has(*length),
            LookedUp::Suffix(_, length, false) => self.suffixes.has(*length),
        }
    }

    pub(super) fn learn(&mut self, looked: &LookedUp<'_>) {
        self.any = true;
        match looked {
            LookedUp::Values(_) => self.exact = true,
            LookedUp::Prefix(_, length) => self.prefixes.add(*length),
            LookedUp::Suffix(_, length, true) => self.dotted.add(*length),
            LookedUp::Suffix(_, length, false) => self.suffixes.add(*length),
        }
    }

    /// Adds the terms of a field.
    #[inline]
    pub(super) fn look_up(&self, path: PathHash, order: &Digest, field: &Field, terms: &mut Terms) {
        let (kind, hash) = field.value();
        if kind == ScalarKind::Other {
            return;
        }
        if self.exact {
            let exact = Kind::new(path, Form::Exact);
            terms.push((exact, Term::of(exact, hash)));
        }
        if kind != ScalarKind::Text {
            return;
        }
        if !self.dotted.are_none() {
            let suffix = Kind::new(path, Form::Suffix);
            for end in order.ends_of(field) {
                if self.dotted.has(usize::from(end.length)) {
                    terms.push((suffix, Term::of(suffix, end.hash)));
                }
            }
        }
        if !(self.suffixes.are_none() && self.prefixes.are_none()) {
            self.look_up_by_length(path, order.text(field), terms);
        }
    }

    /// Adds the terms of the beginnings and ends whose lengths occur in any offer.
    fn look_up_by_length(&self, path: PathHash, text: &[u8], terms: &mut Terms) {
        let (prefix, suffix) = (Kind::new(path, Form::Prefix), Kind::new(path, Form::Suffix));
        for length in self.suffixes.iter().take_while(|length| *length <= text.len()) {
            let end = text.get(text.len() - length..).unwrap_or_default();
            if !end.starts_with(b".") {
                terms.push((suffix, Term::of(suffix, TextHash::of(end))));
            }
        }
        for length in self.prefixes.iter().take_while(|length| *length <= text.len()) {
            let beginning = text.get(..length).unwrap_or_default();
            terms.push((prefix, Term::of(prefix, TextHash::of(beginning))));
        }
    }
}

impl Lengths {
    #[inline]
    fn are_none(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    #[inline]
    fn has(&self, length: usize) -> bool {
        self.0.get(length / 64).is_some_and(|bits| bits >> (length % 64) & 1 == 1)
    }

    fn add(&mut self, length: usize) {
        if let Some(bits) = self.0.get_mut(length / 64) {
            *bits |= 1 << (length % 64);
        }
    }

    /// In ascending order.
    fn iter(self) -> impl Iterator<Item = usize> {
        (0..=LONGEST).filter(move |length| self.has(*length))
    }
}
