//! Databases on real servers: provided, fenced, moved. On one cluster, without a broker: what it would ask for is asked
//! by hand.

mod fence;
mod moving;

use std::time::Duration;

use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::postgres::{
    Account, DATABASE_MOVES, Mover, PostgresProvider, PostgresServer, Session, database_move_resource,
    database_resource,
};
use broker_testkit::provider::samples;
use broker_testkit::wait::until;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than anything takes, on a busy machine too.
const DEADLINE: Duration = Duration::from_mins(2);
const QUIESCE: &str = "broker.platform-mesh.io/quiesce";

/// A cluster whose databases are on one server, and a second server with a cluster of its own.
struct Ground {
    _plane: ControlPlane,
    /// Where each provider serves, and the mover works.
    clusters: [Client; 2],
    servers: [PostgresServer; 2],
    /// Ends the providers and the movers.
    stop: CancellationToken,
    _until_dropped: DropGuard,
}

impl Ground {
    async fn new() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let plane = ControlPlane::builder().start().await.unwrap();
        let stop = CancellationToken::new();
        let servers = tokio::try_join!(PostgresServer::start("eu"), PostgresServer::start("us")).unwrap();
        let servers = [servers.0, servers.1];
        let root = Client::try_from(plane.workspace_config("root")).unwrap();
        let mut clusters = Vec::new();
        for server in &servers {
            let client = workspace(&plane, &root, server.name()).await;
            let (provider, client_, stop) = (PostgresProvider::new(server), client.clone(), stop.clone());
            tokio::spawn(async move { provider.run(client_, stop).await.unwrap() });
            clusters.push(client);
        }
        Self {
            _plane: plane,
            clusters: [clusters[0].clone(), clusters[1].clone()],
            servers,
            stop: stop.clone(),
            _until_dropped: stop.drop_guard(),
        }
    }

    /// A mover at work until it is killed, or the ground goes.
    fn start_a_mover(&self) -> JoinHandle<()> {
        let mover = Mover::new(self.servers.iter().map(PostgresServer::administrator));
        let (client, until) = (self.clusters[0].clone(), self.stop.clone());
        tokio::spawn(async move { mover.run(client, until).await.unwrap() })
    }

    /// A session of the administrator in a database.
    async fn administer(&self, at: usize, account: &Account) -> Session {
        Session::open(&self.servers[at].administrator().in_database(&account.database)).await.unwrap()
    }

    fn databases(&self, at: usize) -> Api<DynamicObject> {
        Api::namespaced_with(self.clusters[at].clone(), "default", &database_resource())
    }

    fn moves(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.clusters[0].clone(), "default", &database_move_resource())
    }

    /// Orders a database, and waits until it can be used.
    async fn order(&self, at: usize, name: &str) -> Account {
        let mut order: DynamicObject = serde_saphyr::from_str(samples::DATABASE).unwrap();
        order.metadata.name = Some(name.to_owned());
        self.databases(at).create(&PostParams::default(), &order).await.unwrap();
        self.until(at, name, "it to be ready", |status| status["conditions"][0]["status"] == "True").await;
        let secrets: Api<Secret> = Api::namespaced(self.clusters[at].clone(), "default");
        let secret = secrets.get(&format!("{name}-credentials")).await.unwrap();
        account(&secret)
    }

    /// Waits for a status of a database.
    async fn until(&self, at: usize, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        status_of(&self.databases(at), name, what, holds).await
    }

    /// Asks for the fence, or for its end, and waits for the answer.
    async fn quiesce(&self, at: usize, name: &str, wanted: bool) {
        let word = if wanted { json!("true") } else { Value::Null };
        let change = Patch::Merge(json!({"metadata": {"annotations": {QUIESCE: word}}}));
        self.databases(at).patch(name, &PatchParams::default(), &change).await.unwrap();
        self.until(at, name, "the fence's answer", |status| status["quiesced"] == wanted).await;
    }

    /// Makes a step, with the credentials of both ends beside it, and waits until it is over.
    async fn step(&self, step: &str, ends: [&str; 2]) -> Value {
        let name = step.to_lowercase();
        self.begin(step, ends).await;
        let over = |status: &Value| status["phase"] == "Done" || status["phase"] == "Failed";
        status_of(&self.moves(), &name, "the step to be over", over).await
    }

    async fn begin(&self, step: &str, ends: [&str; 2]) {
        let here: Api<Secret> = Api::namespaced(self.clusters[0].clone(), "default");
        for (at, name) in ends.into_iter().enumerate() {
            let there: Api<Secret> = Api::namespaced(self.clusters[at].clone(), "default");
            let credentials = there.get(&format!("{name}-credentials")).await.unwrap();
            let copy = json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": format!("{at}-{name}")}, "data": credentials.data,
            });
            let force = PatchParams::apply("test").force();
            here.patch(&format!("{at}-{name}"), &force, &Patch::Apply(copy)).await.unwrap();
        }
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "movers.example.com/v1alpha1", "kind": "DatabaseMove",
            "metadata": {"name": step.to_lowercase()},
            "spec": {"step": step, "from": format!("0-{}", ends[0]), "to": format!("1-{}", ends[1])},
        }))
        .unwrap();
        self.moves().create(&PostParams::default(), &object).await.unwrap();
    }

    /// Deletes an object and waits until nothing holds it any more.
    async fn delete(&self, api: &Api<DynamicObject>, name: &str) {
        api.delete(name, &DeleteParams::default()).await.unwrap();
        until(api, name, "it to be gone", DEADLINE, |found| found.is_none())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Ends a mover without a word, whatever it is doing. What it knew is gone.
async fn kill(mover: JoinHandle<()>) {
    mover.abort();
    assert!(mover.await.unwrap_err().is_cancelled());
}

async fn status_of(
    api: &Api<DynamicObject>,
    name: &str,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Value {
    let found =
        until(api, name, what, DEADLINE, |found| found.is_some_and(|found| holds(&found.data["status"])));
    found.await.unwrap_or_else(|error| panic!("{error}")).unwrap().data["status"].clone()
}

/// What a Secret says.
fn account(secret: &Secret) -> Account {
    let entry = |key: &str| String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap();
    Account {
        host: entry("host"),
        port: entry("port").parse().unwrap(),
        user: entry("user"),
        password: entry("password"),
        database: entry("dbname"),
    }
}

/// The one number of a query.
async fn number(session: &Session, query: &str) -> i64 {
    session.one("ask", query, &[]).await.unwrap().get(0)
}

/// A workspace that serves databases and their moves.
async fn workspace(plane: &ControlPlane, root: &Client, name: &str) -> Client {
    let workspaces: Api<broker_kcp::kcp::api::Workspace> = Api::all(root.clone());
    let wanted = broker_kcp::kcp::api::Workspace::new(name, broker_kcp::kcp::api::WorkspaceSpec::default());
    workspaces.create(&PostParams::default(), &wanted).await.unwrap();
    let client = Client::try_from(plane.workspace_config(&format!("root:{name}"))).unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for yaml in [samples::DATABASES, DATABASE_MOVES] {
        let definition: CustomResourceDefinition = serde_saphyr::from_str(yaml).unwrap();
        let name = definition.metadata.name.clone().unwrap();
        definitions.create(&PostParams::default(), &definition).await.unwrap();
        await_condition(definitions.clone(), &name, conditions::is_crd_established()).await.unwrap();
    }
    client
}
