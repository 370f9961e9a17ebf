//! A market on a [`Stage`]: several providers and one consumer of several APIs, whose offers and orders are YAML. The
//! example `routing` and the end-to-end tests play on it, on the embedded control plane and on a real kcp alike.
//!
//! Every provider serves every API: Certificates as a [`CertificateAuthority`] of its name, all others as a
//! [`ScriptedProvider`] in the zone of its name. So an order's own status tells who serves it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use broker_testkit::provider::{CertificateAuthority, ScriptedProvider};
use broker_testkit::wait::until;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::DemoError;
use super::stage::{NAMESPACE, PLATFORM, Stage};
use crate::files::parse_objects;

/// The consumer's workspace, below the market's.
pub const CONSUMER: &str = "acme";
/// What people who apply files are called in `managedFields`.
const FIELD_MANAGER: &str = "market";
/// What has `status.issuer` instead of `status.zone`.
const CERTIFICATE: &str = "Certificate";
const OFFER: &str = "AcceptAPI";
/// Longer than anything here takes, on a busy machine too: what is not there by then never comes.
const DEADLINE: Duration = Duration::from_secs(90);

/// A platform, providers at work, and a consumer.
pub struct Market {
    stage: Stage,
    clients: BTreeMap<String, Client>,
    kinds: BTreeMap<String, ApiResource>,
    providers: TaskTracker,
    stop: DropGuard,
}

impl fmt::Debug for Market {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Market").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Market {
    /// Opens a market below `tree`, which exists, with these APIs (their definitions as YAML) and providers. Nothing
    /// is offered yet. The providers work until the market is dropped.
    pub async fn open(
        admin: Config,
        tree: &str,
        grace: Duration,
        apis: &[&str],
        providers: &[&str],
    ) -> Result<Self, DemoError> {
        let stage = Stage::build_with(admin, tree, grace, apis).await?;
        let mut kinds = BTreeMap::from([resource("broker.platform-mesh.io", OFFER, "acceptapis")]);
        for api in apis {
            let names: Definition = super::stage::sample(api)?;
            kinds.extend([resource(&names.spec.group, &names.spec.names.kind, &names.spec.names.plural)]);
        }
        let (stop, working) = (CancellationToken::new(), TaskTracker::new());
        let served: Vec<&ApiResource> = kinds.values().filter(|kind| kind.kind != OFFER).collect();
        let opened = providers.iter().map(|name| open(&stage, name, &served, &working, &stop));
        let (consumer, opened) =
            futures::future::try_join(stage.consumer(CONSUMER), futures::future::try_join_all(opened))
                .await?;
        let mut clients: BTreeMap<String, Client> = opened.into_iter().collect();
        clients.insert(CONSUMER.to_owned(), consumer.client);
        clients.insert(PLATFORM.to_owned(), stage.client(PLATFORM)?);
        Ok(Self { stage, clients, kinds, providers: working, stop: stop.drop_guard() })
    }

    /// Ends the providers' work, and waits until it has ended.
    pub async fn close(self) {
        drop(self.stop);
        self.providers.close();
        self.providers.wait().await;
    }

    /// What it stands on.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The objects of a kind in the namespace `default` of a workspace.
    pub fn objects(&self, workspace: &str, kind: &str) -> Result<Api<DynamicObject>, DemoError> {
        self.in_namespace(workspace, kind, NAMESPACE)
    }

    /// The same in another namespace.
    pub fn in_namespace(
        &self,
        workspace: &str,
        kind: &str,
        namespace: &str,
    ) -> Result<Api<DynamicObject>, DemoError> {
        let unknown = || DemoError::Unknown { what: format!("{kind} in {workspace}") };
        let resource = self.kinds.get(kind).ok_or_else(unknown)?;
        Ok(Api::namespaced_with(self.client(workspace)?.clone(), namespace, resource))
    }

    /// The client of a workspace's owner.
    pub fn client(&self, workspace: &str) -> Result<&Client, DemoError> {
        self.clients.get(workspace).ok_or_else(|| DemoError::Unknown { what: workspace.to_owned() })
    }

    /// Applies the objects of a YAML text, as `kubectl apply` does; the namespaces they name are made.
    pub async fn apply(&self, workspace: &str, yaml: &str) -> Result<Vec<DynamicObject>, DemoError> {
        let mut applied = Vec::new();
        for object in parse_objects(Path::new(workspace), yaml)? {
            applied.push(self.apply_object(workspace, &object).await?);
        }
        Ok(applied)
    }

    /// Applies the offers of a provider, and waits until the broker has found each available.
    pub async fn offer(&self, provider: &str, yaml: &str) -> Result<(), DemoError> {
        for offer in self.apply(provider, yaml).await? {
            self.until_available(provider, &offer).await?;
        }
        Ok(())
    }

    /// Waits until the broker has seen an offer as it is now, and found it available.
    pub async fn until_available(&self, provider: &str, offer: &DynamicObject) -> Result<(), DemoError> {
        let offers = self.in_namespace(provider, OFFER, &offer.namespace().unwrap_or_default())?;
        let is_available = |found: Option<&DynamicObject>| {
            let available =
                found.and_then(|found| condition_of(found, "Available", offer.metadata.generation));
            available.is_some_and(|found| found.get("reason").is_some_and(|reason| reason == "ProviderReady"))
        };
        let what = format!("the offer {} to be available", offer.name_any());
        until(&offers, &offer.name_any(), &what, DEADLINE, is_available).await?;
        Ok(())
    }

    /// Deletes the objects of a YAML text, and waits until each is gone with all that belongs to it.
    pub async fn remove(&self, workspace: &str, yaml: &str) -> Result<(), DemoError> {
        for object in parse_objects(Path::new(workspace), yaml)? {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
            let namespace = text("/metadata/namespace").unwrap_or(NAMESPACE);
            let api = self.in_namespace(workspace, text("/kind").unwrap_or_default(), namespace)?;
            let name = text("/metadata/name").unwrap_or_default();
            api.delete(name, &DeleteParams::default()).await.map_err(DemoError::call("delete", workspace))?;
            until(&api, name, "it to be gone", DEADLINE, |found| found.is_none()).await?;
        }
        Ok(())
    }

    async fn apply_object(&self, workspace: &str, object: &Value) -> Result<DynamicObject, DemoError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let namespace = text("/metadata/namespace").unwrap_or(NAMESPACE);
        if namespace != NAMESPACE {
            self.make_namespace(workspace, namespace).await?;
        }
        let api = self.in_namespace(workspace, text("/kind").unwrap_or_default(), namespace)?;
        let name = text("/metadata/name").unwrap_or_default();
        api.patch(name, &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(object))
            .await
            .map_err(DemoError::call("apply", workspace))
    }

    async fn make_namespace(&self, workspace: &str, name: &str) -> Result<(), DemoError> {
        let namespaces: Api<Namespace> = Api::all(self.client(workspace)?.clone());
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        match namespaces.create(&PostParams::default(), &namespace).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            made => made.map(|_| ()).map_err(DemoError::call("make a namespace", workspace)),
        }
    }

    /// Waits until an order is as it should be.
    pub async fn until(
        &self,
        kind: &str,
        order: &str,
        what: &str,
        holds: impl Fn(&DynamicObject) -> bool,
    ) -> Result<DynamicObject, DemoError> {
        let orders = self.objects(CONSUMER, kind)?;
        let found = until(&orders, order, what, DEADLINE, |order| order.is_some_and(&holds)).await?;
        found.ok_or_else(|| DemoError::Unknown { what: format!("{kind} {order}") })
    }
}

/// Who serves an order, by what its provider wrote; `None` before anybody did.
pub fn served_by(order: &DynamicObject) -> Option<&str> {
    let text = |pointer| order.data.pointer(pointer).and_then(Value::as_str);
    text("/status/issuer").or_else(|| text("/status/zone"))
}

/// The broker's own reason on an order; empty before it has one about the order as it is now.
pub fn brokered(order: &DynamicObject) -> &str {
    condition(order, "Brokered")
        .and_then(|condition| condition.get("reason"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What the broker says about an order; empty before it says anything about the order as it is now.
pub fn brokered_message(order: &DynamicObject) -> &str {
    condition(order, "Brokered")
        .and_then(|condition| condition.get("message"))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether an order is served as it is now, and nothing is under way.
pub fn is_served(order: &DynamicObject) -> bool {
    let ready = condition(order, "Ready");
    ready.is_some_and(|ready| ready.get("status").is_some_and(|status| status == "True"))
        && brokered(order) == "Bound"
}

/// A condition that is about the object as it is now.
fn condition<'a>(object: &'a DynamicObject, type_: &str) -> Option<&'a Value> {
    condition_of(object, type_, object.metadata.generation)
}

/// A condition that is about this generation of the object.
fn condition_of<'a>(object: &'a DynamicObject, type_: &str, generation: Option<i64>) -> Option<&'a Value> {
    let conditions = object.data.pointer("/status/conditions")?.as_array()?;
    let generation = generation?;
    let about_now = |found: &Value| found.get("observedGeneration").is_some_and(|of| *of == generation);
    conditions.iter().find(|found| found.get("type").is_some_and(|found| found == type_) && about_now(found))
}

/// The names in a CustomResourceDefinition.
#[derive(serde::Deserialize)]
struct Definition {
    spec: DefinitionSpec,
}

#[derive(serde::Deserialize)]
struct DefinitionSpec {
    group: String,
    names: DefinitionNames,
}

#[derive(serde::Deserialize)]
struct DefinitionNames {
    kind: String,
    plural: String,
}

fn resource(group: &str, kind: &str, plural: &str) -> (String, ApiResource) {
    let gvk = GroupVersionKind::gvk(group, "v1alpha1", kind);
    (kind.to_owned(), ApiResource::from_gvk_with_plural(&gvk, plural))
}

/// Prepares a provider's workspace and lets it serve every API.
async fn open(
    stage: &Stage,
    name: &str,
    apis: &[&ApiResource],
    working: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(String, Client), DemoError> {
    let agent = stage.agent(name).await?;
    for &api in apis {
        let (agent, stop, provider) = (agent.clone(), stop.clone(), name.to_owned());
        if api.kind == CERTIFICATE {
            let authority = CertificateAuthority::new(name)?;
            working.spawn(async move { report(&provider, authority.run(agent, stop).await) });
        } else {
            let scripted = ScriptedProvider::new(api.clone(), name);
            working.spawn(async move { report(&provider, scripted.run(agent, stop).await) });
        }
    }
    Ok((name.to_owned(), stage.client(name)?))
}

fn report<E: std::error::Error + 'static>(provider: &str, ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::error!(provider, error = &error as &dyn std::error::Error, "the provider is out of service");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn order(status: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "example.com/v1alpha1", "kind": "Database",
            "metadata": {"name": "db", "generation": 2}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn who_serves_is_told_by_issuer_or_zone() {
        assert_eq!(served_by(&order(&json!({"issuer": "letsencrypt"}))), Some("letsencrypt"));
        assert_eq!(served_by(&order(&json!({"zone": "eu"}))), Some("eu"));
        assert_eq!(served_by(&order(&json!({}))), None);
    }

    #[test]
    fn what_is_said_about_an_earlier_generation_does_not_count() {
        let status = |generation: i64| {
            json!({"conditions": [
                {"type": "Ready", "status": "True", "observedGeneration": generation},
                {"type": "Brokered", "status": "True", "reason": "Bound", "observedGeneration": generation},
            ]})
        };
        assert!(is_served(&order(&status(2))));
        assert!(!is_served(&order(&status(1))));
        assert_eq!(brokered(&order(&status(1))), "");
    }
}
