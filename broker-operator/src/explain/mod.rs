//! The command `explain`: which offer would serve an order, and why not the others; from files, or as the broker of a
//! live platform sees it.

mod definition;
mod live;
mod offline;
mod report;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use crate::platform::{MembersArgs, Output, duration};

pub use report::{OrderName, Report};

/// What `explain` ends with where an order would be served by nobody.
const NOBODY: u8 = 1;

/// Which offer would serve an order, and why not the others.
///
/// Ends with 0 where an offer would serve each order, 1 where none would serve one of them, 2 where it cannot be told.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker explain certificate/my-app-cert -n default --cluster root:acme\n  \
    resource-broker explain -f order.yaml --offers offers/ --offers more.yaml")]
pub struct ExplainArgs {
    /// The order on a live platform: certificate/NAME, certificates/NAME or certificates.example.com/NAME.
    #[arg(value_name = "RESOURCE/NAME", required_unless_present = "file", conflicts_with = "file")]
    order: Option<String>,
    /// The order's namespace [default: default].
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "file")]
    namespace: Option<String>,
    /// The consumer's workspace: its path or its id.
    #[arg(long, value_name = "PATH|ID", required_unless_present = "file", conflicts_with = "file")]
    cluster: Option<String>,
    /// The broker's kubeconfig; else $KUBECONFIG, else ~/.kube/config, else the pod's account.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    kubeconfig: Option<PathBuf>,
    /// The path of the platform's workspace [default: the one the kubeconfig points to].
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    workspace: Option<String>,
    #[command(flatten)]
    clusters: MembersArgs,
    /// How long the platform may take to be read.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration, conflicts_with = "file")]
    timeout: Duration,
    /// Orders in a file, - for standard input: nothing live is asked.
    #[arg(short, long, value_name = "FILE", requires = "offers")]
    file: Vec<PathBuf>,
    /// `AcceptAPIs`, and `BrokeredAPIs` and definitions where there are any, in files or folders.
    #[arg(long, value_name = "PATH", requires = "file")]
    offers: Vec<PathBuf>,
    /// The API of the orders in files, as in certificates.example.com, where it does not follow from the kind.
    #[arg(long, value_name = "RESOURCE.GROUP", requires = "file")]
    resource: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Explains, and prints the answers.
pub async fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let reports = if let Some(order) = &args.order {
        vec![live::explain(args, order).await?]
    } else {
        let found = offline::explain(&args.file, &args.offers, args.resource.as_deref())?;
        for note in &found.notes {
            eprintln!("note: {note}");
        }
        found.reports
    };
    if reports.is_empty() {
        bail!(
            "no order in {}",
            args.file.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    print!("{}", shown(&reports, args.output)?);
    let all = reports.iter().all(|report| report.chosen.is_some());
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(NOBODY) })
}

/// The answers as text, ending with a line break.
fn shown(reports: &[Report], output: Output) -> anyhow::Result<String> {
    let mut text = String::new();
    for (index, report) in reports.iter().enumerate() {
        match output {
            Output::Table => {
                if index > 0 {
                    text.push('\n');
                }
                text.push_str(&table::table(report));
            }
            Output::Json => {
                text.push_str(&serde_json::to_string_pretty(report).context("write JSON")?);
                text.push('\n');
            }
            Output::Yaml => {
                if index > 0 {
                    text.push_str("---\n");
                }
                text.push_str(&serde_saphyr::to_string(report).context("write YAML")?);
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
