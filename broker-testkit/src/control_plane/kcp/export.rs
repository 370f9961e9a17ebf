//! Exports: an identity, and the endpoint slice by which their virtual workspaces are found.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{names, workspace};
use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{ObjectKey, Scope};
use crate::control_plane::value::{self, text};

/// Brings an export on.
pub(crate) fn reconcile(plane: &Plane, key: &ObjectKey) {
    let Some(export) = plane.store.get(&names::exports(), key) else {
        plane.begin_deletion(&names::endpoint_slices(), key, None);
        return;
    };
    if text(&export, "/status/identityHash").is_empty() {
        let hash = value::hash(&plane.surroundings.uuid().to_string(), 32);
        plane.modify(&names::exports(), key, |export| {
            let secret = json!({"namespace": "kcp-system", "name": key.name});
            value::set(export, &["spec", "identity", "secretRef"], secret);
            value::set(export, &["status", "identityHash"], json!(hash));
            value::set_condition(&plane.now(), export, "IdentityValid", "True", "", "");
        });
    }
    if plane.store.get(&names::endpoint_slices(), key).is_none() {
        let mut slice = plane.fresh("apis.kcp.io/v1alpha1", "APIExportEndpointSlice", key, true);
        let path = workspace::path_of(plane, &key.cluster);
        value::set(&mut slice, &["spec", "export"], json!({"name": key.name, "path": path}));
        let owner = json!({
            "apiVersion": "apis.kcp.io/v1alpha1",
            "kind": "APIExport",
            "name": key.name,
            "uid": value::uid(&export),
        });
        value::set(&mut slice, &["metadata", "ownerReferences"], json!([owner]));
        // Made by hand in between: then that one is brought on.
        plane.create(&names::endpoint_slices(), key.clone(), slice).ok();
    }
    reconcile_slices(plane, key);
}

/// Writes the virtual workspace's URL into the export's slices once somebody bound it.
pub(crate) fn reconcile_slices(plane: &Plane, export: &ObjectKey) {
    let shards = shards_of_bindings(plane, export);
    let exists = plane.store.get(&names::exports(), export).is_some();
    for (key, slice) in plane.store.list(&names::endpoint_slices(), &Scope::default()).items {
        if !refers_to(plane, &key, &slice, export) {
            continue;
        }
        plane.modify(&names::endpoint_slices(), &key, |slice| {
            let urls: Vec<Value> = shards
                .iter()
                .map(|shard| plane.shards.url(shard.as_deref(), &plane.url))
                .map(|at| json!({"url": format!("{at}/services/apiexport/{}/{}", export.cluster, export.name)}))
                .collect();
            if !urls.is_empty() && exists {
                value::set(slice, &["status", "endpoints"], json!(urls));
            } else {
                value::remove(slice, &["status", "endpoints"]);
            }
            let (status, reason) = if exists { ("True", "") } else { ("False", "APIExportNotFound") };
            value::set_condition(&plane.now(), slice, "APIExportValid", status, reason, "");
            value::set_condition(&plane.now(), slice, "PartitionValid", "True", "", "");
        });
    }
}

fn refers_to(plane: &Plane, key: &ObjectKey, slice: &Value, export: &ObjectKey) -> bool {
    if text(slice, "/spec/export/name") != &*export.name {
        return false;
    }
    match text(slice, "/spec/export/path") {
        "" => key.cluster == export.cluster,
        path => super::door::resolve(plane, path).is_some_and(|cluster| cluster == *export.cluster),
    }
}

/// The shards with clusters that bind the export.
fn shards_of_bindings(plane: &Plane, export: &ObjectKey) -> BTreeSet<Option<String>> {
    let all = plane.store.list(&names::bindings(), &Scope::default());
    all.items
        .iter()
        .filter(|(_, binding)| {
            text(binding, "/status/apiExportClusterName") == &*export.cluster
                && text(binding, "/spec/reference/export/name") == &*export.name
        })
        .map(|(key, _)| plane.shards.of(&key.cluster))
        .collect()
}
