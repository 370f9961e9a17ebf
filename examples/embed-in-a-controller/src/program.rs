//! The controller and the broker as one program: what this example is about.

use std::fmt;
use std::future::Future;

use anyhow::Context as _;
use broker_operator::init::Server;
use broker_operator::{Operator, OperatorHandle};
use kube::Config;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::controller::{Reconciliations, Tenants};

/// The program: ready to run.
pub struct Program {
    tenants: Tenants,
    operator: Operator,
    registry: Registry,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("operator", &self.operator).finish_non_exhaustive()
    }
}

impl Program {
    /// The platform in the workspace `platform`. Controller and broker keep accounts of their own: the controller may make
    /// workspaces, the broker may do nothing but its work.
    ///
    /// # Errors
    /// Where no clients can be made. Nothing is called yet.
    pub async fn new(server: Server, platform: &str, broker: Config) -> anyhow::Result<Self> {
        let mut registry = Registry::default();
        let reconciliations = Reconciliations::default();
        reconciliations.register(registry.sub_registry_with_prefix("cloud"));
        let tenants = Tenants::new(server, platform, reconciliations)?;

        let operator = Operator::builder().config(broker).build().await?;
        operator.register(&mut registry);
        Ok(Self { tenants, operator, registry })
    }

    /// A look at the broker while the program runs.
    pub fn broker(&self) -> OperatorHandle {
        self.operator.handle()
    }

    /// The metrics of both, as this platform serves them: taken before the program runs, read whenever somebody scrapes.
    pub fn take_metrics(&mut self) -> Metrics {
        Metrics(std::mem::take(&mut self.registry))
    }

    /// Runs both until `stop` resolves or one of them ends, and lets each finish what it has in hand.
    ///
    /// # Errors
    /// Where the broker ended by itself.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let stopping = CancellationToken::new();
        let broker = async {
            let _others_stop_too = stopping.clone().drop_guard();
            let span = tracing::info_span!("broker");
            self.operator.run(stopping.clone().cancelled_owned()).instrument(span).await
        };
        let controller = async {
            let _others_stop_too = stopping.clone().drop_guard();
            self.tenants.run(stopping.clone().cancelled_owned()).await;
        };
        let asked = async {
            tokio::select! {
                () = stop => stopping.cancel(),
                () = stopping.cancelled() => {}
            }
        };
        let (ended, (), ()) = tokio::join!(broker, controller, asked);
        ended.context("the broker did not end well")
    }
}

/// What controller and broker count.
#[derive(Debug)]
pub struct Metrics(Registry);

impl Metrics {
    /// All of it, in Prometheus' text format.
    ///
    /// # Errors
    /// Where a collector cannot write what it has.
    pub fn scrape(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}
