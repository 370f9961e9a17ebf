//! Follows all objects of one kind on one server: a list, then a watch from its version, for ever.
//!
//! kube's own watcher is not used because it keeps the versions of lists and bookmarks to itself, and the store needs
//! them to know what its watch has told (see [`crate::store::Table`]).

use std::time::Duration;

use broker_core::resource::Object;
use futures::StreamExt;
use kube::core::WatchEvent;
use tokio::time::Instant;

use super::{ApiError, ApiErrorKind, ClusterApi, Resource};

/// How long one watch request lives. Servers end idle connections at about five minutes; we go first.
const SPAN: Duration = Duration::from_secs(290);
/// How much later than asked a server may end a watch before the connection counts as dead.
const LATE: Duration = Duration::from_secs(15);
/// A watch that lived shorter than this did not work: the next attempt waits.
const SHORT: Duration = Duration::from_secs(1);
/// The first pause after a failure; each further one in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// News from a server.
#[derive(Debug)]
pub enum News {
    /// Everything there is, as of a version.
    Listed(Vec<Object>, String),
    /// One object was added or changed.
    Applied(Object),
    /// One object was deleted; this was its last state.
    Deleted(Object),
    /// Nothing else happened up to this version.
    Reached(String),
    /// The server could not be followed just now; it is tried again.
    Failed(ApiError),
}

/// What to follow.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Where: one cluster or every one.
    pub api: ClusterApi,
    /// Which kind.
    pub resource: Resource,
    /// Only objects that this label selector chooses.
    pub selector: Option<String>,
}

impl Feed {
    /// Tells `tell` all news, in order, until the future is dropped. Never ends by itself.
    pub async fn follow(&self, mut tell: impl FnMut(News)) {
        let mut from: Option<String> = None;
        let mut failures = 0u32;
        loop {
            let version = match from.take() {
                Some(version) => version,
                None => match self.api.list(&self.resource, "", self.selector.as_deref()).await {
                    Ok((objects, version)) => {
                        failures = 0;
                        tell(News::Listed(objects, version.clone()));
                        version
                    }
                    Err(error) => {
                        tell(News::Failed(error));
                        tokio::time::sleep(pause(&mut failures)).await;
                        continue;
                    }
                },
            };
            let began = Instant::now();
            let (reached, end) = self.watch(version, &mut tell).await;
            match end {
                Ok(()) => from = Some(reached),
                Err(error) if error.kind() == ApiErrorKind::Expired => {}
                Err(error) => {
                    tell(News::Failed(error));
                    from = Some(reached);
                }
            }
            if began.elapsed() < SHORT {
                tokio::time::sleep(pause(&mut failures)).await;
            } else {
                failures = 0;
            }
        }
    }

    /// Watches until the stream ends; gives back up to which version everything was told, and how it ended.
    async fn watch(&self, version: String, tell: &mut impl FnMut(News)) -> (String, Result<(), ApiError>) {
        let mut reached = version;
        let opened = self.api.watch(&self.resource, self.selector.as_deref(), &reached, SPAN).await;
        let events = match opened {
            Ok(events) => events,
            Err(error) => return (reached, Err(error)),
        };
        tokio::pin!(events);
        let deadline = Instant::now() + SPAN + LATE;
        loop {
            let event = match tokio::time::timeout_at(deadline, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return (reached, Err(error)),
                Ok(None) | Err(_) => return (reached, Ok(())),
            };
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    object.resource_version().clone_into(&mut reached);
                    tell(News::Applied(object));
                }
                WatchEvent::Deleted(object) => {
                    object.resource_version().clone_into(&mut reached);
                    tell(News::Deleted(object));
                }
                WatchEvent::Bookmark(bookmark) => {
                    reached.clone_from(&bookmark.metadata.resource_version);
                    tell(News::Reached(bookmark.metadata.resource_version));
                }
                WatchEvent::Error(status) => {
                    let error = kube::Error::Api(status);
                    let confidential = self.resource.is_confidential();
                    let error = ApiError::from_kube(&error, "watch", self.resource.to_string(), confidential);
                    return (reached, Err(error));
                }
            }
        }
    }
}

fn pause(failures: &mut u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(*failures)).min(LONGEST_PAUSE);
    *failures = failures.saturating_add(1);
    pause
}
