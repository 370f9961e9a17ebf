#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn widgets() -> Schema {
    Schema::parse(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "a": {"type": "string"},
            "b": {"type": "integer"},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "plain": {"type": "array", "items": {"type": "string"}},
            "options": {"type": "object", "additionalProperties": {"type": "string"}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
                "x": {"type": "string"}, "y": {"type": "string"}}},
            "ports": {"type": "array", "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["port", "protocol"],
                "items": {"type": "object", "properties": {"port": {"type": "integer"},
                    "protocol": {"type": "string", "default": "TCP"}, "name": {"type": "string"}}}},
        }},
        "status": {"type": "object", "properties": {
            "conditions": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "items": {"type": "object", "properties": {
                    "type": {"type": "string"}, "status": {"type": "string"}}}}}},
    }}))
    .unwrap()
}

fn by(manager: &'static str) -> Writer<'static> {
    at(manager, "2026-01-01T00:00:00Z")
}

fn at(manager: &'static str, now: &'static str) -> Writer<'static> {
    Writer { manager, api_version: "example.com/v1", subresource: "", now, status_subresource: true }
}

fn status(manager: &'static str) -> Writer<'static> {
    Writer { subresource: "status", ..by(manager) }
}

fn widget(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
}

fn applied(live: Option<&Value>, spec: &Value, manager: &'static str) -> Value {
    apply(live, &widget(spec), &widgets(), by(manager), false).unwrap()
}

fn refused(live: &Value, spec: &Value, manager: &'static str) -> ApplyError {
    apply(Some(live), &widget(spec), &widgets(), by(manager), false).unwrap_err()
}

fn created(object: &Value, manager: &'static str) -> Value {
    let mut object = object.clone();
    record_update(None, &mut object, &widgets(), by(manager));
    object
}

fn updated(live: &Value, change: impl FnOnce(&mut Value), writer: Writer<'_>) -> Value {
    let mut object = live.clone();
    change(&mut object);
    record_update(Some(live), &mut object, &widgets(), writer);
    object
}

fn fields(object: &Value, manager: &str) -> Value {
    let found = managed::entries(object).into_iter().flatten().find(|entry| entry["manager"] == manager);
    found.map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

#[test]
fn an_applied_object_names_its_manager_and_fields() {
    let object = applied(None, &json!({"a": "x", "tags": ["t"], "options": {"k": "v"}}), "one");
    assert_eq!(
        object["metadata"]["managedFields"],
        json!([{"manager": "one", "operation": "Apply", "apiVersion": "example.com/v1", "fieldsType": "FieldsV1",
            "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:a": {}, "f:tags": {"v:\"t\"": {}},
            "f:options": {"f:k": {}}}}}])
    );
}

#[test]
fn a_created_object_is_owned_with_its_containers() {
    let object = created(&widget(&json!({"a": "x", "options": {"k": "v"}, "whole": {"x": "1"}})), "one");
    assert_eq!(
        fields(&object, "one"),
        json!({"f:spec": {".": {}, "f:a": {}, "f:options": {".": {}, "f:k": {}}, "f:whole": {}}})
    );
    assert_eq!(object["metadata"]["managedFields"][0]["operation"], "Update");
}

#[test]
fn list_items_are_owned_by_their_keys_defaults_included() {
    let object = applied(None, &json!({"ports": [{"port": 80, "name": "http"}]}), "one");
    assert_eq!(
        fields(&object, "one"),
        json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}":
            {".": {}, "f:name": {}, "f:port": {}}}}})
    );
}

#[test]
fn a_field_of_another_manager_with_another_value_conflicts() {
    let live = applied(None, &json!({"a": "x"}), "one");
    let ApplyError::Conflict { message, causes } = refused(&live, &json!({"a": "y"}), "two") else {
        unreachable!("a conflict was expected");
    };
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"one\": .spec.a");
    assert_eq!(causes, [Cause { field: ".spec.a".to_owned(), message: "conflict with \"one\"".to_owned() }]);
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let live = applied(None, &json!({"a": "x"}), "one");
    let live = updated(&live, |object| object["spec"]["b"] = json!(1), by("other"));
    assert_eq!(
        refused(&live, &json!({"a": "y", "b": 2}), "two").to_string(),
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .spec.a\nconflicts with \"other\" using \
         example.com/v1:\n- .spec.b"
    );
}

#[test]
fn force_takes_the_field_from_the_other_manager() {
    let live = applied(None, &json!({"a": "x", "b": 1}), "one");
    let object = apply(Some(&live), &widget(&json!({"a": "y"})), &widgets(), by("two"), true).unwrap();
    assert_eq!(object["spec"], json!({"a": "y", "b": 1}));
    assert_eq!(fields(&object, "one"), json!({"f:spec": {"f:b": {}}}));
    assert_eq!(fields(&object, "two"), json!({"f:spec": {"f:a": {}}}));
}

#[test]
fn the_same_value_is_owned_together() {
    let live = applied(None, &json!({"a": "x"}), "one");
    let object = applied(Some(&live), &json!({"a": "x"}), "two");
    assert_eq!(fields(&object, "one"), fields(&object, "two"));
    let object = applied(Some(&object), &json!({}), "two");
    assert_eq!(object["spec"], json!({"a": "x"}));
    assert_eq!(fields(&object, "two"), json!({"f:spec": {}}));
}

#[test]
fn what_is_no_longer_applied_goes() {
    let live =
        applied(None, &json!({"a": "x", "b": 1, "options": {"k": "v", "l": "w"}, "tags": ["t", "u"]}), "one");
    let object = applied(Some(&live), &json!({"b": 1, "options": {"l": "w"}, "tags": ["u"]}), "one");
    assert_eq!(object["spec"], json!({"b": 1, "options": {"l": "w"}, "tags": ["u"]}));
}

#[test]
fn what_somebody_else_owns_stays_when_it_is_no_longer_applied() {
    let live = applied(None, &json!({"ports": [{"port": 80, "name": "http"}], "b": 1}), "one");
    let live = applied(Some(&live), &json!({"ports": [{"port": 80}]}), "two");
    let live = updated(&live, |object| object["spec"]["b"] = json!(2), by("other"));
    let object = applied(Some(&live), &json!({"a": "x"}), "one");
    assert_eq!(object["spec"], json!({"a": "x", "b": 2, "ports": [{"port": 80}]}));
}

#[test]
fn list_items_keep_the_applied_order() {
    let live = applied(None, &json!({"tags": ["a", "b", "c"]}), "one");
    let live =
        updated(&live, |object| object["spec"]["tags"] = json!(["x", "a", "b", "c", "y"]), by("other"));
    let object = applied(Some(&live), &json!({"tags": ["c", "n", "a", "b"]}), "one");
    assert_eq!(object["spec"]["tags"], json!(["x", "c", "y", "n", "a", "b"]));
}

#[test]
fn atomic_values_are_replaced_and_owned_as_one() {
    let live = applied(None, &json!({"plain": ["a"], "whole": {"x": "1"}}), "one");
    assert_eq!(fields(&live, "one"), json!({"f:spec": {"f:plain": {}, "f:whole": {}}}));
    let object = applied(Some(&live), &json!({"plain": ["b"], "whole": {"y": "2"}}), "one");
    assert_eq!(object["spec"], json!({"plain": ["b"], "whole": {"y": "2"}}));
    assert_eq!(
        refused(&object, &json!({"whole": {"x": "1"}}), "two").to_string(),
        "Apply failed with 1 conflict: conflict with \"one\": .spec.whole"
    );
}

#[test]
fn status_and_spec_are_owned_apart() {
    let live = applied(None, &json!({"a": "x"}), "one");
    let mut patch = widget(&json!({"a": "ignored"}));
    patch["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    let object = apply(Some(&live), &patch, &widgets(), status("one"), false).unwrap();
    assert_eq!(object["spec"], json!({"a": "x"}));
    assert_eq!(object["status"], patch["status"]);
    let entries = managed::entries(&object).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(
        entries[1]["fieldsV1"],
        json!({"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}":
            {".": {}, "f:status": {}, "f:type": {}}}}})
    );
    let again = apply(Some(&object), &patch, &widgets(), by("one"), false);
    assert_eq!(again.unwrap()["status"], patch["status"], "the main endpoint leaves status alone");
}

#[test]
fn an_update_takes_what_it_changes_from_the_applier() {
    let live = applied(None, &json!({"a": "x", "b": 1}), "one");
    let object = updated(&live, |object| object["spec"]["a"] = json!("y"), by("other"));
    assert_eq!(fields(&object, "one"), json!({"f:spec": {"f:b": {}}}));
    assert_eq!(fields(&object, "other"), json!({"f:spec": {"f:a": {}}}));
    assert_eq!(
        refused(&object, &json!({"a": "x", "b": 1}), "one").to_string(),
        "Apply failed with 1 conflict: conflict with \"other\" using example.com/v1: .spec.a"
    );
}

#[test]
fn an_update_without_a_change_keeps_the_times() {
    let live = applied(None, &json!({"a": "x"}), "one");
    let object = updated(&live, |_| {}, at("other", "2026-01-02T00:00:00Z"));
    assert_eq!(object, live);
    let object =
        apply(Some(&live), &widget(&json!({"a": "x"})), &widgets(), at("one", "2026-01-02T00:00:00Z"), false);
    assert_eq!(object.unwrap(), live);
}

#[test]
fn a_client_that_leaves_managed_fields_out_does_not_lose_them() {
    let live = applied(None, &json!({"a": "x"}), "one");
    let forget = |object: &mut Value| {
        object["metadata"].as_object_mut().unwrap().remove("managedFields");
    };
    assert_eq!(updated(&live, forget, by("other")), live);
    let reset = |object: &mut Value| object["metadata"]["managedFields"] = json!([]);
    assert_eq!(managed::entries(&updated(&live, reset, by("other"))), None);
    let reset = |object: &mut Value| object["metadata"]["managedFields"] = json!([{}]);
    assert_eq!(managed::entries(&updated(&live, reset, by("other"))), None);
}

#[test]
fn the_first_apply_to_an_untracked_object_leaves_its_fields_to_their_past() {
    let live = widget(&json!({"a": "x", "b": 1}));
    let object = applied(Some(&live), &json!({"b": 1}), "one");
    assert_eq!(fields(&object, "before-first-apply"), json!({"f:spec": {".": {}, "f:a": {}, "f:b": {}}}));
    assert_eq!(fields(&object, "one"), json!({"f:spec": {"f:b": {}}}));
}

#[test]
fn a_value_that_changes_its_shape_is_taken_from_the_owners_of_its_parts() {
    let object = |value: Value| json!({"apiVersion": "example.com/v1", "kind": "Any", "metadata": {"name": "w"}, "spec": {"any": value}});
    let live = apply(None, &object(json!({"m": 1})), &Schema::untyped(), by("one"), false).unwrap();
    let mut changed = live.clone();
    changed["spec"]["any"] = json!([1, 2]);
    record_update(Some(&live), &mut changed, &Schema::untyped(), by("two"));
    assert_eq!(fields(&changed, "one"), json!({"f:spec": {}}));
    assert_eq!(fields(&changed, "two"), json!({"f:spec": {"f:any": {}}}));
}

#[test]
fn a_list_that_loses_its_last_item_to_pruning_is_null_until_validation_refuses_it() {
    let mut patch = widget(&json!({}));
    patch["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    let live = apply(None, &patch, &widgets(), status("one"), false).unwrap();
    let change = |object: &mut Value| object["status"]["conditions"][0]["status"] = json!("False");
    let live = updated(&live, change, status("two"));
    patch["status"] = json!({});
    let mut object = apply(Some(&live), &patch, &widgets(), status("one"), false).unwrap();
    widgets().fill_defaults_after_apply(&mut object);
    assert_eq!(object["status"], json!({"conditions": null}));
    assert!(!widgets().validate(&object).is_empty());
}

#[test]
fn metadata_of_the_server_is_nobodys() {
    let mut object = widget(&json!({}));
    object["metadata"] = json!({"name": "w", "namespace": "n", "uid": "1", "resourceVersion": "7", "generation": 3,
        "labels": {"l": "m"}, "finalizers": ["f"], "ownerReferences": [{"uid": "u", "name": "o"}]});
    let object = apply(None, &object, &widgets(), by("one"), false).unwrap();
    assert_eq!(
        fields(&object, "one"),
        json!({"f:metadata": {"f:labels": {"f:l": {}}, "f:finalizers": {"v:\"f\"": {}},
            "f:ownerReferences": {"k:{\"uid\":\"u\"}": {}}}, "f:spec": {}})
    );
}

#[test]
fn undeclared_fields_and_managed_fields_cannot_be_applied() {
    let object = widget(&json!({"nope": 1}));
    assert_eq!(
        apply(None, &object, &widgets(), by("one"), false).unwrap_err().to_string(),
        "failed to create typed patch object (/w; example.com/v1, Kind=Widget): .spec.nope: field not declared in \
         schema"
    );
    let mut object = widget(&json!({}));
    object["metadata"]["managedFields"] = json!([]);
    assert_eq!(
        apply(None, &object, &widgets(), by("one"), false).unwrap_err(),
        ApplyError::BadRequest("metadata.managedFields must be nil".to_owned())
    );
    let twice = widget(&json!({"tags": ["a", "a"]}));
    assert!(matches!(
        apply(None, &twice, &widgets(), by("one"), false),
        Err(ApplyError::Contradiction(message)) if message.ends_with(".spec.tags: duplicate entries for key [=\"a\"]")
    ));
}

#[test]
fn kubectl_takes_over_what_it_applied_from_the_client_side() {
    let mut object = widget(&json!({"a": "x", "b": 1}));
    let last = widget(&json!({"a": "x", "b": 1})).to_string();
    object["metadata"]["annotations"] = json!({LAST_APPLIED: last});
    let live = created(&object, "kubectl-client-side-apply");
    let object = applied(Some(&live), &json!({"a": "y", "b": 1}), "kubectl");
    assert_eq!(object["spec"], json!({"a": "y", "b": 1}));
    assert!(object["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap().contains("\"a\":\"y\""));
    assert!(apply(Some(&live), &widget(&json!({"a": "y"})), &widgets(), by("one"), false).is_err());
}

#[test]
fn untyped_objects_are_owned_field_by_field() {
    let object = json!({"apiVersion": "example.com/v1", "kind": "Any", "metadata": {"name": "w"},
        "spec": {"list": [1], "deep": {"x": 1}}});
    let object = apply(None, &object, &Schema::untyped(), by("one"), false).unwrap();
    assert_eq!(
        fields(&object, "one"),
        json!({"f:spec": {".": {}, "f:deep": {".": {}, "f:x": {}}, "f:list": {}}})
    );
}

#[test]
fn old_updaters_are_merged_when_there_are_too_many() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let mut object = created(&widget(&json!({})), "zero");
    for name in names {
        let change = |object: &mut Value| object["spec"]["options"] = json!({name: "x"});
        let mut next = object.clone();
        if next["spec"]["options"].is_null() {
            next["spec"]["options"] = json!({});
        }
        change(&mut object);
        let mut merged = next.clone();
        merged["spec"]["options"][name] = json!("x");
        record_update(Some(&next), &mut merged, &widgets(), by(name));
        object = merged;
    }
    let entries = managed::entries(&object).unwrap();
    assert_eq!(entries.len(), 10);
    assert!(entries.iter().any(|entry| entry["manager"] == "ancient-changes"));
}

fn any_spec() -> impl Strategy<Value = Value> {
    let text = || prop_oneof![Just("x"), Just("y")];
    let tags = prop::collection::btree_set(prop_oneof![Just("p"), Just("q"), Just("r")], 0..3);
    let ports = prop::collection::btree_map(prop_oneof![Just(80), Just(90)], prop::option::of(text()), 0..3);
    let options = prop::collection::btree_map(prop_oneof![Just("k"), Just("l")], text(), 0..3);
    (
        prop::option::of(text()),
        prop::option::of(0..3),
        prop::option::of(tags),
        prop::option::of(ports),
        prop::option::of(options),
        prop::option::of(prop::collection::vec(text(), 1..3)),
    )
        .prop_map(|(a, b, tags, ports, options, plain)| {
            let mut spec = json!({});
            let mut set = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    spec[name] = value;
                }
            };
            set("a", a.map(Value::from));
            set("b", b.map(Value::from));
            set("plain", plain.map(Value::from));
            set("tags", tags.filter(|tags| !tags.is_empty()).map(|tags| tags.into_iter().collect()));
            set("options", options.filter(|all| !all.is_empty()).map(|all| json!(all)));
            set(
                "ports",
                ports.filter(|ports| !ports.is_empty()).map(|ports| {
                    ports
                        .into_iter()
                        .map(|(port, name)| match name {
                            Some(name) => json!({"port": port, "protocol": "TCP", "name": name}),
                            None => json!({"port": port, "protocol": "TCP"}),
                        })
                        .collect()
                }),
            );
            spec
        })
}

/// What is applied is found in the object: nothing the applier said got lost.
fn contains(object: &Value, applied: &Value) -> bool {
    match (object, applied) {
        (Value::Object(object), Value::Object(applied)) => {
            applied.iter().all(|(name, value)| object.get(name).is_some_and(|found| contains(found, value)))
        }
        (Value::Array(object), Value::Array(applied)) => {
            applied.iter().all(|value| object.iter().any(|found| contains(found, value)))
        }
        (object, applied) => object == applied,
    }
}

/// The spec as it is stored: a container that lost everything is null until defaults are filled in.
fn settled(object: &Value) -> Value {
    let mut object = object.clone();
    widgets().fill_defaults(&mut object);
    object.get("spec").cloned().unwrap_or_else(|| json!({}))
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(first in any_spec(), second in any_spec()) {
        let live = applied(None, &first, "one");
        let once = apply(Some(&live), &widget(&second), &widgets(), by("two"), true).unwrap();
        let twice = apply(Some(&once), &widget(&second), &widgets(), at("two", "2026-02-02T00:00:00Z"), true).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_sole_applier_gets_exactly_what_it_applies(first in any_spec(), second in any_spec()) {
        let live = applied(None, &first, "one");
        let object = applied(Some(&live), &second, "one");
        prop_assert_eq!(settled(&object), second);
    }

    #[test]
    fn what_was_forced_is_there(first in any_spec(), second in any_spec()) {
        let live = applied(None, &first, "one");
        let object = apply(Some(&live), &widget(&second), &widgets(), by("two"), true).unwrap();
        prop_assert!(contains(&object["spec"], &second), "{} lacks {}", object["spec"], second);
    }

    #[test]
    fn a_manager_that_leaves_takes_only_its_own_along(first in any_spec(), second in any_spec()) {
        let live = applied(None, &first, "one");
        let Ok(both) = apply(Some(&live), &widget(&second), &widgets(), by("two"), false) else { return Ok(()) };
        prop_assert!(contains(&both["spec"], &first) && contains(&both["spec"], &second));
        let left = applied(Some(&both), &json!({}), "two");
        prop_assert_eq!(settled(&left), first);
    }

    #[test]
    fn there_is_a_conflict_exactly_if_forcing_changes_the_others_fields(first in any_spec(), second in any_spec()) {
        let live = applied(None, &first, "one");
        let forced = apply(Some(&live), &widget(&second), &widgets(), by("two"), true).unwrap();
        let tried = apply(Some(&live), &widget(&second), &widgets(), by("two"), false);
        prop_assert_eq!(tried.is_err(), fields(&forced, "one") != fields(&live, "one"));
        if let Ok(object) = tried {
            prop_assert_eq!(object, forced);
        }
    }

    #[test]
    fn every_set_survives_being_written_and_read(spec in any_spec()) {
        let set = typed::field_set(&widget(&spec), widgets().root());
        prop_assert_eq!(FieldSet::decode(&set.encode()), Some(set));
    }

    #[test]
    fn an_update_leaves_every_field_with_an_owner(first in any_spec(), second in any_spec()) {
        let live = created(&widget(&first), "one");
        let object = updated(&live, |object| object["spec"] = second.clone(), by("two"));
        let owners = managed::decode(managed::entries(&object).unwrap()).unwrap();
        let all = owners.values().fold(FieldSet::default(), |all, owned| all.union(&owned.set));
        let fields = strip(&typed::field_set(&object, widgets().root()));
        prop_assert!(fields.difference(&all).is_empty(), "{:?}", fields.difference(&all).paths());
    }
}
