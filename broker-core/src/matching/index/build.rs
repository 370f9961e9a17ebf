//! Filing many offers at once: sorted by term, so that every node is made once and in its place.

use std::sync::Arc;

use smallvec::SmallVec;

use super::fields::Fields;
use super::home::{Crowds, Home, Predicates, home};
use super::posting::{Filed, Posting};
use super::shelf::{Firsts, Shelf};
use super::table::{Node, Table};
use super::term::Term;
use crate::matching::Listing;
use crate::offer::sieve::Kind;
use crate::selection::rendezvous::OfferSeed;

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
    let mut firsts = Firsts::default();
    let mut from = 0;
    for ((number, listing), to) in (0..).zip(listings).zip(ends) {
        match home(predicates.range(from, to), |term| crowds.size(term)) {
            Home::Rest => rest.push(Filed::new((*listing).clone())),
            Home::Terms(kind, terms) => {
                firsts.add(kind);
                filed.extend(terms.iter().map(|term| (*term, number)));
            }
            Home::Pairs(own, first, kind, second) => {
                firsts.add(own);
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
    Shelf { fields: Arc::new(fields), table, firsts, rest: Posting::of(rest) }
}

/// The postings, in the order of their terms; what is filed comes in that order.
fn nodes(listings: &[&Arc<Listing>], filed: &[(Term, u32)]) -> Vec<(Term, Node)> {
    let mut nodes: Vec<(Term, Node)> = Vec::with_capacity(filed.len());
    let mut postings = filed.chunks(FETCHED).flat_map(|these| fetch(listings, these));
    for these in filed.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((term, _)) = these.first() else { continue };
        let posting = Posting::of(postings.by_ref().take(these.len()).collect());
        nodes.push((*term, Node { posting, seconds: None }));
    }
    nodes
}

/// So many offers are fetched at once.
const FETCHED: usize = 64;

/// Terms are in no order that memory is in. Reading the seeds first lets the processor wait for many offers at a time;
/// counting one more reference to each makes it wait for one after the other.
fn fetch(listings: &[&Arc<Listing>], filed: &[(Term, u32)]) -> SmallVec<[Filed; FETCHED]> {
    let find = |number: u32| listings.get(usize::try_from(number).ok()?);
    let found: SmallVec<[(OfferSeed, &Arc<Listing>); FETCHED]> = filed
        .iter()
        .filter_map(|(_, number)| find(*number))
        .map(|listing| (listing.rank().seed, *listing))
        .collect();
    found.into_iter().map(|(seed, listing)| Filed { seed, listing: listing.clone() }).collect()
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
