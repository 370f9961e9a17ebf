//! Many moves by a playbook, all under way at once: what they cost while they wait, and that all of them end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use broker_kcp::api::v1alpha1::{BrokeredApi, Migration, MigrationConfiguration, MigrationState};
use broker_operator::demo::stage::{NAMESPACE, PLATFORM, Stage};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::{CertificateAuthority, samples};
use broker_testkit::wait::until_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Moves;
use super::calls::Calls;
use super::operator::{self, Operator};
use super::server::until_quiet;

/// Old copies go soon.
const GRACE: Duration = Duration::from_secs(1);
/// A phase of the bench that takes longer has failed.
const DEADLINE: Duration = Duration::from_mins(20);
/// So many requests of this program are on their way at once.
const WIDTH: usize = 16;
/// The broker's account, in the platform's workspace and in the cluster for helpers.
const ACCOUNT: &str = "resource-broker";
/// What everything that is made for a move carries.
const OF_A_MOVE: &str = "broker.platform-mesh.io/migration";
/// The helper of the one stage: it says when it is done.
const HELPER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: mover\ndata:\n  \
                      from: {{ .From.Secrets.secret }}\n  to: {{ .To.Secrets.secret }}\n";

/// What was measured.
#[derive(Debug, Clone, Default)]
struct Numbers {
    /// From the first change of an order to the last helper: every move waits for its stage.
    all_waiting: Duration,
    /// Calls of the broker while all of them waited.
    at_rest: Calls,
    /// From the first helper that is done to the last move that ended, its old copy gone.
    all_ended: Duration,
    /// Calls of the broker for all moves together.
    calls: u64,
    /// Moves by the state they ended in.
    ended: BTreeMap<String, usize>,
    /// The operator's resident memory in MiB: with the orders at rest, with all moves waiting, at its highest.
    memory: Option<(f64, f64, f64)>,
}

/// Measures on the embedded control plane, with another of them for the helpers.
pub(crate) async fn run(asked: &Moves) -> anyhow::Result<()> {
    let binary = asked.operator.clone().map_or_else(operator::beside_this, Ok)?;
    let (platform, helpers) =
        (ControlPlane::builder().start().await?, ControlPlane::builder().start().await?);
    eprintln!("building the stage");
    let stage = Stage::build(platform.admin_config(), "root", GRACE).await?;
    let (internal, public, consumer) = tokio::try_join!(
        stage.provider("internal-ca", CertificateAuthority::new("Internal CA")?),
        stage.provider("public-ca", CertificateAuthority::new("Public CA")?),
        stage.consumer("acme"),
    )?;
    internal.offer(samples::OFFER_INTERNAL).await?;
    public.offer(samples::OFFER_PUBLIC).await?;
    follow_a_playbook(&stage, asked.number).await?;
    let folder = tempfile::tempdir()?;
    let (kubeconfig, compute) = (folder.path().join("broker"), folder.path().join("compute"));
    stage.write_broker_kubeconfig(&kubeconfig)?;
    std::fs::write(&compute, account(&helpers).await?)?;
    let operator = Operator::start(&binary, &kubeconfig, Some(&compute))?;
    let calls = || of_the_broker([&platform, &helpers]);

    eprintln!("placing {} orders", asked.number);
    each(asked.number, |index| {
        let (name, consumer) = (name(index), consumer.clone());
        async move { consumer.order(&name, &format!("{name}.internal.corp")).await.map(drop) }
    })
    .await?;
    let moves = usize::try_from(asked.number)?;
    let served = |orders: &[DynamicObject]| orders.iter().filter(|order| is_served(order)).count() == moves;
    all(&consumer.orders(), watcher::Config::default(), "every order to be served", served).await?;
    until_quiet(async || Ok(calls())).await?;
    let resting = operator.memory();

    eprintln!("moving all of them");
    let before = calls();
    let started = Instant::now();
    each(asked.number, |index| {
        let (name, consumer) = (name(index), consumer.clone());
        async move { consumer.change(&name, &format!("{name}.corp.com")).await.map(drop) }
    })
    .await?;
    let compute = Client::try_from(helpers.admin_config())?;
    let of_a_move = watcher::Config::default().labels(OF_A_MOVE);
    let made = Api::<ConfigMap>::all(compute.clone());
    let helpers_made =
        all(&made, of_a_move.clone(), "every move's helper", |made| made.len() == moves).await?;
    let all_waiting = started.elapsed();

    eprintln!("letting them wait");
    until_quiet(async || Ok(calls())).await?;
    let waiting = operator.memory();
    let rest = calls();
    tokio::time::sleep(Duration::from_secs(asked.window)).await;
    let at_rest = calls().since(rest);

    eprintln!("letting them end");
    let started = Instant::now();
    finish(&compute, &helpers_made).await?;
    let over = |all: &[Migration]| all.len() == moves && all.iter().all(is_over);
    let ended = all(&stage.migrations()?, watcher::Config::default(), "every move to end", over).await?;
    let all_ended = started.elapsed();

    let namespaces = Api::<Namespace>::all(compute);
    all(&namespaces, of_a_move, "no helpers", <[Namespace]>::is_empty).await?;
    until_quiet(async || Ok(calls())).await?;
    let copies = internal.copies().list(&ListParams::default()).await?.items.len();
    ensure!(copies == 0, "{copies} old copies are left");
    let memory = resting
        .zip(waiting)
        .zip(operator.memory())
        .map(|(((resting, _), (waiting, _)), (_, most))| (resting, waiting, most));
    let calls = calls().since(before).others;
    operator.stop().await?;
    let numbers = Numbers { all_waiting, at_rest, all_ended, calls, ended: by_state(&ended), memory };
    println!("{}", markdown(&numbers, asked));
    Ok(())
}

/// Waits for a set of objects.
async fn all<K>(
    api: &Api<K>,
    watched: watcher::Config,
    what: &str,
    holds: impl FnMut(&[K]) -> bool,
) -> anyhow::Result<Vec<K>>
where
    K: kube::Resource + Clone + DeserializeOwned + Serialize + std::fmt::Debug + Send + 'static,
{
    Ok(until_all(api, watched, what, DEADLINE, holds).await?)
}

/// Certificates move by a playbook of one stage, which waits for its helper, so many at the same time.
async fn follow_a_playbook(stage: &Stage, moves: u32) -> anyhow::Result<()> {
    let client = stage.client(PLATFORM)?;
    let brokered: Api<BrokeredApi> = Api::all(client.clone());
    let decreed = Patch::Merge(json!({ "spec": {
        "moves": "PlaybookOnly", "fence": "BestEffort", "limits": { "concurrentMoves": moves },
    } }));
    for api in brokered.list(&ListParams::default()).await? {
        brokered.patch(&api.name_any(), &PatchParams::default(), &decreed).await?;
    }
    let certificate = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Certificate" });
    let playbook: MigrationConfiguration = serde_json::from_value(json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1",
        "kind": "MigrationConfiguration",
        "metadata": { "name": "certificates" },
        "spec": { "from": certificate, "to": certificate, "stages": [{
            "name": "copy", "phase": "Initial",
            "templates": { "mover": HELPER },
            "successConditions": ["has(mover.data.done) && mover.data.done == 'yes'"],
            "timeout": "1h",
        }] },
    }))?;
    Api::<MigrationConfiguration>::all(client).create(&PostParams::default(), &playbook).await?;
    Ok(())
}

/// Lets every helper be done.
async fn finish(client: &Client, helpers: &[ConfigMap]) -> anyhow::Result<()> {
    let done = Patch::Merge(json!({ "data": { "done": "yes" } }));
    stream::iter(helpers)
        .map(anyhow::Ok)
        .try_for_each_concurrent(WIDTH, |helper| {
            let done = &done;
            async move {
                let namespace = helper.namespace().context("a helper without a namespace")?;
                let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
                api.patch(&helper.name_any(), &PatchParams::default(), done).await?;
                Ok(())
            }
        })
        .await
}

/// Does something for each order, several at a time.
async fn each<F, E>(orders: u32, act: impl Fn(u32) -> F) -> anyhow::Result<()>
where
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    stream::iter(0..orders).map(Ok).try_for_each_concurrent(WIDTH, act).await.map_err(anyhow::Error::from)
}

/// The calls that these servers answered to the broker.
fn of_the_broker(servers: [&ControlPlane; 2]) -> Calls {
    let broker = format!(":{ACCOUNT}");
    let mut calls = Calls::default();
    for server in servers {
        let requests = server.requests();
        for (kind, count) in requests.iter().filter(|(kind, _)| kind.user.ends_with(&broker)) {
            calls.count(&kind.verb, &kind.resource, count);
        }
    }
    calls
}

/// An account of the broker's own in the cluster for helpers, so that its calls can be told from this program's.
async fn account(helpers: &ControlPlane) -> anyhow::Result<String> {
    let client = Client::try_from(helpers.admin_config())?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let account = serde_json::from_value(json!({ "metadata": { "name": ACCOUNT } }))?;
    accounts.create(&PostParams::default(), &account).await?;
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": { "name": ACCOUNT },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
    }))?;
    Api::<ClusterRoleBinding>::all(client).create(&PostParams::default(), &binding).await?;
    let asked: TokenRequest =
        serde_json::from_value(json!({ "spec": { "audiences": [], "expirationSeconds": 86_400 } }))?;
    let token = accounts.create_token_request(ACCOUNT, &PostParams::default(), &asked).await?;
    let token = token.status.context("a token request without an answer")?.token;
    Ok(helpers.kubeconfig_with("root", &token))
}

/// The table of the README.
fn markdown(numbers: &Numbers, asked: &Moves) -> String {
    let ended: Vec<String> = numbers.ended.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let memory = numbers.memory.map_or_else(
        || "–".to_owned(),
        |(resting, waiting, most)| format!("{resting:.0} / {waiting:.0} / {most:.0} MiB"),
    );
    let Calls { others, leases, watches } = numbers.at_rest;
    let rows = [
        ("all of them wait for their stage after".to_owned(), seconds(numbers.all_waiting)),
        (format!("calls in {} s while they wait", asked.window), others.to_string()),
        ("  besides: lease, watch renewals".to_owned(), format!("{leases}, {watches}")),
        (
            "from the first stage that is done to the last move that ended".to_owned(),
            seconds(numbers.all_ended),
        ),
        ("ended as".to_owned(), ended.join(", ")),
        ("calls of the broker for a move".to_owned(), (numbers.calls / u64::from(asked.number)).to_string()),
        ("operator memory: orders at rest / moves waiting / highest".to_owned(), memory),
    ];
    let mut text = format!("| {} moves by a playbook of one stage | embedded |\n|---|---|\n", asked.number);
    for (what, cell) in rows {
        // Writing to a String cannot fail.
        writeln!(text, "| {what} | {cell} |").ok();
    }
    text
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn name(index: u32) -> String {
    format!("order-{index}")
}

fn is_served(order: &DynamicObject) -> bool {
    order.data.pointer("/status/relatedResources/secret/name").is_some()
}

fn state(migration: &Migration) -> Option<MigrationState> {
    migration.status.as_ref()?.state
}

fn is_over(migration: &Migration) -> bool {
    use MigrationState as S;
    state(migration).is_some_and(|at| matches!(at, S::Completed | S::Failed | S::RolledBack | S::Cancelled))
}

fn by_state(migrations: &[Migration]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for state in migrations.iter().filter_map(state) {
        *count.entry(format!("{state:?}")).or_default() += 1;
    }
    count
}
