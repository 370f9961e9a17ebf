//! The platform, an internal authority, one that orders by ACME from a Pebble, the operator, and one consumer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use broker_kcp::api::v1alpha1::AcceptApi;
use broker_operator::demo::market::{is_served, served_by};
use broker_operator::demo::stage::{Consumer, NAMESPACE, Provider, Stage};
use broker_operator::{Operator, OperatorError};
use broker_testkit::pebble::{Pebble, Settings};
use broker_testkit::provider::verify::verify;
use broker_testkit::provider::{CertificateAuthority, certificate_resource, samples};
use broker_testkit::wait::{each_version, until, until_all};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, AuthorityError};
use crate::certificate::{chains_to, leaf};
use crate::challenge::Responder;
use crate::directory::Directory;

/// The provider with an authority of its own, for names below `.internal.corp`.
pub const INTERNAL: &str = "internal-ca";
/// The provider that orders by ACME, for names below `.corp.com`.
pub const PUBLIC: &str = "letsencrypt";
/// The consumer's workspace.
pub const CONSUMER: &str = "acme";
/// What the second one offers.
pub const OFFER: &str = include_str!("../offer.yaml");
/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(2);

type Running<E> = (CancellationToken, JoinHandle<Result<(), E>>);

/// Everything at work. It ends when it is dropped.
pub struct Scene {
    /// The ACME server.
    pub pebble: Pebble,
    stage: Stage,
    internal: Provider,
    public: Client,
    consumer: Consumer,
    directory: Directory,
    challenges: crate::Challenges,
    agent: Client,
    authority: Option<Running<AuthorityError>>,
    operator: Running<OperatorError>,
    _responder: tokio_util::sync::DropGuard,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Scene {
    /// Opens the platform below `tree`, which exists, on a server whose administrator `admin` is. `adjust` sets up the ACME
    /// server.
    pub async fn open(
        admin: Config,
        tree: &str,
        grace: Duration,
        adjust: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<Self> {
        let responder = Responder::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let mut settings = Settings::new(responder.address()?.port());
        adjust(&mut settings);
        let pebble = Pebble::start(settings).await?;
        let challenges = responder.challenges();
        let answering = CancellationToken::new();
        tokio::spawn(responder.run(answering.clone()));
        let directory = Directory::new(&pebble.directory(), Some(&pebble.trust()))?;

        let stage = Stage::build(admin, tree, grace).await?;
        let internal = stage.provider(INTERNAL, CertificateAuthority::new(INTERNAL)?).await?;
        internal.offer(samples::OFFER_INTERNAL).await?;
        let agent = stage.agent(PUBLIC).await?;
        let public = stage.client(PUBLIC)?;
        let offers: Api<AcceptApi> = Api::namespaced(public.clone(), NAMESPACE);
        offers.create(&PostParams::default(), &serde_saphyr::from_str(OFFER)?).await.context("the offer")?;
        let consumer = stage.consumer(CONSUMER).await?;
        let lease = Duration::from_secs(5);
        let operator = Operator::builder().config(stage.broker().clone()).lease_times(lease, lease / 5);
        let operator = operator.build().await?;
        let stop = CancellationToken::new();
        let operator = (stop.clone(), tokio::spawn(operator.run(stop.cancelled_owned())));
        let mut scene = Self {
            pebble,
            stage,
            internal,
            public,
            consumer,
            directory,
            challenges,
            agent,
            authority: None,
            operator,
            _responder: answering.drop_guard(),
        };
        scene.start_authority();
        for offers in [offers, scene.internal.offers()] {
            let taken = |all: &[AcceptApi]| !all.is_empty() && all.iter().all(is_available);
            until_all(&offers, watcher::Config::default(), "an offer to be available", DEADLINE, taken)
                .await?;
        }
        Ok(scene)
    }

    /// Starts the authority that orders by ACME.
    pub fn start_authority(&mut self) {
        let authority = Authority::new(PUBLIC, self.directory.clone(), self.challenges.clone());
        let stop = CancellationToken::new();
        let running = tokio::spawn(authority.run(self.agent.clone(), stop.clone()));
        self.authority = Some((stop, running));
    }

    /// Ends it.
    pub async fn stop_authority(&mut self) -> anyhow::Result<()> {
        if let Some((stop, running)) = self.authority.take() {
            stop.cancel();
            running.await.context("the authority broke down")??;
        }
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

    /// The Secrets of the provider that orders by ACME.
    pub fn secrets_of_public(&self) -> Api<Secret> {
        Api::namespaced(self.public.clone(), NAMESPACE)
    }

    /// The copies at the provider that orders by ACME.
    pub fn copies_at_public(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.public.clone(), NAMESPACE, &certificate_resource())
    }

    /// Orders a certificate for a name.
    pub async fn order(&self, order: &str, fqdn: &str) -> anyhow::Result<()> {
        self.consumer.order(order, fqdn).await?;
        Ok(())
    }

    /// Lets an order want another name.
    pub async fn change(&self, order: &str, fqdn: &str) -> anyhow::Result<()> {
        self.consumer.change(order, fqdn).await?;
        Ok(())
    }

    /// Waits until an order is served as it is now, by this provider, and returns the Secret that the consumer has then.
    pub async fn until_served(&self, order: &str, provider: &str) -> anyhow::Result<Secret> {
        let served = |found: Option<&DynamicObject>| {
            found.is_some_and(|order| is_served(order) && served_by(order) == Some(provider))
        };
        let what = format!("{order} to be served by {provider}");
        until(&self.orders(), order, &what, DEADLINE, served).await?;
        self.secrets().get(&secret_of(order)).await.context("the consumer's Secret")
    }

    /// Waits until the condition `Ready` of an order, about the order as it is now, gives this reason, and returns its
    /// message.
    pub async fn until_told(&self, order: &str, reason: &str) -> anyhow::Result<String> {
        let said = |found: &DynamicObject| {
            let conditions = found.data.pointer("/status/conditions").and_then(Value::as_array)?;
            let ready = conditions.iter().find(|found| found.get("type").is_some_and(|it| it == "Ready"))?;
            let text = |key| ready.get(key).and_then(Value::as_str);
            let now = ready.get("observedGeneration").and_then(Value::as_i64) == found.metadata.generation;
            (now && text("reason") == Some(reason)).then(|| text("message").unwrap_or_default().to_owned())
        };
        let what = format!("{order} to be told {reason}");
        let holds = |found: Option<&DynamicObject>| found.is_some_and(|order| said(order).is_some());
        let found = until(&self.orders(), order, &what, DEADLINE, holds).await?;
        found.as_ref().and_then(said).ok_or_else(|| anyhow!("{order} went away"))
    }

    /// Judges each version of an order's Secret from now on, by what both authorities issue.
    pub async fn keep_looking(&self, order: &str) -> anyhow::Result<Sight> {
        let internal = self.internal.authority.clone();
        let root = self.pebble.root().await?;
        let judge = move |secret: Option<&Secret>| {
            let Some(secret) = secret else { return Err("it is missing".to_owned()) };
            let own = verify(Some(secret), std::slice::from_ref(internal.certificate()));
            if own.leaf().is_some() { Ok(INTERNAL) } else { judge(secret, &root).map(|()| PUBLIC) }
        };
        Ok(Sight::start(self.secrets(), secret_of(order), judge))
    }

    /// Deletes an order, and waits until nothing is left of it at either end.
    pub async fn delete(&self, order: &str) -> anyhow::Result<()> {
        let orders = self.orders();
        orders.delete(order, &DeleteParams::default()).await.context("the order's deletion")?;
        until(&orders, order, "the order to be gone", DEADLINE, |found| found.is_none()).await?;
        let gone = |found: Option<&Secret>| found.is_none();
        until(&self.secrets(), &secret_of(order), "its Secret to be gone", DEADLINE, gone).await?;
        Ok(())
    }

    /// Waits until the provider that orders by ACME has no copies, and no Secrets of copies.
    pub async fn until_nothing_is_left(&self) -> anyhow::Result<()> {
        let all = watcher::Config::default;
        until_all(&self.copies_at_public(), all(), "no copies", DEADLINE, <[_]>::is_empty).await?;
        let of_copies = all().labels("broker.platform-mesh.io/managed=true");
        let none = <[Secret]>::is_empty;
        until_all(&self.secrets_of_public(), of_copies, "no Secrets of copies", DEADLINE, none).await?;
        Ok(())
    }

    /// Ends the authority and the operator as a signal does.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.stop_authority().await?;
        let (stop, running) = self.operator;
        stop.cancel();
        running.await.context("the operator broke down")??;
        Ok(())
    }
}

/// What the broker calls an order's Secret.
fn secret_of(order: &str) -> String {
    format!("{order}-secret")
}

/// Whether a Secret has what a client that trusts this root (in PEM) accepts for the name that is in it.
///
/// # Errors
/// What is wrong with it.
pub fn judge(secret: &Secret, root: &str) -> Result<(), String> {
    let leaf = leaf(secret).ok_or("key and certificate are not of one pair")?;
    leaf.names.iter().try_for_each(|name| chains_to(secret, root, name))
}

fn is_available(offer: &AcceptApi) -> bool {
    let conditions = offer.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|found| found.type_ == "Available")
        .any(|found| found.reason.as_deref() == Some("ProviderReady"))
}

/// Somebody who looks at every version of a Secret.
#[derive(Debug)]
pub struct Sight {
    stop: CancellationToken,
    looking: JoinHandle<anyhow::Result<Vec<Result<&'static str, String>>>>,
}

impl Sight {
    fn start(
        secrets: Api<Secret>,
        name: String,
        judge: impl Fn(Option<&Secret>) -> Result<&'static str, String> + Send + Sync + 'static,
    ) -> Self {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let looking = tokio::spawn(async move {
            let mut seen = Vec::new();
            each_version(&secrets, &name, &token, |secret| seen.push(judge(secret))).await?;
            Ok(seen)
        });
        Self { stop, looking }
    }

    /// Whose certificate each version had, up to the present one, or what was wrong with it.
    pub async fn finish(self) -> anyhow::Result<Vec<Result<&'static str, String>>> {
        self.stop.cancel();
        self.looking.await?
    }
}
