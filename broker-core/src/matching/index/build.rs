//! Filing many offers at once: sorted by term, so that every node is made once and in its place.

use std::sync::Arc;

use smallvec::SmallVec;

use super::fields::Fields;
use super::home::{Crowds, Home, Predicates, home};
use super::posting::{Filed, Posting};
use super::shelf::Shelf;
use super::table::{Node, Table};
use super::term::{Kind, Term};
use crate::matching::Listing;

/// The shelf of these offers, all of which can be chosen.
pub(super) fn shelf(listings: &[&Arc<Listing>]) -> Shelf {
    let mut fields = Fields::default();
    let mut predicates = Predicates::default();
    predicates.reserve(listings.len());
    let mut ends: Vec<usize> = Vec::with_capacity(listings.len());
    // One look at each: most of the time goes into fetching them.
    for listing in listings {
        if let Some(offer) = listing.offer() {
            if !fields.know(offer) {
                fields.learn(offer);
            }
            fields.predicates(offer.sieve(), |kind, terms| predicates.push(kind, terms));
        }
        ends.push(predicates.len());
    }
    let crowds = Crowds::of(predicates.terms());
    let mut rest: SmallVec<[Filed; 1]> = SmallVec::new();
    let mut filed: Vec<(Term, u32)> = Vec::with_capacity(2 * listings.len());
    let mut seconds: Vec<(Term, Kind)> = Vec::new();
    let mut from = 0;
    for ((number, listing), to) in (0..).zip(listings).zip(ends) {
        match home(predicates.range(from, to), |term| crowds.size(term)) {
            Home::Rest => rest.push(Filed::new((*listing).clone())),
            Home::Terms(terms) => filed.extend(terms.iter().map(|term| (*term, number))),
            Home::Pairs(first, kind, second) => {
                for term in first {
                    seconds.push((*term, kind));
                    filed.extend(second.iter().map(|other| (term.and(*other), number)));
                }
            }
        }
        from = to;
    }
    filed.sort_unstable();
    seconds.sort_unstable();
    let table = Table::of(merged(nodes(listings, &filed), seconds));
    Shelf { fields: Arc::new(fields), table, rest: Posting::of(rest) }
}

/// The postings, in the order of their terms; what is filed comes in that order.
fn nodes(listings: &[&Arc<Listing>], filed: &[(Term, u32)]) -> Vec<(Term, Node)> {
    let mut nodes: Vec<(Term, Node)> = Vec::with_capacity(filed.len());
    for these in filed.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((term, _)) = these.first() else { continue };
        let listings = these.iter().filter_map(|(_, number)| listings.get(usize::try_from(*number).ok()?));
        let filed = listings.map(|listing| Filed::new((*listing).clone())).collect();
        nodes.push((*term, Node { posting: Posting::of(filed), seconds: None }));
    }
    nodes
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
