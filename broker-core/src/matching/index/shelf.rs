//! The offers of one API, filed by what their orders must look like.

use std::sync::Arc;

use smallvec::SmallVec;

use super::entry::Entry;
use super::fields::{Fields, Predicate};
use super::posting::{Filed, Posting};
use super::search::{Podium, Question};
use super::table::{Node, Table};
use super::term::{Kind, Term};
use crate::matching::{Listing, OrderFacts};
use crate::selection::Choice;

/// Where this many are found under one term, a second one is taken into account.
const CROWD: usize = 4;
/// An offer is filed in at most this many places.
const MOST_PLACES: usize = 64;

/// The offers of one API that can be chosen.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    fields: Arc<Fields>,
    table: Table,
    /// Those that nothing finds: every order has to look at them.
    rest: Posting,
}

/// Under what an offer is filed.
enum Home {
    /// With the rest.
    Rest,
    /// Under each of these terms.
    Terms(SmallVec<[Term; 2]>),
    /// Under each of the first together with each of the second, which are of this kind.
    Pairs(SmallVec<[Term; 2]>, Kind, SmallVec<[Term; 2]>),
}

impl Shelf {
    /// Files all these offers at once.
    pub(super) fn of<'l>(listings: impl Iterator<Item = &'l Arc<Listing>>) -> Self {
        let mut fields = Fields::default();
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        let mut predicates: Vec<SmallVec<[Predicate; 4]>> = Vec::new();
        // One look at each: most of the time goes into fetching them.
        for listing in listings {
            let Some(offer) = listing.offer() else { continue };
            if !fields.know(offer) {
                fields.learn(offer);
            }
            let Some(entry) = Entry::new(listing, &fields) else { continue };
            predicates.push(fields.predicates(offer));
            entries.push(Arc::new(entry));
        }
        let crowds = Crowds::of(predicates.iter().flatten(), entries.len());
        let mut rest = SmallVec::new();
        let mut filed: Vec<(Term, Filed)> = Vec::with_capacity(entries.len());
        let mut seconds: Vec<(Term, Kind)> = Vec::new();
        for (entry, predicates) in entries.into_iter().zip(predicates) {
            match home(&predicates, |term| crowds.size(term)) {
                Home::Rest => rest.push(Filed::new(entry)),
                Home::Terms(terms) => {
                    filed.extend(terms.into_iter().map(|term| (term, Filed::new(entry.clone()))));
                }
                Home::Pairs(first, kind, second) => {
                    for term in &first {
                        seconds.push((*term, kind));
                        filed
                            .extend(second.iter().map(|other| (term.and(*other), Filed::new(entry.clone()))));
                    }
                }
            }
        }
        filed.sort_unstable_by_key(|(term, _)| *term);
        seconds.sort_unstable();
        let mut nodes: Vec<(Term, Node)> = Vec::new();
        let mut filed = filed.into_iter().peekable();
        while let Some((term, first)) = filed.next() {
            let mut these: SmallVec<[Filed; 1]> = SmallVec::from_iter([first]);
            while let Some((_, next)) = filed.next_if(|(other, _)| *other == term) {
                these.push(next);
            }
            nodes.push((term, Node { posting: Posting::of(these), seconds: None }));
        }
        Self { fields: Arc::new(fields), table: Table::of(merged(nodes, seconds)), rest: Posting::of(rest) }
    }

    /// Files one more offer, if it can be chosen.
    pub(super) fn insert(&mut self, listing: &Arc<Listing>) {
        let Some(offer) = listing.offer() else { return };
        if !self.fields.know(offer) {
            Arc::make_mut(&mut self.fields).learn(offer);
        }
        let Some(entry) = Entry::new(listing, &self.fields).map(Arc::new) else { return };
        let predicates = self.fields.predicates(entry.offer());
        let table = &self.table;
        let size = |term: Term| match table.get(term) {
            Some(node) if node.seconds.is_some() => usize::MAX / MOST_PLACES,
            Some(node) => node.posting.len(),
            None => 0,
        };
        match home(&predicates, size) {
            Home::Rest => self.rest.insert(Filed::new(entry)),
            Home::Terms(terms) => {
                for term in terms {
                    self.table.change(term, |node| node.posting.insert(Filed::new(entry.clone())));
                }
            }
            Home::Pairs(first, kind, second) => {
                for term in &first {
                    self.table.change(*term, |node| node.add_second(kind));
                    for other in &second {
                        self.table
                            .change(term.and(*other), |node| node.posting.insert(Filed::new(entry.clone())));
                    }
                }
            }
        }
    }

    /// Takes an offer out, wherever it was filed when the crowds were others.
    pub(super) fn remove(&mut self, listing: &Arc<Listing>) {
        let Some(entry) = Entry::new(listing, &self.fields).map(Arc::new) else { return };
        let predicates = self.fields.predicates(entry.offer());
        let like = Filed::new(entry);
        let mut found = false;
        for term in predicates.iter().flat_map(|predicate| &predicate.terms) {
            found |= self.take(*term, &like, listing);
        }
        if found {
            return;
        }
        for first in &predicates {
            for term in &first.terms {
                found |= self.take_pairs(*term, &predicates, &like, listing);
            }
        }
        if !found {
            self.rest.remove(&like, listing);
        }
    }

    /// Takes an offer out of whatever lies under a term and a second one.
    fn take_pairs(
        &mut self,
        term: Term,
        seconds: &[Predicate],
        like: &Filed,
        listing: &Arc<Listing>,
    ) -> bool {
        let kinds: SmallVec<[Kind; 2]> = self.table.get(term).into_iter().flat_map(Node::seconds).collect();
        let mut found = false;
        for kind in kinds {
            let others = seconds.iter().filter(|second| second.kind == kind).flat_map(|second| &second.terms);
            let taken = others.filter(|other| self.take(term.and(**other), like, listing)).count();
            if taken > 0 {
                self.table.change(term, |node| node.drop_second(kind));
                found = true;
            }
        }
        found
    }

    fn take(&mut self, term: Term, like: &Filed, listing: &Arc<Listing>) -> bool {
        // Looked for first: what is not changed stays shared.
        let has = self.table.get(term).is_some_and(|node| node.posting.has(like, listing));
        if has {
            self.table.change(term, |node| node.posting.remove(like, listing));
        }
        has
    }

    /// The best offer for an order that keeps none.
    pub(super) fn choose(&self, order: &OrderFacts<'_>) -> Choice {
        let readings = self.fields.read(order.object);
        let terms = self.fields.terms(order.object, &readings);
        let question = Question::new(order, &readings);
        let mut podium = Podium::default();
        for (_, term) in &terms {
            let Some(node) = self.table.get(*term) else { continue };
            node.posting.compete(&question, &mut podium);
            for second in node.seconds() {
                for (_, other) in terms.iter().filter(|(kind, _)| *kind == second) {
                    if let Some(node) = self.table.get(term.and(*other)) {
                        node.posting.compete(&question, &mut podium);
                    }
                }
            }
        }
        self.rest.compete(&question, &mut podium);
        podium.choice()
    }
}

/// Under what an offer is filed: the rarest of what it can be found by, with a second where that is still a crowd.
fn home(predicates: &[Predicate], size: impl Fn(Term) -> usize) -> Home {
    let crowd = |predicate: &Predicate| predicate.terms.iter().map(|term| size(*term)).sum::<usize>();
    let mut sized: SmallVec<[(usize, &Predicate); 4]> =
        predicates.iter().map(|predicate| (crowd(predicate), predicate)).collect();
    sized.sort_by_key(|(size, _)| *size);
    let Some((size, first)) = sized.first() else { return Home::Rest };
    let second = sized.iter().skip(1).find(|(_, second)| {
        second.terms != first.terms && first.terms.len() * second.terms.len() <= MOST_PLACES
    });
    match second {
        Some((_, second)) if *size > CROWD => {
            Home::Pairs(first.terms.clone(), second.kind, second.terms.clone())
        }
        Some(_) | None => Home::Terms(first.terms.clone()),
    }
}

/// Nodes of both kinds in the order of their terms; both come in that order.
fn merged(nodes: Vec<(Term, Node)>, seconds: Vec<(Term, Kind)>) -> Vec<(Term, Node)> {
    let mut merged: Vec<(Term, Node)> = Vec::with_capacity(nodes.len() + seconds.len());
    let mut nodes = nodes.into_iter().peekable();
    for (term, kind) in seconds {
        while let Some(node) = nodes.next_if(|(other, _)| *other <= term) {
            merged.push(node);
        }
        match merged.last_mut() {
            Some((last, node)) if *last == term => node.add_second(kind),
            Some(_) | None => {
                let mut node = Node::default();
                node.add_second(kind);
                merged.push((term, node));
            }
        }
    }
    merged.extend(nodes);
    merged
}

/// How many offers share a term, counted without telling all terms apart: a guess that is too high costs nothing but
/// speed.
struct Crowds {
    counts: Vec<u32>,
}

impl Crowds {
    fn of<'p>(predicates: impl Iterator<Item = &'p Predicate>, offers: usize) -> Self {
        let mut crowds = Self { counts: vec![0; (offers * 8).next_power_of_two()] };
        for term in predicates.flat_map(|predicate| &predicate.terms) {
            let at = crowds.at(*term);
            if let Some(count) = crowds.counts.get_mut(at) {
                *count = count.saturating_add(1);
            }
        }
        crowds
    }

    fn size(&self, term: Term) -> usize {
        let count = self.counts.get(self.at(term)).copied().unwrap_or_default();
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn at(&self, term: Term) -> usize {
        let mask = self.counts.len().wrapping_sub(1) as u64;
        usize::try_from((term.hash() >> 8) & mask).unwrap_or_default()
    }
}
