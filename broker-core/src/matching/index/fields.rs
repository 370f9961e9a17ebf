//! Which fields of an order the filters of one API look at, and how.

use super::forms::{Forms, looked_up};
use super::term::Term;
use crate::offer::Offer;
use crate::offer::hashing::PathHash;
use crate::offer::read::Digest;
use crate::offer::sieve::{Form, Kind, Sieve};

/// Fields with a place of their own; an offer with a filter on one more is found by whether the field is there. The
/// bound keeps short what is looked for in every order, and what is copied for a new field, whatever keys providers invent.
const MOST_FIELDS: usize = 256;

/// The fields by which offers are looked up. Two whose paths have the same hash share a place, and what is found there is
/// checked all the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// In the order of the hashes of their paths.
    places: Vec<(PathHash, Forms)>,
    /// Whether some field has no place: only then are all fields of an order gone through.
    crowded: bool,
}

impl Fields {
    /// Whether everything that an offer is found by is known here.
    pub(super) fn know(&self, offer: &Offer) -> bool {
        let sieve = offer.sieve();
        let full = self.places.len() >= MOST_FIELDS && self.crowded;
        sieve.checks().iter().filter(|check| check.has_path).all(|check| match self.forms(check.path) {
            Some(forms) => {
                check.is_optional || looked_up(check, sieve).is_none_or(|looked| forms.know(&looked))
            }
            None => full,
        })
    }

    /// Makes room for everything that an offer is found by.
    pub(super) fn learn(&mut self, offer: &Offer) {
        let sieve = offer.sieve();
        for check in sieve.checks().iter().filter(|check| check.has_path) {
            let at = match self.at(check.path) {
                Ok(at) => at,
                Err(at) if self.places.len() < MOST_FIELDS => {
                    self.places.insert(at, (check.path, Forms::default()));
                    at
                }
                Err(_) => {
                    self.crowded = true;
                    continue;
                }
            };
            if let (Some((_, forms)), Some(looked)) = (self.places.get_mut(at), looked_up(check, sieve))
                && !check.is_optional
            {
                forms.learn(&looked);
            }
        }
    }

    /// These and those; `None` where they are too many, so that it matters which came first.
    pub(super) fn with(&self, others: &Self) -> Option<Self> {
        let mut all = self.clone();
        for (path, forms) in &others.places {
            match all.at(*path) {
                Ok(at) => all.places.get_mut(at)?.1.add(forms),
                Err(at) => all.places.insert(at, (*path, forms.clone())),
            }
        }
        (all.places.len() <= MOST_FIELDS && !self.crowded && !others.crowded).then_some(all)
    }

    fn at(&self, path: PathHash) -> Result<usize, usize> {
        self.places.binary_search_by_key(&path, |(path, _)| *path)
    }

    fn forms(&self, path: PathHash) -> Option<&Forms> {
        self.places.get(self.at(path).ok()?).map(|(_, forms)| forms)
    }

    /// Shows what an offer can be found by: the kind and the terms of which an order that it accepts has one, in the
    /// order of its checks. A filter that passes where its field is missing finds nothing.
    pub(super) fn predicates(
        &self,
        sieve: &Sieve,
        mut found: impl FnMut(Kind, &mut dyn Iterator<Item = Term>),
    ) {
        for check in sieve.checks().iter().filter(|check| check.has_path && !check.is_optional) {
            if self.at(check.path).is_err() {
                let kind = Kind::new(check.path, Form::There);
                found(kind, &mut std::iter::once(Term::of_kind(kind)));
            } else if let Some(looked) = looked_up(check, sieve) {
                let kind = Kind::new(check.path, looked.form());
                found(kind, &mut looked.hashes().map(|hash| Term::of(kind, hash)));
            }
        }
    }

    /// Shows the terms of one kind under which an order is looked up.
    ///
    /// Each element of a list has to pass, so the first one alone finds every offer that the list does.
    #[inline]
    pub(super) fn terms(&self, kind: Kind, order: &Digest, mut found: impl FnMut(Term)) {
        let path = kind.path();
        for field in order.at(path) {
            match kind.form() {
                Some(Form::Exact) => {
                    if let Some(hash) = field.hash() {
                        found(Term::of(kind, hash));
                    }
                }
                Some(Form::Suffix) => {
                    let Some(forms) = self.forms(path) else { continue };
                    forms.suffixes_of(order, field, |hash| found(Term::of(kind, hash)));
                }
                Some(Form::Prefix) => {
                    let Some(forms) = self.forms(path) else { continue };
                    forms.prefixes_of(order, field, |hash| found(Term::of(kind, hash)));
                }
                Some(Form::There) => found(Term::of_kind(kind)),
                None => {}
            }
        }
    }

    /// Whether offers may be filed under fields that have no place here.
    pub(super) fn are_crowded(&self) -> bool {
        self.crowded
    }
}
