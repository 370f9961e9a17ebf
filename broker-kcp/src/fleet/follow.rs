//! One feed poured into one cache.

use std::sync::Arc;

use broker_core::resource::{ClusterName, Object, ObjectKey};
use tokio::task::JoinHandle;

use super::health::Beat;
use super::topic::{Observer, Topic};
use crate::kcp::feed::{Feed, News};
use crate::kcp::{ApiErrorKind, ClusterApi, Resource};
use crate::metrics::Metrics;
use crate::store::{Cache, Source};

/// How an object's cluster is known.
#[derive(Clone, Debug)]
pub(super) enum Keying {
    /// All objects are of this cluster.
    Fixed(ClusterName),
    /// kcp says so on each object.
    Stamped,
}

impl Keying {
    fn key(&self, object: &Object) -> Option<ObjectKey> {
        let cluster = match self {
            Self::Fixed(cluster) => cluster.clone(),
            Self::Stamped => object.kcp_cluster()?,
        };
        Some(object.key_in(&cluster))
    }
}

/// Follows one kind on one server until dropped.
#[derive(Debug)]
pub(super) struct Follower {
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    #[expect(
        clippy::too_many_arguments,
        reason = "what to follow, where to put it and whom to tell; one caller each"
    )]
    pub(super) fn start(
        api: ClusterApi,
        resource: Resource,
        selector: Option<String>,
        cache: Cache,
        source: Source,
        keying: Keying,
        topic: Topic,
        observer: Arc<dyn Observer>,
        beat: Beat,
    ) -> Self {
        let mut pour = Pour {
            metrics: api.metrics().clone(),
            resource: resource.clone(),
            cache,
            source,
            keying,
            topic,
            observer,
            beat,
            failures: 0,
        };
        pour.metrics.watch_begun(&resource.gvr.group_resource());
        let feed = Feed::new(api, resource, selector);
        Self { task: tokio::spawn(async move { feed.follow(|news| pour.take(news)).await }) }
    }
}

struct Pour {
    metrics: Metrics,
    resource: Resource,
    cache: Cache,
    source: Source,
    keying: Keying,
    topic: Topic,
    observer: Arc<dyn Observer>,
    beat: Beat,
    /// In a row.
    failures: u32,
}

impl Pour {
    fn take(&mut self, news: News) {
        if matches!(news, News::Following) {
            self.failures = 0;
            self.beat.answered();
        }
        match news {
            News::Listed(objects, version) => {
                let count = objects.len();
                let objects =
                    objects.into_iter().filter_map(|o| self.keying.key(&o).map(|key| (key, o))).collect();
                let changes = self.cache.write().list(&self.source, &version, objects);
                tracing::debug!(resource = %self.resource, source = %self.source, count, "listed");
                self.observer.changed(&self.topic, &changes);
                self.observer.synced();
            }
            News::Applied(object) => {
                let Some(key) = self.key(&object) else { return };
                let change = self.cache.write().apply(&self.source, key, object);
                self.tell(change);
            }
            News::Deleted(object) => {
                let Some(key) = self.key(&object) else { return };
                let change = self.cache.write().delete(&self.source, key, &object);
                self.tell(change);
            }
            News::Reached(version) => self.cache.write().bookmark(&self.source, &version),
            News::Following => {}
            News::Failed { error, began } => {
                self.failures = self.failures.saturating_add(1);
                let resource = self.resource.gvr.group_resource();
                self.metrics.watch_restarted(&resource, error.kind().reason());
                if error.kind() == ApiErrorKind::Unavailable {
                    self.beat.failed(began);
                } else {
                    // A server that refuses is there.
                    self.beat.answered();
                }
                // A watch that a server closed early is everyday; what keeps failing is said loudly, now and then.
                if worth_telling(self.failures, error.kind()) {
                    let advice = advice(error.kind());
                    tracing::warn!(source = %self.source, %error, advice, "cannot follow; it is tried again");
                } else {
                    tracing::debug!(source = %self.source, %error, "cannot follow just now");
                }
            }
        }
    }

    fn key(&self, object: &Object) -> Option<ObjectKey> {
        let key = self.keying.key(object);
        if key.is_none() {
            tracing::warn!(resource = %self.resource, source = %self.source, "object without its cluster");
        }
        key
    }

    fn tell(&self, change: Option<crate::store::Change>) {
        if let Some(change) = change {
            self.observer.changed(&self.topic, &[change]);
        }
    }
}

/// A refusal at once, an outage when it lasts; both ever more seldom.
fn worth_telling(failures: u32, kind: ApiErrorKind) -> bool {
    failures.is_power_of_two() && (failures >= 4 || kind != ApiErrorKind::Unavailable)
}

/// What a person can check.
const fn advice(kind: ApiErrorKind) -> &'static str {
    match kind {
        ApiErrorKind::NotFound => {
            "is the kind installed there (resource-broker init platform), and is this the platform workspace?"
        }
        ApiErrorKind::Denied | ApiErrorKind::Unauthenticated => {
            "does the kubeconfig's user have the rights that `resource-broker init platform` gives, and is its token still valid?"
        }
        ApiErrorKind::AlreadyExists
        | ApiErrorKind::Conflict
        | ApiErrorKind::Invalid
        | ApiErrorKind::Expired => "is this a kcp of a supported version?",
        ApiErrorKind::Unavailable => {
            "is the server up, is its URL right, and does the kubeconfig have its certificate authority?"
        }
    }
}
