//! A state of the model: what is in the clusters, as numbers of things that were met before; who says what; and what the
//! promises are judged by.
//!
//! Finite by what is left out: versions are the contents themselves, generations stand still, points in time are whole
//! ticks before now and no older than [`OLD`], and what nothing is decided by any more is forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use broker_core::migration::{Migration, MigrationState, Request};
use broker_core::order::Assignment;
use broker_core::playbook::Playbook;
use broker_core::resource::{Object, ObjectKey};
use broker_core::time::Timestamp;

/// One tick of the model's clock: every wait is one or two of them.
pub(super) const TICK: Duration = Duration::from_secs(30);
/// So many ticks ago: longer than anything is waited for.
pub(super) const OLD: u8 = 2;
/// So many ticks ago: longer than all but a whole cutover and the pause after a second failure take.
pub(super) const PAST: u8 = 1;
/// Now, always: time passes by making everything else older.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The point in time so many ticks ago.
pub(super) fn ago(ticks: u8) -> Timestamp {
    NOW.before(TICK * u32::from(ticks))
}

/// A point in time one tick later seen, and never older than [`OLD`].
pub(super) fn aged(at: Timestamp) -> Timestamp {
    at.before(TICK).max(ago(OLD))
}

/// The number of something that was met before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(u32);

impl Id {
    /// The version of what has this number: another content is another version.
    pub(super) fn version(self) -> String {
        format!("v{}", self.0)
    }
}

/// Everything of one kind that was met, by number.
#[derive(Debug)]
pub(super) struct Store<T> {
    numbers: HashMap<String, Id>,
    items: Vec<Arc<T>>,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), items: Vec::new() }
    }
}

impl<T> Store<T> {
    /// The number of an item with this text; a new one is stored as `versioned` makes it.
    fn number(&mut self, text: String, versioned: impl FnOnce(String) -> T) -> Id {
        let items = &mut self.items;
        *self.numbers.entry(text).or_insert_with(|| {
            let id = Id(u32::try_from(items.len()).expect("fewer than that"));
            items.push(Arc::new(versioned(id.version())));
            id
        })
    }

    pub(super) fn get(&self, id: Id) -> Arc<T> {
        Arc::clone(&self.items[id.0 as usize])
    }
}

/// The helper objects of one move.
#[derive(Clone, Debug)]
pub(super) struct HelperSet {
    pub(super) migration: String,
    pub(super) namespace: Object,
    pub(super) objects: BTreeMap<String, Object>,
}

/// What states speak of by number.
#[derive(Debug, Default)]
pub(super) struct Stores {
    /// Whether another move may follow one that is over: then it matters when that ended.
    pub(super) moves_again: bool,
    objects: Store<Object>,
    assignments: Store<Assignment>,
    migrations: Store<Migration>,
    helpers: Store<HelperSet>,
    requests: Store<Request>,
    keys: Store<ObjectKey>,
}

fn text_of(object: &Object) -> String {
    object.clone().into_value().to_string()
}

impl Stores {
    /// Stores an object, without its version.
    pub(super) fn put_object(&mut self, mut object: Object) -> Id {
        forget(&mut object, "resourceVersion");
        self.objects.number(text_of(&object), |version| {
            object.set(&["metadata", "resourceVersion"], version.into());
            object
        })
    }

    /// Stores an assignment, without its version.
    pub(super) fn put_assignment(&mut self, mut assignment: Assignment) -> Id {
        assignment.resource_version = String::new();
        assignment.created_at = Some(ago(OLD));
        let text = serde_json::to_string(&assignment).expect("it is plain data");
        self.assignments.number(text, |version| Assignment { resource_version: version, ..assignment })
    }

    /// Stores the record of a move, without its version, and without what nothing depends on any more.
    pub(super) fn put_migration(&mut self, mut record: Migration) -> Id {
        record.resource_version = String::new();
        let state = record.state();
        let receipt = &mut record.receipt;
        let old = |at: &mut Option<Timestamp>| *at = at.map(|_| ago(OLD));
        if !matches!(state, MigrationState::Pending | MigrationState::InitialInProgress) {
            old(&mut receipt.started_at);
        }
        // One tick is as good as two where nothing takes longer than one.
        for at in [&mut receipt.started_at, &mut receipt.stage_since, &mut receipt.switched_at] {
            *at = at.map(|at| if at <= ago(PAST) { ago(OLD) } else { at });
        }
        if !self.moves_again {
            old(&mut receipt.completed_at);
        }
        if state != MigrationState::CutoverInProgress {
            old(&mut receipt.cutover_at);
        }
        old(&mut receipt.fenced_at);
        if receipt.point_of_no_return.is_some() || state.is_final() && state != MigrationState::Failed {
            old(&mut receipt.switched_at);
        }
        old(&mut receipt.point_of_no_return);
        // Nothing is decided by it.
        receipt.writes = None;
        receipt.verified.sort();
        receipt.verified.dedup();
        let playbook: Option<Arc<Playbook>> = record.playbook.take();
        let text = format!("{} {record:?}", playbook.is_some());
        record.playbook = playbook;
        self.migrations.number(text, |version| Migration { resource_version: version, ..record })
    }

    pub(super) fn put_helpers(&mut self, set: HelperSet) -> Id {
        let objects: Vec<String> = set.objects.values().map(text_of).collect();
        self.helpers.number(format!("{} {objects:?}", set.migration), |_| set)
    }

    /// Stores what a person asks for, without its version.
    pub(super) fn put_request(&mut self, mut request: Request) -> Id {
        request.resource_version = String::new();
        let text = format!("{request:?}");
        self.requests.number(text, |version| Request { resource_version: version, ..request })
    }

    pub(super) fn put_key(&mut self, key: &ObjectKey) -> Id {
        self.keys.number(key.to_string(), |_| key.clone())
    }

    pub(super) fn object(&self, id: Id) -> Arc<Object> {
        self.objects.get(id)
    }

    pub(super) fn assignment(&self, id: Id) -> Arc<Assignment> {
        self.assignments.get(id)
    }

    pub(super) fn migration(&self, id: Id) -> Arc<Migration> {
        self.migrations.get(id)
    }

    pub(super) fn helpers(&self, id: Id) -> Arc<HelperSet> {
        self.helpers.get(id)
    }

    pub(super) fn request(&self, id: Id) -> Arc<Request> {
        self.requests.get(id)
    }

    pub(super) fn key(&self, id: Id) -> Arc<ObjectKey> {
        self.keys.get(id)
    }

    /// The same record a tick later.
    pub(super) fn older_migration(&mut self, id: Id) -> Id {
        let mut record = self.migration(id).as_ref().clone();
        let receipt = &mut record.receipt;
        for at in [
            &mut receipt.started_at,
            &mut receipt.stage_since,
            &mut receipt.cutover_at,
            &mut receipt.switched_at,
            &mut receipt.completed_at,
        ] {
            *at = at.map(aged);
        }
        self.put_migration(record)
    }
}

/// Takes a field out of an object's metadata.
pub(super) fn forget(object: &mut Object, field: &str) {
    if let Some(serde_json::Value::Object(metadata)) = object.fields_mut().get_mut("metadata") {
        metadata.remove(field);
    }
}

/// A copy that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is said by somebody else, at any time")]
pub(super) struct Copy {
    pub(super) key: Id,
    /// What the broker wrote of it.
    pub(super) object: Id,
    /// What its provider says.
    pub(super) ready: bool,
    /// Whether it takes no more writes.
    pub(super) quiesced: bool,
    /// Whether the broker asks it to take no more writes.
    pub(super) fenced: bool,
    pub(super) deleting: bool,
    /// Ticks since it was made.
    pub(super) age: u8,
}

/// How a provider's cluster can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Link {
    Answers,
    /// Not for so many ticks.
    Silent(u8),
    /// It left the fleet with everything in it.
    Gone,
}

/// What is said of the stage that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Word {
    Nothing,
    /// What it needs before it begins is there.
    Armed,
    Done,
    Failed,
}

impl Word {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Armed => "armed",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// What a step has to do with the [`Witness`], whatever that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Noted {
    /// Whether a move began.
    pub(super) begins: bool,
    /// Whether time passed.
    pub(super) ticks: bool,
    /// The stages that were seen to be done.
    pub(super) done: u8,
    /// Whether the new copy got every write of the old one.
    pub(super) caught_up: Option<bool>,
    /// Whether the old copy got every write of the new one.
    pub(super) brought_back: Option<bool>,
}

/// What promises are judged by, and nobody in the model knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Witness {
    /// Ticks for which the consumer has held all that the copy of the pointer provides.
    pub(super) held: u8,
    /// Whether it has at all.
    pub(super) holds: bool,
    /// The stages of the move that were seen to be done, one bit each.
    pub(super) done: u8,
    /// Whether the new copy has every write that the old one acknowledged.
    pub(super) caught_up: bool,
    /// Whether the old copy has every write that the new one acknowledged.
    pub(super) brought_back: bool,
    /// Which promises the last step broke.
    pub(super) broken: u32,
}

impl Witness {
    /// Takes note of what a step had to do with it.
    pub(super) fn note(&mut self, noted: Noted) {
        if noted.begins {
            *self = Self { done: 0, caught_up: false, brought_back: false, ..*self };
        }
        if noted.ticks && self.holds {
            self.held = (self.held + 1).min(PAST);
        }
        self.done |= noted.done;
        self.caught_up = noted.caught_up.unwrap_or(self.caught_up);
        self.brought_back = noted.brought_back.unwrap_or(self.brought_back);
    }
}

/// A state of the model: what is there, by its number, and what nobody in it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    pub(super) state: usize,
    /// How many more disturbances there are.
    pub(super) budget: u8,
    pub(super) witness: Witness,
}

/// What is there: all that a decision may depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) order: Option<Id>,
    pub(super) assignment: Option<Id>,
    pub(super) migrations: Vec<Id>,
    /// What a person asks for, and is not taken up.
    pub(super) request: Option<Id>,
    /// Whether a person asked already.
    pub(super) asked: bool,
    pub(super) copies: Vec<Copy>,
    /// What the consumer holds of the copy that serves.
    pub(super) mirrored: Option<Id>,
    /// The helpers of a move, and whether they are being removed.
    pub(super) helpers: Vec<(Id, bool)>,
    /// The clusters of the old and of the new provider.
    pub(super) links: [Link; 2],
    pub(super) word: Word,
    /// What the step that led here has to do with the witness; nothing, in a state that is kept.
    pub(super) noted: Noted,
}
