//! The command `support-bundle`: what a bug report needs, in one file that can be given away.
//!
//! It only reads, with the broker's own rights, and never a Secret. What consumers wrote is replaced by its shape
//! (`redact`), what they and their things are called by numbered names (`names`); `README` tells what is inside to
//! whoever opens the file.

mod archive;
mod gather;
mod names;
mod pages;
mod redact;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use k8s_openapi::jiff::Timestamp;

use crate::platform::{PlatformArgs, duration};
use gather::{Wanted, gather};
use names::Names;

/// Gather what a bug report needs into one file, without Secrets and without what consumers wrote.
///
/// Nothing is changed, and no Secret is read. Values of orders and copies are replaced by their types and lengths, names of
/// consumers and their things by numbered ones such as `order-3`. Look at it before you give it away all the same.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker support-bundle --kubeconfig broker.kubeconfig\n  \
    resource-broker support-bundle --metrics 127.0.0.1:8080 --probes 127.0.0.1:8081 -f bundle.tar.gz\n  \
    resource-broker support-bundle --keep-names --orders 50")]
pub struct SupportBundleArgs {
    /// The archive to write, which must not exist [default: resource-broker-support-TIME.tar.gz].
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Keep the names of consumers' workspaces, namespaces and orders.
    #[arg(long)]
    keep_names: bool,
    /// Where the broker serves its metrics, as 127.0.0.1:8080 after `kubectl port-forward`.
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    /// Where the broker serves probes and debug pages, as 127.0.0.1:8081.
    #[arg(long, value_name = "HOST:PORT")]
    probes: Option<String>,
    /// The broker's configuration file.
    #[arg(long, env = "RESOURCE_BROKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Of so many orders that are not served as they should be it is told why.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    orders: usize,
    /// So many orders, and so many copies, are shown, redacted.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    objects: usize,
    #[command(flatten)]
    platform: PlatformArgs,
    /// The namespace of the broker's Lease [default: on kcp `default`, else that of the kubeconfig].
    #[arg(long, value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// How long each answer may take.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

/// What whoever opens a bundle reads first.
const README: &str = "\
What is in this bundle

  version.json                  this program, the server and the platform's workspace
  configuration.json            what a broker would be told by the environment and the configuration file
  brokeredapis.json             the platform's word, and beside it exports, endpoints, schemas and playbooks
  offers.json, clusters.json    who offers what, and who takes part
  assignments.json              the broker's records, and migrations.json
  lease.json, events.json       who leads, and the Events of the platform's workspace
  status.json                   all orders, a line each
  orders.json, copies.json      their structure
  stuck/                        what is wrong with orders that are not served as they should be
  metrics.txt, readyz.txt, queues.json   what the broker tells, where --metrics and --probes name it

What is not in it

  Secrets were not read, nor ConfigMaps, nor the broker's log.
  Of orders and copies, values are replaced by their types, texts by their lengths: <text 12>. Keys that the API's schema
  does not name are <key 1>. Of conditions type, status, reason and times are kept, messages are not.
  Of the broker's records names, reasons, times and counts are kept; messages, and values that filters found, are not.
  Annotations other than kcp's and the broker's own, and the templates of playbooks and offers, have lost their values.
  What the platform and its providers wrote is kept otherwise: filters, costs, priorities, names of offers.
";

/// Writes a bundle.
pub async fn write(args: &SupportBundleArgs) -> anyhow::Result<()> {
    let platform = args.platform.open().await?;
    let now = Timestamp::now();
    let folder = format!("resource-broker-support-{}", now.strftime("%Y%m%dT%H%M%S%.3fZ"));
    let path = args.file.clone().unwrap_or_else(|| format!("{folder}.tar.gz").into());
    if path.exists() {
        anyhow::bail!("{} is there already: nothing is overwritten", path.display());
    }
    let wanted = Wanted {
        names: if args.keep_names { Names::kept() } else { Names::default() },
        config: args.config.clone(),
        metrics: args.metrics.clone(),
        probes: args.probes.clone(),
        orders: args.orders,
        objects: args.objects,
        lease_namespace: args
            .lease_namespace
            .clone()
            .unwrap_or_else(|| platform.lease_namespace().to_owned()),
        timeout: args.timeout,
    };
    let mut gathered = gather(&platform, wanted).await;
    let readme = readme(now, args.keep_names, &gathered.notes);
    gathered.files.insert(0, ("README.txt".to_owned(), readme));
    let modified = u64::try_from(now.as_second()).unwrap_or_default();
    archive::write(&path, &folder, modified, &gathered.files)
        .with_context(|| format!("cannot write {}", path.display()))?;
    for note in &gathered.notes {
        eprintln!("note: {note}");
    }
    println!("{}", path.display());
    Ok(())
}

fn readme(now: Timestamp, names_kept: bool, notes: &[String]) -> String {
    let mut text = format!("Gathered by resource-broker {} at {now}.\n\n{README}", env!("CARGO_PKG_VERSION"));
    text.push_str(if names_kept {
        "  Names of consumers' workspaces, namespaces and orders were kept (--keep-names).\n"
    } else {
        "  Consumers' workspaces, namespaces, orders and uids are consumer-1, namespace-1, order-1, uid-1, the same throughout.\n"
    });
    if !notes.is_empty() {
        text.push_str("\nWhat is missing or cut short\n\n");
        for note in notes {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {note}");
        }
    }
    text
}
