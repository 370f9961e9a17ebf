//! A namespace that is deleted takes everything in it along, and is gone when that is gone.

use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value;

/// What every namespace has from its beginning.
fn furnish(plane: &Plane, namespace: &ObjectKey) {
    let key = ObjectKey::new(&namespace.cluster, &namespace.name, "default");
    let accounts = TableId::of("", "serviceaccounts");
    if plane.store.get(&accounts, &key).is_none() {
        let account = plane.fresh("v1", "ServiceAccount", &key, false);
        // Somebody else may have made it meanwhile.
        plane.create(&accounts, key, account).ok();
    }
    let key = ObjectKey::new(&namespace.cluster, &namespace.name, "kube-root-ca.crt");
    let config_maps = TableId::of("", "configmaps");
    if plane.store.get(&config_maps, &key).is_none() {
        let mut authority = plane.fresh("v1", "ConfigMap", &key, false);
        value::set(&mut authority, &["data", "ca.crt"], serde_json::json!(plane.authority));
        plane.create(&config_maps, key, authority).ok();
    }
}

/// Furnishes a new namespace; brings the deletion of an old one on.
pub(super) fn reconcile(plane: &Plane, key: &ObjectKey) {
    let namespaces = TableId::of("", "namespaces");
    let Some(namespace) = plane.store.get(&namespaces, key) else { return };
    if !value::is_terminating(&namespace) {
        furnish(plane, key);
        return;
    }
    let scope = Scope::namespace(&key.cluster, &key.name);
    let mut left = 0;
    for table in plane.store.tables() {
        for (key, object) in plane.store.list(&table, &scope).items {
            if !value::is_terminating(&object) {
                plane.begin_deletion(&table, &key, None);
            }
        }
        left += plane.store.count(&table, &scope);
    }
    plane.modify(&namespaces, key, |namespace| {
        if left == 0 {
            value::set(namespace, &["spec", "finalizers"], serde_json::json!([]));
        } else {
            let message = format!("Some resources are remaining: {left} resource instances");
            value::set_condition(
                &plane.now(),
                namespace,
                "NamespaceContentRemaining",
                "True",
                "SomeResourcesRemain",
                &message,
            );
        }
    });
}
