//! What is completed in kcp's own kinds. What is refused of them is said by [`super::admission`].

use serde_json::{Value, json};

use super::types;
use crate::control_plane::error::ApiError;
use crate::control_plane::plane::Plane;
use crate::control_plane::rbac::User;
use crate::control_plane::registry::{Definition, Origin};
use crate::control_plane::value;

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
            types::complete(plane, cluster, object)?;
            value::set(object, &["status"], json!({"phase": "Scheduling"}));
            add_finalizer(object, WORKSPACE_FINALIZER);
        }
        "APIExport" => complete_claims(object, false),
        "APIBinding" => {
            complete_claims(object, true);
            value::set(object, &["status"], json!({"phase": "Binding"}));
            add_finalizer(object, BINDING_FINALIZER);
        }
        _ => {}
    }
    Ok(())
}

/// Completes a changed object.
pub(crate) fn on_update(kind: &str, object: &mut Value) {
    match kind {
        "APIExport" => complete_claims(object, false),
        "APIBinding" => complete_claims(object, true),
        _ => {}
    }
}

/// Claims are shown with the identity they are on, empty for built-in kinds. Those of a binding always say whether they
/// are granted, and for what: where nobody said it, nothing that counts.
fn complete_claims(object: &mut Value, is_binding: bool) {
    let is_older = value::text(object, "/apiVersion") == "apis.kcp.io/v1alpha1";
    let claims = object.pointer_mut("/spec/permissionClaims").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
        for field in ["group", "identityHash"] {
            claim.entry(field).or_insert_with(|| json!(""));
        }
        if is_binding {
            claim.entry("state").or_insert_with(|| json!(""));
            if !is_older {
                claim.entry("selector").or_insert_with(|| json!({}));
            }
        }
    }
}

/// Notes in a new object who makes it: whoever makes a workspace administers it.
pub(crate) fn sign(user: &User, cluster: &str, definition: &Definition, object: &mut Value) {
    if definition.origin == Origin::Builtin && definition.kind == "Workspace" {
        let owner = json!({"username": user.within(cluster).name}).to_string();
        value::set_annotation(object, OWNER, &owner);
    }
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    let mut finalizers = value::finalizers(object);
    if !finalizers.iter().any(|f| f == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
    value::set_finalizers(object, &finalizers);
}
