//! A provider of databases as a controller of one cluster, on one server.
//!
//! For each `Database` (`example.com/v1alpha1`): a database and a role of its own, the Secret `<name>-credentials`
//! beside it, then a status that says where it is and names the Secret. The annotation that asks for no more writes is
//! answered by `status.quiesced`, once that is so. A finalizer holds the object until its database is dropped.
//!
//! It watches, and never polls: whether the server lives is known by a connection that is kept. While it does not, the
//! objects say so. It does not know who made the objects.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{self, Event, finalizer};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::PostgresError;
use super::fence::{self, Raised};
use super::server::PostgresServer;
use super::session::{Account, Session};
use super::tenant;
use crate::provider::MANAGED_LABEL;
use crate::provider::status::since;
use crate::provider::write::{apply_status, related_secret, secret_of};

/// The name under which the provider owns the fields it writes.
const FIELD_MANAGER: &str = "postgres-provider";
/// Holds an object until its database is dropped.
const FINALIZER: &str = "postgres.example.com/database";
/// Asks for no more writes.
const QUIESCE: &str = "broker.platform-mesh.io/quiesce";
/// The pause before something that failed is tried again.
const AFTER_ERROR: Duration = Duration::from_millis(500);

/// What a provider could not do.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The API is not there, or may not be read.
    #[error("cannot list databases.example.com; is the API bound or installed there?")]
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
    /// The database server could not do it.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The finalizer could not be set or taken away.
    #[error("cannot hold or release the object: {0}")]
    Finalizer(String),
}

/// A provider on one server.
#[derive(Clone, Debug)]
pub struct PostgresProvider {
    zone: String,
    administrator: Account,
}

impl PostgresProvider {
    /// A provider on this server, in the zone of the server's name.
    pub fn new(server: &PostgresServer) -> Self {
        Self { zone: server.name().to_owned(), administrator: server.administrator() }
    }

    /// Serves the cluster that `client` points to until `shutdown` is cancelled.
    ///
    /// # Errors
    ///
    /// [`ProviderError::NotServed`] at the start. Later errors are retried and logged.
    pub async fn run(self, client: Client, shutdown: CancellationToken) -> Result<(), ProviderError> {
        let resource = database_resource();
        let databases: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let probe = ListParams::default().limit(1);
        databases
            .list(&probe)
            .await
            .map_err(|source| ProviderError::NotServed { source: Box::new(source) })?;
        let (alive, is_alive) = watch::channel(true);
        let pulse = tokio::spawn(take_the_pulse(self.administrator.clone(), alive));
        let handed_over = watcher::Config::default().labels(&format!("{MANAGED_LABEL}=true"));
        let service = Service { provider: self, client: client.clone(), is_alive: is_alive.clone() };
        Controller::new_with(databases, watcher::Config::default(), resource)
            .owns_with(Api::<Secret>::all(client), (), handed_over)
            .reconcile_all_on(changes(is_alive))
            .graceful_shutdown_on(shutdown.cancelled_owned())
            .run(reconcile, try_again, Arc::new(service))
            .for_each(|_| async {})
            .await;
        pulse.abort();
        Ok(())
    }
}

/// `databases.example.com/v1alpha1`, as `examples/postgres` defines it.
pub fn database_resource() -> ApiResource {
    let gvk = GroupVersionKind::gvk("example.com", "v1alpha1", "Database");
    ApiResource::from_gvk_with_plural(&gvk, "databases")
}

/// Tells whether the server lives, by a connection that is kept.
async fn take_the_pulse(server: Account, alive: watch::Sender<bool>) {
    loop {
        match Session::open(&server).await {
            Ok(session) => {
                alive.send_if_modified(|was| !std::mem::replace(was, true));
                session.closed().await;
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the server is not there");
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
        // A connection that broke says nothing yet: the server may be there again.
        if Session::open(&server).await.is_err() {
            alive.send_if_modified(|was| std::mem::replace(was, false));
        }
    }
}

fn changes(receiver: watch::Receiver<bool>) -> impl Stream<Item = ()> + Send {
    stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        Some(((), receiver))
    })
}

/// What the passes share.
struct Service {
    provider: PostgresProvider,
    client: Client,
    is_alive: watch::Receiver<bool>,
}

/// Whether writes are held up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Quiesced {
    NotAsked,
    Yes,
    NotPossible(String),
}

async fn reconcile(object: Arc<DynamicObject>, service: Arc<Service>) -> Result<Action, ProviderError> {
    let namespace = object.namespace().unwrap_or_default();
    let databases: Api<DynamicObject> =
        Api::namespaced_with(service.client.clone(), &namespace, &database_resource());
    let pass = finalizer(&databases, FINALIZER, object, |event| async {
        match event {
            Event::Apply(object) => service.serve(&databases, &object).await,
            Event::Cleanup(object) => service.drop_database(&object).await,
        }
    });
    pass.await.map_err(|error| match error {
        finalizer::Error::ApplyFailed(error) | finalizer::Error::CleanupFailed(error) => error,
        error @ (finalizer::Error::AddFinalizer(_)
        | finalizer::Error::RemoveFinalizer(_)
        | finalizer::Error::UnnamedObject
        | finalizer::Error::InvalidFinalizer) => ProviderError::Finalizer(error.to_string()),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn try_again(object: Arc<DynamicObject>, error: &ProviderError, _: Arc<Service>) -> Action {
    tracing::warn!(name = object.name_any(), error = error as &dyn std::error::Error, "will be tried again");
    Action::requeue(AFTER_ERROR)
}

impl Service {
    fn tenant(object: &DynamicObject) -> String {
        tenant::tenant_name(&object.name_any(), object.metadata.uid.as_deref().unwrap_or_default())
    }

    async fn drop_database(&self, object: &DynamicObject) -> Result<Action, ProviderError> {
        let server = &self.provider.administrator;
        let admin = Session::open(server).await?;
        let tenant = Self::tenant(object);
        tenant::drop_all(server, &admin, &tenant).await?;
        tracing::info!(zone = self.provider.zone, database = tenant, "dropped");
        Ok(Action::await_change())
    }

    async fn serve(&self, api: &Api<DynamicObject>, object: &DynamicObject) -> Result<Action, ProviderError> {
        if !*self.is_alive.borrow() {
            return self.publish(api, object, &self.out_of_service(object)).await;
        }
        let (server, tenant) = (&self.provider.administrator, Self::tenant(object));
        let admin = Session::open(server).await?;
        let account = self.credentials(&admin, object, &tenant).await?;
        let quiesced = if object.annotations().get(QUIESCE).is_some_and(|word| word == "true") {
            match fence::raise(server, &admin, &tenant).await? {
                Raised::Stands => Quiesced::Yes,
                Raised::NotPossible(why) => Quiesced::NotPossible(why),
            }
        } else {
            if fence::stands(&admin, &tenant).await? {
                fence::lift(&Session::open(&server.in_database(&tenant)).await?, &tenant).await?;
            }
            Quiesced::NotAsked
        };
        self.publish(api, object, &self.status(object, &account, &quiesced)).await
    }

    /// The account of an object: its Secret's, or a new one. The role has the password before the Secret does.
    async fn credentials(
        &self,
        admin: &Session,
        object: &DynamicObject,
        tenant: &str,
    ) -> Result<Account, ProviderError> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), secret_name(object));
        let call = |action| {
            let name = format!("{namespace}/{name}");
            move |source| ProviderError::Call { action, name, source: Box::new(source) }
        };
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let present = secrets.get_opt(&name).await.map_err(call("get Secret"))?;
        let known = present.as_ref().and_then(|secret| secret.data.as_ref()?.get("password"));
        let known = known.and_then(|password| String::from_utf8(password.0.clone()).ok());
        let account = Account {
            user: tenant.to_owned(),
            password: known.unwrap_or_else(|| Uuid::new_v4().simple().to_string()),
            database: tenant.to_owned(),
            ..self.provider.administrator.clone()
        };
        let secret = secret(object, &account);
        let is_known = present.is_some_and(|found| found.data == secret.data);
        if !is_known || !tenant::exists(admin, tenant).await? {
            tenant::make(admin, tenant, &account.password).await?;
        }
        if !is_known {
            let force = PatchParams::apply(FIELD_MANAGER).force();
            secrets.patch(&name, &force, &Patch::Apply(&secret)).await.map_err(call("apply Secret"))?;
            tracing::info!(zone = self.provider.zone, namespace, database = tenant, "provided");
        }
        Ok(account)
    }

    fn status(&self, object: &DynamicObject, account: &Account, quiesced: &Quiesced) -> Value {
        let mut conditions = vec![condition(object, "Ready", "True", "Provisioned", "at your service")];
        if let Quiesced::NotPossible(why) = quiesced {
            conditions.push(condition(object, "Quiesced", "False", "NotPossible", why));
        }
        json!({
            "observedGeneration": object.metadata.generation.unwrap_or(1),
            "conditions": conditions,
            "host": account.host,
            "port": account.port,
            "database": account.database,
            "zone": self.provider.zone,
            "quiesced": *quiesced == Quiesced::Yes,
            "relatedResources": {"credentials": related_secret(object, &secret_name(object))},
        })
    }

    /// The last status, but not ready. Nothing is said of the fence: it outlives its server.
    fn out_of_service(&self, object: &DynamicObject) -> Value {
        let mut status = object.data.get("status").cloned().unwrap_or_else(|| json!({}));
        let message = format!("the server in {} does not answer", self.provider.zone);
        let not_ready = condition(object, "Ready", "False", "ServerUnreachable", &message);
        if let Some(fields) = status.as_object_mut() {
            fields.insert("conditions".to_owned(), json!([not_ready]));
            fields.insert("zone".to_owned(), json!(self.provider.zone));
        }
        status
    }

    async fn publish(
        &self,
        api: &Api<DynamicObject>,
        object: &DynamicObject,
        status: &Value,
    ) -> Result<Action, ProviderError> {
        apply_status(api, &database_resource(), FIELD_MANAGER, object, status, None).await.map_err(
            |source| {
                let (action, name) = ("apply the status of Database", object.name_any());
                ProviderError::Call { action, name, source: Box::new(source) }
            },
        )?;
        Ok(Action::await_change())
    }
}

fn condition(object: &DynamicObject, type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": message,
        "observedGeneration": object.metadata.generation.unwrap_or(1),
        "lastTransitionTime": since(object, type_, status, jiff::Timestamp::now()),
    })
}

fn secret_name(object: &DynamicObject) -> String {
    format!("{}-credentials", object.name_any())
}

fn secret(object: &DynamicObject, account: &Account) -> Secret {
    let entries = [
        ("host", account.host.clone()),
        ("port", account.port.to_string()),
        ("user", account.user.clone()),
        ("password", account.password.clone()),
        ("dbname", account.database.clone()),
        ("uri", account.uri()),
    ];
    secret_of(object, secret_name(object), entries.map(|(key, value)| (key, value.into_bytes())))
}
