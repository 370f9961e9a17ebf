//! The operator as a process of its own, so that its memory is its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};

/// A running `resource-broker run`, killed when dropped.
#[derive(Debug)]
pub(crate) struct Operator {
    child: Child,
}

impl Operator {
    /// Starts it with this kubeconfig, and one for the cluster that helpers run in.
    pub(crate) fn start(binary: &Path, kubeconfig: &Path, compute: Option<&Path>) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.arg("run").arg("--kubeconfig").arg(kubeconfig);
        if let Some(compute) = compute {
            command.arg("--compute-kubeconfig").arg(compute);
        }
        Self::begin(command, ["127.0.0.1:0"; 2], binary)
    }

    /// Starts one that waits for no other to give up the Lease. It answers probes and about its queues at the one address,
    /// and shows its metrics at the other.
    pub(crate) fn start_alone(
        binary: &Path,
        kubeconfig: &Path,
        probes: &str,
        metrics: &str,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.arg("run").arg("--kubeconfig").arg(kubeconfig).arg("--debug-endpoints");
        command.args(["--leader-election", "false"]);
        Self::begin(command, [probes, metrics], binary)
    }

    fn begin(mut command: Command, [probes, metrics]: [&str; 2], binary: &Path) -> anyhow::Result<Self> {
        let child = command
            .env("METRICS_ADDR", metrics)
            .env("HEALTH_PROBE_ADDR", probes)
            .env("LOG_LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self { child })
    }

    /// Its resident memory now and at its highest, in MiB, where the system tells.
    pub(crate) fn memory(&self) -> Option<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1_024.0)
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Ends it, and finds that it was still there.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the operator ended by itself: {status}");
        }
        self.child.kill().await.context("the operator cannot be stopped")
    }
}

/// The operator built beside this program.
pub(crate) fn beside_this() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("where is this program?")?;
    let binary = own.with_file_name(format!("resource-broker{}", std::env::consts::EXE_SUFFIX));
    if !binary.is_file() {
        bail!(
            "there is no operator at {}: build it with `cargo build -p broker-operator` (and --release if this \
             is a release build), or name one with --operator",
            binary.display()
        );
    }
    Ok(binary)
}
