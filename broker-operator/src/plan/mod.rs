//! The command `plan`: what a move would be, and which orders a change of an offer or of the platform's word would move.
//!
//! It reads the platform with the broker's kubeconfig and decides with the same code; it writes nothing.

mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use broker_core::order::Compute;
use broker_core::resource::Object;
use broker_kcp::reconcile::{MoveQuery, Question, Supposed, foresee_once};
use clap::Args;

pub use report::{Planned, Report};

use crate::files::{files_in, read_objects};
use crate::platform::{MembersArgs, Output, Platform, duration, order_query};

/// What `plan` ends with where an order would not move, or a change would leave one that must move where it is.
const HELD_UP: u8 = 1;

/// What a move would be, and which orders a change would move.
///
/// Nothing is written. Ends with 0 where all would go as asked, 1 where an order would be held up, 2 where it cannot be
/// told.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker plan database/production-db -n prod --cluster root:acme --to azure\n  \
    resource-broker plan -f offer.yaml --provider root:azure")]
pub struct PlanArgs {
    /// The order: database/NAME, databases/NAME or databases.example.com/NAME.
    #[arg(
        value_name = "RESOURCE/NAME",
        required_unless_present = "file",
        conflicts_with = "file",
        requires_all = ["to", "cluster"]
    )]
    order: Option<String>,
    /// The provider: the alias of a BrokeredAPI, or its workspace's path or id.
    #[arg(long, value_name = "PROVIDER", requires = "order")]
    to: Option<String>,
    /// The order's namespace [default: default].
    #[arg(short, long, value_name = "NAMESPACE", requires = "order")]
    namespace: Option<String>,
    /// The consumer's workspace: its path or its id.
    #[arg(long, value_name = "PATH|ID", requires = "order")]
    cluster: Option<String>,
    /// As if acknowledged writes might be lost.
    #[arg(long, requires = "order")]
    allow_loss: bool,
    /// As if what serves now were lost.
    #[arg(long, requires = "order")]
    skip_source: bool,
    /// `AcceptAPIs` and `BrokeredAPIs` as they would be, in files or folders, - for standard input.
    #[arg(short, long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Whose the `AcceptAPIs` are: an alias, path or id [default: their annotation kcp.io/cluster].
    #[arg(long, value_name = "PROVIDER", requires = "file")]
    provider: Option<String>,
    /// The broker has no cluster for the helper objects of playbooks.
    #[arg(long)]
    no_compute: bool,
    /// The broker's kubeconfig; else $KUBECONFIG, else ~/.kube/config, else the pod's account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The path of the platform's workspace [default: the one the kubeconfig points to].
    #[arg(long, value_name = "PATH")]
    workspace: Option<String>,
    #[command(flatten)]
    clusters: MembersArgs,
    /// How long the platform may take to be read.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Plans, and prints what would be.
pub async fn plan(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let question = question(args)?;
    let platform =
        Platform::open(args.kubeconfig.as_deref(), args.workspace.as_deref(), &args.clusters).await?;
    let compute = if args.no_compute { Compute::Missing } else { Compute::Answers };
    let foreseeing = |access| foresee_once(access, &question, compute);
    let foresight = platform.ask(args.timeout, "--timeout allows more time", foreseeing).await?;
    let report = Report::new(&foresight);
    match args.output {
        Output::Table => print!("{}", report.text()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Output::Yaml => print!("{}", serde_saphyr::to_string(&report)?),
    }
    Ok(if report.is_held_up() { ExitCode::from(HELD_UP) } else { ExitCode::SUCCESS })
}

fn question(args: &PlanArgs) -> anyhow::Result<Question> {
    let Some(order) = &args.order else { return changes(args) };
    let (cluster, namespace) = (args.cluster.as_deref(), args.namespace.as_deref());
    Ok(Question::Move(MoveQuery {
        order: order_query(order, cluster, namespace, "database/production-db")?,
        to: args.to.clone().unwrap_or_default(),
        allow_loss: args.allow_loss,
        skip_source: args.skip_source,
    }))
}

fn changes(args: &PlanArgs) -> anyhow::Result<Question> {
    let mut changes = Vec::new();
    for path in &args.file {
        for file in files_in(path)? {
            for value in read_objects(&file)? {
                let object = Object::try_from(value)
                    .with_context(|| format!("{} holds what is no object", file.display()))?;
                changes.push(Supposed { object, provider: args.provider.clone() });
            }
        }
    }
    if changes.is_empty() {
        bail!("there is no object in what -f names");
    }
    Ok(Question::Change(changes))
}
