//! A small platform on one server that speaks kcp: a platform workspace, providers with their
//! authorities, consumers. Built by the library behind `init`, on the embedded control plane and on a
//! real kcp alike; the demo, the end-to-end tests and the bench all play on it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use broker_kcp::api::v1alpha1::{AcceptApi, Assignment, BrokeredApi, Migration};
use broker_kcp::kcp::api::{ApiBinding, Workspace};
use broker_testkit::provider::{CertificateAuthority, certificate_resource, samples};
use broker_testkit::wait::until_all;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::DemoError;
use crate::init::{ApiDefinition, Credentials, Init, MemberOptions, PlatformOptions, Role, Server};

/// Where the orders and the copies live.
pub const NAMESPACE: &str = "default";
/// An access that does not work by then never will.
const DEADLINE: Duration = Duration::from_secs(30);
/// The platform's workspace, below the stage's.
pub const PLATFORM: &str = "platform";

/// A server's administrator, and the part of the workspace tree that is played on.
#[derive(Clone, Debug)]
pub struct Stage {
    server: Server,
    tree: String,
    credentials: Credentials,
    broker: Config,
}

impl Stage {
    /// Builds the platform below `tree`, such as `root`, which exists: the certificates of the samples
    /// are brokered, with this grace period. `admin` may do everything on the server; its path is ignored.
    pub async fn build(admin: Config, tree: &str, grace: Duration) -> Result<Self, DemoError> {
        Self::build_with(admin, tree, grace, &[samples::CERTIFICATES]).await
    }

    /// The same with other APIs: their definitions as YAML.
    pub async fn build_with(
        admin: Config,
        tree: &str,
        grace: Duration,
        apis: &[&str],
    ) -> Result<Self, DemoError> {
        Self::build_on(Server::from_config(admin), tree, grace, apis).await
    }

    /// The same on a server that may be reached in a way of its own.
    pub async fn build_on(
        server: Server,
        tree: &str,
        grace: Duration,
        apis: &[&str],
    ) -> Result<Self, DemoError> {
        let init = Init::new(server.clone());
        let workspace = format!("{tree}:{PLATFORM}");
        let mut definitions = Vec::new();
        for api in apis {
            definitions.push(ApiDefinition::parse("the sample API", &sample(api)?)?);
        }
        let names: Vec<String> = definitions.iter().map(|api| api.name().to_owned()).collect();
        let platform =
            PlatformOptions { workspace: workspace.clone(), apis: definitions, ..PlatformOptions::default() };
        init.platform(&platform).await?;
        let (credentials, _) = init.broker_credentials(&workspace).await?;
        let broker = credentials.config().await?;
        let stage = Self { server, tree: tree.to_owned(), credentials, broker };
        let brokered: Api<BrokeredApi> = Api::all(stage.client(PLATFORM)?);
        let shorter = Patch::Merge(json!({"spec": {"gracePeriod": format!("{}ms", grace.as_millis())}}));
        for name in names {
            brokered
                .patch(&name, &PatchParams::default(), &shorter)
                .await
                .map_err(DemoError::call("shorten the grace period", PLATFORM))?;
        }
        Ok(stage)
    }

    /// The path of a workspace of this stage.
    pub fn path(&self, workspace: &str) -> String {
        format!("{}:{workspace}", self.tree)
    }

    /// The administrator's client for a workspace of this stage.
    pub fn client(&self, workspace: &str) -> Result<Client, DemoError> {
        Ok(self.server.client(&self.path(workspace))?)
    }

    /// What the operator runs with: its `ServiceAccount`, at the platform's workspace.
    pub fn broker(&self) -> &Config {
        &self.broker
    }

    /// The same as a kubeconfig, in a file that only its owner may read.
    pub fn write_broker_kubeconfig(&self, path: &Path) -> Result<(), DemoError> {
        self.credentials.write(path)?;
        Ok(())
    }

    /// The broker's account elsewhere on the server, by a workspace's path or id.
    pub fn broker_at(&self, workspace: &str) -> Result<Client, DemoError> {
        Ok(self.server.as_in(self.broker.clone()).client(workspace)?)
    }

    /// Prepares a provider's workspace, and lets the authority serve it with the rights of an agent there.
    /// It offers nothing yet.
    pub async fn provider(&self, name: &str, authority: CertificateAuthority) -> Result<Provider, DemoError> {
        let agent = self.agent(name).await?;
        Ok(Provider::serving(name, self.path(name), self.client(name)?, agent, authority))
    }

    /// Prepares a provider's workspace, and returns the client of an agent there: it may offer, serve and hand over.
    pub async fn agent(&self, name: &str) -> Result<Client, DemoError> {
        let options = self.member(name);
        let agent = self.server.as_in(self.agent_config(name).await?).client(&options.workspace)?;
        // A server may take a moment to know an account that it made.
        let offers: Api<AcceptApi> = Api::namespaced(agent.clone(), NAMESPACE);
        until_all(&offers, watcher::Config::default(), "the agent's access", DEADLINE, |_| true).await?;
        Ok(agent)
    }

    /// Prepares a provider's workspace, and returns the access of an agent there.
    pub async fn agent_config(&self, name: &str) -> Result<Config, DemoError> {
        let init = Init::new(self.server.clone());
        let options = self.member(name);
        init.provider(&options).await?;
        let (agent, _) = init.member_credentials(Role::Provider, &options).await?;
        Ok(agent.config().await?)
    }

    /// Prepares a consumer's workspace.
    pub async fn consumer(&self, name: &str) -> Result<Consumer, DemoError> {
        let options = self.member(name);
        Init::new(self.server.clone()).consumer(&options).await?;
        Ok(Consumer { name: name.to_owned(), workspace: options.workspace, client: self.client(name)? })
    }

    fn member(&self, name: &str) -> MemberOptions {
        MemberOptions {
            workspace: self.path(name),
            platform: self.path(PLATFORM),
            ..MemberOptions::default()
        }
    }

    /// The broker's records: which offer serves which order.
    pub fn assignments(&self) -> Result<Api<Assignment>, DemoError> {
        Ok(Api::all(self.client(PLATFORM)?))
    }

    /// The broker's records of moves.
    pub fn migrations(&self) -> Result<Api<Migration>, DemoError> {
        Ok(Api::all(self.client(PLATFORM)?))
    }

    /// The workspaces of this stage, as their parent lists them.
    pub fn workspaces(&self) -> Result<Api<Workspace>, DemoError> {
        Ok(Api::all(self.server.client(&self.tree)?))
    }
}

/// A provider's workspace with its authority at work, until it is dropped.
pub struct Provider {
    /// The workspace's name.
    pub name: String,
    /// The workspace's path.
    pub workspace: String,
    /// The client of the workspace's owner.
    pub client: Client,
    /// The authority that serves it.
    pub authority: CertificateAuthority,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

impl Provider {
    /// An authority that serves a cluster as `agent`, seen as `client`.
    pub fn serving(
        name: &str,
        workspace: String,
        client: Client,
        agent: Client,
        authority: CertificateAuthority,
    ) -> Self {
        let stop = CancellationToken::new();
        let serving = tokio::spawn({
            let (authority, stop) = (authority.clone(), stop.clone());
            async move {
                if let Err(error) = authority.run(agent, stop).await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the authority is out of service"
                    );
                }
            }
        });
        Self { name: name.to_owned(), workspace, client, authority, stop, serving }
    }

    /// The copies, and whatever else of their kind is there.
    pub fn copies(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), NAMESPACE, &certificate_resource())
    }

    /// Its offers.
    pub fn offers(&self) -> Api<AcceptApi> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Its Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Makes an offer of a sample.
    pub async fn offer(&self, yaml: &'static str) -> Result<AcceptApi, DemoError> {
        let offer = sample(yaml)?;
        self.offers()
            .create(&PostParams::default(), &offer)
            .await
            .map_err(DemoError::call("offer", &self.workspace))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.cancel();
        self.serving.abort();
    }
}

/// A consumer's workspace.
#[derive(Clone)]
pub struct Consumer {
    /// The workspace's name.
    pub name: String,
    /// The workspace's path.
    pub workspace: String,
    /// The client of the workspace's owner.
    pub client: Client,
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

impl Consumer {
    /// Its orders.
    pub fn orders(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), NAMESPACE, &certificate_resource())
    }

    /// Its Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// What it is told.
    pub fn events(&self) -> Api<Event> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// What it has bound.
    pub fn bindings(&self) -> Api<ApiBinding> {
        Api::all(self.client.clone())
    }

    /// Orders a certificate, as the mission does: without a `certType`.
    pub async fn order(&self, name: &str, fqdn: &str) -> Result<DynamicObject, DemoError> {
        let mut order: DynamicObject = sample(samples::ORDER)?;
        order.metadata.name = Some(name.to_owned());
        if let Some(spec) = order.data.get_mut("spec") {
            *spec = json!({"fqdn": fqdn, "validity": "90d"});
        }
        self.orders()
            .create(&PostParams::default(), &order)
            .await
            .map_err(DemoError::call("order", &self.workspace))
    }

    /// Changes the one field.
    pub async fn change(&self, name: &str, fqdn: &str) -> Result<DynamicObject, DemoError> {
        let change = Patch::Merge(json!({"spec": {"fqdn": fqdn}}));
        self.orders()
            .patch(name, &PatchParams::default(), &change)
            .await
            .map_err(DemoError::call("change the order", &self.workspace))
    }
}

pub(super) fn sample<T: DeserializeOwned>(yaml: &str) -> Result<T, DemoError> {
    serde_saphyr::from_str(yaml).map_err(|source| DemoError::Sample { source: Box::new(source) })
}
