//! The variables of a container: Kubernetes' order, with what Secrets and ConfigMaps hold.

use std::collections::BTreeMap;
use std::fmt::Debug;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapKeySelector, EnvFromSource, EnvVar, Secret, SecretKeySelector,
};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::expand;
use super::plan::Task;

/// A container's variables. Its `Debug` shows no values.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Environment {
    pub(super) variables: BTreeMap<String, String>,
    /// Values of Secrets among them.
    pub(super) secrets: Vec<String>,
}

impl Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// Where variables come from.
pub(super) struct Sources {
    secrets: Api<Secret>,
    config_maps: Api<ConfigMap>,
}

impl Sources {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            config_maps: Api::namespaced(client.clone(), namespace),
        }
    }

    /// The variables of a container whose mounts are these folders. Waits for what is missing and not optional.
    pub(super) async fn environment(
        &self,
        task: &Task,
        mounts: &[(String, String)],
    ) -> kube::Result<Environment> {
        let mut all = Environment::default();
        for from in &task.env_from {
            self.add_all(&mut all, from).await?;
        }
        for variable in &task.env {
            self.add(&mut all, variable, mounts).await?;
        }
        Ok(all)
    }

    async fn add_all(&self, all: &mut Environment, from: &EnvFromSource) -> kube::Result<()> {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(of) = &from.config_map_ref {
            let found = found(&self.config_maps, &of.name, of.optional, |_| true).await?;
            for (key, value) in found.and_then(|found| found.data).into_iter().flatten() {
                all.set(format!("{prefix}{key}"), value);
            }
        }
        if let Some(of) = &from.secret_ref {
            let found = found(&self.secrets, &of.name, of.optional, |_| true).await?;
            for (key, value) in found.and_then(|found| found.data).into_iter().flatten() {
                all.set_secret(format!("{prefix}{key}"), &value.0);
            }
        }
        Ok(())
    }

    async fn add(
        &self,
        all: &mut Environment,
        variable: &EnvVar,
        mounts: &[(String, String)],
    ) -> kube::Result<()> {
        let from = variable.value_from.clone().unwrap_or_default();
        if let Some(ConfigMapKeySelector { key, name, optional }) = from.config_map_key_ref {
            let of = |map: &ConfigMap| map.data.as_ref().and_then(|data| data.get(&key)).cloned();
            if let Some(value) = found(&self.config_maps, &name, optional, |map| of(map).is_some())
                .await?
                .as_ref()
                .and_then(of)
            {
                all.set(variable.name.clone(), value);
            }
        } else if let Some(SecretKeySelector { key, name, optional }) = from.secret_key_ref {
            let of = |secret: &Secret| secret.data.as_ref().and_then(|data| data.get(&key)).cloned();
            if let Some(value) = found(&self.secrets, &name, optional, |secret| of(secret).is_some())
                .await?
                .as_ref()
                .and_then(of)
            {
                all.set_secret(variable.name.clone(), &value.0);
            }
        } else {
            // Mounts first: a variable may hold what a Secret does, which is left as it is.
            let text = expand::mounts(variable.value.as_deref().unwrap_or_default(), mounts);
            all.set(variable.name.clone(), expand::variables(&text, &all.variables));
        }
        Ok(())
    }
}

impl Environment {
    /// What no process can be given is left out, as Kubernetes does.
    fn set(&mut self, name: String, value: String) {
        if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
            self.variables.insert(name, value);
        }
    }

    fn set_secret(&mut self, name: String, value: &[u8]) {
        let value = String::from_utf8_lossy(value).into_owned();
        self.secrets.push(value.clone());
        self.set(name, value);
    }
}

/// An object that is as it has to be: waited for, unless it is optional.
async fn found<K>(
    api: &Api<K>,
    name: &str,
    optional: Option<bool>,
    is_complete: impl Fn(&K) -> bool,
) -> kube::Result<Option<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let present = api.get_opt(name).await?;
    if optional == Some(true) || present.as_ref().is_some_and(&is_complete) {
        return Ok(present);
    }
    tracing::info!(name, "a Job waits for a Secret or a ConfigMap, or for a key of it");
    let mut versions = std::pin::pin!(watch_object(api.clone(), name).default_backoff());
    while let Some(version) = versions.next().await {
        match version {
            Ok(version) => {
                if let Some(found) = version.filter(|found| is_complete(found)) {
                    return Ok(Some(found));
                }
            }
            Err(error) => {
                tracing::debug!(name, error = &error as &dyn std::error::Error, "the watch goes on");
            }
        }
    }
    Ok(None)
}
