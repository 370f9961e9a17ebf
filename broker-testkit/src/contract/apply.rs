//! Server-side apply: who owns what, who is told, who wins.

use serde_json::{Value, json};

use super::broken::{Broken, hold, same};
use super::sample::{CONFIG_MAPS, WIDGETS, config_map, set, widget};
use super::session::{caused_by, list};
use super::subject::Subject;

/// A uid that nothing has.
const OTHER_UID: &str = "00000000-0000-0000-0000-000000000001";

/// A widget with nothing in its spec but what is given.
fn with_spec(spec: Value) -> Value {
    let mut object = widget("one", 1);
    set(&mut object, "/spec", spec);
    object
}

/// The entries of `managedFields` as manager, operation and subresource.
fn managers<'a>(object: &'a Value) -> Vec<[&'a str; 3]> {
    let text = |entry: &'a Value, key: &str| entry[key].as_str().unwrap_or_default();
    let mut found: Vec<_> = list(&object["metadata"]["managedFields"])
        .iter()
        .map(|entry| ["manager", "operation", "subresource"].map(|key| text(entry, key)))
        .collect();
    found.sort_unstable();
    found
}

/// What a manager owns.
fn fields(object: &Value, manager: &str) -> Value {
    list(&object["metadata"]["managedFields"])
        .iter()
        .find(|entry| entry["manager"] == manager)
        .map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

/// An apply creates the object, and its manager owns exactly what it named.
pub async fn an_apply_owns_what_it_names(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let mut object = with_spec(json!({"size": 3, "parts": [{"name": "a"}], "tags": ["x"]}));
    set(&mut object, "/metadata/labels", json!({"side": "left"}));
    let made = place.session.apply(&path, "first", &object).await?.coded(201)?;
    same(&json!(managers(&made)), &json!([["first", "Apply", ""]]), "its managers")?;
    let owned = json!({
        "f:metadata": {"f:labels": {"f:side": {}}},
        "f:spec": {
            "f:size": {},
            "f:parts": {r#"k:{"name":"a"}"#: {".": {}, "f:name": {}}},
            "f:tags": {r#"v:"x""#: {}},
        },
    });
    same(&fields(&made, "first"), &owned, "what the manager owns")?;
    let entry = &made["metadata"]["managedFields"][0];
    same(&entry["apiVersion"], &json!("contract.example.com/v1"), "the version of the entry")?;
    same(&entry["fieldsType"], &json!("FieldsV1"), "the type of the entry's fields")?;
    hold(entry["time"].is_string(), "the entry has a time", entry)
}

/// Another manager's value is a `Conflict` whose causes name that manager and the field; nothing is changed.
pub async fn a_conflict_names_manager_and_field(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let made = place.session.apply(&path, "first", &with_spec(json!({"size": 3}))).await?.coded(201)?;
    let other = with_spec(json!({"size": 4, "tags": ["x"]}));
    let status = place.session.apply(&path, "second", &other).await?.refused(409, "Conflict")?;
    caused_by(&status, &[("FieldManagerConflict", ".spec.size")])?;
    let cause = &status["details"]["causes"][0]["message"];
    same(cause, &json!("conflict with \"first\""), "the message of the cause")?;
    let message = "Apply failed with 1 conflict: conflict with \"first\": .spec.size";
    same(&status["message"], &json!(message), "the message of the conflict")?;
    same(&place.read(WIDGETS, "one").await?, &made, "the object is what it was")?;
    place.session.merge(&path, &json!({"spec": {"colour": "red"}})).await?.coded(200)?;
    let other = with_spec(json!({"size": 3, "colour": "blue"}));
    let status = place.session.apply(&path, "first", &other).await?.refused(409, "Conflict")?;
    caused_by(&status, &[("FieldManagerConflict", ".spec.colour")])
}

/// With force, the field is the new manager's alone, and the old manager keeps the rest.
pub async fn force_takes_a_field_over(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let object = with_spec(json!({"size": 3, "tags": ["x"]}));
    place.session.apply(&path, "first", &object).await?.coded(201)?;
    let taken = place.session.force(&path, "second", &with_spec(json!({"size": 4}))).await?.coded(200)?;
    same(&taken["spec"]["size"], &json!(4), "the value")?;
    let rest = json!({"f:spec": {"f:tags": {r#"v:"x""#: {}}}});
    same(&fields(&taken, "first"), &rest, "what the first manager owns")?;
    same(&fields(&taken, "second"), &json!({"f:spec": {"f:size": {}}}), "what the second manager owns")
}

/// Two managers that want the same value share it without a conflict.
pub async fn equal_values_are_owned_together(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    place.session.apply(&path, "first", &with_spec(json!({"size": 3}))).await?.coded(201)?;
    let both = place.session.apply(&path, "second", &with_spec(json!({"size": 3}))).await?.coded(200)?;
    for manager in ["first", "second"] {
        let owned = json!({"f:spec": {"f:size": {}}});
        same(&fields(&both, manager), &owned, &format!("what {manager} owns"))?;
    }
    let status = place.session.apply(&path, "second", &with_spec(json!({"size": 4}))).await?;
    caused_by(&status.refused(409, "Conflict")?, &[("FieldManagerConflict", ".spec.size")])
}

/// What a manager applies no longer is removed, unless somebody else owns it too.
pub async fn what_is_no_longer_applied_is_removed(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let object = with_spec(json!({"size": 3, "owner": "me", "tags": ["x", "y"], "reserve": 2}));
    place.session.apply(&path, "first", &object).await?.coded(201)?;
    let shared = with_spec(json!({"size": 3, "tags": ["y"]}));
    place.session.apply(&path, "second", &shared).await?.coded(200)?;
    let left = place.session.apply(&path, "first", &with_spec(json!({"size": 3}))).await?.coded(200)?;
    let wanted = json!({"size": 3, "tags": ["y"], "colour": "blue"});
    same(&left["spec"], &wanted, "what is left when the first manager applies its size only")
}

/// Elements of a list-map belong to whoever applied them, by their key.
pub async fn elements_of_a_list_map_have_their_own_managers(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let one = with_spec(json!({"size": 3, "parts": [{"name": "a", "count": 5}]}));
    place.session.apply(&path, "first", &one).await?.coded(201)?;
    let mut other = with_spec(json!({"parts": [{"name": "b"}]}));
    let both = place.session.apply(&path, "second", &other).await?.coded(200)?;
    let parts = json!([{"name": "a", "count": 5}, {"name": "b", "count": 1}]);
    same(&both["spec"]["parts"], &parts, "the parts of both managers, with defaults")?;
    set(&mut other, "/spec/parts", json!([{"name": "a", "count": 6}]));
    let status = place.session.apply(&path, "second", &other).await?.refused(409, "Conflict")?;
    caused_by(&status, &[("FieldManagerConflict", r#".spec.parts[name="a"].count"#)])?;
    let rest = with_spec(json!({"size": 3}));
    let left = place.session.apply(&path, "first", &rest).await?.coded(200)?;
    let parts = json!([{"name": "b", "count": 1}]);
    same(&left["spec"]["parts"], &parts, "the parts when the first manager applies none")
}

/// A uid in an apply is a precondition: of an absent object it is a `Conflict`, so that a deleted object is not
/// made again, and of another object of that name it is `Invalid`. Neither changes anything.
pub async fn an_apply_with_another_uid_is_refused(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    for (kind, sample) in [(CONFIG_MAPS, config_map("one")), (WIDGETS, widget("one", 3))] {
        let path = place.at(kind, "one");
        let mut object = sample.clone();
        set(&mut object, "/metadata/uid", json!(OTHER_UID));
        place.session.force(&path, "first", &object).await?.refused(409, "Conflict")?;
        place.session.get(&path).await?.refused(404, "NotFound")?;
        let made = place.create(kind, &sample).await?;
        let status = place.session.force(&path, "first", &object).await?.refused(422, "Invalid")?;
        caused_by(&status, &[("FieldValueInvalid", "metadata.uid")])?;
        same(&place.read(kind, "one").await?, &made, "the object is what it was")?;
        set(&mut object, "/metadata/uid", made["metadata"]["uid"].clone());
        place.session.force(&path, "first", &object).await?.coded(200)?;
    }
    Ok(())
}

/// An apply is for the object that its path names.
pub async fn an_apply_with_another_name_is_a_bad_request(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let answer = place.session.apply(&place.at(CONFIG_MAPS, "one"), "first", &config_map("two")).await?;
    answer.refused(400, "BadRequest")?;
    place.session.get(&place.at(CONFIG_MAPS, "two")).await?.refused(404, "NotFound").map(|_| ())
}

/// The status has managers of its own, and an apply to the object does not touch it.
pub async fn the_status_is_applied_by_another_manager(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let status_path = format!("{path}/status");
    place.session.apply(&path, "first", &with_spec(json!({"size": 3}))).await?.coded(201)?;
    let status = json!({
        "apiVersion": "contract.example.com/v1", "kind": "Widget", "metadata": {"name": "one"},
        "status": {"phase": "Ready", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    let found = place.session.apply(&status_path, "second", &status).await?.coded(200)?;
    let wanted = json!([["first", "Apply", ""], ["second", "Apply", "status"]]);
    same(&json!(managers(&found)), &wanted, "the managers")?;
    same(&found["status"]["phase"], &json!("Ready"), "the status")?;
    same(&found["spec"]["size"], &json!(3), "the spec")?;
    let found = place.session.apply(&path, "first", &with_spec(json!({"size": 4}))).await?.coded(200)?;
    same(&found["status"]["phase"], &json!("Ready"), "the status after an apply to the object")?;
    let mut other = status;
    set(&mut other, "/status", json!({"phase": "Lost"}));
    let refused = place.session.apply(&status_path, "third", &other).await?.refused(409, "Conflict")?;
    caused_by(&refused, &[("FieldManagerConflict", ".status.phase")])
}

/// An apply without a manager, and one that brings `managedFields`, are refused.
pub async fn an_apply_needs_a_manager_and_no_managed_fields(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let path = place.at(CONFIG_MAPS, "one");
    place.session.apply_raw(&path, &config_map("one")).await?.refused(422, "Invalid")?;
    let mut object = place.session.apply(&path, "first", &config_map("one")).await?.coded(201)?;
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("uid");
        metadata.remove("resourceVersion");
    }
    place.session.apply(&path, "first", &object).await?.refused(400, "BadRequest").map(|_| ())
}
