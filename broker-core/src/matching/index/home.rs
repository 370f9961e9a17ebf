//! Under what an offer is filed.

use smallvec::SmallVec;

use super::term::Term;
use crate::offer::sieve::Kind;

/// Where this many are found under one term, a second one is taken into account.
const CROWD: usize = 4;
/// An offer is filed in at most this many places.
pub(super) const MOST_PLACES: usize = 64;

/// Under what an offer is filed.
pub(super) enum Home<'p> {
    /// With the rest.
    Rest,
    /// Under each of these terms, of this kind.
    Terms(Kind, &'p [Term]),
    /// Under each of the first together with each of the second, with the kind of each.
    Pairs(Kind, &'p [Term], Kind, &'p [Term]),
}

/// What offers can be found by, one after the other: for each of several predicates the terms of which an order that is
/// accepted has one.
#[derive(Default)]
pub(super) struct Predicates {
    kinds: Vec<(Kind, usize)>,
    terms: Vec<Term>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Predicate<'p> {
    pub(super) kind: Kind,
    pub(super) terms: &'p [Term],
}

impl Predicates {
    pub(super) fn push(&mut self, kind: Kind, terms: &mut dyn Iterator<Item = Term>) {
        self.terms.extend(terms);
        self.kinds.push((kind, self.terms.len()));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// All terms, those of one predicate after those of the other.
    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }

    pub(super) fn reserve(&mut self, offers: usize) {
        self.kinds.reserve(2 * offers);
        self.terms.reserve(4 * offers);
    }

    /// The predicates from one up to another.
    pub(super) fn range(&self, from: usize, to: usize) -> impl Iterator<Item = Predicate<'_>> + Clone {
        let first = from.checked_sub(1).and_then(|last| self.kinds.get(last)).map_or(0, |(_, end)| *end);
        let kinds = self.kinds.get(from..to).unwrap_or_default();
        kinds.iter().scan(first, |first, (kind, end)| {
            let terms = self.terms.get(*first..*end).unwrap_or_default();
            *first = *end;
            Some(Predicate { kind: *kind, terms })
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Predicate<'_>> + Clone {
        self.range(0, self.len())
    }
}

/// Chooses: the rarest of what an offer can be found by, with a second where that is still a crowd.
pub(super) fn home<'p>(
    predicates: impl Iterator<Item = Predicate<'p>>,
    size: impl Fn(Term) -> usize,
) -> Home<'p> {
    let crowd = |terms: &[Term]| terms.iter().fold(0, |sum: usize, term| sum.saturating_add(size(*term)));
    let mut sized: SmallVec<[(usize, Predicate<'p>); 4]> =
        predicates.map(|predicate| (crowd(predicate.terms), predicate)).collect();
    sized.sort_by_key(|(size, _)| *size);
    let Some((size, first)) = sized.first() else { return Home::Rest };
    let second = sized.iter().skip(1).find(|(_, second)| {
        second.terms != first.terms && first.terms.len() * second.terms.len() <= MOST_PLACES
    });
    match second {
        Some((_, second)) if *size > CROWD => Home::Pairs(first.kind, first.terms, second.kind, second.terms),
        Some(_) | None => Home::Terms(first.kind, first.terms),
    }
}

/// How many offers share a term, counted without telling all terms apart: a guess that is too high costs nothing but
/// speed.
pub(super) struct Crowds {
    counts: Vec<u32>,
}

impl Crowds {
    pub(super) fn of<'t>(terms: impl Iterator<Item = &'t [Term]> + Clone) -> Self {
        let length: usize = terms.clone().map(<[Term]>::len).sum();
        let mut crowds = Self { counts: vec![0; (length * 2).next_power_of_two()] };
        for term in terms.flatten() {
            let at = crowds.at(*term);
            if let Some(count) = crowds.counts.get_mut(at) {
                *count = count.saturating_add(1);
            }
        }
        crowds
    }

    pub(super) fn size(&self, term: Term) -> usize {
        let count = self.counts.get(self.at(term)).copied().unwrap_or_default();
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn at(&self, term: Term) -> usize {
        let mask = self.counts.len().wrapping_sub(1) as u64;
        usize::try_from((term.hash() >> 8) & mask).unwrap_or_default()
    }
}
