//! Filing many offers at once: sorted by term, so that every node is made once and in its place.

use std::sync::Arc;

use smallvec::SmallVec;

use super::fields::Fields;
use super::home::{Crowds, Home, Predicates, home};
use super::line::Line;
use super::posting::{Filed, Posting};
use super::shelf::{Firsts, Shelf};
use super::table::{Node, Table};
use super::term::Term;
use crate::matching::Listing;
use crate::offer::sieve::Kind;
use crate::selection::rendezvous::OfferSeed;

/// From this many offers on, two threads share the work.
const MANY: usize = if cfg!(test) { 32 } else { 4096 };

/// The shelf of these offers, all of which can be chosen.
pub(super) fn shelf(listings: &[&Arc<Listing>]) -> Shelf {
    let (fields, line, parts) = read(listings);
    let is_worth_it = listings.len() >= MANY;
    let ((listings, places), crowds) =
        both(is_worth_it, || line.up(), || Crowds::of(parts.iter().map(|part| part.predicates.terms())));
    let mut rest: Vec<Entry> = Vec::new();
    // By the first bit of their terms.
    let mut filed = [(); 2].map(|()| Vec::with_capacity(listings.len()));
    let mut file = |term: Term, place: u32| {
        let [low, high] = &mut filed;
        if term.hash() >> 63 == 0 { low } else { high }.push(Entry::new(term, place));
    };
    let mut seconds: Vec<(Term, Kind)> = Vec::new();
    let mut firsts = Firsts::default();
    let mut places = places.into_iter();
    for Part { predicates, ends, .. } in &parts {
        let mut from = 0;
        for (to, place) in ends.iter().zip(places.by_ref()) {
            match home(predicates.range(from, *to), |term| crowds.size(term)) {
                Home::Rest => rest.push(Entry::new(Term::nobodys(), place)),
                Home::Terms(kind, terms) => {
                    firsts.add(kind);
                    for term in terms {
                        file(*term, place);
                    }
                }
                Home::Pairs(own, first, kind, second) => {
                    firsts.add(own);
                    for term in first {
                        seconds.push((*term, kind));
                        for other in second {
                            file(term.and(*other), place);
                        }
                    }
                }
            }
            from = *to;
        }
    }
    let [low, high] = &filed;
    let (low, high) = both(is_worth_it, || nodes(&listings, low), || nodes(&listings, high));
    seconds.sort_unstable();
    rest.sort_unstable();
    let rest = Posting::of(fetched(&listings, &rest).collect());
    let table = Table::of(merged(low.into_iter().chain(high), seconds));
    Shelf { fields: Arc::new(fields), table, firsts, rest }
}

/// What some of the offers are found by.
struct Part<'l> {
    fields: Fields,
    predicates: Predicates,
    /// Where the predicates of each offer end.
    ends: Vec<usize>,
    line: Line<'l>,
}

impl<'l> Part<'l> {
    fn of(listings: &[&'l Arc<Listing>]) -> Self {
        let mut part = Self {
            fields: Fields::default(),
            predicates: Predicates::default(),
            ends: Vec::with_capacity(listings.len()),
            line: Line::default(),
        };
        part.predicates.reserve(listings.len());
        // One look at each: most of the time goes into fetching them.
        for listing in listings {
            if let Some(offer) = listing.offer() {
                if !part.fields.know(offer) {
                    part.fields.learn(offer);
                }
                let predicates = &mut part.predicates;
                part.fields.predicates(offer.sieve(), |kind, terms| predicates.push(kind, terms));
            }
            part.line.add(listing);
            part.ends.push(part.predicates.len());
        }
        part
    }
}

/// Reads all offers: in two parts where they are many, and in one where that could lead to something else.
fn read<'l>(listings: &[&'l Arc<Listing>]) -> (Fields, Line<'l>, Vec<Part<'l>>) {
    let halves = || {
        let (one, other) = listings.split_at(listings.len() / 2);
        let (one, other) = both(true, || Part::of(one), || Part::of(other));
        Some((one.fields.with(&other.fields)?, one, other))
    };
    if let Some((fields, mut one, mut other)) = (listings.len() >= MANY).then(halves).flatten() {
        let mut line = std::mem::take(&mut one.line);
        line.join(std::mem::take(&mut other.line));
        return (fields, line, vec![one, other]);
    }
    let mut all = Part::of(listings);
    (std::mem::take(&mut all.fields), std::mem::take(&mut all.line), vec![all])
}

/// Both of these, on a thread each where that is worth it and there is one to be had.
fn both<A: Send, B>(is_worth_it: bool, one: impl Fn() -> A + Sync, other: impl FnOnce() -> B) -> (A, B) {
    if !is_worth_it {
        return (one(), other());
    }
    std::thread::scope(|scope| {
        let helper = std::thread::Builder::new().spawn_scoped(scope, &one);
        let others = other();
        // Whatever went wrong there goes wrong here, or not at all.
        let ones = helper.ok().and_then(|helper| helper.join().ok()).unwrap_or_else(&one);
        (ones, others)
    })
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

/// The postings, in the order of their terms.
fn nodes(listings: &[&Arc<Listing>], filed: &[Entry]) -> Vec<(Term, Node)> {
    let mut filed = filed.to_vec();
    filed.sort_unstable();
    let mut nodes: Vec<(Term, Node)> = Vec::with_capacity(filed.len());
    let mut postings = fetched(listings, &filed);
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
fn merged(nodes: impl Iterator<Item = (Term, Node)>, seconds: Vec<(Term, Kind)>) -> Vec<(Term, Node)> {
    let mut merged: Vec<(Term, Node)> = Vec::with_capacity(nodes.size_hint().0);
    let mut nodes = nodes.peekable();
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
