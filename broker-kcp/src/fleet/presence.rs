//! Whether a cluster of plain Kubernetes serves a kind, and what is followed there while it does.
//!
//! What an APIBinding is on kcp, the definition of the kind is here: while it is there the cluster takes part, and it is
//! shown as a binding, so that nobody else has to know of the difference.

use std::sync::{Arc, Mutex, PoisonError};

use broker_core::resource::{ClusterName, ConditionStatus, Gvr, Object};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::export::Followed;
use super::follow::{Contact, Follow, Follower, Keying, Refused};
use super::health::{HICCUP, Health};
use super::topic::{Observer, Topic};
use crate::kcp::feed::{Feed, News};
use crate::kcp::{Endpoint, Resource, Selector};
use crate::store::{Change, Entry};

/// The version of what is put into caches while a cluster serves nothing: lower than any that a server tells.
const NOTHING: &str = "0";

/// Follows one definition in one cluster, and what depends on it, until dropped.
pub(super) struct Presence {
    task: JoinHandle<()>,
    followers: Arc<Mutex<Vec<Follower>>>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.task.abort();
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What is to be followed in one cluster.
pub(super) struct Present {
    /// The export as which it is shown.
    pub(super) export: String,
    /// The kind that it depends on.
    pub(super) kind: Resource,
    /// The cluster.
    pub(super) member: ClusterName,
    /// The way there.
    pub(super) endpoint: Endpoint,
    /// What is seen while the kind is served.
    pub(super) followed: Vec<Followed>,
    /// Where it is shown that the kind is served.
    pub(super) bindings: Followed,
    /// Who is told.
    pub(super) observer: Arc<dyn Observer>,
    /// How the cluster is doing.
    pub(super) health: Health,
}

impl Presence {
    pub(super) fn start(present: Present) -> Self {
        let followers: Arc<Mutex<Vec<Follower>>> = Arc::default();
        let observer = present.observer.clone();
        let definitions = definitions();
        let name = present.kind.gvr.group_resource();
        let feed = Feed::new(present.endpoint.itself(), definitions.clone(), Selector::named(&name));
        let contact = Contact::new(
            &present.endpoint.itself(),
            definitions,
            present.endpoint.source(),
            // The others are numbered from zero.
            present.health.beat(present.followed.len()),
            Refused::Silent,
        );
        let mut watching = Watching {
            present,
            contact,
            served: Served::Unknown,
            wrong_version: false,
            followers: followers.clone(),
        };
        let following = async move {
            let patience = async {
                tokio::time::sleep(HICCUP).await;
                // Whoever waited for it does so no more.
                observer.synced();
            };
            tokio::join!(feed.follow(|news| watching.take(news)), patience);
        };
        let task = tokio::spawn(following.in_current_span());
        Self { task, followers }
    }
}

/// Whether the kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Served {
    Unknown,
    No,
    /// By the definition of this uid, which may be on its way out: then what is there is let go, and nothing is added.
    By {
        uid: String,
        leaving: bool,
    },
}

struct Watching {
    present: Present,
    contact: Contact,
    served: Served,
    wrong_version: bool,
    followers: Arc<Mutex<Vec<Follower>>>,
}

impl Watching {
    fn take(&mut self, news: News) {
        match news {
            News::Listed(objects, _) => self.seen(objects.first()),
            News::Applied(object) => self.seen(Some(&object)),
            News::Deleted(_) => self.seen(None),
            News::Reached(_) => {}
            News::Following => self.contact.following(),
            News::Failed { error, began } => self.contact.failed(&error, began),
        }
    }

    /// The definition is as this, or is not there.
    fn seen(&mut self, definition: Option<&Object>) {
        let by = definition.filter(|found| self.serves(found));
        let served = by.map_or(Served::No, |found| Served::By {
            uid: found.uid().to_owned(),
            leaving: found.is_deleting(),
        });
        if self.served == served {
            return;
        }
        tracing::info!(
            cluster = %self.present.member,
            kind = %self.present.kind.gvr.group_resource(),
            ?served,
            "what a cluster serves is known"
        );
        let same = |known: &str| matches!(&self.served, Served::By { uid, .. } if uid == known);
        match &served {
            Served::By { uid, leaving } => {
                if !same(uid) {
                    self.stop();
                    self.begin(uid);
                }
                self.bind(uid, *leaving);
            }
            Served::No | Served::Unknown => {
                self.stop();
                self.tell_nothing();
            }
        }
        self.served = served;
        self.present.observer.synced();
    }

    fn serves(&mut self, definition: &Object) -> bool {
        let version = &self.present.kind.gvr.version;
        let established = definition
            .condition("Established")
            .is_some_and(|condition| condition.status == ConditionStatus::True);
        let served = serves_version(definition, version);
        if established && !served && !self.wrong_version {
            let (cluster, kind) = (&self.present.member, self.present.kind.gvr.group_resource());
            tracing::warn!(%cluster, %kind, %version, "a cluster serves a kind in other versions than the platform's alone");
        }
        self.wrong_version = established && !served;
        established && served
    }

    /// Follows what is there, which is not known yet.
    fn begin(&self, uid: &str) {
        let Present { endpoint, member, followed, bindings, observer, health, .. } = &self.present;
        let source = endpoint.source();
        // Where it was served already, and is reached in another way now, what is known stays.
        let key = self.binding(uid, false).key_in(member);
        let is_known = bindings.cache.get(&key).is_some_and(|known| known.uid() == uid);
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        for (feed, one) in followed.iter().enumerate() {
            if !is_known {
                // What was said of a cluster that served nothing says nothing of one that does.
                let changes = one.cache.write().forget(&source);
                observer.changed(&one.topic, &changes);
            }
            followers.push(Follower::start(Follow {
                api: endpoint.itself(),
                resource: one.resource.clone(),
                selector: one.selector.clone(),
                cache: one.cache.clone(),
                source: source.clone(),
                keying: Keying::Fixed(member.clone()),
                topic: one.topic.clone(),
                observer: observer.clone(),
                beat: health.beat(feed),
                keep: std::convert::identity,
                refused: Refused::Silent,
            }));
        }
    }

    /// Shows that the cluster takes part, or does for as long as something is left there.
    fn bind(&self, uid: &str, leaving: bool) {
        let Present { endpoint, member, bindings, .. } = &self.present;
        let source = endpoint.source();
        let binding = self.binding(uid, leaving);
        let key = binding.key_in(member);
        let entry = Entry::new(binding, bindings.cache.read().packer());
        let changes = bindings.cache.write().list(&source, NOTHING, vec![(key, entry)]);
        self.told(&bindings.topic, &changes);
    }

    /// Nothing is there.
    fn tell_nothing(&self) {
        let Present { endpoint, followed, bindings, .. } = &self.present;
        let source = endpoint.source();
        for one in std::iter::once(bindings).chain(followed) {
            let mut changes = one.cache.write().forget(&source);
            changes.extend(one.cache.write().list(&source, NOTHING, Vec::new()));
            self.told(&one.topic, &changes);
        }
    }

    fn told(&self, topic: &Topic, changes: &[Change]) {
        self.present.observer.changed(topic, changes);
    }

    fn stop(&self) {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for feed in 0..self.present.followed.len() {
            // What is no longer followed does not fail.
            self.present.health.beat(feed).answered();
        }
    }

    /// That the cluster serves the kind, as kcp would say it.
    fn binding(&self, uid: &str, leaving: bool) -> Object {
        let Present { export, member, bindings, .. } = &self.present;
        let gvk = bindings.resource.gvk();
        let mut binding = Object::named(&gvk, "", export);
        binding.set(&["metadata", "uid"], uid.into());
        binding.set(&["metadata", "resourceVersion"], NOTHING.into());
        binding.set(&["metadata", "annotations"], json!({ "kcp.io/path": member.as_str() }));
        binding.set(&["spec", "reference", "export", "name"], export.as_str().into());
        binding.set(&["status", "phase"], "Bound".into());
        if leaving {
            // Whoever looks asks whether it is there, not since when.
            binding.set(&["metadata", "deletionTimestamp"], "1970-01-01T00:00:00Z".into());
        }
        binding
    }
}

/// The kind of definitions.
pub(super) fn definitions() -> Resource {
    Resource::cluster_scoped(
        Gvr::new("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
        "CustomResourceDefinition",
    )
}

/// A definition without its schemas, which are most of it, and which nobody here reads.
pub(super) fn without_schemas(mut object: Object) -> Object {
    let spec = object.fields_mut().get_mut("spec");
    let versions = spec.and_then(|spec| spec.get_mut("versions")).and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
        version.remove("schema");
    }
    object
}

/// Whether a definition serves a version.
fn serves_version(definition: &Object, version: &str) -> bool {
    let versions = definition.get(&["spec", "versions"]).and_then(Value::as_array);
    let is_it = |entry: &Value| {
        entry.get("name").and_then(Value::as_str) == Some(version)
            && entry.get("served").and_then(Value::as_bool) == Some(true)
    };
    versions.into_iter().flatten().any(is_it)
}
