//! The platform's own controller, as it would be without a broker: a workspace for each `Tenant`, and in its status how
//! many of its orders are served, read from the broker's Assignments.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use broker_kcp::api::v1alpha1::{Assignment, AssignmentPhase};
use broker_kcp::kcp::api::LogicalCluster;
use broker_operator::init::{Init, InitError, MemberOptions, Server};
use futures::StreamExt as _;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, ResourceExt as _};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::tenant::{Tenant, TenantStatus};

/// What this controller is called in `managedFields`.
const MANAGER: &str = "cloud";
/// What failed is tried again after so long.
const PAUSE: Duration = Duration::from_secs(5);
/// Which logical cluster an object of kcp is in.
const CLUSTER: &str = "kcp.io/cluster";

/// Why a tenant could not be brought to what it should be.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Its workspace could not be prepared.
    #[error("cannot prepare the workspace {workspace}")]
    Workspace {
        /// Which one.
        workspace: String,
        /// Why.
        source: InitError,
    },
    /// The API server refused a call, or did not answer.
    #[error("cannot {action}")]
    Call {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// What became of reconciliations, as this platform counts them.
#[derive(Clone, Debug, Default)]
pub struct Reconciliations(Family<Ending, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    result: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Outcome {
    Done,
    Failed,
}

impl Reconciliations {
    /// Shows them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("tenant_reconciliations", "Looks at tenants, by how they ended", self.0.clone());
    }

    fn count(&self, result: Outcome) {
        self.0.get_or_create(&Ending { result }).inc();
    }
}

/// Reconciles Tenants.
#[derive(Clone)]
pub struct Tenants {
    server: Server,
    platform: String,
    client: Client,
    reconciliations: Reconciliations,
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("platform", &self.platform).finish_non_exhaustive()
    }
}

impl Tenants {
    /// A controller of the Tenants in the workspace `platform`; their own workspaces are made beside it.
    ///
    /// # Errors
    /// Where no client can be made for it.
    pub fn new(server: Server, platform: &str, reconciliations: Reconciliations) -> Result<Self, InitError> {
        let client = server.client(platform)?;
        Ok(Self { server, platform: platform.to_owned(), client, reconciliations })
    }

    /// Reconciles until `stop` resolves, then finishes what is in hand.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + Sync + 'static) {
        let all = watcher::Config::default;
        let controller = Controller::new(Api::<Tenant>::all(self.client.clone()), all());
        let known = controller.store();
        let assignments: Api<Assignment> = Api::all(self.client.clone());
        controller
            .watches(assignments, all(), move |assignment| customer(&known, &assignment))
            .graceful_shutdown_on(stop)
            .run(reconcile, failed, Arc::new(self))
            .for_each(|_| std::future::ready(()))
            .await;
    }

    /// Makes what is missing of a tenant, and tells how it is doing.
    async fn bring(&self, tenant: &Tenant) -> Result<(), TenantError> {
        let workspace = self.workspace(tenant);
        let options = MemberOptions {
            workspace: workspace.clone(),
            platform: self.platform.clone(),
            apis: tenant.spec.apis.clone(),
            ..MemberOptions::default()
        };
        let failed = |source| TenantError::Workspace { workspace: workspace.clone(), source };
        Init::new(self.server.clone()).consumer(&options).await.map_err(failed)?;
        let cluster = match &tenant.status {
            Some(status) if !status.cluster.is_empty() => status.cluster.clone(),
            Some(_) | None => self.cluster_of(&workspace).await?,
        };
        let (orders, served) = self.orders_of(&cluster).await?;
        self.tell(tenant, TenantStatus { workspace, cluster, orders, served }).await
    }

    fn workspace(&self, tenant: &Tenant) -> String {
        let parent = self.platform.rsplit_once(':').map_or("root", |(parent, _)| parent);
        format!("{parent}:{}", tenant.name_any())
    }

    async fn cluster_of(&self, workspace: &str) -> Result<String, TenantError> {
        let failed = |source| TenantError::Workspace { workspace: workspace.to_owned(), source };
        let itself: Api<LogicalCluster> = Api::all(self.server.client(workspace).map_err(failed)?);
        let itself = itself.get("cluster").await.map_err(call("read the tenant's logical cluster"))?;
        Ok(itself.annotations().get(CLUSTER).cloned().unwrap_or_default())
    }

    /// How many orders there are in a cluster, and how many of them are served.
    async fn orders_of(&self, cluster: &str) -> Result<(u32, u32), TenantError> {
        let assignments: Api<Assignment> = Api::all(self.client.clone());
        let all = assignments.list(&ListParams::default()).await.map_err(call("list the Assignments"))?;
        let of_the_tenant = all.items.iter().filter(|found| found.spec.order.cluster_name == cluster);
        let counted = of_the_tenant.fold((0, 0), |(orders, served), assignment| {
            (orders + 1, served + u32::from(is_served(assignment)))
        });
        Ok(counted)
    }

    async fn tell(&self, tenant: &Tenant, status: TenantStatus) -> Result<(), TenantError> {
        if tenant.status.as_ref() == Some(&status) {
            return Ok(());
        }
        tracing::info!(tenant = tenant.name_any(), ?status, "a tenant changed");
        let tenants: Api<Tenant> = Api::all(self.client.clone());
        let patch = json!({ "metadata": { "uid": tenant.metadata.uid }, "status": status });
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        tenants
            .patch_status(&tenant.name_any(), &parameters, &Patch::Merge(patch))
            .await
            .map_err(call("write the tenant's status"))?;
        Ok(())
    }
}

async fn reconcile(tenant: Arc<Tenant>, tenants: Arc<Tenants>) -> Result<Action, TenantError> {
    tenants.bring(&tenant).await?;
    tenants.reconciliations.count(Outcome::Done);
    Ok(Action::await_change())
}

#[expect(clippy::needless_pass_by_value, reason = "what kube's controller calls has this shape")]
fn failed(tenant: Arc<Tenant>, error: &TenantError, tenants: Arc<Tenants>) -> Action {
    tracing::warn!(
        tenant = tenant.name_any(),
        error = error as &dyn std::error::Error,
        "a tenant is tried again"
    );
    tenants.reconciliations.count(Outcome::Failed);
    Action::requeue(PAUSE)
}

/// The tenant whose order an Assignment is about.
fn customer(tenants: &Store<Tenant>, assignment: &Assignment) -> Option<ObjectRef<Tenant>> {
    let cluster = &assignment.spec.order.cluster_name;
    let owns = |tenant: &Tenant| tenant.status.as_ref().is_some_and(|status| status.cluster == *cluster);
    tenants.find(owns).map(|tenant| ObjectRef::from_obj(tenant.as_ref()))
}

fn is_served(assignment: &Assignment) -> bool {
    assignment.status.as_ref().is_some_and(|status| status.phase == Some(AssignmentPhase::Bound))
}

fn call(action: &'static str) -> impl Fn(kube::Error) -> TenantError {
    move |source| TenantError::Call { action, source: Box::new(source) }
}
