//! The account at the ACME server, made once and kept in a Secret of the provider's own: who restarts is still the same one.

use std::collections::BTreeMap;

use instant_acme::{Account, NewAccount};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::authority::FIELD_MANAGER;
use crate::directory::{Directory, DirectoryError};

/// The Secret. It carries no label that would let a broker see it.
const SECRET: &str = "acme-account";
const CREDENTIALS: &str = "credentials";
const DIRECTORY: &str = "directory";

/// Why there is no account.
#[derive(Debug, Error)]
pub(crate) enum AccountError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("the ACME server gives no account")]
    Server(#[from] instant_acme::Error),
    #[error("the Secret {SECRET} with the account cannot be read or written")]
    Secret(#[from] Box<kube::Error>),
    #[error("the account in the Secret {SECRET} cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

/// The account, made when it is first needed.
pub(crate) struct Accounts {
    directory: Directory,
    contact: Option<String>,
    secrets: Api<Secret>,
    known: Mutex<Option<Account>>,
}

impl Accounts {
    pub(crate) fn new(
        directory: Directory,
        contact: Option<String>,
        client: Client,
        namespace: &str,
    ) -> Self {
        let secrets = Api::namespaced(client, namespace);
        Self { directory, contact, secrets, known: Mutex::new(None) }
    }

    /// The account: the one that is known, else the Secret's, else a new one.
    pub(crate) async fn get(&self) -> Result<Account, AccountError> {
        let mut known = self.known.lock().await;
        if let Some(account) = known.as_ref() {
            return Ok(account.clone());
        }
        let account = match self.kept().await? {
            Some(account) => account,
            None => self.register().await?,
        };
        *known = Some(account.clone());
        Ok(account)
    }

    /// The server does not know the account any more: the next one is new.
    pub(crate) async fn forget(&self) -> Result<(), AccountError> {
        let mut known = self.known.lock().await;
        *known = None;
        match self.secrets.delete(SECRET, &kube::api::DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(|_| ()).map_err(|source| Box::new(source).into()),
        }
    }

    async fn kept(&self) -> Result<Option<Account>, AccountError> {
        let secret = self.secrets.get_opt(SECRET).await.map_err(Box::new)?;
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        // An account belongs to its server.
        if data.get(DIRECTORY).is_none_or(|url| url.0 != self.directory.url().as_bytes()) {
            return Ok(None);
        }
        let Some(credentials) = data.get(CREDENTIALS) else { return Ok(None) };
        let credentials = serde_json::from_slice(&credentials.0)?;
        Ok(Some(self.directory.builder()?.from_credentials(credentials).await?))
    }

    async fn register(&self) -> Result<Account, AccountError> {
        let contact = self.contact.as_ref().map(|address| format!("mailto:{address}"));
        let contact: Vec<&str> = contact.as_deref().into_iter().collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let url = self.directory.url().to_owned();
        let (account, credentials) = self.directory.builder()?.create(&wanted, url.clone(), None).await?;
        let data = [(DIRECTORY, url.into_bytes()), (CREDENTIALS, serde_json::to_vec(&credentials)?)];
        let data = data.map(|(key, value)| (key.to_owned(), ByteString(value)));
        let secret = Secret {
            metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
            data: Some(BTreeMap::from(data)),
            ..Secret::default()
        };
        let by = PatchParams::apply(FIELD_MANAGER).force();
        self.secrets.patch(SECRET, &by, &Patch::Apply(&secret)).await.map_err(Box::new)?;
        tracing::info!(directory = self.directory.url(), account = account.id(), "a new ACME account");
        Ok(account)
    }
}
