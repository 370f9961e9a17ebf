//! The servers to measure on: who administers them, and how their calls are counted.

use std::time::{Duration, Instant};

use anyhow::bail;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use kube::{Client, Config};

use super::calls::Calls;

/// At rest means: no call but leases and watches for so long.
const QUIET: Duration = Duration::from_secs(3);
/// A system that is not at rest by then never is.
const DEADLINE: Duration = Duration::from_mins(2);

/// A server, running until it is dropped.
#[derive(Debug)]
pub(crate) enum Server {
    /// The embedded control plane.
    Embedded(Box<ControlPlane>),
    /// A real kcp.
    Kcp {
        /// The process.
        #[expect(dead_code, reason = "it is stopped when dropped")]
        kcp: Kcp,
        /// Its administrator.
        admin: Box<Config>,
        /// Who may read `/metrics`.
        metrics: Box<Config>,
    },
}

pub(crate) async fn embedded() -> anyhow::Result<Server> {
    Ok(Server::Embedded(Box::new(ControlPlane::builder().start().await?)))
}

pub(crate) async fn kcp() -> anyhow::Result<Server> {
    let kcp = Kcp::start().await?;
    let (admin, metrics) = (kcp.admin_config("root").await?, kcp.shard_admin_config().await?);
    Ok(Server::Kcp { kcp, admin: Box::new(admin), metrics: Box::new(metrics) })
}

impl Server {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "embedded",
            Self::Kcp { .. } => "kcp",
        }
    }

    pub(crate) fn admin(&self) -> Config {
        match self {
            Self::Embedded(server) => server.admin_config(),
            Self::Kcp { admin, .. } => admin.as_ref().clone(),
        }
    }

    /// All calls answered so far.
    pub(crate) async fn calls(&self) -> anyhow::Result<Calls> {
        match self {
            Self::Embedded(server) => {
                let mut calls = Calls::default();
                for (kind, count) in server.requests().iter() {
                    calls.count(&kind.verb, &kind.resource, count);
                }
                Ok(calls)
            }
            Self::Kcp { metrics, .. } => {
                let client = Client::try_from(metrics.as_ref().clone())?;
                let text = client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
                Ok(Calls::from_metrics(&text))
            }
        }
    }
}

/// Waits until there are no more calls, but on leases and for watches.
pub(crate) async fn until_quiet(calls: impl AsyncFn() -> anyhow::Result<Calls>) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut before = calls().await?;
    while started.elapsed() < DEADLINE {
        // Rest cannot be watched for, only looked for.
        tokio::time::sleep(QUIET).await;
        let now = calls().await?;
        if now.since(before).others == 0 {
            return Ok(());
        }
        before = now;
    }
    bail!("there are still calls after {DEADLINE:?}")
}
