//! Serves an empty control plane until Ctrl-C: `cargo run -p broker-testkit --example control-plane -- FILE [PATH]`
//! writes the kubeconfig of the workspace PATH (`root`, `root:a`, or `-` for a plain cluster) to FILE.

use anyhow::Context as _;
use broker_testkit::control_plane::ControlPlane;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().context("the first argument is the kubeconfig file to write")?;
    let workspace = arguments.next().unwrap_or_else(|| "root".to_owned());
    let control_plane = ControlPlane::builder().start().await?;
    let kubeconfig = if workspace == "-" {
        control_plane.plain_kubeconfig()
    } else {
        control_plane.create_workspace(&workspace).context("the path of a workspace begins with root")?;
        control_plane.kubeconfig(&workspace)
    };
    std::fs::write(&file, kubeconfig).with_context(|| format!("writing {file}"))?;
    println!("serving {} until Ctrl-C; kubeconfig in {file}", control_plane.url());
    tokio::signal::ctrl_c().await?;
    control_plane.shutdown().await;
    Ok(())
}
