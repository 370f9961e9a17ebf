//! From what was written to typed predicates.

use std::sync::Arc;

use serde_json::Value;

use super::invalid::TRANSLATION;
use super::limits::{
    MAX_EXPRESSIONS, MAX_FAULTS, MAX_FILTERS, MAX_GROUP, MAX_NAME, MAX_SIZE, MAX_TEXT, MAX_VALUES,
};
use super::sieve::Sieve;
use super::{
    ApiPattern, ApiSpec, Bound, BoundarySpec, Cost, Criterion, DEFAULT_WEIGHT, Decimal, FALLBACK_NAMESPACE,
    Filter, FilterSpec, InvalidFilter, MAX_WEIGHT, Offer, OfferId, OfferSpec, Unit,
};
use crate::expression::{Expression, Outcome};
use crate::resource::{FieldPath, ParsePathError};
use crate::selection::rendezvous::OfferSeed;
use crate::translate::Translation;

const ACCEPTED_BOUND: &str = "an integer, a decimal such as \"2.5\" or a quantity such as 10Gi";
const ACCEPTED_LIST: &str = "at least one value: an empty list accepts no order";
const ACCEPTED_REFUSALS: &str = "at least one value, or nothing at all: an empty list refuses no order";
const ACCEPTED_TEXT: &str = "a text that is not empty, or nothing at all";

pub(super) fn offer(id: OfferId, spec: &OfferSpec) -> Result<Offer, Vec<InvalidFilter>> {
    let mut invalid = Vec::new();
    api(&spec.gvr, &mut invalid);
    namespace(spec, &mut invalid);
    let filters = filters(spec, &mut invalid);
    let priority = priority(spec, &mut invalid);
    let weight = weight(spec, &mut invalid);
    let cost = cost(spec, &mut invalid);
    let capacity = capacity(spec, &mut invalid);
    let translation = translation(spec, &mut invalid);
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
    let sieve = Sieve::of(&filters);
    Ok(Offer {
        id,
        seed,
        api,
        copy_namespace,
        filters,
        sieve,
        priority,
        weight,
        cost,
        capacity,
        scheduling,
        translation,
    })
}

fn api(spec: &ApiSpec, invalid: &mut Vec<InvalidFilter>) {
    if !is_name(&spec.resource) {
        invalid.push(InvalidFilter::of_spec(
            "gvr.resource",
            &spec.resource,
            "the plural name of an API's resource, such as certificates",
        ));
    }
    if let Some(version) = spec.version.as_deref().filter(|version| !version.is_empty() && !is_name(version))
    {
        invalid.push(InvalidFilter::of_spec(
            "gvr.version",
            version,
            "an API's version, such as v1alpha1, or nothing",
        ));
    }
    if let Some(group) = spec.group.as_deref().filter(|group| !group.is_empty() && !is_dns_name(group)) {
        let accepted = "an API's group, such as example.com, \"\" for the core group, or nothing";
        invalid.push(InvalidFilter::of_spec("gvr.group", group, accepted));
    }
}

/// The namespace becomes part of the path of requests: nothing but a namespace's name may get there.
fn namespace(spec: &OfferSpec, invalid: &mut Vec<InvalidFilter>) {
    if let Some(namespace) = spec.namespace.as_deref().filter(|name| !name.is_empty() && !is_name(name)) {
        invalid.push(InvalidFilter::of_spec("namespace", namespace, "the name of a namespace, or nothing"));
    }
}

fn translation(spec: &OfferSpec, invalid: &mut Vec<InvalidFilter>) -> Option<Arc<Translation>> {
    let written = spec.translation.as_ref().filter(|value| !value.is_null())?;
    match Translation::parse(written) {
        Ok(translation) => Some(Arc::new(translation)),
        Err(faults) => {
            let faults = faults.into_iter().take(MAX_FAULTS);
            invalid.extend(faults.map(|fault| {
                let place = fault.place.below(TRANSLATION).to_string();
                InvalidFilter::of_spec(&place, &fault.found, fault.accepted)
            }));
            None
        }
    }
}

fn filters(spec: &OfferSpec, invalid: &mut Vec<InvalidFilter>) -> Vec<Filter> {
    let count = spec.filters.len();
    if count > MAX_FILTERS {
        let accepted = format!("at most {MAX_FILTERS} filters");
        invalid.push(InvalidFilter::of_spec("filters", &format!("{count} filters"), accepted));
        return Vec::new();
    }
    let expressions = spec.filters.iter().filter(|filter| filter.expression.is_some()).count();
    if expressions > MAX_EXPRESSIONS {
        let accepted =
            format!("at most {MAX_EXPRESSIONS} filters with an expression: each costs time for every order");
        invalid.push(InvalidFilter::of_spec(
            "filters",
            &format!("{expressions} filters with an expression"),
            accepted,
        ));
        return Vec::new();
    }
    let size: usize = spec.filters.iter().map(size).sum();
    if size > MAX_SIZE {
        let accepted = format!("at most {MAX_SIZE} bytes in all keys and texts together");
        invalid.push(InvalidFilter::of_spec("filters", &format!("{size} bytes"), accepted));
        return Vec::new();
    }
    let mut filters = Vec::with_capacity(count);
    for (index, spec) in spec.filters.iter().enumerate() {
        if invalid.len() > MAX_FAULTS {
            break;
        }
        filters.push(FilterParser { index, spec, invalid }.parse());
    }
    filters
}

fn size(filter: &FilterSpec) -> usize {
    let lists = [&filter.value_in, &filter.not_in].into_iter().flatten().flatten();
    let texts = [&filter.prefix, &filter.suffix, &filter.expression].into_iter().flatten();
    lists.chain(texts).map(String::len).sum::<usize>() + filter.key.len()
}

/// A DNS label, as names of resources, versions and namespaces are.
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= MAX_NAME
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// DNS labels with points between them.
pub(crate) fn is_dns_name(text: &str) -> bool {
    text.len() <= MAX_GROUP && text.split('.').all(is_name)
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
                    ParsePathError::Unquoted(_) => {
                        "a path of named fields, those with other characters than letters, digits, _, - and / quoted: \
                         metadata.labels['a.b/c']"
                    }
                    ParsePathError::ListPosition(_) => {
                        "a path that ends at a list, each element of which must pass, or an expression on its elements: \
                         self.spec.nodes.all(n, n.size < 5)"
                    }
                    ParsePathError::TooLong => "a path of at most 512 characters and 32 named fields",
                    ParsePathError::Status(_) => {
                        "a field of spec or metadata: the status, and what changes with it, is written by the provider itself"
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
        for (field, values, accepted) in
            [("valueIn", &spec.value_in, ACCEPTED_LIST), ("notIn", &spec.not_in, ACCEPTED_REFUSALS)]
        {
            let Some(values) = values else { continue };
            self.list(field, values, accepted);
            let values = values.iter().cloned().collect();
            criteria.push(if field == "valueIn" {
                Criterion::ValueIn(values)
            } else {
                Criterion::NotIn(values)
            });
        }
        if let Some(prefix) = &spec.prefix {
            self.text("prefix", prefix);
            criteria.push(Criterion::Prefix(prefix.clone()));
        }
        if let Some(suffix) = &spec.suffix {
            self.text("suffix", suffix);
            criteria.push(Criterion::Suffix(suffix.clone()));
        }
        if let Some(boundary) = &spec.boundary {
            criteria.extend(self.boundary(boundary));
        }
        if let Some(text) = &spec.expression {
            match Expression::compile_with(text, &["self"]) {
                Ok(expression) => match expression.outcome() {
                    Outcome::Other(found) => {
                        let accepted =
                            format!("an expression that is true or false; this is always of type {found}");
                        self.refuse("expression", text, accepted);
                    }
                    Outcome::Bool | Outcome::Field | Outcome::Unknown => {
                        criteria.push(Criterion::Expression(expression));
                    }
                },
                Err(error) => {
                    self.refuse("expression", text, format!("a CEL expression over self: {error}"));
                }
            }
        }
        criteria
    }

    fn list(&mut self, field: &str, values: &[String], accepted: &str) {
        if values.is_empty() {
            self.refuse(field, "[]", accepted);
        }
        if values.len() > MAX_VALUES {
            let found = format!("{} values", values.len());
            self.refuse(field, &found, format!("at most {MAX_VALUES} values"));
        }
        if let Some(long) = values.iter().find(|value| value.chars().nth(MAX_TEXT).is_some()) {
            self.refuse(field, long, format!("values of at most {MAX_TEXT} characters"));
        }
    }

    fn text(&mut self, field: &str, text: &str) {
        if text.is_empty() {
            self.refuse(field, "", ACCEPTED_TEXT);
        }
        if text.chars().nth(MAX_TEXT).is_some() {
            self.refuse(field, text, format!("a text of at most {MAX_TEXT} characters"));
        }
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
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            plain_text(value).unwrap_or_else(|| value.to_string())
        }
    }
}
