//! The access of a ServiceAccount: its token, and the kubeconfig that carries it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::await_condition;
use kube::{Api, Config};
use serde_json::{Map, Value, json};

use super::apply::{Action, Entered, Session};
use super::{Change, InitError};
use crate::files::write_private;

/// How long the server may take to fill in a token; it takes milliseconds where it does so at all.
const TOKEN: Duration = Duration::from_secs(10);

/// What is asked for where tokens expire, in seconds: a year. The server may grant less.
const LIFETIME: i64 = 365 * 24 * 3600;

/// The access of a ServiceAccount to its workspace.
#[derive(Clone)]
pub struct Credentials {
    kubeconfig: Value,
    expires: Option<String>,
}

impl fmt::Debug for Credentials {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Credentials {
    /// When the token expires (RFC 3339), if it does.
    pub fn expires(&self) -> Option<&str> {
        self.expires.as_deref()
    }

    /// The kubeconfig, as JSON. It holds the token.
    pub fn kubeconfig(&self) -> &Value {
        &self.kubeconfig
    }

    /// The configuration of a client with this access.
    pub async fn config(&self) -> Result<Config, InitError> {
        let unusable =
            |reason: String| InitError::Kubeconfig { origin: "the new kubeconfig".to_owned(), reason };
        let kubeconfig: Kubeconfig =
            serde_json::from_value(self.kubeconfig.clone()).map_err(|error| unusable(error.to_string()))?;
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|error| unusable(error.to_string()))
    }

    /// Writes the kubeconfig, for its owner alone to read, and tells what that changed.
    pub fn write(&self, path: &Path) -> Result<Change, InitError> {
        let failed = |reason: String| InitError::Write { path: path.to_owned(), reason };
        let text = serde_saphyr::to_string(&self.kubeconfig).map_err(|error| failed(error.to_string()))?;
        let action = match std::fs::read_to_string(path) {
            Ok(found) if found == text => Action::Unchanged,
            Ok(_) => Action::Configured,
            Err(_) => Action::Created,
        };
        if action != Action::Unchanged {
            write_private(path, &text).map_err(|error| failed(error.to_string()))?;
        }
        let note = self.expires.as_ref().map(|expires| {
            format!("its token expires at {expires}: run this command again before, and it gets a new one")
        });
        Ok(Change { object: format!("kubeconfig {}", path.display()), action, note })
    }
}

impl Session {
    /// The access of a ServiceAccount. Its token is kept in a Secret, so that it is the same each time;
    /// where the server fills in none, it is asked for one that expires.
    pub(super) async fn credentials(
        &mut self,
        workspace: &str,
        namespace: &str,
        account: &str,
    ) -> Result<Credentials, InitError> {
        let entered = self.enter(workspace)?;
        let name = format!("{account}-token");
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "annotations": {"kubernetes.io/service-account.name": account},
            },
            "type": "kubernetes.io/service-account-token",
        });
        self.apply(&entered, &secret).await?;
        let secrets: Api<Secret> = Api::namespaced(entered.client.clone(), namespace);
        let filled = |secret: Option<&Secret>| token(secret).is_some();
        let waited = tokio::time::timeout(TOKEN, await_condition(secrets, &name, filled)).await;
        let kept = waited.ok().and_then(Result::ok).and_then(|secret| token(secret.as_ref()));
        let (token, expires) = match kept {
            Some(token) => (token, None),
            None => self.requested_token(&entered, namespace, account).await?,
        };
        let config = self.server.config(workspace)?;
        Ok(Credentials { kubeconfig: kubeconfig(&config, workspace, namespace, account, &token), expires })
    }

    /// A token that expires, and when.
    async fn requested_token(
        &self,
        workspace: &Entered,
        namespace: &str,
        account: &str,
    ) -> Result<(String, Option<String>), InitError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(workspace.client.clone(), namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(LIFETIME), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let what = format!("requesting a token for serviceaccount/{account} in {}", workspace.path);
        let answer = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .map_err(|error| self.server.failure(what.as_str(), error))?;
        let Some(status) = answer.status else {
            return Err(InitError::Answer { what, cause: "there is no token in it".to_owned() });
        };
        Ok((status.token, Some(status.expiration_timestamp.0.to_string())))
    }
}

fn token(secret: Option<&Secret>) -> Option<String> {
    let data = secret?.data.as_ref()?.get("token")?;
    String::from_utf8(data.0.clone()).ok().filter(|token| !token.is_empty())
}

/// A kubeconfig for the same server as `config`'s, trusted for the same reason, but with this token.
fn kubeconfig(config: &Config, workspace: &str, namespace: &str, account: &str, token: &str) -> Value {
    let mut cluster = Map::new();
    let server = config.cluster_url.to_string();
    cluster.insert("server".to_owned(), json!(server.trim_end_matches('/')));
    if let Some(authorities) = authorities(config) {
        cluster.insert("certificate-authority-data".to_owned(), json!(STANDARD.encode(authorities)));
    }
    if config.accept_invalid_certs {
        cluster.insert("insecure-skip-tls-verify".to_owned(), json!(true));
    }
    if let Some(name) = &config.tls_server_name {
        cluster.insert("tls-server-name".to_owned(), json!(name));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": workspace, "cluster": cluster}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": workspace, "context": {"cluster": workspace, "user": account, "namespace": namespace}}],
        "current-context": workspace,
    })
}

/// The certificate authorities a client trusts, as PEM; none where it trusts the system's.
fn authorities(config: &Config) -> Option<String> {
    if let Some(file) = &config.root_cert_file {
        return std::fs::read_to_string(file).ok();
    }
    let certificates = config.root_cert.as_ref()?;
    let mut pem = String::new();
    for certificate in certificates {
        let text = STANDARD.encode(certificate);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    Some(pem)
}
