//! Workspace types: which one a workspace is of, and where it may be.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{door, names, workspace};
use crate::control_plane::error::{ApiError, Subject};
use crate::control_plane::plane::Plane;
use crate::control_plane::storage::{Expected, ObjectKey};
use crate::control_plane::value::{self, list, text};

/// The annotation of a LogicalCluster with the path and name of its type.
pub(super) const TYPE: &str = "internal.tenancy.kcp.io/type";

/// A type, and where it is.
struct Type {
    /// Its workspace's path, and its name.
    qualified: String,
    object: Arc<Value>,
}

/// Makes the types that every kcp has.
pub(super) fn found(plane: &Plane) {
    let root = |name: &str| json!({"name": name, "path": names::ROOT});
    let extends = json!({"with": [root("universal")]});
    let types = [
        ("universal", json!({"initializer": true, "defaultChildWorkspaceType": root("universal")})),
        (
            "root",
            json!({
                "extend": extends, "defaultChildWorkspaceType": root("organization"),
                "limitAllowedParents": {"none": true},
            }),
        ),
        (
            "organization",
            json!({
                "extend": extends, "defaultChildWorkspaceType": root("universal"),
                "limitAllowedChildren": {"types": [root("universal")]},
                "limitAllowedParents": {"types": [root("root")]},
            }),
        ),
        (
            "team",
            json!({
                "extend": extends, "defaultChildWorkspaceType": root("universal"),
                "limitAllowedParents": {"types": [root("organization"), root("team")]},
            }),
        ),
        (
            "home",
            json!({
                "extend": extends, "defaultChildWorkspaceType": root("universal"),
                "limitAllowedParents": {"none": true},
            }),
        ),
    ];
    for (name, spec) in types {
        let key = ObjectKey::new(names::ROOT, "", name);
        let mut object = plane.fresh("tenancy.kcp.io/v1alpha1", "WorkspaceType", &key, true);
        value::set(&mut object, &["spec"], spec);
        // Nothing is there before the root.
        plane.store.commit(&names::workspace_types(), key, &Expected::Absent, Some(object)).ok();
    }
}

/// Completes a new workspace: it is of the type it names, or of that which its parent's type makes usual.
pub(super) fn complete(plane: &Plane, cluster: &str, object: &mut Value) -> Result<(), ApiError> {
    let refuse = |why: &str| forbidden(object, why);
    let (mut name, mut path) =
        (text(object, "/spec/type/name").to_owned(), text(object, "/spec/type/path").to_owned());
    if name.is_empty() {
        let parent = of_cluster(plane, cluster).ok_or_else(|| refuse("parent type cannot be resolved"))?;
        let usual = value::at(&parent.object, "/spec/defaultChildWorkspaceType");
        if usual.is_null() {
            let why =
                format!("spec.defaultChildWorkspaceType of workspace type {} must be set", parent.qualified);
            return Err(refuse(&why));
        }
        (name, path) = (text(usual, "/name").to_owned(), text(usual, "/path").to_owned());
    }
    let found =
        resolve(plane, &workspace::path_of(plane, cluster), &name, &path).map_err(|why| refuse(&why))?;
    if path.is_empty()
        && let Some((home, _)) = found.qualified.rsplit_once(':')
    {
        home.clone_into(&mut path);
    }
    value::set(object, &["spec", "type"], json!({"name": name, "path": path}));
    for (label, content) in found
        .object
        .pointer("/spec/additionalWorkspaceLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if value::label(object, label).is_none() {
            value::set_label(object, label, content.as_str().unwrap_or_default());
        }
    }
    Ok(())
}

/// Refuses a workspace where its type, or its parent's, does not want it.
pub(super) fn check_place(plane: &Plane, cluster: &str, object: &Value) -> Result<(), ApiError> {
    let refuse = |why: &str| forbidden(object, why);
    let (name, path) = (text(object, "/spec/type/name"), text(object, "/spec/type/path"));
    let child = resolve(plane, cluster, name, path).map_err(|why| refuse(&why))?;
    let parent = of_cluster(plane, cluster).ok_or_else(|| refuse("workspace type cannot be resolved"))?;
    let (children, parents) = (with_bases(plane, child), with_bases(plane, parent));
    let parent_limits = limits(&children, &parents, "Parents", "parent");
    let child_limits = limits(&parents, &children, "Children", "child");
    match parent_limits.or(child_limits) {
        Some(why) => Err(refuse(&why)),
        None => Ok(()),
    }
}

/// The names that no type may have.
pub(super) fn check_name(object: &Value) -> Result<(), ApiError> {
    let name = value::name(object);
    if matches!(name, "any" | "system") {
        let about = Subject { group: "tenancy.kcp.io", resource: "workspacetypes", name };
        let why = format!("metadata.name: Invalid value: {name:?}: name is reserved");
        return Err(ApiError::forbidden(about, &why));
    }
    Ok(())
}

/// What a new logical cluster remembers of the workspace it is made for.
pub(super) fn remembered(workspace: &Value) -> String {
    format!("{}:{}", text(workspace, "/spec/type/path"), text(workspace, "/spec/type/name"))
}

fn forbidden(object: &Value, why: &str) -> ApiError {
    let about = Subject { group: "tenancy.kcp.io", resource: "workspaces", name: value::name(object) };
    ApiError::forbidden(about, why)
}

fn of_cluster(plane: &Plane, cluster: &str) -> Option<Type> {
    let logical = plane.store.get(&names::logical_clusters(), &names::logical_cluster(cluster))?;
    let (path, name) = value::annotation(&logical, TYPE)?.rsplit_once(':')?;
    get(plane, path, name)
}

fn get(plane: &Plane, path: &str, name: &str) -> Option<Type> {
    let cluster = door::resolve(plane, path)?;
    let object = plane.store.get(&names::workspace_types(), &ObjectKey::new(&cluster, "", name))?;
    Some(Type { qualified: format!("{}:{name}", workspace::path_of(plane, &cluster)), object })
}

/// The type of a reference; without a path it is looked for from `here` up, at last in the root.
fn resolve(plane: &Plane, here: &str, name: &str, path: &str) -> Result<Type, String> {
    if !path.is_empty() {
        return get(plane, path, name).ok_or_else(|| {
            format!("Internal error occurred: workspacetypes.tenancy.kcp.io \"{path}:{name}\" not found")
        });
    }
    let above = std::iter::successors(Some(here), |path| path.rsplit_once(':').map(|(above, _)| above));
    above
        .chain([names::ROOT])
        .find_map(|path| get(plane, path, name))
        .ok_or_else(|| format!("workspace type {name:?} cannot be resolved"))
}

/// A type last, before it all those that it builds on.
fn with_bases(plane: &Plane, of: Type) -> Vec<Type> {
    let mut seen = BTreeSet::from([of.qualified.clone()]);
    let mut next = vec![(of.qualified.clone(), Arc::clone(&of.object))];
    let mut bases = Vec::new();
    while let Some((here, object)) = next.pop() {
        for base in list(&object, "/spec/extend/with") {
            // What is missing is told when somebody makes a workspace of it.
            let Ok(found) = resolve(plane, &here, text(base, "/name"), text(base, "/path")) else { continue };
            if seen.insert(found.qualified.clone()) {
                next.push((found.qualified.clone(), Arc::clone(&found.object)));
                bases.push(found);
            }
        }
    }
    bases.push(of);
    bases
}

/// Why types (the last is the one meant, before it those that it builds on) do not go with others, if they do not.
fn limits(bound: &[Type], others: &[Type], limit: &str, role: &str) -> Option<String> {
    let (meant, other) = (bound.last()?, others.last()?);
    let implemented: BTreeSet<&str> = others.iter().map(|one| one.qualified.as_str()).collect();
    bound.iter().find_map(|one| {
        let limit = value::at(&one.object, &format!("/spec/limitAllowed{limit}"));
        if limit.get("none") == Some(&Value::Bool(true)) {
            return Some(format!("workspace type {} cannot have any {role}", meant.qualified));
        }
        let allowed: BTreeSet<String> = list(limit, "/types")
            .iter()
            .map(|found| format!("{}:{}", text(found, "/path"), text(found, "/name")))
            .collect();
        if allowed.is_empty() || allowed.iter().any(|found| implemented.contains(found.as_str())) {
            return None;
        }
        let extending = if one.qualified == meant.qualified {
            String::new()
        } else {
            format!(" extends {}, which", one.qualified)
        };
        let words = |all: Vec<&str>| format!("[{}]", all.join(" "));
        Some(format!(
            "workspace type {}{extending} only allows {} {role} workspaces, but {role} type {} only implements {}",
            meant.qualified,
            words(allowed.iter().map(String::as_str).collect()),
            other.qualified,
            words(implemented.iter().copied().collect()),
        ))
    })
}
