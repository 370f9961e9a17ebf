//! The orders of each API by what is in them: who is concerned when an offer changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker_core::matching::OrderIndex;
use broker_core::offer::Offer;
use broker_core::resource::{ObjectKey, Packed};

/// One index per API, by `<resource>.<group>`.
#[derive(Default)]
pub(super) struct Books {
    books: Mutex<BTreeMap<String, OrderIndex<ObjectKey>>>,
}

impl Books {
    /// Takes an order in, as it is now.
    pub(super) fn enter(&self, api: &str, key: &ObjectKey, order: &Packed) {
        let mut books = self.lock();
        match books.get_mut(api) {
            Some(book) => book.insert(key.clone(), order.clone()),
            None => books.entry(api.to_owned()).or_default().insert(key.clone(), order.clone()),
        }
    }

    /// Forgets what is no order, or no more.
    pub(super) fn strike(&self, api: &str, key: &ObjectKey) {
        if let Some(book) = self.lock().get_mut(api) {
            book.remove(key);
        }
    }

    /// The orders whose filters an offer passes.
    pub(super) fn matched_by(&self, api: &str, offer: &Offer) -> Vec<ObjectKey> {
        self.lock().get_mut(api).map(|book| book.matched_by(offer)).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, OrderIndex<ObjectKey>>> {
        // What a panic may have left out costs a wake-up that the next comparison of everything makes good.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").field("apis", &self.lock().len()).finish()
    }
}
