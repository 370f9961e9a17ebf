//! A provider of certificates as a controller of one cluster: what is asked of it, it orders by ACME.
//!
//! For each `Certificate` (`example.com/v1alpha1`): a key and a chain in the Secret `<name>-tls` beside it, then a status
//! that names the Secret. Whether a Secret still answers its request is read from the certificate in it, so a restart, a
//! changed spec, a Secret that somebody deleted and a certificate to renew are all one case. What the server refuses shows as
//! a condition, and is not asked for again before its time.
//!
//! How long a certificate lives is the server's to say, so `spec.validity` is for the offer's filters alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker_testkit::provider::{CertificateRequest, Refusal, Usage, certificate_resource, secret_name};
use futures::StreamExt as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::account::{AccountError, Accounts};
use crate::certificate::{Leaf, leaf};
use crate::challenge::Challenges;
use crate::directory::Directory;
use crate::issue::{Issued, issue};
use crate::status::{Outcome, status};
use crate::trouble::{Trouble, chain};

/// The name under which the authority owns the fields it writes.
pub(crate) const FIELD_MANAGER: &str = "acme-authority";
/// Without this label a broker whose claim is limited to labelled Secrets could not see ours.
const MANAGED_LABEL: &str = "broker.platform-mesh.io/managed";
/// The first pause after trouble that passes; each further one is twice as long, up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// The pause before a call to the cluster that failed is made again.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// Timers are not set further ahead than this; a wake-up that comes too early decides the same again.
const LONGEST_TIMER: Duration = Duration::from_hours(7 * 24);

/// What an authority could not do. What is wrong with a request shows on the `Certificate` instead.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// The API is not there, or may not be read.
    #[error("cannot list certificates.example.com; is the API bound or installed there?")]
    NotServed {
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// A call about one object failed.
    #[error("cannot {action} {name}")]
    Call {
        /// What was tried, such as `apply Secret`.
        action: &'static str,
        /// The object's namespace and name.
        name: String,
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Who orders by ACME what is ordered of it.
#[derive(Debug, Clone)]
pub struct Authority {
    name: String,
    directory: Directory,
    challenges: Challenges,
    contact: Option<String>,
    namespace: String,
}

impl Authority {
    /// An authority that calls itself by this name, with an account at this server, whose challenges are answered by whoever
    /// has `challenges`.
    pub fn new(name: &str, directory: Directory, challenges: Challenges) -> Self {
        let namespace = "default".to_owned();
        Self { name: name.to_owned(), directory, challenges, contact: None, namespace }
    }

    /// The address at which the server may write to the account's owner.
    #[must_use]
    pub fn contact(mut self, address: Option<String>) -> Self {
        self.contact = address;
        self
    }

    /// The namespace of the Secret with the account; else `default`.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Serves the cluster that `client` points to until `shutdown` is cancelled; what is being ordered then is finished first.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::NotServed`] at the start. Later errors are retried and logged.
    pub async fn run(self, client: Client, shutdown: CancellationToken) -> Result<(), AuthorityError> {
        let resource = certificate_resource();
        let certificates: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        certificates
            .list(&ListParams::default().limit(1))
            .await
            .map_err(|source| AuthorityError::NotServed { source: Box::new(source) })?;
        let handed_over = watcher::Config::default().labels(&format!("{MANAGED_LABEL}=true"));
        let accounts = Accounts::new(self.directory, self.contact, client.clone(), &self.namespace);
        let service = Arc::new(Service {
            name: self.name,
            accounts,
            challenges: self.challenges,
            client: client.clone(),
            resource: resource.clone(),
            troubles: Mutex::default(),
        });
        tracing::info!(authority = service.name, "serving certificates by ACME");
        Controller::new_with(certificates, watcher::Config::default(), resource)
            .owns_with(Api::<Secret>::all(client), (), handed_over)
            .graceful_shutdown_on(shutdown.cancelled_owned())
            .run(reconcile, try_again, service)
            .for_each(|_| async {})
            .await;
        Ok(())
    }
}

/// What the passes share.
struct Service {
    name: String,
    accounts: Accounts,
    challenges: Challenges,
    client: Client,
    resource: ApiResource,
    /// What went wrong with an object, by its uid: so that nothing is asked for again before its time.
    troubles: Mutex<HashMap<String, Troubled>>,
}

#[derive(Debug, Clone)]
struct Troubled {
    generation: Option<i64>,
    count: u32,
    until: Instant,
    trouble: Trouble,
}

async fn reconcile(certificate: Arc<DynamicObject>, service: Arc<Service>) -> Result<Action, AuthorityError> {
    if certificate.metadata.deletion_timestamp.is_some() {
        service.troubles().remove(&certificate.uid().unwrap_or_default());
        return Ok(Action::await_change());
    }
    service.serve(&certificate).await
}

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn try_again(certificate: Arc<DynamicObject>, error: &AuthorityError, _: Arc<Service>) -> Action {
    let name = certificate.name_any();
    tracing::warn!(name, error = error as &dyn std::error::Error, "will be tried again");
    Action::requeue(AFTER_ERROR)
}

impl Service {
    async fn serve(&self, certificate: &DynamicObject) -> Result<Action, AuthorityError> {
        let namespace = certificate.namespace().unwrap_or_default();
        let name = secret_name(&certificate.name_any());
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let present = secrets.get_opt(&name).await.map_err(failed("get Secret", &namespace, &name))?;
        let ours = present.as_ref().is_some_and(|found| is_ours(found, certificate));

        let fqdn = match wanted(certificate) {
            Ok(fqdn) => fqdn,
            Err(refusal) => return self.told(certificate, &Outcome::Refused(refusal), ours, None).await,
        };
        if present.is_some() && !ours {
            let message = format!(
                "the Secret {name:?} is not this Certificate's; it is left alone, remove or rename it"
            );
            let refused = Outcome::Refused(Refusal { reason: "SecretNameTaken", message });
            return self.told(certificate, &refused, false, None).await;
        }
        let now = OffsetDateTime::now_utc();
        let serving = present.as_ref().and_then(leaf).filter(|leaf| leaf.serves(&fqdn, now));
        if let Some(leaf) = serving.as_ref().filter(|leaf| now < leaf.renewal()) {
            let outcome = Outcome::Issued(leaf.clone(), None);
            return self.told(certificate, &outcome, true, Some(until_renewal(leaf))).await;
        }
        if let Some(troubled) = self.troubled(certificate) {
            let left = troubled.until.saturating_duration_since(Instant::now());
            return self.told(certificate, &failure(serving, troubled.trouble), ours, Some(left)).await;
        }
        if serving.is_none() {
            self.told(certificate, &Outcome::Ordered, ours, None).await?;
        }
        match self.order(certificate, &fqdn).await {
            Ok((secret, leaf)) => {
                let by = PatchParams::apply(FIELD_MANAGER).force();
                let applied = secrets.patch(&name, &by, &Patch::Apply(&secret)).await;
                applied.map_err(failed("apply Secret", &namespace, &name))?;
                tracing::info!(authority = self.name, namespace, name, fqdn, "issued");
                self.troubles().remove(&certificate.uid().unwrap_or_default());
                let again = until_renewal(&leaf);
                self.told(certificate, &Outcome::Issued(leaf, None), true, Some(again)).await
            }
            Err(trouble) => {
                tracing::warn!(
                    authority = self.name,
                    namespace,
                    name,
                    reason = trouble.reason,
                    "{}",
                    trouble.message
                );
                let pause = self.remember(certificate, trouble.clone());
                self.told(certificate, &failure(serving, trouble), ours, Some(pause)).await
            }
        }
    }

    /// Orders a certificate, and looks whether what came is one.
    async fn order(&self, certificate: &DynamicObject, fqdn: &str) -> Result<(Secret, Leaf), Trouble> {
        let account = self.accounts.get().await.map_err(|error| match &error {
            AccountError::Server(answer) => Trouble::of(fqdn, answer),
            AccountError::Directory(_) | AccountError::Secret(_) | AccountError::Unreadable(_) => {
                Trouble::unavailable(fqdn, &chain(&error))
            }
        });
        let ordered = match account {
            Ok(account) => {
                issue(&account, &self.challenges, fqdn).await.map_err(|error| Trouble::of(fqdn, &error))
            }
            Err(trouble) => Err(trouble),
        };
        if ordered.as_ref().is_err_and(|trouble| trouble.stranger)
            && let Err(error) = self.accounts.forget().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the account is not forgotten");
        }
        let secret = secret(certificate, &ordered?);
        let serves = leaf(&secret).filter(|leaf| leaf.serves(fqdn, OffsetDateTime::now_utc()));
        let leaf =
            serves.ok_or_else(|| Trouble::unavailable(fqdn, "what it issued is no certificate for it"))?;
        Ok((secret, leaf))
    }

    /// Publishes an outcome; then nothing is done before something changes or `again` is over.
    async fn told(
        &self,
        certificate: &DynamicObject,
        outcome: &Outcome,
        related: bool,
        again: Option<Duration>,
    ) -> Result<Action, AuthorityError> {
        let namespace = certificate.namespace().unwrap_or_default();
        let name = certificate.name_any();
        let related = related.then(|| {
            let gvk = json!({"group": "", "version": "v1", "kind": "Secret"});
            json!({"secret": {"namespace": namespace, "name": secret_name(&name), "gvk": gvk}})
        });
        let status = status(certificate, &self.name, outcome, related, jiff::Timestamp::now());
        if certificate.data.get("status") != Some(&status) {
            let api: Api<DynamicObject> =
                Api::namespaced_with(self.client.clone(), &namespace, &self.resource);
            // The uid keeps what is gone from being made again.
            let patch = json!({
                "apiVersion": self.resource.api_version, "kind": self.resource.kind,
                "metadata": {"namespace": namespace, "name": name, "uid": certificate.metadata.uid},
                "status": status,
            });
            let by = PatchParams::apply(FIELD_MANAGER).force();
            let written = api.patch_status(&name, &by, &Patch::Apply(patch)).await;
            written.map_err(failed("apply the status of", &namespace, &name))?;
        }
        Ok(again.map_or_else(Action::await_change, Action::requeue))
    }

    fn troubles(&self) -> std::sync::MutexGuard<'_, HashMap<String, Troubled>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went wrong with the object as it is, where it is too early to try again.
    fn troubled(&self, certificate: &DynamicObject) -> Option<Troubled> {
        let troubled = self.troubles().get(&certificate.uid()?).cloned()?;
        let current = troubled.generation == certificate.metadata.generation;
        (current && Instant::now() < troubled.until).then_some(troubled)
    }

    /// Remembers what went wrong, and says for how long nothing is tried.
    fn remember(&self, certificate: &DynamicObject, trouble: Trouble) -> Duration {
        let generation = certificate.metadata.generation;
        let mut troubles = self.troubles();
        let key = certificate.uid().unwrap_or_default();
        let before = troubles.get(&key).filter(|before| before.generation == generation);
        let count = before.map_or(0, |before| before.count.saturating_add(1));
        let growing = SHORTEST_PAUSE.saturating_mul(2_u32.saturating_pow(count)).min(LONGEST_PAUSE);
        let pause = trouble.pause.unwrap_or(growing);
        troubles.insert(key, Troubled { generation, count, until: Instant::now() + pause, trouble });
        pause
    }
}

/// What a failure comes to: what still serves goes on serving.
fn failure(serving: Option<Leaf>, trouble: Trouble) -> Outcome {
    match serving {
        Some(leaf) => Outcome::Issued(leaf, Some(trouble)),
        None => Outcome::Failed(trouble),
    }
}

/// The name that is to be certified, where it can be.
fn wanted(certificate: &DynamicObject) -> Result<String, Refusal> {
    let spec = certificate.data.get("spec").unwrap_or(&Value::Null);
    let request = CertificateRequest::parse(spec)?;
    let refused = |reason, message: String| Err(Refusal { reason, message });
    if request.fqdn().starts_with("*.") {
        let message =
            format!("spec.fqdn is {:?}; an http-01 challenge shows single names only", request.fqdn());
        return refused("InvalidFQDN", message);
    }
    match request.usage() {
        Usage::Server => Ok(request.fqdn().to_owned()),
        Usage::Client => {
            refused("InvalidCertType", "spec.certType is \"client\"; accepted is \"server\"".to_owned())
        }
    }
}

fn until_renewal(leaf: &Leaf) -> Duration {
    let left = Duration::try_from(leaf.renewal() - OffsetDateTime::now_utc()).unwrap_or(Duration::ZERO);
    left.clamp(SHORTEST_PAUSE, LONGEST_TIMER)
}

fn failed<'a>(
    action: &'static str,
    namespace: &'a str,
    name: &'a str,
) -> impl FnOnce(kube::Error) -> AuthorityError + 'a {
    move |source| AuthorityError::Call {
        action,
        name: format!("{namespace}/{name}"),
        source: Box::new(source),
    }
}

fn is_ours(secret: &Secret, certificate: &DynamicObject) -> bool {
    let owners = secret.metadata.owner_references.iter().flatten();
    owners.map(|owner| Some(&owner.uid)).any(|uid| uid == certificate.metadata.uid.as_ref())
}

/// The Secret beside a `Certificate`, which goes with it. The root is not in it: whoever talks to a server has that.
fn secret(certificate: &DynamicObject, issued: &Issued) -> Secret {
    let types = certificate.types.clone().unwrap_or_default();
    let data = [("tls.crt", &issued.chain), ("tls.key", &issued.key)];
    let data = data.map(|(key, pem)| (key.to_owned(), ByteString(pem.as_bytes().to_vec())));
    Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(&certificate.name_any())),
            namespace: certificate.namespace(),
            labels: Some(BTreeMap::from([(MANAGED_LABEL.to_owned(), "true".to_owned())])),
            owner_references: Some(vec![OwnerReference {
                api_version: types.api_version,
                kind: types.kind,
                name: certificate.name_any(),
                uid: certificate.uid().unwrap_or_default(),
                controller: Some(true),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from(data)),
        type_: Some("kubernetes.io/tls".to_owned()),
        ..Secret::default()
    }
}
