//! What is read of every object of a table.

use std::collections::BTreeMap;
use std::fmt;

use broker_core::resource::{Object, ObjectKey, Packed};

use super::Table;

/// What is read of each object of a table, kept until the object is another one: for those who look at all of them
/// again and again.
pub struct Projection<T> {
    read: fn(&Object) -> Option<T>,
    kept: BTreeMap<ObjectKey, (Packed, Option<T>)>,
}

impl<T> Projection<T> {
    /// Nothing read yet.
    pub fn new(read: fn(&Object) -> Option<T>) -> Self {
        Self { read, kept: BTreeMap::new() }
    }

    /// What is read of the objects that are in the table now. Only those are decoded that were not when it was asked last.
    pub fn of<'p>(&'p mut self, table: &Table) -> impl Iterator<Item = &'p T> + use<'p, T> {
        self.kept.retain(|key, _| table.contains(key));
        for (key, packed) in table.packed() {
            if self.kept.get(key).is_none_or(|(known, _)| !known.is(packed)) {
                self.kept.insert(key.clone(), (packed.clone(), (self.read)(&packed.object())));
            }
        }
        self.kept.values().filter_map(|(_, read)| read.as_ref())
    }
}

impl<T> fmt::Debug for Projection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projection").field("len", &self.kept.len()).finish_non_exhaustive()
    }
}
