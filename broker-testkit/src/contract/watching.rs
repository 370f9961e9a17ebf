//! Watches: what they replay, what they show, and in which order.

use serde_json::{Value, json};

use super::broken::{Broken, hold, same, shown};
use super::sample::{CONFIG_MAPS, WIDGETS, config_map, labelled, widget};
use super::session::{list, named};
use super::subject::Subject;
use super::watch::Watch;

/// From a list's version on, a watch shows what happened before it was opened and what happens after, in
/// order and complete.
pub async fn a_watch_goes_on_from_a_list_without_a_gap(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let version = place.version(WIDGETS).await?;
    let first = place.create(WIDGETS, &widget("one", 1)).await?;
    let second = place.session.merge(&path, &json!({"spec": {"size": 2}})).await?.coded(200)?;
    let mut watch = Watch::from(&place.session, &place.path(WIDGETS), "", &version).await?;
    let added = watch.expect("ADDED", "one").await?;
    same(&added, &first, "ADDED shows what the create answered")?;
    let modified = watch.expect("MODIFIED", "one").await?;
    same(&modified, &second, "MODIFIED shows what the patch answered")?;
    let third = place.session.merge(&path, &json!({"spec": {"size": 3}})).await?.coded(200)?;
    same(&watch.expect("MODIFIED", "one").await?, &third, "MODIFIED shows what the patch answered")?;
    place.session.delete(&path).await?.coded(200)?;
    let deleted = watch.expect("DELETED", "one").await?;
    same(&deleted["spec"]["size"], &json!(3), "DELETED shows the last state")?;
    let versions = [&added, &modified, &third, &deleted].map(number);
    let rising = versions.is_sorted_by(|one, next| one < next);
    hold(rising, "every event has a newer version, the last one too", &json!(versions))
}

fn number(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok()).unwrap_or_default()
}

/// Without a version, a watch begins with what is there, as ADDED.
pub async fn a_watch_without_a_version_begins_with_what_is_there(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    place.create(WIDGETS, &widget("one", 1)).await?;
    let path = place.path(WIDGETS);
    let mut watch = Watch::open(&place.session, &format!("{path}?watch=true")).await?;
    watch.expect("ADDED", "one").await?;
    place.create(WIDGETS, &widget("two", 1)).await?;
    watch.expect("ADDED", "two").await.map(|_| ())
}

/// A write that changes nothing is no event.
pub async fn a_write_that_changes_nothing_is_no_event(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    let object = widget("one", 1);
    let made = place.session.apply(&path, "first", &object).await?.coded(201)?;
    // A real server's first update stores what was only shown before, such as defaults.
    let made = place.session.put(&path, &made).await?.coded(200)?;
    let version = place.version(WIDGETS).await?;
    let mut watch = Watch::from(&place.session, &place.path(WIDGETS), "", &version).await?;
    place.session.put(&path, &made).await?.coded(200)?;
    place.session.merge(&path, &json!({"spec": {"size": 1}})).await?.coded(200)?;
    place.session.apply(&path, "first", &object).await?.coded(200)?;
    place.session.merge(&format!("{path}/status"), &json!({"spec": {"size": 2}})).await?.coded(200)?;
    place.create(WIDGETS, &widget("two", 1)).await?;
    watch.expect("ADDED", "two").await.map(|_| ())
}

/// An object that leaves the label selector is DELETED, one that enters it is ADDED, the others are not seen.
pub async fn leaving_a_label_selector_is_a_deletion(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.at(WIDGETS, "one");
    place.create(WIDGETS, &labelled(widget("one", 1), "side", "left")).await?;
    let left = format!("{}?labelSelector=side%3Dleft", place.path(WIDGETS));
    let found = place.session.get(&left).await?.coded(200)?;
    named(&found, &["one"], "a list with a selector shows what it selects")?;
    let version = found["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    let query = "&labelSelector=side%3Dleft";
    let mut watch = Watch::from(&place.session, &place.path(WIDGETS), query, version).await?;
    place.create(WIDGETS, &labelled(widget("other", 1), "side", "right")).await?;
    let right = json!({"metadata": {"labels": {"side": "right"}}});
    place.session.merge(&path, &right).await?.coded(200)?;
    watch.expect("DELETED", "one").await?;
    place.session.merge(&path, &json!({"spec": {"size": 2}})).await?.coded(200)?;
    let back = json!({"metadata": {"labels": {"side": "left"}}});
    place.session.merge(&path, &back).await?.coded(200)?;
    let added = watch.expect("ADDED", "one").await?;
    same(&added["spec"]["size"], &json!(2), "ADDED shows it as it is now")?;
    place.session.delete(&path).await?.coded(200)?;
    watch.expect("DELETED", "one").await.map(|_| ())
}

/// A field selector by name shows one object only.
pub async fn a_field_selector_by_name_shows_one_object(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let version = place.version(CONFIG_MAPS).await?;
    for name in ["one", "two"] {
        place.create(CONFIG_MAPS, &config_map(name)).await?;
    }
    let path = place.path(CONFIG_MAPS);
    let found = place.session.get(&format!("{path}?fieldSelector=metadata.name%3Dtwo")).await?.coded(200)?;
    named(&found, &["two"], "the list shows that object")?;
    let query = "&fieldSelector=metadata.name%3Dtwo";
    Watch::from(&place.session, &path, query, &version).await?.expect("ADDED", "two").await.map(|_| ())
}

/// A version from before all that can be replayed is `410 Expired`, as an event.
pub async fn a_version_that_is_too_old_is_expired(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    place.create(WIDGETS, &widget("one", 1)).await?;
    let mut watch = Watch::from(&place.session, &place.path(WIDGETS), "", "1").await?;
    let claim = "the first event is an ERROR with 410 Expired";
    let event = watch.next().await?.ok_or_else(|| Broken::new(claim, "the end of the watch"))?;
    let expired = event.kind == "ERROR" && event.object["kind"] == "Status";
    let told = event.object["code"] == json!(410) && event.object["reason"] == "Expired";
    if expired && told {
        Ok(())
    } else {
        Err(Broken::new(claim, format!("{} {}", event.kind, shown(&event.object))))
    }
}

/// A watch ends by itself when the time that was asked for is over.
pub async fn a_watch_ends_when_its_time_is_over(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place().await?;
    let version = place.version(CONFIG_MAPS).await?;
    let query = "&timeoutSeconds=1&labelSelector=none";
    let mut watch = Watch::from(&place.session, &place.path(CONFIG_MAPS), query, &version).await?;
    let event = watch.next().await?;
    hold(event.is_none(), "there is the end and nothing else", &json!(format!("{event:?}")))
}

/// A list in pages is the whole list as it was at the first page.
pub async fn pages_join_to_the_whole_list(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let all = ["a", "b", "c", "d", "e"];
    for name in all {
        place.create(WIDGETS, &widget(name, 1)).await?;
    }
    let path = place.path(WIDGETS);
    let first = place.session.get(&format!("{path}?limit=2")).await?.coded(200)?;
    same(&first["metadata"]["remainingItemCount"], &json!(3), "what remains after two of five")?;
    place.create(WIDGETS, &widget("bb", 1)).await?;
    place.session.delete(&place.at(WIDGETS, "d")).await?.coded(200)?;
    let mut items = list(&first["items"]).to_vec();
    let mut page = first.clone();
    while let Some(token) = page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
        let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        page = place.session.get(&format!("{path}?limit=2&continue={token}")).await?.coded(200)?;
        same(
            &page["metadata"]["resourceVersion"],
            &first["metadata"]["resourceVersion"],
            "every page has the version of the first",
        )?;
        hold(list(&page["items"]).len() <= 2, "a page is no longer than its limit", &page)?;
        items.extend(list(&page["items"]).to_vec());
        hold(items.len() <= all.len(), "the pages end", &json!(items.len()))?;
    }
    named(&json!({"items": items}), &all, "what was created and deleted between the pages is not seen")
}

/// A continue token that is none is a `BadRequest`.
pub async fn a_forged_continue_token_is_a_bad_request(subject: &Subject) -> Result<(), Broken> {
    let place = subject.place_with_widgets().await?;
    let path = place.path(WIDGETS);
    place
        .session
        .get(&format!("{path}?limit=2&continue=forged"))
        .await?
        .refused(400, "BadRequest")
        .map(|_| ())
}
