//! The cluster in which the helper objects of playbooks run.
//!
//! Namespaces and Secrets of moves are followed from the start; the kinds of other helpers from when the first of a kind
//! is made, for only playbooks know them. After a restart the creation that is decided again finds what is there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use broker_core::order::{Compute, Helpers};
use broker_core::resource::{ClusterName, Gvk, Gvr, Object, ObjectKey, marker};
use serde_json::Value;

use super::follow::{Follow, Follower, Keying, Refused};
use super::health::{Beat, Health};
use super::topic::{Observer, Topic};
use crate::kcp::{ApiError, ApiErrorKind, ClusterApi, Endpoint, Resource, Scope, Selector};
use crate::store::{Cache, Index, Source};

/// Name under which its objects are kept.
const COMPUTE: &str = "compute";
/// Helper objects by the migration that they are for.
const BY_MIGRATION: &str = "migration";
const INDEXES: &[Index] = &[Index { name: BY_MIGRATION, texts: migration_of }];

fn migration_of(_: &ObjectKey, object: &Object) -> Vec<String> {
    object.label(marker::MIGRATION_LABEL).map(str::to_owned).into_iter().collect()
}

/// The cluster for helper objects, and what is there of them.
pub struct ComputeCluster {
    endpoint: Endpoint,
    /// Those of Namespaces and Secrets: what is there of moves is known when they were read.
    base: [Cache; 2],
    kinds: RwLock<BTreeMap<Gvk, Kind>>,
    following: Mutex<Option<Following>>,
}

/// A kind whose objects are followed.
#[derive(Clone)]
struct Kind {
    resource: Resource,
    cache: Cache,
}

/// What follows, while anything does.
struct Following {
    observer: Arc<dyn Observer>,
    health: Health,
    followers: Vec<Follower>,
}

impl ComputeCluster {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let namespaces = Resource::cluster_scoped(Gvr::new("", "v1", "namespaces"), "Namespace");
        let base = [Cache::new(INDEXES), Cache::new(INDEXES)];
        let kinds = [namespaces, Resource::secrets()]
            .into_iter()
            .zip(base.clone())
            .map(|(resource, cache)| (resource.gvk(), Kind { resource, cache }))
            .collect();
        Self { endpoint, base, kinds: RwLock::new(kinds), following: Mutex::default() }
    }

    /// Follows what is known of until [`Self::stop`].
    pub(super) fn start(&self, observer: &Arc<dyn Observer>) {
        let kinds: Vec<Kind> = self.kinds().values().cloned().collect();
        let health = Health::new(self.source(), self.base.to_vec(), observer.clone());
        let followers = kinds
            .iter()
            .enumerate()
            .map(|(feed, kind)| self.follow(kind, observer, health.beat(feed)))
            .collect();
        *self.following.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Following { observer: observer.clone(), health, followers });
    }

    /// Lets go of whoever was told.
    pub(super) fn stop(&self) {
        let following = self.following.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(following);
    }

    fn follow(&self, kind: &Kind, observer: &Arc<dyn Observer>, beat: Beat) -> Follower {
        // The first object of a kind is often written before the first list of that kind is answered.
        kind.cache.write().expect(&self.source());
        Follower::start(Follow {
            api: self.api(),
            resource: kind.resource.clone(),
            selector: Selector::labels(marker::MIGRATION_LABEL),
            cache: kind.cache.clone(),
            source: self.source(),
            keying: Keying::Fixed(COMPUTE.into()),
            topic: Topic::Helpers,
            observer: observer.clone(),
            beat,
            keep: std::convert::identity,
            refused: Refused::Answers,
        })
    }

    fn kinds(&self) -> BTreeMap<Gvk, Kind> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For requests.
    pub fn api(&self) -> ClusterApi {
        self.endpoint.itself()
    }

    /// The domain of its versions.
    pub fn source(&self) -> Source {
        self.endpoint.source()
    }

    /// The cluster that the keys of its objects name.
    pub fn cluster() -> ClusterName {
        COMPUTE.into()
    }

    /// Whether it can be counted on.
    pub fn state(&self) -> Compute {
        let silent = {
            let following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
            following.as_ref().is_none_or(|following| following.health.silent_since().is_some())
        };
        let source = self.source();
        let listed = self.base.iter().all(|cache| cache.read().has_listed(&source));
        if listed && !silent { Compute::Answers } else { Compute::Silent }
    }

    /// What is there of a migration's helper objects; `None` where nothing is.
    pub fn helpers(&self, migration: &str) -> Option<Helpers> {
        let mut helpers = Helpers::default();
        for kind in self.kinds().values() {
            for (_, object) in kind.cache.find(BY_MIGRATION, migration) {
                match object.annotation(marker::HELPER_ANNOTATION) {
                    Some(key) => {
                        helpers.objects.insert(key.to_owned(), object);
                    }
                    None if kind.resource.scope == Scope::Cluster => helpers.namespace = Some(object),
                    None => {}
                }
            }
        }
        (helpers.namespace.is_some() || !helpers.objects.is_empty()).then_some(helpers)
    }

    /// A kind, followed from now on if it was not before.
    ///
    /// # Errors
    /// Where the cluster does not serve it, or not in namespaces.
    pub async fn kind(&self, gvk: &Gvk) -> Result<(Resource, Cache), ApiError> {
        if let Some(kind) = self.kinds().get(gvk) {
            return Ok((kind.resource.clone(), kind.cache.clone()));
        }
        let resource = self.discover(gvk).await?;
        let kind = Kind { resource, cache: Cache::new(INDEXES) };
        let known = {
            let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
            kinds.entry(gvk.clone()).or_insert_with(|| kind.clone()).clone()
        };
        // Two may have asked at the same time; the first follows.
        if known.cache.is(&kind.cache) {
            let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(following) = following.as_mut() {
                let beat = following.health.beat(following.followers.len());
                let follower = self.follow(&known, &following.observer, beat);
                following.followers.push(follower);
            }
        }
        Ok((known.resource, known.cache))
    }

    /// How the cluster serves a kind.
    async fn discover(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        let refuse =
            |message: String| ApiError::new(ApiErrorKind::Invalid, "create", gvk.to_string(), message);
        let listed: Value = self.api().discover(&gvk.group, &gvk.version).await?;
        let resources = listed.get("resources").and_then(Value::as_array).into_iter().flatten();
        let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let found = resources
            .filter(|entry| text(entry, "kind").as_deref() == Some(gvk.kind.as_str()))
            .find_map(|entry| {
                let plural = text(entry, "name").filter(|name| !name.contains('/'))?;
                let namespaced = entry.get("namespaced").and_then(Value::as_bool).unwrap_or_default();
                Some((plural, namespaced))
            });
        match found {
            Some((plural, true)) => {
                Ok(Resource::namespaced(Gvr::new(&gvk.group, &gvk.version, &plural), &gvk.kind))
            }
            Some((_, false)) => {
                Err(refuse("helper objects must be of a kind that lives in namespaces".to_owned()))
            }
            None => Err(refuse(format!("the compute cluster serves no {gvk}"))),
        }
    }
}

impl fmt::Debug for ComputeCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComputeCluster").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
