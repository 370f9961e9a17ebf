//! Between the versions of kcp's own kinds; every other kind's versions differ in their name only.
//!
//! Exports and bindings are stored as v1alpha2. In v1alpha1 an export named schemas only and a claim had
//! no verbs and another selector: as with the real one, what a version has no words for is kept in an annotation.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::control_plane::registry::Definition;
use crate::control_plane::value::{self, list, text, texts};

const STORED: &str = "apis.kcp.io/v1alpha2";
const OLDER: &str = "apis.kcp.io/v1alpha1";

/// What claims of the older version say that the newer has no words for, kept beside them.
const OLDER_CLAIMS: &str = "apis.v1alpha2.kcp.io/v1alpha1-permission-claims";
/// What claims of the newer version say that the older has no words for, shown beside them, by kind.
const NEWER_CLAIMS: &[(&str, &str)] = &[
    ("APIExport", "apis.v1alpha2.kcp.io/permission-claims"),
    ("APIBinding", "apis.v1alpha2.kcp.io/acceptable-permission-claims"),
];

/// The object as it is stored.
pub(crate) fn to_storage(definition: &Definition, mut object: Value) -> Value {
    let newer = NEWER_CLAIMS.iter().find(|(kind, _)| *kind == definition.kind);
    let Some((kind, newer)) = newer.filter(|_| definition.api_version() == OLDER) else { return object };
    if *kind == "APIExport" {
        let resources: Vec<Value> =
            texts(&object, "/spec/latestResourceSchemas").filter_map(resource_of_schema).collect();
        value::remove(&mut object, &["spec", "latestResourceSchemas"]);
        value::set(&mut object, &["spec", "resources"], Value::Array(resources));
    }
    // Of a binding, all is all in both versions.
    let is_lost = |claim: &Value| {
        claim.get("resourceSelector").is_some() || *kind == "APIExport" && claim.get("all").is_some()
    };
    keep_beside(&mut object, OLDER_CLAIMS, is_lost);
    let shown = beside(&object, newer);
    change_claims(&mut object, |claim| {
        claim.remove("all");
        claim.remove("resourceSelector");
        for field in ["verbs", "selector", "defaultSelector"] {
            if let Some(kept) = counterpart(&shown, claim).and_then(|kept| kept.get(field)) {
                claim.insert(field.to_owned(), kept.clone());
            }
        }
        claim.entry("verbs").or_insert_with(|| json!(["*"]));
        if *kind == "APIBinding" {
            claim.entry("selector").or_insert_with(|| json!({"matchAll": true}));
        }
    });
    value::remove_metadata(&mut object, "annotations", newer);
    value::set(&mut object, &["apiVersion"], json!(STORED));
    object
}

/// The object as this definition's version shows it.
pub(crate) fn from_storage(definition: &Definition, object: &Arc<Value>) -> Value {
    let mut object = Value::clone(object);
    let newer = NEWER_CLAIMS.iter().find(|(kind, _)| *kind == definition.kind);
    if let Some((kind, newer)) = newer
        && definition.api_version() == OLDER
        && text(&object, "/apiVersion") == STORED
    {
        if *kind == "APIExport" {
            let schemas: Vec<Value> = list(&object, "/spec/resources")
                .iter()
                .map(|resource| value::at(resource, "/schema").clone())
                .collect();
            value::remove(&mut object, &["spec", "resources"]);
            if !schemas.is_empty() {
                value::set(&mut object, &["spec", "latestResourceSchemas"], Value::Array(schemas));
            }
        }
        let is_lost = |claim: &Value| {
            claim["verbs"] != json!(["*"])
                || claim.get("defaultSelector").is_some()
                || *kind == "APIBinding" && claim["selector"] != json!({"matchAll": true})
        };
        keep_beside(&mut object, newer, is_lost);
        let kept = beside(&object, OLDER_CLAIMS);
        change_claims(&mut object, |claim| {
            let is_all = claim.get("selector").is_some_and(|selector| selector["matchAll"] == true);
            for field in ["verbs", "selector", "defaultSelector"] {
                claim.remove(field);
            }
            match counterpart(&kept, claim) {
                Some(kept) => {
                    for field in ["all", "resourceSelector"] {
                        if let Some(content) = kept.get(field) {
                            claim.insert(field.to_owned(), content.clone());
                        }
                    }
                }
                None if is_all => {
                    claim.insert("all".to_owned(), json!(true));
                }
                None => {}
            }
            claim.retain(|_, content| content != "");
        });
        value::remove_metadata(&mut object, "annotations", OLDER_CLAIMS);
    }
    value::set(&mut object, &["apiVersion"], json!(definition.api_version()));
    object
}

/// Writes those claims whose words would be lost into an annotation, as they are; where there are none it goes.
fn keep_beside(object: &mut Value, annotation: &str, is_lost: impl Fn(&Value) -> bool) {
    let claims = list(object, "/spec/permissionClaims").iter().filter(|claim| is_lost(claim));
    let claims: Vec<Value> = claims
        .map(|claim| {
            let mut claim = claim.clone();
            if let Some(fields) = claim.as_object_mut() {
                fields.retain(|name, content| {
                    content != "" || !matches!(name.as_str(), "group" | "identityHash")
                });
            }
            claim
        })
        .collect();
    if claims.is_empty() {
        value::remove_metadata(object, "annotations", annotation);
    } else {
        value::set_annotation(object, annotation, &Value::Array(claims).to_string());
    }
}

/// The claims that an annotation keeps.
fn beside(object: &Value, annotation: &str) -> Vec<Value> {
    let kept = value::annotation(object, annotation);
    kept.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The kept claim on the same as this one.
fn counterpart<'a>(kept: &'a [Value], claim: &Map<String, Value>) -> Option<&'a Value> {
    let of = |field: &str| claim.get(field).and_then(Value::as_str).unwrap_or_default();
    kept.iter().find(|kept| {
        ["group", "resource", "identityHash"]
            .iter()
            .all(|field| kept[*field].as_str().unwrap_or_default() == of(field))
    })
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
