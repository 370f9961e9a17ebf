//! Filing many offers at once: sorted by term, so that every node is made once and in its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::fields::Fields;
use super::home::{Crowds, Home, Predicates, home};
use super::posting::{Filed, Posting};
use super::shelf::{Firsts, Shelf};
use super::table::{Node, Table};
use super::term::Term;
use crate::matching::Listing;
use crate::matching::rank::Class;
use crate::offer::sieve::Kind;
use crate::selection::rendezvous::OfferSeed;

/// The shelf of these offers, all of which can be chosen.
pub(super) fn shelf(listings: &[&Arc<Listing>]) -> Shelf {
    let mut fields = Fields::default();
    let mut predicates = Predicates::default();
    predicates.reserve(listings.len());
    let mut ends: Vec<usize> = Vec::with_capacity(listings.len());
    let mut line = Line::default();
    // One look at each: most of the time goes into fetching them.
    for listing in listings {
        if let Some(offer) = listing.offer() {
            if !fields.know(offer) {
                fields.learn(offer);
            }
            fields.predicates(offer.sieve(), |kind, terms| predicates.push(kind, terms));
        }
        line.add(listing);
        ends.push(predicates.len());
    }
    let (listings, places) = line.up();
    let crowds = Crowds::of(predicates.terms());
    let mut rest: Vec<Entry> = Vec::new();
    let mut filed: Vec<Entry> = Vec::with_capacity(2 * listings.len());
    let mut seconds: Vec<(Term, Kind)> = Vec::new();
    let mut firsts = Firsts::default();
    let mut from = 0;
    for (place, to) in places.into_iter().zip(ends) {
        match home(predicates.range(from, to), |term| crowds.size(term)) {
            Home::Rest => rest.push(Entry::new(Term::nobodys(), place)),
            Home::Terms(kind, terms) => {
                firsts.add(kind);
                filed.extend(terms.iter().map(|term| Entry::new(*term, place)));
            }
            Home::Pairs(own, first, kind, second) => {
                firsts.add(own);
                for term in first {
                    seconds.push((*term, kind));
                    filed.extend(second.iter().map(|other| Entry::new(term.and(*other), place)));
                }
            }
        }
        from = to;
    }
    filed.sort_unstable();
    seconds.sort_unstable();
    rest.sort_unstable();
    let rest = Posting::of(fetched(&listings, &rest).collect());
    let table = Table::of(merged(nodes(&listings, &filed), seconds));
    Shelf { fields: Arc::new(fields), table, firsts, rest }
}

/// Offers on their way into the order in which all postings have them: sorted once, and never for each posting.
#[derive(Default)]
struct Line<'l> {
    /// Offers by their class, as numbered here, and by their seed.
    offers: Vec<(u32, OfferSeed, &'l Arc<Listing>)>,
    classes: BTreeMap<Class, u32>,
}

impl<'l> Line<'l> {
    fn add(&mut self, listing: &'l Arc<Listing>) {
        let rank = listing.rank();
        let new = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        let class = *self.classes.entry(rank.class()).or_insert(new);
        self.offers.push((class, rank.seed, listing));
    }

    /// The offers in order, and at which place each is that was added.
    fn up(self) -> (Vec<&'l Arc<Listing>>, Vec<u32>) {
        let mut order = vec![0; self.classes.len()];
        for (at, class) in (0_u32..).zip(self.classes.into_values()) {
            if let Some(place) = usize::try_from(class).ok().and_then(|class| order.get_mut(class)) {
                *place = at;
            }
        }
        let order = |class: u32| usize::try_from(class).ok().and_then(|class| order.get(class)).copied();
        let mut sorted: Vec<u128> = (0_u32..)
            .zip(&self.offers)
            .map(|(number, (class, seed, _))| {
                let class = u128::from(order(*class).unwrap_or_default());
                (class << 96) | (u128::from(seed.get()) << 32) | u128::from(number)
            })
            .collect();
        sorted.sort_unstable();
        let mut places = vec![0; sorted.len()];
        let mut listings = Vec::with_capacity(sorted.len());
        for (at, key) in (0_u32..).zip(&sorted) {
            let Ok(number) = usize::try_from(key & u128::from(u32::MAX)) else { continue };
            if let (Some((_, _, listing)), Some(place)) = (self.offers.get(number), places.get_mut(number)) {
                listings.push(*listing);
                *place = at;
            }
        }
        (listings, places)
    }
}

/// An offer at a place, filed under a term. One number, because those are quick to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u128);

impl Entry {
    fn new(term: Term, place: u32) -> Self {
        Self((u128::from(term.hash()) << 32) | u128::from(place))
    }

    fn is_like(self, other: Self) -> bool {
        self.0 >> 32 == other.0 >> 32
    }

    fn term(self) -> Term {
        Term::from_hash(u64::try_from(self.0 >> 32).unwrap_or_default())
    }

    fn place(self) -> usize {
        usize::try_from(self.0 & u128::from(u32::MAX)).unwrap_or(usize::MAX)
    }
}

/// The postings, in the order of their terms; what is filed comes in that order.
fn nodes(listings: &[&Arc<Listing>], filed: &[Entry]) -> Vec<(Term, Node)> {
    let mut nodes: Vec<(Term, Node)> = Vec::with_capacity(filed.len());
    let mut postings = fetched(listings, filed);
    for these in filed.chunk_by(|one, other| one.is_like(*other)) {
        let Some(first) = these.first() else { continue };
        let posting = Posting::of(postings.by_ref().take(these.len()).collect());
        nodes.push((first.term(), Node { posting, seconds: None }));
    }
    nodes
}

/// What is filed, as it lies in postings.
fn fetched(listings: &[&Arc<Listing>], filed: &[Entry]) -> impl Iterator<Item = Filed> {
    filed.chunks(FETCHED).flat_map(|these| fetch(listings, these))
}

/// So many offers are fetched at once.
const FETCHED: usize = 64;

/// Terms are in no order that memory is in. Reading the seeds first lets the processor wait for many offers at a time;
/// counting one more reference to each makes it wait for one after the other.
fn fetch(listings: &[&Arc<Listing>], filed: &[Entry]) -> SmallVec<[Filed; FETCHED]> {
    let found: SmallVec<[(OfferSeed, &Arc<Listing>); FETCHED]> = filed
        .iter()
        .filter_map(|entry| listings.get(entry.place()))
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
