//! What a scenario is played on: a workspace tree of its own on one of the two servers, two authorities,
//! a consumer, and an operator that can be killed.

use std::time::Duration;

use broker_kcp::api::v1alpha1::{
    Assignment, AssignmentPhase, BrokeredApi, Migration, MigrationConfiguration, MigrationState,
};
use broker_kcp::kcp::api::{ApiBinding, ApiExportEndpointSlice};
use broker_operator::demo::stage;
use broker_testkit::provider::{CertificateAuthority, samples, secret_name};
use broker_testkit::wait::{until, until_all};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Api, Client, Config, ResourceExt};

use crate::actors::{Consumer, DEADLINE, Provider};
use crate::chart;
use crate::commands::Commands;
use crate::operator::RunningOperator;
use crate::record::{Endings, Versions};
use crate::server::Server;

/// Short, so that the scenarios end; long enough to be told from no grace at all.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// The brokered API.
const CERTIFICATES: &str = "certificates.example.com";

/// A platform below a workspace of its own.
pub(crate) struct Stage {
    platform: stage::Stage,
    server: Server,
}

/// Who and what a scenario plays with.
pub(crate) struct World {
    pub(crate) internal: Provider,
    pub(crate) public: Provider,
    pub(crate) consumer: Consumer,
    platform: stage::Stage,
    operator: Option<RunningOperator>,
}

impl Stage {
    /// Prepares the platform on a server.
    pub(crate) async fn on(server: Server) -> Self {
        let platform = stage::Stage::build(server.admin.clone(), &server.tree, GRACE).await;
        Self { platform: platform.unwrap_or_else(|error| panic!("{}", chain(&error))), server }
    }

    /// The mission's two authorities with their offers, a consumer, and the operator at work.
    pub(crate) async fn with_two_authorities(&self) -> World {
        let [internal, public] =
            ["Internal CA", "Public CA"].map(|name| CertificateAuthority::new(name).unwrap());
        let (internal, public, consumer) = tokio::join!(
            self.platform.provider("internal-ca", internal),
            self.platform.provider("public-ca", public),
            self.consumer("acme"),
        );
        let internal = internal.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let public = public.unwrap_or_else(|error| panic!("{}", chain(&error)));
        internal.offer(samples::OFFER_INTERNAL).await.unwrap();
        public.offer(samples::OFFER_PUBLIC).await.unwrap();
        let operator = RunningOperator::start(self.platform.broker().clone());
        World {
            internal: Provider(internal),
            public: Provider(public),
            consumer,
            platform: self.platform.clone(),
            operator: Some(operator),
        }
    }

    pub(crate) async fn consumer(&self, name: &str) -> Consumer {
        Consumer(self.platform.consumer(name).await.unwrap_or_else(|error| panic!("{}", chain(&error))))
    }

    /// A provider's workspace in which nobody works, seen with its owner's eyes.
    pub(crate) async fn provider_at_rest(&self, name: &str) -> Client {
        self.platform.agent(name).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
        self.platform.client(name).unwrap()
    }

    /// What a broker runs with.
    pub(crate) fn broker(&self) -> Config {
        self.platform.broker().clone()
    }

    /// The platform's workspace, seen with its owner's eyes.
    pub(crate) fn platform_client(&self) -> Client {
        self.platform.client("platform").unwrap()
    }

    /// A workspace for helper objects, seen with its owner's eyes, and how the broker gets there: with the rights that
    /// the chart gives it where they run in its own cluster.
    pub(crate) async fn compute(&self) -> (Client, Config) {
        let workspace = self.consumer("compute").await;
        let server = broker_operator::init::Server::from_config(self.server.admin.clone());
        let config = server.config(&self.platform.path("compute")).unwrap();
        let token = chart::account_for_helpers(&workspace.client).await;
        (workspace.client.clone(), chart::with_token(config, &token))
    }

    /// The broker's own credentials in a workspace.
    pub(crate) fn broker_in(&self, workspace: &str) -> Client {
        self.platform.broker_at(workspace).unwrap()
    }

    /// The broker's own credentials at the virtual workspace of the brokered API, in one logical cluster.
    pub(crate) async fn broker_through_the_export(&self, cluster: &str) -> Client {
        let slices: Api<ApiExportEndpointSlice> = Api::all(self.platform.client("platform").unwrap());
        let slice = slices.get("certificates.example.com").await.unwrap();
        let url = &slice.status.unwrap().endpoints[0].url;
        let mut config: Config = self.platform.broker().clone();
        config.cluster_url = format!("{url}/clusters/{cluster}").parse().unwrap();
        Client::try_from(config).unwrap()
    }

    /// The command line, as the platform's administrator and as the broker.
    pub(crate) fn commands(&self) -> Commands {
        let folder = tempfile::tempdir().unwrap();
        let (admin, broker) = (folder.path().join("admin"), folder.path().join("broker"));
        std::fs::write(&admin, &self.server.kubeconfig).unwrap();
        self.platform.write_broker_kubeconfig(&broker).unwrap();
        Commands { platform: self.platform.path("platform"), admin, broker, _folder: folder }
    }

    /// The platform's word on the brokered API.
    pub(crate) fn brokered_apis(&self) -> Api<BrokeredApi> {
        Api::all(self.platform.client("platform").unwrap())
    }

    /// The platform's playbooks.
    pub(crate) fn configurations(&self) -> Api<MigrationConfiguration> {
        Api::all(self.platform.client("platform").unwrap())
    }

    /// Changes the platform's word on the brokered API.
    pub(crate) async fn decree(&self, spec: serde_json::Value) {
        let change = Patch::Merge(serde_json::json!({ "spec": spec }));
        self.brokered_apis().patch(CERTIFICATES, &PatchParams::default(), &change).await.unwrap();
    }

    /// Waits until the BrokeredAPI says this about its providers, and returns the message.
    pub(crate) async fn until_providers_reachable(&self, status: &str) -> String {
        let told = |api: &BrokeredApi| {
            let conditions = &api.status.as_ref()?.conditions;
            let condition = conditions.iter().find(|condition| condition.type_ == "ProvidersReachable")?;
            let said = serde_json::to_value(condition.status).unwrap();
            (said == status).then(|| condition.message.clone().unwrap_or_default())
        };
        let what = format!("ProvidersReachable={status}");
        let holds = |api: Option<&BrokeredApi>| api.and_then(told).is_some();
        let found = until(&self.brokered_apis(), CERTIFICATES, &what, DEADLINE, holds).await;
        told(&found.unwrap_or_else(|error| panic!("{error}")).unwrap()).unwrap()
    }

    /// Deletes the workspace of this name and waits for its end.
    pub(crate) async fn delete_workspace(&self, name: &str) {
        let workspaces = self.platform.workspaces().unwrap();
        workspaces.delete(name, &DeleteParams::default()).await.unwrap();
        let gone =
            until(&workspaces, name, "the workspace to be gone", DEADLINE, |found| found.is_none()).await;
        gone.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Ends the operator as a signal would, and finds that it ended well.
    pub(crate) async fn close(self, mut world: World) {
        if let Some(operator) = world.operator.take() {
            operator.stop().await;
        }
        drop(world);
        self.shut_down().await;
    }

    /// Ends the server, where it was this stage's own.
    pub(crate) async fn shut_down(self) {
        if let Some(server) = self.server.embedded {
            server.shutdown().await;
        }
    }
}

impl World {
    pub(crate) fn assignments(&self) -> Api<Assignment> {
        self.platform.assignments().unwrap()
    }

    pub(crate) fn migrations(&self) -> Api<Migration> {
        self.platform.migrations().unwrap()
    }

    /// From here on no write is made, not even one that had begun: the process is gone.
    pub(crate) fn kill_the_operator(&mut self) {
        self.operator.take().unwrap().kill();
    }

    /// The address at which the operator answers about orders.
    pub(crate) fn debug_address(&self) -> std::net::SocketAddr {
        self.operator.as_ref().unwrap().probes
    }

    /// The address at which its metrics are read.
    pub(crate) fn metrics_address(&self) -> std::net::SocketAddr {
        self.operator.as_ref().unwrap().metrics
    }

    /// The operator is told of a cluster for helper objects.
    pub(crate) async fn restart_the_operator_with(&mut self, compute: Config) {
        self.operator.take().unwrap().stop().await;
        self.operator = Some(RunningOperator::start_with(self.platform.broker().clone(), Some(compute)));
    }

    pub(crate) fn start_the_operator(&mut self) {
        assert!(self.operator.is_none(), "two operators at once");
        self.operator = Some(RunningOperator::start(self.platform.broker().clone()));
    }

    /// Every version of the order from now on.
    pub(crate) async fn watch_the_order(&self, name: &str) -> Versions {
        Versions::of(self.consumer.orders(), name).await
    }

    /// When the copies at the public authority get ready and those at the internal one go.
    pub(crate) async fn watch_the_copies(&self) -> Endings {
        Endings::of(self.internal.copies(), self.public.copies()).await
    }

    /// Names of all copies at both providers.
    pub(crate) async fn copies_everywhere(&self) -> Vec<String> {
        let mut names = self.internal.copy_names().await;
        names.extend(self.public.copy_names().await);
        names
    }

    /// Waits until the one order's record says that it is at rest.
    pub(crate) async fn until_bound(&self) {
        let bound = |found: &Assignment| {
            found.status.as_ref().is_some_and(|status| status.phase == Some(AssignmentPhase::Bound))
        };
        let all = watcher::Config::default();
        let found =
            until_all(&self.assignments(), all, "phase Bound", DEADLINE, |all| all.iter().all(bound)).await;
        found.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) async fn until_migration_completed(&self) -> Migration {
        let over = |found: &Migration| {
            found.status.as_ref().is_some_and(|status| status.state == Some(MigrationState::Completed))
        };
        let all = watcher::Config::default();
        let what = "the move to be recorded as completed";
        let found = until_all(&self.migrations(), all, what, DEADLINE, |all| all.iter().any(over)).await;
        found.unwrap_or_else(|error| panic!("{error}")).into_iter().find(over).unwrap()
    }

    /// Waits until the consumer holds what the authority wrote for this copy.
    pub(crate) async fn until_mirrored(&self, provider: &Provider, copy: &DynamicObject) {
        let name = secret_name(&copy.name_any());
        let there = |secret: Option<&Secret>| secret.is_some();
        let provided = until(&provider.secrets(), &name, "the copy's Secret", DEADLINE, there).await;
        let provided = provided.unwrap_or_else(|error| panic!("{error}")).unwrap();
        let same = |secret: Option<&Secret>| secret.is_some_and(|secret| secret.data == provided.data);
        let what = "the copy's Secret in the consumer's namespace";
        let mirrored = until(&self.consumer.secrets(), "my-app-cert-secret", what, DEADLINE, same).await;
        mirrored.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until no provider holds a copy or a Secret.
    pub(crate) async fn until_providers_are_clean(&self) {
        for provider in [&self.internal, &self.public] {
            provider.until_copies(0).await;
            let ours = watcher::Config::default().labels("broker.platform-mesh.io/managed=true");
            let gone =
                until_all(&provider.secrets(), ours, "no Secrets", DEADLINE, <[Secret]>::is_empty).await;
            gone.unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Waits until the platform has no record of any order.
    pub(crate) async fn until_no_records(&self) {
        let all = watcher::Config::default;
        let gone =
            until_all(&self.assignments(), all(), "no Assignments", DEADLINE, <[Assignment]>::is_empty).await;
        gone.unwrap_or_else(|error| panic!("{error}"));
        let gone =
            until_all(&self.migrations(), all(), "no Migrations", DEADLINE, <[Migration]>::is_empty).await;
        gone.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until nothing is left of any order anywhere.
    pub(crate) async fn until_nothing_is_left(&self) {
        self.until_providers_are_clean().await;
        self.until_no_records().await;
        self.consumer.until_no_mirrors().await;
    }
}

/// The consumer's binding of the brokered API.
pub(crate) async fn binding_of_certificates(consumer: &Consumer) -> ApiBinding {
    binding_of(&consumer.bindings(), CERTIFICATES).await
}

/// A workspace's binding of this export.
pub(crate) async fn binding_of(bindings: &Api<ApiBinding>, export: &str) -> ApiBinding {
    let ours = |binding: &ApiBinding| {
        let bound = binding.spec.reference.export.as_ref();
        bound.is_some_and(|bound| bound.name == export)
    };
    let all = bindings.list(&ListParams::default()).await.unwrap();
    all.into_iter().find(ours).unwrap_or_else(|| panic!("no binding of {export}"))
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
