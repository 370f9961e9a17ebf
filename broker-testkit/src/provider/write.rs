//! What every provider writes: the Secret that belongs to an object, and the object's status.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::MANAGED_LABEL;

/// A Secret beside its object, which it goes with, and which a broker may hand over.
pub(super) fn secret_of(
    owner: &DynamicObject,
    name: String,
    data: impl IntoIterator<Item = (&'static str, Vec<u8>)>,
) -> Secret {
    let types = owner.types.clone().unwrap_or_default();
    let entry = |(key, value): (&str, Vec<u8>)| (key.to_owned(), ByteString(value));
    Secret {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: owner.namespace(),
            labels: Some(BTreeMap::from([(MANAGED_LABEL.to_owned(), "true".to_owned())])),
            owner_references: Some(vec![OwnerReference {
                api_version: types.api_version,
                kind: types.kind,
                name: owner.name_any(),
                uid: owner.uid().unwrap_or_default(),
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            ..ObjectMeta::default()
        },
        data: Some(data.into_iter().map(entry).collect()),
        ..Secret::default()
    }
}

/// How a status names a Secret that belongs to its object.
pub(super) fn related_secret(owner: &DynamicObject, name: &str) -> Value {
    let gvk = json!({"group": "", "version": "v1", "kind": "Secret"});
    json!({"namespace": owner.namespace(), "name": name, "gvk": gvk})
}

/// Applies the status of an object, as `manager`, unless it has it; with `as_of`, only while the object has that version.
/// True where something was written.
pub(super) async fn apply_status(
    api: &Api<DynamicObject>,
    resource: &ApiResource,
    manager: &str,
    object: &DynamicObject,
    status: &Value,
    as_of: Option<&str>,
) -> kube::Result<bool> {
    if object.data.get("status") == Some(status) {
        return Ok(false);
    }
    let name = object.name_any();
    // The uid keeps what is gone from being made again. No server tells a namesake by it: that is reconciled next.
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: object.namespace(),
        uid: object.uid(),
        resource_version: as_of.map(str::to_owned),
        ..ObjectMeta::default()
    };
    let patch = json!({
        "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "status": status,
    });
    api.patch_status(&name, &PatchParams::apply(manager).force(), &Patch::Apply(patch)).await?;
    Ok(true)
}
