//! In which forms the values of a field are looked up.

use crate::offer::hashing::TextHash;
use crate::offer::read::{Digest, Field, LONGEST};
use crate::offer::sieve::{Check, Form, Sieve, Test, Word};

/// A list of more values is not looked up by.
const MOST_VALUES: u32 = 64;

/// In which forms the values of one field are looked up, apart from whole. Never taken back: a form too many costs a look
/// in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forms {
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
    pub(super) fn know(&self, looked: &LookedUp<'_>) -> bool {
        match looked {
            LookedUp::Values(_) => true,
            LookedUp::Prefix(_, length) => self.prefixes.has(*length),
            LookedUp::Suffix(_, length, true) => self.dotted.has(*length),
            LookedUp::Suffix(_, length, false) => self.suffixes.has(*length),
        }
    }

    pub(super) fn learn(&mut self, looked: &LookedUp<'_>) {
        match looked {
            LookedUp::Values(_) => {}
            LookedUp::Prefix(_, length) => self.prefixes.add(*length),
            LookedUp::Suffix(_, length, true) => self.dotted.add(*length),
            LookedUp::Suffix(_, length, false) => self.suffixes.add(*length),
        }
    }

    /// Learns what others know.
    pub(super) fn add(&mut self, others: &Self) {
        self.dotted.add_all(others.dotted);
        self.suffixes.add_all(others.suffixes);
        self.prefixes.add_all(others.prefixes);
    }

    /// Shows the hashes of the ends of a text that are as long as those of any offer.
    #[inline]
    pub(super) fn suffixes_of(&self, order: &Digest, field: &Field, mut found: impl FnMut(TextHash)) {
        for end in order.ends_of(field) {
            if self.dotted.has(usize::from(end.length)) {
                found(end.hash);
            }
        }
        if field.is_text() && !self.suffixes.are_none() {
            let text = order.text(field);
            for length in self.suffixes.iter().take_while(|length| *length <= text.len()) {
                let end = text.get(text.len() - length..).unwrap_or_default();
                if !end.starts_with(b".") {
                    found(TextHash::of(end));
                }
            }
        }
    }

    /// The same of its beginnings.
    pub(super) fn prefixes_of(&self, order: &Digest, field: &Field, mut found: impl FnMut(TextHash)) {
        let text = if field.is_text() { order.text(field) } else { &[] };
        for length in self.prefixes.iter().take_while(|length| *length <= text.len()) {
            found(TextHash::of(text.get(..length).unwrap_or_default()));
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

    fn add_all(&mut self, others: Self) {
        self.0.iter_mut().zip(others.0).for_each(|(bits, others)| *bits |= others);
    }

    /// In ascending order.
    fn iter(self) -> impl Iterator<Item = usize> {
        (0..).step_by(64).zip(self.0).flat_map(|(first, bits)| {
            let next = |bits: &u64| Some(bits & bits.wrapping_sub(1));
            std::iter::successors(Some(bits), next)
                .take_while(|bits| *bits != 0)
                .map(move |bits| first + bits.trailing_zeros() as usize)
        })
    }
}
