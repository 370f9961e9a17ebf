//! A provider that has everything at once: whatever is ordered is ready, with a Secret to connect.
//!
//! For each object of its API: a Secret `<name>-connection` beside it with `host`, `username` and `password`, then a
//! status that is `Ready`, says `host` and `zone`, and names the Secret. The zone is the provider's own, so whoever
//! reads it sees who serves. The password is made once and kept.
//!
//! It knows nothing of what it pretends to provide, and so serves any API whose status has `conditions`,
//! `relatedResources`, `host` and `zone`. Like the [`CertificateAuthority`](super::CertificateAuthority) it watches and never
//! polls, and does not know who made the objects.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::MANAGED_LABEL;
use super::status::ready_since;
use super::write::{apply_status, related_secret, secret_of};

/// The name under which the provider owns the fields it writes.
const FIELD_MANAGER: &str = "scripted-provider";
/// The pause before something that failed is tried again.
const AFTER_ERROR: Duration = Duration::from_millis(500);

/// What a scripted provider could not do.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// The API is not there, or may not be read.
    #[error("cannot list {api}; is it bound or installed there?")]
    NotServed {
        /// The API, as `<resource>.<group>`.
        api: String,
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// A call about one object failed.
    #[error("cannot {action} {name}")]
    Call {
        /// What was tried, such as `apply Secret`.
        action: &'static str,
        /// The object's name.
        name: String,
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
}

/// A provider of one API, in a zone of its own.
#[derive(Clone, Debug)]
pub struct ScriptedProvider {
    resource: ApiResource,
    zone: String,
    mark: String,
}

impl ScriptedProvider {
    /// A provider of this API in a zone such as `eu`; its hosts are below `eu.example`.
    pub fn new(resource: ApiResource, zone: impl Into<String>) -> Self {
        Self { resource, zone: zone.into(), mark: String::new() }
    }

    /// The same, whose passwords begin with this: whoever finds one knows whose it is.
    #[must_use]
    pub fn with_marked_passwords(mut self, mark: impl Into<String>) -> Self {
        self.mark = mark.into();
        self
    }

    /// Serves the cluster that `client` points to until `shutdown` is cancelled.
    ///
    /// # Errors
    ///
    /// [`ScriptError::NotServed`] at the start. Later errors are retried and logged.
    pub async fn run(self, client: Client, shutdown: CancellationToken) -> Result<(), ScriptError> {
        let objects: Api<DynamicObject> = Api::all_with(client.clone(), &self.resource);
        objects.list(&ListParams::default().limit(1)).await.map_err(|source| ScriptError::NotServed {
            api: format!("{}.{}", self.resource.plural, self.resource.group),
            source: Box::new(source),
        })?;
        let handed_over = watcher::Config::default().labels(&format!("{MANAGED_LABEL}=true"));
        let resource = self.resource.clone();
        Controller::new_with(objects, watcher::Config::default(), resource)
            .owns_with(Api::<Secret>::all(client.clone()), (), handed_over)
            .graceful_shutdown_on(shutdown.cancelled_owned())
            .run(serve, try_again, Arc::new((self, client)))
            .for_each(|_| async {})
            .await;
        Ok(())
    }

    /// The status of an object that has its Secret.
    fn status(&self, object: &DynamicObject) -> Value {
        let generation = object.metadata.generation.unwrap_or(1);
        json!({
            "observedGeneration": generation,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Provisioned", "message": "at your service",
                "observedGeneration": generation,
                "lastTransitionTime": ready_since(object, "True", jiff::Timestamp::now()),
            }],
            "host": self.host(object),
            "zone": self.zone,
            "relatedResources": {"connection": related_secret(object, &secret_name(object))},
        })
    }

    fn host(&self, object: &DynamicObject) -> String {
        format!("{}.{}.example", object.name_any(), self.zone)
    }

    /// The Secret of an object; an entry `password` that is there already stays.
    fn secret(&self, object: &DynamicObject, present: Option<&Secret>) -> Secret {
        let password = present.and_then(|secret| secret.data.as_ref()?.get("password").cloned());
        let new = || format!("{}{}", self.mark, Uuid::new_v4().simple()).into_bytes();
        let password = password.map_or_else(new, |known| known.0);
        let host = self.host(object).into_bytes();
        let entries = [("host", host), ("username", b"admin".to_vec()), ("password", password)];
        secret_of(object, secret_name(object), entries)
    }
}

fn secret_name(object: &DynamicObject) -> String {
    format!("{}-connection", object.name_any())
}

async fn serve(
    object: Arc<DynamicObject>,
    context: Arc<(ScriptedProvider, Client)>,
) -> Result<Action, ScriptError> {
    let (provider, client) = context.as_ref();
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let (namespace, name) = (object.namespace().unwrap_or_default(), secret_name(&object));
    let call = |action, name: &str| {
        let name = format!("{namespace}/{name}");
        move |source| ScriptError::Call { action, name, source: Box::new(source) }
    };
    let force = PatchParams::apply(FIELD_MANAGER).force();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let present = secrets.get_opt(&name).await.map_err(call("get Secret", &name))?;
    let secret = provider.secret(&object, present.as_ref());
    if present.and_then(|found| found.data) != secret.data {
        secrets.patch(&name, &force, &Patch::Apply(&secret)).await.map_err(call("apply Secret", &name))?;
    }
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &provider.resource);
    let (name, status) = (object.name_any(), provider.status(&object));
    let written = apply_status(&objects, &provider.resource, FIELD_MANAGER, &object, &status, None).await;
    if written.map_err(call("apply the status of", &name))? {
        tracing::info!(zone = provider.zone, namespace, name, "provided");
    }
    Ok(Action::await_change())
}

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn try_again(object: Arc<DynamicObject>, error: &ScriptError, _: Arc<(ScriptedProvider, Client)>) -> Action {
    tracing::warn!(name = object.name_any(), error = error as &dyn std::error::Error, "will be tried again");
    Action::requeue(AFTER_ERROR)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use kube::core::GroupVersionKind;

    use super::*;

    fn provider() -> ScriptedProvider {
        let gvk = GroupVersionKind::gvk("example.com", "v1alpha1", "Database");
        ScriptedProvider::new(ApiResource::from_gvk_with_plural(&gvk, "databases"), "eu")
    }

    fn database(status: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "example.com/v1alpha1", "kind": "Database",
            "metadata": {"name": "c-1", "namespace": "default", "uid": "u", "generation": 2},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn the_status_is_ready_for_this_generation_and_names_host_zone_and_secret() {
        let status = provider().status(&database(&json!({})));
        assert_eq!(status["observedGeneration"], 2);
        assert_eq!(status["conditions"][0]["status"], "True");
        assert_eq!(status["host"], "c-1.eu.example");
        assert_eq!(status["zone"], "eu");
        assert_eq!(status["relatedResources"]["connection"]["name"], "c-1-connection");
    }

    #[test]
    fn what_was_written_is_not_written_again() {
        let (first, provider) = (database(&json!({})), provider());
        let again = database(&provider.status(&first));
        assert_eq!(provider.status(&again), again.data["status"]);
        let secret = provider.secret(&first, None);
        assert_eq!(provider.secret(&again, Some(&secret)).data, secret.data);
    }

    #[test]
    fn the_secret_may_be_handed_over_and_goes_with_its_object() {
        let secret = provider().secret(&database(&json!({})), None);
        assert_eq!(secret.labels()[MANAGED_LABEL], "true");
        assert_eq!(secret.owner_references()[0].uid, "u");
        let data = secret.data.unwrap();
        assert_eq!(data["host"].0, b"c-1.eu.example");
        assert_eq!(data["password"].0.len(), 32);
    }
}
