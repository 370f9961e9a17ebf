use broker_testkit::provider::samples;
use serde_json::json;

use super::*;

/// The Certificate of `examples/certificates`, as the README has people broker it.
fn certificate() -> Value {
    serde_saphyr::from_str(samples::CERTIFICATES).unwrap()
}

fn status(crd: &mut Value) -> &mut Value {
    &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
}

fn refusal(object: &Value) -> String {
    ApiDefinition::parse("a.yaml", object).unwrap_err().to_string()
}

#[test]
fn the_sample_certificate_can_be_brokered_and_moves_freely() {
    let api = ApiDefinition::parse("a.yaml", &certificate()).unwrap();
    assert_eq!(
        (api.name(), api.group(), api.resource()),
        ("certificates.example.com", "example.com", "certificates")
    );
    assert_eq!(api.moves(), Some(Moves::Free));
}

#[test]
fn an_api_resource_schema_is_taken_as_it_is() {
    let api = ApiDefinition::parse("a.yaml", &certificate()).unwrap();
    assert_eq!(ApiDefinition::parse("b.yaml", api.schema()).unwrap(), api);
}

#[test]
fn a_status_that_would_lose_conditions_is_refused_with_what_to_add() {
    let mut crd = certificate();
    status(&mut crd)["properties"].as_object_mut().unwrap().remove("conditions");
    let text = refusal(&crd);
    assert!(text.contains("version v1alpha1 would drop status.conditions, "), "{text}");
    assert!(text.contains("properties.status.properties:\n\nconditions:\n  type: array"), "{text}");
    assert!(!text.contains("\nrelatedResources"), "{text}");
}

#[test]
fn a_condition_without_a_message_is_refused_too() {
    let mut crd = certificate();
    status(&mut crd)["properties"]["conditions"]["items"]["properties"]
        .as_object_mut()
        .unwrap()
        .remove("message");
    assert!(refusal(&crd).contains("would drop status.conditions"));
}

#[test]
fn a_schema_without_a_status_is_refused_with_all_of_it() {
    let mut crd = certificate();
    *status(&mut crd) = json!({"type": "object"});
    assert!(refusal(&crd).contains("status.conditions and status.relatedResources"));
}

#[test]
fn a_status_that_keeps_whatever_is_written_will_do() {
    let mut crd = certificate();
    *status(&mut crd) = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    ApiDefinition::parse("a.yaml", &crd).unwrap();
}

#[test]
fn an_api_without_a_status_subresource_is_refused() {
    let mut crd = certificate();
    crd["spec"]["versions"][0].as_object_mut().unwrap().remove("subresources");
    assert!(refusal(&crd).contains("versions[].subresources:\n\nstatus: {}"));
}

#[test]
fn a_version_that_is_not_served_does_not_count() {
    let mut crd = certificate();
    let mut old = crd["spec"]["versions"][0].clone();
    old["name"] = json!("v1alpha0");
    old["served"] = json!(false);
    old["storage"] = json!(false);
    old["schema"] = json!({"openAPIV3Schema": {"type": "object"}});
    crd["spec"]["versions"].as_array_mut().unwrap().push(old);
    ApiDefinition::parse("a.yaml", &crd).unwrap();
}

#[test]
fn what_defines_no_api_is_refused_by_its_kind() {
    assert!(refusal(&json!({"kind": "Pod"})).contains("a Pod defines no API"));
    assert!(refusal(&json!({"a": 1})).contains("a file without kind"));
}

#[test]
fn a_mistaken_annotation_is_refused_with_what_would_do() {
    let mut crd = certificate();
    crd["metadata"]["annotations"][MOVES_ANNOTATION] = json!("free");
    assert!(refusal(&crd).contains("is \"free\"; write Free or PlaybookOnly"));
}
