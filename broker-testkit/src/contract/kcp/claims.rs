//! Permission claims that a binding accepted for labelled objects only.

use serde_json::json;

use super::estate::{LABEL, cluster, text};
use crate::contract::broken::{Broken, hold, same};
use crate::contract::sample::{SECRETS, labelled, secret};
use crate::contract::session::{list, named};
use crate::contract::subject::{Place, Subject};
use crate::contract::watch::Watch;

/// An object outside the selector is not found, is not in lists, and is neither changed nor deleted; only its
/// name is taken.
pub async fn what_the_selector_leaves_out_cannot_be_touched(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let place = Place::make(subject.at(&estate.one.url)?).await?;
    let inside = estate.inside(subject, &estate.one.id)?;
    let own = place.create(SECRETS, &secret("own")).await?;
    let path = place.at(SECRETS, "own");
    inside.get(&path).await?.refused(404, "NotFound")?;
    let found = inside.get(&place.path(SECRETS)).await?.coded(200)?;
    named(&found, &[], "a list shows nothing of it")?;
    inside.post(&place.path(SECRETS), &secret("own")).await?.refused(409, "AlreadyExists")?;
    inside.force(&path, "first", &secret("own")).await?.refused(409, "AlreadyExists")?;
    inside.merge(&path, &json!({"data": null})).await?.refused(404, "NotFound")?;
    inside.delete(&path).await?.refused(403, "Forbidden")?;
    same(&place.read(SECRETS, "own").await?, &own, "the object is what it was")
}

/// What is created or applied through the claim gets the label by itself, and is seen from then on.
pub async fn what_is_created_through_a_claim_gets_its_label(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let place = Place::make(subject.at(&estate.one.url)?).await?;
    let inside = estate.inside(subject, &estate.one.id)?;
    let made = inside.post(&place.path(SECRETS), &secret("created")).await?.coded(201)?;
    same(&made["metadata"]["labels"][LABEL], &json!("true"), "the label in the answer to a create")?;
    let made = inside.apply(&place.at(SECRETS, "applied"), "first", &secret("applied")).await?.coded(200)?;
    same(&made["metadata"]["labels"][LABEL], &json!("true"), "the label in the answer to an apply")?;
    let found = inside.get(&place.path(SECRETS)).await?.coded(200)?;
    named(&found, &["applied", "created"], "both are seen")?;
    let own = place.read(SECRETS, "created").await?;
    same(&own["metadata"]["labels"][LABEL], &json!("true"), "the label that the workspace's owner sees")
}

/// An object that gets the label begins to exist, one that loses it ceases to: for lists, reads and watches.
pub async fn the_label_decides_what_exists(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let place = Place::make(subject.at(&estate.one.url)?).await?;
    let (inside, everywhere) = (estate.inside(subject, &estate.one.id)?, estate.inside(subject, "*")?);
    let path = place.at(SECRETS, "one");
    let selector = format!("labelSelector=mark%3D{}", place.namespace);
    let all = SECRETS.path("");
    let found = everywhere.get(&format!("{all}?{selector}")).await?.coded(200)?;
    let version = text(&found["metadata"]["resourceVersion"]);
    let mut watch = Watch::from(&everywhere, &all, &format!("&{selector}"), &version).await?;
    place.create(SECRETS, &labelled(secret("one"), "mark", &place.namespace)).await?;
    let on = json!({"metadata": {"labels": {LABEL: "true"}}});
    place.session.merge(&path, &on).await?.coded(200)?;
    watch.expect("ADDED", "one").await?;
    inside.get(&path).await?.coded(200)?;
    let off = json!({"metadata": {"labels": {LABEL: null}}});
    place.session.merge(&path, &off).await?.coded(200)?;
    // The label itself may be seen to go before the object does.
    loop {
        let event = watch.next().await?;
        let kind = event.as_ref().map(|event| event.kind.as_str()).unwrap_or_default();
        match kind {
            "MODIFIED" => {}
            "DELETED" => break,
            _ => return Err(Broken::new("it leaves the watch as DELETED", format!("{kind:?}"))),
        }
    }
    inside.get(&path).await?.refused(404, "NotFound").map(|_| ())
}

/// A claim that the binding did not accept gives no right in that workspace, and shows nothing of it elsewhere.
pub async fn a_claim_that_is_not_accepted_gives_nothing(subject: &Subject) -> Result<(), Broken> {
    let estate = subject.estate().await?;
    let place = Place::make(subject.at(&estate.other.url)?).await?;
    let inside = estate.inside(subject, &estate.other.id)?;
    place.create(SECRETS, &labelled(secret("own"), LABEL, "true")).await?;
    inside.get(&place.path(SECRETS)).await?.refused(403, "Forbidden")?;
    inside.get(&place.at(SECRETS, "own")).await?.refused(403, "Forbidden")?;
    let all = estate.inside(subject, "*")?.get(&SECRETS.path("")).await?.coded(200)?;
    let foreign = list(&all["items"]).iter().any(|secret| cluster(secret) == estate.other.id);
    hold(!foreign, "a list of all clusters shows nothing of that workspace", &all)?;
    inside.post(&place.path(SECRETS), &secret("new")).await?.refused(403, "Forbidden")?;
    place.session.get(&place.at(SECRETS, "new")).await?.refused(404, "NotFound").map(|_| ())
}
