//! CRDs: established when they have their names, gone when their objects are gone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::control_plane::plane::Plane;
use crate::control_plane::registry::{Origin, crds};
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, list, text, texts};

const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Brings a CRD on.
pub(super) fn reconcile(plane: &Plane, key: &ObjectKey) {
    let Some(crd) = plane.store.get(&crds(), key) else { return };
    if value::is_terminating(&crd) {
        end(plane, key, &crd);
        return;
    }
    // As with the real server, whose caches begin with the definition.
    let created = text(&crd, "/metadata/resourceVersion").parse().unwrap_or(0);
    plane.store.open(&TableId::of(text(&crd, "/spec/group"), text(&crd, "/spec/names/plural")), created);
    let taken = Taken::by_others(plane, key, text(&crd, "/spec/group"));
    plane.modify(&crds(), key, |crd| {
        let (names, conflict) = taken.accept(crd);
        value::set(crd, &["status", "acceptedNames"], names);
        let storage = list(crd, "/spec/versions").iter().find(|version| version["storage"] == true);
        let storage = storage.map(|version| version["name"].clone());
        let mut stored = list(crd, "/status/storedVersions").to_vec();
        stored.extend(storage.filter(|version| !stored.contains(version)));
        value::set(crd, &["status", "storedVersions"], Value::Array(stored));
        let now = plane.now();
        if let Some((reason, message)) = conflict {
            value::set_condition(&now, crd, "NamesAccepted", "False", reason, &message);
            // What was served once goes on being served.
            if !value::condition_is_true(crd, "Established") {
                let message = "not all names are accepted";
                value::set_condition(&now, crd, "Established", "False", "NotAccepted", message);
            }
            return;
        }
        value::set_condition(&now, crd, "NamesAccepted", "True", "NoConflicts", "no conflicts found");
        let message = "the initial names have been accepted";
        value::set_condition(&now, crd, "Established", "True", "InitialNamesAccepted", message);
    });
}

/// Brings those CRDs of a cluster on that wait for names of others.
pub(super) fn reconcile_waiting(plane: &Plane, cluster: &str) {
    for (key, crd) in plane.store.list(&crds(), &Scope::cluster(cluster)).items {
        let accepted = value::condition_is_true(&crd, "NamesAccepted");
        if !accepted && !list(&crd, "/status/conditions").is_empty() {
            reconcile(plane, &key);
        }
    }
}

/// The names that the kinds of a group have already.
struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// By the other CRDs of a cluster, and by what it binds.
    fn by_others(plane: &Plane, key: &ObjectKey, group: &str) -> Self {
        let mut taken = Self { resources: BTreeSet::new(), kinds: BTreeSet::new() };
        for (other, crd) in plane.store.list(&crds(), &Scope::cluster(&key.cluster)).items {
            if other != *key && text(&crd, "/spec/group") == group {
                taken.add(value::at(&crd, "/status/acceptedNames"));
            }
        }
        for definition in plane.catalog.served(&key.cluster).all() {
            if definition.origin == Origin::Bound && definition.group == group {
                taken.resources.extend([definition.plural.clone(), definition.singular.clone()]);
                taken.resources.extend(definition.short_names.iter().cloned());
                taken.kinds.extend([definition.kind.clone(), definition.list_kind.clone()]);
            }
        }
        taken
    }

    fn add(&mut self, names: &Value) {
        let of = |field: &str| text(names, field).to_owned();
        self.resources.extend([of("/plural"), of("/singular")]);
        self.resources.extend(texts(names, "/shortNames").map(str::to_owned));
        self.kinds.extend([of("/kind"), of("/listKind")]);
    }

    /// Which of its names a CRD gets, those it has included, and what is in the way of the others: of several things the
    /// last.
    fn accept(&self, crd: &Value) -> (Value, Option<(&'static str, String)>) {
        let asked = value::at(crd, "/spec/names");
        let mut accepted = value::at(crd, "/status/acceptedNames").clone();
        let mut conflict = None;
        let in_use = |name: &str| format!("{name:?} is already in use");
        for (field, reason, taken) in [
            ("plural", "PluralConflict", &self.resources),
            ("singular", "SingularConflict", &self.resources),
            ("shortNames", "ShortNamesConflict", &self.resources),
            ("kind", "KindConflict", &self.kinds),
            ("listKind", "ListKindConflict", &self.kinds),
        ] {
            let wanted = value::at(asked, &format!("/{field}"));
            let mine = value::at(&accepted, &format!("/{field}"));
            let names = wanted.as_array().map_or(std::slice::from_ref(wanted), Vec::as_slice);
            let mine = mine.as_array().map_or(std::slice::from_ref(mine), Vec::as_slice);
            let missing: Vec<String> = names
                .iter()
                .filter(|name| !mine.contains(name))
                .filter_map(Value::as_str)
                .filter(|name| taken.contains(*name))
                .map(in_use)
                .collect();
            if !missing.is_empty() {
                let all = missing.join(", ");
                conflict = Some((reason, if missing.len() > 1 { format!("[{all}]") } else { all }));
            } else if !wanted.is_null() {
                value::set(&mut accepted, &[field], wanted.clone());
            }
        }
        for field in ["plural", "kind"] {
            if text(&accepted, &format!("/{field}")).is_empty() {
                value::set(&mut accepted, &[field], json!(""));
            }
        }
        match asked.get("categories") {
            Some(categories) => value::set(&mut accepted, &["categories"], categories.clone()),
            None => value::remove(&mut accepted, &["categories"]),
        }
        (accepted, conflict)
    }
}

fn end(plane: &Plane, key: &ObjectKey, crd: &Value) {
    let table = TableId::of(text(crd, "/spec/group"), text(crd, "/spec/names/plural"));
    let scope = Scope::cluster(&key.cluster);
    for (key, object) in plane.store.list(&table, &scope).items {
        if !value::is_terminating(&object) {
            plane.begin_deletion(&table, &key, None);
        }
    }
    let left = plane.store.count(&table, &scope);
    plane.modify(&crds(), key, |crd| {
        if left == 0 {
            let rest: Vec<String> = value::finalizers(crd).into_iter().filter(|f| f != FINALIZER).collect();
            value::set_finalizers(crd, &rest);
        } else {
            let message = json!(format!("{left} instances remain")).to_string();
            value::set_condition(
                &plane.now(),
                crd,
                "Terminating",
                "True",
                "InstanceDeletionInProgress",
                &message,
            );
        }
    });
}
