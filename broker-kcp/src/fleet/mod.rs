//! Which clusters there are, and what they hold.
//!
//! The platform workspace tells which APIs are brokered, which exports serve them and at which URLs their virtual
//! workspaces are; a [`Fleet`] follows all of that, and behind each URL one wildcard watch per kind. On plain Kubernetes it
//! follows each cluster that takes part, as a shard with one workspace (ADR 0018). It engages and disengages by watches
//! alone, without polling, and decides nothing about orders.

mod compute;
mod export;
mod follow;
mod health;
mod member;
#[cfg(test)]
mod outage_tests;
mod plan;
mod platform;
mod presence;
mod secrets;
#[cfg(test)]
mod tests;
mod topic;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use broker_core::order::LastWord;
use broker_core::port::Clock;
use broker_core::resource::ClusterName;
use broker_core::time::Timestamp;
use kube::Config;
use tokio::sync::{Notify, watch};

pub use compute::ComputeCluster;
pub use export::{CacheState, Cached, Export, Followed, Home, Silent};
pub use member::{Clusters, Member, Members, members, revisions};
pub use plan::{CopyPlan, ExportPlan, MemberRevisions, Plan, PlatformObjects, Problem};
pub use platform::Platform;
pub use secrets::members_of;
pub use topic::{Observer, Topic, Turn};

use crate::kcp::{ClusterApi, Connector, Endpoint, EndpointError, Resource, Selector};
use crate::metrics::Metrics;
use crate::record::KeptPlaybooks;
use crate::store::{Cache, Index, Source};
use crate::surroundings::Surroundings;
use follow::{Follow, Follower, Keying, Refused};
use health::Health;
use member::Known;
use ways::{Connecting, Ways};

/// Name under which the platform's own objects are kept: its id is nobody's business.
pub const PLATFORM: &str = "platform";

/// All clusters that the platform reaches. Clones share the same fleet.
#[derive(Clone)]
pub struct Fleet {
    inner: Arc<Inner>,
}

struct Inner {
    clusters: Known,
    /// The namespace whose Secrets tell of clusters, and who is told.
    secrets: Option<(String, watch::Sender<Option<Members>>)>,
    ways: Ways,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    endpoint: Endpoint,
    platform: Platform,
    kept_playbooks: KeptPlaybooks,
    compute: Option<ComputeCluster>,
    exports: RwLock<BTreeMap<String, Arc<Export>>>,
    plan: RwLock<Arc<Plan>>,
    replan: Notify,
    indexes: Indexes,
    /// Of the platform workspace, while it is followed.
    health: RwLock<Option<Health>>,
}

impl Fleet {
    /// A fleet that begins at the platform's workspace or cluster, which `config` names, and serves these clusters, with one
    /// for helper objects where there is one; nothing is followed before [`Self::run`].
    ///
    /// # Errors
    /// Where a URL or credential is of no use.
    pub fn new(
        config: Config,
        clusters: Clusters,
        compute: Option<Config>,
        surroundings: Surroundings,
        indexes: Indexes,
    ) -> Result<Self, EndpointError> {
        let Surroundings { clock, connect, metrics, .. } = surroundings;
        let connecting: Connecting = {
            let metrics = metrics.clone();
            Box::new(move |config| Connector::new(config, connect.clone()).counted_by(metrics.clone()))
        };
        let compute = match compute {
            Some(config) => Some(ComputeCluster::new(connecting(config).home()?)),
            None => None,
        };
        let connector = connecting(config);
        let endpoint = connector.home()?;
        let platform = Platform::new(indexes);
        let (clusters, secrets) = match clusters {
            Clusters::Workspaces => (Known::Workspaces, None),
            Clusters::Members(members) => (Known::Members(members), None),
            Clusters::Secrets(namespace) => {
                let (tell, members) = watch::channel(None);
                (Known::Members(members), Some((namespace, tell)))
            }
        };
        let inner = Inner {
            clusters,
            secrets,
            ways: Ways::new(connector, connecting),
            metrics,
            clock,
            endpoint,
            platform,
            kept_playbooks: KeptPlaybooks::default(),
            compute,
            exports: RwLock::default(),
            plan: RwLock::default(),
            replan: Notify::new(),
            indexes,
            health: RwLock::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Follows everything until the future is dropped, telling `observer` what changed. Nothing is kept of who was told.
    pub async fn run(&self, observer: Arc<dyn Observer>) {
        let _following = Following { fleet: self };
        let told: Arc<dyn Observer> = Arc::new(Replanner { fleet: self.clone(), next: observer });
        let kinds = self.platform_kinds();
        let caches = kinds.iter().map(|(_, _, cache)| cache.clone()).collect();
        let health = Health::new(self.inner.endpoint.source(), caches, told.clone());
        *self.inner.health.write().unwrap_or_else(PoisonError::into_inner) = Some(health.clone());
        if let Some(compute) = &self.inner.compute {
            compute.start(&told);
        }
        let platform: Vec<Follower> = kinds
            .into_iter()
            .enumerate()
            .map(|(feed, (topic, resource, cache))| {
                Follower::start(Follow {
                    api: self.inner.endpoint.itself(),
                    resource,
                    selector: Selector::default(),
                    cache,
                    source: self.inner.endpoint.source(),
                    keying: Keying::Fixed(PLATFORM.into()),
                    topic,
                    observer: told.clone(),
                    beat: health.beat(feed),
                    keep: presence::without_schemas,
                    refused: Refused::Answers,
                })
            })
            .collect();
        let following = async {
            if let Some((namespace, tell)) = &self.inner.secrets {
                let (api, source) = (self.inner.endpoint.itself(), self.inner.endpoint.source());
                secrets::follow(api, namespace, source, health.beat(platform.len()), tell).await;
            }
        };
        let planning = async {
            let mut clusters = self.inner.clusters.clone();
            loop {
                tokio::select! {
                    () = self.inner.replan.notified() => {}
                    () = clusters.changed() => {}
                }
                if self.platform_is_synced() && self.clusters_are_known() {
                    self.replan(&told);
                }
            }
        };
        tokio::join!(following, planning);
    }

    /// Now, by the clock that decisions are made with and records are written with.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// What is counted with.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// The platform's records.
    pub fn platform(&self) -> &Platform {
        &self.inner.platform
    }

    /// The platform workspace.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// Reads the platform's records of moves.
    pub fn kept_playbooks(&self) -> &KeptPlaybooks {
        &self.inner.kept_playbooks
    }

    /// The cluster for helper objects.
    pub fn compute(&self) -> Option<&ComputeCluster> {
        self.inner.compute.as_ref()
    }

    /// The platform workspace, for writing.
    pub fn platform_api(&self) -> ClusterApi {
        self.inner.endpoint.itself()
    }

    /// The domain of the platform's versions.
    pub fn platform_source(&self) -> Source {
        self.inner.endpoint.source()
    }

    /// What is to be followed at the moment, and what stands in the way.
    pub fn plan(&self) -> Arc<Plan> {
        self.inner.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An export that is followed.
    pub fn export(&self, name: &str) -> Option<Arc<Export>> {
        self.inner.exports.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The export through which providers make offers.
    pub fn offers(&self) -> Option<Arc<Export>> {
        self.export(plan::OFFERS_EXPORT)
    }

    /// Every export that is followed.
    pub fn exports(&self) -> Vec<Arc<Export>> {
        self.inner.exports.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether every record of the platform is in cache.
    pub fn platform_is_synced(&self) -> bool {
        let source = self.inner.endpoint.source();
        self.platform_kinds().iter().all(|(_, _, cache)| cache.read().has_listed(&source))
    }

    /// Every cache that is filled by a watch, and whether it is: those of the platform first, then those of each export
    /// by shard.
    pub fn cached(&self) -> Vec<Cached> {
        let source = self.inner.endpoint.source();
        let platform = self.platform_kinds().into_iter().map(|(_, resource, cache)| {
            let listed = cache.read().has_listed(&source);
            Cached {
                export: PLATFORM.to_owned(),
                resource: resource.gvr.group_resource(),
                shard: source.to_string(),
                state: if listed { CacheState::Filled } else { CacheState::Unread },
            }
        });
        platform.chain(self.exports().iter().flat_map(|export| export.cached())).collect()
    }

    /// Whether all that a decision about an order of this API may depend on is in cache: records, offers, orders,
    /// copies and related objects.
    pub fn is_synced(&self, api: &str) -> bool {
        self.platform_is_synced()
            && self.offers().is_some_and(|export| export.is_synced())
            && self.plan().apis.contains_key(api)
            && self.kinds_of_copies(api).is_some_and(|kinds| kinds.iter().all(|kind| kind.export.is_synced()))
    }

    /// The export through which the objects of a kind, as `<resource>.<group>`, are seen.
    pub fn export_of(&self, kind: &str) -> Option<Arc<Export>> {
        self.plan().export_of(kind).and_then(|export| self.export(export))
    }

    /// The kinds that copies of an API's orders may have, their own first; `None` while one of them is not followed.
    pub fn kinds_of_copies(&self, api: &str) -> Option<Vec<KindOfCopies>> {
        let plan = self.plan();
        let kinds = std::iter::once(api).chain(plan.copies_of(api).map(|(kind, _)| kind.as_str()));
        kinds
            .map(|kind| {
                let export = plan.export_of(kind).and_then(|export| self.export(export))?;
                let followed = export.followed(&export.kinds().get(kind)?.gvr)?.clone();
                Some(KindOfCopies { name: kind.to_owned(), export, followed })
            })
            .collect()
    }

    /// Whether a cluster does not answer as a provider of what an export serves: it must be reached for its offers and
    /// for the copies.
    ///
    /// An outage of the platform itself is no evidence against anybody: the time counts from its end.
    pub fn silence(&self, export: &Export, cluster: &ClusterName) -> Option<Silent> {
        let found = [export.silence(cluster), self.offers().and_then(|offers| offers.silence(cluster))];
        let silent = found.into_iter().flatten().reduce(|one, other| Silent {
            since: one.since.min(other.since),
            last_word: if one.last_word == LastWord::Known { other.last_word } else { one.last_word },
        })?;
        let health = self.inner.health.read().unwrap_or_else(PoisonError::into_inner).clone();
        let since = health.map_or(silent.since, |platform| platform.vouched(silent.since));
        Some(Silent { since, ..silent })
    }

    /// Whether a cluster does not answer through any of the exports through which it is seen.
    pub fn is_silent(&self, cluster: &ClusterName) -> bool {
        self.exports().iter().any(|export| export.has_silent_shard() && export.is_silent(cluster))
    }

    /// Whether a cluster does not answer, or may live where nobody answers.
    pub fn may_be_silent(&self, cluster: &ClusterName) -> bool {
        self.exports().iter().any(|export| export.has_silent_shard() && export.silence(cluster).is_some())
    }

    /// Whether what is followed is what the platform's objects ask for by now.
    pub fn is_planned(&self) -> bool {
        self.clusters_are_known() && *self.plan() == self.planned()
    }

    /// Whether the platform is one on plain Kubernetes.
    pub fn is_on_plain_kubernetes(&self) -> bool {
        self.inner.clusters.are_members()
    }

    /// The clusters of plain Kubernetes that there are, and why some cannot be used.
    pub fn members(&self) -> Option<Members> {
        self.inner.clusters.members()
    }

    fn clusters_are_known(&self) -> bool {
        !self.is_on_plain_kubernetes() || self.members().is_some()
    }

    fn planned(&self) -> Plan {
        let members = self.members();
        Plan::of(&self.inner.platform, members.as_ref().map(revisions).as_ref())
    }

    fn platform_kinds(&self) -> Vec<(Topic, Resource, Cache)> {
        self.inner.platform.kinds(self.is_on_plain_kubernetes())
    }

    fn replan(&self, observer: &Arc<dyn Observer>) {
        let plan = Arc::new(self.planned());
        let before = self.plan();
        if *before == *plan {
            return;
        }
        *self.inner.plan.write().unwrap_or_else(PoisonError::into_inner) = plan.clone();
        let mut left: Vec<Arc<Export>> = Vec::new();
        let mut kept: Vec<(Arc<Export>, &ExportPlan)> = Vec::new();
        {
            let mut exports = self.inner.exports.write().unwrap_or_else(PoisonError::into_inner);
            let gone: Vec<String> = exports
                .iter()
                .filter(|(name, export)| !plan.exports.get(*name).is_some_and(|planned| export.fits(planned)))
                .map(|(name, _)| name.clone())
                .collect();
            left.extend(gone.iter().filter_map(|name| exports.remove(name)));
            for (name, planned) in &plan.exports {
                let export = exports
                    .entry(name.clone())
                    .or_insert_with(|| Arc::new(Export::new(name, planned, self.inner.indexes)));
                kept.push((Arc::clone(export), planned));
            }
        }
        // Whoever is told of what changes looks the exports up.
        for (export, planned) in kept {
            let members = self.members();
            export.engage(self.inner.ways.of(export.name(), planned, members.as_ref()), observer);
        }
        for export in left {
            export.disengage(observer.as_ref());
        }
        observer.synced();
    }
}

/// What a fleet follows knows its observer, which knows the fleet: when it ends, each must be let go.
struct Following<'a> {
    fleet: &'a Fleet,
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        let inner = &self.fleet.inner;
        if let Some(compute) = &inner.compute {
            compute.stop();
        }
        let exports = std::mem::take(&mut *inner.exports.write().unwrap_or_else(PoisonError::into_inner));
        *inner.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
        let health = inner.health.write().unwrap_or_else(PoisonError::into_inner).take();
        // Outside of the locks: whoever is let go may look something up.
        drop((exports, health));
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("endpoint", &self.inner.endpoint).finish_non_exhaustive()
    }
}

/// A kind that copies of an API's orders may have.
#[derive(Clone, Debug)]
pub struct KindOfCopies {
    /// `<resource>.<group>`.
    pub name: String,
    /// The export through which it is seen.
    pub export: Arc<Export>,
    /// What is seen of it.
    pub followed: Followed,
}

/// How what is followed can be asked for besides by key.
#[derive(Clone, Copy, Debug)]
pub struct Indexes {
    /// Of orders and copies.
    pub orders: &'static [Index],
    /// Of related objects.
    pub related: &'static [Index],
    /// Of assignments.
    pub assignments: &'static [Index],
    /// Of migrations.
    pub migrations: &'static [Index],
}

/// Plans anew when what the plan depends on changes.
struct Replanner {
    fleet: Fleet,
    next: Arc<dyn Observer>,
}

impl Observer for Replanner {
    fn changed(&self, topic: &Topic, changes: &[crate::store::Change]) {
        if matches!(topic, Topic::BrokeredApis | Topic::Exports | Topic::Slices | Topic::Schemas) {
            self.fleet.inner.replan.notify_one();
        }
        if let Topic::Bindings(export) = topic
            && let Some(export) = self.fleet.export(export)
        {
            let there = changes.iter().filter(|change| change.new.is_some());
            export.arrived(there.map(|change| &change.key.cluster));
        }
        self.next.changed(topic, changes);
    }

    fn synced(&self) {
        self.fleet.inner.replan.notify_one();
        self.next.synced();
    }

    fn turned(&self, turn: Turn, clusters: &BTreeSet<ClusterName>) {
        self.next.turned(turn, clusters);
    }
}

/// The cluster that keys of the platform's own objects name.
pub fn platform_cluster() -> ClusterName {
    PLATFORM.into()
}
