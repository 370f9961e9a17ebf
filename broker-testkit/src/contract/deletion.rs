//! Deletion: what holds it, on which conditions it happens, and what goes with it.

use serde_json::{Value, json};

use super::broken::{Broken, hold, same};
use super::sample::{CONFIG_MAPS, FINALIZER, WIDGETS, config_map, held, labelled, set, widget};
use super::session::{caused_by, eventually, named};
use super::subject::Subject;

/// An object with a finalizer stays, marked, until the last finalizer is removed.
pub async fn finalizers_hold_a_deletion(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    place.create(WIDGETS, &held(widget("one", 1))).await?;
    let marked = place.session.delete(&path).await?.coded(200)?;
    let metadata = &marked["metadata"];
    hold(metadata["deletionTimestamp"].is_string(), "the deletion answers the marked object", &marked)?;
    same(&metadata["deletionGracePeriodSeconds"], &json!(0), "its grace period")?;
    same(&metadata["generation"], &json!(2), "the generation after the mark")?;
    let again = place.session.delete(&path).await?.coded(200)?;
    same(&again, &marked, "a second deletion changes nothing")?;
    let change = json!({"metadata": {"deletionTimestamp": null}});
    let found = place.session.merge(&path, &change).await?.coded(200)?;
    same(&found, &marked, "the mark cannot be removed")?;
    let changed = place.session.merge(&path, &json!({"spec": {"size": 2}})).await?.coded(200)?;
    same(&changed["spec"]["size"], &json!(2), "it can still be changed")?;
    let released =
        place.session.merge(&path, &json!({"metadata": {"finalizers": null}})).await?.coded(200)?;
    same(&released["metadata"]["finalizers"], &Value::Null, "the answer shows it without finalizers")?;
    place.session.get(&path).await?.refused(404, "NotFound").map(|_| ())
}

/// Nobody can hold what is being deleted with a new finalizer.
pub async fn what_is_being_deleted_takes_no_new_finalizer(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    place.create(WIDGETS, &held(widget("one", 1))).await?;
    place.session.delete(&path).await?.coded(200)?;
    let change = json!({"metadata": {"finalizers": [FINALIZER, "contract.example.com/late"]}});
    let status = place.session.merge(&path, &change).await?.refused(422, "Invalid")?;
    caused_by(&status, &[("FieldValueForbidden", "metadata.finalizers")])
}

/// Preconditions name the object that is meant: another uid or version is a `Conflict`.
pub async fn a_deletion_with_a_precondition_that_fails_is_a_conflict(
    subject: &Subject,
) -> Result<(), Broken> {
    let place = subject.place().await?;
    let path = place.at(CONFIG_MAPS, "one");
    let made = place.create(CONFIG_MAPS, &config_map("one")).await?;
    let changed = place.session.merge(&path, &json!({"data": {"a": "b"}})).await?.coded(200)?;
    let stale = json!({"preconditions": {"resourceVersion": made["metadata"]["resourceVersion"]}});
    place.session.delete_with(&path, &stale).await?.refused(409, "Conflict")?;
    let other = json!({"preconditions": {"uid": "00000000-0000-0000-0000-000000000001"}});
    place.session.delete_with(&path, &other).await?.refused(409, "Conflict")?;
    same(&place.read(CONFIG_MAPS, "one").await?, &changed, "the object is what it was")?;
    let right = json!({"preconditions": {
        "uid": changed["metadata"]["uid"], "resourceVersion": changed["metadata"]["resourceVersion"],
    }});
    place.session.delete_with(&path, &right).await?.coded(200)?;
    place.session.get(&path).await?.refused(404, "NotFound").map(|_| ())
}

/// A collection is deleted as far as the selector reaches.
pub async fn a_collection_is_deleted_by_its_selector(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    for (name, side) in [("a", "left"), ("b", "right"), ("c", "left")] {
        place.create(WIDGETS, &labelled(widget(name, 1), "side", side)).await?;
    }
    let path = place.path(WIDGETS);
    place.session.delete(&format!("{path}?labelSelector=side%3Dleft")).await?.coded(200)?;
    named(&place.session.get(&path).await?.coded(200)?, &["b"], "what was not selected is left")
}

fn owned(name: &str, owner: &Value) -> Value {
    let mut object = config_map(name);
    set(
        &mut object,
        "/metadata/ownerReferences",
        json!([{
            "apiVersion": owner["apiVersion"], "kind": owner["kind"],
            "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        }]),
    );
    object
}

/// What an object owns goes after it.
pub async fn what_is_owned_goes_with_its_owner(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let owner = place.create(CONFIG_MAPS, &config_map("owner")).await?;
    let middle = place.create(CONFIG_MAPS, &owned("middle", &owner)).await?;
    place.create(CONFIG_MAPS, &owned("last", &middle)).await?;
    place.create(CONFIG_MAPS, &config_map("free")).await?;
    place.session.delete(&place.at(CONFIG_MAPS, "owner")).await?.coded(200)?;
    place.session.until_gone(&place.at(CONFIG_MAPS, "middle")).await?;
    place.session.until_gone(&place.at(CONFIG_MAPS, "last")).await?;
    place.read(CONFIG_MAPS, "free").await.map(|_| ())
}

/// An object whose owner is gone already, or is another object of that name, goes too.
pub async fn what_is_owned_by_an_absent_uid_goes(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let mut owner = place.create(CONFIG_MAPS, &config_map("owner")).await?;
    set(&mut owner, "/metadata/uid", json!("00000000-0000-0000-0000-000000000001"));
    place.create(CONFIG_MAPS, &owned("orphan", &owner)).await?;
    place.session.until_gone(&place.at(CONFIG_MAPS, "orphan")).await?;
    place.read(CONFIG_MAPS, "owner").await.map(|_| ())
}

/// With the policy `Orphan`, what is owned stays and is owned no longer.
pub async fn what_is_orphaned_stays(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let owner = place.create(CONFIG_MAPS, &config_map("owner")).await?;
    place.create(CONFIG_MAPS, &owned("dependent", &owner)).await?;
    let path = place.at(CONFIG_MAPS, "owner");
    place.session.delete_with(&path, &json!({"propagationPolicy": "Orphan"})).await?.coded(200)?;
    place.session.until_gone(&path).await?;
    eventually(|| async {
        let found = place.read(CONFIG_MAPS, "dependent").await?;
        hold(found["metadata"]["ownerReferences"].is_null(), "it has no owner any more", &found)
    })
    .await
}

/// With the policy `Foreground`, the owner waits for what it owns and blocks its deletion.
pub async fn an_owner_in_the_foreground_waits_for_what_it_owns(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let owner = place.create(CONFIG_MAPS, &config_map("owner")).await?;
    let mut dependent = held(owned("dependent", &owner));
    set(&mut dependent, "/metadata/ownerReferences/0/blockOwnerDeletion", json!(true));
    place.create(CONFIG_MAPS, &dependent).await?;
    let path = place.at(CONFIG_MAPS, "owner");
    let marked =
        place.session.delete_with(&path, &json!({"propagationPolicy": "Foreground"})).await?.coded(200)?;
    same(&marked["metadata"]["finalizers"], &json!(["foregroundDeletion"]), "the owner's finalizers")?;
    let below = place.at(CONFIG_MAPS, "dependent");
    let claim = "what it owns is being deleted";
    place.session.until(&below, claim, |o| o["metadata"]["deletionTimestamp"].is_string()).await?;
    place.read(CONFIG_MAPS, "owner").await?;
    place.session.merge(&below, &json!({"metadata": {"finalizers": null}})).await?.coded(200)?;
    place.session.until_gone(&path).await
}
