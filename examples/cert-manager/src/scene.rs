//! The platform, a provider with cert-manager, one with an authority of its own kind, the operator, and one consumer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use broker_kcp::api::v1alpha1::{AcceptApi, Assignment};
use broker_operator::demo::market::is_served;
use broker_operator::demo::stage::{Consumer, NAMESPACE, PLATFORM, Provider, Stage};
use broker_operator::files::parse_objects;
use broker_operator::init::{ApiDefinition, CopyExport, Init, MemberOptions, PlatformOptions, Role, Server};
use broker_operator::{Operator, OperatorError};
use broker_testkit::cert_manager::{CertManager, definitions};
use broker_testkit::provider::verify::{AuthorityCertificate, Leaf, verify};
use broker_testkit::provider::{CertificateAuthority, SecretReader, samples};
use broker_testkit::wait::{until, until_all};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::watcher;
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The platform's export of cert-manager's kinds.
pub const EXPORT: &str = "cert-manager.io";
/// The provider with cert-manager: its workspace, and what its authority is called there.
pub const INTERNAL: &str = "internal-ca";
/// The provider with an authority that serves the order's own kind.
pub const PUBLIC: &str = "public-ca";
/// The consumer's workspace.
pub const CONSUMER: &str = "acme";
/// The order.
pub const ORDER: &str = "my-app-cert";
/// What the consumer gets.
pub const SECRET: &str = "my-app-cert-secret";

const AUTHORITY: &str = include_str!("../authority.yaml");
/// What the provider with cert-manager offers.
pub const OFFER: &str = include_str!("../offer.yaml");
/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(2);

/// Everything at work. It ends when it is dropped.
pub struct Scene {
    stage: Stage,
    kubeconfig: String,
    cert_manager: Option<CertManager>,
    internal: Client,
    public: Provider,
    consumer: Consumer,
    authorities: Vec<AuthorityCertificate>,
    operator: (CancellationToken, JoinHandle<Result<(), OperatorError>>),
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Scene {
    /// Opens the platform below `tree`, which exists, on a server whose administrator `admin` is.
    pub async fn open(admin: Config, tree: &str, grace: Duration) -> anyhow::Result<Self> {
        let stage = Stage::build(admin.clone(), tree, grace).await?;
        let init = Init::new(Server::from_config(admin));

        // cert-manager's kinds are served by an export of the platform's, which orders may be translated into.
        let kinds = CopyExport::parse(EXPORT, "cert-manager's definitions", &definitions().await?)?;
        let certificates: Value = serde_saphyr::from_str(samples::CERTIFICATES)?;
        let platform = PlatformOptions {
            workspace: stage.path(PLATFORM),
            apis: vec![ApiDefinition::parse("the sample API", &certificates)?],
            copies: vec![kinds],
            ..PlatformOptions::default()
        };
        init.platform(&platform).await?;

        // The provider binds it, and cert-manager runs in its workspace with the rights of an account there.
        let member = MemberOptions {
            workspace: stage.path(INTERNAL),
            platform: stage.path(PLATFORM),
            copies: vec![EXPORT.to_owned()],
            ..MemberOptions::default()
        };
        init.provider(&member).await?;
        let (credentials, _) = init.member_credentials(Role::Provider, &member).await?;
        let kubeconfig = serde_saphyr::to_string(credentials.kubeconfig())?;
        let mut cert_manager = CertManager::start(&kubeconfig).await?;
        let internal = stage.client(INTERNAL)?;
        let root = cert_manager.while_running(set_up_authority(&internal)).await??;
        let offers: Api<AcceptApi> = Api::namespaced(internal.clone(), NAMESPACE);
        offers.create(&PostParams::default(), &serde_saphyr::from_str(OFFER)?).await.context("the offer")?;

        let public = stage.provider(PUBLIC, CertificateAuthority::new(PUBLIC)?).await?;
        public.offer(samples::OFFER_PUBLIC).await?;
        let authorities = vec![root, public.authority.certificate().clone()];
        let consumer = stage.consumer(CONSUMER).await?;
        let operator = run_operator(stage.broker().clone()).await?;
        for offers in [offers, public.offers()] {
            let taken = |all: &[AcceptApi]| !all.is_empty() && all.iter().all(is_available);
            until_all(&offers, watcher::Config::default(), "an offer to be available", DEADLINE, taken)
                .await?;
        }
        let cert_manager = Some(cert_manager);
        Ok(Self { stage, kubeconfig, cert_manager, internal, public, consumer, authorities, operator })
    }

    /// Ends cert-manager.
    pub fn stop_cert_manager(&mut self) {
        self.cert_manager = None;
    }

    /// Starts cert-manager.
    pub async fn start_cert_manager(&mut self) -> anyhow::Result<()> {
        self.cert_manager = Some(CertManager::start(&self.kubeconfig).await?);
        Ok(())
    }

    /// The consumer's orders.
    pub fn orders(&self) -> Api<DynamicObject> {
        self.consumer.orders()
    }

    /// The consumer's Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        self.consumer.secrets()
    }

    /// cert-manager's certificates in the provider's workspace: the copies, and the root.
    pub fn certificates(&self) -> Api<DynamicObject> {
        of_cert_manager(&self.internal, "Certificate")
    }

    /// The copies at the public authority.
    pub fn public_copies(&self) -> Api<DynamicObject> {
        self.public.copies()
    }

    /// Reads the consumer's Secret until it is told to stop, and counts what could not be used.
    pub fn keep_reading(&self) -> SecretReader {
        let every = Duration::from_millis(5);
        let client = self.consumer.client.clone();
        SecretReader::start(client, NAMESPACE, SECRET, self.authorities.clone(), every)
    }

    /// Orders a certificate for a name below `.internal.corp` or `.corp.com`.
    pub async fn order(&self, fqdn: &str) -> anyhow::Result<()> {
        self.consumer.order(ORDER, fqdn).await?;
        Ok(())
    }

    /// Lets the order want another name.
    pub async fn change(&self, fqdn: &str) -> anyhow::Result<DynamicObject> {
        Ok(self.consumer.change(ORDER, fqdn).await?)
    }

    /// Waits until the consumer is told that its order is served, and holds a certificate for this name by this authority.
    pub async fn until_issued(&mut self, authority: &str, fqdn: &str) -> anyhow::Result<Leaf> {
        let authorities = &self.authorities;
        let leaf = |secret: &Secret| {
            let verdict = verify(Some(secret), authorities);
            let leaf = verdict.leaf().filter(|leaf| leaf.authority == authority);
            leaf.filter(|leaf| leaf.names.iter().eq([fqdn])).cloned()
        };
        let (orders, secrets) = (self.consumer.orders(), self.consumer.secrets());
        let issued = async {
            let served = |order: Option<&DynamicObject>| order.is_some_and(is_served);
            until(&orders, ORDER, "the order to be served", DEADLINE, served).await?;
            let what = format!("a certificate by {authority} for {fqdn}");
            let holds = |secret: Option<&Secret>| secret.is_some_and(|secret| leaf(secret).is_some());
            let found = until(&secrets, SECRET, &what, DEADLINE, holds).await?;
            found.as_ref().and_then(&leaf).ok_or_else(|| anyhow!("{what} went away"))
        };
        while_running(self.cert_manager.as_mut(), issued).await
    }

    /// Deletes the order, and waits until it is gone.
    pub async fn delete_order(&self) -> anyhow::Result<()> {
        let orders = self.orders();
        orders.delete(ORDER, &DeleteParams::default()).await.context("the order's deletion")?;
        until(&orders, ORDER, "the order to be gone", DEADLINE, |found| found.is_none()).await?;
        Ok(())
    }

    /// Waits until the provider's workspace holds nothing of any order: no certificate, request or Secret but its root's.
    pub async fn until_nothing_is_left_at_cert_manager(&self) -> anyhow::Result<()> {
        let all = watcher::Config::default;
        let root_alone = |found: &[DynamicObject]| found.iter().all(|one| one.name_any() == INTERNAL);
        until_all(&self.certificates(), all(), "no copies", DEADLINE, root_alone).await?;
        let of_root = |found: &DynamicObject| {
            found.annotations().get("cert-manager.io/certificate-name").is_some_and(|of| of == INTERNAL)
        };
        let requests = of_cert_manager(&self.internal, "CertificateRequest");
        let of_root_alone = |found: &[DynamicObject]| found.iter().all(of_root);
        until_all(&requests, all(), "no requests of copies", DEADLINE, of_root_alone).await?;
        let secrets: Api<Secret> = Api::namespaced(self.internal.clone(), NAMESPACE);
        // The account that cert-manager works with has a Secret, too.
        let is_token = |one: &Secret| one.type_.as_deref() == Some("kubernetes.io/service-account-token");
        let root_alone =
            |found: &[Secret]| found.iter().all(|one| one.name_any() == INTERNAL || is_token(one));
        until_all(&secrets, all(), "no Secrets of copies", DEADLINE, root_alone).await?;
        Ok(())
    }

    /// Waits until nobody knows of any order any more.
    pub async fn until_nothing_is_left(&self) -> anyhow::Result<()> {
        self.until_nothing_is_left_at_cert_manager().await?;
        let all = watcher::Config::default;
        until_all(&self.public_copies(), all(), "no copies", DEADLINE, <[_]>::is_empty).await?;
        let gone = <[Assignment]>::is_empty;
        until_all(&self.stage.assignments()?, all(), "no Assignments", DEADLINE, gone).await?;
        until(&self.secrets(), SECRET, "no Secret", DEADLINE, |found| found.is_none()).await?;
        Ok(())
    }

    /// Ends the operator as a signal does.
    pub async fn close(self) -> anyhow::Result<()> {
        let (stop, running) = self.operator;
        stop.cancel();
        running.await.context("the operator broke down")??;
        Ok(())
    }
}

/// Whether the broker takes an offer.
fn is_available(offer: &AcceptApi) -> bool {
    let conditions = offer.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|found| found.type_ == "Available")
        .any(|found| found.reason.as_deref() == Some("ProviderReady"))
}

/// What `work` comes to; where cert-manager is to run, unless it ends before.
async fn while_running<T>(
    cert_manager: Option<&mut CertManager>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    match cert_manager {
        Some(cert_manager) => cert_manager.while_running(work).await?,
        None => work.await,
    }
}

/// Makes the root and the issuer, and returns the root's certificate.
pub async fn set_up_authority(provider: &Client) -> anyhow::Result<AuthorityCertificate> {
    for object in parse_objects(Path::new("authority.yaml"), AUTHORITY)? {
        let object: DynamicObject = serde_json::from_value(object)?;
        let kind = object.types.as_ref().map(|types| types.kind.as_str()).unwrap_or_default();
        let api = of_cert_manager(provider, kind);
        let applied = PatchParams::apply("provider");
        api.patch(&object.name_any(), &applied, &Patch::Apply(&object)).await.context("the authority")?;
    }
    let issuers = of_cert_manager(provider, "Issuer");
    let ready = |issuer: Option<&DynamicObject>| {
        let status = issuer.and_then(|issuer| issuer.data.pointer("/status/conditions/0/status"));
        status.is_some_and(|status| status == "True")
    };
    until(&issuers, INTERNAL, "cert-manager's issuer to be ready", DEADLINE, ready).await?;
    let secrets: Api<Secret> = Api::namespaced(provider.clone(), NAMESPACE);
    let root = secrets.get(INTERNAL).await.context("the root's Secret")?;
    let root = root.data.as_ref().and_then(|data| data.get("tls.crt")).context("the root's certificate")?;
    Ok(AuthorityCertificate::from_pem(INTERNAL, &root.0)?)
}

async fn run_operator(
    config: Config,
) -> anyhow::Result<(CancellationToken, JoinHandle<Result<(), OperatorError>>)> {
    let lease = Duration::from_secs(5);
    let operator = Operator::builder().config(config).lease_times(lease, lease / 5).build().await?;
    let stop = CancellationToken::new();
    let running = tokio::spawn(operator.run(stop.clone().cancelled_owned()));
    Ok((stop, running))
}

/// A provider's objects of a kind of cert-manager's.
pub fn of_cert_manager(provider: &Client, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("cert-manager.io", "v1", kind));
    Api::namespaced_with(provider.clone(), NAMESPACE, &resource)
}
