//! All objects of one kind, of all clusters, and which version of each to believe.
//!
//! Two kinds of news arrive: what a watch shows, in the order of the server's versions, and the results of our own
//! writes, at any time. The rule that reconciles them: a table shows an object as it was at the later of *the
//! version up to which its watch has told everything* and *the version of our own last write to it*. So our own
//! writes are visible at once, and a reply that arrives late never brings back what was already seen deleted.
//!
//! Versions are compared as numbers, per source: one watch on one server. A server whose versions are no numbers
//! loses only the early view of our own writes.
//!
//! Objects are kept packed, and decoded for whoever looks at one; who wants to know something of all of them asks for
//! their keys, or an index for its texts.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use broker_core::resource::{ClusterName, Keys, Object, ObjectKey, Packed, Packer};
use broker_core::sabotage::{self, Bug};

use super::ended::Ended;
use super::entry::number;
use super::{Change, Entry};

/// One watch on one server: the domain within which versions are comparable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(Arc<str>);

impl Source {
    /// A source by a name of the caller's choice, such as the server's URL.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a table can be asked for besides keys: the texts under which an object is found.
#[derive(Clone, Copy)]
pub struct Index {
    /// The name by which the index is asked for.
    pub name: &'static str,
    /// The texts under which one object is found.
    pub texts: fn(&ObjectKey, &Object) -> Vec<String>,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Index").field(&self.name).finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Watched,
    Written,
}

#[derive(Debug)]
struct Row {
    packed: Packed,
    version: u64,
    source: Source,
    origin: Origin,
}

/// All objects of one kind.
#[derive(Debug)]
pub struct Table {
    /// Knows what the objects have in common.
    packer: Packer,
    rows: BTreeMap<Arc<ObjectKey>, Row>,
    /// Up to which version each source that is followed has told everything; `None` until its first list.
    progress: BTreeMap<Source, Option<u64>>,
    /// Incarnations that we deleted ourselves and whose end the watch has not shown yet, each with its last version.
    buried: BTreeMap<(ObjectKey, String), u64>,
    /// Incarnations whose end was seen, by the watch or by ourselves.
    ended: Ended,
    indexes: &'static [Index],
    found: BTreeMap<&'static str, BTreeMap<Box<str>, Keys<Arc<ObjectKey>>>>,
}

impl Table {
    /// An empty table with the given indexes.
    pub fn new(indexes: &'static [Index]) -> Self {
        Self {
            packer: Packer::default(),
            rows: BTreeMap::new(),
            progress: BTreeMap::new(),
            buried: BTreeMap::new(),
            ended: Ended::default(),
            indexes,
            found: BTreeMap::new(),
        }
    }

    /// What packs objects for this table.
    pub fn packer(&self) -> &Packer {
        &self.packer
    }

    /// The object, if there is one.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.rows.get(key).map(|row| row.packed.object())
    }

    /// The object as it is kept, if there is one.
    pub fn get_packed(&self, key: &ObjectKey) -> Option<&Packed> {
        self.rows.get(key).map(|row| &row.packed)
    }

    /// Whether there is such an object.
    pub fn contains(&self, key: &ObjectKey) -> bool {
        self.rows.contains_key(key)
    }

    /// The keys of all objects, in order.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.rows.keys().map(Arc::as_ref)
    }

    /// Every object, by key. Each is decoded: where thousands are, take [`Self::packed`] and let go of the table first.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, Arc<Object>)> {
        self.packed().map(|(key, packed)| (key, packed.object()))
    }

    /// Every object as it is kept, by key.
    pub fn packed(&self) -> impl Iterator<Item = (&ObjectKey, &Packed)> {
        self.rows.iter().map(|(key, row)| (key.as_ref(), &row.packed))
    }

    /// Every object of one cluster as it is kept, by key.
    pub fn in_cluster(&self, cluster: &ClusterName) -> impl Iterator<Item = (&ObjectKey, &Packed)> {
        self.range_of(cluster).map(|(key, row)| (key.as_ref(), &row.packed))
    }

    /// The objects that the index named `index` files under `text`, by key.
    pub fn find(&self, index: &'static str, text: &str) -> Vec<(ObjectKey, Arc<Object>)> {
        let found = self.find_packed(index, text);
        found.map(|(key, packed)| (key.clone(), packed.object())).collect()
    }

    /// The same, as they are kept.
    pub fn find_packed(
        &self,
        index: &'static str,
        text: &str,
    ) -> impl Iterator<Item = (&ObjectKey, &Packed)> {
        self.keys_of(index, text).filter_map(|key| Some((key, self.get_packed(key)?)))
    }

    /// The keys of the objects that the index named `index` files under `text`, in order.
    pub fn keys_of(&self, index: &'static str, text: &str) -> impl Iterator<Item = &ObjectKey> {
        let keys = self.found.get(index).and_then(|texts| texts.get(text));
        keys.into_iter().flat_map(Keys::iter).map(Arc::as_ref)
    }

    /// How many objects the index named `index` files under `text`.
    pub fn count(&self, index: &'static str, text: &str) -> usize {
        self.found.get(index).and_then(|texts| texts.get(text)).map_or(0, Keys::len)
    }

    /// The texts of the index named `index` that begin so, in order, and how many objects are filed under each.
    pub fn texts<'t>(
        &'t self,
        index: &'static str,
        beginning: &'t str,
    ) -> impl Iterator<Item = (&'t str, usize)> {
        let texts = self.found.get(index).into_iter();
        texts
            .flat_map(move |texts| texts.range::<str, _>((Bound::Included(beginning), Bound::Unbounded)))
            .take_while(move |(text, _)| text.starts_with(beginning))
            .map(|(text, keys)| (text.as_ref(), keys.len()))
    }

    fn range_of(&self, cluster: &ClusterName) -> impl Iterator<Item = (&Arc<ObjectKey>, &Row)> {
        let first = ObjectKey { cluster: cluster.clone(), namespace: String::new(), name: String::new() };
        self.rows.range(first..).take_while(move |(key, _)| key.cluster == *cluster)
    }

    /// Which source showed the objects of a cluster, where there are any.
    pub fn source_of(&self, cluster: &ClusterName) -> Option<&Source> {
        self.range_of(cluster).next().map(|(_, row)| &row.source)
    }

    /// The clusters whose objects a source showed.
    pub fn clusters_of(&self, source: &Source) -> Vec<ClusterName> {
        let mut clusters: Vec<ClusterName> = self
            .rows
            .iter()
            .filter(|(_, row)| row.source == *source)
            .map(|(key, _)| key.cluster.clone())
            .collect();
        clusters.dedup();
        clusters
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the source's first list has arrived.
    pub fn has_listed(&self, source: &Source) -> bool {
        matches!(self.progress.get(source), Some(Some(_)))
    }

    /// Takes over that the source is followed from now on: what we write ourselves is shown before its first list. Of a
    /// source that was never followed, or no longer is, nothing is shown.
    pub fn expect(&mut self, source: &Source) {
        self.progress.entry(source.clone()).or_default();
    }

    /// Takes over a complete list of the source, made at `version`.
    ///
    /// What the list does not hold is gone, except what we wrote after it was made.
    pub fn list(&mut self, source: &Source, version: &str, objects: Vec<(ObjectKey, Entry)>) -> Vec<Change> {
        let version = number(version);
        // A server whose versions went back was restored: nothing known before is worth more than its list.
        let restored = self.progress.get(source).is_some_and(|known| Some(version) < *known);
        self.progress.insert(source.clone(), Some(version));
        if restored {
            // What ended may be there again.
            self.ended.clear();
            self.buried.clear();
        }
        let listed: BTreeMap<ObjectKey, Entry> = objects.into_iter().collect();
        let vanished: Vec<ObjectKey> = self
            .rows
            .iter()
            .filter(|(key, row)| {
                let newer = row.origin == Origin::Written && row.version > version;
                row.source == *source && !listed.contains_key(key.as_ref()) && (restored || !newer)
            })
            .map(|(key, _)| key.as_ref().clone())
            .collect();
        let mut changes: Vec<Change> = vanished.iter().filter_map(|key| self.remove(key)).collect();
        self.buried.retain(|(key, _), _| listed.contains_key(key));
        for (key, entry) in listed {
            let newer = self.rows.get(&key).is_some_and(|row| row.version > entry.version);
            if restored || !newer {
                changes.extend(self.insert(key, entry, source, Origin::Watched));
            }
        }
        changes
    }

    /// Takes over an object that the source's watch showed added or modified. Watches tell in the order of versions: what
    /// comes once more, later, is no news.
    pub fn apply(&mut self, source: &Source, key: ObjectKey, object: Object) -> Option<Change> {
        let version = number(object.resource_version());
        if !self.advance(source, version) {
            return None;
        }
        if self.rows.get(&key).is_some_and(|row| row.version > version) {
            return None;
        }
        self.insert(key, Entry::new(object, &self.packer), source, Origin::Watched)
    }

    /// Takes over that the source's watch showed this object deleted; `last` is its last state.
    pub fn delete(&mut self, source: &Source, key: ObjectKey, last: &Object) -> Option<Change> {
        let version = number(last.resource_version());
        if !self.advance(source, version) {
            return None;
        }
        self.ended.insert(last.uid());
        let again =
            self.rows.get(&key).is_some_and(|row| row.origin == Origin::Written && row.version > version);
        let change = if again { None } else { self.remove(&key) };
        self.buried.remove(&(key, last.uid().to_owned()));
        change
    }

    /// Takes over that the source's watch has told everything up to `version`.
    pub fn bookmark(&mut self, source: &Source, version: &str) {
        self.advance(source, number(version));
    }

    /// Takes over the result of a write of our own, unless the watch has already told what became of it.
    pub fn write(&mut self, source: &Source, key: ObjectKey, object: Object) -> Option<Change> {
        let version = number(object.resource_version());
        let told = self.progress.get(source).is_none_or(|told| Some(version) <= *told);
        let told = told && !sabotage::is(Bug::LateReplyBelieved);
        if told || self.rows.get(&key).is_some_and(|row| row.version >= version) {
            return None;
        }
        self.insert(key, Entry::new(object, &self.packer), source, Origin::Written)
    }

    /// Takes over that we deleted this incarnation of an object and that nothing of it is left.
    pub fn bury(&mut self, key: ObjectKey, uid: &str) -> Option<Change> {
        self.ended.insert(uid);
        let version = self.rows.get(&key).filter(|row| row.packed.object().uid() == uid)?.version;
        let change = self.remove(&key);
        self.buried.insert((key, uid.to_owned()), version);
        change
    }

    /// Forgets a source and everything it told.
    pub fn forget(&mut self, source: &Source) -> Vec<Change> {
        self.progress.remove(source);
        let ours = self.rows.iter().filter(|(_, row)| row.source == *source);
        let keys: Vec<Arc<ObjectKey>> = ours.map(|(key, _)| key.clone()).collect();
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Takes over that nothing is left of this incarnation of an object, as the server was asked.
    pub fn ended(&mut self, uid: &str) {
        self.ended.insert(uid);
    }

    /// Whether this incarnation was seen to end: not seeing it is no mistake. An object that a watch with a selector no
    /// longer chooses counts as ended as well.
    pub fn is_known_gone(&self, uid: &str) -> bool {
        self.ended.contains(uid)
    }

    /// Whether what the source tells of this version is news.
    fn advance(&mut self, source: &Source, version: u64) -> bool {
        let told = self.progress.entry(source.clone()).or_default();
        let is_news = Some(version) >= *told;
        *told = Some(version).max(*told);
        is_news
    }

    fn insert(&mut self, key: ObjectKey, entry: Entry, source: &Source, origin: Origin) -> Option<Change> {
        let Entry { packed, version } = entry;
        // Decoded once for all that is asked about it here.
        let object = packed.object();
        if self.is_buried(&key, object.uid(), version) {
            return None;
        }
        let row = |packed: &Packed| Row { packed: packed.clone(), version, source: source.clone(), origin };
        let known = self.rows.get_key_value(&key).map(|(key, row)| (key.clone(), row.packed.clone()));
        match known {
            Some((shared, known)) if known == packed => {
                // Whoever keeps it as well shares what is known.
                self.rows.insert(shared, row(&known));
                None
            }
            Some((shared, known)) => {
                self.rows.insert(shared.clone(), row(&packed));
                self.unfile(&shared, &known.object());
                self.file(&shared, &object);
                Some(Change { key, old: Some(known), new: Some(packed) })
            }
            None => {
                let shared = Arc::new(key.clone());
                self.rows.insert(shared.clone(), row(&packed));
                self.file(&shared, &object);
                Some(Change { key, old: None, new: Some(packed) })
            }
        }
    }

    /// Whether this is of an incarnation that we deleted, or of one before it that a watch tells late.
    fn is_buried(&self, key: &ObjectKey, uid: &str, version: u64) -> bool {
        if self.buried.is_empty() {
            return false;
        }
        let mut of_key =
            self.buried.range((key.clone(), String::new())..).take_while(|((of, _), _)| of == key);
        of_key.any(|((_, of), last)| of == uid || version < *last)
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Change> {
        let (key, row) = self.rows.remove_entry(key)?;
        self.unfile(&key, &row.packed.object());
        Some(Change { key: key.as_ref().clone(), old: Some(row.packed), new: None })
    }

    fn file(&mut self, key: &Arc<ObjectKey>, object: &Object) {
        for index in self.indexes {
            for text in (index.texts)(key, object) {
                let texts = self.found.entry(index.name).or_default();
                texts.entry(text.into()).or_default().insert(key.clone());
            }
        }
    }

    fn unfile(&mut self, key: &Arc<ObjectKey>, object: &Object) {
        for index in self.indexes {
            let Some(texts) = self.found.get_mut(index.name) else { continue };
            for text in (index.texts)(key, object) {
                if let Some(keys) = texts.get_mut(text.as_str()) {
                    keys.remove(key);
                    if keys.is_empty() {
                        texts.remove(text.as_str());
                    }
                }
            }
        }
    }
}
