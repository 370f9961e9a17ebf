//! Bindings: what an export serves becomes served in the binding's cluster, under the export's identity.

use serde_json::{Value, json};

use super::claims::{self, same_claim};
use super::rules::BINDING_FINALIZER;
use super::{door, export, names};
use crate::control_plane::plane::Plane;
use crate::control_plane::registry::crds;
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, list, text};

/// Brings a binding on.
pub(crate) fn reconcile(plane: &Plane, key: &ObjectKey) {
    let Some(binding) = plane.store.get(&names::bindings(), key) else { return };
    if value::is_terminating(&binding) {
        end(plane, key, &binding);
        return;
    }
    let name = text(&binding, "/spec/reference/export/name");
    let home = claims::referenced_cluster(plane, &key.cluster, &binding);
    let export = home.as_deref().and_then(|home| {
        plane.store.get(&names::exports(), &ObjectKey::new(home, "", name)).map(|export| (home, export))
    });
    let Some((home, export)) = export else {
        let path = text(&binding, "/spec/reference/export/path");
        let message = format!("APIExport {path}|{name} not found");
        invalid(plane, key, "APIExportNotFound", &message);
        return;
    };
    let identity = text(&export, "/status/identityHash");
    if identity.is_empty() {
        invalid(plane, key, "IdentityNotReady", "APIExport identity is not known yet");
        return;
    }
    let mut bound = Vec::new();
    for resource in list(&export, "/spec/resources") {
        match bind(plane, home, identity, resource, key) {
            Ok(entry) => bound.push(entry),
            Err(refused) => {
                refuse(plane, key, home, &refused);
                return;
            }
        }
    }
    complete(plane, key, home, &export, &bound);
    export::reconcile_slices(plane, &ObjectKey::new(home, "", name));
    relabel(plane, &key.cluster, &binding);
}

/// Why a resource cannot be bound.
struct Refused {
    condition: &'static str,
    reason: &'static str,
    message: String,
}

fn bind(
    plane: &Plane,
    home: &str,
    identity: &str,
    resource: &Value,
    key: &ObjectKey,
) -> Result<Value, Refused> {
    let (group, plural) = (text(resource, "/group"), text(resource, "/name"));
    let name = text(resource, "/schema");
    let Some(schema) = plane.store.get(&names::schemas(), &ObjectKey::new(home, "", name)) else {
        return Err(Refused {
            condition: "APIExportValid",
            reason: "InternalError",
            message: format!("Associated APIResourceSchema {home}|{name} not found"),
        });
    };
    let scope = Scope::cluster(&key.cluster);
    let taken = plane
        .store
        .list(&crds(), &scope)
        .items
        .iter()
        .any(|(_, crd)| text(crd, "/spec/group") == group && text(crd, "/spec/names/plural") == plural)
        || plane.store.list(&names::bindings(), &scope).items.iter().any(|(other, binding)| {
            other != key
                && list(binding, "/status/boundResources")
                    .iter()
                    .any(|r| text(r, "/group") == group && text(r, "/resource") == plural)
        });
    if taken {
        return Err(Refused {
            condition: "BindingUpToDate",
            reason: "NamingConflicts",
            message: format!("naming conflict: {plural}.{group} is served already"),
        });
    }
    let uid = value::uid(&schema);
    // The kind stays served when its schema goes.
    plane.create(&names::bound_schemas(), ObjectKey::new("", "", uid), Value::clone(&schema)).ok();
    let versions: Vec<&str> = list(&schema, "/spec/versions")
        .iter()
        .filter(|version| version["storage"] == true)
        .map(|version| text(version, "/name"))
        .collect();
    Ok(json!({
        "group": group,
        "resource": plural,
        "schema": {"name": name, "UID": uid, "identityHash": identity},
        "storageVersions": versions,
    }))
}

fn complete(plane: &Plane, key: &ObjectKey, home: &str, export: &Value, bound: &[Value]) {
    let asked = list(export, "/spec/permissionClaims");
    plane.modify(&names::bindings(), key, |binding| {
        let applied: Vec<Value> = list(binding, "/spec/permissionClaims")
            .iter()
            .filter(|claim| claim["state"] == "Accepted")
            .filter(|claim| asked.iter().any(|other| same_claim(other, claim)))
            .map(|claim| {
                let mut claim = claim.clone();
                value::remove(&mut claim, &["state"]);
                claim
            })
            .collect();
        let unknown: Vec<&str> = list(binding, "/spec/permissionClaims")
            .iter()
            .filter(|claim| !asked.iter().any(|other| same_claim(other, claim)))
            .map(|claim| text(claim, "/resource"))
            .collect();
        let unknown = unknown.join(", ");
        value::set(binding, &["status", "apiExportClusterName"], json!(home));
        value::set(binding, &["status", "boundResources"], json!(bound));
        value::set(binding, &["status", "exportPermissionClaims"], json!(asked));
        value::set(binding, &["status", "appliedPermissionClaims"], json!(applied));
        value::set(binding, &["status", "phase"], json!("Bound"));
        for kind in
            ["APIExportValid", "BindingUpToDate", "InitialBindingCompleted", "PermissionClaimsApplied"]
        {
            value::set_condition(&plane.now(), binding, kind, "True", "", "");
        }
        if unknown.is_empty() {
            value::set_condition(&plane.now(), binding, "PermissionClaimsValid", "True", "", "");
        } else {
            let message = format!("unexpected/invalid permission claims: {unknown}");
            value::set_condition(
                &plane.now(),
                binding,
                "PermissionClaimsValid",
                "False",
                "InvalidPermissionClaims",
                &message,
            );
        }
        value::set_condition(&plane.now(), binding, "Ready", "True", "", "");
    });
}

fn invalid(plane: &Plane, key: &ObjectKey, reason: &str, message: &str) {
    plane.modify(&names::bindings(), key, |binding| {
        value::set_condition(&plane.now(), binding, "APIExportValid", "False", reason, message);
        value::set_condition(&plane.now(), binding, "Ready", "False", reason, message);
    });
}

fn refuse(plane: &Plane, key: &ObjectKey, home: &str, refused: &Refused) {
    plane.modify(&names::bindings(), key, |binding| {
        value::set(binding, &["status", "apiExportClusterName"], json!(home));
        value::set_condition(
            &plane.now(),
            binding,
            refused.condition,
            "False",
            refused.reason,
            &refused.message,
        );
        value::set_condition(&plane.now(), binding, "Ready", "False", refused.reason, &refused.message);
    });
}

/// A binding goes when the objects it brought are gone.
fn end(plane: &Plane, key: &ObjectKey, binding: &Value) {
    let mut left = 0;
    for resource in list(binding, "/status/boundResources") {
        let identity = text(resource, "/schema/identityHash");
        let table = TableId::bound(text(resource, "/group"), text(resource, "/resource"), identity);
        let scope = Scope::cluster(&key.cluster);
        for (key, object) in plane.store.list(&table, &scope).items {
            if !value::is_terminating(&object) {
                plane.begin_deletion(&table, &key, None);
            }
        }
        left += plane.store.count(&table, &scope);
    }
    plane.modify(&names::bindings(), key, |binding| {
        if left == 0 {
            let rest: Vec<String> =
                value::finalizers(binding).into_iter().filter(|f| f != BINDING_FINALIZER).collect();
            value::set_finalizers(binding, &rest);
        } else {
            let message = format!("Some content in the workspace remains: {left} resource instances");
            value::set_condition(
                &plane.now(),
                binding,
                "BindingResourceDeleteSuccess",
                "False",
                "SomeResourcesRemain",
                &message,
            );
        }
    });
}

/// After a binding is gone: its claims end, and the export may have no user left.
pub(crate) fn gone(plane: &Plane, key: &ObjectKey, binding: &Value) {
    relabel(plane, &key.cluster, binding);
    let home = text(binding, "/status/apiExportClusterName");
    let name = text(binding, "/spec/reference/export/name");
    if !home.is_empty() {
        export::reconcile_slices(plane, &ObjectKey::new(home, "", name));
    }
}

/// Brings the labels of visibility of a cluster's claimed objects up to date.
fn relabel(plane: &Plane, cluster: &str, binding: &Value) {
    let claimed: Vec<TableId> = list(binding, "/spec/permissionClaims")
        .iter()
        .map(|claim| {
            TableId::bound(text(claim, "/group"), text(claim, "/resource"), text(claim, "/identityHash"))
        })
        .collect();
    for table in claimed {
        for (key, _) in plane.store.list(&table, &Scope::cluster(cluster)).items {
            // Every write brings the labels up to date; this one changes nothing else.
            plane.modify(&table, &key, |_| {});
        }
    }
}

/// All bindings to an export, by path or by what they were bound to.
pub(crate) fn of_export(plane: &Plane, export: &ObjectKey) -> Vec<ObjectKey> {
    let all = plane.store.list(&names::bindings(), &Scope::default());
    all.items
        .iter()
        .filter(|(key, binding)| {
            text(binding, "/spec/reference/export/name") == &*export.name
                && match text(binding, "/spec/reference/export/path") {
                    "" => key.cluster == export.cluster,
                    path => door::resolve(plane, path).is_some_and(|found| found == *export.cluster),
                }
        })
        .map(|(key, _)| key.clone())
        .collect()
}
