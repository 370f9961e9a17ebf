//! A field that stood in an order's way, as data for the platform: of one filter, or summed up over several offers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::offer::{Expected, Miss, shorten};

/// A text in here is at most this many characters.
const SHOWN: usize = 64;
/// An expression in here is at most this many characters.
const EXPRESSION_SHOWN: usize = 160;
/// Alternatives that are named; of the others only the number is told.
const LISTED: usize = 5;

/// A field of the order, what was found there, and what would have passed. Bounded in size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// Index into the offer's `spec.filters`; `None` where several offers are summed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<usize>,
    /// Path of the field; empty for an expression over the whole order.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// The text found there; `None` where the field is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is wrong with it: `ends with no suffix of [.corp.com, .internal.corp]`.
    pub problem: String,
    /// What would have passed, each alternative as a text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<String>,
    /// Of several alternatives the one that comes nearest to what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

impl Missed {
    /// What one filter missed.
    pub(super) fn of(miss: &Miss) -> Self {
        Self { filter: Some(miss.filter), ..Self::sum(&[miss]) }
    }

    /// What several offers missed, field by field; the nearest first, at most `most`.
    pub(super) fn summed_up<'m>(misses: impl IntoIterator<Item = &'m Miss>, most: usize) -> Vec<Self> {
        let mut groups: BTreeMap<(&str, Option<&str>, Kind), Vec<&Miss>> = BTreeMap::new();
        for miss in misses {
            let kind = if miss.found.is_none() { Kind::Any } else { Kind::of(&miss.expected) };
            groups.entry((&miss.field, miss.found.as_deref(), kind)).or_default().push(miss);
        }
        let mut groups: Vec<Vec<&Miss>> = groups.into_values().collect();
        // Stable: equally near ones stay in the order of their fields.
        groups.sort_by_key(|group| group.iter().map(|miss| miss.distance).min());
        groups.iter().take(most).map(|group| Self::sum(group)).collect()
    }

    /// What is wrong with one field of one kind of filter.
    fn sum(misses: &[&Miss]) -> Self {
        let Some(nearest) =
            misses.iter().min_by(|a, b| (a.distance, &a.expected).cmp(&(b.distance, &b.expected)))
        else {
            return Self::default();
        };
        let mut expected: Vec<&Expected> = misses.iter().map(|miss| &miss.expected).collect();
        expected.sort_unstable();
        expected.dedup();
        let alternatives = Alternatives::of(&expected);
        let found = nearest.found.as_deref();
        Self {
            filter: None,
            field: shorten(&nearest.field, SHOWN),
            found: found.map(|found| shorten(found, SHOWN)),
            problem: alternatives.problem(found.is_some() || nearest.field.is_empty()),
            nearest: alternatives
                .are_several()
                .then(|| nearest.expected.nearest(found?))
                .flatten()
                .map(|text| shorten(&text, SHOWN)),
            expected: expected.iter().take(LISTED).map(ToString::to_string).collect(),
        }
    }
}

/// ``spec.fqdn is app.corp.co: ends with no suffix of [.corp.com, .internal.corp]; nearest .corp.com``.
impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.found, self.field.is_empty()) {
            (_, true) => write!(f, "the order: {}", self.problem)?,
            (Some(found), false) if found.is_empty() => {
                write!(f, "{} is empty: {}", self.field, self.problem)?;
            }
            (Some(found), false) => write!(f, "{} is {found}: {}", self.field, self.problem)?,
            (None, false) => write!(f, "{} is missing: {}", self.field, self.problem)?,
        }
        self.nearest.as_ref().map_or(Ok(()), |nearest| write!(f, "; nearest {nearest}"))
    }
}

/// What kind of filter it is; those of one kind are told in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Any,
    OneOf,
    NoneOf,
    Start,
    End,
    Number,
    Expression,
}

impl Kind {
    fn of(expected: &Expected) -> Self {
        match expected {
            Expected::Present => Self::Any,
            Expected::OneOf(_) => Self::OneOf,
            Expected::NoneOf(_) => Self::NoneOf,
            Expected::StartsWith(_) => Self::Start,
            Expected::EndsWith(_) => Self::End,
            Expected::Between { .. } => Self::Number,
            Expected::Expression(_) => Self::Expression,
        }
    }
}

/// What would have passed, as texts of one kind, none twice.
struct Alternatives {
    kind: Kind,
    texts: Vec<String>,
    /// Each as a phrase of its own, for a field that is missing.
    phrases: Vec<String>,
}

impl Alternatives {
    fn of(expected: &[&Expected]) -> Self {
        let kind = expected.first().map_or(Kind::Any, |first| Kind::of(first));
        let mut texts: Vec<String> = expected
            .iter()
            .flat_map(|expected| match expected {
                Expected::Present => Vec::new(),
                Expected::OneOf(values) | Expected::NoneOf(values) => values.clone(),
                Expected::StartsWith(text) | Expected::EndsWith(text) => vec![text.clone()],
                Expected::Between { .. } => vec![expected.to_string()],
                Expected::Expression(text) => vec![shorten(text, EXPRESSION_SHOWN)],
            })
            .collect();
        texts.sort_unstable();
        texts.dedup();
        Self { kind, texts, phrases: expected.iter().map(ToString::to_string).collect() }
    }

    fn are_several(&self) -> bool {
        self.texts.len() > 1
    }

    fn problem(&self, found: bool) -> String {
        let limit = if self.kind == Kind::Expression { EXPRESSION_SHOWN } else { SHOWN };
        let one = match self.texts.as_slice() {
            [one] => Some(if one.is_empty() { "the empty text".to_owned() } else { shorten(one, limit) }),
            _ => None,
        };
        let all = || listed(&self.texts, limit);
        if !found {
            return format!("{} would pass", joined(&self.phrases));
        }
        match (self.kind, one) {
            (Kind::Any, _) => "any value would pass".to_owned(),
            (Kind::OneOf | Kind::Number, Some(one)) => format!("is not {one}"),
            (Kind::OneOf | Kind::Number, None) => format!("is none of {}", all()),
            (Kind::NoneOf, Some(_)) => "is what is refused".to_owned(),
            (Kind::NoneOf, None) => format!("is among what is refused, {}", all()),
            (Kind::Start, Some(one)) => format!("does not start with {one}"),
            (Kind::Start, None) => format!("starts with no prefix of {}", all()),
            (Kind::End, Some(one)) => format!("does not end with {one}"),
            (Kind::End, None) => format!("ends with no suffix of {}", all()),
            (Kind::Expression, Some(one)) => format!("`{one}` does not hold"),
            (Kind::Expression, None) => format!("none of {} holds", all()),
        }
    }
}

fn listed(texts: &[String], limit: usize) -> String {
    let shown: Vec<String> = texts.iter().take(LISTED).map(|text| shorten(text, limit)).collect();
    match texts.len().checked_sub(LISTED).filter(|more| *more > 0) {
        Some(more) => format!("[{}, and {more} more]", shown.join(", ")),
        None => format!("[{}]", shown.join(", ")),
    }
}

fn joined(phrases: &[String]) -> String {
    let mut shown: Vec<String> = phrases.iter().take(LISTED).cloned().collect();
    if phrases.len() > LISTED {
        shown.push("others".to_owned());
    }
    shown.join(", or ")
}
