//! Writes down what happens in a world while it happens.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event as LogEvent, Level, Metadata, Subscriber};

use super::clock::SimulatedClock;
use super::history::{Call, ChangeKind, Event, History, ObjectKey, Write};
use crate::control_plane::{Changes, StoredChange};

/// Where a world is written down. Clones write into the same history.
#[derive(Clone, Debug)]
pub struct Journal {
    clock: Arc<SimulatedClock>,
    inner: Arc<Mutex<Inner>>,
    /// How many entries there are, for whoever waits for silence.
    stirred: watch::Sender<usize>,
}

/// Whose request a write came with.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) client: Arc<str>,
    pub(crate) manager: Option<String>,
    pub(crate) method: String,
}

#[derive(Debug)]
struct Inner {
    history: History,
    changes: Changes,
}

impl Journal {
    pub(super) fn new(clock: Arc<SimulatedClock>, changes: Changes) -> Self {
        let inner = Inner { history: History::default(), changes };
        Self { clock, inner: Arc::new(Mutex::new(inner)), stirred: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a step of the story, or what somebody says.
    pub fn say(&self, who: &str, what: impl Into<String>) {
        self.note(Event::Said { who: who.to_owned(), what: what.into() });
    }

    /// Notes that a fault was injected.
    pub fn harmed(&self, client: &str, what: impl Into<String>) {
        self.note(Event::Harmed { client: client.to_owned(), what: what.into() });
    }

    pub(super) fn called(&self, call: Call) {
        self.note(Event::Called(call));
    }

    fn note(&self, event: Event) {
        self.attribute(None);
        let at = self.clock.age();
        self.lock().history.push(at, event);
    }

    /// Notes what was stored since it was last looked, as the writes of this client; of the server itself without one.
    pub(super) fn attribute(&self, author: Option<&Author>) {
        let at = self.clock.age();
        let mut inner = self.lock();
        let mut stirred = false;
        while let Some(change) = inner.changes.take() {
            stirred |= !is_lease(&change);
            inner.history.push(at, Event::Wrote(write(change, author)));
        }
        if stirred {
            let count = inner.history.len();
            drop(inner);
            self.stirred.send_replace(count);
        }
    }

    /// Tells of every change but those of Leases: the number of entries after it.
    pub fn stirred(&self) -> watch::Receiver<usize> {
        self.stirred.subscribe()
    }

    /// What happened so far.
    pub fn history(&self) -> History {
        self.attribute(None);
        self.lock().history.clone()
    }

    /// How much happened so far.
    pub fn len(&self) -> usize {
        self.attribute(None);
        self.lock().history.len()
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Leases say that somebody lives, not that something happens.
fn is_lease(change: &StoredChange) -> bool {
    change.group == "coordination.k8s.io"
}

fn write(change: StoredChange, author: Option<&Author>) -> Write {
    let kind = match (&change.before, &change.object) {
        (None, _) => ChangeKind::Added,
        (Some(_), Some(_)) => ChangeKind::Modified,
        (Some(_), None) => ChangeKind::Deleted,
    };
    let object = change.object.or_else(|| change.before.clone()).unwrap_or_default();
    Write {
        revision: change.revision,
        by: author.map(|author| author.client.to_string()),
        manager: author.and_then(|author| author.manager.clone()),
        method: author.map(|author| author.method.clone()),
        kind,
        key: ObjectKey {
            cluster: change.cluster,
            group: change.group,
            resource: change.resource,
            namespace: change.namespace,
            name: change.name,
        },
        object,
        before: change.before,
    }
}

/// Brings what is logged on the current thread into a journal: the decisions and their reasons.
pub(super) struct Scribe {
    journal: Journal,
}

impl Scribe {
    pub(super) fn new(journal: Journal) -> Self {
        Self { journal }
    }
}

impl Subscriber for Scribe {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO && metadata.target().starts_with("broker_")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &LogEvent<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            _ => "",
        };
        let module = event.metadata().target().split("::").next().unwrap_or_default();
        self.journal.say(module, format!("{level}{}{}", line.message, line.fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
