//! What a broker counts and measures while it works, for whoever watches over it.
//!
//! The instruments belong to one broker and are registered nowhere by themselves; what can be read from caches is not
//! counted here but read when it is asked for ([`crate::reconcile::Service::register`]). No label has values that grow
//! with consumers or orders: providers, kinds and states are few. Every name and label is in `docs/metrics.md`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use broker_core::migration::MigrationState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::kcp::ApiErrorKind;

/// What the names of all metrics begin with.
pub const PREFIX: &str = "resource_broker";

/// Seconds that one look or one request takes.
const SHORT: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// Seconds that somebody waits for a provider, or for the word about one.
const LONG: [f64; 13] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

/// The kinds of work that are measured apart, as the label `controller` has them.
pub(crate) const CONTROLLERS: [&str; 8] = [
    "order",
    "acceptapi",
    "brokeredapi",
    "migration",
    "migrationconfiguration",
    "orphan",
    "helper",
    "waiting",
];

/// How a pass over an order, or a report, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Well, or there was nothing to do.
    Well,
    /// Somebody else wrote meanwhile.
    Conflict,
    /// It failed.
    Failed,
}

/// The instruments of one broker. Clones share the same ones.
#[derive(Clone)]
pub struct Metrics {
    instruments: Arc<Instruments>,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

struct Instruments {
    requests: Family<Request, Counter>,
    request_duration: Histograms<Verb>,
    watch_restarts: Family<Restart, Counter>,
    reconcile_duration: Histograms<Controller>,
    reconcile_errors: Family<Controller, Counter>,
    reconcile_conflicts: Family<Controller, Counter>,
    routing_duration: Histograms<Provider>,
    status_duration: Histograms<Provider>,
    migrations: Family<State, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    verb: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verb {
    verb: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Restart {
    resource: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Provider {
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let instruments = Instruments {
            requests: Family::default(),
            request_duration: Family::new_with_constructor(short),
            watch_restarts: Family::default(),
            reconcile_duration: Family::new_with_constructor(short),
            reconcile_errors: Family::default(),
            reconcile_conflicts: Family::default(),
            routing_duration: Family::new_with_constructor(long),
            status_duration: Family::new_with_constructor(long),
            migrations: Family::default(),
        };
        // What has not happened yet is told as 0: nobody can see the first increase of what was not there.
        for controller in CONTROLLERS {
            drop(instruments.reconcile_errors.get_or_create(&Controller { controller }));
            drop(instruments.reconcile_conflicts.get_or_create(&Controller { controller }));
        }
        for state in MigrationState::ALL.into_iter().filter(|state| state.is_final()) {
            drop(instruments.migrations.get_or_create(&State { state: state.as_str() }));
        }
        Self { instruments: Arc::new(instruments) }
    }
}

fn short() -> Histogram {
    Histogram::new(SHORT)
}

fn long() -> Histogram {
    Histogram::new(LONG)
}

impl Metrics {
    /// Shows the instruments to whoever asks this registry, under names that begin with the registry's own prefix.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = &self.instruments;
        registry.register("requests", "Requests to servers, by how they ended", it.requests.clone());
        registry.register(
            "request_duration_seconds",
            "How long requests took; of a watch, until it was open",
            it.request_duration.clone(),
        );
        registry.register(
            "watch_restarts",
            "Lists and watches that broke, or were refused, and were begun anew",
            it.watch_restarts.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "How long one look at an order took, or one report",
            it.reconcile_duration.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Looks and reports that failed and are tried again",
            it.reconcile_errors.clone(),
        );
        registry.register(
            "reconcile_conflicts",
            "Looks and reports that are done again because somebody else wrote meanwhile",
            it.reconcile_conflicts.clone(),
        );
        registry.register(
            "routing_duration_seconds",
            "From the first sight of an order without a provider until its first copy was written",
            it.routing_duration.clone(),
        );
        registry.register(
            "status_duration_seconds",
            "From the first sight of a copy's change until the order's status was written for it",
            it.status_duration.clone(),
        );
        registry.register("migrations", "Moves that this process saw end", it.migrations.clone());
    }

    pub(crate) fn requested(&self, verb: &'static str, outcome: &'static str, took: Duration) {
        self.instruments.requests.get_or_create(&Request { verb, outcome }).inc();
        self.instruments.request_duration.get_or_create(&Verb { verb }).observe(took.as_secs_f64());
    }

    /// A kind is followed from now on.
    pub(crate) fn watch_begun(&self, resource: &str) {
        let restart = Restart { resource: resource.to_owned(), reason: ApiErrorKind::Unavailable.reason() };
        drop(self.instruments.watch_restarts.get_or_create(&restart));
    }

    pub(crate) fn watch_restarted(&self, resource: &str, reason: &'static str) {
        let restart = Restart { resource: resource.to_owned(), reason };
        self.instruments.watch_restarts.get_or_create(&restart).inc();
    }

    pub(crate) fn reconciled(&self, controller: &'static str, ending: Ending, took: Duration) {
        let label = Controller { controller };
        self.instruments.reconcile_duration.get_or_create(&label).observe(took.as_secs_f64());
        match ending {
            Ending::Well => {}
            Ending::Conflict => {
                self.instruments.reconcile_conflicts.get_or_create(&label).inc();
            }
            Ending::Failed => {
                self.instruments.reconcile_errors.get_or_create(&label).inc();
            }
        }
    }

    pub(crate) fn routed(&self, provider: String, took: Duration) {
        self.instruments.routing_duration.get_or_create(&Provider { provider }).observe(took.as_secs_f64());
    }

    pub(crate) fn told(&self, provider: String, took: Duration) {
        self.instruments.status_duration.get_or_create(&Provider { provider }).observe(took.as_secs_f64());
    }

    pub(crate) fn ended(&self, state: MigrationState) {
        self.instruments.migrations.get_or_create(&State { state: state.as_str() }).inc();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
