#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_pass_by_value)]

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn pods() -> Schema {
    Schema::parse(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "containers": {"type": "array", "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "name", "items": {"type": "object", "properties": {
                "name": {"type": "string"}, "image": {"type": "string"},
                "args": {"type": "array", "items": {"type": "string"}}}}},
        "strategy": {"type": "object", "x-kubernetes-patch-strategy": "retainKeys", "properties": {
            "type": {"type": "string"}, "rolling": {"type": "string"}}},
        "gates": {"type": "array", "items": {"type": "string"}}}}}}))
    .unwrap()
}

fn json_patched(object: Value, operations: Value) -> Result<Value, PatchError> {
    let mut object = object;
    json_patch(&mut object, &operations).map(|()| object)
}

fn strategic(object: Value, patch: Value) -> Value {
    let mut object = object;
    strategic_merge_patch(&mut object, &patch, &pods()).unwrap();
    object
}

#[test]
fn a_test_of_null_passes_on_an_absent_field() {
    let operations = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["a"]},
    ]);
    assert_eq!(
        json_patched(json!({"metadata": {}}), operations).unwrap(),
        json!({"metadata": {"finalizers": ["a"]}})
    );
}

#[test]
fn the_finalizer_patch_of_kube_removes_the_first_finalizer() {
    let operations = json!([
        {"op": "test", "path": "/metadata/finalizers/0", "value": "a"},
        {"op": "remove", "path": "/metadata/finalizers/0"},
    ]);
    assert_eq!(
        json_patched(json!({"metadata": {"finalizers": ["a", "b"]}}), operations.clone()).unwrap(),
        json!({"metadata": {"finalizers": ["b"]}})
    );
    assert!(matches!(
        json_patched(json!({"metadata": {"finalizers": ["b"]}}), operations),
        Err(PatchError::Rejected(_))
    ));
}

#[test]
fn a_failing_operation_leaves_the_object_alone() {
    let mut object = json!({"a": 1});
    let operations = json!([{"op": "add", "path": "/b", "value": 1}, {"op": "remove", "path": "/c"}]);
    assert_eq!(
        json_patch(&mut object, &operations).unwrap_err().to_string(),
        "error in remove for path: '/c': Unable to remove nonexistent key: c: missing value"
    );
    assert_eq!(object, json!({"a": 1}));
}

#[test]
fn json_patch_adds_replaces_moves_and_copies() {
    let operations = json!([
        {"op": "add", "path": "/l/1", "value": 9},
        {"op": "add", "path": "/l/-", "value": 8},
        {"op": "replace", "path": "/l/-1", "value": 7},
        {"op": "move", "from": "/a~1b", "path": "/moved"},
        {"op": "copy", "from": "/moved", "path": "/copied"},
        {"op": "replace", "path": "/fresh", "value": true},
    ]);
    assert_eq!(
        json_patched(json!({"l": [1, 2], "a/b": {"x": 1}}), operations).unwrap(),
        json!({"l": [1, 9, 2, 7], "moved": {"x": 1}, "copied": {"x": 1}, "fresh": true})
    );
}

#[test]
fn a_json_patch_that_is_no_list_is_malformed() {
    assert!(matches!(json_patched(json!({}), json!({"op": "add"})), Err(PatchError::Malformed(_))));
}

#[test]
fn merged_lists_are_merged_by_their_key_with_new_items_first() {
    let object = json!({"spec": {"containers": [{"name": "a", "image": "1", "args": ["x"]}, {"name": "b"}]}});
    let patch = json!({"spec": {"containers": [{"name": "a", "image": "2"}, {"name": "c"}]}});
    assert_eq!(
        strategic(object, patch),
        json!({"spec": {"containers": [{"name": "a", "image": "2", "args": ["x"]}, {"name": "c"}, {"name": "b"}]}})
    );
}

#[test]
fn the_element_order_is_kept_as_asked() {
    let object = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}});
    let patch = json!({"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
        "containers": [{"name": "c", "image": "x"}]}});
    assert_eq!(
        strategic(object, patch),
        json!({"spec": {"containers": [{"name": "b"}, {"name": "c", "image": "x"}, {"name": "a"}]}})
    );
}

#[test]
fn a_list_in_another_order_than_its_directive_is_refused() {
    let mut object = json!({"spec": {"containers": [{"name": "a"}]}});
    let patch = json!({"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
        "containers": [{"name": "a"}, {"name": "c"}]}});
    assert!(strategic_merge_patch(&mut object, &patch, &pods()).is_err());
}

#[test]
fn an_item_that_is_deleted_and_given_again_comes_first() {
    let object = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}});
    let patch =
        json!({"spec": {"containers": [{"name": "c"}, {"name": "b"}, {"name": "c", "$patch": "delete"}]}});
    assert_eq!(
        strategic(object, patch),
        json!({"spec": {"containers": [{"name": "c"}, {"name": "a"}, {"name": "b"}]}})
    );
}

#[test]
fn items_are_deleted_and_lists_replaced_by_directive() {
    let object = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
    assert_eq!(
        strategic(object.clone(), json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})),
        json!({"spec": {"containers": [{"name": "b"}]}})
    );
    assert_eq!(
        strategic(object, json!({"spec": {"containers": [{"name": "z"}, {"$patch": "replace"}]}})),
        json!({"spec": {"containers": [{"name": "z"}]}})
    );
}

#[test]
fn objects_are_replaced_deleted_and_narrowed_by_directive() {
    let object = json!({"spec": {"strategy": {"type": "Rolling", "rolling": "x"}}});
    assert_eq!(
        strategic(object.clone(), json!({"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}})),
        json!({"spec": {"strategy": {"type": "Recreate"}}})
    );
    assert_eq!(
        strategic(object, json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})),
        json!({"spec": {"strategy": {"type": "Recreate"}}})
    );
}

#[test]
fn finalizers_are_merged_and_deleted_one_by_one() {
    let object = json!({"metadata": {"finalizers": ["a", "b"]}});
    let patch = json!({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}});
    assert_eq!(strategic(object, patch), json!({"metadata": {"finalizers": ["c", "b"]}}));
}

#[test]
fn owner_references_are_merged_by_uid() {
    let object = json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]}});
    let patch = json!({"metadata": {"ownerReferences": [{"uid": "2", "name": "b"}, {"uid": "1", "$patch": "delete"}]}});
    assert_eq!(
        strategic(object, patch),
        json!({"metadata": {"ownerReferences": [{"uid": "2", "name": "b"}]}})
    );
}

#[test]
fn other_lists_are_replaced() {
    let object = json!({"spec": {"gates": ["a"]}});
    assert_eq!(strategic(object, json!({"spec": {"gates": ["b"]}})), json!({"spec": {"gates": ["b"]}}));
}

#[test]
fn a_list_item_without_its_merge_key_is_refused() {
    let mut object = json!({"spec": {"containers": [{"name": "a"}]}});
    let error =
        strategic_merge_patch(&mut object, &json!({"spec": {"containers": [{"image": "a"}]}}), &pods());
    assert_eq!(
        error.unwrap_err().to_string(),
        "map: {\"image\":\"a\"} does not contain declared merge key: name"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<i8>().prop_map(Value::from)];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[abc]", any_json(), 0..3)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn has_list(value: &Value) -> bool {
    value.is_array() || value.as_object().is_some_and(|fields| fields.values().any(has_list))
}

fn has_null_field(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| fields.values().any(|each| each.is_null() || has_null_field(each)))
}

proptest! {
    #[test]
    fn an_empty_merge_patch_changes_nothing(object in any_object()) {
        let mut patched = object.clone();
        merge_patch(&mut patched, &json!({}));
        prop_assert_eq!(patched, object);
    }

    #[test]
    fn a_merge_patch_applied_twice_is_as_applied_once(object in any_object(), patch in any_object()) {
        let mut once = object;
        merge_patch(&mut once, &patch);
        let mut twice = once.clone();
        merge_patch(&mut twice, &patch);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn an_object_without_nulls_patched_into_nothing_is_itself(object in any_object()) {
        prop_assume!(!has_null_field(&object));
        let mut patched = json!({});
        merge_patch(&mut patched, &object);
        prop_assert_eq!(patched, object);
    }

    #[test]
    fn without_lists_and_directives_a_strategic_patch_is_a_merge_patch(object in any_object(), patch in any_object()) {
        prop_assume!(!has_list(&patch));
        let mut merged = object.clone();
        merge_patch(&mut merged, &patch);
        let mut strategic = object;
        strategic_merge_patch(&mut strategic, &patch, &pods()).unwrap();
        prop_assert_eq!(strategic, merged);
    }

    #[test]
    fn an_added_value_can_be_removed_again(object in any_object(), value in any_json()) {
        let mut patched = object.clone();
        json_patch(&mut patched, &json!([
            {"op": "add", "path": "/new", "value": value},
            {"op": "test", "path": "/new", "value": value},
            {"op": "remove", "path": "/new"},
        ])).unwrap();
        prop_assert_eq!(patched, object);
    }
}
