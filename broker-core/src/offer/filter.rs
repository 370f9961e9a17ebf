//! One filter of an offer: a field of the order, and what it must look like.
//!
//! Parsed once into typed criteria; evaluating cannot fail, and whatever is not clearly accepted is refused:
//! - A missing field (an explicit null counts as missing) fails, unless the filter is `optional`. A key that leads into a
//!   text, a number or a list is not missing but wrong for this order, and fails in any case.
//! - Texts, numbers and booleans have a text (`true`, `2.5`, numbers without trailing zeros). An object has none and
//!   fails every criterion on it.
//! - A list passes a criterion when each of its elements does: an order for two names is accepted by who accepts both,
//!   and `notIn` refuses a list in which one of its values is. An empty list counts as missing.
//! - `expression` looks at the whole order, so it is evaluated even where an optional field is missing; where it
//!   itself reaches a field that is not there, it fails, unless the filter is `optional`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::nearness::{text_gap, value_gap};
use super::{Bound, Expected, Miss, OrderView, Quantity, Reading};
use crate::expression::{EvalError, Expression};
use crate::resource::{FieldPath, Lookup};

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub(super) index: usize,
    pub(super) key: Option<FieldPath>,
    pub(super) criteria: Vec<Criterion>,
    pub(super) optional: bool,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Criterion {
    /// The text is one of these.
    ValueIn(BTreeSet<String>),
    /// The text is none of these.
    NotIn(BTreeSet<String>),
    /// The text starts with this.
    Prefix(String),
    /// The text ends with this.
    Suffix(String),
    /// The number lies within these bounds, both included.
    Boundary {
        /// The least that passes.
        min: Option<Bound>,
        /// The greatest that passes.
        max: Option<Bound>,
    },
    /// The expression over `self` is true.
    Expression(Expression),
}

impl Filter {
    /// The field looked at; `None` where an expression looks at the whole order.
    pub fn key(&self) -> Option<&FieldPath> {
        self.key.as_ref()
    }

    /// What must hold; empty where the field only has to be there.
    pub fn criteria(&self) -> &[Criterion] {
        &self.criteria
    }

    /// Whether an order without the field passes.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// How specifically the filter matches: the length of its longest prefix or suffix; `None` where it does not match.
    pub fn matches(&self, order: &OrderView<'_>) -> Option<u32> {
        self.matches_reading(&self.read(order), order)
    }

    /// [`matches`](Self::matches) for whoever has read the field already.
    pub(crate) fn matches_reading(&self, field: &Reading<'_>, order: &OrderView<'_>) -> Option<u32> {
        let missing = field.value().is_none();
        self.passes(field, order).then(|| if missing { 0 } else { self.greatest_specificity() })
    }

    /// Whether the filter matches, for whoever has read the field already.
    pub(crate) fn passes(&self, field: &Reading<'_>, order: &OrderView<'_>) -> bool {
        let Some(value) = field.value() else { return self.first_failure(field, order).is_none() };
        self.criteria.iter().all(|criterion| match criterion {
            Criterion::Expression(expression) => self.expression_holds(expression, order),
            Criterion::ValueIn(_)
            | Criterion::NotIn(_)
            | Criterion::Prefix(_)
            | Criterion::Suffix(_)
            | Criterion::Boundary { .. } => criterion.accepts(value, field),
        })
    }

    /// Why the filter does not match; `None` where it does.
    pub fn miss(&self, order: &OrderView<'_>) -> Option<Miss> {
        let reading = self.read(order);
        let failure = self.first_failure(&reading, order)?;
        let field = self.key.as_ref().map(ToString::to_string).unwrap_or_default();
        let value = reading.value();
        let found = match value {
            Some(value) => Some(match scalar_text(value) {
                Some(text) => text.into_owned(),
                None if value.is_array() => "a list with other elements".to_owned(),
                None => "an object".to_owned(),
            }),
            None => self.obstacle(order),
        };
        let (expected, distance) = match failure {
            Failure::Missing => (self.expected(), 1000),
            Failure::Criterion(criterion) => (criterion.expected(), criterion.distance(value)),
        };
        Some(Miss { filter: self.index, field, found, expected, distance })
    }

    /// What the key leads into, where that is a value without fields.
    fn obstacle(&self, order: &OrderView<'_>) -> Option<String> {
        let key = self.key.as_ref()?;
        match key.look(order.object()) {
            Lookup::Blocked { segments, found } => {
                Some(format!("out of reach: {} is {found}", key.up_to(segments)))
            }
            Lookup::Found(_) | Lookup::Missing => None,
        }
    }

    fn read<'o>(&self, order: &OrderView<'o>) -> Reading<'o> {
        self.key.as_ref().map(|key| Reading::at(key, order.object())).unwrap_or_default()
    }

    fn first_failure(&self, field: &Reading<'_>, order: &OrderView<'_>) -> Option<Failure<'_>> {
        let value = field.value();
        if let (None, Some(key)) = (value, &self.key)
            && (!self.optional || matches!(key.look(order.object()), Lookup::Blocked { .. }))
        {
            return Some(Failure::Missing);
        }
        self.criteria
            .iter()
            .find(|criterion| match (criterion, value) {
                (Criterion::Expression(expression), _) => !self.expression_holds(expression, order),
                (field_criterion, Some(value)) => !field_criterion.accepts(value, field),
                // Only an optional field gets here.
                (_, None) => false,
            })
            .map(Failure::Criterion)
    }

    fn expression_holds(&self, expression: &Expression, order: &OrderView<'_>) -> bool {
        match expression.evaluate_bool_in(order.scope()) {
            Ok(holds) => holds,
            Err(EvalError::Missing { .. }) => self.optional,
            Err(_) => false,
        }
    }

    /// How specifically the filter matches an order that has the field: the length of its longest prefix or suffix.
    pub(crate) fn greatest_specificity(&self) -> u32 {
        self.criteria.iter().map(Criterion::specificity).max().unwrap_or_default()
    }

    /// What a missing field would have to be: the first criterion on the field.
    fn expected(&self) -> Expected {
        self.criteria
            .iter()
            .find(|criterion| !matches!(criterion, Criterion::Expression(_)))
            .map_or(Expected::Present, Criterion::expected)
    }
}

enum Failure<'f> {
    /// The field is not there, or out of reach.
    Missing,
    Criterion(&'f Criterion),
}

impl Criterion {
    /// `value` is the one of `field`, which remembers its number.
    #[inline]
    fn accepts(&self, value: &Value, field: &Reading<'_>) -> bool {
        match (self, value) {
            // The usual cases first; what they say is what the general one does.
            (Self::ValueIn(values), Value::String(text)) => values.contains(text),
            (Self::Prefix(prefix), Value::String(text)) => text.starts_with(prefix.as_str()),
            (Self::Suffix(suffix), Value::String(text)) => text.ends_with(suffix.as_str()),
            (_, Value::Array(elements)) => elements.iter().all(|element| self.accepts_scalar(element)),
            (Self::Boundary { min, max }, _) => {
                field.quantity().is_some_and(|found| lies_within(min.as_ref(), max.as_ref(), found))
            }
            _ => self.accepts_scalar(value),
        }
    }

    /// Whether it accepts a value that is no list; expressions accept none by themselves.
    pub(super) fn accepts_scalar(&self, value: &Value) -> bool {
        if let Self::Boundary { min, max } = self {
            return Quantity::from_value(value)
                .is_some_and(|found| lies_within(min.as_ref(), max.as_ref(), found));
        }
        let Some(text) = scalar_text(value) else { return false };
        match self {
            Self::ValueIn(values) => values.contains(text.as_ref()),
            Self::NotIn(values) => !values.contains(text.as_ref()),
            // Numbers have no ends: `prefix: "1"` is about texts.
            Self::Prefix(prefix) => value.is_string() && text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => value.is_string() && text.ends_with(suffix.as_str()),
            Self::Boundary { .. } | Self::Expression(_) => false,
        }
    }

    fn specificity(&self) -> u32 {
        match self {
            Self::Prefix(text) | Self::Suffix(text) => {
                u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
            }
            Self::ValueIn(_) | Self::NotIn(_) | Self::Boundary { .. } | Self::Expression(_) => 0,
        }
    }

    /// What would be accepted.
    pub fn expected(&self) -> Expected {
        match self {
            Self::ValueIn(values) => Expected::OneOf(values.iter().cloned().collect()),
            Self::NotIn(values) => Expected::NoneOf(values.iter().cloned().collect()),
            Self::Prefix(prefix) => Expected::StartsWith(prefix.clone()),
            Self::Suffix(suffix) => Expected::EndsWith(suffix.clone()),
            Self::Boundary { min, max } => Expected::Between {
                min: min.as_ref().map(ToString::to_string),
                max: max.as_ref().map(ToString::to_string),
            },
            Self::Expression(expression) => Expected::Expression(expression.text().to_owned()),
        }
    }

    /// How far the value is from what would be accepted, in thousandths; the worst element of a list counts.
    fn distance(&self, value: Option<&Value>) -> u32 {
        match (self, value) {
            (Self::Expression(_), _) => 500,
            (_, None) => 1000,
            (_, Some(Value::Array(elements))) => elements
                .iter()
                .filter(|element| !self.accepts_scalar(element))
                .map(|element| self.scalar_distance(element))
                .max()
                .unwrap_or(1000),
            (_, Some(value)) => self.scalar_distance(value),
        }
    }

    fn scalar_distance(&self, value: &Value) -> u32 {
        if let Self::Boundary { min, max } = self {
            let Some(found) = Quantity::from_value(value) else { return 1000 };
            let gaps = [min, max].into_iter().flatten().filter_map(|bound| bound.gap(found));
            return gaps.min().unwrap_or(1000);
        }
        let Some(text) = scalar_text(value) else { return 1000 };
        match self {
            Self::ValueIn(values) => {
                values.iter().map(|accepted| value_gap(&text, accepted)).min().unwrap_or(1000)
            }
            Self::NotIn(_) => 500,
            Self::Prefix(prefix) => text_gap(text.chars(), prefix.chars()),
            Self::Suffix(suffix) => text_gap(text.chars().rev(), suffix.chars().rev()),
            Self::Boundary { .. } | Self::Expression(_) => 1000,
        }
    }
}

#[inline]
fn lies_within(min: Option<&Bound>, max: Option<&Bound>, found: Quantity) -> bool {
    min.is_none_or(|bound| bound.is_at_most(found)) && max.is_none_or(|bound| bound.is_at_least(found))
}

/// The canonical text of a text, number or boolean; `None` for what has none.
pub fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Number(number) => Some(Cow::Owned(match Quantity::from_number(number) {
            Some(quantity) => quantity.to_string(),
            None => number.to_string(),
        })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
