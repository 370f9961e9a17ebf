//! The embedded control plane alone: how soon it answers, how fast it writes and tells watches, what objects take.
//!
//! Client and server share the machine, and the client's part is in every number: over HTTPS it is the client of kube,
//! in process a request built and an answer read.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use broker_testkit::control_plane::{ControlPlane, client_over};
use broker_testkit::wait::until;
use futures::StreamExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::PlaneBench;
use super::numbers::Samples;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// What the control plane does by itself is done by then.
const SOON: Duration = Duration::from_secs(10);
/// What every watch of the bench is open for, in seconds: longer than the bench takes.
const OPEN: u32 = 1_800;

/// What was measured.
#[derive(Debug, Default)]
struct Numbers {
    start: Samples,
    https: Rates,
    in_process: Rates,
    /// MiB that objects took, and how many bytes one is as JSON.
    memory: Option<(f64, usize)>,
}

/// Per second.
#[derive(Debug, Default, Clone, Copy)]
struct Rates {
    writes: f64,
    events: f64,
}

/// How clients get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Https,
    InProcess,
}

/// Measures, and prints the table.
pub(crate) async fn run(asked: &PlaneBench) -> anyhow::Result<()> {
    // The memory first, while this process has none to give to objects.
    let mut numbers = Numbers { memory: memory(asked.objects).await?, ..Numbers::default() };
    for _ in 0..asked.starts {
        numbers.start.push(first_answer().await?);
    }
    for (way, rates) in [(Way::Https, &mut numbers.https), (Way::InProcess, &mut numbers.in_process)] {
        rates.writes = writes(way, asked).await?;
        rates.events = events(way, asked).await?;
    }
    println!("{}", markdown(&numbers, asked));
    Ok(())
}

/// From nothing to the first answer over HTTPS, the client's own work included.
async fn first_answer() -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let server = ControlPlane::builder().start().await?;
    let client = Client::try_from(server.admin_config())?;
    let request = Request::get("/api/v1/namespaces/default").body(Body::empty())?;
    let answer = client.send(request).await?;
    let taken = begun.elapsed();
    ensure!(answer.status().is_success(), "the first answer is {}", answer.status());
    server.shutdown().await;
    Ok(taken)
}

/// Creates objects through clients that each have one request under way; answers how many a second.
async fn writes(way: Way, asked: &PlaneBench) -> anyhow::Result<f64> {
    let server = ControlPlane::builder().start().await?;
    let (clients, each) = (asked.clients, asked.writes / asked.clients);
    let everybody = Arc::new(Barrier::new(usize::try_from(clients)? + 1));
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let (client, everybody) = (client(&server, way)?, Arc::clone(&everybody));
        tasks.spawn(async move {
            read(&client, CONFIG_MAPS).await?;
            everybody.wait().await;
            for index in 0..each {
                create(&client, &format!("of-{number}-{index}")).await?;
            }
            anyhow::Ok(())
        });
    }
    everybody.wait().await;
    let begun = Instant::now();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let rate = f64::from(clients * each) / begun.elapsed().as_secs_f64();
    server.shutdown().await;
    Ok(rate)
}

/// Watches that are open while objects are written in process; answers how many events a second reach them.
async fn events(way: Way, asked: &PlaneBench) -> anyhow::Result<f64> {
    let total = u64::from(asked.watches) * u64::from(asked.events);
    let capacity = usize::try_from(asked.events)? + 1;
    let server = ControlPlane::builder().replayable_changes(capacity).start().await?;
    // Every namespace gets one, a moment after the start: no event of the bench's.
    let furniture: Api<ConfigMap> = Api::namespaced(client(&server, Way::InProcess)?, "default");
    until(&furniture, "kube-root-ca.crt", "the namespace to be furnished", SOON, |found| found.is_some())
        .await?;
    let seen = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..asked.watches {
        let client = client(&server, way)?;
        let revision = server.revision();
        let path = format!("{CONFIG_MAPS}?watch=true&resourceVersion={revision}&timeoutSeconds={OPEN}");
        let answer = client.send(Request::get(path).body(Body::empty())?).await?;
        let (seen, wanted) = (Arc::clone(&seen), asked.events);
        tasks.spawn(async move { count(answer.into_body(), wanted, &seen).await });
    }
    let writer = client(&server, Way::InProcess)?;
    let begun = Instant::now();
    for index in 0..asked.events {
        create(&writer, &format!("event-{index}")).await?;
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let rate = f64::from(asked.watches) * f64::from(asked.events) / begun.elapsed().as_secs_f64();
    let counted = seen.load(Ordering::Relaxed);
    ensure!(counted == total, "{counted} events of {total} came");
    server.shutdown().await;
    Ok(rate)
}

/// Counts events, which are a line each, until all of them came.
async fn count(body: Body, wanted: u32, seen: &AtomicU64) -> anyhow::Result<()> {
    let mut frames = body.into_data_stream();
    let mut left = usize::try_from(wanted)?;
    while left > 0 {
        let frame = frames.next().await.context("a watch ended too early")??;
        let lines = frame.split(|byte| *byte == b'\n').count().saturating_sub(1);
        seen.fetch_add(u64::try_from(lines)?, Ordering::Relaxed);
        left = left.saturating_sub(lines);
    }
    Ok(())
}

/// What objects take beyond what the control plane takes without them, where the system tells.
async fn memory(objects: u32) -> anyhow::Result<Option<(f64, usize)>> {
    let server = ControlPlane::builder().start().await?;
    let client = client(&server, Way::InProcess)?;
    create(&client, "first").await?;
    let size = read(&client, &format!("{CONFIG_MAPS}/first")).await?.len();
    let before = resident();
    for index in 0..objects {
        create(&client, &format!("object-{index}")).await?;
    }
    let taken = before.zip(resident()).map(|(before, after)| (after - before, size));
    server.shutdown().await;
    Ok(taken)
}

/// The resident memory of this process in MiB.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1_024.0)
}

fn client(server: &ControlPlane, way: Way) -> anyhow::Result<Client> {
    let config: Config = server.admin_config();
    Ok(match way {
        Way::Https => Client::try_from(config)?,
        Way::InProcess => client_over(server.in_process(), &config)?,
    })
}

/// A small object: a label and three values.
async fn create(client: &Client, name: &str) -> anyhow::Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "bench"}},
        "data": {"host": "database.internal.corp", "port": "5432", "options": "sslmode=verify-full"},
    });
    let request = Request::post(CONFIG_MAPS)
        .header("Content-Type", "application/json")
        .body(Body::from(object.to_string().into_bytes()))?;
    let answer = client.send(request).await?;
    ensure!(answer.status().as_u16() == 201, "{name} is not created: {}", answer.status());
    answer.into_body().collect().await?;
    Ok(())
}

async fn read(client: &Client, path: &str) -> anyhow::Result<Vec<u8>> {
    let answer = client.send(Request::get(path).body(Body::empty())?).await?;
    Ok(answer.into_body().collect().await?.to_bytes().to_vec())
}

fn markdown(numbers: &Numbers, asked: &PlaneBench) -> String {
    let mut text = String::from("| embedded control plane | HTTPS | in process |\n|---|--:|--:|\n");
    let mut row = |what: String, https: String, in_process: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {what} | {https} | {in_process} |");
    };
    let shown = |percent| {
        let sample = numbers.start.percentile(percent).unwrap_or_default();
        format!("{:.0} ms", sample.as_secs_f64() * 1_000.0)
    };
    row(
        "from nothing to the first answer, P50 / P99".to_owned(),
        format!("{} / {}", shown(50), shown(99)),
        String::new(),
    );
    let rate = |rate: f64| format!("{rate:.0}");
    row(
        format!("writes a second, {} clients", asked.clients),
        rate(numbers.https.writes),
        rate(numbers.in_process.writes),
    );
    row(
        format!("events a second, {} watches", asked.watches),
        rate(numbers.https.events),
        rate(numbers.in_process.events),
    );
    let (taken, size) = numbers
        .memory
        .map_or_else(|| ("unknown".to_owned(), 0), |(taken, size)| (format!("{taken:.0} MiB"), size));
    row(format!("memory of {} objects of {size} bytes", asked.objects), String::new(), taken);
    text
}
