//! A broker that starts beside many orders at rest: how soon it is at rest itself, what it writes for it, and how much
//! memory it takes.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use broker_operator::demo::stage::Stage;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::{CertificateAuthority, samples};
use broker_testkit::wait::until_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::DynamicObject;
use kube::runtime::watcher;
use kube::{Client, Config};
use serde_json::Value;
use tokio::process::Command;

use super::Restart;
use super::calls::Calls;
use super::operator::{self, Operator};
use super::server::until_quiet;

/// A phase of the bench that takes longer has failed.
const DEADLINE: Duration = Duration::from_mins(20);
/// So many requests of this program are on their way at once.
const WIDTH: usize = 16;
/// How often the broker is asked whether it is at rest.
const LOOK: Duration = Duration::from_millis(10);

/// What was measured.
#[derive(Debug, Clone, Default)]
struct Numbers {
    /// From the start until all caches are synced.
    ready: Duration,
    /// From the start until the queues are empty.
    at_rest: Duration,
    /// Writes of the broker from its start on, but on its Lease.
    writes: u64,
    /// All its calls but those and watches.
    calls: u64,
    /// Its resident memory in MiB: at rest, and at its highest.
    memory: Option<(f64, f64)>,
    /// How long `status -A` takes.
    status: Duration,
}

/// Measures on the embedded control plane.
pub(crate) async fn run(asked: &Restart) -> anyhow::Result<()> {
    let binary = asked.operator.clone().map_or_else(operator::beside_this, Ok)?;
    let server = ControlPlane::builder().start().await?;
    eprintln!("building the stage");
    let stage = Stage::build(server.admin_config(), "root", Duration::from_secs(1)).await?;
    let (authority, consumer) = tokio::try_join!(
        stage.provider("internal-ca", CertificateAuthority::new("Internal CA")?),
        stage.consumer("acme")
    )?;
    authority.offer(samples::OFFER_INTERNAL).await?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("broker");
    stage.write_broker_kubeconfig(&kubeconfig)?;
    let calls = async || Ok(of_the_broker(&server).0);

    eprintln!("placing {} orders", asked.orders);
    let first = Operator::start(&binary, &kubeconfig, None)?;
    stream::iter(0..asked.orders)
        .map(anyhow::Ok)
        .try_for_each_concurrent(WIDTH, |index| {
            let consumer = consumer.clone();
            async move {
                let name = format!("order-{index}");
                consumer.order(&name, &format!("{name}.internal.corp")).await?;
                Ok(())
            }
        })
        .await?;
    let count = usize::try_from(asked.orders)?;
    let all_served =
        |orders: &[DynamicObject]| orders.iter().filter(|order| is_served(order)).count() == count;
    until_all(
        &consumer.orders(),
        watcher::Config::default(),
        "every order to be served",
        DEADLINE,
        all_served,
    )
    .await?;
    until_quiet(calls).await?;
    let status = status(&binary, &kubeconfig, count).await?;
    first.stop().await?;

    eprintln!("starting another broker");
    let (probes, metrics) = (free_address()?, free_address()?);
    let (calls_before, writes_before) = of_the_broker(&server);
    let started = Instant::now();
    let second = Operator::start_alone(&binary, &kubeconfig, &probes, &metrics)?;
    let at = |address: &str| anyhow::Ok(Client::try_from(Config::new(format!("http://{address}").parse()?))?);
    let (probes, metrics) = (at(&probes)?, at(&metrics)?);
    until(&probes, "/readyz", |_| true).await?;
    let ready = started.elapsed();
    until(&metrics, "/metrics", |text| looks_at_orders(text) >= u64::from(asked.orders)).await?;
    until(&probes, "/debug/queues", queues_are_empty).await?;
    let at_rest = started.elapsed();
    until_quiet(calls).await?;
    let (calls, writes) = of_the_broker(&server);
    let numbers = Numbers {
        ready,
        at_rest,
        writes: writes - writes_before,
        calls: calls.since(calls_before).others,
        memory: second.memory(),
        status,
    };
    second.stop().await?;
    println!("{}", markdown(&numbers, asked));
    Ok(())
}

/// How long `status -A` takes, which must find all orders.
async fn status(binary: &Path, kubeconfig: &Path, orders: usize) -> anyhow::Result<Duration> {
    let mut command = Command::new(binary);
    command.args(["status", "-A", "-o", "json", "--kubeconfig"]).arg(kubeconfig);
    let started = Instant::now();
    let output = command.output().await.context("`status -A` cannot be started")?;
    let took = started.elapsed();
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`status -A` failed: {told}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).context("the answer of `status -A`")?;
    ensure!(rows.len() == orders, "`status -A` found {} orders", rows.len());
    Ok(took)
}

/// An address on this machine that nobody listens at. (Somebody may, before we do; then the bench fails and says so.)
fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Asks until the answer is good and as it should be.
async fn until(client: &Client, path: &str, holds: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let asking = async {
        loop {
            let request = http::Request::get(path).body(Vec::new())?;
            if client.request_text(request).await.is_ok_and(|answer| holds(&answer)) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.with_context(|| format!("{path} does not say so"))?
}

/// How often orders were looked at, as the metrics tell.
fn looks_at_orders(metrics: &str) -> u64 {
    let counter = "resource_broker_reconcile_duration_seconds_count{controller=\"order\"}";
    let looks = metrics.lines().find_map(|line| line.strip_prefix(counter)?.trim().parse().ok());
    looks.unwrap_or_default()
}

fn queues_are_empty(answer: &str) -> bool {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let queues = answer.get("queues").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let none = |queue: &Value, key: &str| queue.get(key).and_then(Value::as_u64) == Some(0);
    !queues.is_empty() && queues.iter().all(|queue| none(queue, "depth") && none(queue, "running"))
}

/// The calls that were answered to the broker, and the writes among them but those on its Lease.
fn of_the_broker(server: &ControlPlane) -> (Calls, u64) {
    let (mut calls, mut writes) = (Calls::default(), 0);
    let requests = server.requests();
    for (kind, count) in requests.iter().filter(|(kind, _)| kind.user.ends_with(":resource-broker")) {
        calls.count(&kind.verb, &kind.resource, count);
        let reads = ["get", "list", "watch"].iter().any(|verb| kind.verb.eq_ignore_ascii_case(verb));
        if !reads && kind.resource != "leases" {
            writes += count;
        }
    }
    (calls, writes)
}

/// The table of the README.
fn markdown(numbers: &Numbers, asked: &Restart) -> String {
    let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
    let memory =
        numbers.memory.map_or_else(|| "–".to_owned(), |(now, most)| format!("{now:.0} / {most:.0} MiB"));
    let rows = [
        ("all caches synced after", seconds(numbers.ready)),
        ("every order looked at, at rest after", seconds(numbers.at_rest)),
        ("writes", numbers.writes.to_string()),
        ("other calls, but watches and the Lease", numbers.calls.to_string()),
        ("memory at rest / highest", memory),
        ("`status -A`", seconds(numbers.status)),
    ];
    let mut text =
        format!("| a broker starts beside {} orders at rest | embedded |\n|---|---|\n", asked.orders);
    for (what, cell) in rows {
        // Writing to a String cannot fail.
        writeln!(text, "| {what} | {cell} |").ok();
    }
    text
}

fn is_served(order: &DynamicObject) -> bool {
    order.data.pointer("/status/relatedResources/secret/name").is_some()
}
