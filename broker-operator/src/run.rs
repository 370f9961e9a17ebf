//! The command `run`: the operator as a daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use broker_kcp::api::v1alpha1::GoDuration;
use clap::ArgAction;
use tokio::signal::unix::{SignalKind, signal};

use crate::operator::{LeaderElection, Operator};
use crate::telemetry::{LogFormat, filter, log_to_stderr};

/// How `run` works; every flag has an environment variable of the same meaning.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// Kubeconfig of the platform workspace; else $KUBECONFIG, else the pod's service account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Kubeconfig of the cluster in which the helper objects of playbooks run; without one, playbooks that make objects
    /// are not followed.
    #[arg(long, env = "COMPUTE_KUBECONFIG", value_name = "FILE")]
    compute_kubeconfig: Option<PathBuf>,
    /// Whether orders that are served may move to another provider.
    #[arg(long, env = "ENABLE_MIGRATION", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    enable_migration: bool,
    /// How often everything is compared again, as 30s or 5m; costs no calls.
    #[arg(long, env = "RECONCILE_INTERVAL", value_name = "DURATION", default_value = "30s", value_parser = interval)]
    reconcile_interval: Duration,
    /// Whether brokers of one platform take turns by a Lease.
    #[arg(long, env = "LEADER_ELECTION", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    leader_election: bool,
    /// Where /healthz and /readyz are served, as :8081 or 127.0.0.1:8081; 0 serves them nowhere.
    #[arg(long, env = "HEALTH_PROBE_ADDR", value_name = "ADDRESS", default_value = ":8081", value_parser = address)]
    health_probe_addr: Address,
    /// Whether /debug/explain (which offer serves an order, and why) and /debug/queues (what waits, and what fails) are
    /// served beside the probes, to whoever asks from this machine or pod.
    #[arg(long, env = "DEBUG_ENDPOINTS", value_name = "BOOL", default_value = "false", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
    debug_endpoints: bool,
    /// Where /metrics is served, as :8080 or 127.0.0.1:8080; 0 serves them nowhere.
    #[arg(long, env = "METRICS_ADDR", value_name = "ADDRESS", default_value = ":8080", value_parser = address)]
    metrics_addr: Address,
    /// What is logged: error, warn, info, debug or trace; per module as `info,broker_kcp=debug`.
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL", default_value = "info", value_parser = level)]
    log_level: String,
    /// How it is logged.
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "text", value_enum)]
    log_format: LogFormat,
}

/// Where something is served, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Address(Option<SocketAddr>);

/// Runs the broker until it is told to stop, by SIGTERM or SIGINT.
pub async fn run(args: &RunArgs) -> anyhow::Result<()> {
    log_to_stderr(&args.log_level, args.log_format)?;
    let election = if args.leader_election { LeaderElection::Lease } else { LeaderElection::Off };
    let mut builder = Operator::builder()
        .enable_migration(args.enable_migration)
        .reconcile_interval(args.reconcile_interval)
        .leader_election(election)
        .debug_endpoints(args.debug_endpoints);
    if let Some(path) = &args.kubeconfig {
        builder = builder.kubeconfig(path);
    }
    if let Some(path) = &args.compute_kubeconfig {
        builder = builder.compute_kubeconfig(path);
    }
    if let Some(address) = args.health_probe_addr.0 {
        builder = builder.health_probes(address);
    }
    if let Some(address) = args.metrics_addr.0 {
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
    Ok(())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = GoDuration::new(text).parse().map_err(|error| error.to_string())?;
    if interval < Duration::from_secs(1) { Err("must be at least 1s".to_owned()) } else { Ok(interval) }
}

fn address(text: &str) -> Result<Address, String> {
    if text == "0" {
        return Ok(Address(None));
    }
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    full.parse().map(|address| Address(Some(address))).map_err(|_| {
        "expected an address with a port, such as :8081 or 127.0.0.1:8081, or 0 for none".to_owned()
    })
}

fn level(text: &str) -> Result<String, String> {
    filter(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_kubernetes_components_read_them() {
        assert_eq!(address("0"), Ok(Address(None)));
        assert_eq!(address(":8081"), Ok(Address("0.0.0.0:8081".parse().ok())));
        assert_eq!(address("[::1]:80"), Ok(Address("[::1]:80".parse().ok())));
        for wrong in ["", "8081", "localhost", ":99999", "off"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn intervals_are_durations_of_at_least_a_second() {
        assert_eq!(interval("1m"), Ok(Duration::from_mins(1)));
        for wrong in ["30", "0", "10ms", "soon"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}
