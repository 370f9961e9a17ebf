//! What a broker takes from around it: the time, the way to servers, what it counts with, and who carries out what it
//! decides.
//!
//! Whoever embeds the broker may bring a client stack of its own (proxies, tracing, rate limits), and tests bring a
//! simulated clock and a server in the same process.

use std::fmt;
use std::sync::Arc;

use broker_core::port::Clock;
use broker_core::time::Timestamp;
use kube::{Client, Config};

use crate::metrics::Metrics;
use crate::reconcile::{AsUsual, Execute};

/// Makes clients.
///
/// Asked once per server; the platform workspace and every export behind the same host and port share a client. The
/// configuration names the server and the credentials; its URL has no path.
pub trait Connect: Send + Sync {
    /// A client for the server of this configuration.
    ///
    /// # Errors
    /// Where the configuration cannot be used, such as a certificate that cannot be read. A server that does not answer
    /// is no reason: that shows with the first request.
    fn connect(&self, config: Config) -> Result<Client, kube::Error>;
}

/// Connects as kube does by default: HTTP or HTTPS, through a proxy where the configuration names one.
#[derive(Clone, Copy, Debug, Default)]
pub struct KubeConnect;

impl Connect for KubeConnect {
    fn connect(&self, config: Config) -> Result<Client, kube::Error> {
        Client::try_from(config)
    }
}

/// The wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// The time, the way to servers, what is counted with, and who carries out what is decided. By default the wall clock,
/// kube's own clients, instruments that nobody reads, and the broker itself.
#[derive(Clone)]
pub struct Surroundings {
    /// Tells what is written into records and what grace periods are measured by. Spans that are never written (back-off,
    /// leases, time-outs) are measured by the runtime's own clock.
    pub clock: Arc<dyn Clock>,
    /// Makes clients.
    pub connect: Arc<dyn Connect>,
    /// Counts and measures, for one broker.
    pub metrics: Metrics,
    /// Stands between what is decided about orders and what is written.
    pub execute: Arc<dyn Execute>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            connect: Arc::new(KubeConnect),
            metrics: Metrics::default(),
            execute: Arc::new(AsUsual),
        }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}
