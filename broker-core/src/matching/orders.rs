//! Orders by what is in them, so that an offer that changes finds those it could serve without trying all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::offer::{Criterion, Filter, Offer, OrderView, Reading, scalar_text};
use crate::resource::{FieldPath, Object};

/// Fields that are kept sorted. An offer that can only be found by one more has all orders tried.
const MOST_FIELDS: usize = 128;

/// The orders of one API by key `K`, and by their texts at every field that an offer was looked for by.
///
/// A field is sorted when an offer first asks for it, and kept so. What is found is exact: the plain evaluator has the
/// last word on each.
#[derive(Clone)]
pub struct OrderIndex<K> {
    orders: BTreeMap<K, Arc<Object>>,
    fields: BTreeMap<FieldPath, Texts<K>>,
}

/// The orders by their text at one field, and by that text read backwards.
#[derive(Clone)]
struct Texts<K> {
    forwards: BTreeMap<String, BTreeSet<K>>,
    backwards: BTreeMap<String, BTreeSet<K>>,
}

impl<K> Default for OrderIndex<K> {
    fn default() -> Self {
        Self { orders: BTreeMap::new(), fields: BTreeMap::new() }
    }
}

impl<K> Default for Texts<K> {
    fn default() -> Self {
        Self { forwards: BTreeMap::new(), backwards: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> OrderIndex<K> {
    /// Takes an order in, in the place of what was known under its key.
    pub fn insert(&mut self, key: K, order: Arc<Object>) {
        self.remove(&key);
        for (path, texts) in &mut self.fields {
            if let Some(text) = text_at(path, &order) {
                texts.insert(&text, &key);
            }
        }
        self.orders.insert(key, order);
    }

    /// Forgets an order.
    pub fn remove(&mut self, key: &K) {
        let Some(order) = self.orders.remove(key) else { return };
        for (path, texts) in &mut self.fields {
            if let Some(text) = text_at(path, &order) {
                texts.remove(&text, key);
            }
        }
    }

    /// How many orders there are.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }

    /// The orders whose filters an offer passes, in the order of their keys, whether or not it can be chosen.
    pub fn matched_by(&mut self, offer: &Offer) -> Vec<K> {
        self.learn(offer);
        let fits = |key: &&K| {
            self.orders.get(*key).is_some_and(|order| offer.matches(&OrderView::new(order)).is_some())
        };
        match self.fewest(offer) {
            Some(mut keys) => {
                keys.sort_unstable();
                keys.dedup();
                keys.into_iter().filter(fits).cloned().collect()
            }
            None => self.orders.keys().filter(fits).cloned().collect(),
        }
    }

    /// Sorts the orders by the fields that an offer can be found by.
    fn learn(&mut self, offer: &Offer) {
        for path in offer.filters().iter().filter_map(findable) {
            if self.fields.contains_key(path) || self.fields.len() >= MOST_FIELDS {
                continue;
            }
            let mut texts = Texts::default();
            for (key, order) in &self.orders {
                if let Some(text) = text_at(path, order) {
                    texts.insert(&text, key);
                }
            }
            self.fields.insert(path.clone(), texts);
        }
    }

    /// The orders that fit the criterion which the fewest do; `None` where nothing can be looked up.
    fn fewest(&self, offer: &Offer) -> Option<Vec<&K>> {
        let mut fewest: Option<Vec<&K>> = None;
        for filter in offer.filters() {
            let Some(texts) = findable(filter).and_then(|path| self.fields.get(path)) else { continue };
            for criterion in filter.criteria() {
                // Whoever finds more than the best so far is not followed to the end.
                let limit = fewest.as_ref().map_or(usize::MAX, Vec::len);
                if let Some(found) = texts.find(criterion, limit) {
                    fewest = Some(found);
                }
            }
        }
        fewest
    }
}

impl<K> fmt::Debug for OrderIndex<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderIndex")
            .field("orders", &self.orders.len())
            .field("fields", &self.fields.len())
            .finish()
    }
}

impl<K: Ord + Clone> Texts<K> {
    fn insert(&mut self, text: &str, key: &K) {
        self.forwards.entry(text.to_owned()).or_default().insert(key.clone());
        self.backwards.entry(reversed(text)).or_default().insert(key.clone());
    }

    fn remove(&mut self, text: &str, key: &K) {
        for (texts, text) in [(&mut self.forwards, text.to_owned()), (&mut self.backwards, reversed(text))] {
            if let Some(keys) = texts.get_mut(&text) {
                keys.remove(key);
                if keys.is_empty() {
                    texts.remove(&text);
                }
            }
        }
    }

    /// The orders that may fit a criterion; `None` where it cannot be looked up, or `limit` or more do.
    fn find(&self, criterion: &Criterion, limit: usize) -> Option<Vec<&K>> {
        let found: Vec<&K> = match criterion {
            Criterion::ValueIn(values) => {
                values.iter().filter_map(|value| self.forwards.get(value)).flatten().take(limit).collect()
            }
            Criterion::Prefix(text) => beginning(&self.forwards, text).take(limit).collect(),
            Criterion::Suffix(text) => beginning(&self.backwards, &reversed(text)).take(limit).collect(),
            Criterion::NotIn(_) | Criterion::Boundary { .. } | Criterion::Expression(_) => return None,
        };
        (found.len() < limit).then_some(found)
    }
}

fn beginning<'t, K>(
    texts: &'t BTreeMap<String, BTreeSet<K>>,
    with: &str,
) -> impl Iterator<Item = &'t K> + use<'t, K> {
    let with = with.to_owned();
    texts
        .range(with.clone()..)
        .take_while(move |(text, _)| text.starts_with(&with))
        .flat_map(|(_, keys)| keys)
}

/// The field by which orders can be looked up for a filter: one that must be there, with a text to look for.
fn findable(filter: &Filter) -> Option<&FieldPath> {
    let has_text = filter.criteria().iter().any(|criterion| {
        matches!(criterion, Criterion::ValueIn(_) | Criterion::Prefix(_) | Criterion::Suffix(_))
    });
    filter.key().filter(|_| has_text && !filter.is_optional())
}

/// The text by which an order is sorted. Of a list each element has to pass, so the first one finds it.
fn text_at(path: &FieldPath, order: &Object) -> Option<String> {
    let value = Reading::at(path, order).value()?;
    let value = value.as_array().and_then(|list| list.first()).unwrap_or(value);
    scalar_text(value).map(std::borrow::Cow::into_owned)
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}
