//! The filters of one offer: whether any order passes them, and whether each of them says something.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Bound, Criterion, Filter};
use super::implied::{implies_all, means_the_same};
use super::{Finding, Level, lint_condition};
use crate::offer::shorten;
use crate::resource::FieldPath;

/// Values in a message, at most this many, each up to so many characters.
const LISTED: usize = 5;
const SHOWN: usize = 64;
/// Words in the names of fields that hold amounts of bytes, whatever else is in the name.
const BYTES: [&str; 8] = ["storage", "memory", "disk", "volume", "ram", "capacity", "bytes", "size"];

/// Everything to tell about the filters of one offer.
pub(super) fn findings(filters: &[Filter]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fields: BTreeMap<&FieldPath, Vec<&Filter>> = BTreeMap::new();
    for filter in filters {
        for criterion in &filter.criteria {
            if let Criterion::Expression(expression) = criterion {
                findings.extend(lint_condition(expression, &at(filter, "expression")));
            }
        }
        if let Some(key) = &filter.key {
            fields.entry(key).or_default().push(filter);
        }
    }
    for (key, filters) in &fields {
        let unreachable = contradiction(filters);
        let reachable = unreachable.is_none();
        findings.extend(unreachable);
        findings.extend(bare_bounds(key, filters));
        if reachable {
            findings.extend(values_that_never_pass(filters));
        }
    }
    findings.extend(repetitions(filters));
    findings.sort_by(|a, b| (&a.pointer, a.level).cmp(&(&b.pointer, b.level)));
    findings
}

fn at(filter: &Filter, field: &str) -> String {
    if field.is_empty() {
        format!("/spec/filters/{}", filter.index)
    } else {
        format!("/spec/filters/{}/{field}", filter.index)
    }
}

/// One criterion, and where it is written.
type Written<'f> = (&'f Filter, &'f Criterion);

/// Why no value of the field passes all filters on it, as the last of the two that exclude each other tells.
fn contradiction(filters: &[&Filter]) -> Option<Finding> {
    let all: Vec<Written<'_>> = filters
        .iter()
        .flat_map(|filter| filter.criteria.iter().map(|criterion| (*filter, criterion)))
        .collect();
    let (place, message) = no_value_left(&all).or_else(|| {
        all.iter()
            .enumerate()
            .find_map(|(index, later)| all.iter().take(index).find_map(|earlier| exclude(*earlier, *later)))
    })?;
    // Where all of them may be missing, orders without the field pass.
    let (level, effect) = if filters.iter().all(|filter| filter.optional) {
        (Level::Warning, "only orders without the field pass")
    } else {
        (Level::Error, "no order passes")
    };
    Some(Finding::new(level, "Unreachable", place, format!("{message}: {effect}")))
}

/// Whether the values listed are all refused by what else is asked of the field.
fn no_value_left(all: &[Written<'_>]) -> Option<(String, String)> {
    let listing = all.iter().find(|(_, criterion)| matches!(criterion, Criterion::ValueIn(_)))?;
    let Criterion::ValueIn(values) = listing.1 else { return None };
    let others = || all.iter().filter(|other| !std::ptr::eq(other.1, listing.1));
    if values.is_empty() || values.iter().any(|value| others().all(|(_, other)| may_accept(other, value))) {
        return None;
    }
    // The one that refuses them all by itself, else nothing in particular.
    let alone = others().find(|(_, other)| !values.iter().any(|value| may_accept(other, value)));
    let shown: Vec<String> = values.iter().take(LISTED).map(|value| shorten(value, SHOWN)).collect();
    let shown = format!("[{}{}]", shown.join(", "), if values.len() > LISTED { ", …" } else { "" });
    let (place, refusing) = match alone {
        Some((filter, other)) => (
            at(filter, name(other)),
            format!("{} of filters[{}] ({})", name(other), filter.index, other.expected()),
        ),
        None => (at(listing.0, "valueIn"), "what else is asked of the field".to_owned()),
    };
    Some((place, format!("none of the values {shown} of filters[{}] passes {refusing}", listing.0.index)))
}

/// Why nothing passes both, where that can be told.
fn exclude(earlier: Written<'_>, later: Written<'_>) -> Option<(String, String)> {
    let message = match (earlier.1, later.1) {
        (Criterion::Suffix(one), Criterion::Suffix(other))
            if !one.ends_with(other.as_str()) && !other.ends_with(one.as_str()) =>
        {
            format!("no text ends with `{}` and with `{}`", shorten(one, SHOWN), shorten(other, SHOWN))
        }
        (Criterion::Prefix(one), Criterion::Prefix(other))
            if !one.starts_with(other.as_str()) && !other.starts_with(one.as_str()) =>
        {
            format!("no text begins with `{}` and with `{}`", shorten(one, SHOWN), shorten(other, SHOWN))
        }
        (Criterion::Boundary { min: min_of_one, max: max_of_one }, Criterion::Boundary { min, max }) => {
            let (low, high) = if let Some(found) = crossed(min_of_one.as_ref(), max.as_ref()) {
                found
            } else {
                crossed(min.as_ref(), max_of_one.as_ref())?
            };
            format!("no number is at least {low} and at most {high}")
        }
        _ => return None,
    };
    let other = format!("; the other is in filters[{}]", earlier.0.index);
    let other = if std::ptr::eq(earlier.0, later.0) { String::new() } else { other };
    Some((at(later.0, name(later.1)), format!("{message}{other}")))
}

/// A least value above a greatest one. One with a unit and one without are comparable only once the value is known.
fn crossed<'b>(min: Option<&'b Bound>, max: Option<&'b Bound>) -> Option<(&'b Bound, &'b Bound)> {
    let (min, max) = (min?, max?);
    let comparable = min.is_bare() == max.is_bare();
    (comparable && min.quantity().amount() > max.quantity().amount()).then_some((min, max))
}

/// Values that are listed, but refused by what else is asked of the field.
fn values_that_never_pass(filters: &[&Filter]) -> Vec<Finding> {
    let all =
        || filters.iter().flat_map(|filter| filter.criteria.iter().map(|criterion| (*filter, criterion)));
    let mut findings = Vec::new();
    for (filter, listing) in all() {
        let Criterion::ValueIn(values) = listing else { continue };
        for value in values {
            let refusing =
                all().find(|(_, other)| !std::ptr::eq(*other, listing) && !may_accept(other, value));
            if let Some((other, criterion)) = refusing {
                let message = format!(
                    "`{}` never passes: {} of filters[{}] refuses it ({})",
                    shorten(value, SHOWN),
                    name(criterion),
                    other.index,
                    criterion.expected()
                );
                findings.push(Finding::new(Level::Warning, "Unreachable", at(filter, "valueIn"), message));
            }
        }
    }
    findings
}

/// Whether a criterion could accept a value of this text, be it a text, a number or a boolean. An expression could.
fn may_accept(criterion: &Criterion, value: &str) -> bool {
    let text = Value::from(value);
    matches!(criterion, Criterion::Expression(_)) || criterion.accepts_scalar(&text)
}

/// Bounds without a unit where values with one are to be expected: on a field that by its name holds bytes, or where
/// another bound of the field has a unit.
fn bare_bounds(key: &FieldPath, filters: &[&Filter]) -> Vec<Finding> {
    let bounds: Vec<(&Filter, &str, &Bound)> = filters
        .iter()
        .flat_map(|filter| filter.criteria.iter().map(|criterion| (*filter, criterion)))
        .flat_map(|(filter, criterion)| match criterion {
            Criterion::Boundary { min, max } => {
                let written = [("boundary/min", min), ("boundary/max", max)];
                written
                    .into_iter()
                    .filter_map(|(field, bound)| Some((filter, field, bound.as_ref()?)))
                    .collect()
            }
            Criterion::ValueIn(_)
            | Criterion::NotIn(_)
            | Criterion::Prefix(_)
            | Criterion::Suffix(_)
            | Criterion::Expression(_) => Vec::new(),
        })
        .collect();
    let with_unit = bounds.iter().find(|(_, _, bound)| !bound.is_bare());
    let by_name = key.segments().last().is_some_and(|name| holds_bytes(name));
    let mut findings = Vec::new();
    for (filter, field, bound) in bounds.iter().filter(|(_, _, bound)| bound.is_bare()) {
        let (level, why) = match with_unit {
            Some((_, _, other)) => (Level::Warning, format!("while another bound of the field is {other}")),
            None if by_name => (Level::Advice, "on a field whose values have units".to_owned()),
            None => continue,
        };
        let message = format!(
            "{bound} has no unit, {why}: it counts as {bound}Gi against 100Gi, as {bound}G against 100G and as {bound} \
             against 100; write the unit, as in {bound}Gi"
        );
        findings.push(Finding::new(level, "BareBound", at(filter, field), message));
    }
    findings
}

/// Whether one of the words of a name stands for an amount of bytes: `storage`, `memoryLimit`, `disk_size`.
fn holds_bytes(name: &str) -> bool {
    let mut words: Vec<String> = vec![String::new()];
    for character in name.chars() {
        let begins = character.is_uppercase() || !character.is_alphanumeric();
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
    }
    words.iter().any(|word| BYTES.contains(&word.as_str()))
}

/// Filters that say nothing that another one does not say already.
fn repetitions(filters: &[Filter]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let implying = filters.iter().enumerate().find(|(other, candidate)| {
            let same = means_the_same(candidate, filter);
            // Of two that say the same the later one is told.
            *other != index
                && implies_all(std::slice::from_ref(*candidate), filter)
                && (!same || *other < index)
        });
        if let Some((other, _)) = implying {
            let message = format!("it adds nothing: whatever passes filters[{other}] passes it too");
            findings.push(Finding::new(Level::Advice, "Redundant", at(filter, ""), message));
        }
    }
    findings
}

fn name(criterion: &Criterion) -> &'static str {
    match criterion {
        Criterion::ValueIn(_) => "valueIn",
        Criterion::NotIn(_) => "notIn",
        Criterion::Prefix(_) => "prefix",
        Criterion::Suffix(_) => "suffix",
        Criterion::Boundary { .. } => "boundary",
        Criterion::Expression(_) => "expression",
    }
}
