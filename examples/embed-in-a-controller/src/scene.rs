//! A small world: a control plane, a platform that brokers certificates, an authority that offers them.

use std::fmt;
use std::time::Duration;

use broker_operator::demo::stage::{Consumer, NAMESPACE, PLATFORM, Provider, Stage};
use broker_operator::init::Server;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::{CertificateAuthority, certificate_resource, samples};
use broker_testkit::wait::until;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::PostParams;
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use kube::{Api, CustomResourceExt as _};

use crate::program::Program;
use crate::tenant::{Tenant, TenantStatus};

/// Longer than anything here takes, on a busy machine too.
const DEADLINE: Duration = Duration::from_secs(90);
/// Of no consequence here: nothing moves.
const GRACE: Duration = Duration::from_secs(1);

/// The world, without the program.
pub struct Scene {
    server: ControlPlane,
    stage: Stage,
    tenants: Api<Tenant>,
    authority: Provider,
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Scene {
    /// Sets everything up, the definition of Tenant included.
    ///
    /// # Errors
    /// Where something could not be made.
    pub async fn open() -> anyhow::Result<Self> {
        let server = ControlPlane::builder().start().await?;
        let stage = Stage::build(server.admin_config(), "root", GRACE).await?;
        let authority = stage.provider("internal-ca", CertificateAuthority::new("Internal CA")?).await?;
        authority.offer(samples::OFFER_INTERNAL).await?;
        let platform = stage.client(PLATFORM)?;
        let definitions: Api<CustomResourceDefinition> = Api::all(platform.clone());
        definitions.create(&PostParams::default(), &Tenant::crd()).await?;
        let established = await_condition(definitions, Tenant::crd_name(), is_crd_established());
        tokio::time::timeout(DEADLINE, established).await??;
        Ok(Self { server, stage, tenants: Api::all(platform), authority })
    }

    /// The program for this world.
    ///
    /// # Errors
    /// Where no clients can be made.
    pub async fn program(&self) -> anyhow::Result<Program> {
        let server = Server::from_config(self.server.admin_config());
        Program::new(server, &self.stage.path(PLATFORM), self.stage.broker().clone()).await
    }

    /// A new customer.
    ///
    /// # Errors
    /// Where the server refuses it.
    pub async fn welcome(&self, name: &str) -> anyhow::Result<()> {
        let tenant = Tenant::new(name, crate::tenant::TenantSpec::default());
        self.tenants.create(&PostParams::default(), &tenant).await?;
        Ok(())
    }

    /// A customer orders a certificate in its own workspace.
    ///
    /// # Errors
    /// Where the server refuses it.
    pub async fn order(&self, tenant: &str, fqdn: &str) -> anyhow::Result<()> {
        self.customer(tenant)?.order("my-app-cert", fqdn).await?;
        Ok(())
    }

    /// Waits until the certificate that a customer ordered is there, and tells who issued it.
    ///
    /// # Errors
    /// Where that does not come.
    pub async fn until_issued(&self, tenant: &str) -> anyhow::Result<String> {
        let orders = Api::namespaced_with(self.stage.client(tenant)?, NAMESPACE, &certificate_resource());
        let issuer = |order: &kube::api::DynamicObject| {
            order.data.pointer("/status/issuer").and_then(|issuer| issuer.as_str()).map(str::to_owned)
        };
        let is_there = |order: Option<&kube::api::DynamicObject>| order.and_then(issuer).is_some();
        let order = until(&orders, "my-app-cert", "the certificate to be issued", DEADLINE, is_there).await?;
        Ok(order.as_ref().and_then(issuer).unwrap_or_default())
    }

    /// Waits until a tenant's status is as it should be.
    ///
    /// # Errors
    /// Where that does not come.
    pub async fn until(
        &self,
        tenant: &str,
        what: &str,
        holds: impl Fn(&TenantStatus) -> bool,
    ) -> anyhow::Result<TenantStatus> {
        let status = |tenant: Option<&Tenant>| tenant.and_then(|tenant| tenant.status.clone());
        let as_it_should_be = |tenant: Option<&Tenant>| status(tenant).is_some_and(|status| holds(&status));
        let found = until(&self.tenants, tenant, what, DEADLINE, as_it_should_be).await?;
        Ok(status(found.as_ref()).unwrap_or_default())
    }

    /// Ends the world.
    pub async fn close(self) {
        drop(self.authority);
        self.server.shutdown().await;
    }

    fn customer(&self, tenant: &str) -> anyhow::Result<Consumer> {
        let client = self.stage.client(tenant)?;
        Ok(Consumer { name: tenant.to_owned(), workspace: self.stage.path(tenant), client })
    }
}
