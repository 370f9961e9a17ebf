//! Clusters of plain Kubernetes to play on: the platform's, a consumer's, and two providers' (one of them the platform's
//! own, where real ones are played on).

use broker_kcp::api::v1alpha1::{Assignment, BrokeredApi};
use broker_kcp::fleet::Clusters;
use broker_operator::demo::stage;
use broker_operator::init::{ApiDefinition, ClusterOptions, Init, JoinOptions, Server};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::gate::Gate;
use broker_testkit::kubernetes::Kubernetes;
use broker_testkit::provider::{CertificateAuthority, samples};
use broker_testkit::wait::{until, until_all};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::actors::{Consumer, DEADLINE, Provider};
use crate::chart;
use crate::commands::Commands;
use crate::operator::RunningOperator;
use crate::stage::{GRACE, chain};

/// Where the broker and the kubeconfigs are.
pub(crate) const NAMESPACE: &str = "resource-broker";
const CERTIFICATES: &str = "certificates.example.com";

/// Servers that run as long as this is kept.
pub(crate) enum Servers {
    /// Workspaces of the embedded control plane, each taken for a cluster of its own.
    Embedded(ControlPlane),
    /// Three real ones.
    Real(Vec<Kubernetes>),
}

/// Who takes part.
pub(crate) struct Plain {
    pub(crate) platform: Server,
    pub(crate) members: Vec<(&'static str, Server)>,
    /// The broker's own access to the platform.
    pub(crate) broker: Config,
    servers: Servers,
}

impl Plain {
    /// On the embedded control plane.
    pub(crate) async fn embedded() -> Self {
        let plane = ControlPlane::builder().start().await.unwrap();
        let init = Init::new(Server::from_config(plane.admin_config()));
        let mut at = Vec::new();
        for name in ["platform", "acme", "one", "two"] {
            init.workspace(&format!("root:{name}")).await.unwrap();
            at.push(Server::from_config(plane.workspace_config(&format!("root:{name}"))));
        }
        let members = ["acme", "one", "two"].into_iter().zip(at.split_off(1)).collect();
        Self::build(at.remove(0), members, Servers::Embedded(plane)).await
    }

    /// On real Kubernetes.
    pub(crate) async fn real() -> Self {
        let (first, second, third) =
            tokio::join!(Kubernetes::start(), Kubernetes::start(), Kubernetes::start());
        let servers: Vec<Kubernetes> =
            [first, second, third].map(|one| one.unwrap_or_else(|error| panic!("{error}"))).into();
        let mut at = Vec::new();
        for server in &servers {
            at.push(Server::from_config(server.admin_config().await.unwrap()));
        }
        let members = vec![("acme", at[1].clone()), ("one", at[2].clone()), ("two", at[0].clone())];
        Self::build(at[0].clone(), members, Servers::Real(servers)).await
    }

    async fn build(platform: Server, members: Vec<(&'static str, Server)>, servers: Servers) -> Self {
        let init = Init::new(platform.clone());
        let definition = serde_saphyr::from_str(samples::CERTIFICATES).unwrap();
        let options = ClusterOptions {
            namespace: NAMESPACE.to_owned(),
            apis: vec![ApiDefinition::parse("the sample API", &definition).unwrap()],
            moves: None,
            copies: Vec::new(),
        };
        init.cluster(&options).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let (credentials, _) = init.cluster_credentials(NAMESPACE).await.unwrap();
        let broker = credentials.config().await.unwrap();
        let plain = Self { platform, members, broker, servers };
        plain.decree(json!({"gracePeriod": format!("{}ms", GRACE.as_millis())})).await;
        plain
    }

    pub(crate) fn platform_client(&self) -> Client {
        self.platform.client(&self.platform.cluster()).unwrap()
    }

    /// The way to a cluster, as its administrator.
    pub(crate) fn server(&self, name: &str) -> &Server {
        &self.members.iter().find(|(member, _)| *member == name).unwrap().1
    }

    pub(crate) fn client(&self, name: &str) -> Client {
        let server = self.server(name);
        server.client(&server.cluster()).unwrap()
    }

    /// Puts a gate before a cluster that is to take part: the broker gets there through it alone.
    pub(crate) async fn behind_a_gate(&mut self, name: &str) -> Gate {
        let member = self.members.iter_mut().find(|(member, _)| *member == name).unwrap();
        let address = member.1.cluster();
        let server = address.strip_prefix("https://").unwrap();
        let (server, path) = server.split_at(server.find('/').unwrap_or(server.len()));
        let gate = Gate::before(server).await.unwrap();
        let mut config = member.1.config(&address).unwrap();
        config.cluster_url = format!("https://{}{path}", gate.address()).parse().unwrap();
        member.1 = Server::from_config(config);
        gate
    }

    /// Has a cluster take part.
    pub(crate) async fn join(&self, name: &str) {
        let options = JoinOptions { name: name.to_owned(), namespace: NAMESPACE.to_owned() };
        let joined = Init::new(self.platform.clone()).join(self.server(name), &options).await;
        joined.unwrap_or_else(|error| panic!("{}", chain(&error)));
    }

    /// The Secrets with kubeconfigs.
    pub(crate) fn kubeconfigs(&self) -> Api<Secret> {
        Api::namespaced(self.platform_client(), NAMESPACE)
    }

    /// Ends a cluster's part.
    pub(crate) async fn leave(&self, name: &str) {
        self.kubeconfigs().delete(&format!("cluster-{name}"), &DeleteParams::default()).await.unwrap();
    }

    /// The operator that `run` starts, with the broker's own rights.
    pub(crate) fn operator(&self) -> RunningOperator {
        self.operator_with(None)
    }

    /// The same with a cluster for helpers of moves.
    pub(crate) fn operator_with(&self, compute: Option<Config>) -> RunningOperator {
        let clusters = Clusters::Secrets(NAMESPACE.to_owned());
        RunningOperator::start_among(self.broker.clone(), clusters, compute)
    }

    /// The way of helpers to the platform's own cluster, with the rights that the chart gives them there.
    pub(crate) async fn compute(&self) -> Config {
        let token = chart::account_for_helpers(&self.platform_client()).await;
        chart::with_token(self.platform.config(&self.platform.cluster()).unwrap(), &token)
    }

    /// The platform's word on the brokered API.
    pub(crate) async fn decree(&self, spec: Value) {
        let brokered: Api<BrokeredApi> = Api::all(self.platform_client());
        let change = Patch::Merge(json!({ "spec": spec }));
        brokered.patch(CERTIFICATES, &PatchParams::default(), &change).await.unwrap();
    }

    /// A consumer in a cluster that takes part.
    pub(crate) async fn consumer(&self, name: &str) -> Consumer {
        self.join(name).await;
        let client = self.client(name);
        Consumer(stage::Consumer { name: name.to_owned(), workspace: name.to_owned(), client })
    }

    /// A provider in a cluster that takes part.
    pub(crate) async fn provider(&self, name: &str, authority: &str) -> Provider {
        self.join(name).await;
        let (client, agent) = (self.client(name), self.client(name));
        let authority = CertificateAuthority::new(authority).unwrap();
        Provider(stage::Provider::serving(name, name.to_owned(), client, agent, authority))
    }

    pub(crate) fn assignments(&self) -> Api<Assignment> {
        Api::all(self.platform_client())
    }

    /// Waits until the platform has no record of any order.
    pub(crate) async fn until_no_records(&self) {
        let all = watcher::Config::default();
        let gone =
            until_all(&self.assignments(), all, "no Assignments", DEADLINE, <[Assignment]>::is_empty).await;
        gone.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The command line with the broker's own rights, or with the administrator's and the broker's namespace.
    pub(crate) async fn commands(&self) -> Commands {
        let folder = tempfile::tempdir().unwrap();
        let (admin, broker) = (folder.path().join("admin"), folder.path().join("broker"));
        let (credentials, _) = Init::new(self.platform.clone()).cluster_credentials(NAMESPACE).await.unwrap();
        credentials.write(&broker).unwrap();
        let own = match &self.servers {
            Servers::Embedded(plane) => plane.kubeconfig("root:platform"),
            Servers::Real(servers) => std::fs::read_to_string(servers[0].kubeconfig()).unwrap(),
        };
        let mut own: Value = serde_saphyr::from_str(&own).unwrap();
        for context in own["contexts"].as_array_mut().unwrap() {
            context["context"]["namespace"] = json!(NAMESPACE);
        }
        std::fs::write(&admin, own.to_string()).unwrap();
        Commands { platform: self.platform.cluster(), admin, broker, _folder: folder }
    }

    /// Ends the broker and what was started for it.
    pub(crate) async fn close(self, operator: RunningOperator) {
        operator.stop().await;
        self.shut_down().await;
    }

    /// Ends what was started for it.
    pub(crate) async fn shut_down(self) {
        match self.servers {
            Servers::Embedded(plane) => plane.shutdown().await,
            Servers::Real(servers) => drop(servers),
        }
    }

    /// Waits until the BrokeredAPI says this of its providers.
    pub(crate) async fn until_providers_reachable(&self, status: &str) {
        let holds = |api: Option<&BrokeredApi>| {
            let conditions = api.and_then(|api| api.status.as_ref()).map(|status| &status.conditions);
            conditions.into_iter().flatten().any(|condition| {
                condition.type_ == "ProvidersReachable"
                    && serde_json::to_value(condition.status).unwrap() == status
            })
        };
        let brokered: Api<BrokeredApi> = Api::all(self.platform_client());
        let what = format!("ProvidersReachable={status}");
        let told = until(&brokered, CERTIFICATES, &what, DEADLINE, holds).await;
        told.unwrap_or_else(|error| panic!("{error}"));
    }
}
