//! The measurements themselves, the same on every server.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use broker_kcp::api::v1alpha1::{Migration, MigrationState};
use broker_operator::demo::stage::{Consumer, Provider, Stage};
use broker_testkit::provider::{CertificateAuthority, Conduct, samples};
use broker_testkit::wait::until_all;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use kube::api::{DeleteParams, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::E2e;
use super::numbers::Numbers;
use super::operator::{self, Operator};
use super::server::{Server, until_quiet};

/// Old copies go soon, so that they do not pile up; no measurement waits for it.
const GRACE: Duration = Duration::from_secs(1);
/// A single step that takes longer has failed.
const DEADLINE: Duration = Duration::from_mins(1);
/// So many requests of the burst are on their way at once.
const BURST_WIDTH: usize = 16;

/// Measures everything on one server.
pub(crate) async fn measure(server: &Server, asked: &E2e) -> anyhow::Result<Numbers> {
    let binary = asked.operator.clone().map_or_else(operator::beside_this, Ok)?;
    eprintln!("{}: building the stage", server.name());
    let stage = Stage::build(server.admin(), "root", GRACE).await?;
    let (internal, public, consumer) = tokio::try_join!(
        stage.provider("internal-ca", CertificateAuthority::new("Internal CA")?),
        stage.provider("public-ca", CertificateAuthority::new("Public CA")?),
        stage.consumer("acme"),
    )?;
    internal.offer(samples::OFFER_INTERNAL).await?;
    public.offer(samples::OFFER_PUBLIC).await?;

    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("broker.kubeconfig");
    stage.write_broker_kubeconfig(&kubeconfig)?;
    let operator = Operator::start(&binary, &kubeconfig, None)?;

    eprintln!("{}: placing and moving {} orders, one after the other", server.name(), asked.orders);
    let mut latencies = latencies(asked, &stage, &internal, &public, &consumer).await?;
    eprintln!("{}: letting {} of them rest", server.name(), asked.resting);
    reduce(&consumer, &internal, &public, asked.resting).await?;
    until_quiet(|| server.calls()).await?;
    let before = server.calls().await?;
    tokio::time::sleep(Duration::from_secs(asked.window)).await;
    latencies.at_rest = server.calls().await?.since(before);
    let resting = operator.memory();

    eprintln!("{}: a burst of {} orders", server.name(), asked.burst);
    latencies.burst = burst(asked, &internal, &consumer).await?;
    latencies.memory = resting.zip(operator.memory()).map(|((now, _), (_, most))| (now, most));
    operator.stop().await?;
    Ok(latencies)
}

type Events = Pin<Box<dyn Stream<Item = Result<Event<DynamicObject>, watcher::Error>> + Send>>;

/// Opens a watch and skips what is there already.
async fn follow(api: Api<DynamicObject>) -> anyhow::Result<Events> {
    let mut events: Events = Box::pin(watcher(api, watcher::Config::default()));
    while let Some(event) = events.try_next().await? {
        if matches!(event, Event::InitDone) {
            return Ok(events);
        }
    }
    bail!("the watch ended")
}

/// Waits for an object on an open watch, and says when it came.
async fn seen(
    events: &mut Events,
    what: &str,
    fits: impl Fn(&DynamicObject) -> bool,
) -> anyhow::Result<Instant> {
    let search = async {
        while let Some(event) = events.try_next().await? {
            if let Event::Apply(object) | Event::InitApply(object) = event
                && fits(&object)
            {
                return Ok(Instant::now());
            }
        }
        bail!("the watch ended")
    };
    tokio::time::timeout(DEADLINE, search).await.with_context(|| format!("waited {DEADLINE:?} for {what}"))?
}

async fn latencies(
    asked: &E2e,
    stage: &Stage,
    internal: &Provider,
    public: &Provider,
    consumer: &Consumer,
) -> anyhow::Result<Numbers> {
    let mut numbers = Numbers::default();
    let mut made = follow(internal.copies()).await?;
    let mut ready = follow(internal.copies()).await?;
    let mut replaced = follow(public.copies()).await?;
    let mut orders = follow(consumer.orders()).await?;
    for index in 0..asked.orders {
        let (name, before, after) = names(index);
        let started = Instant::now();
        consumer.order(&name, &before).await?;
        let (copied, issued, served) = tokio::try_join!(
            seen(&mut made, "the copy", |copy| fqdn(copy) == before),
            seen(&mut ready, "the ready copy", |copy| fqdn(copy) == before && is_ready(copy)),
            seen(&mut orders, "the served order", |order| served_by(order, &name, internal)),
        )?;
        numbers.order_to_copy.push(copied - started);
        numbers.status_to_consumer.push(served.saturating_duration_since(issued));

        let started = Instant::now();
        consumer.change(&name, &after).await?;
        let (replaced, switched) = tokio::try_join!(
            seen(&mut replaced, "the ready replacement", |copy| fqdn(copy) == after && is_ready(copy)),
            seen(&mut orders, "the switch", |order| served_by(order, &name, public)),
        )?;
        numbers.change_to_switched.push(switched - started);
        numbers.replaced_to_switched.push(switched.saturating_duration_since(replaced));
    }
    let over = |all: &[Migration]| {
        all.len() == usize::try_from(asked.orders).unwrap_or_default() && all.iter().all(has_ended)
    };
    let moves =
        until_all(&stage.migrations()?, watcher::Config::default(), "the moves to end", DEADLINE, over)
            .await?;
    for pause in moves.iter().filter_map(pause) {
        numbers.switch_pause.push(pause);
    }
    Ok(numbers)
}

fn has_ended(migration: &Migration) -> bool {
    migration.status.as_ref().and_then(|status| status.state) == Some(MigrationState::Completed)
}

/// How long the switch took, by the move's receipt.
fn pause(migration: &Migration) -> Option<Duration> {
    let millis = migration.status.as_ref()?.receipt.as_ref()?.switch_pause_millis?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// Deletes orders until so many are left, and waits until nothing of the others is.
async fn reduce(
    consumer: &Consumer,
    internal: &Provider,
    public: &Provider,
    left: u32,
) -> anyhow::Result<()> {
    let left = usize::try_from(left)?;
    let present = consumer.orders().list(&kube::api::ListParams::default()).await?;
    for order in present.iter().skip(left) {
        consumer.orders().delete(&order.name_any(), &DeleteParams::default()).await?;
    }
    let left = left.min(present.items.len());
    until_count(&consumer.orders(), "the others to be gone", left).await?;
    until_count(&internal.copies(), "the old copies to be gone", 0).await?;
    until_count(&public.copies(), "one copy for each order", left).await
}

async fn until_count(api: &Api<DynamicObject>, what: &str, count: usize) -> anyhow::Result<()> {
    until_all(api, watcher::Config::default(), what, DEADLINE, |all| all.len() == count).await?;
    Ok(())
}

/// Places many orders at once and waits for the last copy. The authority is away meanwhile: what is measured
/// is the broker, not what else this machine does for a certificate.
async fn burst(asked: &E2e, internal: &Provider, consumer: &Consumer) -> anyhow::Result<Duration> {
    internal.authority.set_conduct(Conduct::Away);
    let mut made = follow(internal.copies()).await?;
    let started = Instant::now();
    let placing = stream::iter((0..asked.burst).map(|index| async move {
        let name = format!("burst-{index}");
        consumer.order(&name, &format!("{name}.internal.corp")).await
    }))
    .buffer_unordered(BURST_WIDTH)
    .try_for_each(|_| async { Ok(()) });
    let counting = async {
        let mut copies = BTreeMap::new();
        while copies.len() < usize::try_from(asked.burst)? {
            let Some(event) = made.try_next().await? else { bail!("the watch ended") };
            if let Event::Apply(copy) | Event::InitApply(copy) = event {
                copies.entry(fqdn(&copy).to_owned()).or_insert_with(Instant::now);
            }
        }
        copies.into_values().max().context("an empty burst")
    };
    let both = async { tokio::try_join!(async { placing.await.map_err(anyhow::Error::from) }, counting) };
    let ((), last) = tokio::time::timeout(DEADLINE * 10, both).await.context("the burst is not over")??;
    Ok(last - started)
}

fn names(index: u32) -> (String, String, String) {
    let name = format!("order-{index}");
    (name.clone(), format!("{name}.internal.corp"), format!("{name}.corp.com"))
}

fn fqdn(object: &DynamicObject) -> &str {
    object.data.pointer("/spec/fqdn").and_then(Value::as_str).unwrap_or_default()
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").is_some_and(|type_| type_ == "Ready")
            && condition.get("status").is_some_and(|status| status == "True")
    })
}

/// Whether the order is served as it stands, with its Secret named.
fn served_by(order: &DynamicObject, name: &str, provider: &Provider) -> bool {
    let status = |pointer| order.data.pointer(pointer);
    order.metadata.name.as_deref() == Some(name)
        && is_ready(order)
        && status("/status/observedGeneration").and_then(Value::as_i64) == order.metadata.generation
        && status("/status/issuer").is_some_and(|issuer| issuer == provider.authority.name())
        && status("/status/relatedResources/secret/name").is_some()
}
