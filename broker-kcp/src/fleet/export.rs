//! One export: its virtual workspace on every shard, and what is seen through it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_core::order::LastWord;
use broker_core::resource::{ClusterName, Gvk, Gvr, Object, marker};
use broker_core::sabotage::{self, Bug};
use tokio::time::Instant;

use super::Indexes;
use super::follow::{Follow, Follower, Keying, Refused};
use super::health::{HICCUP, Health};
use super::plan::{ExportPlan, OFFERS_EXPORT};
use super::presence::{Presence, Present};
use super::topic::{Observer, Topic};
use crate::kcp::{ClusterApi, Endpoint, Resource, Selector};
use crate::store::{Cache, Source};

/// What is seen of one kind through an export.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The kind.
    pub resource: Resource,
    /// Its objects.
    pub cache: Cache,
    pub(super) topic: Topic,
    pub(super) selector: Selector,
}

/// Where a cluster is reached.
#[derive(Clone, Debug)]
pub struct Home {
    /// The cluster, for writing.
    pub api: ClusterApi,
    /// The domain of its versions.
    pub source: Source,
}

/// A cluster that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent {
    /// Since when, without a break.
    pub since: Instant,
    /// Whether its objects are known as they were when it fell silent.
    pub last_word: LastWord,
}

/// One cache that a watch fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The export through which its objects are seen, or [`super::PLATFORM`].
    pub export: String,
    /// Their kind, as `<resource>.<group>`.
    pub resource: String,
    /// The URL where they are listed and watched.
    pub shard: String,
    /// How far it got.
    pub state: CacheState,
}

/// Whether a cache holds what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// It was listed once, and is followed since.
    Filled,
    /// It was not listed yet.
    Unread,
    /// It was not listed yet, and its server does not answer: nobody waits for it.
    Silent,
}

impl CacheState {
    /// Whether nothing waits for it.
    pub const fn is_synced(self) -> bool {
        !matches!(self, Self::Unread)
    }
}

/// One export that is followed.
pub struct Export {
    name: String,
    kinds: BTreeMap<String, Resource>,
    copies: BTreeSet<String>,
    claims: BTreeSet<(String, String)>,
    /// On plain Kubernetes, since when it is known which clusters there are.
    members_since: Option<Instant>,
    followed: Vec<Followed>,
    shards: Mutex<BTreeMap<String, Shard>>,
    /// Clusters that were seen on a shard whose URL is no longer told, and since when.
    departed: Mutex<BTreeMap<ClusterName, Instant>>,
}

struct Shard {
    endpoint: Endpoint,
    revision: String,
    /// The one cluster that is there, on plain Kubernetes.
    member: Option<ClusterName>,
    engaged: Instant,
    health: Health,
    _following: Following,
}

impl Shard {
    /// Whether what was not read of it is waited for. Of many clusters one must not hold up the others for long.
    fn is_awaited(&self) -> bool {
        let is_late = self.member.is_some() && self.engaged.elapsed() >= HICCUP;
        self.health.silent_since().is_none() && !is_late
    }

    /// Since when nothing is known of a member, where that is so.
    fn engaged_unread(&self, listed: bool) -> Option<Instant> {
        (self.member.is_some() && !listed).then_some(self.engaged)
    }
}

/// What ends the watches when it is dropped.
enum Following {
    Workspaces { _followers: Vec<Follower> },
    Member { _presence: Option<Presence> },
}

/// A server through which an export is seen.
#[derive(Clone)]
pub(super) struct Way {
    /// The URL of a virtual workspace, or a cluster of plain Kubernetes.
    pub(super) endpoint: Endpoint,
    /// Another text where it is reached in another way.
    pub(super) revision: String,
    /// The one cluster that is there, on plain Kubernetes.
    pub(super) member: Option<ClusterName>,
}

impl Export {
    pub(super) fn new(name: &str, plan: &ExportPlan, indexes: Indexes) -> Self {
        let mut followed: Vec<Followed> = plan
            .kinds
            .iter()
            .map(|(api, resource)| Followed {
                resource: resource.clone(),
                cache: Cache::new(indexes.orders),
                topic: if name == OFFERS_EXPORT { Topic::Offers } else { Topic::Orders(api.clone()) },
                selector: Selector::default(),
            })
            .collect();
        let managed = format!("{}={}", marker::MANAGED_LABEL, marker::MANAGED_VALUE);
        for resource in [Resource::secrets(), Resource::config_maps()] {
            if name != OFFERS_EXPORT && plan.claims.contains(&(String::new(), resource.gvr.resource.clone()))
            {
                followed.push(Followed {
                    resource,
                    cache: Cache::new(indexes.related),
                    topic: Topic::Related(name.to_owned()),
                    selector: Selector::labels(managed.clone()),
                });
            }
        }
        followed.push(Followed {
            resource: bindings(),
            cache: Cache::new(&[]),
            topic: Topic::Bindings(name.to_owned()),
            selector: Selector::default(),
        });
        if plan.claims.contains(&("core.kcp.io".to_owned(), "logicalclusters".to_owned())) {
            followed.push(Followed {
                resource: logical_clusters(),
                cache: Cache::new(&[]),
                topic: Topic::Clusters(name.to_owned()),
                selector: Selector::default(),
            });
        }
        Self {
            name: name.to_owned(),
            kinds: plan.kinds.clone(),
            copies: plan.copies.clone(),
            claims: plan.claims.clone(),
            members_since: plan.members.is_some().then(Instant::now),
            followed,
            shards: Mutex::default(),
            departed: Mutex::default(),
        }
    }

    /// The name of the export.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is seen of a kind, if it is followed.
    pub fn followed(&self, gvr: &Gvr) -> Option<&Followed> {
        self.followed.iter().find(|followed| followed.resource.gvr == *gvr)
    }

    /// What is seen of a kind, if it is followed.
    pub fn of_kind(&self, gvk: &Gvk) -> Option<&Followed> {
        self.followed.iter().find(|followed| followed.resource.gvk() == *gvk)
    }

    /// The kinds of orders and copies of this export (or AcceptAPI), by `<resource>.<group>`.
    pub fn kinds(&self) -> &BTreeMap<String, Resource> {
        &self.kinds
    }

    /// Whether the export claims a kind in its consumers' workspaces.
    pub fn claims(&self, group: &str, resource: &str) -> bool {
        self.claims.contains(&(group.to_owned(), resource.to_owned()))
    }

    /// The APIBindings to this export, with what is known of them.
    pub fn bindings(&self) -> Option<&Cache> {
        self.followed(&bindings().gvr).map(|followed| &followed.cache)
    }

    /// Whether a cluster binds this export.
    pub fn is_bound(&self, cluster: &ClusterName) -> bool {
        self.binding(cluster).is_some()
    }

    /// The binding of a cluster to this export.
    pub fn binding(&self, cluster: &ClusterName) -> Option<Arc<Object>> {
        let table = self.bindings()?.read();
        table.in_cluster(cluster).map(|(_, binding)| binding.object()).find(|binding| {
            binding.text(&["spec", "reference", "export", "name"]) == Some(self.name.as_str())
        })
    }

    /// The path of a cluster, such as `root:consumer`, where the claim on logical clusters tells it.
    pub fn path(&self, cluster: &ClusterName) -> Option<String> {
        let followed = self.followed(&logical_clusters().gvr)?;
        let table = followed.cache.read();
        let object = table.in_cluster(cluster).map(|(_, object)| object.object()).next()?;
        object.annotation("kcp.io/path").map(str::to_owned)
    }

    /// All paths that bindings tell, or logical clusters by their claim, and whose they are.
    pub fn paths(&self) -> BTreeMap<String, ClusterName> {
        let telling = [bindings(), logical_clusters()];
        let mut paths = BTreeMap::new();
        for followed in telling.iter().filter_map(|resource| self.followed(&resource.gvr)) {
            for (key, object) in followed.cache.read().iter() {
                if let Some(path) = object.annotation("kcp.io/path") {
                    paths.insert(path.to_owned(), key.cluster.clone());
                }
            }
        }
        paths
    }

    /// Where a cluster is reached through this export; nothing while it is not known on any shard.
    pub fn home(&self, cluster: &ClusterName) -> Option<Home> {
        let source = self.source_of(cluster);
        let shards = self.lock();
        let shard = shard_of(&shards, source.as_ref(), cluster)?;
        Some(Home { api: shard.endpoint.cluster(cluster), source: shard.endpoint.source() })
    }

    fn source_of(&self, cluster: &ClusterName) -> Option<Source> {
        self.followed.iter().find_map(|followed| followed.cache.read().source_of(cluster).cloned())
    }

    /// Whether the shard on which a cluster was seen left, and the cluster was seen on no other since. What it holds is
    /// not known then: that its objects are no longer seen does not mean that they are gone.
    pub fn has_departed(&self, cluster: &ClusterName) -> bool {
        self.departed_since(cluster).is_some() && self.home(cluster).is_none()
    }

    /// Clusters were seen here: where they lived before no longer matters.
    pub(super) fn arrived<'c>(&self, clusters: impl Iterator<Item = &'c ClusterName>) {
        let mut departed = self.departed.lock().unwrap_or_else(PoisonError::into_inner);
        clusters.for_each(|cluster| {
            departed.remove(cluster);
        });
    }

    fn departed_since(&self, cluster: &ClusterName) -> Option<Instant> {
        self.departed.lock().unwrap_or_else(PoisonError::into_inner).get(cluster).copied()
    }

    /// Whether a cluster does not answer through this export, since when, and what is known of it.
    ///
    /// A cluster that is not known here may live on a shard that was silent from the beginning; and what was read of a
    /// shard in part, when it comes back, is not yet its last word.
    pub fn silence(&self, cluster: &ClusterName) -> Option<Silent> {
        let source = self.source_of(cluster);
        let shards = self.lock();
        if let Some(shard) = shard_of(&shards, source.as_ref(), cluster) {
            let listed = self.has_listed(shard);
            let last_word = if listed { LastWord::Known } else { LastWord::Unread };
            // Nobody waits for a member for long: what it holds is not known until it was read.
            let unread = shard.engaged_unread(listed);
            return Some(Silent { since: shard.health.silent_since().or(unread)?, last_word });
        }
        let since = self.departed_since(cluster).or_else(|| self.unseen_since(&shards))?;
        Some(Silent { since, last_word: LastWord::Unread })
    }

    /// Since when a cluster that is seen nowhere may be there all the same.
    fn unseen_since(&self, shards: &BTreeMap<String, Shard>) -> Option<Instant> {
        if self.members_since.is_some() {
            // A cluster whose kubeconfig was taken away, or is of no use, is there, and not reached.
            return self.members_since;
        }
        let unread = shards.values().filter(|shard| !self.has_listed(shard));
        unread.filter_map(|shard| shard.health.silent_since()).min()
    }

    /// Whether the shard on which a cluster is seen does not answer.
    pub fn is_silent(&self, cluster: &ClusterName) -> bool {
        let source = self.source_of(cluster);
        let shards = self.lock();
        let shard = shard_of(&shards, source.as_ref(), cluster);
        shard.is_some_and(|shard| shard.health.silent_since().is_some())
    }

    /// Whether any shard does not answer.
    pub fn has_silent_shard(&self) -> bool {
        self.lock().values().any(|shard| shard.health.silent_since().is_some())
    }

    /// Whether everything followed was listed once on every shard that answers. An export nobody binds has no shard,
    /// and holds nothing; what a silent shard holds is not known, and [`Self::silence`] says so.
    pub fn is_synced(&self) -> bool {
        let shards = self.lock();
        shards.values().all(|shard| self.has_listed(shard) || !shard.is_awaited())
            || sabotage::is(Bug::UnreadTakenForAbsent)
    }

    /// Every cache of this export, by shard.
    pub fn cached(&self) -> Vec<Cached> {
        let shards = self.lock();
        let of_shard = |shard: &Shard| {
            let source = shard.endpoint.source();
            let silent = !shard.is_awaited();
            let cached = |followed: &Followed| Cached {
                export: self.name.clone(),
                resource: followed.resource.gvr.group_resource(),
                shard: source.to_string(),
                state: match (followed.cache.read().has_listed(&source), silent) {
                    (true, _) => CacheState::Filled,
                    (false, false) => CacheState::Unread,
                    (false, true) => CacheState::Silent,
                },
            };
            self.followed.iter().map(cached).collect::<Vec<_>>()
        };
        shards.values().flat_map(of_shard).collect()
    }

    fn has_listed(&self, shard: &Shard) -> bool {
        let source = shard.endpoint.source();
        self.followed.iter().all(|followed| followed.cache.read().has_listed(&source))
    }

    /// Whether any shard serves this export.
    pub fn is_served(&self) -> bool {
        !self.lock().is_empty()
    }

    pub(super) fn fits(&self, plan: &ExportPlan) -> bool {
        self.kinds == plan.kinds && self.copies == plan.copies && self.claims == plan.claims
    }

    /// Is seen through these from now on, and through no others.
    pub(super) fn engage(&self, ways: Vec<Way>, observer: &Arc<dyn Observer>) {
        let mut gone = Vec::new();
        {
            let mut shards = self.lock();
            let wanted: BTreeSet<String> = ways.iter().map(|way| way.endpoint.source().to_string()).collect();
            let left: Vec<String> =
                shards.keys().filter(|source| !wanted.contains(*source)).cloned().collect();
            gone.extend(left.iter().filter_map(|source| shards.remove(source)));
            for way in ways {
                let source = way.endpoint.source().to_string();
                if shards.get(&source).is_some_and(|shard| shard.revision == way.revision) {
                    continue;
                }
                tracing::info!(export = %self.name, url = way.endpoint.url(), member = ?way.member, "engaging");
                // One that is reached in another way now keeps what is known of it.
                shards.remove(&source);
                shards.insert(source, self.follow(way, observer));
            }
        }
        for shard in gone {
            self.forget(&shard, observer.as_ref());
        }
    }

    pub(super) fn disengage(&self, observer: &dyn Observer) {
        let shards = std::mem::take(&mut *self.lock());
        for shard in shards.values() {
            self.forget(shard, observer);
        }
    }

    fn follow(&self, way: Way, observer: &Arc<dyn Observer>) -> Shard {
        let Way { endpoint, revision, member } = way;
        let caches = self.followed.iter().map(|followed| followed.cache.clone()).collect();
        let health = Health::new(endpoint.source(), caches, observer.clone());
        let following = match &member {
            Some(member) => {
                let present =
                    self.present(member.clone(), endpoint.clone(), observer.clone(), health.clone());
                Following::Member { _presence: present.map(Presence::start) }
            }
            None => Following::Workspaces { _followers: self.follow_all(&endpoint, observer, &health) },
        };
        Shard { endpoint, revision, member, engaged: Instant::now(), health, _following: following }
    }

    fn follow_all(
        &self,
        endpoint: &Endpoint,
        observer: &Arc<dyn Observer>,
        health: &Health,
    ) -> Vec<Follower> {
        let follow = |(feed, followed): (usize, &Followed)| {
            Follower::start(Follow {
                api: endpoint.every_cluster(),
                resource: followed.resource.clone(),
                selector: followed.selector.clone(),
                cache: followed.cache.clone(),
                source: endpoint.source(),
                keying: Keying::Stamped,
                topic: followed.topic.clone(),
                observer: observer.clone(),
                beat: health.beat(feed),
                keep: std::convert::identity,
                refused: Refused::Answers,
            })
        };
        self.followed.iter().enumerate().map(follow).collect()
    }

    /// What is to be followed in a cluster of plain Kubernetes: there an export is one kind.
    fn present(
        &self,
        member: ClusterName,
        endpoint: Endpoint,
        observer: Arc<dyn Observer>,
        health: Health,
    ) -> Option<Present> {
        let kind = self.kinds.values().next()?.clone();
        let (bindings, followed): (Vec<Followed>, Vec<Followed>) =
            self.followed.iter().cloned().partition(|one| matches!(one.topic, Topic::Bindings(_)));
        let bindings = bindings.into_iter().next()?;
        Some(Present {
            export: self.name.clone(),
            kind,
            member,
            endpoint,
            followed,
            bindings,
            observer,
            health,
        })
    }

    fn forget(&self, shard: &Shard, observer: &dyn Observer) {
        tracing::info!(export = %self.name, url = shard.endpoint.url(), "disengaging");
        for followed in &self.followed {
            let changes = followed.cache.write().forget(&shard.endpoint.source());
            let now = Instant::now();
            let clusters = changes.iter().map(|change| &change.key.cluster).chain(&shard.member);
            let clusters = clusters.map(|cluster| (cluster.clone(), now));
            self.departed.lock().unwrap_or_else(PoisonError::into_inner).extend(clusters);
            observer.changed(&followed.topic, &changes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Shard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The shard on which a cluster is seen, or which is that cluster.
fn shard_of<'s>(
    shards: &'s BTreeMap<String, Shard>,
    source: Option<&Source>,
    cluster: &ClusterName,
) -> Option<&'s Shard> {
    let seen = source.and_then(|source| shards.get(source.as_str()));
    seen.or_else(|| shards.values().find(|shard| shard.member.as_ref() == Some(cluster)))
}

fn bindings() -> Resource {
    Resource::cluster_scoped(Gvr::new("apis.kcp.io", "v1alpha2", "apibindings"), "APIBinding")
}

fn logical_clusters() -> Resource {
    Resource::cluster_scoped(Gvr::new("core.kcp.io", "v1alpha1", "logicalclusters"), "LogicalCluster")
}
