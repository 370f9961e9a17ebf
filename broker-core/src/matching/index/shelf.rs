//! The offers of one API, filed by what their orders must look like.

use std::sync::Arc;

use smallvec::SmallVec;

use super::build;
use super::fields::Fields;
use super::home::{Home, MOST_PLACES, Predicates, home};
use super::posting::Posting;
use super::question::Question;
use super::search::Podium;
use super::table::{Node, Table};
use super::term::Term;
use crate::matching::{Listing, OrderFacts};
use crate::offer::read::Digest;
use crate::offer::sieve::{Form, Kind};
use crate::selection::Choice;

/// The offers of one API that can be chosen.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) fields: Arc<Fields>,
    pub(super) table: Table,
    pub(super) firsts: Firsts,
    /// Those that nothing finds: every order has to look at them.
    pub(super) rest: Posting,
}

impl Shelf {
    /// Files all these offers at once.
    pub(super) fn of(listings: &[&Arc<Listing>]) -> Self {
        build::shelf(listings)
    }

    /// Files one more offer, which can be chosen.
    pub(super) fn insert(&mut self, listing: &Arc<Listing>) {
        let Some(offer) = listing.offer() else { return };
        if !self.fields.know(offer) {
            Arc::make_mut(&mut self.fields).learn(offer);
        }
        let predicates = self.predicates(listing);
        let table = &self.table;
        let size = |term: Term| match table.get(term) {
            Some(node) if node.seconds.is_some() => usize::MAX / MOST_PLACES,
            Some(node) => node.posting.len(),
            None => 0,
        };
        match home(predicates.iter(), size) {
            Home::Rest => self.rest.insert(listing.clone()),
            Home::Terms(kind, terms) => {
                self.firsts.add(kind);
                for term in terms {
                    self.table.change(*term, |node| node.posting.insert(listing.clone()));
                }
            }
            Home::Pairs(own, first, kind, second) => {
                self.firsts.add(own);
                for term in first {
                    self.table.change(*term, |node| node.add_second(kind));
                    for other in second {
                        self.table.change(term.and(*other), |node| node.posting.insert(listing.clone()));
                    }
                }
            }
        }
    }

    /// Takes an offer out, wherever it was filed when the crowds were others.
    pub(super) fn remove(&mut self, listing: &Arc<Listing>) {
        let predicates = self.predicates(listing);
        let mut found = false;
        for term in predicates.terms() {
            found |= self.take(*term, listing);
        }
        if found {
            return;
        }
        for term in predicates.terms() {
            found |= self.take_pairs(*term, &predicates, listing);
        }
        if !found {
            self.rest.remove(listing);
        }
    }

    /// Takes an offer out of whatever lies under a term and a second one.
    fn take_pairs(&mut self, term: Term, seconds: &Predicates, listing: &Arc<Listing>) -> bool {
        let kinds: SmallVec<[Kind; 2]> = self.table.get(term).into_iter().flat_map(Node::seconds).collect();
        let mut found = false;
        for kind in kinds {
            let others = seconds.iter().filter(|second| second.kind == kind);
            let others = others.flat_map(|second| second.terms);
            let taken = others.filter(|other| self.take(term.and(**other), listing)).count();
            if taken > 0 {
                self.table.change(term, |node| node.drop_second(kind));
                found = true;
            }
        }
        found
    }

    fn take(&mut self, term: Term, listing: &Arc<Listing>) -> bool {
        // Looked for first: what is not changed stays shared.
        let has = self.table.get(term).is_some_and(|node| node.posting.has(listing));
        if has {
            self.table.change(term, |node| node.posting.remove(listing));
        }
        has
    }

    fn predicates(&self, listing: &Listing) -> Predicates {
        let mut predicates = Predicates::default();
        if let Some(offer) = listing.offer() {
            self.fields.predicates(offer.sieve(), |kind, terms| predicates.push(kind, terms));
        }
        predicates
    }

    /// The best offer for an order that keeps none.
    pub(super) fn choose(&self, order: &OrderFacts<'_>, digest: &Digest) -> Choice {
        let question = Question::new(order, digest);
        let mut podium = Podium::new(&question);
        for kind in self.firsts.kinds() {
            self.compete(kind, None, digest, &mut podium);
        }
        if self.fields.are_crowded() {
            for kind in digest.paths().map(|path| Kind::new(path, Form::There)) {
                self.compete(kind, None, digest, &mut podium);
            }
        }
        self.rest.compete(&mut podium);
        podium.choice()
    }

    /// Lets those compete that are filed under a term of this kind, alone or together with a first one.
    fn compete<'i>(&'i self, kind: Kind, first: Option<Term>, digest: &Digest, podium: &mut Podium<'i, '_>) {
        self.fields.terms(kind, digest, |own| self.compete_at(own, first, digest, podium));
    }

    fn compete_at<'i>(
        &'i self,
        own: Term,
        first: Option<Term>,
        digest: &Digest,
        podium: &mut Podium<'i, '_>,
    ) {
        let term = first.map_or(own, |first| first.and(own));
        let Some(node) = self.table.get(term) else { return };
        node.posting.compete(podium);
        if first.is_none() {
            for second in node.seconds() {
                self.compete(second, Some(term), digest, podium);
            }
        }
    }
}

/// The kinds under which anything is filed, alone or with a second one, in order. Never taken back: one too many costs a
/// look in vain. Whether a field is there is not among them: there may be any number of such fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Firsts {
    kinds: SmallVec<[Kind; 4]>,
}

impl Firsts {
    pub(super) fn add(&mut self, kind: Kind) {
        if let Err(at) = self.kinds.binary_search(&kind)
            && kind.form() != Some(Form::There)
        {
            self.kinds.insert(at, kind);
        }
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.kinds.iter().copied()
    }
}
