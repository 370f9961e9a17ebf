//! A real PostgreSQL moves between two servers, there and back, while four clients write and four read with nothing but
//! the consumer's Secret: `cargo run --release -p postgres-example`. It prints what every move took, and fails where a
//! row was lost, doubled or could not be read.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use broker_kcp::api::v1alpha1::MigrationState;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use broker_testkit::provider::postgres::{Load, LoadOptions, Pause};
use clap::Parser;
use postgres_example::{SECRET, Scene, Way, ZONES};
use tracing_subscriber::EnvFilter;

/// Old copies go soon, since somebody is waiting.
const GRACE: Duration = Duration::from_secs(1);
/// What is told where nobody asks for a log. That a kcp which starts refuses what is asked of it is no news.
const QUIET: &str = "error,kube_client::client::builder=off";

/// Moves a database under load.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many moves, there and back.
    #[arg(long, default_value_t = 10)]
    moves: usize,
    /// About how many megabytes the database holds before anybody writes.
    #[arg(long, default_value_t = 50)]
    megabytes: u32,
    /// How many clients write.
    #[arg(long, default_value_t = 4)]
    writers: usize,
    /// How many clients read.
    #[arg(long, default_value_t = 4)]
    readers: usize,
    /// The pause of each client between two statements, in milliseconds.
    #[arg(long, default_value_t = 10)]
    pause: u64,
    /// Move by dump and restore, run by Jobs, while writes are held up.
    #[arg(long)]
    dump: bool,
    /// Play on a real kcp, which is started (and built, the first time) for it.
    #[arg(long)]
    kcp: bool,
    /// Print the facts as one JSON object.
    #[arg(long)]
    json: bool,
    /// Write the log of everything into this file.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// One move's row.
struct Row {
    to: &'static str,
    whole: Duration,
    fence: Option<i64>,
    pause: Pause,
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
    let way = if arguments.dump { Way::Dump } else { Way::Replication };
    if arguments.kcp {
        let kcp = Kcp::start().await?;
        let tree = kcp.workspace("postgres").await?;
        play(Scene::open(way, kcp.admin_config("root").await?, tree.path(), GRACE).await?, &arguments).await
    } else {
        let server = ControlPlane::builder().start().await?;
        let played = play(Scene::open(way, server.admin_config(), "root", GRACE).await?, &arguments).await;
        server.shutdown().await;
        played
    }
}

async fn play(scene: Scene, arguments: &Arguments) -> anyhow::Result<()> {
    say(
        arguments,
        "A platform, a provider with a PostgreSQL server in eu and in us, what moves databases, and the operator.",
    );
    scene.order().await?;
    let options = LoadOptions {
        writers: arguments.writers,
        readers: arguments.readers,
        pause: Duration::from_millis(arguments.pause),
        megabytes: arguments.megabytes,
    };
    let load = Load::start(scene.secrets(), SECRET, options).await?;
    load.until_all_wrote().await;
    say(
        arguments,
        &format!(
            "One database of {} MB in eu; {} clients write to it and {} read, with the consumer's Secret alone.",
            arguments.megabytes, arguments.writers, arguments.readers
        ),
    );
    let mut rows = Vec::new();
    for to in ZONES.into_iter().cycle().skip(1).take(arguments.moves) {
        let before = scene.ended_moves().await?;
        load.lap();
        let started = Instant::now();
        scene.relocate(to).await?;
        let facts = scene.until_moved(&before).await?;
        if facts.state != MigrationState::Completed {
            bail!("the move to {to} is {:?}: {}", facts.state, facts.message);
        }
        load.until_all_wrote().await;
        scene.until_served(to).await?;
        rows.push(Row { to, whole: started.elapsed(), fence: facts.receipt.fence_millis, pause: load.lap() });
        if let (false, Some(row)) = (arguments.json, rows.last()) {
            println!(
                "  move {:>2} to {}: {:>6.2} s in all; fence {:>4} ms; longest pause of a writer {:>4} ms",
                rows.len(),
                row.to,
                row.whole.as_secs_f64(),
                row.fence.unwrap_or_default(),
                row.pause.length.as_millis()
            );
        }
    }
    let report = load.finish().await?;
    let longest = rows.iter().map(|row| row.pause.length).max().unwrap_or_default();
    let facts = serde_json::json!({
        "moves": rows.len(),
        "megabytes": arguments.megabytes,
        "pausesMillis": rows.iter().map(|row| row.pause.length.as_millis()).collect::<Vec<_>>(),
        "fencesMillis": rows.iter().map(|row| row.fence).collect::<Vec<_>>(),
        "movesMillis": rows.iter().map(|row| row.whole.as_millis()).collect::<Vec<_>>(),
        "longestPauseMillis": longest.as_millis(),
        "acknowledged": report.acknowledged,
        "lost": report.lost,
        "duplicated": report.duplicated,
        "reads": report.reads,
        "failedReads": report.failed_reads,
        "staleReads": report.stale_reads,
    });
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&facts)?);
    } else {
        println!(
            "{} rows acknowledged: {} lost, {} doubled. {} reads: {} failed, {} stale. Longest pause of a writer: {} ms.",
            report.acknowledged,
            report.lost,
            report.duplicated,
            report.reads,
            report.failed_reads,
            report.stale_reads,
            longest.as_millis()
        );
    }
    scene.close().await?;
    if !report.is_clean() {
        bail!("the load found something: {:?}", report.named);
    }
    Ok(())
}

fn say(arguments: &Arguments, words: &str) {
    if !arguments.json {
        println!("{words}");
    }
}
