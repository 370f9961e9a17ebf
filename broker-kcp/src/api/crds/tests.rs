use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::*;
use crate::api::{api_resource_schema, content_prefix};

/// Compares with the file checked in, or writes it where `UPDATE_GENERATED` is set.
pub(super) fn same_as(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "{} is not what the types say: run UPDATE_GENERATED=1 cargo test -p broker-kcp generated, and commit it",
        path.display()
    );
}

fn same_as_checked_in(folder: &str, name: &str, content: &Value) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("generated").join(folder).join(format!("{name}.yaml"));
    same_as(&path, &serde_saphyr::to_string(content).unwrap());
}

fn as_json(crd: &CustomResourceDefinition) -> Value {
    to_json(crd)
}

#[test]
fn generated_definitions_are_the_ones_checked_in() {
    for crd in crds() {
        same_as_checked_in("crds", &crd.spec.names.plural, &as_json(&crd));
    }
}

#[test]
fn generated_schemas_are_the_ones_checked_in() {
    let crd = as_json(&accept_api_crd());
    let schema = api_resource_schema(&crd, &content_prefix(&crd).unwrap()).unwrap();
    same_as_checked_in("schemas", "acceptapis", &schema);
}

#[test]
fn every_kind_has_a_short_name_the_category_columns_and_a_status() {
    for crd in crds() {
        let names = &crd.spec.names;
        assert_eq!(names.categories, Some(vec!["broker".to_owned()]), "{}", names.kind);
        assert!(names.short_names.as_ref().is_some_and(|s| s.len() == 1), "{}", names.kind);
        let version = &crd.spec.versions[0];
        assert!(version.subresources.as_ref().unwrap().status.is_some(), "{}", names.kind);
        assert!(version.additional_printer_columns.as_ref().unwrap().len() > 3);
    }
}

#[test]
fn no_schema_has_nullable_fields_or_defaults_in_a_status() {
    for crd in crds() {
        let value = as_json(&crd);
        let schema = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert!(!schema.to_string().contains("\"nullable\""), "{}", crd.spec.names.kind);
        let status = schema["properties"]["status"].to_string();
        assert!(!status.contains("\"default\""), "{}", crd.spec.names.kind);
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let spec = |plural: &str| {
        let crd = crds().into_iter().find(|c| c.spec.names.plural == plural).unwrap();
        as_json(&crd)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            .clone()
    };
    let api = spec("brokeredapis");
    for (name, default) in [
        ("gracePeriod", json!("30s")),
        ("readyTimeout", json!("10m")),
        ("failoverAfter", json!("5m")),
        ("relatedKinds", json!(["Secret", "ConfigMap"])),
        ("relatedName", json!("${order}-${key}")),
        ("moves", json!("PlaybookOnly")),
        ("limits", json!({"concurrentMoves": 10, "haltAfterFailures": 3})),
    ] {
        assert_eq!(api[name]["default"], default, "{name}");
    }
    let offer = spec("acceptapis");
    for (name, default) in [("priority", json!(0)), ("weight", json!(100)), ("scheduling", json!("Active"))] {
        assert_eq!(offer[name]["default"], default, "{name}");
    }
    let stage = spec("migrationconfigurations")["stages"]["items"]["properties"].clone();
    assert_eq!(stage["timeout"]["default"], json!("1h"));
    assert_eq!(stage["needsSource"]["default"], json!(true));
}
