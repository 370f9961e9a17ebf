//! Garbage collection: objects whose owners are gone go too.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::control_plane::machinery::apply::{self, Writer};
use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{Change, ChangeKind, ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, list, text};

type Place = (TableId, ObjectKey);

/// What an owner is to what it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is there to stay.
    Solid,
    /// It is not there.
    Absent,
    /// It is being deleted, after what it owns.
    Waiting,
}

/// Who owns whom, by uid, as seen in the changes so far.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    living: HashMap<String, Place>,
    dependents: HashMap<String, BTreeSet<Place>>,
}

impl Garbage {
    /// What is known of the objects that are there already.
    pub(super) fn of(plane: &Plane) -> Self {
        let mut known = Self::default();
        for table in plane.store.tables() {
            for (key, object) in plane.store.list(&table, &Scope::everything()).items {
                let here = (table.clone(), key);
                for owner in owners(&object) {
                    known.dependents.entry(owner.to_owned()).or_default().insert(here.clone());
                }
                known.living.insert(value::uid(&object).to_owned(), here);
            }
        }
        known
    }

    /// Takes note of a change, and deletes what it left without an owner.
    pub(super) fn observe(&mut self, plane: &Plane, change: &Change) {
        let object = &*change.object;
        let uid = value::uid(object).to_owned();
        let here = (change.table.clone(), change.key.clone());
        if let Some(previous) = &change.previous {
            for owner in owners(previous) {
                if let Some(places) = self.dependents.get_mut(owner) {
                    places.remove(&here);
                }
            }
        }
        if change.kind == ChangeKind::Deleted {
            self.living.remove(&uid);
            for (table, key) in self.dependents.get(&uid).cloned().unwrap_or_default() {
                self.collect(plane, &table, &key);
            }
            for owner in owners(object) {
                self.release(plane, owner);
            }
            return;
        }
        self.living.insert(uid.clone(), here.clone());
        for owner in owners(object) {
            self.dependents.entry(owner.to_owned()).or_default().insert(here.clone());
        }
        self.collect(plane, &change.table, &change.key);
        if value::is_terminating(object) {
            self.release(plane, &uid);
        }
    }

    /// Deletes an object all of whose owners are gone or wait for it; of an object with others too, forgets those.
    fn collect(&self, plane: &Plane, table: &TableId, key: &ObjectKey) {
        let Some(object) = plane.store.get(table, key) else { return };
        if owners(&object).next().is_none() || value::is_terminating(&object) {
            return;
        }
        let states: Vec<(&str, State)> =
            owners(&object).map(|uid| (uid, self.state_of(plane, key, uid))).collect();
        let has = |state: State| states.iter().any(|(_, found)| *found == state);
        if has(State::Solid) {
            let others = states.iter().filter(|(_, state)| *state != State::Solid);
            let others: Vec<&str> = others.map(|(uid, _)| *uid).collect();
            if !others.is_empty() {
                modify(plane, table, key, |object| disown(object, &others));
            }
        } else if has(State::Waiting) && self.has_dependents(value::uid(&object)) {
            plane.begin_deletion(table, key, Some("foregroundDeletion"));
        } else {
            plane.begin_deletion(table, key, None);
        }
    }

    /// What an object's owner is to it.
    fn state_of(&self, plane: &Plane, dependent: &ObjectKey, owner: &str) -> State {
        let found = self.living.get(owner).filter(|(_, key)| {
            key.cluster == dependent.cluster
                && (key.namespace.is_empty() || key.namespace == dependent.namespace)
        });
        let Some(owner) = found.and_then(|(table, key)| plane.store.get(table, key)) else {
            return State::Absent;
        };
        let waits = value::is_terminating(&owner)
            && value::finalizers(&owner).iter().any(|finalizer| finalizer == "foregroundDeletion");
        if waits { State::Waiting } else { State::Solid }
    }

    fn has_dependents(&self, uid: &str) -> bool {
        self.dependents.get(uid).is_some_and(|places| !places.is_empty())
    }

    /// Lets go an object that waits for its dependents: because they are gone, or because they shall stay.
    fn release(&self, plane: &Plane, uid: &str) {
        let Some((table, key)) = self.living.get(uid) else { return };
        let Some(object) = plane.store.get(table, key) else { return };
        if !value::is_terminating(&object) {
            return;
        }
        let finalizers = value::finalizers(&object);
        let waits = |finalizer: &str| finalizers.iter().any(|f| f == finalizer);
        let places = self.dependents.get(uid).cloned().unwrap_or_default();
        if waits("orphan") {
            for (table, key) in &places {
                modify(plane, table, key, |dependent| disown(dependent, &[uid]));
            }
            drop_finalizer(plane, table, key, "orphan");
        }
        if waits("foregroundDeletion") {
            for (table, key) in &places {
                self.collect(plane, table, key);
            }
            let blocked = places.iter().any(|(table, key)| {
                plane.store.get(table, key).is_some_and(|dependent| blocks(&dependent, uid))
            });
            if !blocked {
                drop_finalizer(plane, table, key, "foregroundDeletion");
            }
        }
    }
}

fn owners(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "/metadata/ownerReferences").iter().map(|owner| text(owner, "/uid"))
}

fn blocks(dependent: &Value, uid: &str) -> bool {
    list(dependent, "/metadata/ownerReferences")
        .iter()
        .any(|owner| text(owner, "/uid") == uid && owner["blockOwnerDeletion"] == true)
}

fn disown(dependent: &mut Value, uids: &[&str]) {
    let left: Vec<Value> = list(dependent, "/metadata/ownerReferences")
        .iter()
        .filter(|owner| !uids.contains(&text(owner, "/uid")))
        .cloned()
        .collect();
    if left.is_empty() {
        value::remove(dependent, &["metadata", "ownerReferences"]);
    } else {
        value::set(dependent, &["metadata", "ownerReferences"], Value::Array(left));
    }
}

/// Changes an object as the collector: what it removes, nobody owns any more.
fn modify(plane: &Plane, table: &TableId, key: &ObjectKey, change: impl Fn(&mut Value)) {
    let served = plane.catalog.served(&key.cluster);
    let definition = served.find_any(&table.group, &table.resource);
    plane.modify(table, key, |object| {
        let live = object.clone();
        change(object);
        let Some(definition) = definition else { return };
        let now = plane.now();
        let writer = Writer {
            manager: "kube-controller-manager",
            api_version: definition.api_version(),
            subresource: "",
            now: &now,
            status_subresource: definition.status,
        };
        apply::record_update(Some(&live), object, &definition.schema, writer);
    });
}

fn drop_finalizer(plane: &Plane, table: &TableId, key: &ObjectKey, finalizer: &str) {
    modify(plane, table, key, |object| {
        let left: Vec<String> = value::finalizers(object).into_iter().filter(|f| f != finalizer).collect();
        value::set_finalizers(object, &left);
    });
}
