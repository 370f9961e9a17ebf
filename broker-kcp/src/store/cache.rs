//! One table, shared between the watches that feed it, the writers and the readers.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use broker_core::resource::{Object, ObjectKey, Packed};

use super::{Change, Index, Source, Table};

/// A shared [`Table`]. Clones share the same table.
#[derive(Clone)]
pub struct Cache {
    table: Arc<RwLock<Table>>,
}

impl Cache {
    /// An empty cache with the given indexes.
    pub fn new(indexes: &'static [Index]) -> Self {
        Self { table: Arc::new(RwLock::new(Table::new(indexes))) }
    }

    /// Whether both share one table.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table)
    }

    /// The table for reading. Hold it for a look, never across an await.
    pub fn read(&self) -> RwLockReadGuard<'_, Table> {
        // A panic elsewhere leaves at worst one object unfiled in an index; stopping to serve would be worse.
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table for writing. Hold it for one change, never across an await.
    pub fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object, if there is one.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        // Decoded when the table is free again, here and below.
        let packed = self.read().get_packed(key).cloned();
        packed.map(|packed| packed.object())
    }

    /// The objects that an index files under a text at this moment, by key; each is decoded when its turn comes, since there
    /// may be thousands.
    pub fn find(
        &self,
        index: &'static str,
        text: &str,
    ) -> impl Iterator<Item = (ObjectKey, Arc<Object>)> + use<> {
        let found: Vec<(ObjectKey, Packed)> = {
            let table = self.read();
            table.find_packed(index, text).map(|(key, packed)| (key.clone(), packed.clone())).collect()
        };
        found.into_iter().map(|(key, packed)| (key, packed.object()))
    }

    /// The keys of the objects that an index files under a text.
    pub fn keys_of(&self, index: &'static str, text: &str) -> Vec<ObjectKey> {
        self.read().keys_of(index, text).cloned().collect()
    }

    /// Every object as it is kept, by key.
    pub fn packed(&self) -> Vec<(ObjectKey, Packed)> {
        self.read().packed().map(|(key, packed)| (key.clone(), packed.clone())).collect()
    }

    /// Takes over the result of a write of our own (see [`Table::write`]).
    pub fn written(&self, source: &Source, key: ObjectKey, object: Object) -> Option<Change> {
        self.write().write(source, key, object)
    }

    /// Takes over that we deleted an object and nothing of it is left (see [`Table::bury`]).
    pub fn deleted(&self, key: ObjectKey, uid: &str) -> Option<Change> {
        self.write().bury(key, uid)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.read().len()).finish_non_exhaustive()
    }
}
