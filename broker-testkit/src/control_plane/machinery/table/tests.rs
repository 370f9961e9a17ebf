#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const NOW: &str = "2026-01-01T01:00:00Z";

fn row(columns: &Columns, object: &Value) -> Value {
    columns.render(&[object], &json!({"resourceVersion": "1"}), IncludeObject::None, NOW)["rows"][0]["cells"]
        .clone()
}

fn headings(columns: &Columns) -> Vec<String> {
    let table = columns.render(&[], &json!({}), IncludeObject::None, NOW);
    let definitions = table["columnDefinitions"].as_array().unwrap();
    definitions.iter().map(|definition| definition["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_secret_shows_its_type_and_the_number_of_its_keys_only() {
    let secret = json!({"metadata": {"name": "s", "creationTimestamp": "2026-01-01T00:55:00Z"},
        "type": "Opaque", "data": {"a": "eA==", "b": "eQ=="}});
    let columns = builtin_columns("", "Secret");
    assert_eq!(headings(&columns), ["Name", "Type", "Data", "Age"]);
    assert_eq!(row(&columns, &secret), json!(["s", "Opaque", 2, "5m"]));
}

#[test]
fn custom_columns_follow_their_paths_and_types() {
    let columns = custom_columns(&[
        json!({"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}),
        json!({"name": "Note", "type": "string", "jsonPath": ".metadata.annotations['example.com/note']"}),
        json!({"name": "First", "type": "string", "jsonPath": ".spec.names[0]"}),
        json!({"name": "Days", "type": "integer", "jsonPath": ".spec.days", "priority": 1}),
        json!({"name": "Till", "type": "date", "jsonPath": ".status.till"}),
        json!({"name": "Absent", "type": "string", "jsonPath": ".spec.absent"}),
        json!({"name": "Wrong", "type": "integer", "jsonPath": ".spec.names"}),
        json!({"name": "Number", "type": "string", "jsonPath": ".spec.days"}),
    ]);
    let object = json!({
        "metadata": {"name": "x", "annotations": {"example.com/note": "hi"}},
        "spec": {"names": ["a", "b"], "days": 3},
        "status": {"till": "2026-01-01T00:59:00Z",
            "conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
    });
    assert_eq!(row(&columns, &object), json!(["x", "True", "hi", "a", 3, "60s", null, null, "3"]));
}

#[test]
fn without_columns_of_its_own_a_kind_shows_name_and_age() {
    let columns = custom_columns(&[]);
    assert_eq!(headings(&columns), ["Name", "Age"]);
    assert_eq!(row(&columns, &json!({"metadata": {"name": "x"}})), json!(["x", "<unknown>"]));
}

#[test]
fn rows_carry_what_was_asked_for() {
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}});
    let columns = builtin_columns("", "ConfigMap");
    let carried = |include| columns.render(&[&object], &json!({}), include, NOW)["rows"][0]["object"].clone();
    assert_eq!(carried(IncludeObject::None), Value::Null);
    assert_eq!(
        carried(IncludeObject::Metadata),
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "x"}})
    );
    assert_eq!(carried(IncludeObject::Object), object);
}

#[test]
fn an_event_is_shown_by_its_object_and_last_time() {
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Secret", "name": "s"},
        "type": "Normal", "reason": "Made", "message": "done\n", "eventTime": "2026-01-01T00:59:58.123456Z",
        "reportingComponent": "broker", "reportingInstance": "b-1"});
    assert_eq!(
        row(&builtin_columns("", "Event"), &event),
        json!(["2s", "Normal", "Made", "secret/s", "", "broker, b-1", "done", "2s", 1, "e"])
    );
}

#[test]
fn a_binding_shows_role_and_subjects() {
    let binding = json!({"metadata": {"name": "b", "creationTimestamp": NOW},
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "a", "namespace": "n"}]});
    assert_eq!(
        row(&builtin_columns("rbac.authorization.k8s.io", "RoleBinding"), &binding),
        json!(["b", "ClusterRole/r", "0s", "u", "", "n/a"])
    );
}

#[test]
fn paths_that_make_no_sense_are_refused() {
    for broken in [".a[", ".a[x]", ".a[?(b==1)]", ".a..b", ".a[?(@.b==x)]"] {
        assert!(JsonPath::parse(broken).is_err(), "{broken}");
    }
}

#[test]
fn paths_find_fields_indexes_and_all() {
    let value = json!({"a": [{"b": 1, "c.d": 2}, {"b": 3}], "e": {"f": 4}});
    let find = |path: &str| -> Vec<Value> {
        JsonPath::parse(path).unwrap().find(&value).into_iter().cloned().collect()
    };
    assert_eq!(find(".a[*].b"), [1, 3]);
    assert_eq!(find("{.a[-1].b}"), [3]);
    assert_eq!(find("$.a[0]['c.d']"), [2]);
    assert_eq!(find(r".a[0].c\.d"), [2]);
    assert_eq!(find(".a[?(@.b>1)].b"), [3]);
    assert_eq!(find(".a[?(@['c.d'])].b"), [1]);
    assert_eq!(find(".a[0:1].b"), [1]);
    assert_eq!(find(".e.*"), [4]);
    assert!(find(".x.y").is_empty());
}
