//! The command `demo`: the mission's certificate story on the embedded control plane, with the very
//! operator that `run` starts, told as it happens and measured.
//!
//! [`stage`] builds the small world of it, on any server that speaks kcp.

mod error;
mod facts;
mod progress;
pub mod stage;
mod story;

use std::time::Duration;

use anyhow::bail;

pub use error::DemoError;
pub use facts::{Change, Facts, Reads};

/// Enough to be seen, and short enough for somebody who waits.
const GRACE: Duration = Duration::from_secs(1);

/// Shows a certificate ordered, brokered and moved, on an embedded control plane.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// How the facts at the end are printed; with `json` the progress goes to standard error.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Leave everything running, print the kubeconfig and what to try, and wait for Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// For whom the facts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people: a table.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
}

/// Shows the story.
#[expect(clippy::unused_async, reason = "it will wait for the story")]
pub async fn demo(_args: &DemoArgs) -> anyhow::Result<()> {
    bail!("not built yet")
}
