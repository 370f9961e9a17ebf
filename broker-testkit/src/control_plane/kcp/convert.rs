//! Between the versions of kcp's own kinds; every other kind's versions differ in their name only.
//!
//! Exports and bindings are stored as v1alpha2. In v1alpha1 an export named schemas only and a claim had
//! no verbs and no selector.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::control_plane::registry::Definition;
use crate::control_plane::value::{self, list, text, texts};

const STORED: &str = "apis.kcp.io/v1alpha2";

/// The object as it is stored.
pub(crate) fn to_storage(definition: &Definition, mut object: Value) -> Value {
    if definition.api_version() != "apis.kcp.io/v1alpha1" {
        return object;
    }
    match definition.kind.as_str() {
        "APIExport" => {
            let resources: Vec<Value> =
                texts(&object, "/spec/latestResourceSchemas").filter_map(resource_of_schema).collect();
            value::remove(&mut object, &["spec", "latestResourceSchemas"]);
            value::set(&mut object, &["spec", "resources"], Value::Array(resources));
        }
        "APIBinding" => {}
        _ => return object,
    }
    change_claims(&mut object, |claim| {
        claim.remove("all");
        claim.remove("resourceSelector");
        claim.entry("verbs").or_insert_with(|| json!(["*"]));
        if definition.kind == "APIBinding" {
            claim.entry("selector").or_insert_with(|| json!({"matchAll": true}));
        }
    });
    value::set(&mut object, &["apiVersion"], json!(STORED));
    object
}

/// The object as this definition's version shows it.
pub(crate) fn from_storage(definition: &Definition, object: &Arc<Value>) -> Value {
    let mut object = Value::clone(object);
    if definition.api_version() == "apis.kcp.io/v1alpha1" && text(&object, "/apiVersion") == STORED {
        if definition.kind == "APIExport" {
            let schemas: Vec<Value> = list(&object, "/spec/resources")
                .iter()
                .map(|resource| value::at(resource, "/schema").clone())
                .collect();
            value::remove(&mut object, &["spec", "resources"]);
            value::set(&mut object, &["spec", "latestResourceSchemas"], Value::Array(schemas));
        }
        change_claims(&mut object, |claim| {
            claim.remove("verbs");
            claim.remove("selector");
            claim.retain(|_, content| content != "");
            if definition.kind == "APIBinding" {
                claim.entry("all").or_insert_with(|| json!(true));
            }
        });
    }
    value::set(&mut object, &["apiVersion"], json!(definition.api_version()));
    object
}

fn change_claims(object: &mut Value, change: impl Fn(&mut Map<String, Value>)) {
    let claims = object.pointer_mut("/spec/permissionClaims").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
        change(claim);
    }
}

/// `v1.certificates.example.com` is a schema of `certificates` in `example.com`.
fn resource_of_schema(schema: &str) -> Option<Value> {
    let mut parts = schema.splitn(3, '.');
    let (_, resource, group) = (parts.next()?, parts.next()?, parts.next()?);
    let group = if group == "core" { "" } else { group };
    Some(json!({"group": group, "name": resource, "schema": schema, "storage": {"crd": {}}}))
}

/// The claim a binding or export makes on a resource: its identity is empty for built-in kinds.
pub(crate) fn claim_is_on(claim: &Value, group: &str, resource: &str) -> bool {
    text(claim, "/group") == group && text(claim, "/resource") == resource
}
