//! What is completed in and demanded of kcp's own kinds.

use serde_json::{Value, json};

use super::names;
use crate::control_plane::error::{ApiError, Cause, Subject};
use crate::control_plane::plane::Plane;
use crate::control_plane::value::{self, text};

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
        "APIBinding" => {
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
        "APIBinding" => {
            if live["spec"]["reference"] != object["spec"]["reference"] {
                let why = "APIExport reference must not be changed";
                causes.push(Cause::invalid("spec.reference", &object["spec"]["reference"], why));
            }
        }
        "Workspace" => {
            // The scheduler's fields are not people's to change; left out, they stay.
            for field in ["cluster", "URL", "type"] {
                if let Some(was) = live["spec"].get(field) {
                    match object["spec"].get(field) {
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

fn add_finalizer(object: &mut Value, finalizer: &str) {
    let mut finalizers = value::finalizers(object);
    if !finalizers.iter().any(|f| f == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
    value::set_finalizers(object, &finalizers);
}
