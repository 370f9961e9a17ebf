//! Objects: what is made, read, changed and refused.

use serde_json::{Value, json};

use super::broken::{Broken, hold, same};
use super::sample::{CONFIG_MAPS, WIDGETS, config_map, set, widget};
use super::session::{caused_by, named};
use super::subject::Subject;

/// The server adds uid, creation time, version and generation; get and list show the same object.
pub async fn what_is_created_is_read_back_with_what_the_server_adds(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let made = place.create(WIDGETS, &widget("one", 3)).await?;
    let metadata = &made["metadata"];
    let text = |key: &str| metadata[key].as_str().is_some_and(|text| !text.is_empty());
    let complete = text("uid") && text("creationTimestamp") && text("resourceVersion");
    hold(complete, "a new object has uid, creationTimestamp and resourceVersion", &made)?;
    same(&metadata["generation"], &json!(1), "a new object's generation")?;
    same(&metadata["namespace"], &json!(place.namespace), "a new object's namespace")?;
    same(&place.read(WIDGETS, "one").await?, &made, "what get shows is what create answered")?;
    let all = place.session.get(&place.path(WIDGETS)).await?.coded(200)?;
    same(&all["kind"], &json!("WidgetList"), "the kind of a list")?;
    same(&all["apiVersion"], &json!("contract.example.com/v1"), "the apiVersion of a list")?;
    named(&all, &["one"], "the list shows what is there")?;
    hold(
        all["metadata"]["resourceVersion"].as_str().is_some_and(|v| !v.is_empty()),
        "a list has a version",
        &all["metadata"],
    )
}

/// Deleting answers success, and the object is gone.
pub async fn what_is_deleted_is_gone(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    place.create(WIDGETS, &widget("one", 3)).await?;
    let answer = place.session.delete(&place.at(WIDGETS, "one")).await?.coded(200)?;
    same(&answer["status"], &json!("Success"), "the Status of a deletion that is complete")?;
    same(&answer["details"]["name"], &json!("one"), "the name in the Status of a deletion")?;
    place.session.get(&place.at(WIDGETS, "one")).await?.refused(404, "NotFound")?;
    let all = place.session.get(&place.path(WIDGETS)).await?.coded(200)?;
    named(&all, &[], "the list shows nothing")
}

/// Get, update, patch and delete of an absent object are `NotFound`, naming it.
pub async fn an_absent_object_is_not_found(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "none");
    let status = place.session.get(&path).await?.refused(404, "NotFound")?;
    let message = "widgets.contract.example.com \"none\" not found";
    same(&status["message"], &json!(message), "the message of NotFound")?;
    let details = json!({"name": "none", "group": "contract.example.com", "kind": "widgets"});
    same(&status["details"], &details, "the details of NotFound")?;
    place.session.delete(&path).await?.refused(404, "NotFound")?;
    place.session.merge(&path, &json!({"spec": {"size": 1}})).await?.refused(404, "NotFound")?;
    let mut object = widget("none", 1);
    set(&mut object, "/metadata/resourceVersion", json!("1"));
    place.session.put(&path, &object).await?.refused(404, "NotFound")?;
    Ok(())
}

/// A kind, group or version that is not served is a 404 too, but none with a Status.
pub async fn what_is_not_served_is_a_404_without_a_status(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "none");
    for unserved in [
        path.replace("widgets", "nothings"),
        path.replace("contract.example.com", "nothing.example.com"),
        path.replace("/v1/", "/v7/"),
    ] {
        let text = place.session.get(&unserved).await?.coded(404)?;
        same(&text, &json!("404 page not found\n"), "the answer in plain text")?;
    }
    Ok(())
}

/// A second object of one name is `AlreadyExists`, and the first stays as it is.
pub async fn a_name_that_is_taken_is_already_exists(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let made = place.create(WIDGETS, &widget("one", 3)).await?;
    let path = place.path(WIDGETS);
    let status = place.session.post(&path, &widget("one", 4)).await?.refused(409, "AlreadyExists")?;
    let message = "widgets.contract.example.com \"one\" already exists";
    same(&status["message"], &json!(message), "the message of AlreadyExists")?;
    same(&place.read(WIDGETS, "one").await?, &made, "the object of that name is what it was")
}

/// The same name can be used once in every namespace.
pub async fn names_are_taken_per_namespace(subject: &Subject) -> Result<(), Broken> {
    let (here, there) = (subject.place().await?, subject.place().await?);
    let (one, other) = (
        here.create(CONFIG_MAPS, &config_map("same")).await?,
        there.create(CONFIG_MAPS, &config_map("same")).await?,
    );
    hold(one["metadata"]["uid"] != other["metadata"]["uid"], "they are two objects", &other)
}

/// An update or patch with an older version is a `Conflict`, and changes nothing.
pub async fn a_stale_resource_version_is_a_conflict(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let path = place.at(CONFIG_MAPS, "one");
    let mut stale = place.create(CONFIG_MAPS, &config_map("one")).await?;
    let change = json!({"data": {"colour": "red"}});
    let changed = place.session.merge(&path, &change).await?.coded(200)?;
    set(&mut stale, "/data/colour", json!("green"));
    let status = place.session.put(&path, &stale).await?.refused(409, "Conflict")?;
    let message = "Operation cannot be fulfilled on configmaps \"one\": the object has been modified; \
                   please apply your changes to the latest version and try again";
    same(&status["message"], &json!(message), "the message of a Conflict")?;
    let version = &stale["metadata"]["resourceVersion"];
    let change = json!({"metadata": {"resourceVersion": version}, "data": {"colour": "green"}});
    place.session.merge(&path, &change).await?.refused(409, "Conflict")?;
    same(&place.read(CONFIG_MAPS, "one").await?, &changed, "the object is what it was")
}

/// Built-in kinds are updated whatever their version is, custom resources need one.
pub async fn an_update_without_a_version_is_for_builtin_kinds_only(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    place.create(CONFIG_MAPS, &config_map("one")).await?;
    let mut object = config_map("one");
    set(&mut object, "/data/colour", json!("red"));
    let path = place.at(CONFIG_MAPS, "one");
    let changed = place.session.put(&path, &object).await?.coded(200)?;
    same(&changed["data"]["colour"], &json!("red"), "what the update wrote")?;
    place.create(WIDGETS, &widget("one", 3)).await?;
    let path = place.at(WIDGETS, "one");
    let status = place.session.put(&path, &widget("one", 4)).await?.refused(422, "Invalid")?;
    caused_by(&status, &[("FieldValueInvalid", "metadata.resourceVersion")])
}

/// A name that cannot be one is `Invalid`, with the field as a cause.
pub async fn an_invalid_name_is_told_as_a_cause(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let path = place.path(CONFIG_MAPS);
    let status = place.session.post(&path, &config_map("Not_Valid")).await?.refused(422, "Invalid")?;
    let details = &status["details"];
    same(&details["name"], &json!("Not_Valid"), "the name in the details")?;
    same(&details["kind"], &json!("ConfigMap"), "the kind in the details")?;
    caused_by(&status, &[("FieldValueInvalid", "metadata.name")])
}

/// A namespace that is not there is `NotFound` for whoever creates in it.
pub async fn nothing_is_created_in_an_absent_namespace(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session()?;
    let path = CONFIG_MAPS.path("contract-none");
    let status = session.post(&path, &config_map("one")).await?.refused(404, "NotFound")?;
    let message = "namespaces \"contract-none\" not found";
    same(&status["message"], &json!(message), "the message of NotFound")
}

/// Metadata and status leave the generation alone, a change of the spec moves it by one.
pub async fn generation_moves_only_with_the_spec(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    place.create(WIDGETS, &widget("one", 3)).await?;
    let path = place.at(WIDGETS, "one");
    let status = format!("{path}/status");
    let steps = [
        (&path, json!({"metadata": {"labels": {"a": "b"}}}), 1),
        (&path, json!({"metadata": {"annotations": {"a": "b"}}}), 1),
        (&status, json!({"status": {"phase": "Ready"}}), 1),
        (&path, json!({"spec": {"size": 4}}), 2),
        (&path, json!({"spec": {"size": 4}}), 2),
        (&path, json!({"spec": {"tags": ["x"]}}), 3),
    ];
    for (path, change, generation) in steps {
        let changed = place.session.merge(path, &change).await?.coded(200)?;
        same(
            &changed["metadata"]["generation"],
            &json!(generation),
            &format!("the generation after {change}"),
        )?;
    }
    Ok(())
}

/// What is written to the object leaves its status, what is written to the status leaves all else.
pub async fn the_object_and_its_status_are_written_apart(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let mut object = widget("one", 3);
    set(&mut object, "/status", json!({"phase": "Forged"}));
    let made = place.create(WIDGETS, &object).await?;
    same(&made["status"], &Value::Null, "a new object has no status")?;
    let path = place.at(WIDGETS, "one");
    let status_path = format!("{path}/status");
    let both = json!({
        "metadata": {"labels": {"a": "b"}}, "spec": {"size": 9}, "status": {"phase": "Ready"},
    });
    let found = place.session.merge(&status_path, &both).await?.coded(200)?;
    same(&found["status"], &json!({"phase": "Ready"}), "the status written to the status")?;
    same(&found["spec"]["size"], &json!(3), "the spec written to the status")?;
    same(&found["metadata"]["labels"], &Value::Null, "the labels written to the status")?;
    let mut update = found;
    set(&mut update, "/spec/size", json!(5));
    set(&mut update, "/status/phase", json!("Forged"));
    let found = place.session.put(&path, &update).await?.coded(200)?;
    same(&found["spec"]["size"], &json!(5), "the spec written to the object")?;
    same(&found["status"], &json!({"phase": "Ready"}), "the status written to the object")?;
    let mut update = found;
    set(&mut update, "/spec/size", json!(7));
    set(&mut update, "/status/phase", json!("Gone"));
    let found = place.session.put(&status_path, &update).await?.coded(200)?;
    same(&found["spec"]["size"], &json!(5), "the spec after an update of the status")?;
    same(&found["status"]["phase"], &json!("Gone"), "the status after an update of it")?;
    let shown = place.session.get(&status_path).await?.coded(200)?;
    same(&shown, &found, "the status subresource shows the whole object")
}

/// Update, merge patch, JSON patch and apply that change nothing leave the version.
pub async fn a_write_that_changes_nothing_keeps_the_version(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let object = widget("one", 3);
    let made = place.session.apply(&path, "first", &object).await?.coded(201)?;
    // A real server's first update stores what was only shown before, such as defaults.
    let first = place.session.put(&path, &made).await?.coded(200)?;
    let again = place.session.put(&path, &first).await?.coded(200)?;
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    same(&version(&again), &version(&first), "the version after an update with what was read")?;
    let again = place.session.merge(&path, &json!({"spec": {"size": 3}})).await?.coded(200)?;
    same(&version(&again), &version(&first), "the version after a merge patch with what is there")?;
    let change = json!([{"op": "replace", "path": "/spec/size", "value": 3}]);
    let again = place.session.json_patch(&path, &change).await?.coded(200)?;
    same(&version(&again), &version(&first), "the version after a JSON patch with what is there")?;
    let again = place.session.apply(&path, "first", &object).await?.coded(200)?;
    same(&again, &first, "the object after the same apply")
}

/// `generateName` is a prefix, and two objects of one prefix are two.
pub async fn a_generated_name_begins_with_its_prefix(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "some-"}});
    let one = place.create(CONFIG_MAPS, &object).await?;
    let other = place.create(CONFIG_MAPS, &object).await?;
    for made in [&one, &other] {
        let name = made["metadata"]["name"].as_str().unwrap_or_default();
        let prefixed = name.strip_prefix("some-").is_some_and(|rest| !rest.is_empty());
        hold(prefixed, "the name is generateName and something more", made)?;
    }
    hold(one["metadata"]["name"] != other["metadata"]["name"], "generated names differ", &other)
}

/// A uid in an update is a precondition, and creation time and generation cannot be written.
pub async fn what_the_server_wrote_cannot_be_rewritten(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let made = place.create(WIDGETS, &widget("one", 3)).await?;
    let path = place.at(WIDGETS, "one");
    // A real server's first update stores what was only shown before, such as defaults.
    let made = place.session.put(&path, &made).await?.coded(200)?;
    let mut other = made.clone();
    set(&mut other, "/metadata/uid", json!("00000000-0000-0000-0000-000000000001"));
    place.session.put(&path, &other).await?.refused(409, "Conflict")?;
    let mut other = made.clone();
    set(&mut other, "/metadata/creationTimestamp", json!("2001-01-01T00:00:00Z"));
    set(&mut other, "/metadata/generation", json!(77));
    let found = place.session.put(&path, &other).await?.coded(200)?;
    same(&found, &made, "the object after an update of what only the server writes")?;
    set(&mut other, "/metadata/deletionTimestamp", json!("2001-01-01T00:00:00Z"));
    let status = place.session.put(&path, &other).await?.refused(422, "Invalid")?;
    caused_by(&status, &[("FieldValueInvalid", "metadata.deletionTimestamp")])
}
