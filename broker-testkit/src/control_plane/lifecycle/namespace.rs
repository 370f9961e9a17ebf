//! A namespace that is deleted takes everything in it along, and is gone when that is gone.

use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value;

/// Brings the deletion of a namespace on.
pub(super) fn reconcile(plane: &Plane, key: &ObjectKey) {
    let namespaces = TableId::of("", "namespaces");
    let Some(namespace) = plane.store.get(&namespaces, key) else { return };
    if !value::is_terminating(&namespace) {
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
                namespace,
                "NamespaceContentRemaining",
                "True",
                "SomeResourcesRemain",
                &message,
            );
        }
    });
}
