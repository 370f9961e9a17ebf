//! Workspaces: each gets a logical cluster, and takes it along when it goes.

use serde_json::{Value, json};

use super::rules::{OWNER, WORKSPACE_FINALIZER};
use super::{names, types};
use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{CommitError, ObjectKey, Scope, TableId};
use crate::control_plane::value::{self, text};

/// The finalizer of a logical cluster that still has objects in it.
const CONTENT_FINALIZER: &str = "core.kcp.io/logicalcluster-deletion";

/// The label with the phase of a workspace.
const PHASE: &str = "tenancy.kcp.io/phase";

/// Makes a logical cluster: its object, its first namespaces.
fn found(plane: &Plane, cluster: &str, path: &str, type_: &str, owner: Option<&Value>) {
    let key = names::logical_cluster(cluster);
    let mut object = plane.fresh("core.kcp.io/v1alpha1", "LogicalCluster", &key, true);
    value::set_annotation(&mut object, names::PATH, path);
    value::set_annotation(&mut object, types::TYPE, type_);
    value::set(&mut object, &["spec"], json!({"directlyDeletable": false}));
    if let Some(owner) = owner {
        value::set(&mut object, &["spec", "owner"], owner.clone());
        value::set_finalizers(&mut object, &[CONTENT_FINALIZER.to_owned()]);
    }
    let url = format!("{}/clusters/{cluster}", plane.url);
    value::set(&mut object, &["status"], json!({"phase": "Ready", "URL": url}));
    value::set_label(&mut object, PHASE, "Ready");
    value::set_condition(&plane.now(), &mut object, "WorkspaceInitialized", "True", "", "");
    ignore_exists(plane.create(&names::logical_clusters(), key, object));
    for name in ["default", "kube-system"] {
        let key = ObjectKey::new(cluster, "", name);
        let mut namespace = plane.fresh("v1", "Namespace", &key, false);
        value::set_label(&mut namespace, "kubernetes.io/metadata.name", name);
        value::set(&mut namespace, &["spec", "finalizers"], json!(["kubernetes"]));
        value::set(&mut namespace, &["status"], json!({"phase": "Active"}));
        ignore_exists(plane.create(&TableId::of("", "namespaces"), key, namespace));
    }
}

/// Whoever made a workspace administers it.
fn hand_over(plane: &Plane, cluster: &str, owner: &str) {
    let Ok(owner) = serde_json::from_str::<Value>(owner) else { return };
    let key = ObjectKey::new(cluster, "", "workspace-admin");
    let group = "rbac.authorization.k8s.io";
    let mut binding = plane.fresh(&format!("{group}/v1"), "ClusterRoleBinding", &key, false);
    let role = json!({"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"});
    value::set(&mut binding, &["roleRef"], role);
    let subject = json!({"apiGroup": group, "kind": "User", "name": text(&owner, "/username")});
    value::set(&mut binding, &["subjects"], json!([subject]));
    ignore_exists(plane.create(&TableId::of(group, "clusterrolebindings"), key, binding));
}

// The only other way to fail; whoever made the object made what was wanted.
fn ignore_exists<T>(result: Result<T, CommitError>) {
    result.ok();
}

/// Brings a workspace on: a cluster of its own, or its end.
pub(crate) fn reconcile(plane: &Plane, key: &ObjectKey) {
    let Some(workspace) = plane.store.get(&names::workspaces(), key) else { return };
    let cluster = text(&workspace, "/spec/cluster");
    if value::is_terminating(&workspace) {
        let below = names::logical_cluster(cluster);
        if !cluster.is_empty() && plane.store.get(&names::logical_clusters(), &below).is_some() {
            plane.begin_deletion(&names::logical_clusters(), &below, None);
            plane.modify(&names::workspaces(), key, |workspace| {
                value::set_label(workspace, PHASE, "Deleting");
            });
            return;
        }
        plane.modify(&names::workspaces(), key, |workspace| {
            let left: Vec<String> =
                value::finalizers(workspace).into_iter().filter(|f| f != WORKSPACE_FINALIZER).collect();
            value::set_finalizers(workspace, &left);
        });
        return;
    }
    if text(&workspace, "/status/phase") == "Ready" {
        return;
    }
    let cluster = if cluster.is_empty() { new_id(plane) } else { cluster.to_owned() };
    let owner = json!({
        "apiVersion": "tenancy.kcp.io/v1alpha1",
        "resource": "workspaces",
        "name": key.name,
        "cluster": key.cluster,
        "uid": value::uid(&workspace),
    });
    let path = format!("{}:{}", path_of(plane, &key.cluster), key.name);
    plane.shards.settle(&key.name, &cluster);
    found(plane, &cluster, &path, &types::remembered(&workspace), Some(&owner));
    if let Some(user) = value::annotation(&workspace, OWNER) {
        hand_over(plane, &cluster, user);
    }
    let url = format!("{}/clusters/{path}", plane.url);
    plane.modify(&names::workspaces(), key, |workspace| {
        value::set(workspace, &["spec", "cluster"], json!(cluster));
        value::set(workspace, &["spec", "URL"], json!(url));
        value::set(workspace, &["status", "phase"], json!("Ready"));
        value::set_condition(&plane.now(), workspace, "WorkspaceScheduled", "True", "", "");
        value::set_condition(&plane.now(), workspace, "WorkspaceInitialized", "True", "", "");
        value::set_annotation(workspace, "internal.tenancy.kcp.io/cluster", &cluster);
        value::set_label(workspace, PHASE, "Ready");
    });
}

/// Ends a logical cluster: everything in it first, then itself.
pub(crate) fn reconcile_logical_cluster(plane: &Plane, cluster: &str) {
    let key = names::logical_cluster(cluster);
    let Some(object) = plane.store.get(&names::logical_clusters(), &key) else { return };
    if !value::is_terminating(&object) {
        return;
    }
    let mut left = 0;
    for table in plane.store.tables() {
        if table == names::logical_clusters() {
            continue;
        }
        for (key, object) in plane.store.list(&table, &Scope::cluster(cluster)).items {
            if !value::is_terminating(&object) {
                plane.begin_deletion(&table, &key, None);
            }
        }
        left += plane.store.count(&table, &Scope::cluster(cluster));
    }
    if left > 0 {
        plane.modify(&names::logical_clusters(), &key, |object| {
            value::set_label(object, PHASE, "Deleting");
            let message = format!("Some content in the logical cluster remains: {left} objects");
            value::set_condition(
                &plane.now(),
                object,
                "WorkspaceContentDeleted",
                "False",
                "SomeResourcesRemain",
                &message,
            );
        });
        return;
    }
    plane.modify(&names::logical_clusters(), &key, |object| value::set_finalizers(object, &[]));
}

/// The workspace a logical cluster belongs to, to be looked at when the cluster is gone.
pub(crate) fn owner(logical_cluster: &Value) -> Option<ObjectKey> {
    let owner = logical_cluster.pointer("/spec/owner")?;
    Some(ObjectKey::new(text(owner, "/cluster"), "", text(owner, "/name")))
}

/// The path of a cluster.
pub(crate) fn path_of(plane: &Plane, cluster: &str) -> String {
    let object = plane.store.get(&names::logical_clusters(), &names::logical_cluster(cluster));
    let path = object.as_deref().and_then(|object| value::annotation(object, names::PATH));
    path.unwrap_or(cluster).to_owned()
}

/// An id as kcp makes them: 16 lower-case letters and digits.
fn new_id(plane: &Plane) -> String {
    const ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut number = plane.surroundings.uuid().as_u128();
    let mut id = String::new();
    for _ in 0..16 {
        let digit = usize::try_from(number % 36).ok().and_then(|digit| ALPHABET.get(digit));
        id.push(char::from(digit.copied().unwrap_or(b'0')));
        number /= 36;
    }
    id
}

/// The root workspace, with which everything begins.
pub(crate) fn found_root(plane: &Plane) {
    found(plane, names::ROOT, names::ROOT, "root:root", None);
    types::found(plane);
}
