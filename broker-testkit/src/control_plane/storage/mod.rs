//! Objects, one global revision, and the log of what happened to them.
//!
//! Decides: in which order changes happened, what a list at a revision contains, when a revision is too
//! old to be replayed. Does not know what a kind is: tables are named by group, resource and identity,
//! objects are JSON values.
//!
//! Invariants: a change gets its revision, enters the table, the log and every feed under one lock, so
//! that whoever lists at revision *r* and reads on from *r* misses nothing and sees nothing twice.

mod cursor;
mod key;
mod log;
mod page;

pub(crate) use cursor::Cursor;
pub(crate) use key::{ObjectKey, Scope, TableId};
pub(crate) use log::{Change, ChangeKind, Text};
pub(crate) use page::Wanted;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{mpsc, watch};

use self::log::Log;
use self::page::Merged;

/// What a writer expects to find where it writes.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// Nothing: the object is created.
    Absent,
    /// Exactly this stored object, as it was read before.
    Is(Arc<Value>),
}

/// Why a commit was refused. The caller reads again and decides again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommitError {
    /// The object was to be created and is there.
    #[error("the object exists")]
    Exists,
    /// The object is not (or no longer) the one that was read.
    #[error("the object changed since it was read")]
    Stale,
}

/// The revision asked for is older than the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {requested} ({oldest})")]
pub(crate) struct Expired {
    /// The revision asked for.
    pub(crate) requested: u64,
    /// The oldest revision that can be continued from.
    pub(crate) oldest: u64,
}

/// The part of a table at one revision.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The objects in key order.
    pub(crate) items: Vec<(ObjectKey, Arc<Value>)>,
    /// The revision the list is true for.
    pub(crate) revision: u64,
    /// How many more there are after these; where nobody counted, whether anything is, wanted or not.
    pub(crate) more: usize,
}

/// The store. Cheap to share, one lock inside.
#[derive(Debug)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    revision: u64,
    tables: HashMap<TableId, Table>,
    feeds: Vec<mpsc::UnboundedSender<Arc<Change>>>,
    log_capacity: usize,
}

#[derive(Debug)]
struct Table {
    objects: BTreeMap<ObjectKey, Arc<Value>>,
    log: Log,
    changed: watch::Sender<u64>,
    /// The revision of the last change, 0 when there was none.
    last: u64,
}

impl Table {
    /// Nothing happened to a new table, so that it can be read from any revision on.
    fn new() -> Self {
        Self { objects: BTreeMap::new(), log: Log::new(), changed: watch::Sender::new(0), last: 0 }
    }

    fn fork(&self) -> Self {
        Self {
            objects: self.objects.clone(),
            log: self.log.clone(),
            changed: watch::Sender::new(self.last),
            last: self.last,
        }
    }
}

impl Store {
    /// An empty store whose tables keep `log_capacity` changes each for replay.
    pub(crate) fn new(log_capacity: usize) -> Self {
        let inner = Inner { revision: 1, tables: HashMap::new(), feeds: Vec::new(), log_capacity };
        Self { inner: Mutex::new(inner) }
    }

    /// A store with the same objects, revision and log, and without readers.
    pub(crate) fn fork(&self) -> Self {
        let inner = self.lock();
        let tables = inner.tables.iter().map(|(id, table)| (id.clone(), table.fork())).collect();
        let fork =
            Inner { revision: inner.revision, tables, feeds: Vec::new(), log_capacity: inner.log_capacity };
        Self { inner: Mutex::new(fork) }
    }

    /// The revision of the latest change.
    pub(crate) fn revision(&self) -> u64 {
        self.lock().revision
    }

    // A panic while the lock is held leaves no half-made change: every write is the last step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision of the latest change in a table.
    pub(crate) fn last_change(&self, tables: &[TableId]) -> u64 {
        let inner = self.lock();
        tables.iter().filter_map(|id| inner.tables.get(id)).map(|t| t.last).max().unwrap_or(0)
    }

    /// The object as it is now.
    pub(crate) fn get(&self, table: &TableId, key: &ObjectKey) -> Option<Arc<Value>> {
        self.lock().tables.get(table)?.objects.get(key).cloned()
    }

    /// All objects of a scope as they are now.
    pub(crate) fn list(&self, table: &TableId, scope: &Scope) -> Listing {
        let inner = self.lock();
        let items = inner.tables.get(table).map(|t| select(&t.objects, scope)).unwrap_or_default();
        Listing { items, revision: inner.revision, more: 0 }
    }

    /// The objects of a scope that are wanted, as they are now or were at a revision: those after a key, as many as fit.
    ///
    /// `admits` is asked while the store is locked. A page costs its own length, and what changed since its revision.
    pub(crate) fn page(
        &self,
        table: &TableId,
        scope: &Scope,
        wanted: &Wanted<'_>,
        admits: impl Fn(&ObjectKey, &Value) -> bool,
    ) -> Result<Listing, Expired> {
        let inner = self.lock();
        let revision = wanted.at.unwrap_or(inner.revision);
        let Some(found) = inner.tables.get(table) else {
            return Ok(Listing { items: Vec::new(), revision, more: 0 });
        };
        let undo = if wanted.at.is_some() { found.log.since(revision)? } else { Vec::new() };
        // The oldest change says what was there before all of them.
        let before: BTreeMap<ObjectKey, Option<&Arc<Value>>> =
            undo.iter().rev().map(|change| (change.key.clone(), change.previous.as_ref())).collect();
        let start = scope.start();
        let after = wanted.after.filter(|after| **after >= start);
        let first = after.map_or(Bound::Included(&start), Bound::Excluded);
        let now = found.objects.range((first, Bound::Unbounded)).map(|(key, object)| (key, Some(object)));
        let then = before.range((first, Bound::Unbounded)).map(|(key, object)| (key, *object));
        let mut all = Merged::of(now, then)
            .take_while(|(key, _)| scope.covers_cluster(key))
            .filter_map(|(key, object)| Some((key, object?)))
            .filter(|(key, _)| scope.contains(key));
        let limit = wanted.limit.unwrap_or(usize::MAX);
        let shown = all.by_ref().filter(|(key, object)| admits(key, object)).take(limit);
        let items = shown.map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
        // Who does not count does not look at what comes next either: whether it is wanted shows on the next page.
        let more = if wanted.counts {
            all.filter(|(key, object)| admits(key, object)).count()
        } else {
            usize::from(all.next().is_some())
        };
        Ok(Listing { items, revision, more })
    }

    /// The revision before the last so many changes of a table, or before as many as can be looked back at; none where
    /// there are none.
    pub(crate) fn before_the_last(&self, table: &TableId, changes: u32) -> Option<u64> {
        self.lock().tables.get(table)?.log.before_the_last(usize::try_from(changes).unwrap_or(usize::MAX))
    }

    /// Makes a table whose log begins after `revision`, unless it is there.
    pub(crate) fn open(&self, table: &TableId, revision: u64) {
        let mut inner = self.lock();
        inner.tables.entry(table.clone()).or_insert_with(|| {
            let mut made = Table::new();
            made.log.compact(revision);
            made
        });
    }

    /// Every table there is, in a stable order.
    pub(crate) fn tables(&self) -> Vec<TableId> {
        let mut ids: Vec<_> = self.lock().tables.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// How many objects a scope of a table holds.
    pub(crate) fn count(&self, table: &TableId, scope: &Scope) -> usize {
        self.lock().tables.get(table).map_or(0, |t| select(&t.objects, scope).len())
    }

    /// Writes (`Some`) or removes (`None`) one object, and stamps the new revision into it.
    ///
    /// Answers the object as stored; for a removal the last object with the revision of its removal.
    pub(crate) fn commit(
        &self,
        table: &TableId,
        key: ObjectKey,
        expected: &Expected,
        object: Option<Value>,
    ) -> Result<Arc<Value>, CommitError> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let slot = inner.tables.entry(table.clone()).or_insert_with(Table::new);
        let previous = slot.objects.get(&key).cloned();
        match (expected, &previous) {
            (Expected::Absent, None) => {}
            (Expected::Absent, Some(_)) => return Err(CommitError::Exists),
            (Expected::Is(read), Some(found)) if Arc::ptr_eq(read, found) => {}
            (Expected::Is(_), _) => return Err(CommitError::Stale),
        }
        let revision = inner.revision + 1;
        let (kind, mut value) = match (object, &previous) {
            (Some(value), None) => (ChangeKind::Added, value),
            (Some(value), Some(_)) => (ChangeKind::Modified, value),
            (None, Some(found)) => (ChangeKind::Deleted, Value::clone(found)),
            (None, None) => return Err(CommitError::Stale),
        };
        stamp(&mut value, revision);
        let stored = Arc::new(value);
        inner.revision = revision;
        slot.last = revision;
        if kind == ChangeKind::Deleted {
            slot.objects.remove(&key);
        } else {
            slot.objects.insert(key.clone(), Arc::clone(&stored));
        }
        let change = Arc::new(Change {
            table: table.clone(),
            key,
            revision,
            kind,
            object: Arc::clone(&stored),
            previous,
            text: Text::default(),
        });
        slot.log.push(Arc::clone(&change), inner.log_capacity);
        slot.changed.send_replace(revision);
        inner.feeds.retain(|feed| feed.send(Arc::clone(&change)).is_ok());
        Ok(stored)
    }

    /// A reader of everything that happens in a table after `since`.
    pub(crate) fn watch(self: &Arc<Self>, table: &TableId, since: u64) -> Result<Cursor, Expired> {
        let mut inner = self.lock();
        let slot = inner.tables.entry(table.clone()).or_insert_with(Table::new);
        slot.log.since(since)?;
        let changed = slot.changed.subscribe();
        Ok(Cursor::new(Arc::clone(self), table.clone(), since, changed))
    }

    /// The objects of a scope, and a reader of everything that happens after that list.
    pub(crate) fn list_and_watch(self: &Arc<Self>, table: &TableId, scope: &Scope) -> (Listing, Cursor) {
        let mut inner = self.lock();
        let revision = inner.revision;
        let slot = inner.tables.entry(table.clone()).or_insert_with(Table::new);
        let items = select(&slot.objects, scope);
        let changed = slot.changed.subscribe();
        (
            Listing { items, revision, more: 0 },
            Cursor::new(Arc::clone(self), table.clone(), revision, changed),
        )
    }

    /// Everything that happens in any table from now on, for the control plane's own controllers.
    pub(crate) fn feed(&self) -> mpsc::UnboundedReceiver<Arc<Change>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().feeds.push(sender);
        receiver
    }

    /// Forgets the log: whoever reads on from an earlier revision is told that it expired.
    pub(crate) fn compact(&self) {
        let mut inner = self.lock();
        let revision = inner.revision;
        for table in inner.tables.values_mut() {
            table.log.compact(revision);
            table.changed.send_replace(revision);
        }
    }

    /// The changes of a table after `since`, and the revision up to which that is all of them.
    fn changes(&self, table: &TableId, since: u64) -> Result<(Vec<Arc<Change>>, u64), Expired> {
        let inner = self.lock();
        let found = inner.tables.get(table).map_or(Ok(Vec::new()), |t| t.log.since(since))?;
        Ok((found, inner.revision.max(since)))
    }
}

fn select(objects: &BTreeMap<ObjectKey, Arc<Value>>, scope: &Scope) -> Vec<(ObjectKey, Arc<Value>)> {
    objects
        .range(scope.start()..)
        .take_while(|(key, _)| scope.covers_cluster(key))
        .filter(|(key, _)| scope.contains(key))
        .map(|(key, object)| (key.clone(), Arc::clone(object)))
        .collect()
}

fn stamp(value: &mut Value, revision: u64) {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), Value::String(revision.to_string()));
    }
}

#[cfg(test)]
mod tests;
