//! A reader that follows one table's log.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Change, Expired, Store, TableId};

/// What a cursor found since it last looked.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The changes, oldest first; may be empty.
    pub(crate) changes: Vec<Arc<Change>>,
    /// Everything up to this revision has been read.
    pub(crate) revision: u64,
}

/// Reads a table's changes in order. It holds no changes itself: a reader that falls behind the log's
/// capacity is told so instead of filling the memory.
#[derive(Debug)]
pub(crate) struct Cursor {
    store: Arc<Store>,
    table: TableId,
    position: u64,
    changed: watch::Receiver<u64>,
}

impl Cursor {
    pub(super) fn new(
        store: Arc<Store>,
        table: TableId,
        position: u64,
        mut changed: watch::Receiver<u64>,
    ) -> Self {
        // What is in the log already counts as news.
        changed.mark_changed();
        Self { store, table, position, changed }
    }

    /// Waits until the table may have changed. Safe to cancel: nothing is read here.
    pub(crate) async fn changed(&mut self) {
        // The sender lives in the store, which this cursor keeps alive.
        self.changed.changed().await.ok();
    }

    /// Reads what is there, without waiting.
    pub(crate) fn read(&mut self) -> Result<Batch, Expired> {
        let (changes, revision) = self.store.changes(&self.table, self.position)?;
        self.position = revision;
        Ok(Batch { changes, revision })
    }
}
