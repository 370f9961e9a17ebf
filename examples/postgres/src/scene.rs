//! The platform, two providers with a server each, the mover, the operator, and one consumer with one database.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use broker_kcp::api::v1alpha1::{AcceptApi, Migration, MigrationConfiguration, MigrationState, Receipt};
use broker_operator::demo::stage::{NAMESPACE, Stage};
use broker_operator::init::Server;
use broker_operator::{Operator, OperatorError};
use broker_testkit::compute::{JobController, Programs, job_resource, serve_jobs};
use broker_testkit::provider::postgres::{
    DATABASE_MOVES, Mover, PostgresProvider, PostgresServer, database_move_resource, database_resource,
    programs,
};
use broker_testkit::provider::samples;
use broker_testkit::wait::{until, until_all};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where the database may be.
pub const ZONES: [&str; 2] = ["eu", "us"];
/// The order.
pub const ORDER: &str = "customer-a-db";
/// What the consumer connects with.
pub const SECRET: &str = "customer-a-db-credentials";
/// The consumer's workspace.
pub const CONSUMER: &str = "acme";
/// The workspace where helpers run.
const COMPUTE: &str = "compute";
/// Longer than anything here takes with a gigabyte on a busy machine.
const DEADLINE: Duration = Duration::from_mins(15);

/// How the database moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By logical replication, while it is written to.
    Replication,
    /// By `pg_dump` and `pg_restore`, run by Jobs, while writes are held up.
    Dump,
}

/// Everything at work. It ends when it is dropped.
pub struct Scene {
    stage: Stage,
    /// The server of each zone.
    pub servers: [PostgresServer; 2],
    consumer: Client,
    compute: (Client, Config),
    providers: [Client; 2],
    operator: Option<(CancellationToken, JoinHandle<Result<(), OperatorError>>)>,
    mover: Option<(CancellationToken, JoinHandle<()>)>,
    jobs: Option<(CancellationToken, JoinHandle<()>)>,
    _until_dropped: DropGuard,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// What a move was like, by its record.
#[derive(Clone, Debug)]
pub struct MoveFacts {
    /// Its record's name.
    pub name: String,
    /// How it ended.
    pub state: MigrationState,
    /// The last word about it.
    pub message: String,
    /// When what happened.
    pub receipt: Receipt,
}

impl Scene {
    /// Opens the platform below `tree`, which exists, on a server whose administrator `admin` is.
    pub async fn open(way: Way, admin: Config, tree: &str, grace: Duration) -> anyhow::Result<Self> {
        let stage = Stage::build_with(admin.clone(), tree, grace, &[samples::DATABASES]).await?;
        let stop = CancellationToken::new();
        let [eu, us] = ZONES;
        let (first, second) = tokio::try_join!(PostgresServer::start(eu), PostgresServer::start(us))?;
        let servers = [first, second];
        let offers = [samples::OFFER_DATABASES_EU, samples::OFFER_DATABASES_US];
        for (server, offer) in servers.iter().zip(offers) {
            let agent = stage.agent(server.name()).await?;
            let offer: AcceptApi = serde_saphyr::from_str(offer)?;
            let offered: Api<AcceptApi> = Api::namespaced(agent.clone(), NAMESPACE);
            offered.create(&PostParams::default(), &offer).await.context("the offer")?;
            let (provider, zone, stop) =
                (PostgresProvider::new(server), server.name().to_owned(), stop.clone());
            tokio::spawn(async move { report(&zone, provider.run(agent, stop).await) });
        }
        let consumer = stage.consumer(CONSUMER).await?.client;
        let compute = stage.consumer(COMPUTE).await?.client;
        serve_helpers(&compute, way).await?;
        let playbooks: Api<MigrationConfiguration> = Api::all(stage.client("platform")?);
        let playbook: MigrationConfiguration = serde_saphyr::from_str(match way {
            Way::Replication => samples::DATABASES_PLAYBOOK,
            Way::Dump => samples::DATABASES_DUMP_PLAYBOOK,
        })?;
        playbooks.create(&PostParams::default(), &playbook).await.context("the playbook")?;
        let config = Server::from_config(admin).config(&stage.path(COMPUTE))?;
        let providers = [stage.client(eu)?, stage.client(us)?];
        let mut scene = Self {
            stage,
            servers,
            consumer,
            compute: (compute, config),
            providers,
            operator: None,
            mover: None,
            jobs: None,
            _until_dropped: stop.drop_guard(),
        };
        match way {
            Way::Replication => scene.start_the_mover(),
            Way::Dump => scene.start_the_jobs(programs()?),
        }
        scene.start_the_operator().await?;
        Ok(scene)
    }

    /// Starts the operator.
    pub async fn start_the_operator(&mut self) -> anyhow::Result<()> {
        let lease = Duration::from_secs(5);
        let operator = Operator::builder()
            .config(self.stage.broker().clone())
            .compute(self.compute.1.clone())
            .lease_times(lease, lease / 5)
            .build()
            .await?;
        let stop = CancellationToken::new();
        let running = tokio::spawn(operator.run(stop.clone().cancelled_owned()));
        self.operator = Some((stop, running));
        Ok(())
    }

    /// Ends the operator without a word, whatever it is doing.
    pub fn kill_the_operator(&mut self) {
        if let Some((_, running)) = self.operator.take() {
            running.abort();
        }
    }

    /// Starts a mover.
    pub fn start_the_mover(&mut self) {
        let mover = Mover::new(self.servers.iter().map(PostgresServer::administrator));
        let (stop, client) = (CancellationToken::new(), self.compute.0.clone());
        let until = stop.clone();
        let working = tokio::spawn(async move { report("mover", mover.run(client, until).await) });
        self.mover = Some((stop, working));
    }

    /// Ends the mover without a word, whatever it is doing. What it knew is gone.
    pub async fn kill_the_mover(&mut self) {
        if let Some((_, working)) = self.mover.take() {
            working.abort();
            // Cancelled, which is what was asked for.
            working.await.ok();
        }
    }

    /// Starts what runs Jobs in the cluster for helpers, with these programs.
    pub fn start_the_jobs(&mut self, programs: Programs) {
        let (stop, client) = (CancellationToken::new(), self.compute.0.clone());
        let until = stop.clone();
        let working =
            tokio::spawn(
                async move { report("jobs", JobController::new(programs).run(client, until).await) },
            );
        self.jobs = Some((stop, working));
    }

    /// Ends what runs Jobs without a word, with all that runs.
    pub async fn kill_the_jobs(&mut self) {
        if let Some((_, working)) = self.jobs.take() {
            working.abort();
            // Cancelled, which is what was asked for.
            working.await.ok();
        }
    }

    /// The consumer's Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.consumer.clone(), NAMESPACE)
    }

    /// The consumer's orders.
    pub fn orders(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.consumer.clone(), NAMESPACE, &database_resource())
    }

    /// The copies in a zone.
    pub fn copies(&self, zone: usize) -> anyhow::Result<Api<DynamicObject>> {
        let client = self.providers.get(zone).ok_or_else(|| anyhow!("there are two zones"))?;
        Ok(Api::namespaced_with(client.clone(), NAMESPACE, &database_resource()))
    }

    /// The steps of all moves.
    pub fn steps(&self) -> Api<DynamicObject> {
        Api::all_with(self.compute.0.clone(), &database_move_resource())
    }

    /// The cluster where helpers run.
    pub fn compute(&self) -> Client {
        self.compute.0.clone()
    }

    /// Waits until a step of a move, by its helper's name, is in a phase (any, where none is given).
    pub async fn until_step(&self, name: &str, phase: Option<&str>) -> anyhow::Result<()> {
        let is_there = |step: &DynamicObject| {
            let at = step.data.pointer("/status/phase").and_then(Value::as_str);
            step.name_any() == name && (phase.is_none() || phase == at)
        };
        let (all, what) = (watcher::Config::default(), format!("the step {name} to be {phase:?}"));
        until_all(&self.steps(), all, &what, DEADLINE, |steps| steps.iter().any(is_there)).await?;
        Ok(())
    }

    /// Waits until a Job of a move is there, by its name.
    pub async fn until_job(&self, name: &str) -> anyhow::Result<()> {
        let jobs: Api<DynamicObject> = Api::all_with(self.compute(), &job_resource());
        let is_there = |jobs: &[DynamicObject]| jobs.iter().any(|job| job.name_any() == name);
        until_all(&jobs, watcher::Config::default(), &format!("the Job {name}"), DEADLINE, is_there).await?;
        Ok(())
    }

    /// Waits until a move is under way, and returns its record's name.
    pub async fn until_moving(&self) -> anyhow::Result<String> {
        let under_way = |found: &&Migration| found.status.is_some() && ended(found).is_none();
        let (all, migrations) = (watcher::Config::default(), self.migrations()?);
        let any = |all: &[Migration]| all.iter().any(|found| under_way(&found));
        let found = until_all(&migrations, all, "a move to be under way", DEADLINE, any).await?;
        found
            .iter()
            .find(under_way)
            .map(kube::ResourceExt::name_any)
            .ok_or_else(|| anyhow!("the move went away"))
    }

    /// A person's word on a move.
    pub async fn tell(&self, migration: &str, spec: Value) -> anyhow::Result<()> {
        let word = Patch::Merge(json!({ "spec": spec }));
        self.migrations()?
            .patch(migration, &PatchParams::default(), &word)
            .await
            .context("a person's word")?;
        Ok(())
    }

    /// The records of moves.
    pub fn migrations(&self) -> anyhow::Result<Api<Migration>> {
        Ok(self.stage.migrations()?)
    }

    /// Orders the database, and waits until it can be used.
    pub async fn order(&self) -> anyhow::Result<()> {
        let order: DynamicObject = serde_saphyr::from_str(samples::DATABASE)?;
        self.orders().create(&PostParams::default(), &order).await.context("the order")?;
        self.until_served("eu").await?;
        let there = |secret: Option<&Secret>| secret.is_some();
        until(&self.secrets(), SECRET, "the credentials", DEADLINE, there).await?;
        Ok(())
    }

    /// Lets the order want another region.
    pub async fn relocate(&self, zone: &str) -> anyhow::Result<()> {
        let change = Patch::Merge(json!({"metadata": {"labels": {"region": format!("{zone}-central-1")}}}));
        self.orders().patch(ORDER, &PatchParams::default(), &change).await.context("the change of region")?;
        Ok(())
    }

    /// Waits until the order is served from a zone, and ready.
    pub async fn until_served(&self, zone: &str) -> anyhow::Result<()> {
        self.until_brokered(zone, "Bound").await
    }

    /// Waits until the order is served from a zone, and ready, and is told that a person decides about the rest.
    pub async fn until_left_to_a_person(&self, zone: &str) -> anyhow::Result<()> {
        self.until_brokered(zone, "MoveFailed").await
    }

    async fn until_brokered(&self, zone: &str, reason: &str) -> anyhow::Result<()> {
        let served =
            |order: Option<&DynamicObject>| order.is_some_and(|order| is_served(&order.data, zone, reason));
        let what = format!("the database to be served in {zone} ({reason})");
        until(&self.orders(), ORDER, &what, DEADLINE, served).await?;
        Ok(())
    }

    /// The moves so far that are over, by name.
    pub async fn ended_moves(&self) -> anyhow::Result<Vec<String>> {
        let all = self.migrations()?.list(&kube::api::ListParams::default()).await?;
        Ok(all.iter().filter(|found| ended(found).is_some()).map(kube::ResourceExt::name_any).collect())
    }

    /// Waits until a move is over that is none of these.
    pub async fn until_moved(&self, before: &[String]) -> anyhow::Result<MoveFacts> {
        let new = |found: &Migration| Some(ended(found)?).filter(|facts| !before.contains(&facts.name));
        let all = watcher::Config::default();
        let migrations = self.migrations()?;
        let any = |all: &[Migration]| all.iter().any(|found| new(found).is_some());
        let found = until_all(&migrations, all, "a move to be over", DEADLINE, any).await?;
        found.iter().find_map(new).ok_or_else(|| anyhow!("the move went away"))
    }

    /// Waits until this move is over.
    pub async fn until_over(&self, migration: &str) -> anyhow::Result<MoveFacts> {
        let is_over = |found: Option<&Migration>| found.and_then(ended).is_some();
        let what = format!("the move {migration} to be over");
        let found = until(&self.migrations()?, migration, &what, DEADLINE, is_over).await?;
        found.as_ref().and_then(ended).ok_or_else(|| anyhow!("the move went away"))
    }

    /// Waits until the record of a move says something with these words in it.
    pub async fn until_told(&self, migration: &str, words: &str) -> anyhow::Result<()> {
        let is_told = |found: Option<&Migration>| {
            let message = found.and_then(|found| found.status.as_ref()?.message.as_ref());
            message.is_some_and(|message| message.contains(words))
        };
        let what = format!("the move to say {words:?}");
        until(&self.migrations()?, migration, &what, DEADLINE, is_told).await?;
        Ok(())
    }

    /// Removes the record of a move that is over: what failed is not held against the offer any more.
    pub async fn forget(&self, migration: &str) -> anyhow::Result<()> {
        self.migrations()?.delete(migration, &DeleteParams::default()).await.context("the record")?;
        Ok(())
    }

    /// Ends the operator as a signal does.
    pub async fn close(mut self) -> anyhow::Result<()> {
        if let Some((stop, running)) = self.operator.take() {
            stop.cancel();
            running.await.context("the operator broke down")??;
        }
        if let Some((stop, working)) = self.mover.take() {
            stop.cancel();
            working.await.context("the mover broke down")?;
        }
        if let Some((stop, working)) = self.jobs.take() {
            stop.cancel();
            working.await.context("what runs Jobs broke down")?;
        }
        Ok(())
    }
}

/// Lets the cluster for helpers serve what the playbook makes.
async fn serve_helpers(compute: &Client, way: Way) -> anyhow::Result<()> {
    if way == Way::Dump {
        return Ok(serve_jobs(compute).await?);
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(compute.clone());
    let definition: CustomResourceDefinition = serde_saphyr::from_str(DATABASE_MOVES)?;
    definitions.create(&PostParams::default(), &definition).await.context("the mover's kind")?;
    await_condition(definitions, &definition.name_any(), conditions::is_crd_established()).await?;
    Ok(())
}

/// The facts of a move that is over.
fn ended(found: &Migration) -> Option<MoveFacts> {
    let status = found.status.as_ref()?;
    let state = status.state?;
    let is_over = matches!(
        state,
        MigrationState::Completed
            | MigrationState::Failed
            | MigrationState::RolledBack
            | MigrationState::Cancelled
    );
    is_over.then(|| MoveFacts {
        name: found.name_any(),
        state,
        message: status.message.clone().unwrap_or_default(),
        receipt: status.receipt.clone().unwrap_or_default(),
    })
}

fn is_served(order: &Value, zone: &str, reason: &str) -> bool {
    let conditions = order.pointer("/status/conditions").and_then(Value::as_array);
    let has = |type_: &str, key: &str, value: &str| {
        let found =
            conditions.and_then(|all| all.iter().find(|one| one.get("type").is_some_and(|of| of == type_)));
        found.is_some_and(|one| one.get(key).is_some_and(|of| of == value))
    };
    order.pointer("/status/zone").is_some_and(|at| at == zone)
        && has("Ready", "status", "True")
        && has("Brokered", "reason", reason)
}

fn report<E: std::error::Error + 'static>(who: &str, ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::error!(who, error = &error as &dyn std::error::Error, "out of service");
    }
}
