//! Who takes part, as the scenarios speak of them: what fails here fails the test.

use std::ops::Deref;
use std::time::Duration;

use broker_operator::demo::stage;
use broker_testkit::provider::SecretReader;
use broker_testkit::provider::verify::verify;
use broker_testkit::wait::{until, until_all};
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

use crate::look;

/// Longer than anything here takes, on a busy machine too: what is not there by then never comes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// A consumer's workspace, seen with its owner's eyes.
#[derive(Debug)]
pub(crate) struct Consumer(pub(crate) stage::Consumer);

impl Deref for Consumer {
    type Target = stage::Consumer;

    fn deref(&self) -> &stage::Consumer {
        &self.0
    }
}

impl Consumer {
    pub(crate) async fn order(&self, name: &str, fqdn: &str) -> DynamicObject {
        self.0.order(name, fqdn).await.unwrap()
    }

    pub(crate) async fn change(&self, name: &str, fqdn: &str) -> DynamicObject {
        self.0.change(name, fqdn).await.unwrap()
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.orders().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the order is as it should be.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&DynamicObject) -> bool,
    ) -> DynamicObject {
        let found = until(&self.orders(), name, what, DEADLINE, |order| order.is_some_and(&holds)).await;
        found.unwrap_or_else(|error| panic!("{error}")).unwrap()
    }

    /// Waits until the order is served as it stands, and checks the Secret it names.
    pub(crate) async fn until_served(&self, name: &str, provider: &Provider) -> (DynamicObject, Secret) {
        let authority = &provider.authority;
        let what = format!("{name} to be served by {}", authority.name());
        let order = self.until(name, &what, |order| look::served_by(order, authority.name())).await;
        // Ready without what it stands for is a lie to whoever waits for it.
        let secret = order.data.pointer("/status/relatedResources/secret/name").and_then(Value::as_str);
        let secret = secret.unwrap_or_else(|| panic!("no Secret in {}", order.data["status"]));
        let roots = [authority.certificate().clone()];
        let verdict = verify(Some(&self.secrets().get(secret).await.unwrap()), &roots);
        assert!(verdict.leaf().is_some(), "the Secret of {name} is {verdict:?}");
        // A change that the same authority serves reaches status and Secret by two watches.
        let certified = |secret: Option<&Secret>| {
            let verdict = verify(secret, &roots);
            verdict
                .leaf()
                .is_some_and(|leaf| leaf.names.iter().any(|found| order.data["spec"]["fqdn"] == **found))
        };
        let what = format!("a certificate for {}", order.data["spec"]["fqdn"]);
        let secret = until(&self.secrets(), secret, &what, DEADLINE, certified).await;
        let secret = secret.unwrap_or_else(|error| panic!("{error}")).unwrap();
        (order, secret)
    }

    /// Waits until there is no such order.
    pub(crate) async fn until_gone(&self, name: &str) {
        let gone =
            until(&self.orders(), name, "the order to be gone", DEADLINE, |order| order.is_none()).await;
        gone.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until the broker has left nothing behind in the namespace.
    pub(crate) async fn until_no_mirrors(&self) {
        let ours = watcher::Config::default().labels("broker.platform-mesh.io/managed=true");
        let gone =
            until_all(&self.secrets(), ours, "no mirrored Secrets", DEADLINE, <[Secret]>::is_empty).await;
        gone.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits for an Event about the order.
    pub(crate) async fn until_event(&self, order: &str, reason: &str) -> Event {
        let fits = |event: &Event| {
            event.reason.as_deref() == Some(reason) && event.involved_object.name.as_deref() == Some(order)
        };
        let what = format!("an Event {reason} about {order}");
        let all = watcher::Config::default();
        let found = until_all(&self.events(), all, &what, DEADLINE, |all| all.iter().any(fits)).await;
        found.unwrap_or_else(|error| panic!("{error}")).into_iter().find(fits).unwrap()
    }

    /// Reads the Secret without pause from now on.
    pub(crate) fn keep_reading(&self, secret: &str, signed_by: &[&Provider]) -> SecretReader {
        let roots = signed_by.iter().map(|provider| provider.authority.certificate().clone()).collect();
        SecretReader::start(self.client.clone(), stage::NAMESPACE, secret, roots, Duration::from_millis(5))
    }
}

/// A provider's workspace with its authority at work.
#[derive(Debug)]
pub(crate) struct Provider(pub(crate) stage::Provider);

impl Deref for Provider {
    type Target = stage::Provider;

    fn deref(&self) -> &stage::Provider {
        &self.0
    }
}

impl Provider {
    /// Offers certificates for what these filters let through.
    pub(crate) async fn offer(&self, name: &str, filters: Value) {
        let offer = json!({
            "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "AcceptAPI",
            "metadata": {"name": name, "namespace": stage::NAMESPACE},
            "spec": {
                "gvr": {"group": "example.com", "version": "v1alpha1", "resource": "certificates"},
                "filters": filters,
            },
        });
        self.offers().create(&PostParams::default(), &serde_json::from_value(offer).unwrap()).await.unwrap();
    }

    pub(crate) async fn withdraw(&self, offer: &str) {
        self.offers().delete(offer, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until the broker says this about an offer, and returns the message.
    pub(crate) async fn until_offer(&self, name: &str, status: &str, reason: &str) -> String {
        let what = format!("offer {name} to be Available={status}, {reason}");
        let told =
            |offer: Option<&_>| look::available(offer?).filter(|told| told.0 == status && told.1 == reason);
        let found = until(&self.offers(), name, &what, DEADLINE, |offer| told(offer).is_some()).await;
        let offer = found.unwrap_or_else(|error| panic!("{error}"));
        told(offer.as_ref()).unwrap().2
    }

    /// Waits until there are as many copies as said, and returns them.
    pub(crate) async fn until_copies(&self, count: usize) -> Vec<DynamicObject> {
        let what = format!("{count} copies in {}", self.workspace);
        self.until_all_copies(&what, |copies| copies.len() == count).await
    }

    /// Waits until there is a copy that is not the one of this uid, and returns it.
    pub(crate) async fn until_a_copy_other_than(&self, uid: &str) -> DynamicObject {
        let other = |copy: &DynamicObject| copy.uid().as_deref() != Some(uid);
        let found = self.until_all_copies("another copy", |copies| copies.iter().any(other)).await;
        found.into_iter().find(other).unwrap()
    }

    /// Waits until the copy of this name is ready.
    pub(crate) async fn until_ready(&self, name: &str) {
        let ready = |copy: Option<&DynamicObject>| copy.is_some_and(look::looks_ready);
        let found = until(&self.copies(), name, "the copy to be ready", DEADLINE, ready).await;
        found.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn until_all_copies(
        &self,
        what: &str,
        holds: impl Fn(&[DynamicObject]) -> bool,
    ) -> Vec<DynamicObject> {
        let all = watcher::Config::default();
        let found = until_all(&self.copies(), all, what, DEADLINE, holds).await;
        found.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What there is now, by name.
    pub(crate) async fn copy_names(&self) -> Vec<String> {
        let copies = self.copies().list(&ListParams::default()).await.unwrap();
        copies.iter().map(ResourceExt::name_any).collect()
    }
}
