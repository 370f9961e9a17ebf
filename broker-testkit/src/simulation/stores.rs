//! What the copies of a world hold, where orders hold data: rows, each with a number.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One row: the user that wrote it, and which one it is of that user's.
pub type Row = (Arc<str>, u64);

/// Rows, compared at once however many they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    all: BTreeSet<Row>,
    /// All of them, mixed.
    digest: u64,
}

impl Rows {
    /// Adds a row that may be there already.
    pub fn insert(&mut self, row: Row) {
        let mut hasher = DefaultHasher::new();
        row.hash(&mut hasher);
        if self.all.insert(row) {
            self.digest ^= hasher.finish();
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that are not among others.
    pub fn without<'r>(&'r self, others: &'r Self) -> impl Iterator<Item = &'r Row> {
        self.all.difference(&others.all)
    }

    fn is_as(&self, other: &Self) -> bool {
        (self.len(), self.digest) == (other.len(), other.digest)
    }
}

/// The stores of all copies. Clones are the same stores.
#[derive(Clone, Debug, Default)]
pub struct Stores(Arc<Mutex<BTreeMap<String, Store>>>);

#[derive(Debug, Default)]
struct Store {
    rows: Rows,
    fenced: bool,
}

/// Why a row is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such store, or no longer.
    #[error("there is no such store")]
    Gone,
    /// It takes no writes for now.
    #[error("it takes no writes for now")]
    Fenced,
}

impl Stores {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Store>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a store where there is none, and says whether it takes writes from now on.
    pub fn provide(&self, store: &str, fenced: bool) {
        self.lock().entry(store.to_owned()).or_default().fenced = fenced;
    }

    /// Removes a store with all that is in it.
    pub fn remove(&self, store: &str) {
        self.lock().remove(store);
    }

    /// Writes a row. What is answered with success is promised to be kept.
    ///
    /// # Errors
    /// Where the store is not there, or takes no writes.
    pub fn write(&self, store: &str, row: Row) -> Result<(), Refusal> {
        let mut stores = self.lock();
        let store = stores.get_mut(store).ok_or(Refusal::Gone)?;
        if store.fenced {
            return Err(Refusal::Fenced);
        }
        store.rows.insert(row);
        Ok(())
    }

    /// All rows of a store; `None` where there is no such store.
    pub fn rows(&self, store: &str) -> Option<Rows> {
        self.lock().get(store).map(|store| store.rows.clone())
    }

    /// Whether a store holds these rows and no others; `None` where there is no such store.
    pub fn holds(&self, store: &str, rows: &Rows) -> Option<bool> {
        self.lock().get(store).map(|store| store.rows.is_as(rows))
    }

    /// Adds to a store what another one holds by now. False where one of them is not there.
    pub fn carry_over(&self, from: &str, to: &str) -> bool {
        let mut stores = self.lock();
        let Some(rows) = stores.get(from).map(|store| store.rows.clone()) else { return false };
        let Some(to) = stores.get_mut(to) else { return false };
        rows.all.into_iter().for_each(|row| to.rows.insert(row));
        true
    }

    /// Whether a store holds everything that another one does; `None` where one of them is not there.
    pub fn covers(&self, store: &str, other: &str) -> Option<bool> {
        let stores = self.lock();
        Some(stores.get(other)?.rows.without(&stores.get(store)?.rows).next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fenced_takes_no_writes_and_is_carried_over_whole() {
        let stores = Stores::default();
        let row = |number| (Arc::from("acme"), number);
        assert_eq!(stores.write("old", row(1)), Err(Refusal::Gone));
        stores.provide("old", false);
        stores.write("old", row(1)).unwrap();
        assert!(!stores.carry_over("old", "new"), "there is no new one yet");
        stores.provide("new", false);
        assert!(stores.carry_over("old", "new"));
        stores.write("old", row(2)).unwrap();
        assert_eq!(stores.covers("new", "old"), Some(false));
        stores.provide("old", true);
        assert_eq!(stores.write("old", row(3)), Err(Refusal::Fenced));
        assert!(stores.carry_over("old", "new"));
        let mut both = Rows::default();
        [1, 2].map(row).into_iter().for_each(|row| both.insert(row));
        assert_eq!((stores.rows("new"), stores.holds("new", &both)), (Some(both.clone()), Some(true)));
        both.insert(row(4));
        assert_eq!(stores.holds("new", &both), Some(false));
        assert_eq!(stores.covers("new", "old"), Some(true));
        stores.remove("old");
        assert_eq!((stores.rows("old"), stores.covers("new", "old")), (None, None));
    }
}
