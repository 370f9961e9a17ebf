//! What is completed in and demanded of kcp's own kinds.

use serde_json::{Value, json};

use super::{claims, names};
use crate::control_plane::error::{ApiError, Cause, Subject};
use crate::control_plane::plane::Plane;
use crate::control_plane::rbac::{self, Action, User};
use crate::control_plane::registry::{Definition, Origin};
use crate::control_plane::value::{self, text};

/// The annotation with whoever made a workspace, as JSON.
pub(crate) const OWNER: &str = "experimental.tenancy.kcp.io/owner";
/// The finalizer of a workspace whose logical cluster is still there.
pub(crate) const WORKSPACE_FINALIZER: &str = "core.kcp.io/logicalcluster";
/// The finalizer of a binding whose objects are still there.
pub(crate) const BINDING_FINALIZER: &str = "apis.kcp.io/apibinding-finalizer";

/// Completes a new object.
pub(crate) fn on_create(
    plane: &Plane,
    kind: &str,
    cluster: &str,
    object: &mut Value,
) -> Result<(), ApiError> {
    match kind {
        "Workspace" => {
            if text(object, "/spec/type/name").is_empty() {
                value::set(object, &["spec", "type"], json!({"name": "universal", "path": "root"}));
            } else if text(object, "/spec/type/path").is_empty() {
                value::set(object, &["spec", "type", "path"], json!("root"));
            }
            for field in ["cluster", "URL"] {
                value::remove(object, &["spec", field]);
            }
            value::set(object, &["status"], json!({"phase": "Scheduling"}));
            add_finalizer(object, WORKSPACE_FINALIZER);
        }
        "APIExport" => complete_claims(object),
        "APIBinding" => {
            complete_claims(object);
            value::set(object, &["status"], json!({"phase": "Binding"}));
            add_finalizer(object, BINDING_FINALIZER);
        }
        "LogicalCluster" => {
            let name = value::name(object);
            if name != names::LOGICAL_CLUSTER
                || plane.store.get(&names::logical_clusters(), &names::logical_cluster(cluster)).is_some()
            {
                let about = Subject { group: "core.kcp.io", resource: "logicalclusters", name };
                return Err(ApiError::forbidden(about, "LogicalClusters are made with their workspace"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// What cannot change.
pub(crate) fn on_update(_plane: &Plane, kind: &str, live: &Value, object: &mut Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    match kind {
        "APIExport" => complete_claims(object),
        "APIBinding" => {
            complete_claims(object);
            let (was, is) = (value::at(live, "/spec/reference"), value::at(object, "/spec/reference"));
            if was != is {
                causes.push(Cause::invalid("spec.reference", is, "APIExport reference must not be changed"));
            }
        }
        "Workspace" => {
            // The scheduler's fields are not people's to change; left out, they stay.
            for field in ["cluster", "URL", "type"] {
                let pointer = format!("/spec/{field}");
                if let Some(was) = live.pointer(&pointer) {
                    match object.pointer(&pointer) {
                        None => value::set(object, &["spec", field], was.clone()),
                        Some(is) if is != was => {
                            causes.push(Cause::invalid(&format!("spec.{field}"), is, "field is immutable"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        _ => {}
    }
    causes
}

/// Claims are shown with the identity they are on, empty for built-in kinds.
fn complete_claims(object: &mut Value) {
    let claims = object.pointer_mut("/spec/permissionClaims").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
        for field in ["group", "identityHash"] {
            claim.entry(field).or_insert_with(|| json!(""));
        }
    }
}

/// What counts about who creates an object: the right to bind, and whose a workspace is.
pub(crate) fn admit(
    plane: &Plane,
    user: &User,
    cluster: &str,
    definition: &Definition,
    object: &mut Value,
) -> Result<(), ApiError> {
    match (definition.origin, definition.kind.as_str()) {
        (Origin::Builtin, "APIBinding") => may_bind(plane, user, cluster, object),
        (Origin::Builtin, "Workspace") => {
            let owner = json!({"username": user.within(cluster).name}).to_string();
            value::set_annotation(object, OWNER, &owner);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Binding an export takes the right to `bind` it where it is.
fn may_bind(plane: &Plane, user: &User, cluster: &str, binding: &Value) -> Result<(), ApiError> {
    let export = text(binding, "/spec/reference/export/name");
    let path = text(binding, "/spec/reference/export/path");
    let action = Action::Resource {
        verb: "bind",
        group: "apis.kcp.io",
        resource: "apiexports",
        subresource: "",
        namespace: "",
        name: export,
    };
    let home = claims::referenced_cluster(plane, cluster, binding);
    let allowed = user.is_master() || home.is_some_and(|home| rbac::is_allowed(plane, &home, user, &action));
    if allowed {
        return Ok(());
    }
    let about = Subject { group: "apis.kcp.io", resource: "apibindings", name: value::name(binding) };
    let why = format!("unable to create APIBinding: no permission to bind to export {path}:{export}");
    Err(ApiError::forbidden(about, &why))
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    let mut finalizers = value::finalizers(object);
    if !finalizers.iter().any(|f| f == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
    value::set_finalizers(object, &finalizers);
}
