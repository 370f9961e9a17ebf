//! The use cases of routing, played one after the other: `cargo run -p routing-example`; or a market to walk through
//! by hand: `cargo run -p routing-example -- --keep market.kubeconfig`.
//!
//! It all runs on an embedded control plane, or with `--kcp admin.kubeconfig` on a real kcp.

mod cases;
mod contexts;
mod play;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use broker_operator::Operator;
use broker_operator::demo::market::{CONSUMER, Market};
use broker_operator::demo::stage::PLATFORM;
use broker_operator::init::{Init, Server};
use broker_testkit::control_plane::ControlPlane;
use clap::Parser;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Whoever offers anything here.
const PROVIDERS: [&str; 6] = ["eu", "us", "on-premises", "internal-ca", "letsencrypt", "enterprise"];
/// The definitions of what is brokered here.
const APIS: [&str; 3] = [
    include_str!("../databases.yaml"),
    include_str!("../virtualmachines.yaml"),
    include_str!("../../certificates/certificates.yaml"),
];
/// Old copies go soon, since somebody is waiting.
const GRACE: Duration = Duration::from_secs(1);

/// Plays the use cases of routing.
#[derive(Debug, Parser)]
struct Arguments {
    /// Play nothing: write a kubeconfig with a context for each workspace, and serve until Ctrl-C.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// The kubeconfig of a kcp's administrator, whose current context is `root`: play there, below `root:routing`.
    #[arg(long, value_name = "FILE")]
    kcp: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok();

    let embedded = match &arguments.kcp {
        Some(_) => None,
        None => Some(ControlPlane::builder().start().await?),
    };
    let (kubeconfig, tree) = match (&arguments.kcp, &embedded) {
        (Some(file), _) => (Kubeconfig::read_from(file)?, "root:routing"),
        (None, Some(server)) => (Kubeconfig::from_yaml(&server.kubeconfig("root"))?, "root"),
        (None, None) => anyhow::bail!("there is no server"),
    };
    let admin = Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default()).await?;
    Init::new(Server::from_config(admin.clone())).workspace(tree).await?;
    let market = Market::open(admin, tree, GRACE, &APIS, &PROVIDERS).await?;
    let stop = CancellationToken::new();
    let operator = Operator::builder().config(market.stage().broker().clone()).build().await?;
    let operator = tokio::spawn(operator.run(stop.clone().cancelled_owned()));

    match &arguments.keep {
        None => play::play(&market).await?,
        Some(file) => keep(&kubeconfig, tree, file).await?,
    }
    stop.cancel();
    operator.await?.context("the operator did not end well")?;
    market.close().await;
    if let Some(server) = embedded {
        server.shutdown().await;
    }
    Ok(())
}

async fn keep(kubeconfig: &Kubeconfig, tree: &str, file: &Path) -> anyhow::Result<()> {
    let workspaces: Vec<&str> = [CONSUMER, PLATFORM].into_iter().chain(PROVIDERS).collect();
    let contexts = contexts::of(kubeconfig, tree, &workspaces)?;
    broker_operator::files::write_private(file, &serde_saphyr::to_string(&contexts)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("The market is open. Contexts: {}. Ctrl-C closes it.", workspaces.join(", "));
    println!("export KUBECONFIG={}", file.display());
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")
}
