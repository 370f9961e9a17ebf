//! Runs the platform with the broker inside, against an embedded control plane: `cargo run -p embed-in-a-controller`.

use anyhow::Context as _;
use embed_in_a_controller::scene::Scene;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Of all the series in the one registry, some of each.
const SHOWN: [&str; 3] = [
    "cloud_tenant_reconciliations_total{result=\"Done\"}",
    "resource_broker_orders{api=\"certificates.example.com\",phase=\"Bound\"}",
    "resource_broker_leading",
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The program's own affairs, which the broker leaves alone: logs, and the provider of TLS.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok();

    let scene = Scene::open().await?;
    let mut program = scene.program().await?;
    let (broker, metrics, stop) = (program.broker(), program.take_metrics(), CancellationToken::new());
    let running = tokio::spawn(program.run(stop.clone().cancelled_owned()));
    broker.ready().await?;
    broker.led().await?;
    println!(
        "One process: a controller of Tenants, and the broker. The broker leads and has read all that it needs."
    );

    for tenant in ["acme", "globex"] {
        scene.welcome(tenant).await?;
        let status = scene.until(tenant, "a workspace", |status| !status.cluster.is_empty()).await?;
        println!("Tenant {tenant}: the controller made the workspace {}", status.workspace);
        scene.order(tenant, &format!("{tenant}.internal.corp")).await?;
        let issuer = scene.until_issued(tenant).await?;
        println!("Tenant {tenant}: ordered a certificate; the broker had it issued by {issuer}");
        let status = scene.until(tenant, "its order to be served", |status| status.served == 1).await?;
        println!("Tenant {tenant}: its status says {} of {} orders served", status.served, status.orders);
    }

    println!("In the one registry of metrics, among others:");
    let scrape = metrics.scrape()?;
    let series = scrape.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = series.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    for name in SHOWN.into_iter().filter(|shown| names.contains(shown)) {
        println!("  {name}");
    }

    stop.cancel();
    running.await.context("the program broke down")??;
    println!("Both have stopped.");
    scene.close().await;
    Ok(())
}
