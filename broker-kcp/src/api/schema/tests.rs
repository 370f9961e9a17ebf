use serde_json::{Value, json};

use super::*;

fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "things.example.com",
            "annotations": {"broker.platform-mesh.io/moves": "Free", "other": "x"}
        },
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1.0}}}
                }}},
                "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
            }]
        }
    })
}

#[test]
fn a_definition_becomes_a_schema_with_the_names_filled_in() {
    let schema = api_resource_schema(&crd(), "v0").unwrap();
    assert_eq!(schema["metadata"]["name"], "v0.things.example.com");
    assert_eq!(
        schema["spec"]["names"],
        json!({"kind": "Thing", "plural": "things", "listKind": "ThingList", "singular": "thing"})
    );
    let version = &schema["spec"]["versions"][0];
    assert_eq!(version["schema"]["type"], "object");
    assert_eq!(version["subresources"], json!({"status": {}}));
    assert_eq!(version["additionalPrinterColumns"][0]["name"], "Size");
}

#[test]
fn the_annotation_on_moves_is_kept_and_no_other() {
    let schema = api_resource_schema(&crd(), "v0").unwrap();
    assert_eq!(schema["metadata"]["annotations"], json!({"broker.platform-mesh.io/moves": "Free"}));
}

#[test]
fn the_prefix_changes_with_the_content_only() {
    let prefix = content_prefix(&crd()).unwrap();
    assert!(prefix.starts_with('v') && prefix.len() == 9, "{prefix}");
    let mut same = crd();
    same["metadata"]["labels"] = json!({"a": "b"});
    same["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["minimum"] =
        json!(1);
    assert_eq!(content_prefix(&same).unwrap(), prefix);
    let mut other = crd();
    other["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = json!("new");
    assert_ne!(content_prefix(&other).unwrap(), prefix);
}

#[test]
fn what_is_no_definition_is_refused_with_the_field() {
    let mut broken = crd();
    broken["spec"]["versions"][0]["schema"] = json!({});
    let error = api_resource_schema(&broken, "v0").unwrap_err().to_string();
    assert!(error.contains("spec.versions[0].schema.openAPIV3Schema must be an object"), "{error}");
    let error = api_resource_schema(&json!({"kind": "Pod"}), "v0").unwrap_err().to_string();
    assert!(error.contains("spec must be an object"), "{error}");
}

#[test]
fn a_conversion_webhook_is_refused() {
    let mut webhook = crd();
    webhook["spec"]["conversion"] = json!({"strategy": "Webhook"});
    assert!(matches!(api_resource_schema(&webhook, "v0"), Err(SchemaError::Conversion { .. })));
}
