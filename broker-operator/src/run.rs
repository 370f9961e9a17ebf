//! The command `run`: the operator as a daemon.

use anyhow::bail;

/// Runs the broker until it is told to stop.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {}

/// Runs the broker until it is told to stop.
#[expect(clippy::unused_async, reason = "it will wait for the operator")]
pub async fn run(_args: &RunArgs) -> anyhow::Result<()> {
    bail!("not built yet")
}
