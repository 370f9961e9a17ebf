//! The real cert-manager serves an order until it no longer fits: `cargo run -p cert-manager-example`. It tells every step,
//! and fails where the consumer's Secret could not be used at any moment.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use cert_manager_example::{INTERNAL, PUBLIC, SECRET, Scene};
use clap::Parser;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// Old copies go soon, since somebody is waiting.
const GRACE: Duration = Duration::from_secs(1);
/// What is told where nobody asks for a log. That a kcp which starts refuses what is asked of it is no news.
const QUIET: &str = "error,kube_client::client::builder=off";

/// Lets cert-manager serve an order, and moves it away when it no longer fits.
#[derive(Debug, Parser)]
struct Arguments {
    /// Play on a real kcp, which is started (and built, the first time) for it.
    #[arg(long)]
    kcp: bool,
    /// Write the log of everything but cert-manager into this file.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env();
    match &arguments.log {
        Some(file) => tracing_subscriber::fmt()
            .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new("info")))
            .with_ansi(false)
            .with_writer(std::fs::File::create(file).context("the log cannot be written")?)
            .init(),
        None => tracing_subscriber::fmt()
            .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(QUIET)))
            .with_writer(std::io::stderr)
            .init(),
    }
    rustls::crypto::ring::default_provider().install_default().ok();
    if arguments.kcp {
        println!("Starting a kcp, cert-manager and all the rest …");
        let kcp = Kcp::start().await?;
        let tree = kcp.workspace("cert-manager").await?;
        play(Scene::open(kcp.admin_config("root").await?, tree.path(), GRACE).await?).await
    } else {
        println!("Starting a control plane, cert-manager and all the rest …");
        let server = ControlPlane::builder().start().await?;
        let played = play(Scene::open(server.admin_config(), "root", GRACE).await?).await;
        server.shutdown().await;
        played
    }
}

async fn play(mut scene: Scene) -> anyhow::Result<()> {
    println!(
        "A platform; {INTERNAL}, where cert-manager works; {PUBLIC}, with its own authority; the operator."
    );

    let since = Instant::now();
    scene.order("app.internal.corp").await?;
    let leaf = scene.until_issued(INTERNAL, "app.internal.corp").await?;
    println!(
        "  {:>6} ms: ordered app.internal.corp; Secret {SECRET} has a certificate by {} until {}",
        since.elapsed().as_millis(),
        leaf.authority,
        leaf.not_after.date()
    );
    let all = scene.certificates().list(&ListParams::default()).await?;
    for copy in all.iter().filter(|copy| copy.name_any() != INTERNAL) {
        let spec = serde_saphyr::to_string(copy.data.get("spec").unwrap_or(&Value::Null))?;
        println!("at {INTERNAL} it is a {} {}:", kind(copy), copy.name_any());
        spec.lines().for_each(|line| println!("    {line}"));
    }

    let reader = scene.keep_reading();
    for (fqdn, authority, how) in [
        ("shop.internal.corp", INTERNAL, "issued anew in place"),
        ("shop.corp.com", PUBLIC, "which cert-manager's offer does not take: moved"),
    ] {
        let since = Instant::now();
        scene.change(fqdn).await?;
        let leaf = scene.until_issued(authority, fqdn).await?;
        println!(
            "  {:>6} ms: changed to {fqdn}, {how}; a certificate by {}",
            since.elapsed().as_millis(),
            leaf.authority
        );
    }
    let since = Instant::now();
    scene.until_nothing_is_left_at_cert_manager().await?;
    println!("  {:>6} ms: nothing of the order is left at {INTERNAL}", since.elapsed().as_millis());
    let report = reader.finish().await?;
    println!("The consumer's Secret meanwhile: {report}.");

    let since = Instant::now();
    scene.delete_order().await?;
    scene.until_nothing_is_left().await?;
    println!("  {:>6} ms: deleted; nothing is left anywhere", since.elapsed().as_millis());
    scene.close().await?;
    if report.bad() > 0 {
        bail!("the consumer's Secret could not be used at {} looks", report.bad());
    }
    Ok(())
}

fn kind(object: &kube::api::DynamicObject) -> String {
    object.types.as_ref().map(|types| format!("{} {}", types.api_version, types.kind)).unwrap_or_default()
}
