//! A provider fails in four ways, and its orders are served by another one: `cargo run -p failover-example`. It fails where a
//! consumer's Secret could not be used at any look.

mod scene;

use std::time::Duration;

use anyhow::bail;
use broker_core::offer::Scheduling;
use broker_kcp::api::v1alpha1::{Migration, MigrationState};
use broker_operator::cordon::{CordonArgs, schedule};
use broker_testkit::gate::Passage;
use broker_testkit::wait::until;
use clap::Parser;
use kube::api::PostParams;
use scene::{FAILING, HEALTHY, Scene};
use tracing_subscriber::EnvFilter;

const MIGRATION: &str = include_str!("../migration.yaml");
/// Longer than a move takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(2);

/// Shows what becomes of the orders of a provider that fails.
#[derive(Debug, Parser)]
struct Arguments {}

/// `resource-broker drain` and the like, as they are on the command line.
#[derive(Debug, Parser)]
struct Cordon {
    #[command(flatten)]
    args: CordonArgs,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Arguments::parse();
    // That a provider which is cut off cannot be reached is no news.
    let quiet = "error,kube_client::client::builder=off";
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    rustls::crypto::ring::default_provider().install_default().ok();

    let scene = Scene::open().await?;
    println!("{FAILING} and {HEALTHY} certify the same names, and the first is cheaper.");
    let mut bad = 0;
    for (title, order) in ACTS {
        println!("\n{title}");
        scene.order(order, &scene.failing).await?;
        println!("  {order} is ordered, and served by {FAILING}");
        let reader = scene.keep_reading(order);
        match order {
            "shop-cert" => drained(&scene, order).await?,
            "blog-cert" => not_ready(&scene, order).await?,
            "production-cert" => moved_by_a_person(&scene, order).await?,
            _ => silent(&scene, order).await?,
        }
        let report = reader.finish().await?;
        bad += report.bad();
        println!("  its Secret was read all the while, and could not be used {} times", report.bad());
    }
    for (_, order) in ACTS {
        scene.delete(order).await?;
    }
    scene.until_empty(&scene.failing).await?;
    scene.until_empty(&scene.healthy).await?;
    println!("\nThe orders are deleted, and nothing is left at either provider.");
    scene.close().await?;
    if bad > 0 {
        bail!("a consumer's Secret could not be used at {bad} looks");
    }
    Ok(())
}

/// What happens to the provider, and to which order.
const ACTS: [(&str, &str); 4] = [
    ("The platform takes it out of service:", "shop-cert"),
    ("It says itself that it is not ready:", "blog-cert"),
    ("A person moves one order:", "production-cert"),
    ("It stops answering:", "wiki-cert"),
];

async fn drained(scene: &Scene, order: &str) -> anyhow::Result<()> {
    cordon(scene, "drain", Scheduling::Draining).await?;
    scene.until_served(order, &scene.healthy).await?;
    scene.until_empty(&scene.failing).await?;
    println!("  {order} is served by {HEALTHY}, and nothing is left at {FAILING}");
    cordon(scene, "uncordon", Scheduling::Active).await?;
    scene.until_offer(&scene.failing, "ProviderReady").await?;
    scene.until_served(order, &scene.healthy).await?;
    println!("  {order} stays where it is, though {FAILING} would be cheaper again");
    Ok(())
}

async fn cordon(scene: &Scene, verb: &str, wanted: Scheduling) -> anyhow::Result<()> {
    println!("  $ resource-broker {verb} {FAILING}");
    print!("  ");
    let kubeconfig = scene.kubeconfig();
    let words = [verb.as_ref(), FAILING.as_ref(), "--kubeconfig".as_ref(), kubeconfig.as_os_str()];
    schedule(&Cordon::try_parse_from(words)?.args, wanted).await
}

async fn not_ready(scene: &Scene, order: &str) -> anyhow::Result<()> {
    scene.say_ready(&scene.failing, "False").await?;
    scene.until_offer(&scene.failing, "ProviderNotReady").await?;
    println!("  its offer has the condition Ready=False by {FAILING}, and Available=False by the broker");
    scene.until_served(order, &scene.healthy).await?;
    println!("  {order} is served by {HEALTHY}");
    scene.say_ready(&scene.failing, "True").await?;
    scene.until_offer(&scene.failing, "ProviderReady").await
}

async fn moved_by_a_person(scene: &Scene, order: &str) -> anyhow::Result<()> {
    println!("  $ kubectl apply -f examples/failover/migration.yaml");
    let migrations = scene.stage.migrations()?;
    let migration: Migration = serde_saphyr::from_str(MIGRATION)?;
    migrations.create(&PostParams::default(), &migration).await?;
    let done = |found: Option<&Migration>| {
        let state = found.and_then(|found| found.status.as_ref()?.state);
        state == Some(MigrationState::Completed)
    };
    until(&migrations, "failover-migration", "the move to be completed", DEADLINE, done).await?;
    scene.until_served(order, &scene.healthy).await?;
    println!("  the Migration is Completed, and {order} served by {HEALTHY}");
    Ok(())
}

async fn silent(scene: &Scene, order: &str) -> anyhow::Result<()> {
    scene.gate.set(Passage::Cut);
    scene.until_served(order, &scene.healthy).await?;
    scene.until_leftovers(1).await?;
    println!(
        "  after failoverAfter {order} is served by {HEALTHY}; a copy was left behind, where nobody gets"
    );
    scene.order("late-cert", &scene.healthy).await?;
    println!("  late-cert is ordered meanwhile, and served by {HEALTHY} at once");
    scene.gate.set(Passage::Open);
    scene.until_leftovers(0).await?;
    scene.until_empty(&scene.failing).await?;
    println!("  {FAILING} answers again: the copy is removed, and {order} stays where it is");
    scene.delete("late-cert").await
}
