//! How long it takes to decide which offer serves an order: the index beside the plain scan, in one run.
//!
//! ```sh
//! cargo bench -p broker-core --bench matching
//! ```
//! Scan and index are asked about the same sixteen orders in turn, and about 4096, whose every look misses the caches of
//! the processor. An order is read once and asked about many times, so both are told apart: choosing for an order that was
//! read, reading one, and the two together. A text after `--` measures only the sets with it in their name, a number only
//! the sets of so many offers (`-- selective 10000`). Prints Markdown. Each figure is the median of several rounds over
//! the same questions; offers and orders come from a fixed sequence, so every run measures the same ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a bench may fail loudly, looks at the clock, and rounds what it prints"
)]

mod load;
mod measure;

use std::hint::black_box;
use std::sync::Arc;

use broker_core::matching::{IndexMatcher, Matcher, OrderFacts, OrderIndex, ScanMatcher};
use broker_core::offer::{Offer, OfferId, OrderView, ReadOrder};
use broker_core::resource::Object;

use load::{Load, Sequence};
use measure::{allocated, is_quick, micros, nanos, once, time};

fn main() {
    let quick = is_quick();
    let sizes: &[usize] = if quick { &[100] } else { &[100, 10_000, 100_000] };
    println!("One order, its offer chosen (`choose_offer`):\n");
    println!(
        "| offers of three filters | number | hits | scan | index: read order | 4096 of them | reading | 4096 of them | reading and choosing |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for load in [load::SELECTIVE, load::ADVERSE] {
        for size in sizes {
            row(&load, *size);
        }
    }
    let size = if quick { 100 } else { 10_000 };
    println!("\nSets made to hurt:\n");
    println!("| offers | number | hits | scan | index: read order | reading and choosing | that / scan |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for load in load::PATHOLOGICAL {
        row(load, load.size.unwrap_or(size));
    }
    println!("\nOne offer changed, the orders that it fits:\n");
    println!("| offers of three filters | orders | found | all tried | by index |\n|---|--:|--:|--:|--:|");
    for load in [load::SELECTIVE, load::ADVERSE] {
        concerned(&load, size);
    }
    println!("\nThe writer:\n");
    println!("| | number | |\n|---|--:|--:|");
    for size in sizes {
        writer(*size);
    }
}

/// Whether the command line asks for this set with so many offers: by default for all.
fn is_wanted(load: &Load, size: usize) -> bool {
    let is_text = |argument: &String| !argument.starts_with("--") && argument.parse::<usize>().is_err();
    let mut texts = std::env::args().skip(1).filter(is_text).peekable();
    let is_named = texts.peek().is_none() || texts.any(|text| load.name.contains(&text));
    let wanted: Option<usize> = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    is_named && wanted.is_none_or(|wanted| wanted == size)
}

/// Scan and index on the same questions.
fn row(load: &Load, size: usize) {
    if !is_wanted(load, size) {
        return;
    }
    let offers = Arc::new(load.offers(size));
    let orders = load.orders(size);
    let (scan, index) = (ScanMatcher::new(offers.clone()), IndexMatcher::new(offers));
    let hits = orders.iter().take(16).map(|order| hits(&scan, order)).sum::<usize>() / orders.len().min(16);
    // The identity of an order is known to whoever asks.
    let orders: Vec<(Arc<Object>, String)> =
        orders.into_iter().map(|order| (order.clone(), order.uid().to_owned())).collect();
    let read: Vec<(ReadOrder, String)> =
        orders.iter().map(|(order, uid)| (ReadOrder::new(order.clone()), uid.clone())).collect();
    for (order, read) in orders.iter().zip(&read).take(64) {
        let facts = facts(order);
        let chosen = scan.choose_offer(&facts);
        assert_eq!(chosen, index.choose_offer(&facts), "{}: index and scan disagree", load.name);
        assert_eq!(chosen, index.choose_offer(&facts_of(read)), "{}: read and unread disagree", load.name);
    }
    let choosing = |read: &(ReadOrder, String)| drop(black_box(index.choose_offer(&facts_of(read))));
    let both = |order: &(Arc<Object>, String)| drop(black_box(index.choose_offer(&facts(order))));
    let reading = |(order, _): &(Arc<Object>, String)| drop(black_box(ReadOrder::new(order.clone())));
    let few = &orders[..16];
    let scanned = time(few, |order| drop(black_box(scan.choose_offer(&facts(order)))));
    let warm = time(few, both);
    let row = format!("| {} | {size} | {hits} | {} |", load.name, nanos(scanned));
    if load.pathological {
        println!("{row} {} | {} | {:.2} |", nanos(time(&read[..16], choosing)), nanos(warm), warm / scanned);
    } else {
        let read = [time(&read[..16], choosing), time(&read, choosing)].map(nanos).join(" | ");
        let reading = [time(few, reading), time(&orders, reading)].map(nanos).join(" | ");
        println!("{row} {read} | {reading} | {} |", nanos(warm));
    }
}

fn facts((order, uid): &(Arc<Object>, String)) -> OrderFacts<'_> {
    OrderFacts::new(order, load::api(), uid)
}

fn facts_of((read, uid): &(ReadOrder, String)) -> OrderFacts<'_> {
    OrderFacts::of(read, load::api(), uid)
}

fn hits(scan: &ScanMatcher, order: &Object) -> usize {
    let explanation = scan.match_order(&OrderFacts::new(order, load::api(), "uid")).explanation;
    let near = explanation.nearest.iter().filter(|candidate| candidate.reason.is_none()).count();
    near + explanation.others.get("Feasible").copied().unwrap_or_default()
}

/// The orders that one offer fits.
fn concerned(load: &Load, count: usize) {
    if !is_wanted(load, count) {
        return;
    }
    let orders: Vec<Arc<Object>> = (0..count).map(|n| Arc::new(load.order(n, count))).collect();
    let mut index = OrderIndex::default();
    orders.iter().enumerate().for_each(|(key, order)| index.insert(key, order.as_ref().clone().into()));
    let offers: Vec<Arc<Offer>> =
        (0..64).filter_map(|n| load.offered(load::id(n), n, count).parsed.ok()).collect();
    let found: usize = offers.iter().map(|offer| index.matched_by(offer).len()).sum();
    let all = time(&offers[..4.min(offers.len())], |offer| {
        let fit = orders.iter().filter(|order| offer.matches(&OrderView::new(order)).is_some());
        black_box(fit.count());
    });
    let indexed = time(&offers, |offer| drop(black_box(index.matched_by(offer))));
    let found = found / offers.len();
    println!("| {} | {count} | {found} | {} | {} |", load.name, micros(all), micros(indexed));
}

/// Building, changing, and what it takes.
fn writer(size: usize) {
    for load in [load::SELECTIVE, load::ADVERSE].into_iter().filter(|load| is_wanted(load, size)) {
        let offers = Arc::new(load.offers(size));
        let before = allocated();
        let index = IndexMatcher::new(offers.clone());
        let bytes = allocated().saturating_sub(before) / size;
        let built = once(|| IndexMatcher::new(offers.clone()));
        let mut sequence = Sequence::new(7);
        let changed: Vec<OfferId> =
            (0..256).map(|_| load::id(sequence.below(size as u64) as usize)).collect();
        let policies = load::policies();
        // Another offer under the same name each time, in the snapshot and in the index.
        let mut latest = index;
        let mut turn = 0;
        let change = time(&changed, |id| {
            turn += 1;
            let offered = load.offered(id.clone(), size + turn, size);
            let next = Arc::new(latest.offers().with(&policies, [offered]));
            latest = latest.updated(next, [id]);
        });
        println!("| {}: built | {size} | {} |", load.name, micros(built));
        println!("| {}: one offer changed | {size} | {} |", load.name, micros(change));
        println!("| {}: memory per offer, beyond the offer | {size} | {bytes} B |", load.name);
    }
}
