//! The control plane's own controllers: what happens after a write without anybody asking.
//!
//! One task reads every change in order and brings the objects it concerns on. Each step is synchronous,
//! idempotent and derived from what is stored, so that the order of steps does not matter in the end.

mod aggregation;
mod crd;
mod garbage;
mod namespace;
mod secret;

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use self::garbage::Garbage;
use super::kcp::{binding, export, names, workspace};
use super::plane::Plane;
use super::registry::crds;
use super::storage::{Change, ChangeKind, ObjectKey, Scope};
use super::value::{self, list, text};

/// Runs the controllers until the control plane stops.
pub(crate) async fn run(
    plane: Arc<Plane>,
    mut feed: UnboundedReceiver<Arc<Change>>,
    stop: CancellationToken,
) {
    let mut garbage = Garbage::of(&plane);
    loop {
        let change = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            change = feed.recv() => match change {
                Some(change) => change,
                None => return,
            },
        };
        garbage.observe(&plane, &change);
        dispatch(&plane, &change);
    }
}

fn dispatch(plane: &Plane, change: &Change) {
    let key = &change.key;
    match (&*change.table.group, &*change.table.resource) {
        ("", "namespaces") => namespace::reconcile(plane, key),
        ("", "secrets") => secret::reconcile(plane, key),
        ("", "serviceaccounts") => secret::reconcile_namespace(plane, key),
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            crd::reconcile(plane, key);
            crd::reconcile_waiting(plane, &key.cluster);
        }
        ("rbac.authorization.k8s.io", "clusterroles") => aggregation::reconcile(plane, &key.cluster),
        ("tenancy.kcp.io", "workspaces") => workspace::reconcile(plane, key),
        ("core.kcp.io", "logicalclusters") => {
            workspace::reconcile_logical_cluster(plane, &key.cluster);
            if let Some(owner) = workspace::owner(&change.object) {
                workspace::reconcile(plane, &owner);
            }
        }
        ("apis.kcp.io", "apiexports") => {
            export::reconcile(plane, key);
            for binding in binding::of_export(plane, key) {
                binding::reconcile(plane, &binding);
            }
        }
        ("apis.kcp.io", "apiexportendpointslices") => slice(plane, change),
        ("apis.kcp.io", "apiresourceschemas") => {
            for (export, object) in plane.store.list(&names::exports(), &Scope::cluster(&key.cluster)).items {
                if list(&object, "/spec/resources").iter().any(|r| text(r, "/schema") == &*key.name) {
                    for binding in binding::of_export(plane, &export) {
                        binding::reconcile(plane, &binding);
                    }
                }
            }
        }
        ("apis.kcp.io", "apibindings") => {
            if change.kind == ChangeKind::Deleted {
                binding::gone(plane, key, &change.object);
                crd::reconcile_waiting(plane, &key.cluster);
            } else {
                binding::reconcile(plane, key);
            }
        }
        _ => {}
    }
    if change.kind == ChangeKind::Deleted {
        after_removal(plane, change);
    }
}

/// A slice made by hand is brought on with its export.
fn slice(plane: &Plane, change: &Change) {
    let path = text(&change.object, "/spec/export/path");
    let cluster = match path {
        "" => Some(change.key.cluster.to_string()),
        path => super::kcp::door::resolve(plane, path),
    };
    if let Some(cluster) = cluster {
        let name = text(&change.object, "/spec/export/name");
        export::reconcile_slices(plane, &ObjectKey::new(&cluster, "", name));
    }
}

/// What may have waited for the removed object.
fn after_removal(plane: &Plane, change: &Change) {
    let key = &change.key;
    let cluster = &key.cluster;
    if !key.namespace.is_empty() {
        namespace::reconcile(plane, &ObjectKey::new(cluster, "", &key.namespace));
    }
    let scope = Scope::cluster(cluster);
    for (crd, object) in plane.store.list(&crds(), &scope).items {
        if value::is_terminating(&object) {
            crd::reconcile(plane, &crd);
        }
    }
    for (binding, object) in plane.store.list(&names::bindings(), &scope).items {
        if value::is_terminating(&object) {
            binding::reconcile(plane, &binding);
        }
    }
    workspace::reconcile_logical_cluster(plane, cluster);
}
