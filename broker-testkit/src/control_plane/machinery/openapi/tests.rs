#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::control_plane::machinery::schema::builtin;

fn secrets() -> ServedKind<'static> {
    ServedKind {
        group: "",
        version: "v1",
        kind: "Secret",
        plural: "secrets",
        namespaced: true,
        status_subresource: false,
        schema: builtin("", "v1", "Secret").unwrap(),
    }
}

fn widgets(schema: &Schema) -> ServedKind<'_> {
    ServedKind {
        group: "example.com",
        version: "v1",
        kind: "Widget",
        plural: "widgets",
        namespaced: false,
        status_subresource: true,
        schema,
    }
}

#[test]
fn the_index_links_each_version_with_a_hash_of_its_content() {
    let schema = Schema::untyped();
    let index = v3_index(&[secrets(), widgets(&schema)], "");
    let link = index["paths"]["apis/example.com/v1"]["serverRelativeURL"].as_str().unwrap();
    assert!(link.starts_with("/openapi/v3/apis/example.com/v1?hash="));
    assert!(index["paths"]["api/v1"].is_object());
    let other =
        Schema::parse(&json!({"type": "object", "properties": {"spec": {"type": "string"}}})).unwrap();
    assert_ne!(index, v3_index(&[secrets(), widgets(&other)], ""));
}

#[test]
fn a_document_has_the_paths_and_parameters_kubectl_looks_for() {
    let document = v3_document(&[secrets()], "", "v1").unwrap();
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/secrets/{name}"]["patch"];
    let names: Vec<&str> =
        patch["parameters"].as_array().unwrap().iter().filter_map(|each| each["name"].as_str()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "", "version": "v1", "kind": "Secret"})
    );
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
    assert!(document["paths"]["/api/v1/secrets"]["get"].is_object());
    assert!(v3_document(&[secrets()], "example.com", "v1").is_none());
}

#[test]
fn custom_kinds_take_no_strategic_patches_and_have_their_status_path() {
    let schema = Schema::untyped();
    let document = v3_document(&[widgets(&schema)], "example.com", "v1").unwrap();
    let paths = &document["paths"];
    let content = &paths["/apis/example.com/v1/widgets/{name}"]["patch"]["requestBody"]["content"];
    assert!(content["application/merge-patch+json"].is_object());
    assert!(content["application/strategic-merge-patch+json"].is_null());
    assert!(paths["/apis/example.com/v1/widgets/{name}/status"]["patch"].is_object());
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.push(target.clone());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let schema = Schema::untyped();
    let kinds = [secrets(), widgets(&schema)];
    let documents = [
        v3_document(&kinds, "", "v1").unwrap(),
        v3_document(&kinds, "example.com", "v1").unwrap(),
        v2_document(&kinds),
    ];
    for document in documents {
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for target in found {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }
}

#[test]
fn a_kind_is_described_with_type_and_metadata() {
    let document = v3_document(&[secrets()], "", "v1").unwrap();
    let schema = &document["components"]["schemas"]["io.k8s.api.core.v1.Secret"];
    assert_eq!(schema["properties"]["data"]["additionalProperties"]["format"], "byte");
    assert_eq!(
        schema["x-kubernetes-group-version-kind"],
        json!([{"group": "", "version": "v1", "kind": "Secret"}])
    );
    assert!(schema["properties"]["metadata"]["allOf"][0]["$ref"].is_string());
}
