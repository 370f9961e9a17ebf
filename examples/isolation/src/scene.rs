//! The platform, two tenants, the provider of both, another provider, the operator; everybody with credentials of its own.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use broker_kcp::api::v1alpha1::Assignment;
use broker_operator::demo::market::{brokered, brokered_message, is_served};
use broker_operator::demo::stage::{Consumer, NAMESPACE, PLATFORM, Provider, Stage};
use broker_operator::init::{Init, MemberOptions, Role, Server};
use broker_operator::{Operator, OperatorError};
use broker_testkit::provider::verify::verify;
use broker_testkit::provider::{CertificateAuthority, certificate_resource, samples};
use broker_testkit::wait::{until, until_all};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams};
use kube::runtime::watcher;
use kube::{Api, Config, ResourceExt as _};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::reach::{Reach, may_list};

/// Who orders.
pub(crate) const TENANTS: [&str; 2] = ["acme", "globex"];
/// Who provides for both.
pub(crate) const PROVIDER: &str = "internal-ca";
/// Who provides, too, and has nothing to do with them.
const OTHER: &str = "public-ca";
/// Old copies go soon, since somebody is waiting.
const GRACE: Duration = Duration::from_secs(1);
/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(2);

/// Everything at work.
pub(crate) struct Scene {
    server: Server,
    stage: Stage,
    provider: Provider,
    other: Provider,
    tenants: Vec<Consumer>,
    operator: (CancellationToken, JoinHandle<Result<(), OperatorError>>),
}

/// What a provider finds in its workspace.
pub(crate) struct Told {
    /// How many copies there are.
    pub(crate) copies: usize,
    /// How often the copies and their Secrets have the name of a tenant or of an order anywhere.
    pub(crate) names: usize,
}

impl Scene {
    pub(crate) async fn open(admin: Config, tree: &str) -> anyhow::Result<Self> {
        let stage = Stage::build(admin.clone(), tree, GRACE).await?;
        let provider = stage.provider(PROVIDER, CertificateAuthority::new(PROVIDER)?).await?;
        provider.offer(samples::OFFER_INTERNAL).await?;
        let other = stage.provider(OTHER, CertificateAuthority::new(OTHER)?).await?;
        other.offer(samples::OFFER_PUBLIC).await?;
        let mut tenants = Vec::new();
        for tenant in TENANTS {
            tenants.push(stage.consumer(tenant).await?);
        }
        let lease = Duration::from_secs(5);
        let operator = Operator::builder().config(stage.broker().clone()).lease_times(lease, lease / 5);
        let (operator, stop) = (operator.build().await?, CancellationToken::new());
        let operator = (stop.clone(), tokio::spawn(operator.run(stop.cancelled_owned())));
        Ok(Self { server: Server::from_config(admin), stage, provider, other, tenants, operator })
    }

    fn tenant(&self, name: &str) -> anyhow::Result<&Consumer> {
        self.tenants.iter().find(|tenant| tenant.name == name).with_context(|| format!("there is no {name}"))
    }

    pub(crate) async fn order(&self, tenant: &str, order: &str, fqdn: &str) -> anyhow::Result<()> {
        self.tenant(tenant)?.order(order, fqdn).await?;
        Ok(())
    }

    /// Waits until a tenant's order is served, and returns the name that the certificate in its Secret is for.
    pub(crate) async fn until_served(&self, tenant: &str, order: &str) -> anyhow::Result<String> {
        let consumer = self.tenant(tenant)?;
        let served = |found: Option<&DynamicObject>| found.is_some_and(is_served);
        until(&consumer.orders(), order, &format!("{order} of {tenant} to be served"), DEADLINE, served)
            .await?;
        let secret = self.secret(tenant, order).await?;
        let verdict = verify(secret.as_ref(), std::slice::from_ref(self.provider.authority.certificate()));
        let leaf =
            verdict.leaf().with_context(|| format!("the Secret of {tenant} cannot be used: {verdict:?}"))?;
        Ok(leaf.names.iter().cloned().collect())
    }

    /// Waits until a tenant's order is said to fit nobody, and returns the words.
    pub(crate) async fn until_refused(&self, tenant: &str, order: &str) -> anyhow::Result<String> {
        let refused =
            |found: Option<&DynamicObject>| found.is_some_and(|order| brokered(order) == "NoMatchingOffer");
        let orders = self.tenant(tenant)?.orders();
        let found = until(&orders, order, &format!("{order} to wait"), DEADLINE, refused).await?;
        Ok(brokered_message(&found.context("the order went away")?).to_owned())
    }

    /// The Secret of a tenant's order.
    pub(crate) async fn secret(&self, tenant: &str, order: &str) -> anyhow::Result<Option<Secret>> {
        Ok(self.tenant(tenant)?.secrets().get_opt(&format!("{order}-secret")).await?)
    }

    /// Looks through the provider's workspace for names that are not its business.
    pub(crate) async fn what_the_provider_has(&self) -> anyhow::Result<Told> {
        let copies = self.provider.copies().list(&ListParams::default()).await?.items;
        let mut texts = Vec::new();
        for copy in &copies {
            texts.push(serde_json::to_string(copy)?);
            let secret = self.provider.secrets().get(&format!("{}-tls", copy.name_any())).await?;
            texts.push(serde_json::to_string(&secret.metadata)?);
        }
        let told = |name: &str| texts.iter().filter(|text| text.contains(name)).count();
        let names = TENANTS.into_iter().chain(["my-app-cert"]).map(told).sum();
        Ok(Told { copies: copies.len(), names })
    }

    /// Who may list what where: every tenant and provider, in every workspace, with credentials of its own.
    pub(crate) async fn reaches(&self) -> anyhow::Result<Vec<Reach>> {
        let certificates = certificate_resource();
        let secrets = ApiResource::erase::<Secret>(&());
        let assignments = ApiResource::erase::<Assignment>(&());
        let everybody = TENANTS.into_iter().chain([PROVIDER, OTHER]);
        let everywhere = everybody.clone().flat_map(|workspace| {
            [(workspace, "certificates", &certificates), (workspace, "Secrets", &secrets)]
        });
        let everywhere: Vec<_> = everywhere.chain([(PLATFORM, "Assignments", &assignments)]).collect();
        let mut reaches = Vec::new();
        for who in everybody {
            let own = self.credentials(who).await?;
            for &(workspace, what, resource) in &everywhere {
                let client = self.server.as_in(own.clone()).client(&self.stage.path(workspace))?;
                let may = may_list(&client, resource).await;
                let may = may.with_context(|| format!("{who} tries to list {what} of {workspace}"))?;
                reaches.push(Reach { who, workspace, what, may });
            }
        }
        Ok(reaches)
    }

    /// What a tenant's, or a provider's, own people work with.
    async fn credentials(&self, who: &str) -> anyhow::Result<Config> {
        let options = MemberOptions {
            workspace: self.stage.path(who),
            platform: self.stage.path(PLATFORM),
            ..MemberOptions::default()
        };
        let role = if TENANTS.contains(&who) { Role::Consumer } else { Role::Provider };
        let (credentials, _) = Init::new(self.server.clone()).member_credentials(role, &options).await?;
        let config = credentials.config().await?;
        // A server may take a moment to know an account that it made, and its rights.
        let client = self.server.as_in(config.clone()).client(&options.workspace)?;
        let secrets: Api<Secret> = Api::namespaced(client, NAMESPACE);
        let what = format!("the access of {who}");
        until_all(&secrets, watcher::Config::default(), &what, DEADLINE, |_| true).await?;
        Ok(config)
    }

    /// Deletes a tenant's order, and waits until its Secret and its copy are gone.
    pub(crate) async fn delete(&self, tenant: &str, order: &str) -> anyhow::Result<()> {
        let consumer = self.tenant(tenant)?;
        let before = self.provider.copies().list(&ListParams::default()).await?.items.len();
        let served = self.secret(tenant, order).await?.is_some();
        consumer.orders().delete(order, &DeleteParams::default()).await?;
        until(&consumer.orders(), order, "the order to be gone", DEADLINE, |found| found.is_none()).await?;
        let secret = format!("{order}-secret");
        until(&consumer.secrets(), &secret, "its Secret to be gone", DEADLINE, |found| found.is_none())
            .await?;
        let left = if served { before - 1 } else { before };
        let gone = move |copies: &[DynamicObject]| copies.len() == left;
        let copies = self.provider.copies();
        until_all(&copies, watcher::Config::default(), "its copy to be gone", DEADLINE, gone).await?;
        Ok(())
    }

    /// Ends everything.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let (stop, running) = self.operator;
        stop.cancel();
        running.await.map_err(|error| anyhow!("the operator broke down: {error}"))??;
        drop((self.provider, self.other));
        Ok(())
    }
}
