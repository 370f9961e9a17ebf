//! The platform, a provider behind a gate that can be shut, another provider, the operator, and one consumer.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use broker_kcp::api::v1alpha1::{AcceptApi, Assignment, BrokeredApi};
use broker_operator::demo::market::{is_served, served_by};
use broker_operator::demo::stage::{Consumer, NAMESPACE, PLATFORM, Provider, Stage};
use broker_operator::{Operator, OperatorError};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::gate::Gate;
use broker_testkit::provider::{CertificateAuthority, SecretReader};
use broker_testkit::wait::{until, until_all};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The provider that fails: its workspace, and what the platform calls it.
pub(crate) const FAILING: &str = "failing-provider";
/// The one that does not.
pub(crate) const HEALTHY: &str = "healthy-provider";
const CONSUMER: &str = "acme";
const CERTIFICATES: &str = "certificates.example.com";
const OFFER_FAILING: &str = include_str!("../offer-failing.yaml");
const OFFER_HEALTHY: &str = include_str!("../offer-healthy.yaml");
/// Old copies go soon, since somebody is waiting.
const GRACE: Duration = Duration::from_secs(1);
/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(2);

/// Everything at work.
pub(crate) struct Scene {
    /// What stands between the broker and the failing provider.
    pub(crate) gate: Gate,
    pub(crate) stage: Stage,
    pub(crate) failing: Provider,
    pub(crate) healthy: Provider,
    consumer: Consumer,
    server: ControlPlane,
    folder: tempfile::TempDir,
    operator: (CancellationToken, JoinHandle<Result<(), OperatorError>>),
}

impl Scene {
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let server = ControlPlane::builder().start().await?;
        // The failing provider lives on a shard of its own, which is reached through the gate alone.
        let gate = Gate::before(server.url().trim_start_matches("https://")).await?;
        server.serve_shard("west", &format!("https://{}", gate.address()), &[FAILING]);
        let stage = Stage::build(server.admin_config(), "root", GRACE).await?;
        let failing = stage.provider(FAILING, CertificateAuthority::new(FAILING)?).await?;
        let healthy = stage.provider(HEALTHY, CertificateAuthority::new(HEALTHY)?).await?;
        let consumer = stage.consumer(CONSUMER).await?;
        let apis: Api<BrokeredApi> = Api::all(stage.client(PLATFORM)?);
        let word = json!({"spec": {
            "failoverAfter": "1s",
            "providers": [
                {"cluster": failing.workspace, "alias": FAILING},
                {"cluster": healthy.workspace, "alias": HEALTHY},
            ],
        }});
        apis.patch(CERTIFICATES, &PatchParams::default(), &Patch::Merge(word)).await?;
        let folder = tempfile::tempdir()?;
        let platform = server.kubeconfig(&stage.path(PLATFORM));
        broker_operator::files::write_private(&folder.path().join("platform.kubeconfig"), &platform)?;

        let lease = Duration::from_secs(5);
        let operator = Operator::builder().config(stage.broker().clone()).lease_times(lease, lease / 5);
        let (operator, stop) = (operator.build().await?, CancellationToken::new());
        let operator = (stop.clone(), tokio::spawn(operator.run(stop.cancelled_owned())));
        let scene = Self { gate, stage, failing, healthy, consumer, server, folder, operator };
        for (provider, offer) in [(&scene.failing, OFFER_FAILING), (&scene.healthy, OFFER_HEALTHY)] {
            let offer: AcceptApi = serde_saphyr::from_str(offer)?;
            provider.offers().create(&PostParams::default(), &offer).await.context("the offer")?;
            scene.until_offer(provider, "ProviderReady").await?;
        }
        Ok(scene)
    }

    /// A kubeconfig of the platform's administrator.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("platform.kubeconfig")
    }

    /// Orders a certificate, and waits until this provider serves it.
    pub(crate) async fn order(&self, order: &str, by: &Provider) -> anyhow::Result<()> {
        self.consumer.order(order, &format!("{order}.corp.com")).await?;
        self.until_served(order, by).await
    }

    /// Waits until an order is served by this provider, and its consumer was told.
    pub(crate) async fn until_served(&self, order: &str, by: &Provider) -> anyhow::Result<()> {
        let served = |found: Option<&DynamicObject>| {
            found.is_some_and(|order| is_served(order) && served_by(order) == Some(by.authority.name()))
        };
        let what = format!("{order} to be served by {}", by.name);
        until(&self.consumer.orders(), order, &what, DEADLINE, served).await?;
        Ok(())
    }

    /// Reads an order's Secret until it is told to stop, and counts what could not be used.
    pub(crate) fn keep_reading(&self, order: &str) -> SecretReader {
        let roots = [&self.failing, &self.healthy].map(|one| one.authority.certificate().clone());
        let (client, every) = (self.consumer.client.clone(), Duration::from_millis(5));
        SecretReader::start(client, NAMESPACE, &format!("{order}-secret"), roots.to_vec(), every)
    }

    /// Waits until the broker says this about a provider's offer.
    pub(crate) async fn until_offer(&self, provider: &Provider, reason: &str) -> anyhow::Result<()> {
        let says = |all: &[AcceptApi]| {
            let conditions =
                all.iter().filter_map(|offer| offer.status.as_ref()).flat_map(|it| &it.conditions);
            let mut available = conditions.filter(|found| found.type_ == "Available");
            available.any(|found| found.reason.as_deref() == Some(reason))
        };
        let what = format!("the offer of {} to be {reason}", provider.name);
        until_all(&provider.offers(), watcher::Config::default(), &what, DEADLINE, says).await?;
        Ok(())
    }

    /// The provider says on its offer whether it is ready.
    pub(crate) async fn say_ready(&self, provider: &Provider, status: &str) -> anyhow::Result<()> {
        let offers = provider.offers();
        for offer in offers.list(&kube::api::ListParams::default()).await? {
            let condition = json!({
                "type": "Ready", "status": status, "reason": "Maintenance", "message": "until further notice",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            });
            let said = json!({
                "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "AcceptAPI",
                "status": {"conditions": [condition]},
            });
            let by = PatchParams::apply("provider").force();
            offers.patch_status(&offer.name_any(), &by, &Patch::Apply(said)).await?;
        }
        Ok(())
    }

    /// Waits until so many copies are recorded as left behind at a provider that nobody reached.
    pub(crate) async fn until_leftovers(&self, count: usize) -> anyhow::Result<()> {
        let left =
            |all: &[Assignment]| all.iter().map(|found| found.spec.leftovers.len()).sum::<usize>() == count;
        let what = format!("{count} copies to be left behind");
        until_all(&self.stage.assignments()?, watcher::Config::default(), &what, DEADLINE, left).await?;
        Ok(())
    }

    /// Waits until a provider has no copies.
    pub(crate) async fn until_empty(&self, provider: &Provider) -> anyhow::Result<()> {
        let what = format!("no copies at {}", provider.name);
        until_all(&provider.copies(), watcher::Config::default(), &what, DEADLINE, <[_]>::is_empty).await?;
        Ok(())
    }

    /// Deletes an order, and waits until it is gone.
    pub(crate) async fn delete(&self, order: &str) -> anyhow::Result<()> {
        let orders = self.consumer.orders();
        orders.delete(order, &kube::api::DeleteParams::default()).await?;
        until(&orders, order, "the order to be gone", DEADLINE, |found| found.is_none()).await?;
        Ok(())
    }

    /// Ends everything.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let (stop, running) = self.operator;
        stop.cancel();
        running.await.map_err(|error| anyhow!("the operator broke down: {error}"))??;
        drop((self.failing, self.healthy));
        self.server.shutdown().await;
        Ok(())
    }
}
