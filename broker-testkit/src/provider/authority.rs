//! A certificate authority as a controller of one cluster.
//!
//! For each `Certificate` (`example.com/v1alpha1`): a key and a certificate in the Secret
//! `<name>-tls` beside it, then a status that names the Secret. The Secret is written before the status,
//! always: whoever reads `Ready` finds what was promised. Whether a Secret still answers its request is
//! read from the certificate in it, so a restart, a changed spec, a Secret deleted or spoilt by somebody,
//! and a lapsing certificate are all one case.
//!
//! It watches and never polls; errors are retried per object, each time after twice as long. It does not
//! know who made the `Certificate`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::MANAGED_LABEL;
use super::issuer::{BACKDATED, IssueError, Issued, Issuer};
use super::request::{CertificateRequest, Refusal};
use super::status::{Outcome, status};
use super::verify::{AuthorityCertificate, Leaf, verify};
use super::write::{apply_status, related_secret, secret_of};

/// The name under which the authority owns the fields it writes.
pub const FIELD_MANAGER: &str = "certificate-authority";
/// The first pause after an error; each further one is twice as long, up to [`LONGEST_BACKOFF`].
const SHORTEST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
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
    #[error("cannot {action} {namespace}/{name}")]
    Call {
        /// What was tried, such as `apply Secret`.
        action: &'static str,
        /// The object's namespace.
        namespace: String,
        /// The object's name.
        name: String,
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// Nothing could be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// How the authority behaves: honest, or as a test needs it.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Conduct {
    /// Issues what is asked and says so.
    #[default]
    Issue,
    /// Issues nothing and says that it is not ready, also of what it issued before.
    Withhold,
    /// Does nothing at all: as if it were not running.
    Away,
    /// Issues, but names these as `status.relatedResources` instead of its own Secret.
    Name(Value),
}

/// An authority: a root certificate, and [`CertificateAuthority::run`] to serve a cluster with it.
#[derive(Debug, Clone)]
pub struct CertificateAuthority {
    issuer: Arc<Issuer>,
    conduct: Arc<watch::Sender<Conduct>>,
}

impl CertificateAuthority {
    /// Makes an authority with a new root of this name.
    pub fn new(name: &str) -> Result<Self, AuthorityError> {
        let (conduct, _) = watch::channel(Conduct::default());
        Ok(Self { issuer: Arc::new(Issuer::new(name)?), conduct: Arc::new(conduct) })
    }

    /// Its name: the root's common name and the status's `issuer`.
    pub fn name(&self) -> &str {
        self.issuer.name()
    }

    /// Its root, to verify against.
    pub fn certificate(&self) -> &AuthorityCertificate {
        self.issuer.certificate()
    }

    /// Behaves like this from now on, towards all that is there and all that comes.
    pub fn set_conduct(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }

    /// Serves the cluster that `client` points to until `shutdown` is cancelled; what is being written
    /// then is finished first.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::NotServed`] at the start. Later errors are retried and logged.
    pub async fn run(&self, client: Client, shutdown: CancellationToken) -> Result<(), AuthorityError> {
        let resource = certificate_resource();
        let certificates: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let probe = ListParams::default().limit(1);
        certificates
            .list(&probe)
            .await
            .map_err(|source| AuthorityError::NotServed { source: Box::new(source) })?;

        let handed_over = watcher::Config::default().labels(&format!("{MANAGED_LABEL}=true"));
        let service = Arc::new(Service {
            authority: self.clone(),
            client: client.clone(),
            resource: resource.clone(),
            failures: Mutex::default(),
        });
        tracing::info!(authority = self.name(), "serving certificates");
        Controller::new_with(certificates, watcher::Config::default(), resource)
            .owns_with(Api::<Secret>::all(client), (), handed_over)
            .reconcile_all_on(changes(self.conduct.subscribe()))
            .graceful_shutdown_on(shutdown.cancelled_owned())
            .run(reconcile, back_off, service)
            .for_each(|_| async {})
            .await;
        Ok(())
    }
}

/// `certificates.example.com/v1alpha1`, as the sample schema defines it.
pub fn certificate_resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("example.com", "v1alpha1", "Certificate"),
        "certificates",
    )
}

/// The name of the Secret that belongs to the `Certificate` of this name.
pub fn secret_name(certificate: &str) -> String {
    format!("{certificate}-tls")
}

fn changes(receiver: watch::Receiver<Conduct>) -> impl Stream<Item = ()> + Send {
    stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        Some(((), receiver))
    })
}

/// What the passes share.
struct Service {
    authority: CertificateAuthority,
    client: Client,
    resource: ApiResource,
    failures: Mutex<HashMap<ObjectRef<DynamicObject>, u32>>,
}

impl Service {
    fn key(&self, certificate: &DynamicObject) -> ObjectRef<DynamicObject> {
        ObjectRef::from_obj_with(certificate, self.resource.clone())
    }
}

async fn reconcile(certificate: Arc<DynamicObject>, service: Arc<Service>) -> Result<Action, AuthorityError> {
    let action = service.serve(&certificate).await?;
    service.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&service.key(&certificate));
    Ok(action)
}

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn back_off(certificate: Arc<DynamicObject>, error: &AuthorityError, service: Arc<Service>) -> Action {
    let mut failures = service.failures.lock().unwrap_or_else(PoisonError::into_inner);
    let count = failures.entry(service.key(&certificate)).or_default();
    let pause = SHORTEST_BACKOFF.saturating_mul(2_u32.saturating_pow(*count)).min(LONGEST_BACKOFF);
    *count = count.saturating_add(1);
    tracing::warn!(
        certificate = %service.key(&certificate),
        error = error as &dyn std::error::Error,
        ?pause,
        "will be tried again"
    );
    Action::requeue(pause)
}

impl Service {
    async fn serve(&self, certificate: &DynamicObject) -> Result<Action, AuthorityError> {
        if certificate.metadata.deletion_timestamp.is_some() {
            return Ok(Action::await_change());
        }
        let conduct = self.authority.conduct.borrow().clone();
        if conduct == Conduct::Away {
            return Ok(Action::await_change());
        }
        let namespace = certificate.namespace().unwrap_or_default();
        let name = secret_name(&certificate.name_any());
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let present = secrets.get_opt(&name).await.map_err(failed("get Secret", &namespace, &name))?;

        let outcome = self.outcome(certificate, present.as_ref(), &conduct, &secrets).await?;
        let renewal = if let Outcome::Issued(leaf) = &outcome { Some(until_renewal(leaf)) } else { None };
        let holds = matches!(outcome, Outcome::Issued(_))
            || present.is_some_and(|found| is_ours(&found, certificate));
        let related = holds.then(|| match conduct {
            Conduct::Name(related) => related,
            Conduct::Issue | Conduct::Withhold | Conduct::Away => {
                json!({"secret": related_secret(certificate, &name)})
            }
        });
        let status = status(certificate, &outcome, related, jiff::Timestamp::now());
        self.publish(certificate, &namespace, &status).await?;
        Ok(renewal.map_or_else(Action::await_change, Action::requeue))
    }

    async fn outcome(
        &self,
        certificate: &DynamicObject,
        present: Option<&Secret>,
        conduct: &Conduct,
        secrets: &Api<Secret>,
    ) -> Result<Outcome, AuthorityError> {
        if *conduct == Conduct::Withhold {
            return Ok(Outcome::Withheld);
        }
        let request = match CertificateRequest::parse(certificate.data.get("spec").unwrap_or(&Value::Null)) {
            Ok(request) => request,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let trusted = std::slice::from_ref(self.authority.certificate());
        if let Some(found) = present {
            if !is_ours(found, certificate) {
                return Ok(Outcome::Refused(name_taken(&found.name_any())));
            }
            if let Some(leaf) = verify(present, trusted).leaf().filter(|leaf| answers(leaf, &request)) {
                return Ok(Outcome::Issued(leaf.clone()));
            }
        }
        let issued = self.authority.issuer.issue(&request)?;
        let secret = secret(certificate, &issued);
        let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
        let leaf = verify(Some(&secret), trusted).leaf().cloned();
        secrets
            .patch(&name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(&secret))
            .await
            .map_err(failed("apply Secret", &namespace, &name))?;
        tracing::info!(authority = self.authority.name(), namespace, name, fqdn = request.fqdn(), "issued");
        Ok(leaf.map_or(Outcome::Withheld, Outcome::Issued))
    }

    async fn publish(
        &self,
        certificate: &DynamicObject,
        namespace: &str,
        status: &Value,
    ) -> Result<(), AuthorityError> {
        let certificates: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &self.resource);
        apply_status(&certificates, &self.resource, FIELD_MANAGER, certificate, status, None)
            .await
            .map_err(failed("apply the status of Certificate", namespace, &certificate.name_any()))?;
        Ok(())
    }
}

fn failed<'a>(
    action: &'static str,
    namespace: &'a str,
    name: &'a str,
) -> impl FnOnce(kube::Error) -> AuthorityError + 'a {
    move |source| AuthorityError::Call {
        action,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        source: Box::new(source),
    }
}

fn name_taken(secret: &str) -> Refusal {
    Refusal {
        reason: "SecretNameTaken",
        message: format!(
            "the Secret {secret:?} is not this Certificate's; it is left alone, remove or rename it"
        ),
    }
}

fn is_ours(secret: &Secret, certificate: &DynamicObject) -> bool {
    let owners = secret.metadata.owner_references.iter().flatten();
    owners.map(|owner| Some(&owner.uid)).any(|uid| uid == certificate.metadata.uid.as_ref())
}

/// Is this the certificate that the request asks for, and not about to lapse?
fn answers(leaf: &Leaf, request: &CertificateRequest) -> bool {
    let lifetime = leaf.not_after - leaf.not_before - BACKDATED;
    leaf.names.len() == 1
        && leaf.names.contains(request.fqdn())
        && leaf.usages == [request.usage()]
        && lifetime == request.validity()
        && renewal(leaf) > OffsetDateTime::now_utc()
}

/// When two thirds of its life are over.
fn renewal(leaf: &Leaf) -> OffsetDateTime {
    let issued = leaf.not_before + BACKDATED;
    issued + (leaf.not_after - issued) * 2 / 3
}

fn until_renewal(leaf: &Leaf) -> Duration {
    let left = Duration::try_from(renewal(leaf) - OffsetDateTime::now_utc()).unwrap_or(Duration::ZERO);
    left.clamp(Duration::from_secs(1), LONGEST_TIMER)
}

fn secret(certificate: &DynamicObject, issued: &Issued) -> Secret {
    let data = [("tls.crt", &issued.chain), ("tls.key", &issued.key), ("ca.crt", &issued.root)];
    let data = data.map(|(key, pem)| (key, pem.as_bytes().to_vec()));
    Secret {
        type_: Some("kubernetes.io/tls".to_owned()),
        ..secret_of(certificate, secret_name(&certificate.name_any()), data)
    }
}
