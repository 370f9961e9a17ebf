//! CRDs: established when they are there, gone when their objects are gone.

use serde_json::{Value, json};

use crate::control_plane::plane::Plane;
use crate::control_plane::registry::crds;
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, list, text};

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
    plane.modify(&crds(), key, |crd| {
        let names = value::at(crd, "/spec/names").clone();
        value::set(crd, &["status", "acceptedNames"], names);
        let storage = list(crd, "/spec/versions").iter().find(|version| version["storage"] == true);
        let storage = storage.map(|version| version["name"].clone());
        let mut stored = list(crd, "/status/storedVersions").to_vec();
        stored.extend(storage.filter(|version| !stored.contains(version)));
        value::set(crd, &["status", "storedVersions"], Value::Array(stored));
        value::set_condition(&plane.now(), crd, "NamesAccepted", "True", "NoConflicts", "no conflicts found");
        let message = "the initial names have been accepted";
        value::set_condition(&plane.now(), crd, "Established", "True", "InitialNamesAccepted", message);
    });
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
