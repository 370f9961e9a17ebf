//! Merge, JSON and strategic merge patches.

use serde_json::json;

use super::broken::{Broken, same};
use super::sample::{CONFIG_MAPS, WIDGETS, config_map, held, set, widget};
use super::session::caused_by;
use super::subject::Subject;

/// A merge patch sets what it names, removes what is null, and replaces lists.
pub async fn a_merge_patch_removes_what_is_null(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let mut object = widget("one", 3);
    set(&mut object, "/spec/tags", json!(["x", "y"]));
    set(&mut object, "/spec/owner", json!("me"));
    place.create(WIDGETS, &object).await?;
    let change = json!({"spec": {"owner": null, "tags": ["z"], "reserve": 1}});
    let found = place.session.merge(&place.at(WIDGETS, "one"), &change).await?.coded(200)?;
    let wanted = json!({"size": 3, "colour": "blue", "tags": ["z"], "reserve": 1});
    same(&found["spec"], &wanted, "the spec")
}

/// A JSON patch does its operations in order, all or none.
pub async fn a_json_patch_does_all_or_nothing(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    place.create(WIDGETS, &widget("one", 3)).await?;
    let change = json!([
        {"op": "test", "path": "/spec/size", "value": 3},
        {"op": "replace", "path": "/spec/size", "value": 4},
        {"op": "add", "path": "/spec/tags", "value": ["x"]},
        {"op": "add", "path": "/spec/tags/-", "value": "z"},
        {"op": "add", "path": "/spec/tags/1", "value": "y"},
        {"op": "remove", "path": "/spec/tags/0"},
    ]);
    let found = place.session.json_patch(&path, &change).await?.coded(200)?;
    let wanted = json!({"size": 4, "colour": "blue", "tags": ["y", "z"]});
    same(&found["spec"], &wanted, "the spec")?;
    let change = json!([
        {"op": "replace", "path": "/spec/size", "value": 5},
        {"op": "remove", "path": "/spec/owner"},
    ]);
    place.session.json_patch(&path, &change).await?.refused(422, "Invalid")?;
    same(&place.read(WIDGETS, "one").await?, &found, "the object is what it was")
}

/// A `test` that fails is `Invalid` and changes nothing.
pub async fn a_test_that_fails_changes_nothing(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let made = place.create(WIDGETS, &widget("one", 3)).await?;
    let change = json!([
        {"op": "test", "path": "/spec/size", "value": 4},
        {"op": "replace", "path": "/spec/size", "value": 5},
    ]);
    place.session.json_patch(&path, &change).await?.refused(422, "Invalid")?;
    same(&place.read(WIDGETS, "one").await?, &made, "the object is what it was")
}

/// A `test` of null passes where nothing is: clients add the first finalizer that way.
pub async fn a_test_of_null_passes_where_nothing_is(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    place.create(WIDGETS, &widget("one", 3)).await?;
    let finalizers = json!(["contract.example.com/held"]);
    let change = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": finalizers},
    ]);
    let found = place.session.json_patch(&path, &change).await?.coded(200)?;
    same(&found["metadata"]["finalizers"], &finalizers, "the finalizers")?;
    place.session.json_patch(&path, &change).await?.refused(422, "Invalid")?;
    place.session.delete(&path).await?.coded(200)?;
    let change = json!([
        {"op": "test", "path": "/metadata/finalizers/0", "value": "contract.example.com/held"},
        {"op": "remove", "path": "/metadata/finalizers/0"},
    ]);
    place.session.json_patch(&path, &change).await?.coded(200)?;
    place.session.get(&path).await?.refused(404, "NotFound").map(|_| ())
}

/// A strategic merge patch merges by key, of built-in kinds only.
pub async fn a_strategic_merge_patch_is_for_builtin_kinds_only(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    place.create(CONFIG_MAPS, &held(config_map("one"))).await?;
    let change = json!({"metadata": {"finalizers": ["contract.example.com/more"]}, "data": {"a": "b"}});
    let found = place.session.strategic(&place.at(CONFIG_MAPS, "one"), &change).await?.coded(200)?;
    same(&found["data"], &json!({"colour": "blue", "a": "b"}), "the data")?;
    let wanted = json!(["contract.example.com/more", "contract.example.com/held"]);
    same(&found["metadata"]["finalizers"], &wanted, "the finalizers, which are merged")?;
    place.create(WIDGETS, &widget("one", 3)).await?;
    let change = json!({"spec": {"size": 4}});
    let answer = place.session.strategic(&place.at(WIDGETS, "one"), &change).await?;
    answer.refused(415, "UnsupportedMediaType").map(|_| ())
}

/// A patch can say of which version it is, and cannot rename.
pub async fn a_patch_cannot_rename(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let made = place.create(WIDGETS, &widget("one", 3)).await?;
    let change = json!({"metadata": {"name": "two"}});
    place.session.merge(&place.at(WIDGETS, "one"), &change).await?.refused(400, "BadRequest")?;
    same(&place.read(WIDGETS, "one").await?, &made, "the object is what it was")
}

/// What a patch results in is validated like anything else.
pub async fn a_patch_is_validated(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    place.create(WIDGETS, &widget("one", 3)).await?;
    let status = place.session.merge(&path, &json!({"spec": {"size": 500}})).await?;
    caused_by(&status.refused(422, "Invalid")?, &[("FieldValueInvalid", "spec.size")])?;
    let status = place.session.merge(&path, &json!({"spec": {"size": null}})).await?;
    caused_by(&status.refused(422, "Invalid")?, &[("FieldValueRequired", "spec.size")])
}
