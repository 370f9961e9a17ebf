//! One feed poured into one cache.

use std::sync::Arc;

use broker_core::resource::{ClusterName, Object, ObjectKey};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::health::Beat;
use super::topic::{Observer, Topic};
use crate::kcp::feed::{Feed, News};
use crate::kcp::{ApiError, ApiErrorKind, ClusterApi, Resource, Selector};
use crate::metrics::Metrics;
use crate::store::{Cache, Entry, Source};

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

/// What it means that a server answers, and does not let us follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is there: whoever gives rights has to mend them, and all wait for that.
    Answers,
    /// It is as good as away: of many clusters one must not hold up the others.
    Silent,
}

/// What to follow, where to put it and whom to tell.
pub(super) struct Follow {
    pub(super) api: ClusterApi,
    pub(super) resource: Resource,
    pub(super) selector: Selector,
    pub(super) cache: Cache,
    pub(super) source: Source,
    pub(super) keying: Keying,
    pub(super) topic: Topic,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) beat: Beat,
    /// What is kept of an object.
    pub(super) keep: fn(Object) -> Object,
    pub(super) refused: Refused,
}

impl Follower {
    pub(super) fn start(follow: Follow) -> Self {
        let Follow { api, resource, selector, cache, source, keying, topic, observer, beat, keep, refused } =
            follow;
        let contact = Contact::new(&api, resource.clone(), source, beat, refused);
        let mut pour = Pour { contact, cache, keying, topic, observer, keep };
        let feed = Feed::new(api, resource, selector);
        let kept = pour.keying.clone();
        let packer = pour.cache.read().packer().clone();
        // Packed page by page: no list is ever decoded as a whole.
        let pack =
            move |object: Object| kept.key(&object).map(|key| (key, Entry::new(keep(object), &packer)));
        let following = async move { feed.follow_as(pack, |news| pour.take(news)).await };
        Self { task: tokio::spawn(following.in_current_span()) }
    }
}

/// How it goes to follow one kind on one server: counted, told of the server's health, and logged where it does not.
pub(super) struct Contact {
    metrics: Metrics,
    resource: Resource,
    source: Source,
    beat: Beat,
    refused: Refused,
    /// In a row.
    failures: u32,
}

impl Contact {
    pub(super) fn new(
        api: &ClusterApi,
        resource: Resource,
        source: Source,
        beat: Beat,
        refused: Refused,
    ) -> Self {
        let metrics = api.metrics().clone();
        metrics.watch_begun(&resource.gvr.group_resource());
        Self { metrics, resource, source, beat, refused, failures: 0 }
    }

    /// A watch holds.
    pub(super) fn following(&mut self) {
        self.failures = 0;
        self.beat.answered();
    }

    /// An attempt failed that began then.
    pub(super) fn failed(&mut self, error: &ApiError, began: Instant) {
        self.failures = self.failures.saturating_add(1);
        let resource = self.resource.gvr.group_resource();
        self.metrics.watch_restarted(&resource, error.kind().reason());
        let refuses = matches!(
            error.kind(),
            ApiErrorKind::Denied | ApiErrorKind::Unauthenticated | ApiErrorKind::NotFound
        );
        if error.kind() == ApiErrorKind::Unavailable || (refuses && self.refused == Refused::Silent) {
            self.beat.failed(began);
        } else {
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

struct Pour {
    contact: Contact,
    cache: Cache,
    keying: Keying,
    topic: Topic,
    observer: Arc<dyn Observer>,
    keep: fn(Object) -> Object,
}

impl Pour {
    fn take(&mut self, news: News<Option<(ObjectKey, Entry)>>) {
        let Contact { resource, source, .. } = &self.contact;
        match news {
            News::Listed(objects, version) => {
                let objects: Vec<(ObjectKey, Entry)> = objects.into_iter().flatten().collect();
                let count = objects.len();
                let changes = self.cache.write().list(source, &version, objects);
                tracing::debug!(%resource, %source, count, "listed");
                self.observer.changed(&self.topic, &changes);
                self.observer.synced();
            }
            News::Applied(object) => {
                let Some(key) = self.key(&object) else { return };
                let change = self.cache.write().apply(source, key, (self.keep)(object));
                self.tell(change);
            }
            News::Deleted(object) => {
                let Some(key) = self.key(&object) else { return };
                let change = self.cache.write().delete(source, key, &object);
                self.tell(change);
            }
            News::Reached(version) => self.cache.write().bookmark(source, &version),
            News::Following => self.contact.following(),
            News::Failed { error, began } => self.contact.failed(&error, began),
        }
    }

    fn key(&self, object: &Object) -> Option<ObjectKey> {
        let key = self.keying.key(object);
        if key.is_none() {
            let Contact { resource, source, .. } = &self.contact;
            tracing::warn!(%resource, %source, "object without its cluster");
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
            "is the kind installed there (resource-broker init platform), and is this the platform's cluster or workspace?"
        }
        ApiErrorKind::Denied | ApiErrorKind::Unauthenticated => {
            "does the kubeconfig's user have the rights that `resource-broker init platform` gives, and is its token still valid?"
        }
        ApiErrorKind::AlreadyExists
        | ApiErrorKind::Conflict
        | ApiErrorKind::Invalid
        | ApiErrorKind::Expired => "is this a kcp or Kubernetes of a supported version?",
        ApiErrorKind::Unavailable => {
            "is the server up, is its URL right, and does the kubeconfig have its certificate authority?"
        }
    }
}
