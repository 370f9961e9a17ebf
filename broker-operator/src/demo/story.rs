//! The story itself: one order, one changed field, one move; every step told when it is seen.

use std::time::Duration;

use broker_kcp::api::v1alpha1::{Assignment, Migration, MigrationState};
use broker_testkit::provider::SecretReader;
use broker_testkit::provider::verify::verify;
use broker_testkit::wait::{until, until_all};
use futures::try_join;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use serde_json::Value;

use super::DemoError;
use super::facts::{Change, Facts, Reads, in_millis};
use super::progress::{Act, Progress};
use super::stage::{Consumer, NAMESPACE, Provider, Stage};

/// The order's name.
const ORDER: &str = "my-app-cert";
/// What the broker calls its Secret: order and key of the related object.
const SECRET: &str = "my-app-cert-secret";
/// What is ordered at first, and to what the one field is changed.
const BEFORE: &str = "app.internal.corp";
const AFTER: &str = "app.corp.com";
/// A step that takes longer than this never comes.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often the consumer reads its Secret during the move.
const READ_EVERY: Duration = Duration::from_millis(5);

/// Who plays.
#[derive(Debug)]
pub(super) struct Cast<'a> {
    /// Takes names below `.internal.corp`: serves first.
    pub(super) internal: &'a Provider,
    /// Takes names below `.corp.com`: serves after the change.
    pub(super) public: &'a Provider,
    /// Orders.
    pub(super) consumer: &'a Consumer,
}

/// Plays the story and tells what was seen. The operator runs already.
pub(super) async fn play(
    stage: &Stage,
    cast: &Cast<'_>,
    grace: Duration,
    progress: &Progress,
) -> Result<Facts, DemoError> {
    let first_certificate = order(stage, cast, progress).await?;
    let (moved, removed, reads) = change(stage, cast, progress).await?;
    let change = |from: &str, to: &str| Change { from: from.to_owned(), to: to.to_owned() };
    Ok(Facts {
        succeeded: reads.bad() == 0,
        order: format!("{NAMESPACE}/{ORDER}"),
        fqdn: change(BEFORE, AFTER),
        authority: change(cast.internal.authority.name(), cast.public.authority.name()),
        first_certificate_millis: in_millis(first_certificate),
        move_millis: in_millis(moved),
        old_copy_removed_millis: in_millis(removed),
        grace_period_millis: in_millis(grace),
        reads,
    })
}

async fn order(stage: &Stage, cast: &Cast<'_>, progress: &Progress) -> Result<Duration, DemoError> {
    let Cast { internal, consumer, .. } = cast;
    let act = progress.act(&format!("Order: Certificate {ORDER}, fqdn {BEFORE}"))?;
    consumer.order(ORDER, BEFORE).await?;
    act.step("nobody", "ordered")?;
    let (_, _, _, secret, status) = try_join!(
        routed(stage, act),
        copied(internal, act, "nobody", "copy made"),
        issued(internal, act, "nobody", "certificate issued"),
        handed_over(consumer, internal, act),
        told(consumer, internal, act),
    )?;
    Ok(secret.max(status))
}

async fn change(
    stage: &Stage,
    cast: &Cast<'_>,
    progress: &Progress,
) -> Result<(Duration, Duration, Reads), DemoError> {
    let Cast { internal, public, consumer } = cast;
    let roots = [internal, public].map(|provider| provider.authority.certificate().clone());
    let reader = SecretReader::start(consumer.client.clone(), NAMESPACE, SECRET, roots.to_vec(), READ_EVERY);
    let old = internal.authority.name();
    let act = progress.act(&format!("Change of the one field: fqdn {BEFORE} -> {AFTER}"))?;
    consumer.change(ORDER, AFTER).await?;
    act.step(old, "changed")?;
    let (_, _, secret, status, removed, _) = try_join!(
        copied(public, act, old, "replacement made"),
        issued(public, act, old, "replacement ready, its certificate issued"),
        handed_over(consumer, public, act),
        told(consumer, public, act),
        removed(internal, public, act),
        completed(stage, public, act),
    )?;
    let reads = Reads::of(&reader.finish().await?);
    Ok((secret.max(status), removed, reads))
}

/// The broker has decided which offer serves the order.
async fn routed(stage: &Stage, act: Act<'_>) -> Result<Duration, DemoError> {
    let ours = |found: &Assignment| found.spec.order.name == ORDER;
    let recorded = |all: &[Assignment]| all.iter().any(ours);
    let all = watcher::Config::default();
    let found = until_all(&stage.assignments()?, all, "the order to be routed", DEADLINE, recorded).await?;
    let offer = found
        .into_iter()
        .find(ours)
        .and_then(|assignment| assignment.spec.offer)
        .map(|offer| offer.name)
        .unwrap_or_default();
    Ok(act.step("nobody", &format!("routed by the offer {offer}"))?)
}

/// The provider has a copy.
async fn copied(provider: &Provider, act: Act<'_>, serving: &str, what: &str) -> Result<Duration, DemoError> {
    let there = |copies: &[DynamicObject]| !copies.is_empty();
    let waited = format!("a copy at {}", provider.name);
    until_all(&provider.copies(), watcher::Config::default(), &waited, DEADLINE, there).await?;
    Ok(act.step(serving, &format!("{what} at {}", provider.name))?)
}

/// The provider's copy is ready.
async fn issued(provider: &Provider, act: Act<'_>, serving: &str, what: &str) -> Result<Duration, DemoError> {
    let ready = |copies: &[DynamicObject]| copies.iter().any(is_ready);
    let waited = format!("a ready copy at {}", provider.name);
    until_all(&provider.copies(), watcher::Config::default(), &waited, DEADLINE, ready).await?;
    Ok(act.step(serving, &format!("{what} by {}", provider.authority.name()))?)
}

/// The consumer's Secret is the provider's, and good.
async fn handed_over(consumer: &Consumer, provider: &Provider, act: Act<'_>) -> Result<Duration, DemoError> {
    let authority = provider.authority.name();
    let root = [provider.authority.certificate().clone()];
    let good = |secret: Option<&Secret>| verify(secret, &root).leaf().is_some();
    let waited = format!("the Secret {SECRET} to be signed by {authority}");
    until(&consumer.secrets(), SECRET, &waited, DEADLINE, good).await?;
    Ok(act
        .step(authority, &format!("Secret {SECRET} in the consumer's namespace is signed by {authority}"))?)
}

/// The order's status says who serves, for the order as it is now.
async fn told(consumer: &Consumer, provider: &Provider, act: Act<'_>) -> Result<Duration, DemoError> {
    let authority = provider.authority.name();
    let served = |order: Option<&DynamicObject>| {
        order.is_some_and(|order| {
            let status = |pointer| order.data.pointer(pointer);
            status("/status/issuer").is_some_and(|issuer| issuer == authority)
                && status("/status/observedGeneration").and_then(Value::as_i64) == order.metadata.generation
                && is_ready(order)
        })
    };
    let waited = format!("the order to be served by {authority}");
    until(&consumer.orders(), ORDER, &waited, DEADLINE, served).await?;
    Ok(act.step(authority, "the order's status says so")?)
}

/// The old copy is gone.
async fn removed(old: &Provider, new: &Provider, act: Act<'_>) -> Result<Duration, DemoError> {
    let waited = format!("the old copy at {} to be gone", old.name);
    let none = <[DynamicObject]>::is_empty;
    until_all(&old.copies(), watcher::Config::default(), &waited, DEADLINE, none).await?;
    Ok(act.step(new.authority.name(), &format!("old copy at {} removed", old.name))?)
}

/// The move's record says that it is over.
async fn completed(stage: &Stage, new: &Provider, act: Act<'_>) -> Result<Duration, DemoError> {
    let over = |moves: &[Migration]| {
        let states = moves.iter().map(|found| found.status.as_ref().and_then(|status| status.state));
        states.into_iter().any(|state| state == Some(MigrationState::Completed))
    };
    let all = watcher::Config::default();
    until_all(&stage.migrations()?, all, "the move to be completed", DEADLINE, over).await?;
    Ok(act.step(new.authority.name(), "move completed")?)
}

fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").is_some_and(|type_| type_ == "Ready")
            && condition.get("status").is_some_and(|status| status == "True")
    })
}
