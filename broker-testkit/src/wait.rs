//! Waiting for the world to be as it should: by a watch, with a deadline, and with an error that shows
//! what was there instead. And looking at every version of an object, up to the one that is there at the end.
//! What a Secret holds is never shown.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::utils::{Backoff, WatchStreamExt};
use kube::runtime::watcher::{self, Event, watch_object, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

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
    let mut present = Present::default();
    let mut error = None;
    let mut events = std::pin::pin!(watcher(api.clone(), watched).backoff(Soon::default()));
    let search = async {
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    present.take(event);
                    if present.complete && holds(&present.objects) {
                        return;
                    }
                }
                Err(failure) => error = Some(failure.to_string()),
            }
        }
    };
    if tokio::time::timeout(deadline, search).await.is_ok() {
        return Ok(present.objects);
    }
    let seen = if present.objects.is_empty() {
        "nothing".to_owned()
    } else {
        present.objects.iter().map(shown).collect::<Vec<_>>().join("\n")
    };
    Err(WaitError { what: what.to_owned(), deadline, seen, error })
}

/// For how long a watch may take to show what a read has shown.
const CATCHING_UP: Duration = Duration::from_mins(1);

/// Why not every version of an object was seen.
#[derive(Debug, Error)]
pub enum VersionsError {
    /// The watch broke off.
    #[error("cannot watch {name:?}")]
    Watch {
        /// The object's name.
        name: String,
        /// What the server or the connection said.
        #[source]
        source: Box<watcher::Error>,
    },
    /// What is there at the end could not be read.
    #[error("cannot read {name:?}")]
    Read {
        /// The object's name.
        name: String,
        /// What the server or the connection said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The watch does not show what is there at the end.
    #[error("the watch does not show what a read of {name:?} shows, for {CATCHING_UP:?}")]
    Behind {
        /// The object's name.
        name: String,
    },
}

/// Looks at each version that the object of this name has, its absence included, from now until `stop` is cancelled and
/// what is there then has been seen, too.
///
/// # Errors
///
/// [`VersionsError`] with the first answer that is an error: versions may be missing after it.
pub async fn each_version<K>(
    api: &Api<K>,
    name: &str,
    stop: &CancellationToken,
    mut look: impl FnMut(Option<&K>),
) -> Result<(), VersionsError>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut versions = std::pin::pin!(watch_object(api.clone(), name));
    let mut shown = None;
    loop {
        let version = if let Some(version) = stop.run_until_cancelled(versions.next()).await {
            version
        } else {
            let present = api
                .get_opt(name)
                .await
                .map_err(|source| VersionsError::Read { name: name.to_owned(), source: Box::new(source) })?;
            if shown == Some(present.and_then(|object| object.resource_version())) {
                return Ok(());
            }
            tokio::time::timeout(CATCHING_UP, versions.next())
                .await
                .map_err(|_| VersionsError::Behind { name: name.to_owned() })?
        };
        // A watch has no end of its own.
        let Some(version) = version else { return Ok(()) };
        let version = version
            .map_err(|source| VersionsError::Watch { name: name.to_owned(), source: Box::new(source) })?;
        look(version.as_ref());
        shown = Some(version.and_then(|object| object.resource_version()));
    }
}

/// What a watch has shown so far, changed in place: with thousands of objects a copy of all of them at each event
/// would take longer than what is waited for.
struct Present<K> {
    /// Namespace and name of each object, sorted.
    keys: Vec<(Option<String>, String)>,
    /// The objects, in the order of their keys.
    objects: Vec<K>,
    /// Whether the first list, or the one after a watch that broke off, is whole.
    complete: bool,
}

impl<K> Default for Present<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), objects: Vec::new(), complete: false }
    }
}

impl<K: Resource> Present<K> {
    fn take(&mut self, event: Event<K>) {
        match event {
            Event::Init => *self = Self::default(),
            Event::InitDone => self.complete = true,
            Event::Apply(object) | Event::InitApply(object) => {
                let key = (object.namespace(), object.name_any());
                match self.keys.binary_search(&key) {
                    Ok(at) => {
                        if let Some(present) = self.objects.get_mut(at) {
                            *present = object;
                        }
                    }
                    Err(at) => {
                        self.keys.insert(at, key);
                        self.objects.insert(at, object);
                    }
                }
            }
            Event::Delete(object) => {
                if let Ok(at) = self.keys.binary_search(&(object.namespace(), object.name_any())) {
                    self.keys.remove(at);
                    self.objects.remove(at);
                }
            }
        }
    }
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
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;
    use k8s_openapi::api::core::v1::Secret;

    use super::*;

    #[test]
    fn what_is_present_is_kept_sorted_and_forgotten_by_a_new_list() {
        let secret = |name: &str, type_: &str| {
            let mut secret = Secret { type_: Some(type_.to_owned()), ..Secret::default() };
            secret.metadata.name = Some(name.to_owned());
            secret
        };
        let shown = |present: &Present<Secret>| {
            let objects = present.objects.iter();
            objects
                .map(|secret| {
                    format!("{} {}", secret.name_any(), secret.type_.as_deref().unwrap_or_default())
                })
                .collect::<Vec<_>>()
        };
        let mut present = Present::default();
        for event in [Event::Init, Event::InitApply(secret("b", "1")), Event::InitApply(secret("a", "1"))] {
            present.take(event);
        }
        assert!(!present.complete);
        for event in [
            Event::InitDone,
            Event::Apply(secret("c", "1")),
            Event::Apply(secret("b", "2")),
            Event::Delete(secret("a", "1")),
        ] {
            present.take(event);
        }
        assert!(present.complete);
        assert_eq!(shown(&present), ["b 2", "c 1"]);
        present.take(Event::Init);
        assert!(!present.complete && present.objects.is_empty() && present.keys.is_empty());
    }

    #[test]
    fn a_secret_is_shown_without_what_it_holds() {
        let data = BTreeMap::from([("password".to_owned(), ByteString(b"hunter2".to_vec()))]);
        let text = shown(&Secret { data: Some(data), ..Secret::default() });
        assert!(text.contains("(not shown)") && !text.contains("password"), "{text}");
    }
}
