#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_pass_by_value)]

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn certificates() -> Schema {
    Schema::parse(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["fqdn"], "properties": {
            "fqdn": {"type": "string", "pattern": "^[a-z.]+$", "maxLength": 20, "minLength": 1},
            "certType": {"type": "string", "default": "server", "enum": ["server", "client"]},
            "days": {"type": "integer", "minimum": 1, "maximum": 90},
            "port": {"x-kubernetes-int-or-string": true},
            "note": {"type": "string", "nullable": true},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}, "maxItems": 3},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}}},
            "template": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {}},
            "nested": {"type": "object", "default": {}, "properties": {
                "level": {"type": "integer", "default": 3}}},
        }},
        "status": {"type": "object", "properties": {
            "conditions": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "items": {"type": "object", "required": ["type"], "properties": {
                    "type": {"type": "string"}, "status": {"type": "string"}}}}}},
    }}))
    .unwrap()
}

fn texts(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Certificate", "metadata": {"name": "x"}, "spec": spec})
}

#[test]
fn unknown_fields_are_pruned_and_named() {
    let schema = certificates();
    let mut value = object(json!({
        "fqdn": "a", "bad": 1, "free": {"x": {"y": 1}, "known": {"a": "b", "c": 1}}, "labels": {"any": "thing"},
        "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}},
    }));
    value["extra"] = json!(true);
    assert_eq!(
        schema.unknown_fields(&value),
        ["extra", "spec.bad", "spec.free.known.c", "spec.template.spec"]
    );
    schema.prune(&mut value);
    assert_eq!(
        value,
        object(json!({
            "fqdn": "a", "free": {"x": {"y": 1}, "known": {"a": "b"}}, "labels": {"any": "thing"},
            "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}},
        }))
    );
}

#[test]
fn defaults_fill_absent_and_null_fields() {
    let schema = certificates();
    let mut value = object(json!({"fqdn": "a", "certType": null, "days": null, "note": null}));
    schema.fill_defaults(&mut value);
    assert_eq!(
        value["spec"],
        json!({"fqdn": "a", "certType": "server", "note": null, "nested": {"level": 3}})
    );
}

#[test]
fn a_missing_required_field_is_told_by_its_path() {
    let errors = certificates().validate(&object(json!({})));
    assert_eq!(texts(&errors), ["spec.fqdn: Required value"]);
    assert_eq!(
        invalid_message("example.com", "Certificate", "x", &errors),
        "Certificate.example.com \"x\" is invalid: spec.fqdn: Required value"
    );
}

#[test]
fn each_broken_rule_has_the_words_of_the_real_server() {
    let check = |spec: Value| texts(&certificates().validate(&object(spec)));
    assert_eq!(
        check(json!({"fqdn": 5})),
        ["spec.fqdn: Invalid value: \"integer\": spec.fqdn in body must be of type string: \"integer\""]
    );
    assert_eq!(
        check(json!({"fqdn": "A"})),
        ["spec.fqdn: Invalid value: \"A\": spec.fqdn in body should match '^[a-z.]+$'"]
    );
    assert_eq!(
        check(json!({"fqdn": "a.a.a.a.a.a.a.a.a.a.a"})),
        ["spec.fqdn: Too long: may not be more than 20 bytes"]
    );
    assert_eq!(
        check(json!({"fqdn": "a", "certType": "x"})),
        ["spec.certType: Unsupported value: \"x\": supported values: \"server\", \"client\""]
    );
    assert_eq!(
        check(json!({"fqdn": "a", "days": 0})),
        ["spec.days: Invalid value: 0: spec.days in body should be greater than or equal to 1"]
    );
    assert_eq!(
        check(json!({"fqdn": "a", "days": 91})),
        ["spec.days: Invalid value: 91: spec.days in body should be less than or equal to 90"]
    );
    assert_eq!(check(json!({"fqdn": "a", "tags": ["a", "a"]})), ["spec.tags[1]: Duplicate value: \"a\""]);
    assert_eq!(
        check(json!({"fqdn": "a", "tags": ["a", "b", "c", "d"]})),
        ["spec.tags: Too many: 4: must have at most 3 items"]
    );
    assert_eq!(
        check(json!({"fqdn": "a", "port": true})),
        [
            "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\""
        ]
    );
    assert_eq!(check(json!({"fqdn": "a", "port": "http", "note": null, "days": 3})), Vec::<String>::new());
}

#[test]
fn two_items_with_the_same_keys_are_duplicates() {
    let mut value = object(json!({"fqdn": "a"}));
    value["status"] = json!({"conditions": [{"type": "Ready"}, {"type": "Ready", "status": "True"}]});
    assert_eq!(
        texts(&certificates().validate(&value)),
        ["status.conditions[1]: Duplicate value: {\"type\":\"Ready\"}"]
    );
}

#[test]
fn combinations_of_rules_are_checked() {
    let schema = Schema::parse(&json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}}}))
    .unwrap();
    assert_eq!(schema.validate(&object(json!({"a": "x"}))), []);
    assert_eq!(
        texts(&schema.validate(&object(json!({"a": "x", "b": "y"})))),
        [
            "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid \
          alternatives"
        ]
    );
}

#[test]
fn a_schema_without_a_type_is_refused_with_its_place() {
    let error = Schema::parse(&json!({"type": "object", "properties": {"spec": {}}})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields"
    );
}

#[test]
fn metadata_has_a_schema_of_its_own() {
    let mut value = json!({"apiVersion": "example.com/v1", "kind": "Certificate",
        "metadata": {"name": "x", "labels": {}, "creationTimestamp": null, "foo": 1}, "spec": {"fqdn": "a"}});
    assert_eq!(certificates().unknown_fields(&value), ["metadata.foo"]);
    certificates().prune(&mut value);
    assert_eq!(value["metadata"], json!({"name": "x"}));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("spec"),
        Just("fqdn"),
        Just("certType"),
        Just("nested"),
        Just("level"),
        Just("free"),
        Just("known"),
        Just("tags"),
        Just("status"),
        Just("conditions"),
        Just("type"),
        Just("other")
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn pruning_twice_is_pruning_once(value in any_json()) {
        let schema = certificates();
        let mut once = value;
        schema.prune(&mut once);
        let mut twice = once.clone();
        schema.prune(&mut twice);
        prop_assert_eq!(&once, &twice);
        prop_assert!(schema.unknown_fields(&once).is_empty());
    }

    #[test]
    fn defaulting_twice_is_defaulting_once(value in any_json()) {
        let schema = certificates();
        let mut once = value;
        schema.fill_defaults(&mut once);
        let mut twice = once.clone();
        schema.fill_defaults(&mut twice);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn no_input_makes_validation_fail_itself(value in any_json()) {
        certificates().validate(&value);
    }
}

#[test]
fn every_built_in_schema_can_be_read() {
    for (group, version, kind, open_api) in builtin::all_rows() {
        Schema::parse(&open_api).expect(kind);
        assert!(builtin(group, version, kind).is_some(), "{kind}");
    }
    assert!(builtin("", "v1", "Pod").is_none());
}

#[test]
fn a_secret_knows_its_fields_and_type() {
    let schema = builtin("", "v1", "Secret").unwrap();
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"k": "dg=="}, "bogus": 1});
    schema.prune(&mut secret);
    schema.fill_defaults(&mut secret);
    assert_eq!(secret["type"], "Opaque");
    assert!(secret.get("bogus").is_none());
    assert!(schema.validate(&secret).is_empty());
}

#[test]
fn native_kinds_lose_empty_lists_and_maps_and_custom_ones_keep_them() {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {}});
    builtin("", "v1", "Secret").unwrap().prune(&mut secret);
    assert_eq!(secret, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}));
    let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"},
        "rules": []});
    builtin("rbac.authorization.k8s.io", "v1", "Role").unwrap().prune(&mut role);
    assert_eq!(role["rules"], json!([]));
    let mut certificate = object(json!({"fqdn": "a", "labels": {}, "tags": []}));
    certificates().prune(&mut certificate);
    assert_eq!(certificate["spec"], json!({"fqdn": "a", "labels": {}, "tags": []}));
}

#[test]
fn an_embedded_object_must_say_its_kind() {
    let errors = certificates().validate(&object(json!({"fqdn": "a", "template": {"kind": "Pod"}})));
    assert_eq!(texts(&errors), ["spec.template.apiVersion: Required value"]);
}

fn ruled() -> Schema {
    Schema::parse(&json!({"type": "object", "x-kubernetes-validations": [
            {"rule": "self.metadata.name.startsWith('x')", "message": "the name begins with x"}],
        "properties": {"spec": {"type": "object", "x-kubernetes-validations": [
            {"rule": "!has(self.min) || !has(self.max) || self.min <= self.max", "message": "min is above max"},
            {"rule": "!(self.?off.orValue(false) && self.?on.orValue(false))"},
            {"rule": "self.name == oldSelf.name", "message": "the name stays", "fieldPath": ".name",
                "reason": "FieldValueForbidden"}],
        "properties": {
            "min": {"type": "integer"}, "max": {"type": "integer"}, "on": {"type": "boolean"},
            "off": {"type": "boolean"},
            "name": {"type": "string", "x-kubernetes-validations": [
                {"rule": "self.matches('^[a-z]+$')", "messageExpression": "'no name: ' + self"}]},
            "namespace": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]},
            "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "x-kubernetes-validations": [
                    {"rule": "self.v >= oldSelf.v", "message": "only up"}],
                    "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}}}}}}))
    .unwrap()
}

#[test]
fn rules_are_run_where_they_stand() {
    let check = |spec: Value| texts(&ruled().validate(&object(spec)));
    assert_eq!(check(json!({"min": 1, "max": 2, "name": "a"})), Vec::<String>::new());
    assert_eq!(check(json!({"min": 3, "max": 2})), ["spec: Invalid value: \"object\": min is above max"]);
    assert_eq!(
        check(json!({"on": true, "off": true})),
        [
            "spec: Invalid value: \"object\": failed rule: !(self.?off.orValue(false) && self.?on.orValue(false))"
        ]
    );
    assert_eq!(check(json!({"name": "A"})), ["spec.name: Invalid value: \"string\": no name: A"]);
    let mut other = object(json!({}));
    other["metadata"]["name"] = json!("y");
    assert_eq!(
        texts(&ruled().validate(&other)),
        ["<nil>: Invalid value: \"object\": the name begins with x"]
    );
}

#[test]
fn rules_about_the_value_before_hold_for_updates_only() {
    let live = object(json!({"name": "a", "list": [{"k": "x", "v": 2}, {"k": "y", "v": 1}]}));
    let changed =
        object(json!({"name": "b", "list": [{"k": "y", "v": 2}, {"k": "x", "v": 1}, {"k": "z", "v": 0}]}));
    assert!(ruled().validate(&changed).is_empty());
    assert_eq!(
        texts(&ruled().validate_update(&live, &changed)),
        ["spec.name: Forbidden: the name stays", "spec.list[1]: Invalid value: \"object\": only up"]
    );
}

#[test]
fn rules_wait_until_the_types_are_right() {
    assert_eq!(
        texts(&ruled().validate(&object(json!({"min": "x", "max": 2})))),
        [
            "spec.min: Invalid value: \"string\": spec.min in body must be of type integer: \"string\"",
            "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; \
             correct the existing errors to complete validation"
        ]
    );
}

#[test]
fn a_rule_that_cannot_be_read_is_told_with_its_place() {
    let error = Schema::parse(&json!({"type": "object", "x-kubernetes-validations": [{"rule": "self."}]}))
        .unwrap_err();
    assert_eq!(error.path, "openAPIV3Schema.x-kubernetes-validations[0].rule");
}
