//! The controller as a program: with the cluster of the current kubeconfig, which has the definition of Team.

use kube::{Client, CustomResourceExt as _};
use test_your_controller::Team;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    if std::env::args().nth(1).as_deref() == Some("crd") {
        println!("{}", serde_json::to_string_pretty(&Team::crd())?);
        return Ok(());
    }
    let client = Client::try_default().await?;
    tokio::select! {
        () = test_your_controller::run(client) => {}
        ended = tokio::signal::ctrl_c() => ended?,
    }
    Ok(())
}
