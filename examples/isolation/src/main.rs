//! Two tenants order the same name of one provider: `cargo run -p isolation-example`. Everybody tries with credentials of its
//! own what it can see of the others. It fails where anybody sees more, or less, than it should.

mod reach;
mod scene;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use clap::Parser;
use kube::Config;
use scene::{PROVIDER, Scene, TENANTS};
use tracing_subscriber::EnvFilter;

/// What is told where nobody asks for a log. That a kcp which starts refuses what is asked of it is no news.
const QUIET: &str = "error,kube_client::client::builder=off";

/// Shows what tenants and providers see of each other.
#[derive(Debug, Parser)]
struct Arguments {
    /// Play on a real kcp, which is started (and built, the first time) for it.
    #[arg(long)]
    kcp: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok();
    if arguments.kcp {
        let kcp = Kcp::start().await?;
        let tree = kcp.workspace("isolation").await?;
        play(kcp.admin_config("root").await?, tree.path()).await?;
    } else {
        let server = ControlPlane::builder().start().await?;
        let played = play(server.admin_config(), "root").await;
        server.shutdown().await;
        played?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn play(admin: Config, tree: &str) -> anyhow::Result<()> {
    let scene = Scene::open(admin, tree).await?;
    let [acme, globex] = TENANTS;
    println!(
        "{acme} and {globex} order my-app-cert in their namespace default; {PROVIDER} certifies for both."
    );
    for (tenant, fqdn) in [(acme, "shop.internal.corp"), (globex, "bank.internal.corp")] {
        scene.order(tenant, "my-app-cert", fqdn).await?;
        println!(
            "  {tenant}: Secret my-app-cert-secret is for {}",
            scene.until_served(tenant, "my-app-cert").await?
        );
    }

    println!("\nAt {PROVIDER} there are two Certificates with their Secrets, in one namespace:");
    let told = scene.what_the_provider_has().await?;
    println!("  copies: {}; names of tenants or of orders in them: {}", told.copies, told.names);
    if told.copies != 2 || told.names != 0 {
        bail!("the provider has {} copies, and finds {} names in what it has", told.copies, told.names);
    }

    println!("\nWho may list what, tried by each with the credentials of its own:\n");
    let reaches = scene.reaches().await?;
    print!("{}", reach::table(&reaches));
    let wrong: Vec<_> = reaches.iter().filter(|reach| reach.may != reach.should()).collect();
    if !wrong.is_empty() {
        bail!("somebody reaches more, or less, than is its own: {wrong:?}");
    }

    println!("\nWhat fits nobody says what would, and not who:");
    scene.order(acme, "other-cert", "app.example.org").await?;
    let message = scene.until_refused(acme, "other-cert").await?;
    println!("  {message}");
    if message.contains(PROVIDER) {
        bail!("the consumer is told who provides: {message}");
    }

    println!("\n{globex} deletes its order:");
    let before = scene.secret(acme, "my-app-cert").await?.context("the Secret of the one is gone")?;
    scene.delete(globex, "my-app-cert").await?;
    let after =
        scene.secret(acme, "my-app-cert").await?.context("the Secret of the one went with the other's")?;
    if before.metadata != after.metadata {
        bail!("the Secret of the one was touched when the other's order went");
    }
    println!("  its Secret and its copy are gone; those of {acme} are as they were");
    for order in ["my-app-cert", "other-cert"] {
        scene.delete(acme, order).await?;
    }
    scene.close().await
}
