//! Jobs where there are none.

use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::controller::ComputeError;
use crate::wait::until_all;

/// `jobs.batch` as kcp needs it: an `APIResourceSchema` in YAML. (A CustomResourceDefinition may not be of a group
/// without a dot.)
pub const JOBS: &str = include_str!("jobs.yaml");

/// The name under which the kind is made.
const FIELD_MANAGER: &str = "broker-testkit";
/// The export and its binding.
const NAME: &str = "jobs.batch";
/// A binding takes seconds on kcp.
const DEADLINE: Duration = Duration::from_mins(1);

/// `batch/v1` Jobs.
pub fn job_resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("batch", "v1", "Job"), "jobs")
}

/// Lets the cluster that `client` points to serve Jobs. Kubernetes does; a workspace of kcp, or of the embedded control
/// plane, does so by an export of its own that it binds.
///
/// # Errors
///
/// Where the objects cannot be made, or Jobs are not served a minute later.
pub async fn serve_jobs(client: &Client) -> Result<(), ComputeError> {
    let jobs: Api<DynamicObject> = Api::all_with(client.clone(), &job_resource());
    match jobs.list(&ListParams::default().limit(1)).await {
        Ok(_) => return Ok(()),
        // The embedded control plane as a plain cluster says that it leaves them out.
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 501) => {}
        Err(source) => return Err(ComputeError::NotServed { source: Box::new(source) }),
    }
    let schema: Value = serde_saphyr::from_str(JOBS).map_err(|error| ComputeError::Call {
        action: "read",
        name: NAME.to_owned(),
        source: Box::new(kube::Error::Service(Box::new(error))),
    })?;
    let name = schema.pointer("/metadata/name").cloned().unwrap_or_default();
    let resource = json!({"group": "batch", "name": "jobs", "schema": name, "storage": {"crd": {}}});
    let object = |kind: &str, spec: Value| json!({"apiVersion": "apis.kcp.io/v1alpha2", "kind": kind, "metadata": {"name": NAME}, "spec": spec});
    apply(client, "v1alpha1", schema).await?;
    apply(client, "v1alpha2", object("APIExport", json!({"resources": [resource]}))).await?;
    let reference = json!({"reference": {"export": {"name": NAME}}});
    apply(client, "v1alpha2", object("APIBinding", reference)).await?;
    until_all(&jobs, watcher::Config::default(), "Jobs to be served", DEADLINE, |_| true)
        .await
        .map_err(Box::new)?;
    Ok(())
}

async fn apply(client: &Client, version: &str, object: Value) -> Result<(), ComputeError> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apis.kcp.io", version, &kind));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let force = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api.patch(&name, &force, &Patch::Apply(&object)).await;
    let made =
        applied.map_err(|source| ComputeError::Call { action: "apply", name, source: Box::new(source) })?;
    tracing::debug!(kind, name = made.name_any(), "applied");
    Ok(())
}
