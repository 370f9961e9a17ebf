#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

use std::collections::BTreeMap;

use broker_core::resource::{Object, ObjectKey, Packer};
use proptest::prelude::*;
use serde_json::json;

use super::{Entry, Index, Projection, Source, Table};

const BY_LABEL: &[Index] = &[Index {
    name: "label",
    texts: |_, object| object.label("group").map(str::to_owned).into_iter().collect(),
}];

fn key(index: u8) -> ObjectKey {
    // Two clusters with equal namespaces and names.
    ObjectKey::new(format!("cluster-{}", index % 2), "default", format!("object-{}", index / 2))
}

fn object(index: u8, version: u64) -> Object {
    incarnation(index, version, 0)
}

fn listed(index: u8, version: u64) -> Entry {
    Entry::new(object(index, version), &Packer::default())
}

fn incarnation(index: u8, version: u64, born: u64) -> Object {
    let key = key(index);
    Object::try_from(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": key.name, "namespace": key.namespace, "resourceVersion": version.to_string(), "uid": format!("{index}-{born}"),
            "labels": {"group": format!("g{}", version % 3)}, "managedFields": [{"manager": "x"}],
        },
    }))
    .unwrap()
}

fn version(object: &Object) -> u64 {
    object.resource_version().parse().unwrap()
}

/// The whole history of a server: at each version, one object was written or deleted.
#[derive(Default, Debug)]
struct Server {
    history: Vec<(u8, bool)>,
}

impl Server {
    fn now(&self) -> u64 {
        self.history.len() as u64
    }

    /// The version of the object's state as of `at`, or `None` where it did not exist then.
    fn at(&self, index: u8, at: u64) -> Option<u64> {
        let (position, (_, exists)) = self
            .history
            .iter()
            .enumerate()
            .take(usize::try_from(at).unwrap())
            .rfind(|(_, (i, _))| *i == index)?;
        exists.then_some(position as u64 + 1)
    }

    /// The object as of `at`.
    fn object(&self, index: u8, at: u64) -> Option<Object> {
        Some(incarnation(index, self.at(index, at)?, self.born(index, at)))
    }

    /// The version at which the incarnation of the object that lived last before `at` was created.
    fn born(&self, index: u8, at: u64) -> u64 {
        let mut born = 0;
        let mut lives = false;
        for (position, (i, exists)) in self.history.iter().enumerate().take(usize::try_from(at).unwrap()) {
            if *i == index {
                if *exists && !lives {
                    born = position as u64 + 1;
                }
                lives = *exists;
            }
        }
        born
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Somebody else writes (or, with `false`, deletes).
    Other(u8, bool),
    /// We write; the reply is on its way.
    Ours(u8),
    /// We delete; the reply is on its way.
    OurDeletion(u8),
    /// The n-th outstanding reply arrives.
    Reply(usize),
    /// The watch delivers its next event.
    Event,
    /// The server tells that there was nothing else up to now; only true once all is delivered.
    Bookmark,
    /// The watch delivers its last events once more.
    Repeat(u8),
    /// The watch broke and a new list is made now.
    Relist,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            3 => (0u8..6, any::<bool>()).prop_map(|(i, e)| Step::Other(i, e)),
            3 => (0u8..6).prop_map(Step::Ours),
            2 => (0u8..6).prop_map(Step::OurDeletion),
            3 => (0usize..4).prop_map(Step::Reply),
            5 => Just(Step::Event),
            1 => Just(Step::Bookmark),
            1 => (1u8..5).prop_map(Step::Repeat),
            1 => Just(Step::Relist),
        ],
        0..80,
    )
}

#[derive(Clone, Debug)]
enum Reply {
    Written(Object),
    Deleted(Object),
}

/// A table fed by one watch, beside what a naive reading of the server's history says it must show.
struct World {
    server: Server,
    table: Table,
    source: Source,
    /// Up to which version the watch has told.
    told: u64,
    /// Object, version, and what it is.
    replies: Vec<(u8, u64, Reply)>,
    /// The last version of our own that we were told, per object.
    ours: BTreeMap<u8, u64>,
    /// The versions, as they are read of the objects.
    versions: Projection<u64>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            server: Server::default(),
            table: Table::new(BY_LABEL),
            source: Source::new("shard"),
            told: 0,
            replies: Vec::new(),
            ours: BTreeMap::new(),
            versions: Projection::new(|object| Some(version(object))),
        };
        world.relist();
        world
    }

    fn relist(&mut self) {
        let now = self.server.now();
        let items = (0..6)
            .filter_map(|i| Some((key(i), Entry::new(self.server.object(i, now)?, self.table.packer()))))
            .collect();
        self.table.list(&self.source, &now.to_string(), items);
        self.told = now;
    }

    fn event(&mut self) {
        if self.told < self.server.now() {
            self.told += 1;
            self.tell(self.told);
            let (index, exists) = self.server.history[usize::try_from(self.told).unwrap() - 1];
            let uid = format!("{index}-{}", self.server.born(index, self.told));
            assert!(exists || self.table.is_known_gone(&uid));
        }
    }

    /// Delivers what happened at a version.
    fn tell(&mut self, at: u64) {
        let (index, exists) = self.server.history[usize::try_from(at).unwrap() - 1];
        if exists {
            self.table.apply(&self.source, key(index), self.server.object(index, at).unwrap());
        } else {
            let last = incarnation(index, at, self.server.born(index, at));
            self.table.delete(&self.source, key(index), &last);
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Other(index, exists) => {
                // Only what exists can be deleted.
                if exists || self.server.at(index, self.server.now()).is_some() {
                    self.server.history.push((index, exists));
                }
            }
            Step::Ours(index) => {
                self.server.history.push((index, true));
                let now = self.server.now();
                self.replies.push((index, now, Reply::Written(self.server.object(index, now).unwrap())));
            }
            // A deletion carries the uid of what the table shows, as ours always do.
            Step::OurDeletion(index) => {
                let live = self.server.object(index, self.server.now());
                let shown = self.table.get(&key(index));
                if let (Some(live), Some(shown)) = (live, shown)
                    && live.uid() == shown.uid()
                {
                    self.server.history.push((index, false));
                    self.replies.push((index, self.server.now(), Reply::Deleted(live)));
                }
            }
            Step::Reply(n) if n < self.replies.len() => {
                let (index, version, reply) = self.replies.remove(n);
                match reply {
                    Reply::Written(object) => {
                        self.table.write(&self.source, key(index), object);
                    }
                    Reply::Deleted(object) => {
                        self.table.bury(key(index), object.uid());
                    }
                }
                let ours = self.ours.entry(index).or_default();
                *ours = version.max(*ours);
            }
            Step::Event => self.event(),
            Step::Bookmark if self.told == self.server.now() => {
                self.table.bookmark(&self.source, &self.told.to_string());
            }
            Step::Repeat(count) => {
                let first = self.told.saturating_sub(count.into());
                for at in first + 1..=self.told {
                    self.tell(at);
                    self.check()?;
                }
            }
            Step::Reply(_) | Step::Bookmark => {}
            Step::Relist => self.relist(),
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for index in 0..6 {
            let at = self.told.max(self.ours.get(&index).copied().unwrap_or_default());
            let shown = self.table.get(&key(index)).map(|o| version(&o));
            prop_assert_eq!(shown, self.server.at(index, at), "object {} at {}", index, at);
        }
        for group in ["g0", "g1", "g2"] {
            let found: Vec<ObjectKey> = self.table.find("label", group).into_iter().map(|(k, _)| k).collect();
            let scanned: Vec<ObjectKey> = self
                .table
                .iter()
                .filter(|(_, o)| o.label("group") == Some(group))
                .map(|(k, _)| k.clone())
                .collect();
            prop_assert_eq!(&found, &scanned);
            prop_assert!(self.table.keys_of("label", group).eq(&found));
            prop_assert_eq!(self.table.count("label", group), found.len());
            let told = self.table.texts("label", group).map(|(_, count)| count);
            prop_assert_eq!(
                told.collect::<Vec<_>>(),
                if found.is_empty() { vec![] } else { vec![found.len()] }
            );
        }
        let scanned: Vec<u64> = self.table.iter().map(|(_, object)| version(&object)).collect();
        prop_assert_eq!(self.table.keys().count(), scanned.len());
        prop_assert!(self.versions.of(&self.table).eq(&scanned));
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_table_shows_each_object_at_the_later_of_watch_and_own_write(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(&step)?;
            world.check()?;
        }
        while world.told < world.server.now() {
            world.event();
        }
        world.check()?;
    }
}

#[test]
fn a_watch_that_lags_does_not_show_who_was_there_before_what_we_deleted() {
    let source = Source::new("shard");
    let mut table = Table::new(&[]);
    table.list(&source, "1", Vec::new());
    let (before, ours) = (incarnation(0, 5, 5), incarnation(0, 8, 8));
    table.write(&source, key(0), ours.clone());
    table.bury(key(0), ours.uid());
    table.apply(&source, key(0), before.clone());
    assert!(table.get(&key(0)).is_none());
    table.delete(&source, key(0), &incarnation(0, 6, 5));
    table.delete(&source, key(0), &incarnation(0, 9, 8));
    table.apply(&source, key(0), incarnation(0, 10, 10));
    assert!(table.get(&key(0)).is_some(), "who comes later is seen");
    // A server that was restored may have it again.
    table.bury(key(0), incarnation(0, 10, 10).uid());
    table.list(&source, "7", vec![(key(0), Entry::new(before, table.packer()))]);
    assert!(table.get(&key(0)).is_some());
}

#[test]
fn a_late_reply_does_not_bring_back_what_was_seen_deleted() {
    let source = Source::new("shard");
    let mut table = Table::new(&[]);
    table.list(&source, "1", Vec::new());
    table.apply(&source, key(0), object(0, 5));
    table.delete(&source, key(0), &object(0, 6));
    assert!(table.write(&source, key(0), object(0, 4)).is_none());
    assert!(table.write(&source, key(0), object(0, 6)).is_none());
    assert!(table.is_empty());
}

#[test]
fn what_we_wrote_shows_before_the_first_list_of_what_is_followed() {
    let (source, other) = (Source::new("compute"), Source::new("nobody follows"));
    let mut table = Table::new(&[]);
    table.expect(&source);
    assert!(table.write(&source, key(0), object(0, 5)).is_some());
    assert!(table.write(&other, key(1), object(1, 5)).is_none());
    assert!(!table.has_listed(&source));
    // A list made before the write knows nothing of it; one made after it knows better.
    table.list(&source, "4", Vec::new());
    assert!(table.get(&key(0)).is_some());
    table.list(&source, "6", Vec::new());
    assert!(table.is_empty());
    table.forget(&source);
    assert!(table.write(&source, key(0), object(0, 7)).is_none());
}

#[test]
fn a_list_reports_what_vanished_while_we_were_away() {
    let source = Source::new("shard");
    let mut table = Table::new(BY_LABEL);
    table.list(&source, "2", vec![(key(0), listed(0, 1)), (key(1), listed(1, 2))]);
    let changes = table.list(&source, "9", vec![(key(1), listed(1, 2))]);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].key, key(0));
    assert!(changes[0].new.is_none());
}

#[test]
fn sources_do_not_remove_each_others_objects() {
    let (one, two) = (Source::new("one"), Source::new("two"));
    let mut table = Table::new(BY_LABEL);
    table.list(&one, "10", vec![(key(0), listed(0, 1))]);
    table.list(&two, "3", vec![(key(1), listed(1, 2))]);
    assert_eq!(table.len(), 2);
    table.list(&two, "4", Vec::new());
    assert_eq!(table.len(), 1);
    assert_eq!(table.forget(&one).len(), 1);
    assert!(!table.has_listed(&one));
}

#[test]
fn a_restored_server_is_believed() {
    let source = Source::new("shard");
    let mut table = Table::new(BY_LABEL);
    table.list(&source, "50", vec![(key(0), listed(0, 40)), (key(1), listed(1, 45))]);
    table.write(&source, key(2), object(2, 51));
    table.list(&source, "20", vec![(key(0), listed(0, 10))]);
    assert_eq!(table.len(), 1);
    assert_eq!(version(&table.get(&key(0)).unwrap()), 10);
}

#[test]
fn managed_fields_are_not_kept() {
    let source = Source::new("shard");
    let mut table = Table::new(BY_LABEL);
    table.apply(&source, key(0), object(0, 1));
    assert!(table.get(&key(0)).unwrap().get(&["metadata", "managedFields"]).is_none());
}

#[test]
fn a_cluster_is_a_range_of_keys() {
    let source = Source::new("shard");
    let mut table = Table::new(BY_LABEL);
    table.list(&source, "9", (0..6).map(|i| (key(i), listed(i, 1))).collect());
    let names: Vec<&str> = table.in_cluster(&"cluster-1".into()).map(|(k, _)| k.name.as_str()).collect();
    assert_eq!(names, ["object-0", "object-1", "object-2"]);
}

#[test]
fn whoever_looks_at_all_again_and_again_reads_each_object_once() {
    thread_local!(static READ: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
    let source = Source::new("shard");
    let mut table = Table::new(BY_LABEL);
    let mut versions = Projection::new(|object| {
        READ.set(READ.get() + 1);
        Some(version(object))
    });
    table.list(&source, "9", vec![(key(0), listed(0, 1)), (key(1), listed(1, 2))]);
    assert_eq!(versions.of(&table).sum::<u64>(), 3);
    // The watch tells what was listed.
    table.apply(&source, key(1), object(1, 9));
    table.apply(&source, key(1), object(1, 9));
    assert_eq!(versions.of(&table).sum::<u64>(), 10);
    assert_eq!(versions.of(&table).sum::<u64>(), 10);
    assert_eq!(READ.get(), 3);
}

#[test]
fn an_index_tells_its_texts_by_how_they_begin() {
    const BY_NAME: &[Index] = &[Index { name: "name", texts: |key, _| vec![key.name.clone()] }];
    let source = Source::new("shard");
    let mut table = Table::new(BY_NAME);
    table.list(&source, "9", (0..6).map(|i| (key(i), listed(i, 1))).collect());
    let texts = |beginning| table.texts("name", beginning).collect::<Vec<_>>();
    assert_eq!(texts("object-1"), [("object-1", 2)]);
    assert_eq!(texts("object-").len(), 3);
    assert!(texts("objects").is_empty() && table.texts("other", "").next().is_none());
}
