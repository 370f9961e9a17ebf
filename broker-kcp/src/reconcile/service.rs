//! Runs it all: the fleet, the queues, the driver of `broker-core`.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use broker_core::broker::{Broker, PassError, Passed};
use broker_core::port::{Clock, OrderAddress, PortErrorKind};
use broker_core::resource::ObjectKey;
use broker_core::time::Timestamp;
use kube::Config;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::books::Books;
use super::execute::KcpMigrationExecutor;
use super::indexes::{BY_ORDER, INDEXES, object_text, offers_of};
use super::latency::Latencies;
use super::later::Asking;
use super::observe::KcpOrderObserver;
use super::playbooks::KcpPlaybooks;
use super::registry::KcpProviderRegistry;
use super::routes::{Chore, OrderKey, Routes};
use super::{absence, brokered, later, lost, offers, orphans};
use crate::controller::{Outcome, Queue, QueueState, Retry, run};
use crate::fleet::{Cached, Clusters, Fleet};
use crate::kcp::{ApiError, ApiErrorKind, EndpointError};
use crate::metrics::Ending;
use crate::surroundings::Surroundings;

/// Orders worked on at the same time. What limits the load is how many writes are on their way; an order that waits
/// for a less urgent one must not keep another from being placed.
const WORKERS: usize = 512;
/// Reports written at the same time.
const CHORE_WORKERS: usize = 4;

/// Writes after which somebody who asks for a move may be answered otherwise.
const REQUESTS_DEPEND_ON: [&str; 4] =
    ["create-assignment", "update-assignment", "delete-assignment", "update-migration"];

/// How a [`Service`] works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether orders that were served may move (`ENABLE_MIGRATION`).
    pub enable_migration: bool,
    /// How often everything is compared again, from caches (`RECONCILE_INTERVAL`).
    pub reconcile_interval: Duration,
    /// The cluster for the helper objects of playbooks (`COMPUTE_KUBECONFIG`).
    pub compute: Option<Config>,
    /// Where consumers and providers are; where nothing is said, [`Clusters::of`] the platform's configuration.
    pub clusters: Option<Clusters>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enable_migration: true,
            reconcile_interval: Duration::from_secs(30),
            compute: None,
            clusters: None,
        }
    }
}

/// How a [`Service`] is doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// Whether all that is followed is in cache, as far as servers answer.
    pub synced: bool,
    /// The queue of orders.
    pub orders: QueueState,
}

/// Whether a [`Service`] has read all that it depends on, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Every cache there is.
    pub caches: Vec<Cached>,
    /// Whether they are the caches that the platform's objects ask for by now.
    pub planned: bool,
    /// Whether the export through which providers make offers is known.
    pub offers: bool,
}

impl Readiness {
    /// Whether all was read, as far as servers answer.
    pub fn is_ready(&self) -> bool {
        self.planned && self.offers && self.caches.iter().all(|cached| cached.state.is_synced())
    }
}

/// One queue of a [`Service`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueReport {
    /// What waits in it: `orders` or `reports`.
    pub name: &'static str,
    /// How full it is.
    pub state: QueueState,
    /// What failed and is tried again, the most stubborn first, as far as it is shown.
    pub retries: Vec<Retry<String>>,
}

pub(super) type Driver = Broker<KcpProviderRegistry, KcpOrderObserver, KcpMigrationExecutor, Arc<dyn Clock>>;

/// The broker on kcp or plain Kubernetes. Clones share the same one.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    fleet: Fleet,
    registry: KcpProviderRegistry,
    playbooks: KcpPlaybooks,
    driver: Driver,
    routes: Arc<Routes>,
    leading: watch::Receiver<bool>,
    ready: watch::Sender<bool>,
    options: Options,
}

impl Service {
    /// A broker for the platform's workspace or cluster that `config` names. It follows everything at once, and writes only while
    /// `leading` is true.
    pub fn new(
        config: Config,
        surroundings: Surroundings,
        options: Options,
        leading: watch::Receiver<bool>,
    ) -> Result<Self, EndpointError> {
        let (clock, around) = (surroundings.clock.clone(), surroundings.execute.clone());
        let clusters = options.clusters.clone().unwrap_or_else(|| Clusters::of(&config));
        let fleet = Fleet::new(config, clusters, options.compute.clone(), surroundings, INDEXES)?;
        let registry = KcpProviderRegistry::new(fleet.clone(), options.enable_migration);
        let playbooks = KcpPlaybooks::new(&fleet);
        let latencies = Arc::new(Latencies::new(fleet.metrics().clone(), registry.clone()));
        let observer = KcpOrderObserver::new(fleet.clone(), registry.clone(), playbooks.clone())
            .measured_by(latencies.clone());
        let executor = KcpMigrationExecutor::new(fleet.clone(), leading.clone())
            .measured_by(latencies.clone())
            .within(around);
        let mentions = observer.mentions();
        let driver = Broker::new(registry.clone(), observer, executor, clock);
        let routes = Arc::new(Routes {
            fleet: fleet.clone(),
            registry: registry.clone(),
            orders: Queue::default(),
            chores: Queue::default(),
            books: Books::default(),
            mentions,
            latencies,
            progress: Arc::new(Notify::new()),
        });
        let ready = watch::Sender::new(false);
        let inner = Inner { fleet, registry, playbooks, driver, routes, leading, ready, options };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The clusters it reaches.
    pub fn fleet(&self) -> &Fleet {
        &self.inner.fleet
    }

    pub(super) fn routes(&self) -> &Arc<Routes> {
        &self.inner.routes
    }

    pub(super) fn driver(&self) -> &Driver {
        &self.inner.driver
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        let synced = self.readiness().is_ready();
        Status { synced, orders: self.inner.routes.orders.state() }
    }

    /// What it has read, and what it waits for.
    pub fn readiness(&self) -> Readiness {
        let fleet = &self.inner.fleet;
        Readiness { caches: fleet.cached(), planned: fleet.is_planned(), offers: fleet.offers().is_some() }
    }

    /// Whether all that it depends on was read, for whoever waits for that. Said anew whenever more became known while it
    /// [runs](Self::run); false before.
    pub fn watch_readiness(&self) -> watch::Receiver<bool> {
        self.inner.ready.subscribe()
    }

    /// Its queues, each with at most `limit` of what failed and is tried again.
    pub fn queues(&self, limit: usize) -> Vec<QueueReport> {
        let Routes { orders, chores, .. } = &*self.inner.routes;
        let order = |order: OrderKey| format!("{} {}", order.api, order.key);
        vec![
            QueueReport {
                name: "orders",
                state: orders.state(),
                retries: orders.retries(limit).into_iter().map(|retry| retry.named(order)).collect(),
            },
            QueueReport {
                name: "reports",
                state: chores.state(),
                retries: chores.retries(limit).into_iter().map(|retry| retry.named(text)).collect(),
            },
        ]
    }

    /// Works until `stop` resolves, then finishes what is in hand. Nothing of it runs on afterwards, nor where the future is
    /// dropped; its tasks are in the span in which this is polled.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let stopping = CancellationToken::new();
        let _following = AbortOnDrop(tokio::spawn({
            let (fleet, routes) = (self.inner.fleet.clone(), self.inner.routes.clone());
            async move { fleet.run(routes).await }.in_current_span()
        }));
        let _waking = AbortOnDrop(tokio::spawn(self.clone().wake().in_current_span()));
        let orders = {
            let service = self.clone();
            run(self.inner.routes.orders.clone(), WORKERS, stopping.clone().cancelled_owned(), move |key| {
                let service = service.clone();
                async move { service.order(&key).await }
            })
        };
        let chores = {
            let service = self.clone();
            run(
                self.inner.routes.chores.clone(),
                CHORE_WORKERS,
                stopping.clone().cancelled_owned(),
                move |chore| {
                    let service = service.clone();
                    async move { service.chore(&chore).await }
                },
            )
        };
        let stopped = async {
            stop.await;
            stopping.cancel();
        };
        tokio::join!(orders, chores, stopped);
    }

    /// Asks for work on everything whenever more became known, the lead changed, or the interval passed.
    async fn wake(self) {
        let mut leading = self.inner.leading.clone();
        let interval = self.inner.options.reconcile_interval;
        let mut known = None;
        let readiness = Told(&self.inner.ready);
        loop {
            let resync = tokio::select! {
                biased;
                () = self.inner.routes.progress.notified() => false,
                changed = leading.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    true
                }
                () = tokio::time::sleep(interval) => true,
            };
            readiness.tell(self.readiness().is_ready());
            let now_known = self.known();
            if resync || known.as_ref() != Some(&now_known) {
                self.inner.registry.invalidate();
                self.inner.routes.everything();
                known = Some(now_known);
            }
        }
    }

    /// Which APIs can be decided about, and whether what is told of offers and policies was read.
    fn known(&self) -> (Vec<String>, bool) {
        let fleet = &self.inner.fleet;
        let apis = fleet.plan().apis.keys().filter(|api| fleet.is_synced(api)).cloned().collect();
        (apis, self.is_synced())
    }

    async fn order(&self, key: &OrderKey) -> Outcome {
        if !*self.inner.leading.borrow() {
            self.inner.routes.latencies.forget_word(key);
            return Outcome::Done;
        }
        if !self.inner.fleet.is_synced(&key.api) {
            // Asked for again as soon as that changes.
            return Outcome::Done;
        }
        if self.is_out_of_reach(key) {
            // Nothing can be told to a consumer whose cluster does not answer; asked for again when it does.
            return Outcome::Done;
        }
        let Routes { latencies, .. } = &*self.inner.routes;
        let mut outcome = Outcome::Done;
        let before = self.places(key);
        let began = Instant::now();
        let mut ending = Ending::Well;
        for address in self.addresses(key) {
            let next = match self.look_again(&address).await {
                Ok(()) => match self.inner.driver.pass(&address).await {
                    Ok(passed) => {
                        // A move may have ended, and let another begin.
                        if passed.written.contains(&"update-migration") {
                            self.inner.routes.held_orders(&["MovesHalted"]);
                        }
                        if passed.written.iter().any(|verb| REQUESTS_DEPEND_ON.contains(verb)) {
                            self.inner.routes.requests_again();
                        }
                        settled(key, &passed, self.inner.fleet.now())
                    }
                    Err(error) => {
                        ending = worse(ending, ending_of(&error));
                        failed(key, &error)
                    }
                },
                Err(error) => {
                    ending = Ending::Failed;
                    tracing::warn!(order = %key.key, api = %key.api, %error, "cannot look for what is not seen");
                    again(error.retry_after())
                }
            };
            outcome = sooner(outcome, next);
        }
        self.inner.routes.places_changed(&before, &self.places(key));
        if ending == Ending::Well {
            latencies.looked(key);
        }
        self.inner.fleet.metrics().reconciled("order", ending, began.elapsed());
        outcome
    }

    /// Asks the servers where what the caches show of an order cannot be all.
    async fn look_again(&self, address: &OrderAddress) -> Result<(), ApiError> {
        lost::look_again(&self.inner.fleet, address).await?;
        absence::look(&self.inner.fleet, address).await
    }

    /// The offers with which an order has a place.
    fn places(&self, key: &OrderKey) -> BTreeSet<ObjectKey> {
        let assignments = &self.inner.fleet.platform().assignments;
        let found = assignments.find(BY_ORDER, &object_text(&key.api, &key.key));
        found.flat_map(|(_, assignment)| offers_of(&assignment)).collect()
    }

    fn is_out_of_reach(&self, key: &OrderKey) -> bool {
        let fleet = &self.inner.fleet;
        let export = fleet.plan().apis.get(&key.api).and_then(|export| fleet.export(export));
        export.is_some_and(|export| export.silence(&key.key.cluster).is_some())
    }

    /// The order that is there now, and those that were there before and still have an assignment.
    fn addresses(&self, key: &OrderKey) -> Vec<OrderAddress> {
        let fleet = &self.inner.fleet;
        let plan = fleet.plan();
        let Some(export) = plan.apis.get(&key.api).and_then(|export| fleet.export(export)) else {
            return Vec::new();
        };
        let Some(followed) = export.kinds().get(&key.api).and_then(|kind| export.followed(&kind.gvr)) else {
            return Vec::new();
        };
        let order = followed.cache.get(&key.key);
        let address = |uid: Option<String>| OrderAddress {
            gvr: followed.resource.gvr.clone(),
            key: key.key.clone(),
            uid,
        };
        let mut addresses: Vec<OrderAddress> = fleet
            .platform()
            .assignments
            .find(BY_ORDER, &object_text(&key.api, &key.key))
            .filter_map(|(_, assignment)| assignment.text(&["spec", "order", "uid"]).map(str::to_owned))
            .filter(|uid| order.as_ref().is_none_or(|order| order.uid() != uid))
            .map(|uid| address(Some(uid)))
            .collect();
        if order.is_some() {
            addresses.push(address(None));
        }
        addresses
    }

    async fn chore(&self, chore: &Chore) -> Outcome {
        if !*self.inner.leading.borrow() {
            return Outcome::Done;
        }
        let Inner { fleet, registry, playbooks, .. } = &*self.inner;
        let began = Instant::now();
        let result = match chore {
            Chore::Offer(key) => offers::report(fleet, registry, key).await.map(drop),
            Chore::Waiting(api) => {
                self.inner.routes.waiting_orders(api);
                Ok(())
            }
            Chore::Api(name) => brokered::report(fleet, registry, name).await,
            Chore::Later(what, name) => {
                later::report(fleet, registry, playbooks, *what, name).await.map(|order| {
                    // Asked for before the next chore: whoever asked waits for it.
                    if let Some(order) = order {
                        self.inner.routes.orders.add(order);
                    }
                })
            }
            Chore::Orphan(api, key) => orphans::examine(fleet, registry, api, key).await.map(drop),
            Chore::Helpers(migration) => orphans::remove_helpers(fleet, migration).await,
        };
        let ending = match &result {
            Ok(()) => Ending::Well,
            Err(error) if error.kind() == ApiErrorKind::Conflict => Ending::Conflict,
            Err(_) => Ending::Failed,
        };
        fleet.metrics().reconciled(controller(chore), ending, began.elapsed());
        match result {
            Ok(()) => Outcome::Done,
            Err(error) => chore_failed(chore, &error),
        }
    }
}

/// What a report is measured as.
const fn controller(chore: &Chore) -> &'static str {
    match chore {
        Chore::Offer(_) => "acceptapi",
        Chore::Api(_) => "brokeredapi",
        Chore::Waiting(_) => "waiting",
        Chore::Orphan(..) => "orphan",
        Chore::Helpers(_) => "helper",
        Chore::Later(Asking::Migration, _) => "migration",
        Chore::Later(Asking::Configuration, _) => "migrationconfiguration",
    }
}

/// A report for people.
fn text(chore: Chore) -> String {
    let kind = controller(&chore);
    match chore {
        Chore::Offer(key) => format!("{kind} {key}"),
        Chore::Orphan(api, key) => format!("{kind} {api} {key}"),
        Chore::Api(name) | Chore::Waiting(name) | Chore::Helpers(name) | Chore::Later(_, name) => {
            format!("{kind} {name}")
        }
    }
}

/// How a pass that failed counts.
fn ending_of(error: &PassError) -> Ending {
    match error {
        PassError::NotReady => Ending::Well,
        PassError::Port(port) => match port.kind {
            PortErrorKind::Fenced => Ending::Well,
            PortErrorKind::Conflict | PortErrorKind::AlreadyExists => Ending::Conflict,
            PortErrorKind::NotFound
            | PortErrorKind::Denied
            | PortErrorKind::Invalid
            | PortErrorKind::Unavailable => Ending::Failed,
        },
        PassError::Unsound(_) | PassError::Restless(_) => Ending::Failed,
    }
}

fn worse(one: Ending, other: Ending) -> Ending {
    if one == Ending::Failed || other == Ending::Well { one } else { other }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("fleet", &self.inner.fleet).finish_non_exhaustive()
    }
}

fn settled(key: &OrderKey, passed: &Passed, now: Timestamp) -> Outcome {
    for warning in &passed.warnings {
        tracing::warn!(order = %key.key, api = %key.api, %warning, "a write was refused");
    }
    if !passed.written.is_empty() {
        let word = match passed.report.reason {
            "Migrating" | "RolledBack" | "NoPlaybook" | "AmbiguousPlaybook" | "FenceRequired"
            | "NoComputeCluster" | "MovesHalted" | "MoveFailed" | "MigrationDisabled" => "migration",
            "NoMatchingOffer" => "provider selection: the order passes no offer's filters",
            _ => "routing",
        };
        tracing::info!(
            order = %key.key, api = %key.api, reason = passed.report.reason,
            why = passed.report.without_values(), written = ?passed.written, "{word}"
        );
    }
    match passed.wake {
        Some(at) => Outcome::After(at.since(now)),
        None => Outcome::Done,
    }
}

fn failed(key: &OrderKey, error: &PassError) -> Outcome {
    match error {
        PassError::NotReady => Outcome::Done,
        PassError::Port(port) => match port.kind {
            PortErrorKind::Fenced => Outcome::Done,
            // Somebody else wrote meanwhile: everyday, answered by looking again.
            PortErrorKind::Conflict | PortErrorKind::AlreadyExists => {
                tracing::debug!(order = %key.key, api = %key.api, error = port.without_values(), "looking again");
                Outcome::Retry
            }
            PortErrorKind::NotFound
            | PortErrorKind::Denied
            | PortErrorKind::Invalid
            | PortErrorKind::Unavailable => {
                tracing::warn!(order = %key.key, api = %key.api, error = port.without_values(), reason = port.kind.reason(), "routing failed; it is tried again");
                again(port.retry_after)
            }
        },
        PassError::Unsound(_) | PassError::Restless(_) => {
            tracing::error!(order = %key.key, api = %key.api, %error, "routing failed");
            Outcome::Retry
        }
    }
}

fn chore_failed(chore: &Chore, error: &ApiError) -> Outcome {
    tracing::warn!(?chore, %error, "a report failed; it is tried again");
    again(error.retry_after())
}

/// Again, not before the server asked for it.
fn again(asked: Option<Duration>) -> Outcome {
    asked.map_or(Outcome::Retry, Outcome::RetryAfter)
}

fn sooner(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::RetryAfter(one), Outcome::RetryAfter(other)) => Outcome::RetryAfter(one.max(other)),
        (Outcome::RetryAfter(asked), _) | (_, Outcome::RetryAfter(asked)) => Outcome::RetryAfter(asked),
        (Outcome::Retry, _) | (_, Outcome::Retry) => Outcome::Retry,
        (Outcome::After(one), Outcome::After(other)) => Outcome::After(one.min(other)),
        (Outcome::After(at), Outcome::Done) | (Outcome::Done, Outcome::After(at)) => Outcome::After(at),
        (Outcome::Done, Outcome::Done) => Outcome::Done,
    }
}

/// Tells whether it is ready, and that it is not once nobody works any more.
struct Told<'a>(&'a watch::Sender<bool>);

impl Told<'_> {
    fn tell(&self, ready: bool) {
        self.0.send_if_modified(|told| std::mem::replace(told, ready) != ready);
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.tell(false);
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use broker_core::port::PortError;

    use super::*;

    #[test]
    fn the_pause_that_a_server_asks_for_reaches_the_queue() {
        let key =
            OrderKey { api: "things.example.com".to_owned(), key: ObjectKey::new("acme", "default", "x") };
        let failed = |kind, asked| failed(&key, &PortError::new(kind, "x", "y").with_pause(asked).into());
        let pause = Duration::from_secs(7);
        assert_eq!(failed(PortErrorKind::Unavailable, Some(pause)), Outcome::RetryAfter(pause));
        assert_eq!(failed(PortErrorKind::Unavailable, None), Outcome::Retry);
        assert_eq!(failed(PortErrorKind::Conflict, None), Outcome::Retry);
        // Of several orders of one name the most patient counts.
        assert_eq!(sooner(Outcome::RetryAfter(pause), Outcome::Retry), Outcome::RetryAfter(pause));
        assert_eq!(sooner(Outcome::Done, Outcome::RetryAfter(pause)), Outcome::RetryAfter(pause));
        let longer = Outcome::RetryAfter(pause * 2);
        assert_eq!(sooner(longer, Outcome::RetryAfter(pause)), longer);
    }
}
