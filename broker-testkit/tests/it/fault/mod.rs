//! Faults on command: that exactly the named one happens, exactly there, and what a client sees of it.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test may fail loudly")]

mod contract;
mod crash;
mod everything;
mod lists;
mod plan;
mod proxy;
mod requests;
mod watches;
mod windows;
mod world;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use broker_kcp::Connect as _;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::fault::{Hooks, Injector, Plan};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use tower::Layer as _;

/// Longer than anything takes, on a paused clock.
pub(crate) const AGES: Duration = Duration::from_hours(3);

/// A control plane without a network, and a client before which faults happen.
pub(crate) struct Rig {
    pub(crate) plane: ControlPlane,
    pub(crate) injector: Injector,
    pub(crate) client: Client,
}

impl Rig {
    pub(crate) fn new(plan: &str) -> Self {
        Self::around(Injector::new(parsed(plan)))
    }

    pub(crate) fn with_hooks(plan: &str, hooks: Arc<dyn Hooks>) -> Self {
        Self::around(Injector::with_hooks(parsed(plan), hooks))
    }

    fn around(injector: Injector) -> Self {
        let plane = ControlPlane::builder().seed(1).start_in_process();
        let client = client(&plane, &injector);
        Self { plane, injector, client }
    }

    /// Another client of the controller that is alive.
    pub(crate) fn further_client(&self) -> Client {
        client(&self.plane, &self.injector)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Somebody else, to whom nothing happens.
    pub(crate) fn outside(&self) -> Api<Secret> {
        let config = self.plane.workspace_config("root");
        Api::namespaced(self.plane.in_process().connect(config).unwrap(), "default")
    }

    /// The names of the secrets that are there.
    pub(crate) async fn stored(&self) -> Vec<String> {
        names(&self.outside()).await
    }

    /// What happened, as text.
    pub(crate) fn injected(&self) -> Vec<String> {
        self.injector.injected().iter().map(|injected| injected.fault.to_string()).collect()
    }
}

pub(crate) fn parsed(plan: &str) -> Plan {
    plan.parse().unwrap()
}

fn client(plane: &ControlPlane, injector: &Injector) -> Client {
    injector.layer().layer(plane.in_process()).connect(plane.workspace_config("root")).unwrap()
}

pub(crate) async fn names(secrets: &Api<Secret>) -> Vec<String> {
    let found = secrets.list(&ListParams::default()).await.unwrap();
    found.items.into_iter().map(|secret| secret.metadata.name.unwrap()).collect()
}

pub(crate) fn secret(name: &str) -> Secret {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Secret { metadata, ..Secret::default() }
}

pub(crate) async fn create(secrets: &Api<Secret>, name: &str) -> Result<Secret, kube::Error> {
    secrets.create(&PostParams::default(), &secret(name)).await
}

/// The code and the reason of a refusal.
pub(crate) fn refusal(error: &kube::Error) -> (u16, &str) {
    let kube::Error::Api(status) = error else { panic!("not an answer: {error:?}") };
    (status.code, &status.reason)
}

/// What a broken connection was broken by.
pub(crate) fn broken(error: &kube::Error) -> io::ErrorKind {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.kind() != io::ErrorKind::Other
        {
            return io.kind();
        }
        source = error.source();
    }
    panic!("no broken connection: {error:?}")
}

/// That something does not end, whatever time it gets.
pub(crate) async fn assert_silent(future: impl Future) {
    assert!(tokio::time::timeout(AGES, future).await.is_err(), "it was answered");
}
