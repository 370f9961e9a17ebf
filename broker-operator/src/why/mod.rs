//! The command `why`: why an order is not served as it should be, on what evidence, and what to run next.

mod diagnosis;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use broker_core::port::Clock as _;
use broker_core::time::Timestamp;
use broker_kcp::SystemClock;
use broker_kcp::reconcile::{OrderQuery, standing_once};
use clap::Args;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

pub use diagnosis::{Diagnosis, Lead};

use crate::election::LEASE;
use crate::explain::Report;
use crate::platform::{Output, Platform, PlatformArgs, duration, order_query};
use crate::status::OrderStatus;

/// What `why` ends with where something is wrong.
const WRONG: u8 = 1;

/// Why an order is not served as it should be: one diagnosis, its evidence, and the commands to run next.
///
/// Ends with 0 where nothing is wrong, 1 where something is, 2 where that cannot be told.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker why certificate/my-app-cert -n default --cluster root:acme\n  \
    resource-broker why database/production-db --cluster root:acme -o json")]
pub struct WhyArgs {
    /// The order: certificate/NAME, certificates/NAME or certificates.example.com/NAME.
    #[arg(value_name = "RESOURCE/NAME")]
    order: String,
    /// The order's namespace [default: default].
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The consumer's workspace: its path or its id.
    #[arg(long, value_name = "PATH|ID")]
    cluster: String,
    #[command(flatten)]
    platform: PlatformArgs,
    /// The namespace of the broker's Lease [default: on kcp `default`, else that of the kubeconfig].
    #[arg(long, value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// How long the platform may take to be read.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Prints what is wrong with an order.
pub async fn why(args: &WhyArgs) -> anyhow::Result<ExitCode> {
    let (cluster, namespace) = (args.cluster.as_str(), args.namespace.as_deref());
    let query = order_query(&args.order, Some(cluster), namespace, "certificate/my-app-cert")?;
    let platform = args.platform.open().await?;
    let lease_namespace = args.lease_namespace.as_deref().unwrap_or_else(|| platform.lease_namespace());
    let (_, _, diagnosis) = look(&platform, &query, lease_namespace, args.timeout).await?;
    print!(
        "{}",
        match args.output {
            Output::Table => diagnosis.text(),
            Output::Json => serde_json::to_string_pretty(&diagnosis).context("write JSON")? + "\n",
            Output::Yaml => serde_saphyr::to_string(&diagnosis).context("write YAML")?,
        }
    );
    Ok(if diagnosis.is_well() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

/// How an order stands, which offer would serve it where that can be told, and what is wrong.
pub(crate) async fn look(
    platform: &Platform,
    query: &OrderQuery,
    lease_namespace: &str,
    timeout: Duration,
) -> anyhow::Result<(OrderStatus, Option<Report>, Diagnosis)> {
    let asking = |access| standing_once(access, query);
    let standing = platform.ask(timeout, "--timeout allows more time", asking).await?;
    let status = OrderStatus::from(&standing);
    let explained = standing.routing.map(|routing| {
        let identity = &standing.observed.identity;
        Report::new(&identity.gvr, &identity.key, routing)
    });
    let lead = lead(platform, lease_namespace).await?;
    let diagnosis = diagnosis::diagnose(&status, explained.as_ref(), &lead);
    Ok((status, explained, diagnosis))
}

/// Who leads, as the Lease tells.
async fn lead(platform: &Platform, namespace: &str) -> anyhow::Result<Lead> {
    let api: Api<Lease> = Api::namespaced(platform.server.client(&platform.workspace)?, namespace);
    let lease = api.get_opt(LEASE).await.map_err(|error| platform.failure("reading the Lease", error))?;
    let Some(spec) = lease.and_then(|lease| lease.spec) else { return Ok(Lead::Nobody) };
    let renewed = spec.renew_time.map(|at| Timestamp::from_millis(at.0.as_millisecond()));
    let span = Duration::from_secs(spec.lease_duration_seconds.unwrap_or_default().unsigned_abs().into());
    Ok(match (spec.holder_identity.filter(|holder| !holder.is_empty()), renewed) {
        (Some(holder), Some(renewed)) => {
            let silent = SystemClock.now().since(renewed);
            if silent > span { Lead::Silent { holder, silent } } else { Lead::Held { holder } }
        }
        (Some(_) | None, _) => Lead::Nobody,
    })
}
