//! The command `demo`: the whole story on an embedded control plane.

use anyhow::bail;

/// Shows a certificate ordered, brokered and moved, on an embedded control plane.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {}

/// Shows the story.
#[expect(clippy::unused_async, reason = "it will wait for the story")]
pub async fn demo(_args: &DemoArgs) -> anyhow::Result<()> {
    bail!("not built yet")
}
