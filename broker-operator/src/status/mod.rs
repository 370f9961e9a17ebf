//! The command `status`: one order and all that belongs to it, or all orders in one table.
//!
//! One order is read as the broker reads it, through the same virtual workspaces, and told with the same code; of Secrets
//! nothing but names is read out. The table needs two lists: the orders, and the platform's Assignments.

mod live;
pub(crate) mod overview;
mod text;
pub(crate) mod tree;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use broker_core::time::Timestamp;
use broker_kcp::reconcile::{OrderQuery, standing_once};
use clap::Args;

pub use tree::OrderStatus;

use crate::platform::{ListOutput, Platform, PlatformArgs, duration, order_query};

/// How an order stands: its conditions, who serves it, what was handed over, its moves; or all orders at a glance.
///
/// Ends with 0 where the order is served and ready, 1 where it is not, 2 where that cannot be told. With `-A` it ends
/// with 0 wherever the orders could be listed.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker status certificate/my-app-cert -n default --cluster root:acme\n  \
    resource-broker status certificate/my-app-cert --cluster root:acme -w\n  \
    resource-broker status -A --resource databases.example.com")]
pub struct StatusArgs {
    /// The order: certificate/NAME, certificates/NAME or certificates.example.com/NAME.
    #[arg(value_name = "RESOURCE/NAME", required_unless_present = "all", requires = "cluster")]
    order: Option<String>,
    /// All orders, a line each.
    #[arg(short = 'A', long, conflicts_with_all = ["order", "watch"])]
    all: bool,
    /// The order's namespace [default: default].
    #[arg(short, long, value_name = "NAMESPACE", requires = "order")]
    namespace: Option<String>,
    /// The consumer's workspace: its path or its id. With -A only its orders are shown.
    #[arg(long, value_name = "PATH|ID")]
    cluster: Option<String>,
    /// With -A: orders of this API only, as in certificates.example.com.
    #[arg(long, value_name = "RESOURCE.GROUP", requires = "all")]
    resource: Option<String>,
    /// Go on, and show it again whenever something changed.
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    platform: PlatformArgs,
    /// How long the platform may take to be read.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// How to print it; wide has more columns with -A.
    #[arg(short, long, value_enum, default_value_t = ListOutput::Table)]
    output: ListOutput,
}

/// What `status` ends with where an order is not as it should be.
const NOT_SERVED: u8 = 1;

/// Prints how an order stands, or all of them.
pub async fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let platform = args.platform.open().await?;
    let Some(order) = &args.order else {
        overview::print(&platform, args).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let (cluster, namespace) = (args.cluster.as_deref(), args.namespace.as_deref());
    let query = order_query(order, cluster, namespace, "certificate/my-app-cert")?;
    if args.watch {
        return live::follow(&platform, &query, args).await;
    }
    let status = ask(&platform, &query, args.timeout).await?;
    print!("{}", shown(&status, args.output)?);
    Ok(exit(&status))
}

/// How an order stands.
async fn ask(platform: &Platform, query: &OrderQuery, timeout: Duration) -> anyhow::Result<OrderStatus> {
    let asking = |access| standing_once(access, query);
    let standing = platform.ask(timeout, "--timeout allows more time", asking).await?;
    Ok(OrderStatus::from(&standing))
}

fn exit(status: &OrderStatus) -> ExitCode {
    if status.is_served() { ExitCode::SUCCESS } else { ExitCode::from(NOT_SERVED) }
}

/// How an order stands, as text that ends with a line break.
fn shown(status: &OrderStatus, output: ListOutput) -> anyhow::Result<String> {
    Ok(match output {
        ListOutput::Table | ListOutput::Wide => text::tree(status, now()),
        ListOutput::Json => serde_json::to_string_pretty(status).context("write JSON")? + "\n",
        ListOutput::Yaml => serde_saphyr::to_string(status).context("write YAML")?,
    })
}

fn now() -> Timestamp {
    Timestamp::from_millis(k8s_openapi::jiff::Timestamp::now().as_millisecond())
}
