//! When the garbage collector has nothing left to do.
//!
//! It works by itself and in its own order, so that what it does is compared where it has come to rest: when no
//! object is left that it would touch. That is waited for by watches.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use serde_json::Value;

use super::super::broken::Broken;
use super::super::session::list;
use super::super::watch::Lines;
use super::player::Player;

type Objects = BTreeMap<String, Value>;

impl Player {
    /// Waits until the garbage collector has nothing left to do; answers whether it came to that.
    pub(super) async fn settle(&mut self) -> Result<bool, Broken> {
        let mut objects = Objects::new();
        let mut streams = Vec::new();
        for kind in self.kinds().to_vec() {
            let (found, lines) = self.list_and_watch(&kind).await?;
            objects.extend(found.into_iter().map(|object| (uid(&object).to_owned(), object)));
            streams.push(Box::pin(futures::stream::unfold(lines, |mut lines| async move {
                let next = Lines::next(&mut lines).await.transpose()?;
                Some((next, lines))
            })));
        }
        let mut events = futures::stream::select_all(streams);
        while !is_at_rest(&objects) {
            let Some(Ok(event)) = events.next().await else { return Ok(false) };
            let key = uid(&event["object"]).to_owned();
            if event["type"] == "DELETED" {
                objects.remove(&key);
            } else {
                objects.insert(key, event["object"].clone());
            }
        }
        Ok(true)
    }
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(&object["metadata"]["finalizers"]).iter().any(|found| found == finalizer)
}

fn is_terminating(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Whether the collector would touch none of these.
fn is_at_rest(objects: &Objects) -> bool {
    let owned_by = |uid: &str| {
        let uid = uid.to_owned();
        objects.values().filter(move |object| {
            list(&object["metadata"]["ownerReferences"]).iter().any(|owner| owner["uid"] == *uid)
        })
    };
    objects.values().all(|object| {
        let owners = list(&object["metadata"]["ownerReferences"]);
        let owner = |reference: &Value| objects.get(reference["uid"].as_str().unwrap_or_default());
        let in_foreground =
            |owner: &Value| is_terminating(owner) && has_finalizer(owner, "foregroundDeletion");
        let keeps_its_owners = is_terminating(object)
            || owners.iter().all(|reference| owner(reference).is_some_and(|owner| !in_foreground(owner)));
        let is_released = !is_terminating(object)
            || !has_finalizer(object, "orphan")
                && (!has_finalizer(object, "foregroundDeletion")
                    || owned_by(uid(object)).any(|dependent| {
                        list(&dependent["metadata"]["ownerReferences"]).iter().any(|reference| {
                            reference["uid"] == uid(object) && reference["blockOwnerDeletion"] == true
                        })
                    }));
        keeps_its_owners && is_released
    })
}
