//! From what was written to typed predicates.

use serde_json::Value;

use super::{
    ApiPattern, Bound, BoundarySpec, Cost, Criterion, DEFAULT_WEIGHT, Decimal, FALLBACK_NAMESPACE, Filter,
    FilterSpec, InvalidFilter, MAX_WEIGHT, Offer, OfferId, OfferSpec, Unit,
};
use crate::expression::Expression;
use crate::resource::{FieldPath, ParsePathError};
use crate::selection::rendezvous::OfferSeed;

const ACCEPTED_BOUND: &str = "an integer, a decimal such as \"2.5\" or a quantity such as 10Gi";
const ACCEPTED_LIST: &str = "at least one value: an empty list accepts no order";
const ACCEPTED_TEXT: &str = "a text that is not empty, or nothing at all";

pub(super) fn offer(id: OfferId, spec: &OfferSpec) -> Result<Offer, Vec<InvalidFilter>> {
    let mut invalid = Vec::new();
    if spec.gvr.resource.is_empty() {
        invalid.push(InvalidFilter::of_spec(
            "gvr.resource",
            "",
            "the plural name of an API's resource, such as certificates",
        ));
    }
    let filters = spec
        .filters
        .iter()
        .enumerate()
        .map(|(index, spec)| FilterParser { index, spec, invalid: &mut invalid }.parse())
        .collect();
    let priority = priority(spec, &mut invalid);
    let weight = weight(spec, &mut invalid);
    let cost = cost(spec, &mut invalid);
    let capacity = capacity(spec, &mut invalid);
    if spec.translation.as_ref().is_some_and(|value| !value.is_null()) {
        invalid.push(InvalidFilter::of_spec(
            "translation",
            "set",
            "nothing: translation is not yet honoured, copies are of the order's own kind",
        ));
    }
    if !invalid.is_empty() {
        return Err(invalid);
    }
    let api = ApiPattern {
        group: spec.gvr.group.clone(),
        version: spec.gvr.version.clone().filter(|version| !version.is_empty()),
        resource: spec.gvr.resource.clone(),
    };
    let copy_namespace = [spec.namespace.as_deref(), Some(id.namespace.as_str())]
        .into_iter()
        .flatten()
        .find(|namespace| !namespace.is_empty())
        .unwrap_or(FALLBACK_NAMESPACE)
        .to_owned();
    let scheduling = spec.scheduling.unwrap_or_default();
    let seed = OfferSeed::of(&id);
    Ok(Offer { id, seed, api, copy_namespace, filters, priority, weight, cost, capacity, scheduling })
}

fn priority(spec: &OfferSpec, invalid: &mut Vec<InvalidFilter>) -> i32 {
    let written = spec.priority.unwrap_or_default();
    i32::try_from(written).unwrap_or_else(|_| {
        invalid.push(InvalidFilter::of_spec(
            "priority",
            &written.to_string(),
            format!("an integer from {} to {}", i32::MIN, i32::MAX),
        ));
        0
    })
}

fn weight(spec: &OfferSpec, invalid: &mut Vec<InvalidFilter>) -> u32 {
    let Some(written) = spec.weight else { return DEFAULT_WEIGHT };
    u32::try_from(written).ok().filter(|weight| (1..=MAX_WEIGHT).contains(weight)).unwrap_or_else(|| {
        invalid.push(InvalidFilter::of_spec(
            "weight",
            &written.to_string(),
            format!("an integer from 1 to {MAX_WEIGHT}"),
        ));
        DEFAULT_WEIGHT
    })
}

fn cost(spec: &OfferSpec, invalid: &mut Vec<InvalidFilter>) -> Option<Cost> {
    let written = spec.cost.as_ref().filter(|value| !value.is_null())?;
    let cost = plain_text(written).and_then(|text| Decimal::parse(&text)).and_then(Cost::new);
    if cost.is_none() {
        let accepted = "a decimal of zero or more, such as \"0.12\"";
        invalid.push(InvalidFilter::of_spec("cost", &shown(written), accepted));
    }
    cost
}

fn capacity(spec: &OfferSpec, invalid: &mut Vec<InvalidFilter>) -> Option<u64> {
    let written = spec.capacity.as_ref()?.orders?;
    let orders = u64::try_from(written).ok();
    if orders.is_none() {
        invalid.push(InvalidFilter::of_spec(
            "capacity.orders",
            &written.to_string(),
            "an integer of zero or more",
        ));
    }
    orders
}

struct FilterParser<'p> {
    index: usize,
    spec: &'p FilterSpec,
    invalid: &'p mut Vec<InvalidFilter>,
}

impl FilterParser<'_> {
    fn parse(mut self) -> Filter {
        let criteria = self.criteria();
        let key = self.key(&criteria);
        Filter { index: self.index, key, criteria, optional: self.spec.optional.unwrap_or_default() }
    }

    fn refuse(&mut self, field: &str, found: &str, accepted: impl Into<String>) {
        self.invalid.push(InvalidFilter::of_filter(self.index, &self.spec.key, field, found, accepted));
    }

    fn key(&mut self, criteria: &[Criterion]) -> Option<FieldPath> {
        let spec = self.spec;
        let expression_only =
            spec.expression.is_some() && criteria.iter().all(|c| matches!(c, Criterion::Expression(_)));
        if spec.key.is_empty() && expression_only {
            return None;
        }
        match FieldPath::parse(&spec.key) {
            Ok(path) => Some(path),
            Err(error) => {
                let accepted = match error {
                    ParsePathError::EmptySegment(_) => "a path of named fields, such as spec.fqdn",
                    ParsePathError::UnfinishedQuote(_) => {
                        "a path of named fields, those with dots quoted: metadata.labels['a.b/c']"
                    }
                    ParsePathError::Status(_) => {
                        "a field of spec or metadata: the status is written by the provider itself"
                    }
                };
                self.refuse("key", &spec.key, accepted);
                None
            }
        }
    }

    fn criteria(&mut self) -> Vec<Criterion> {
        let spec = self.spec;
        let mut criteria = Vec::new();
        if let Some(values) = &spec.value_in {
            if values.is_empty() {
                self.refuse("valueIn", "[]", ACCEPTED_LIST);
            }
            criteria.push(Criterion::ValueIn(values.iter().cloned().collect()));
        }
        if let Some(values) = &spec.not_in {
            criteria.push(Criterion::NotIn(values.iter().cloned().collect()));
        }
        if let Some(prefix) = &spec.prefix {
            if prefix.is_empty() {
                self.refuse("prefix", "", ACCEPTED_TEXT);
            }
            criteria.push(Criterion::Prefix(prefix.clone()));
        }
        if let Some(suffix) = &spec.suffix {
            if suffix.is_empty() {
                self.refuse("suffix", "", ACCEPTED_TEXT);
            }
            criteria.push(Criterion::Suffix(suffix.clone()));
        }
        if let Some(boundary) = &spec.boundary {
            criteria.extend(self.boundary(boundary));
        }
        if let Some(text) = &spec.expression {
            match Expression::compile_with(text, &["self"]) {
                Ok(expression) => criteria.push(Criterion::Expression(expression)),
                Err(error) => {
                    self.refuse("expression", text, format!("a CEL expression over self: {error}"));
                }
            }
        }
        criteria
    }

    fn boundary(&mut self, spec: &BoundarySpec) -> Option<Criterion> {
        let min = self.bound("boundary.min", spec.min.as_ref());
        let max = self.bound("boundary.max", spec.max.as_ref());
        if spec.min.is_none() && spec.max.is_none() {
            self.refuse("boundary", "{}", "min, max or both");
            return None;
        }
        if let (Some(min), Some(max)) = (&min, &max) {
            // A bound with a unit and one without are only comparable once the value is known.
            let comparable = (min.quantity().unit() == Unit::Bare) == (max.quantity().unit() == Unit::Bare);
            if comparable && min.quantity().amount() > max.quantity().amount() {
                self.refuse(
                    "boundary",
                    &format!("{min} to {max}"),
                    "a min that is not above max: this accepts no order",
                );
            }
        }
        Some(Criterion::Boundary { min, max })
    }

    fn bound(&mut self, field: &str, written: Option<&Value>) -> Option<Bound> {
        let written = written?;
        let bound = Bound::parse(written);
        if bound.is_none() {
            self.refuse(field, &shown(written), ACCEPTED_BOUND);
        }
        bound
    }
}

/// The text of a JSON number or text.
fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value as shown in a refusal: what is no text or number only by its kind, as it may be large.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            plain_text(value).unwrap_or_else(|| value.to_string())
        }
    }
}
