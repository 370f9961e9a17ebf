//! Whether what passes some filters certainly passes another one. "No" means that it cannot be told.

use serde_json::Value;

use super::super::{Bound, Criterion, Filter, Quantity};

/// Whether every order that passes all of `given` passes `asked`.
pub(super) fn implies_all(given: &[Filter], asked: &Filter) -> bool {
    let of_the_field: Vec<&Filter> = match &asked.key {
        Some(key) => given.iter().filter(|filter| filter.key.as_ref() == Some(key)).collect(),
        None => Vec::new(),
    };
    let there = of_the_field.iter().any(|filter| !filter.optional);
    if asked.key.is_some() && !asked.optional && !there {
        return false;
    }
    asked.criteria.iter().all(|criterion| match criterion {
        // A missing field inside of an expression passes where the filter is optional only.
        Criterion::Expression(_) => given
            .iter()
            .filter(|filter| asked.optional || !filter.optional)
            .any(|filter| filter.criteria.contains(criterion)),
        Criterion::ValueIn(_)
        | Criterion::NotIn(_)
        | Criterion::Prefix(_)
        | Criterion::Suffix(_)
        | Criterion::Boundary { .. } => {
            of_the_field.iter().flat_map(|filter| &filter.criteria).any(|given| implies(given, criterion))
        }
    })
}

/// Whether two filters let the same orders through, as far as can be told.
pub(super) fn means_the_same(one: &Filter, other: &Filter) -> bool {
    let within = |inner: &Filter, outer: &Filter| implies_all(std::slice::from_ref(inner), outer);
    within(one, other) && within(other, one)
}

/// Whether every value that passes one criterion passes the other.
fn implies(given: &Criterion, asked: &Criterion) -> bool {
    match (given, asked) {
        (Criterion::ValueIn(given), _) => {
            let text_is_asked = matches!(asked, Criterion::Prefix(_) | Criterion::Suffix(_));
            given.iter().all(|value| {
                // A number or boolean of the same text is no text.
                let certain = !text_is_asked || (Quantity::parse(value).is_none() && !is_boolean(value));
                certain && asked.accepts_scalar(&Value::from(value.as_str()))
            })
        }
        (Criterion::NotIn(given), Criterion::NotIn(asked)) => asked.is_subset(given),
        (Criterion::Prefix(given), Criterion::NotIn(asked)) => {
            !asked.iter().any(|value| value.starts_with(given.as_str()))
        }
        (Criterion::Suffix(given), Criterion::NotIn(asked)) => {
            !asked.iter().any(|value| value.ends_with(given.as_str()))
        }
        (Criterion::Prefix(given), Criterion::Prefix(asked)) => given.starts_with(asked.as_str()),
        (Criterion::Suffix(given), Criterion::Suffix(asked)) => given.ends_with(asked.as_str()),
        (
            Criterion::Boundary { min: given_min, max: given_max },
            Criterion::Boundary { min: asked_min, max: asked_max },
        ) => {
            let least = |given: &Bound, asked: &Bound| given.quantity().amount() >= asked.quantity().amount();
            let greatest =
                |given: &Bound, asked: &Bound| given.quantity().amount() <= asked.quantity().amount();
            tighter(given_min.as_ref(), asked_min.as_ref(), least)
                && tighter(given_max.as_ref(), asked_max.as_ref(), greatest)
        }
        (Criterion::Expression(given), Criterion::Expression(asked)) => given == asked,
        (
            Criterion::NotIn(_)
            | Criterion::Prefix(_)
            | Criterion::Suffix(_)
            | Criterion::Boundary { .. }
            | Criterion::Expression(_),
            _,
        ) => false,
    }
}

fn tighter(given: Option<&Bound>, asked: Option<&Bound>, holds: impl Fn(&Bound, &Bound) -> bool) -> bool {
    match (given, asked) {
        (_, None) => true,
        (None, Some(_)) => false,
        // One with a unit and one without are comparable only once the value is known.
        (Some(given), Some(asked)) => given.is_bare() == asked.is_bare() && holds(given, asked),
    }
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "false")
}
