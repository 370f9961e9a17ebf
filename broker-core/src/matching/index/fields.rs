//! Which fields of an order the filters of one API look at, and how.

use smallvec::SmallVec;

use super::forms::{Forms, looked_up};
use super::term::{Form, Kind, Term};
use crate::offer::Offer;
use crate::offer::hashing::PathHash;
use crate::offer::read::{Digest, Field};
use crate::offer::sieve::{Check, Sieve};

/// Fields with a place of their own; a filter on one more is asked by itself, and finds its offer by whether the field is
/// there. The bound keeps short what is looked for in every order, and what is copied for a new field, whatever keys
/// providers invent.
const MOST_FIELDS: usize = 256;
/// In the place of a place where there is none.
const NOWHERE: u16 = u16::MAX;

/// The fields that filters look at.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    places: Vec<Place>,
    /// Places by the hashes of their paths: a table of a power of two, at most half full.
    table: Vec<u16>,
    /// Whether some field has no place: only then are all fields of an order gone through.
    crowded: bool,
}

#[derive(Clone, Debug)]
struct Place {
    hash: PathHash,
    /// The path in bytes.
    path: Box<[u8]>,
    forms: Forms,
    /// Whether somebody looks at another field whose path has the same hash: then only the filters can tell.
    shared: bool,
}

/// What an order has at each place.
pub(super) type Found<'d> = SmallVec<[Option<&'d Field>; 12]>;
/// The terms under which an order is looked up.
pub(super) type Terms = SmallVec<[(Kind, Term); 12]>;

impl Fields {
    /// Whether everything that an offer looks at, and is found by, is known here.
    pub(super) fn know(&self, offer: &Offer) -> bool {
        let (sieve, full) = (offer.sieve(), self.places.len() >= MOST_FIELDS);
        sieve.checks().iter().filter(|check| check.has_path).all(|check| match self.place(check.path) {
            Some(place) if *place.path == *sieve.path(check) => {
                check.is_optional || looked_up(check, sieve).is_none_or(|looked| place.forms.know(&looked))
            }
            Some(place) => place.shared,
            None => full && self.crowded,
        })
    }

    /// Makes room for everything that an offer looks at, and is found by.
    pub(super) fn learn(&mut self, offer: &Offer) {
        let sieve = offer.sieve();
        for check in sieve.checks().iter().filter(|check| check.has_path) {
            let path = sieve.path(check);
            let Some(at) = self.at(check.path).or_else(|| self.add(check.path, path)) else {
                self.crowded = true;
                continue;
            };
            let Some(place) = self.places.get_mut(usize::from(at)) else { continue };
            if *place.path != *path {
                place.shared = true;
            } else if let Some(looked) = looked_up(check, sieve).filter(|_| !check.is_optional) {
                place.forms.learn(&looked);
            }
        }
    }

    /// A new place; `None` where there is no room for more.
    fn add(&mut self, hash: PathHash, path: &[u8]) -> Option<u16> {
        let at = u16::try_from(self.places.len()).ok().filter(|_| self.places.len() < MOST_FIELDS)?;
        self.places.push(Place { hash, path: path.into(), forms: Forms::default(), shared: false });
        if self.table.len() < 2 * self.places.len() {
            self.table = vec![NOWHERE; (4 * self.places.len()).next_power_of_two()];
            for at in 0..at {
                self.enter(at);
            }
        }
        self.enter(at);
        Some(at)
    }

    fn enter(&mut self, at: u16) {
        let Some(hash) = self.places.get(usize::from(at)).map(|place| place.hash) else { return };
        let free = self.slots(hash).find(|slot| self.table.get(*slot) == Some(&NOWHERE));
        if let Some(slot) = free.and_then(|slot| self.table.get_mut(slot)) {
            *slot = at;
        }
    }

    /// Where a place may stand in the table, in turn.
    fn slots(&self, hash: PathHash) -> impl Iterator<Item = usize> + use<> {
        let mask = self.table.len().wrapping_sub(1);
        let first = usize::try_from(hash.get() & 0xffff_ffff).unwrap_or_default();
        (0..self.table.len()).map(move |step| first.wrapping_add(step) & mask)
    }

    #[inline]
    fn at(&self, hash: PathHash) -> Option<u16> {
        for slot in self.slots(hash) {
            let at = *self.table.get(slot)?;
            if self.places.get(usize::from(at))?.hash == hash {
                return Some(at);
            }
        }
        None
    }

    fn place(&self, hash: PathHash) -> Option<&Place> {
        self.places.get(usize::from(self.at(hash)?))
    }

    /// The place of a check in [`Found`]; `None` where only its filter can tell.
    #[inline]
    pub(super) fn place_of(&self, check: &Check) -> Option<usize> {
        let at = usize::from(self.at(check.path)?);
        self.places.get(at).filter(|place| !place.shared && check.has_path).map(|_| at)
    }

    /// Shows what an offer can be found by: the kind and the terms of which an order that it accepts has one, in the
    /// order of its checks. A filter that passes where its field is missing finds nothing.
    pub(super) fn predicates(
        &self,
        sieve: &Sieve,
        mut found: impl FnMut(Kind, &mut dyn Iterator<Item = Term>),
    ) {
        for check in sieve.checks().iter().filter(|check| check.has_path && !check.is_optional) {
            match self.place(check.path) {
                Some(place) if *place.path == *sieve.path(check) => {
                    if let Some(looked) = looked_up(check, sieve) {
                        let kind = Kind::new(check.path, looked.form());
                        found(kind, &mut looked.hashes().map(|hash| kind.term(hash)));
                    }
                }
                Some(_) => {}
                None => {
                    let kind = Kind::new(check.path, Form::There);
                    found(kind, &mut std::iter::once(kind.alone()));
                }
            }
        }
    }

    /// What an order has at every place.
    pub(super) fn find<'d>(&self, order: &'d Digest) -> Found<'d> {
        self.places.iter().map(|place| order.find(place.hash, &place.path)).collect()
    }

    /// The terms under which an order is looked up.
    ///
    /// Each element of a list has to pass, so the first one alone finds every offer that the list does.
    pub(super) fn terms(&self, order: &Digest, found: &Found<'_>) -> Terms {
        let mut terms = Terms::new();
        for (place, field) in self.places.iter().zip(found) {
            if let Some(field) = field {
                place.forms.look_up(place.hash, order, field, &mut terms);
            }
        }
        if self.crowded {
            terms.extend(
                order.paths().map(|path| Kind::new(path, Form::There)).map(|kind| (kind, kind.alone())),
            );
        }
        terms
    }
}
