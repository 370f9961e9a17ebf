//! The doors: which cluster a URL means, who may go in, and what is seen from there.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::claims::{self, ExportView};
use super::names;
use crate::control_plane::error::{ApiError, Subject};
use crate::control_plane::plane::{Plane, ShardView, View};
use crate::control_plane::rbac::{self, Action, User};
use crate::control_plane::registry::{self, Definition, Served};
use crate::control_plane::storage::{ObjectKey, Scope, TableId};
use crate::control_plane::value::{list, text};
use crate::control_plane::wire::Target;

/// The id of the cluster that a path (`root:a:b`) or an id means.
pub(crate) fn resolve(plane: &Plane, path: &str) -> Option<String> {
    let mut parts = path.split(':');
    let first = parts.next()?;
    let mut cluster = first.to_owned();
    plane.store.get(&names::logical_clusters(), &names::logical_cluster(first))?;
    for name in parts {
        let workspace = plane.store.get(&names::workspaces(), &ObjectKey::new(&cluster, "", name))?;
        let below = text(&workspace, "/spec/cluster");
        if below.is_empty() {
            return None;
        }
        below.clone_into(&mut cluster);
    }
    Some(cluster)
}

/// The cluster whose roles say what counts before a door is entered; none where that is more than one.
pub(crate) fn cluster_of(plane: &Plane, target: &Target) -> Option<String> {
    match target {
        Target::Plain => Some(names::ROOT.to_owned()),
        Target::Cluster(path) => resolve(plane, path),
        Target::AllClusters => None,
        Target::Export { cluster, .. } => resolve(plane, cluster),
    }
}

/// Lets a user in through a door to do something, or refuses.
pub(crate) fn enter(
    plane: &Plane,
    target: &Target,
    user: &User,
    action: &Action<'_>,
) -> Result<View, ApiError> {
    match target {
        Target::Plain => {
            if !rbac::is_allowed(plane, names::ROOT, user, action) {
                return Err(rbac::refusal(user, action));
            }
            let served = plane.catalog.served(names::ROOT);
            Ok(View { served, cluster: Some(names::ROOT.into()), export: None, shard: None, plain: true })
        }
        Target::Cluster(path) => {
            if !path.split(':').all(is_name) {
                let why = format!("invalid cluster: {path:?} does not match the regex");
                return Err(ApiError::bad_request(why));
            }
            let Some(cluster) = resolve(plane, path) else { return Err(nowhere(path, user, action)) };
            authorize_in_workspace(plane, &cluster, user, action)?;
            let served = plane.catalog.served(&cluster);
            Ok(View { served, cluster: Some(cluster.into()), export: None, shard: None, plain: false })
        }
        Target::AllClusters => {
            if !user.is_master() {
                return Err(outside(user, action));
            }
            let served = Arc::new(Served::new(plane.catalog.builtin().to_vec()));
            Ok(View { served, cluster: None, export: None, shard: None, plain: false })
        }
        Target::Export { shard, cluster, export, within } => {
            let shard = ShardView { shards: Arc::clone(&plane.shards), name: shard.clone() };
            virtual_workspace(plane, shard, cluster, export, within.as_deref(), user, action)
        }
    }
}

/// Inside a workspace one must first be let in, then be allowed the action.
fn authorize_in_workspace(
    plane: &Plane,
    cluster: &str,
    user: &User,
    action: &Action<'_>,
) -> Result<(), ApiError> {
    // Who acts as a service account means the one of the workspace looked at.
    let at_home = match &user.home {
        Some(home) => home == cluster,
        None => user.name.starts_with("system:serviceaccount:"),
    };
    let access = Action::Path { verb: "access", path: "/" };
    let let_in = at_home || rbac::is_allowed(plane, cluster, user, &access);
    if let_in && rbac::is_allowed(plane, cluster, user, action) { Ok(()) } else { Err(outside(user, action)) }
}

/// Whether a part of a path, or an id, is spelt as they are.
fn is_name(part: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    part.len() <= 63
        && !part.is_empty()
        && part.chars().all(inner)
        && !part.starts_with('-')
        && !part.ends_with('-')
}

/// A path that leads nowhere is not found; an id that means nothing is refused, so that nobody can guess.
fn nowhere(path: &str, user: &User, action: &Action<'_>) -> ApiError {
    if path.contains(':') {
        ApiError::not_found(Subject { group: "tenancy.kcp.io", resource: "workspaces", name: path })
    } else {
        outside(user, action)
    }
}

fn outside(user: &User, action: &Action<'_>) -> ApiError {
    let mut error = rbac::refusal(user, action);
    error.message.push_str(": access denied");
    error
}

fn virtual_workspace(
    plane: &Plane,
    shard: ShardView,
    cluster: &str,
    export: &str,
    within: Option<&str>,
    user: &User,
    action: &Action<'_>,
) -> Result<View, ApiError> {
    let (verb, group, resource) = match action {
        Action::Resource { verb, group, resource, .. } => (*verb, *group, *resource),
        Action::Path { verb, .. } => (*verb, "", ""),
    };
    let content = Action::Resource {
        verb,
        group: "apis.kcp.io",
        resource: "apiexports",
        subresource: "content",
        namespace: "",
        name: export,
    };
    // On both sides of this door only ids count; the real one refuses paths too.
    let resolve =
        |id: &str| resolve(plane, id).filter(|_| !id.contains(':')).ok_or_else(|| outside(user, action));
    let cluster = resolve(cluster)?;
    authorize_in_workspace(plane, &cluster, user, &content).map_err(|_| outside(user, action))?;
    let about = Subject { group: "apis.kcp.io", resource: "apiexports", name: export };
    let object = plane
        .store
        .get(&names::exports(), &ObjectKey::new(&cluster, "", export))
        .ok_or_else(|| ApiError::not_found(about))?;
    let (served, view) = look(plane, &cluster, &object);
    let within = match within {
        None => None,
        Some(id) => Some(resolve(id).and_then(|id| {
            // What lives elsewhere is not here.
            let here = shard.shards.holds(shard.name.as_deref(), &id);
            if here { Ok(id) } else { Err(outside(user, action)) }
        })?),
    };
    if group == "apis.kcp.io" && resource == "apibindings" && !matches!(verb, "get" | "list" | "watch") {
        return Err(outside(user, action));
    }
    // Documents are about the export, whoever bound it.
    let binding_counts = matches!(action, Action::Resource { .. });
    if let Some(within) = within.as_ref().filter(|_| binding_counts) {
        // Seeing a kind at all is decided by the export, using it by the binding. What the export has nothing
        // to do with is refused before anybody asks whether there is such a kind.
        let found = served.find_any(group, resource);
        let claimed = found.is_some_and(|d| view.claims.contains_key(&d.table));
        let allowed = if found.is_none() || claims::binding_to(plane, within, &cluster, export).is_none() {
            false
        } else if claimed && !(group == "apis.kcp.io" && resource == "apibindings") {
            claims::accepted_claim(plane, &view, within, group, resource)
                .is_some_and(|claim| claims::covers(&claim, verb))
        } else {
            true
        };
        if !allowed {
            return Err(outside(user, action));
        }
    }
    Ok(View {
        served: Arc::new(served),
        cluster: within.map(Into::into),
        export: Some(Arc::new(view)),
        shard: Some(shard),
        plain: false,
    })
}

/// What an export shows: its own kinds, the claimed ones, and the bindings to it.
fn look(plane: &Plane, cluster: &str, export: &Value) -> (Served, ExportView) {
    let name = text(export, "/metadata/name").to_owned();
    let identity = text(export, "/status/identityHash");
    let mut definitions: Vec<Arc<Definition>> = Vec::new();
    let mut visible = HashMap::new();
    for resource in list(export, "/spec/resources") {
        definitions.extend(exported(plane, cluster, resource, identity));
    }
    for claim in list(export, "/spec/permissionClaims") {
        let (group, resource) = (text(claim, "/group"), text(claim, "/resource"));
        let found = match text(claim, "/identityHash") {
            "" => builtin(plane, group, resource),
            identity => by_identity(plane, identity, group, resource),
        };
        if let Some(first) = found.first() {
            visible.insert(first.table.clone(), claims::visible(cluster, &name, claim));
        }
        definitions.extend(found);
    }
    if !visible.contains_key(&names::bindings()) {
        let bindings = builtin(plane, "apis.kcp.io", "apibindings");
        definitions.extend(bindings.into_iter().map(|bindings| {
            Arc::new(Definition {
                verbs: registry::READ_VERBS,
                status: false,
                ..Definition::clone(&bindings)
            })
        }));
    }
    visible.insert(names::bindings(), claims::bindings_of(cluster, &name));
    (Served::new(definitions), ExportView { cluster: cluster.to_owned(), name, claims: visible })
}

fn builtin(plane: &Plane, group: &str, resource: &str) -> Vec<Arc<Definition>> {
    plane.catalog.builtin().iter().filter(|d| d.group == group && d.plural == resource).cloned().collect()
}

/// The definitions of one resource of an export.
pub(crate) fn exported(
    plane: &Plane,
    cluster: &str,
    resource: &Value,
    identity: &str,
) -> Vec<Arc<Definition>> {
    let key = ObjectKey::new(cluster, "", text(resource, "/schema"));
    let Some(schema) = plane.store.get(&names::schemas(), &key) else { return Vec::new() };
    plane.catalog.parse(&schema, identity, |schema| registry::from_api_resource_schema(schema, identity))
}

/// A kind that another export serves, named by that export's identity.
fn by_identity(plane: &Plane, identity: &str, group: &str, resource: &str) -> Vec<Arc<Definition>> {
    let table = TableId::bound(group, resource, identity);
    let exports = plane.store.list(&names::exports(), &Scope::default());
    exports
        .items
        .iter()
        .filter(|(_, export)| text(export, "/status/identityHash") == identity)
        .flat_map(|(key, export)| {
            list(export, "/spec/resources")
                .iter()
                .flat_map(|resource| exported(plane, &key.cluster, resource, identity))
                .collect::<Vec<_>>()
        })
        .filter(|definition| definition.table == table)
        .collect()
}
