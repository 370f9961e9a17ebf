//! Garbage collection: objects whose owners are gone go too.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{Change, ChangeKind, ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, list, text};

type Place = (TableId, ObjectKey);

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

    /// Deletes an object all of whose owners are gone.
    fn collect(&self, plane: &Plane, table: &TableId, key: &ObjectKey) {
        let Some(object) = plane.store.get(table, key) else { return };
        let mut owners = owners(&object).peekable();
        if owners.peek().is_none() || value::is_terminating(&object) {
            return;
        }
        let alive = |uid: &str| {
            self.living.get(uid).is_some_and(|(_, owner)| {
                owner.cluster == key.cluster
                    && (owner.namespace.is_empty() || owner.namespace == key.namespace)
            })
        };
        if !owners.any(alive) {
            plane.begin_deletion(table, key, None);
        }
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
                plane.modify(table, key, |dependent| disown(dependent, uid));
            }
            drop_finalizer(plane, table, key, "orphan");
        }
        if waits("foregroundDeletion") {
            for (table, key) in &places {
                let Some(dependent) = plane.store.get(table, key) else { continue };
                if !value::is_terminating(&dependent) {
                    plane.begin_deletion(table, key, Some("foregroundDeletion"));
                }
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

fn disown(dependent: &mut Value, uid: &str) {
    let left: Vec<Value> = list(dependent, "/metadata/ownerReferences")
        .iter()
        .filter(|owner| text(owner, "/uid") != uid)
        .cloned()
        .collect();
    if left.is_empty() {
        value::remove(dependent, &["metadata", "ownerReferences"]);
    } else {
        value::set(dependent, &["metadata", "ownerReferences"], Value::Array(left));
    }
}

fn drop_finalizer(plane: &Plane, table: &TableId, key: &ObjectKey, finalizer: &str) {
    plane.modify(table, key, |object| {
        let left: Vec<String> = value::finalizers(object).into_iter().filter(|f| f != finalizer).collect();
        value::set_finalizers(object, &left);
    });
}
