//! The kcp server: where it is, who we are there, and what its errors mean.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker_kcp::{Connect, KubeConnect};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::InitError;

/// A kcp server, as the owner of a kubeconfig sees it.
#[derive(Clone)]
pub struct Server {
    config: Config,
    connect: Arc<dyn Connect>,
    base: String,
    origin: String,
}

impl fmt::Debug for Server {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("base", &self.base)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// The server of a kubeconfig's current context: this file's, else `$KUBECONFIG`'s, else `~/.kube/config`'s. Where
    /// nothing names one and there is none, the cluster in whose pod this runs, with the pod's account.
    pub async fn from_kubeconfig(path: Option<&Path>) -> Result<Self, InitError> {
        let origin = match (path, std::env::var("KUBECONFIG")) {
            (Some(path), _) => format!("kubeconfig {}", path.display()),
            (None, Ok(value)) => format!("kubeconfig {value} (from $KUBECONFIG)"),
            (None, Err(_)) => {
                "kubeconfig ~/.kube/config (neither --kubeconfig nor $KUBECONFIG is set)".to_owned()
            }
        };
        let unusable = |error: KubeconfigError| InitError::Kubeconfig {
            origin: origin.clone(),
            reason: error.to_string(),
        };
        let kubeconfig = match path {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let is_named = path.is_some() || std::env::var_os("KUBECONFIG").is_some();
        // One that is there and cannot be read is a mistake that is told.
        let is_absent = matches!(&kubeconfig, Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound);
        if is_absent
            && !is_named
            && let Ok(config) = Config::incluster()
        {
            let origin = "the account of the pod".to_owned();
            return Ok(Self { origin, ..Self::from_config(config) });
        }
        let kubeconfig = kubeconfig.map_err(unusable)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(unusable)?;
        Ok(Self { origin, ..Self::from_config(config) })
    }

    /// The server of a client's configuration, whatever workspace that points to.
    pub fn from_config(mut config: Config) -> Self {
        let url = config.cluster_url.to_string();
        let base = url.split("/clusters/").next().unwrap_or(&url).trim_end_matches('/').to_owned();
        config.connect_timeout = Some(Duration::from_secs(10));
        Self { config, connect: Arc::new(KubeConnect), base, origin: "the given configuration".to_owned() }
    }

    /// The same server, reached by clients that are made by this.
    #[must_use]
    pub fn through(self, connect: Arc<dyn Connect>) -> Self {
        Self { connect, ..self }
    }

    /// The same server and way to it, with the credentials and the workspace of another configuration.
    #[must_use]
    pub fn as_in(&self, config: Config) -> Self {
        Self::from_config(config).through(Arc::clone(&self.connect))
    }

    /// The server's address, without a workspace.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The address of a workspace; of the cluster itself, where that is what is named (see [`Server::cluster`]).
    pub fn workspace_url(&self, workspace: &str) -> String {
        if workspace.contains("://") {
            workspace.to_owned()
        } else {
            format!("{}/clusters/{workspace}", self.base)
        }
    }

    /// The cluster that the kubeconfig points to, as a plain Kubernetes cluster: named by its address.
    pub fn cluster(&self) -> String {
        self.config.cluster_url.to_string().trim_end_matches('/').to_owned()
    }

    /// The same, as if the kubeconfig pointed to this namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.config.default_namespace);
        self
    }

    /// The namespace that the kubeconfig points to.
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// The workspace that the kubeconfig points to, if to any.
    pub fn current_workspace(&self) -> Option<String> {
        let url = self.config.cluster_url.to_string();
        let (_, path) = url.split_once("/clusters/")?;
        Some(path.trim_end_matches('/').to_owned())
    }

    /// The configuration of a client for a workspace.
    pub fn config(&self, workspace: &str) -> Result<Config, InitError> {
        self.config_at(&self.workspace_url(workspace))
    }

    /// A client for a workspace.
    pub fn client(&self, workspace: &str) -> Result<Client, InitError> {
        self.client_at(&self.workspace_url(workspace))
    }

    /// A client for another address that takes the same credentials, such as a virtual workspace's.
    pub fn client_at(&self, url: &str) -> Result<Client, InitError> {
        self.connect
            .connect(self.config_at(url)?)
            .map_err(|error| InitError::Kubeconfig { origin: self.origin.clone(), reason: error.to_string() })
    }

    /// A client for the address that the kubeconfig names, whatever that is.
    pub(crate) fn client_as_given(&self) -> Result<Client, InitError> {
        self.client_at(&self.config.cluster_url.to_string())
    }

    fn config_at(&self, url: &str) -> Result<Config, InitError> {
        let mut config = self.config.clone();
        config.cluster_url = url.parse().map_err(|error: http::uri::InvalidUri| InitError::Kubeconfig {
            origin: self.origin.clone(),
            reason: format!("{url} is no address: {error}"),
        })?;
        Ok(config)
    }

    /// What a failed request means to a person.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else kube tells, there was no answer")]
    pub fn failure(&self, what: impl Into<String>, error: kube::Error) -> InitError {
        let what = what.into();
        match error {
            kube::Error::Api(status) => InitError::Refused {
                what,
                hint: match status.code {
                    401 => {
                        "\n  the credentials of the kubeconfig are not accepted: are they another server's, or expired?"
                    }
                    403 => {
                        "\n  the kubeconfig's user lacks this right: use one that administers the workspace"
                    }
                    _ => "",
                },
                message: status.message,
                code: status.code,
            },
            kube::Error::SerdeError(error) => InitError::Answer { what, cause: error.to_string() },
            other => InitError::Unreachable {
                what,
                url: self.base.clone(),
                origin: self.origin.clone(),
                cause: root_cause(&other),
            },
        }
    }
}

/// The innermost cause: the one that says what happened.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
