//! Waiting for the world to be as it should: by a watch, with a deadline, and with an error that shows
//! what was there instead. What a Secret holds is never shown.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::utils::{Backoff, WatchStreamExt};
use kube::runtime::watcher::{self, Event, watch_object, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// The world was not as it should be when the time was up.
#[derive(Debug, Error)]
#[error("waited {deadline:?} for {what}{}; last seen: {seen}", error.as_ref().map(|error| format!(" (last error: {error})")).unwrap_or_default())]
pub struct WaitError {
    /// What was waited for.
    pub what: String,
    /// For how long.
    pub deadline: Duration,
    /// What was there last, as JSON without any Secret's content; "nothing" where nothing was.
    pub seen: String,
    /// The watch's last error, if it had any.
    pub error: Option<String>,
}

/// Waits until the object of this name satisfies the condition, and returns it: `None` where the condition
/// accepts its absence.
///
/// Errors of the watch, such as an API not served yet, are retried until the deadline.
pub async fn until<K>(
    api: &Api<K>,
    name: &str,
    what: &str,
    deadline: Duration,
    mut holds: impl FnMut(Option<&K>) -> bool,
) -> Result<Option<K>, WaitError>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug + Send + 'static,
{
    let mut last: Option<K> = None;
    let mut error = None;
    let mut versions = std::pin::pin!(watch_object(api.clone(), name).backoff(Soon::default()));
    let search = async {
        while let Some(version) = versions.next().await {
            match version {
                Ok(found) => {
                    last = found;
                    if holds(last.as_ref()) {
                        return;
                    }
                }
                Err(failure) => error = Some(failure.to_string()),
            }
        }
    };
    if tokio::time::timeout(deadline, search).await.is_ok() {
        return Ok(last);
    }
    let seen = last.as_ref().map_or_else(|| format!("nothing named {name:?}"), shown);
    Err(WaitError { what: what.to_owned(), deadline, seen, error })
}

/// Waits until all the objects that the watch shows, sorted by namespace and name, satisfy the condition
/// together, and returns them.
pub async fn until_all<K>(
    api: &Api<K>,
    watched: watcher::Config,
    what: &str,
    deadline: Duration,
    mut holds: impl FnMut(&[K]) -> bool,
) -> Result<Vec<K>, WaitError>
where
    K: Resource + Clone + DeserializeOwned + Serialize + Debug + Send + 'static,
{
    let mut last = Vec::new();
    let mut error = None;
    let mut sets = std::pin::pin!(sets(api.clone(), watched));
    let search = async {
        while let Some(set) = sets.next().await {
            match set {
                Ok(set) => {
                    last = set;
                    if holds(&last) {
                        return;
                    }
                }
                Err(failure) => error = Some(failure.to_string()),
            }
        }
    };
    if tokio::time::timeout(deadline, search).await.is_ok() {
        return Ok(last);
    }
    let seen = if last.is_empty() {
        "nothing".to_owned()
    } else {
        last.iter().map(shown).collect::<Vec<_>>().join("\n")
    };
    Err(WaitError { what: what.to_owned(), deadline, seen, error })
}

/// The whole set after each change, from the first complete list on.
fn sets<K>(api: Api<K>, watched: watcher::Config) -> impl Stream<Item = Result<Vec<K>, watcher::Error>> + Send
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let key = |object: &K| (object.namespace(), object.name_any());
    let mut present = BTreeMap::new();
    let mut complete = false;
    watcher(api, watched).backoff(Soon::default()).filter_map(move |event| {
        let changed = event.map(|event| {
            match event {
                Event::Init => {
                    present.clear();
                    complete = false;
                }
                Event::InitDone => complete = true,
                Event::Apply(object) | Event::InitApply(object) => {
                    present.insert(key(&object), object);
                }
                Event::Delete(object) => {
                    present.remove(&key(&object));
                }
            }
            complete.then(|| present.values().cloned().collect())
        });
        std::future::ready(changed.transpose())
    })
}

/// An object as JSON, without what nobody reads and what nobody may read.
fn shown<K: Serialize>(object: &K) -> String {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        for key in ["data", "stringData"] {
            if fields.contains_key(key) {
                fields.insert(key.to_owned(), Value::from("(not shown)"));
            }
        }
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    value.to_string()
}

/// A pause before a failed watch is tried again: short, since somebody is waiting.
#[derive(Debug, Default)]
struct Soon {
    attempt: u32,
}

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.attempt = self.attempt.saturating_add(1);
        Some(
            Duration::from_millis(50)
                .saturating_mul(2_u32.saturating_pow(self.attempt))
                .min(Duration::from_secs(2)),
        )
    }
}

impl Backoff for Soon {
    fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use k8s_openapi::api::core::v1::Secret;

    use super::*;

    #[test]
    fn a_secret_is_shown_without_what_it_holds() {
        let data = BTreeMap::from([("password".to_owned(), ByteString(b"hunter2".to_vec()))]);
        let text = shown(&Secret { data: Some(data), ..Secret::default() });
        assert!(text.contains("(not shown)") && !text.contains("password"), "{text}");
    }
}
