//! The command `uninstall`: lets go of all orders, before the broker is taken away for good.
//!
//! It removes our finalizers, and the fences of copies that serve, through the same virtual workspaces as the broker and
//! with its guards. Copies, what was handed over, and the records stay: a broker that is started again takes the orders
//! up where they are. What Kubernetes runs, and what `init` made, is not touched.

mod holder;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use broker_kcp::reconcile::{ReleaseRequest, release_once};
use clap::Args;

use crate::platform::{MembersArgs, Output, Platform, duration};

pub use report::Report;

/// What `uninstall` ends with where it could not let go of everything.
const HELD: u8 = 1;

/// Let go of all orders, before the broker is taken away for good.
///
/// Removes the broker's finalizers, and the fences of the copies that serve; copies, Secrets and ConfigMaps that were
/// handed over, and the broker's records stay. Shows what it would do, unless --yes is given. Ends with 0 where nothing
/// of the broker holds anything any more (or would), 1 where something could not be let go of, 2 where nothing was done.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker uninstall                # what would be done, and what stays\n  \
    resource-broker uninstall --yes")]
pub struct UninstallArgs {
    /// Do it.
    #[arg(long)]
    yes: bool,
    /// Do it although a broker works, which takes the orders up again, or moves are under way, which stay where they are.
    #[arg(long, requires = "yes")]
    force: bool,
    /// The broker's kubeconfig; else $KUBECONFIG, else ~/.kube/config, else the pod's account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The path of the platform's workspace [default: the one the kubeconfig points to].
    #[arg(long, value_name = "PATH")]
    workspace: Option<String>,
    #[command(flatten)]
    clusters: MembersArgs,
    /// How long the platform may take to be read and written.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    timeout: Duration,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Lets go of all orders, and prints what of them stays.
pub async fn uninstall(args: &UninstallArgs) -> anyhow::Result<ExitCode> {
    let platform =
        Platform::open(args.kubeconfig.as_deref(), args.workspace.as_deref(), &args.clusters).await?;
    if args.yes
        && !args.force
        && let Some(holder) = holder::holder(&platform).await?
    {
        bail!(
            "a broker works on {}: {holder} holds the Lease. Stop all its replicas first, or it takes the orders up \
             again; --force does it nevertheless",
            platform.workspace
        );
    }
    let request = ReleaseRequest { dry_run: !args.yes, in_the_middle_of_moves: args.force };
    let advice = "--timeout allows more time; asking again is safe";
    let releasing = |access| release_once(access, request);
    let releases = platform.ask(args.timeout, advice, releasing).await?;
    if args.yes && !args.force && !releases.moves.is_empty() {
        let moves: Vec<&str> = releases.moves.iter().map(String::as_str).collect();
        bail!(
            "moves are under way: {}. Let them end, or call them off with `resource-broker migrate cancel`, while the \
             broker works; --force leaves them where they are",
            moves.join(", ")
        );
    }
    let report = Report::new(&releases, !args.yes);
    print!("{}", shown(&report, args.output)?);
    Ok(if report.is_done() { ExitCode::SUCCESS } else { ExitCode::from(HELD) })
}

/// The answer as text, ending with a line break.
fn shown(report: &Report, output: Output) -> anyhow::Result<String> {
    Ok(match output {
        Output::Table => report.text(),
        Output::Json => serde_json::to_string_pretty(report).context("write JSON")? + "\n",
        Output::Yaml => serde_saphyr::to_string(report).context("write YAML")?,
    })
}
