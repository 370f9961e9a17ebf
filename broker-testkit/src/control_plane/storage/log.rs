//! The bounded log of one table's changes.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::Expired;
use super::key::{ObjectKey, TableId};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It was removed.
    Deleted,
}

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    /// Where the object is stored.
    pub(crate) table: TableId,
    /// Which object.
    pub(crate) key: ObjectKey,
    /// The global revision of this change.
    pub(crate) revision: u64,
    /// What happened.
    pub(crate) kind: ChangeKind,
    /// The object after the change; for a removal its last state, with the revision of the removal.
    pub(crate) object: Arc<Value>,
    /// The object before the change.
    pub(crate) previous: Option<Arc<Value>>,
    /// The object as JSON.
    pub(crate) text: Text,
}

/// An object as JSON, written once for all who watch it: as it is stored, and without its cluster.
#[derive(Debug, Default)]
pub(crate) struct Text([OnceLock<Box<[u8]>>; 2]);

impl Text {
    /// The JSON, written by `make` unless it is there.
    pub(crate) fn get(&self, without_cluster: bool, make: impl FnOnce() -> Vec<u8>) -> &[u8] {
        let [as_stored, plain] = &self.0;
        let cell = if without_cluster { plain } else { as_stored };
        cell.get_or_init(|| make().into_boxed_slice())
    }
}

#[derive(Debug, Clone)]
pub(super) struct Log {
    changes: VecDeque<Arc<Change>>,
    /// Everything after this revision is in `changes`.
    floor: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { changes: VecDeque::new(), floor: 0 }
    }

    pub(super) fn push(&mut self, change: Arc<Change>, capacity: usize) {
        self.changes.push_back(change);
        while self.changes.len() > capacity {
            if let Some(dropped) = self.changes.pop_front() {
                self.floor = dropped.revision;
            }
        }
    }

    pub(super) fn compact(&mut self, revision: u64) {
        self.changes.clear();
        self.floor = self.floor.max(revision);
    }

    /// The revision before the last `count` changes, or before the first that is still known.
    pub(super) fn before_the_last(&self, count: usize) -> Option<u64> {
        let change = self.changes.get(self.changes.len().saturating_sub(count))?;
        // After a change that was dropped nothing is known of what was before.
        Some((change.revision - 1).max(self.floor))
    }

    /// The changes after `revision`, oldest first.
    pub(super) fn since(&self, revision: u64) -> Result<Vec<Arc<Change>>, Expired> {
        if revision < self.floor {
            return Err(Expired { requested: revision, oldest: self.floor });
        }
        let start = self.changes.partition_point(|change| change.revision <= revision);
        Ok(self.changes.range(start..).cloned().collect())
    }
}
