//! Offers beside each other: those that never get an order, because another one always goes first.
//!
//! Judged by what the offers say alone; the platform may cap what one of them asks for.

use super::super::{ApiPattern, Offer, Scheduling};
use super::implied::implies_all;
use super::{Finding, Level};

/// What there is to tell about offers beside each other, each with the index of the offer that it is about.
pub fn shadows(offers: &[Offer]) -> Vec<(usize, Finding)> {
    let mut findings = Vec::new();
    for (index, offer) in offers.iter().enumerate() {
        let mut others = offers.iter().enumerate().filter(|(other, _)| *other != index);
        let shadowing = others.find_map(|(other, first)| Some((other, shadow(first, offer)?)));
        if let Some((other, words)) = shadowing {
            let (place, why) = words;
            let message = format!(
                "it never gets a new order: whatever it takes is taken by {}, which goes first by its {why}",
                offers.get(other).map(called).unwrap_or_default()
            );
            findings.push((index, Finding::new(Level::Warning, "Shadowed", place, message)));
        } else if let Some(twin) = offers.iter().take(index).find(|twin| are_twins(twin, offer)) {
            let message = format!(
                "it takes the same orders as {} on the same terms: they are spread over both by weight, {} to {}",
                called(twin),
                twin.weight(),
                offer.weight()
            );
            findings.push((index, Finding::new(Level::Advice, "Identical", "/spec", message)));
        }
    }
    findings
}

/// Why `first` takes everything that `second` would: where that is written, and in a word.
fn shadow(first: &Offer, second: &Offer) -> Option<(&'static str, &'static str)> {
    let always_takes = first.capacity().is_none() && first.scheduling() == Scheduling::Active;
    if !always_takes || !covers(first.api(), second.api()) || !takes_all_of(first, second) {
        return None;
    }
    if first.priority() > second.priority() {
        return Some(("/spec/priority", "priority"));
    }
    // With the same filters both match as specifically, and cost is next.
    let cheaper = first.cost().is_some_and(|cost| second.cost().is_none_or(|other| cost < other));
    let as_specific = first.priority() == second.priority() && takes_all_of(second, first);
    (as_specific && have_the_same_ends(first, second) && cheaper).then_some(("/spec/cost", "cost"))
}

/// Whether two offers take the same orders, and none of them goes first by anything but the lot.
fn are_twins(one: &Offer, other: &Offer) -> bool {
    one.api() == other.api()
        && one.priority() == other.priority()
        && one.cost() == other.cost()
        && takes_all_of(one, other)
        && takes_all_of(other, one)
        && have_the_same_ends(one, other)
}

fn takes_all_of(first: &Offer, second: &Offer) -> bool {
    first.filters().iter().all(|asked| implies_all(second.filters(), asked))
}

/// Whether both match as specifically: by the same prefixes and suffixes.
fn have_the_same_ends(one: &Offer, other: &Offer) -> bool {
    use super::super::Criterion;
    let ends = |offer: &Offer| {
        let mut ends: Vec<String> = offer
            .filters()
            .iter()
            .flat_map(|filter| &filter.criteria)
            .filter_map(|criterion| match criterion {
                Criterion::Prefix(text) => Some(format!("^{text}")),
                Criterion::Suffix(text) => Some(format!("${text}")),
                Criterion::ValueIn(_)
                | Criterion::NotIn(_)
                | Criterion::Boundary { .. }
                | Criterion::Expression(_) => None,
            })
            .collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    };
    ends(one) == ends(other)
}

/// Whether every API that the second pattern names is one that the first names.
fn covers(first: &ApiPattern, second: &ApiPattern) -> bool {
    let covers = |first: &Option<String>, second: &Option<String>| first.is_none() || first == second;
    first.resource == second.resource
        && covers(&first.group, &second.group)
        && covers(&first.version, &second.version)
}

fn called(offer: &Offer) -> String {
    let id = offer.id();
    if id.namespace.is_empty() { id.name.clone() } else { format!("{}/{}", id.namespace, id.name) }
}
