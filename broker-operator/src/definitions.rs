//! The command `crds`: the broker's own kinds, for plain Kubernetes and for reading.

use broker_kcp::api::crds::{crds, platform_crds, to_json};
use clap::Args;

/// Print the CustomResourceDefinitions of the broker's own kinds.
#[derive(Clone, Debug, Args)]
pub struct CrdsArgs {
    /// Only the kinds of the platform's cluster, without AcceptAPI, which kcp's providers get from an export.
    #[arg(long)]
    platform: bool,
}

/// Prints the definitions as YAML.
pub fn print(args: &CrdsArgs) -> anyhow::Result<()> {
    let all = if args.platform { platform_crds() } else { crds() };
    for crd in &all {
        println!("---\n{}", serde_saphyr::to_string(&to_json(crd))?.trim_end());
    }
    Ok(())
}
