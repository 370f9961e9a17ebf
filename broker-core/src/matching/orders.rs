//! Orders by what is in them, so that an offer that changes finds those it could serve without trying all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::offer::{Criterion, Filter, Offer, OrderView, Reading, scalar_text};
use crate::resource::{FieldPath, Keys, Object, Packed};

/// Fields that are kept sorted. An offer that can only be found by one more has all orders tried.
const MOST_FIELDS: usize = 128;

/// The orders of one API by key `K`, and by their texts at every field that an offer was looked for by.
///
/// A field is sorted when an offer first asks for it, and kept so. What is found is exact: the plain evaluator has the
/// last word on each. The orders are kept packed: few of them are looked at again.
#[derive(Clone)]
pub struct OrderIndex<K> {
    orders: BTreeMap<Arc<K>, Packed>,
    fields: BTreeMap<FieldPath, Texts<K>>,
}

/// The orders by their text at one field, and by that text read backwards.
#[derive(Clone)]
struct Texts<K> {
    forwards: BTreeMap<Box<str>, Keys<Arc<K>>>,
    backwards: BTreeMap<Box<str>, Keys<Arc<K>>>,
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
    pub fn insert(&mut self, key: K, order: Packed) {
        self.remove(&key);
        let key = Arc::new(key);
        if !self.fields.is_empty() {
            let object = order.object();
            for (path, texts) in &mut self.fields {
                if let Some(text) = text_at(path, &object) {
                    texts.insert(&text, &key);
                }
            }
        }
        self.orders.insert(key, order);
    }

    /// Forgets an order.
    pub fn remove(&mut self, key: &K) {
        let Some((key, order)) = self.orders.remove_entry(key) else { return };
        if self.fields.is_empty() {
            return;
        }
        let object = order.object();
        for (path, texts) in &mut self.fields {
            if let Some(text) = text_at(path, &object) {
                texts.remove(&text, &key);
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
        let fits = |key: &&Arc<K>| {
            let order = self.orders.get(*key);
            order.is_some_and(|order| offer.matches(&OrderView::new(&order.object())).is_some())
        };
        let owned = |key: &Arc<K>| key.as_ref().clone();
        match self.fewest(offer) {
            Some(mut keys) => {
                keys.sort_unstable();
                keys.dedup();
                keys.into_iter().filter(fits).map(owned).collect()
            }
            None => self.orders.keys().filter(fits).map(owned).collect(),
        }
    }

    /// Sorts the orders by the fields that an offer can be found by.
    fn learn(&mut self, offer: &Offer) {
        let mut new: BTreeMap<FieldPath, Texts<K>> = BTreeMap::new();
        for path in offer.filters().iter().filter_map(findable) {
            if !self.fields.contains_key(path) && self.fields.len() + new.len() < MOST_FIELDS {
                new.insert(path.clone(), Texts::default());
            }
        }
        if new.is_empty() {
            return;
        }
        for (key, order) in &self.orders {
            let object = order.object();
            for (path, texts) in &mut new {
                if let Some(text) = text_at(path, &object) {
                    texts.insert(&text, key);
                }
            }
        }
        self.fields.append(&mut new);
    }

    /// The orders that fit the criterion which the fewest do; `None` where nothing can be looked up.
    fn fewest(&self, offer: &Offer) -> Option<Vec<&Arc<K>>> {
        let mut fewest: Option<Vec<&Arc<K>>> = None;
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

impl<K: Ord> Texts<K> {
    fn insert(&mut self, text: &str, key: &Arc<K>) {
        self.forwards.entry(text.into()).or_default().insert(key.clone());
        self.backwards.entry(reversed(text).into()).or_default().insert(key.clone());
    }

    fn remove(&mut self, text: &str, key: &Arc<K>) {
        for (texts, text) in [(&mut self.forwards, text), (&mut self.backwards, &reversed(text))] {
            if let Some(keys) = texts.get_mut(text) {
                keys.remove(key);
                if keys.is_empty() {
                    texts.remove(text);
                }
            }
        }
    }

    /// The orders that may fit a criterion; `None` where it cannot be looked up, or `limit` or more do.
    fn find(&self, criterion: &Criterion, limit: usize) -> Option<Vec<&Arc<K>>> {
        let found: Vec<&Arc<K>> = match criterion {
            Criterion::ValueIn(values) => {
                let keys = values.iter().filter_map(|value| self.forwards.get(value.as_str()));
                keys.flat_map(Keys::iter).take(limit).collect()
            }
            Criterion::Prefix(text) => beginning(&self.forwards, text).take(limit).collect(),
            Criterion::Suffix(text) => beginning(&self.backwards, &reversed(text)).take(limit).collect(),
            Criterion::NotIn(_) | Criterion::Boundary { .. } | Criterion::Expression(_) => return None,
        };
        (found.len() < limit).then_some(found)
    }
}

fn beginning<'t, K: Ord>(
    texts: &'t BTreeMap<Box<str>, Keys<Arc<K>>>,
    with: &str,
) -> impl Iterator<Item = &'t Arc<K>> + use<'t, K> {
    let with: Box<str> = with.into();
    texts
        .range(with.clone()..)
        .take_while(move |(text, _)| text.starts_with(with.as_ref()))
        .flat_map(|(_, keys)| keys.iter())
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
