//! What is read from the caches when metrics are asked for. It makes no call, and holds no lock for longer than a look.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use broker_core::migration::MigrationState;
use broker_core::port::ProviderRegistry as _;
use broker_core::resource::{ClusterName, Gvr};
use broker_core::time::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::census::census;
use super::indexes::{ANY, BY_ACTIVE};
use super::service::Service;
use crate::controller::QueueState;
use crate::metrics::PREFIX;

type Labels = Vec<(&'static str, String)>;
type Samples = BTreeMap<Labels, f64>;

/// Reads the caches of a broker when it is asked.
#[derive(Debug)]
struct Scrape {
    service: Service,
}

impl Service {
    /// Shows this registry what the broker counts, and what its caches hold whenever it is asked. All names begin with
    /// [`PREFIX`] below the registry's own; a registry can show one broker.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix(PREFIX);
        self.fleet().metrics().register(registry);
        registry.register_collector(Box::new(Scrape { service: self.clone() }));
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for gauge in self.gauges() {
            // A gauge without a series is not there at all.
            if gauge.samples.is_empty() {
                continue;
            }
            let mut metric = encoder.encode_descriptor(gauge.name, gauge.help, None, MetricType::Gauge)?;
            for (labels, value) in &gauge.samples {
                metric.encode_family(labels)?.encode_gauge(value)?;
            }
        }
        Ok(())
    }
}

struct Gauge {
    name: &'static str,
    help: &'static str,
    samples: Samples,
}

impl Scrape {
    fn gauges(&self) -> Vec<Gauge> {
        let mut gauges = self.offers();
        gauges.extend(self.moves());
        gauges.extend(self.orders());
        gauges.extend(self.queues());
        let readiness = self.service.readiness();
        let unsynced = readiness.caches.iter().filter(|cached| !cached.state.is_synced()).count();
        gauges.push(Gauge {
            name: "caches_unsynced",
            help: "Caches that are not filled yet and without which the broker is not ready",
            samples: Samples::from([(Labels::new(), count(unsynced))]),
        });
        gauges.push(Gauge {
            name: "ready",
            help: "Whether all caches are filled, as /readyz says it",
            samples: Samples::from([(Labels::new(), truth(readiness.is_ready()))]),
        });
        gauges
    }

    fn offers(&self) -> Vec<Gauge> {
        let fleet = self.service.fleet();
        let registry = &self.service.routes().registry;
        let (mut available, mut reasons, mut silent) = (Samples::new(), Samples::new(), Samples::new());
        let mut providers: BTreeMap<ClusterName, String> = BTreeMap::new();
        for listing in registry.offers().listings() {
            let (id, availability) = (listing.id(), listing.availability());
            let provider =
                providers.entry(id.cluster.clone()).or_insert_with(|| registry.name_of(&id.cluster)).clone();
            let labels =
                vec![("name", id.name.clone()), ("namespace", id.namespace.clone()), ("provider", provider)];
            let is_available = truth(availability.unavailable.is_none());
            // Where two providers have one name, the worse counts.
            let known = available.entry(labels).or_insert(is_available);
            *known = known.min(is_available);
            let api = availability.api.as_ref().map(Gvr::group_resource).unwrap_or_default();
            let reason = availability.reason().to_owned();
            *reasons.entry(vec![("api", api), ("reason", reason)]).or_default() += 1.0;
        }
        for (cluster, name) in providers {
            let is_silent = truth(fleet.is_silent(&cluster));
            let known = silent.entry(vec![("provider", name)]).or_insert(is_silent);
            *known = known.max(is_silent);
        }
        vec![
            Gauge { name: "acceptapi_available", help: "Whether an offer can be chosen", samples: available },
            Gauge { name: "offers", help: "Offers by why they can be chosen or not", samples: reasons },
            Gauge {
                name: "provider_unreachable",
                help: "Whether the cluster of a provider does not answer",
                samples: silent,
            },
        ]
    }

    fn moves(&self) -> Vec<Gauge> {
        let fleet = self.service.fleet();
        let now = fleet.now();
        let active = MigrationState::ALL.into_iter().filter(|state| !state.is_final());
        let mut moves: BTreeMap<MigrationState, (usize, Duration)> =
            active.map(|state| (state, (0, Duration::ZERO))).collect();
        for (_, object) in fleet.platform().migrations.find(BY_ACTIVE, ANY) {
            let state = object.text(&["status", "state"]).and_then(MigrationState::from_text);
            let Some((known, oldest)) = moves.get_mut(&state.unwrap_or_default()) else { continue };
            *known += 1;
            let began = object.text(&["status", "receipt", "startedAt"]).and_then(Timestamp::parse);
            *oldest = (*oldest).max(began.map(|began| now.since(began)).unwrap_or_default());
        }
        let label = |state: MigrationState| vec![("state", state.as_str().to_owned())];
        vec![
            Gauge {
                name: "migrations_active",
                help: "Moves that have not ended",
                samples: moves.iter().map(|(state, (known, _))| (label(*state), count(*known))).collect(),
            },
            Gauge {
                name: "migrations_oldest_seconds",
                help: "How long ago the move began that has been under way for longest",
                samples: moves
                    .iter()
                    .map(|(state, (_, oldest))| (label(*state), oldest.as_secs_f64()))
                    .collect(),
            },
        ]
    }

    fn orders(&self) -> Vec<Gauge> {
        let (mut phases, mut reasons) = (Samples::new(), Samples::new());
        for (api, census) in census(self.service.fleet(), None) {
            let counts = [
                ("Pending", census.pending),
                ("Bound", census.bound),
                ("Migrating", census.migrating),
                ("Terminating", census.terminating),
            ];
            for (phase, orders) in counts {
                let labels = vec![("api", api.clone()), ("phase", phase.to_owned())];
                phases.insert(labels, whole(orders));
            }
            for (reason, orders) in census.reasons {
                reasons.insert(vec![("api", api.clone()), ("reason", reason)], whole(orders));
            }
        }
        vec![
            Gauge { name: "orders", help: "Orders by where they stand", samples: phases },
            Gauge {
                name: "orders_by_reason",
                help: "Orders by what the broker says of them",
                samples: reasons,
            },
        ]
    }

    fn queues(&self) -> Vec<Gauge> {
        let routes = self.service.routes();
        let states = [("orders", routes.orders.state()), ("reports", routes.chores.state())];
        let gauge = |name, help, of: fn(&QueueState) -> f64| Gauge {
            name,
            help,
            samples: states
                .iter()
                .map(|(queue, state)| (vec![("queue", (*queue).to_owned())], of(state)))
                .collect(),
        };
        vec![
            gauge("queue_depth", "What waits to be worked on", |state| count(state.waiting)),
            gauge("queue_running", "What is worked on", |state| count(state.running)),
            gauge("queue_retrying", "What failed and is tried again", |state| count(state.failing)),
            gauge("queue_oldest_seconds", "How long that waits which has waited longest", |state| {
                state.oldest.as_secs_f64()
            }),
        ]
    }
}

const fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

fn count(of: usize) -> f64 {
    whole(u64::try_from(of).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "nobody has that many orders")]
fn whole(of: u64) -> f64 {
    of as f64
}
