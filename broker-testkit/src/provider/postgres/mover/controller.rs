//! The controller: takes each step, tells how far it is, cleans up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{self, Event, finalizer};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::kind::{Phase, Spec, Status, Step, database_move_resource};
use super::steps::Ends;
use super::{moment, replication};
use crate::provider::postgres::PostgresError;
use crate::provider::postgres::session::{Account, Session};
use crate::provider::postgres::tenant::digest;
use crate::provider::write::apply_status;

/// The name under which the mover owns the fields it writes.
const FIELD_MANAGER: &str = "database-mover";
/// Holds a `Replicate` until nothing of it is left on the servers.
const FINALIZER: &str = "movers.example.com/replication";
/// The pause before something that failed is tried again.
const AFTER_ERROR: Duration = Duration::from_millis(500);
/// How often a copy under way is asked how far it is. Servers do not tell by themselves.
const PROGRESS: Duration = Duration::from_millis(100);

/// What the mover could not do. What is wrong with a step shows on its object instead.
#[derive(Debug, Error)]
pub enum MoverError {
    /// The kind is not there, or may not be read.
    #[error("cannot list databasemoves.movers.example.com; is it installed there?")]
    NotServed {
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// A call failed.
    #[error("cannot {action} {name}")]
    Call {
        /// What was tried.
        action: &'static str,
        /// The object's namespace and name.
        name: String,
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// A database server could not do it.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A Secret beside the helper does not say where a database is.
    #[error("the Secret {name} has no {entry}")]
    Incomplete {
        /// The Secret.
        name: String,
        /// What it lacks.
        entry: &'static str,
    },
    /// A database is on a server that the mover does not know.
    #[error("no administrator's way into {0}")]
    Unknown(String),
    /// The finalizer could not be set or taken away.
    #[error("cannot hold or release the object: {0}")]
    Finalizer(String),
}

/// Moves databases between servers of which it knows an administrator.
#[derive(Clone, Debug)]
pub struct Mover {
    administrators: BTreeMap<String, Account>,
}

impl Mover {
    /// A mover between the servers of these administrators.
    pub fn new(administrators: impl IntoIterator<Item = Account>) -> Self {
        let by_server = |account: Account| (account.server(), account);
        Self { administrators: administrators.into_iter().map(by_server).collect() }
    }

    /// Works on the cluster that `client` points to, in all namespaces, until `shutdown` is cancelled.
    ///
    /// # Errors
    ///
    /// [`MoverError::NotServed`] at the start. Later errors are retried and logged.
    pub async fn run(self, client: Client, shutdown: CancellationToken) -> Result<(), MoverError> {
        let moves: Api<DynamicObject> = Api::all_with(client.clone(), &database_move_resource());
        moves
            .list(&ListParams::default().limit(1))
            .await
            .map_err(|source| MoverError::NotServed { source: Box::new(source) })?;
        let service = Service { mover: self, client };
        Controller::new_with(moves, watcher::Config::default(), database_move_resource())
            .graceful_shutdown_on(shutdown.cancelled_owned())
            .run(reconcile, try_again, Arc::new(service))
            .for_each(|_| async {})
            .await;
        Ok(())
    }
}

/// What the passes share.
struct Service {
    mover: Mover,
    client: Client,
}

async fn reconcile(object: Arc<DynamicObject>, service: Arc<Service>) -> Result<Action, MoverError> {
    let api = service.moves(&object);
    let spec = serde_json::from_value::<Spec>(object.data.get("spec").cloned().unwrap_or_default());
    let Ok(spec) = spec else {
        let status = Status::of(&object).failed("spec needs step, from and to");
        return service.publish(&api, &object, &status).await;
    };
    if spec.step != Step::Replicate {
        return service.advance(&api, &object, &spec).await;
    }
    let pass = finalizer(&api, FINALIZER, object, |event| async {
        match event {
            Event::Apply(object) => service.advance(&api, &object, &spec).await,
            Event::Cleanup(object) => service.clean_up(&object).await,
        }
    });
    pass.await.map_err(|error| match error {
        finalizer::Error::ApplyFailed(error) | finalizer::Error::CleanupFailed(error) => error,
        error @ (finalizer::Error::AddFinalizer(_)
        | finalizer::Error::RemoveFinalizer(_)
        | finalizer::Error::UnnamedObject
        | finalizer::Error::InvalidFinalizer) => MoverError::Finalizer(error.to_string()),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn try_again(object: Arc<DynamicObject>, error: &MoverError, _: Arc<Service>) -> Action {
    tracing::warn!(name = object.name_any(), error = error as &dyn std::error::Error, "will be tried again");
    Action::requeue(AFTER_ERROR)
}

/// What is called by the move on the servers: a move has a namespace of its own.
fn link(object: &DynamicObject) -> String {
    format!("move_{}", digest(&object.namespace().unwrap_or_default()))
}

impl Service {
    async fn advance(
        &self,
        api: &Api<DynamicObject>,
        object: &DynamicObject,
        spec: &Spec,
    ) -> Result<Action, MoverError> {
        let status = Status::of(object);
        if status.phase != Phase::Running || object.metadata.deletion_timestamp.is_some() {
            return Ok(Action::await_change());
        }
        let next = match self.step(object, spec, &status).await {
            Ok(next) => next,
            // What a server refuses once, it refuses again: people must know. A server that is away comes back.
            Err(MoverError::Postgres(error))
                if error.is_refusal() || matches!(error, PostgresError::Program { .. }) =>
            {
                status.failed(error.to_string())
            }
            Err(error @ (MoverError::Incomplete { .. } | MoverError::Unknown(_))) => {
                status.failed(error.to_string())
            }
            Err(error) => return Err(error),
        };
        let is_running = next.phase == Phase::Running;
        self.publish(api, object, &next).await?;
        Ok(if is_running { Action::requeue(PROGRESS) } else { Action::await_change() })
    }

    async fn step(&self, object: &DynamicObject, spec: &Spec, status: &Status) -> Result<Status, MoverError> {
        let ends = self.ends(object, spec).await?;
        let known = Status {
            source: Some(format!("{}/{}", ends.source.server(), ends.source.database)),
            target: Some(format!("{}/{}", ends.target.server(), ends.target.database)),
            ..status.clone()
        };
        if spec.step == Step::Replicate && status.source.is_none() {
            // Where to clean up is said before there is anything to be cleaned up.
            return Ok(known.running("begins"));
        }
        Ok(match spec.step {
            Step::Replicate => self.replicate(object, &ends, known).await?,
            Step::Compare => ends.compare(&known).await?,
            Step::CatchUp => ends.catch_up(&known).await?,
            Step::Verify => ends.verify(self.snapshot(object).await?.as_deref(), &known).await?,
            Step::Unchanged => ends.unchanged(&known).await?,
        })
    }

    /// Of two that work on it, such as one that was killed and whose servers have not noticed, one waits. And whoever saw
    /// the object late makes nothing again that another has cleaned up.
    async fn replicate(
        &self,
        object: &DynamicObject,
        ends: &Ends,
        known: Status,
    ) -> Result<Status, MoverError> {
        let (source, target) = ends.sessions().await?;
        if !replication::reserve(&target, &ends.link).await? || !self.is_wanted(object).await? {
            return Ok(known);
        }
        Ok(ends.replicate((&source, &target), &known).await?)
    }

    /// Whether the object is there now, and nobody asked for its end.
    async fn is_wanted(&self, object: &DynamicObject) -> Result<bool, MoverError> {
        let found = self.moves(object).get_opt(&object.name_any()).await;
        let found = found.map_err(|source| MoverError::Call {
            action: "get DatabaseMove",
            name: object.name_any(),
            source: Box::new(source),
        })?;
        Ok(found.is_some_and(|found| {
            found.metadata.uid == object.metadata.uid && found.metadata.deletion_timestamp.is_none()
        }))
    }

    /// The helpers of a move.
    fn moves(&self, object: &DynamicObject) -> Api<DynamicObject> {
        let namespace = object.namespace().unwrap_or_default();
        Api::namespaced_with(self.client.clone(), &namespace, &database_move_resource())
    }

    /// Where the two databases are, by the Secrets beside the helper.
    async fn ends(&self, object: &DynamicObject, spec: &Spec) -> Result<Ends, MoverError> {
        let namespace = object.namespace().unwrap_or_default();
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let (from, to) = tokio::try_join!(self.end(&secrets, &spec.from), self.end(&secrets, &spec.to))?;
        Ok(Ends { source: from.0, target: to.0, owner: to.1, link: link(object) })
    }

    async fn end(&self, secrets: &Api<Secret>, name: &str) -> Result<(Account, String), MoverError> {
        let secret = secrets.get(name).await.map_err(|source| MoverError::Call {
            action: "get Secret",
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        let data = secret.data.unwrap_or_default();
        let entry = |entry: &'static str| {
            let bytes = data.get(entry).map(|bytes| bytes.0.clone());
            bytes
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| MoverError::Incomplete { name: name.to_owned(), entry })
        };
        let server = format!("{}:{}", entry("host")?, entry("port")?);
        Ok((self.administrator(&server)?.in_database(&entry("dbname")?), entry("user")?))
    }

    fn administrator(&self, server: &str) -> Result<&Account, MoverError> {
        self.mover.administrators.get(server).ok_or_else(|| MoverError::Unknown(server.to_owned()))
    }

    /// The snapshot that the step before named.
    async fn snapshot(&self, object: &DynamicObject) -> Result<Option<String>, MoverError> {
        let all = self.moves(object).list(&ListParams::default()).await;
        let all = all.map_err(|source| MoverError::Call {
            action: "list DatabaseMoves in",
            name: object.namespace().unwrap_or_default(),
            source: Box::new(source),
        })?;
        Ok(all.iter().find_map(|object| Status::of(object).snapshot))
    }

    /// Removes what a replication left on both servers, when nobody makes it any more. A database that is gone has nothing
    /// left.
    async fn clean_up(&self, object: &DynamicObject) -> Result<Action, MoverError> {
        let (status, link) = (Status::of(object), link(object));
        // Both are tried, whatever comes of the first; its session has the replication reserved until then.
        let target = match self.database(status.target.as_deref()).await {
            Ok(Some(target)) => match replication::reserve_next(&target, &link).await {
                // Somebody still makes it, who needs both.
                Err(error) if error.is_refusal() => return Err(error.into()),
                Err(error) => Err(error.into()),
                Ok(()) => forget(&target, &link).await.map(|()| Some(target)).map_err(MoverError::from),
            },
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        if let Some(source) = self.database(status.source.as_deref()).await? {
            replication::unpublish(&source, &link).await?;
        }
        target.map(|_| Action::await_change())
    }

    /// A session in a database that a status names; none where it is gone.
    async fn database(&self, named: Option<&str>) -> Result<Option<Session>, MoverError> {
        let Some((server, database)) = named.and_then(|named| named.split_once('/')) else { return Ok(None) };
        match Session::open(&self.administrator(server)?.in_database(database)).await {
            Ok(session) => Ok(Some(session)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn publish(
        &self,
        api: &Api<DynamicObject>,
        object: &DynamicObject,
        status: &Status,
    ) -> Result<Action, MoverError> {
        let (resource, name) = (database_move_resource(), object.name_any());
        let seen = object.metadata.resource_version.as_deref();
        let written = match apply_status(api, &resource, FIELD_MANAGER, object, &json!(status), seen).await {
            // Another mover wrote since, or the object is another one: what it is now is on its way.
            Err(kube::Error::Api(answer)) if answer.is_conflict() => return Ok(Action::await_change()),
            written => written,
        };
        let written = written.map_err(|source| {
            let action = "apply the status of DatabaseMove";
            MoverError::Call { action, name: name.clone(), source: Box::new(source) }
        })?;
        if written {
            tracing::info!(name, phase = ?status.phase, message = status.message, "database move");
        }
        Ok(Action::await_change())
    }
}

/// Removes what a move left in its target.
async fn forget(target: &Session, link: &str) -> Result<(), PostgresError> {
    moment::release(target, link).await?;
    replication::unsubscribe(target, link).await
}
