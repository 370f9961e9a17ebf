//! What happened, in order: inert data.
//!
//! Whoever runs a simulation fills a [`History`]; the [oracle](super::oracle) judges it and the
//! [timeline](super::timeline) shows it. Neither asks where it came from, so a history that was written to a file and
//! read again is worth as much as a live one.
//!
//! The text form is one JSON object per line, and the same for the same history, byte for byte: two runs from the same
//! seed are compared by their [`History::digest`].

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

#[cfg(test)]
mod tests;

/// Everything that happened, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    entries: Vec<Entry>,
}

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Since the beginning, by the simulation's clock; in the text form whole nanoseconds.
    #[serde(with = "nanos")]
    pub at: Duration,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// An object changed in the control plane.
    Wrote(Write),
    /// A client asked for something, and was answered or not.
    Called(Call),
    /// A fault was injected.
    Harmed {
        /// Whom it hit.
        client: String,
        /// What was done to it.
        what: String,
    },
    /// A crash, a restart, a line of a log, a step of the story.
    Said {
        /// Who said it, or to whom it happened.
        who: String,
        /// What was said.
        what: String,
    },
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// It was made.
    Added,
    /// It was changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change of one object.
///
/// `Debug` names the object and shows nothing of it: it may be a Secret.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// The control plane's revision after the change.
    pub revision: u64,
    /// Which client wrote; none for the control plane's own controllers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The field manager it wrote as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// The HTTP method of the request, such as `POST`, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What became of the object.
    pub kind: ChangeKind,
    /// Which object.
    #[serde(flatten)]
    pub key: ObjectKey,
    /// The object as it is now; of a deleted one its last state.
    pub object: Arc<Value>,
    /// The object as it was before, if it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Arc<Value>>,
}

/// Which object, among those of all clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The logical cluster's id.
    pub cluster: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural resource name.
    pub resource: String,
    /// The namespace; empty where the kind has none.
    pub namespace: String,
    /// The name; empty where a request is for all of them.
    pub name: String,
}

/// A request, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Who asked.
    pub client: String,
    /// What for: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Which object or objects; an empty cluster stands for all.
    #[serde(flatten)]
    pub key: ObjectKey,
    /// `status` and the like; empty for the object itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// The status code of the answer; none where there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The fault that hit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A text that is no history.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is no entry of a history")]
pub struct ReadError {
    line: usize,
    #[source]
    source: serde_json::Error,
}

impl History {
    /// Nothing happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Something happened.
    pub fn push(&mut self, at: Duration, event: Event) {
        self.entries.push(Entry { at, event });
    }

    /// Everything in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Everything in order, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// How many things happened.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One line per entry, each a JSON object.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            text.push_str(&entry.to_line());
            text.push('\n');
        }
        text
    }

    /// Reads what [`History::to_text`] wrote.
    pub fn from_text(text: &str) -> Result<Self, ReadError> {
        let read = |(index, line)| {
            serde_json::from_str(line).map_err(|source| ReadError { line: index + 1, source })
        };
        Ok(Self { entries: text.lines().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// The SHA-256 of the text form, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for entry in &self.entries {
            hash.update(entry.to_line());
            hash.update("\n");
        }
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // A text takes whatever is written to it.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl FromIterator<Entry> for History {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

impl<'a> IntoIterator for &'a History {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

impl Entry {
    /// The entry's line of the text form.
    fn to_line(&self) -> String {
        // Nothing in an entry can fail to be written: its only maps are keyed by text.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("revision", &self.revision)
            .field("by", &self.by)
            .field("kind", &self.kind)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl ObjectKey {
    /// The object of that resource and name.
    pub fn new(cluster: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let [cluster, group, resource, namespace, name] =
            [cluster, group, resource, namespace, name].map(str::to_owned);
        Self { cluster, group, resource, namespace, name }
    }

    /// Whether it is of that resource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.group == group && self.resource == resource
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.resource)?;
        let parts = [&self.cluster, &self.namespace, &self.name];
        let mut between = "";
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            write!(f, "{between}{part}")?;
            between = "/";
        }
        Ok(())
    }
}

mod nanos {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    // Five hundred years fit, and no simulation lasts longer.
    pub(super) fn serialize<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}
