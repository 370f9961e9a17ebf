//! Stand-in.
use std::sync::Arc;
use std::time::Duration;

/// History.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: Vec<Entry>,
}
impl History {
    /// Push.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }
    /// Entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}
/// Entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// At.
    pub at: Duration,
    /// Event.
    pub event: Event,
}
/// Event.
#[derive(Clone, Debug)]
pub enum Event {
    /// Wrote.
    Wrote(Write),
    /// Called.
    Called(Call),
    /// Harmed.
    Harmed {
        /// Client.
        client: String,
        /// What.
        what: String,
    },
    /// Said.
    Said {
        /// Who.
        who: String,
        /// What.
        what: String,
    },
}
/// Kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Added
    Added,
    /// Modified
    Modified,
    /// Deleted
    Deleted,
}
/// Call.
#[allow(missing_docs)]
#[derive(Clone, Debug)]
pub struct Call {
    pub who: String,
    pub verb: String,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub cluster: String,
    pub namespace: String,
    pub name: String,
    pub status: Option<u16>,
    pub fault: Option<String>,
}
/// Write.
#[allow(missing_docs)]
#[derive(Clone, Debug)]
pub struct Write {
    pub revision: u64,
    pub by: Option<String>,
    pub manager: Option<String>,
    pub kind: ChangeKind,
    pub cluster: String,
    pub group: String,
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub object: Arc<serde_json::Value>,
    pub before: Option<Arc<serde_json::Value>>,
}
