//! The command `run`: the operator as a daemon.

mod check;
mod settings;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use broker_kcp::fleet::Clusters;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use settings::{Given, Settings, read_file};
pub use settings::{Place, SettingError};

use crate::operator::{LeaderElection, Operator};
use crate::telemetry::log_to_stderr;

/// How `run` works. What is not said by a flag is taken from the environment variable of the same meaning, else from the
/// configuration file.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  \
    resource-broker run --kubeconfig broker.kubeconfig\n  \
    resource-broker run --config broker.yaml --check\n  \
    ENABLE_MIGRATION=false LOG_FORMAT=json resource-broker run\n\n\
    The configuration file is YAML, with the flags' names as keys: reconcileInterval: 1m")]
pub struct RunArgs {
    /// A configuration file in YAML, with the flags' names as keys, such as `reconcileInterval: 1m`.
    #[arg(long, env = "RESOURCE_BROKER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Look whether everything is there that the broker needs, tell what is not, and end: with 0 where nothing is
    /// missing, else with 1. Writes nothing.
    #[arg(long)]
    check: bool,
    /// Kubeconfig of the platform workspace; else $KUBECONFIG, else ~/.kube/config, else the pod's account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<String>,
    /// Kubeconfig of the cluster in which the helper objects of playbooks run; without one, playbooks that make objects
    /// are not followed.
    #[arg(long, value_name = "FILE")]
    compute_kubeconfig: Option<String>,
    /// On plain Kubernetes: the namespace of the platform's cluster in whose Secrets the kubeconfigs of consumers' and
    /// providers' clusters lie; else that of the kubeconfig, or of the pod.
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "clusters_folder")]
    clusters_namespace: Option<String>,
    /// On plain Kubernetes: a folder with the kubeconfigs of consumers' and providers' clusters, each named as its cluster.
    #[arg(long, value_name = "FOLDER")]
    clusters_folder: Option<String>,
    /// Whether orders that are served may move to another provider.
    #[arg(long, value_name = "BOOL")]
    enable_migration: Option<String>,
    /// How often everything is compared again, as 30s or 5m; costs no calls.
    #[arg(long, value_name = "DURATION")]
    reconcile_interval: Option<String>,
    /// Whether brokers of one platform take turns by a Lease.
    #[arg(long, value_name = "BOOL")]
    leader_election: Option<String>,
    /// Where /metrics is served, as :8080 or 127.0.0.1:8080; 0 serves them nowhere.
    #[arg(long, value_name = "ADDRESS")]
    metrics_addr: Option<String>,
    /// Where /healthz and /readyz are served, as :8081 or 127.0.0.1:8081; 0 serves them nowhere.
    #[arg(long, value_name = "ADDRESS")]
    health_probe_addr: Option<String>,
    /// Whether /debug/explain (which offer serves an order, and why) and /debug/queues (what waits, and what fails) are
    /// served beside the probes, to whoever asks from this machine or pod.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    debug_endpoints: Option<String>,
    /// What is logged: error, warn, info, debug or trace; per module as `info,broker_kcp=debug`.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// How it is logged: text or json.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// The help of `run`, with where else each setting may come from, and what it is where nothing is said.
pub(crate) fn described(command: clap::Command) -> clap::Command {
    settings::SETTINGS.into_iter().fold(command, |command, setting| {
        command.mut_arg(setting.flag.replace('-', "_"), |argument| {
            let mut help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            for (word, value) in [("env", setting.variable), ("default", setting.default)] {
                if let Some(value) = value {
                    // Writing to a String cannot fail.
                    let _ = write!(help, " [{word}: {value}]");
                }
            }
            argument.help(help)
        })
    })
}

impl RunArgs {
    fn settings(&self) -> Result<Settings, SettingError> {
        let flags = [
            ("kubeconfig", &self.kubeconfig),
            ("compute-kubeconfig", &self.compute_kubeconfig),
            ("clusters-namespace", &self.clusters_namespace),
            ("clusters-folder", &self.clusters_folder),
            ("enable-migration", &self.enable_migration),
            ("reconcile-interval", &self.reconcile_interval),
            ("leader-election", &self.leader_election),
            ("metrics-addr", &self.metrics_addr),
            ("health-probe-addr", &self.health_probe_addr),
            ("debug-endpoints", &self.debug_endpoints),
            ("log-level", &self.log_level),
            ("log-format", &self.log_format),
        ];
        let flags = flags.into_iter().filter_map(|(flag, value)| Some((flag, value.clone()?))).collect();
        let file = self.config.as_deref().map(read_file).transpose()?;
        Given { flags, variable: &|name| std::env::var(name).ok(), file }.settle()
    }
}

/// What a broker would be told that runs with this environment and this configuration file, and what is wrong with it.
pub(crate) fn configured(file: Option<&Path>) -> Result<Value, SettingError> {
    let file = file.map(read_file).transpose()?;
    let given = Given { flags: BTreeMap::new(), variable: &|name| std::env::var(name).ok(), file };
    let mut told = given.told();
    if let (Err(wrong), Some(told)) = (given.settle(), told.as_object_mut()) {
        told.insert("wrong".to_owned(), wrong.to_string().into());
    }
    Ok(told)
}

/// Runs the broker until it is told to stop, by SIGTERM or SIGINT; or only looks whether it could.
pub async fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let settings = args.settings()?;
    if args.check {
        return check::check(&settings).await;
    }
    log_to_stderr(&settings.log_level, settings.log_format)?;
    let election = if settings.leader_election { LeaderElection::Lease } else { LeaderElection::Off };
    let mut builder = Operator::builder()
        .enable_migration(settings.enable_migration)
        .reconcile_interval(settings.reconcile_interval)
        .leader_election(election)
        .debug_endpoints(settings.debug_endpoints);
    if let Some(path) = &settings.kubeconfig {
        builder = builder.kubeconfig(path);
    }
    if let Some(path) = &settings.compute_kubeconfig {
        builder = builder.compute_kubeconfig(path);
    }
    if let Some(folder) = &settings.clusters_folder {
        builder = builder.clusters_folder(folder);
    } else if let Some(namespace) = &settings.clusters_namespace {
        builder = builder.clusters(Clusters::Secrets(namespace.clone()));
    }
    if let Some(address) = settings.health_probes {
        builder = builder.health_probes(address);
    }
    if let Some(address) = settings.metrics {
        builder = builder.metrics(address);
    }
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let told_to_stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    builder.build().await?.run(told_to_stop).await?;
    Ok(ExitCode::SUCCESS)
}
