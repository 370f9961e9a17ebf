//! The command `recover`: sets the records of orders right that say `AssignmentLost`, as after a restored backup.
//!
//! It reads the platform and the providers anew with the broker's kubeconfig, through the same virtual workspaces, and
//! decides with the same code. It writes Assignments and nothing else, but with `--place-again`, which takes away what
//! keeps an order from being placed.

mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use broker_core::resource::ObjectKey;
use broker_kcp::reconcile::{RecoverRequest, Recoveries, recover_once};
use clap::Args;

use crate::platform::{MembersArgs, Output, Platform, duration, order_query};

pub use report::Report;

/// What `recover` ends with where an order stays lost.
const STILL_LOST: u8 = 1;

/// Set the records of orders right that say `AssignmentLost`, as after a restored backup.
///
/// Ends with 0 where no record is lost any more, 1 where a person must decide about one of them, 2 where it cannot be
/// told. Only Assignments are written; the running broker takes their orders up again by itself.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    resource-broker recover --all --dry-run\n  \
    resource-broker recover certificate/my-app-cert -n default --cluster root:acme\n  \
    resource-broker recover database/orders --cluster root:acme --copy root:dba/default/c-0b6f…")]
pub struct RecoverArgs {
    /// The order: certificate/NAME, certificates/NAME or certificates.example.com/NAME.
    #[arg(
        value_name = "RESOURCE/NAME",
        required_unless_present = "all",
        conflicts_with = "all",
        requires = "cluster"
    )]
    order: Option<String>,
    /// All orders whose record is lost.
    #[arg(long)]
    all: bool,
    /// The order's namespace [default: default].
    #[arg(short, long, value_name = "NAMESPACE", requires = "order")]
    namespace: Option<String>,
    /// The consumer's workspace: its path or its id.
    #[arg(long, value_name = "PATH|ID", requires = "order")]
    cluster: Option<String>,
    /// The copy that serves the order, where that cannot be told. Of copies of the same order the others are removed
    /// by the broker once this one is ready.
    #[arg(long, value_name = "CLUSTER/NAMESPACE/NAME", requires = "order", value_parser = copy)]
    copy: Option<ObjectKey>,
    /// Let the order be placed anew where no copy of it is found: its finalizer and a record that names nothing are
    /// removed.
    #[arg(long, requires = "order", conflicts_with = "copy")]
    place_again: bool,
    /// Show what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// The broker's kubeconfig; else $KUBECONFIG, else ~/.kube/config, else the pod's account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The path of the platform's workspace [default: the one the kubeconfig points to].
    #[arg(long, value_name = "PATH")]
    workspace: Option<String>,
    #[command(flatten)]
    clusters: MembersArgs,
    /// How long the platform may take to be read and written.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    timeout: Duration,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Recovers, and prints what was found and done.
pub async fn recover(args: &RecoverArgs) -> anyhow::Result<ExitCode> {
    let request = request(args)?;
    let platform =
        Platform::open(args.kubeconfig.as_deref(), args.workspace.as_deref(), &args.clusters).await?;
    let advice = "--timeout allows more time; asking again is safe";
    let recovering = |access| recover_once(access, &request);
    let Recoveries { orders, unclaimed, paths } = platform.ask(args.timeout, advice, recovering).await?;
    let reports: Vec<Report> =
        orders.iter().map(|recovered| Report::new(recovered, args.dry_run, &paths)).collect();
    for (api, copies) in unclaimed.iter().filter(|_| args.all) {
        for key in copies {
            let cluster = paths.get(&key.cluster).map_or(key.cluster.as_str(), String::as_str);
            eprintln!("note: {cluster}/{}/{} is a copy of {api} that nobody has", key.namespace, key.name);
        }
    }
    print!("{}", shown(&reports, args.output)?);
    let all = reports.iter().all(Report::is_settled);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(STILL_LOST) })
}

fn request(args: &RecoverArgs) -> anyhow::Result<RecoverRequest> {
    let (cluster, namespace) = (args.cluster.as_deref(), args.namespace.as_deref());
    let named = |order: &String| order_query(order, cluster, namespace, "certificate/my-app-cert");
    Ok(RecoverRequest {
        order: args.order.as_ref().map(named).transpose()?,
        picked: args.copy.clone(),
        place_again: args.place_again,
        dry_run: args.dry_run,
    })
}

/// The answers as text, ending with a line break.
fn shown(reports: &[Report], output: Output) -> anyhow::Result<String> {
    Ok(match output {
        Output::Table if reports.is_empty() => "No order's record is lost.\n".to_owned(),
        Output::Table => reports.iter().map(Report::text).collect::<Vec<_>>().join("\n"),
        Output::Json => serde_json::to_string_pretty(reports).context("write JSON")? + "\n",
        Output::Yaml => serde_saphyr::to_string(&reports).context("write YAML")?,
    })
}

/// A copy by its cluster, namespace and name; the namespace of a cluster-scoped one is empty.
fn copy(text: &str) -> Result<ObjectKey, String> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [cluster, namespace, name] if !cluster.is_empty() && !name.is_empty() => {
            Ok(ObjectKey::new(*cluster, *namespace, *name))
        }
        _ => Err("expected CLUSTER/NAMESPACE/NAME, as in root:internal-ca/default/c-0b6f…".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_named_by_three_parts() {
        let key = ObjectKey::new("root:ca", "default", "c-1");
        assert_eq!(copy("root:ca/default/c-1"), Ok(key));
        assert_eq!(copy("2hkd//c-1"), Ok(ObjectKey::new("2hkd", "", "c-1")));
        for wrong in ["", "c-1", "default/c-1", "/default/c-1", "root:ca/default/", "a/b/c/d"] {
            assert!(copy(wrong).is_err(), "{wrong}");
        }
    }
}
