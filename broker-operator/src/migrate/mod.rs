//! The command `migrate`: moves one order by hand, follows the move, and steers it.
//!
//! It writes Migrations in the platform's workspace and nothing else; the running broker does the rest.

mod start;
mod steer;
mod view;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::platform::{MembersArgs, Platform};

/// Move an order to another provider, follow the move, and steer it.
///
/// Ends with 0 where it did what was asked, 2 where it could not. `watch` ends with the move: 0 `Completed`, 1 `Failed`,
/// 3 `RolledBack`, 4 `Cancelled`.
#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        resource-broker migrate database/production-db --to azure\n  \
        resource-broker migrate production-db -n prod --cluster root:acme --to root:azure --skip-source\n  \
        resource-broker migrate watch production-db-x7k2p\n  \
        resource-broker migrate approve production-db-x7k2p finalize"
)]
pub struct MigrateArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    platform: PlatformArgs,
}

/// Where the Migrations are.
#[derive(Clone, Debug, Args)]
struct PlatformArgs {
    /// A kubeconfig that may write migrations in the platform's workspace; else $KUBECONFIG, else ~/.kube/config, else the
    /// pod's account.
    #[arg(long, value_name = "FILE", global = true)]
    kubeconfig: Option<PathBuf>,
    /// The path of the platform's workspace [default: the one the kubeconfig points to].
    #[arg(long, value_name = "PATH", global = true)]
    workspace: Option<String>,
    #[command(flatten)]
    clusters: MembersArgs,
}

/// What is to be moved, and where to.
#[derive(Clone, Debug, Args)]
struct StartArgs {
    /// The order: NAME, database/NAME, databases/NAME or databases.example.com/NAME.
    #[arg(value_name = "ORDER", required = true)]
    order: Option<String>,
    /// The provider: the alias of a BrokeredAPI, or its workspace's path or id.
    #[arg(long, value_name = "PROVIDER", required = true)]
    to: Option<String>,
    /// The order's namespace [default: whichever has an order of that name].
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The consumer's workspace, where several have an order of that name: its path or its id.
    #[arg(long, value_name = "PATH|ID")]
    cluster: Option<String>,
    /// Go on where acknowledged writes may be lost; the receipt says so.
    #[arg(long)]
    allow_loss: bool,
    /// What serves now is lost: go on without it.
    #[arg(long)]
    skip_source: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Follow a move to its end.
    Watch {
        /// The Migration.
        name: String,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t = watch::Output::Text)]
        output: watch::Output,
    },
    /// Let nothing new begin: no stage before the cutover, no cutover, no removal of the old copy.
    Pause {
        /// The Migration.
        name: String,
    },
    /// Let it go on.
    Resume {
        /// The Migration.
        name: String,
    },
    /// Let a stage pass that asks for approval, or take a stage as it is that failed after the switch.
    Approve {
        /// The Migration.
        name: String,
        /// The stage [default: the one it is in].
        stage: Option<String>,
    },
    /// Call it off, before the consumer is switched over.
    Cancel {
        /// The Migration.
        name: String,
    },
    /// Go back to the old copy, after the consumer was switched over.
    Rollback {
        /// The Migration.
        name: String,
        /// Go back though what was written since may be lost.
        #[arg(long)]
        allow_loss: bool,
    },
}

/// Starts, follows or steers a move.
pub async fn migrate(args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let PlatformArgs { kubeconfig, workspace, clusters } = &args.platform;
    let platform = Platform::open(kubeconfig.as_deref(), workspace.as_deref(), clusters).await?;
    let Some(action) = &args.action else {
        let name = start::start(&platform, &args.start).await?;
        println!("{name}");
        eprintln!("Follow it with `resource-broker migrate watch {name}`.");
        return Ok(ExitCode::SUCCESS);
    };
    let (name, order) = match action {
        Action::Watch { name, output } => return watch::watch(&platform, name, *output).await,
        Action::Pause { name } => (name, steer::Order::Pause),
        Action::Resume { name } => (name, steer::Order::Resume),
        Action::Approve { name, stage } => (name, steer::Order::Approve(stage.clone())),
        Action::Cancel { name } => (name, steer::Order::Cancel),
        Action::Rollback { name, allow_loss } => (name, steer::Order::Rollback { allow_loss: *allow_loss }),
    };
    println!("{}", steer::steer(&platform, name, &order).await?);
    Ok(ExitCode::SUCCESS)
}
