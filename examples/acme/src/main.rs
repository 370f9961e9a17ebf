//! An order for a public name is served by ACME: `cargo run -p acme-example`. It tells every step, and fails where the
//! consumer's Secret could not be used in any of its versions.

use std::time::{Duration, Instant};

use acme_example::{INTERNAL, PUBLIC, Scene, judge, leaf};
use anyhow::{Context as _, anyhow, bail};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Old copies go soon, since somebody is waiting.
const GRACE: Duration = Duration::from_secs(1);
const ORDER: &str = "my-app-cert";

/// Orders certificates from an internal authority, and by ACME from a public one.
#[derive(Debug, Parser)]
struct Arguments {
    /// Play on a real kcp, which is started (and built, the first time) for it.
    #[arg(long)]
    kcp: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("error,kube_client::client::builder=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok();
    if arguments.kcp {
        let kcp = Kcp::start().await?;
        let tree = kcp.workspace("acme").await?;
        play(kcp.admin_config("root").await?, tree.path()).await
    } else {
        let server = ControlPlane::builder().start().await?;
        let played = play(server.admin_config(), "root").await;
        server.shutdown().await;
        played
    }
}

async fn play(admin: kube::Config, tree: &str) -> anyhow::Result<()> {
    let scene =
        Scene::open(admin, tree, GRACE, |server| server.refused.push("refused.corp.com".to_owned())).await?;
    println!(
        "A platform; {INTERNAL} with its own authority; {PUBLIC}, which orders by ACME from a Pebble at"
    );
    println!("{}; the operator.", scene.pebble.directory());

    let since = Instant::now();
    scene.order(ORDER, "app.internal.corp").await?;
    scene.until_served(ORDER, INTERNAL).await?;
    println!("  {:>5} ms: ordered app.internal.corp; served by {INTERNAL}", since.elapsed().as_millis());

    let sight = scene.keep_looking(ORDER).await?;
    let since = Instant::now();
    scene.change(ORDER, "app.corp.com").await?;
    let secret = scene.until_served(ORDER, PUBLIC).await?;
    let found = leaf(&secret).context("there is no certificate in the Secret")?;
    judge(&secret, &scene.pebble.root().await?).map_err(|why| anyhow!("the Secret cannot be used: {why}"))?;
    println!(
        "  {:>5} ms: changed to app.corp.com; issued by {PUBLIC} until {}, with a chain to the server's root",
        since.elapsed().as_millis(),
        found.not_after.date()
    );
    let seen = sight.finish().await?;
    println!("The consumer's Secret meanwhile: {} versions, {} of them unusable.", seen.len(), bad(&seen));

    scene.order("refused", "refused.corp.com").await?;
    println!("Ordered refused.corp.com, and the consumer reads:");
    println!("  {}", scene.until_told("refused", "RefusedByAuthority").await?);

    scene.delete(ORDER).await?;
    scene.delete("refused").await?;
    scene.until_nothing_is_left().await?;
    println!("Deleted; nothing of the orders is left at {PUBLIC}.");
    scene.close().await?;
    if bad(&seen) > 0 {
        bail!("the consumer's Secret could not be used: {seen:?}");
    }
    Ok(())
}

fn bad(seen: &[Result<&'static str, String>]) -> usize {
    seen.iter().filter(|version| version.is_err()).count()
}
