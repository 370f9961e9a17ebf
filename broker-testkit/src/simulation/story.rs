//! What people do in a world, as data: it can be printed, replayed, and made smaller.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use broker_core::resource::Object;
use broker_kcp::kcp::{ApiError, ApiErrorKind, ClusterApi, Preconditions, Resource};
use serde_json::Value;

use super::world::World;

/// The name under which people write.
const MANAGER: &str = "people";
/// The pause before a call that failed is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// One thing that somebody does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Somebody puts an object in place, as `kubectl apply` would.
    Apply {
        /// Who, and so in which cluster.
        who: String,
        /// What kind of object it is.
        resource: Resource,
        /// The object.
        object: Value,
    },
    /// Somebody deletes an object; it may be gone already.
    Delete {
        /// Who, and so in which cluster.
        who: String,
        /// What kind of object it is.
        resource: Resource,
        /// Its namespace, empty for kinds of the cluster.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Somebody deletes every object of a kind.
    DeleteAll {
        /// Who, and so in which cluster.
        who: String,
        /// What kind of object.
        resource: Resource,
    },
    /// Nobody does anything for this long.
    Wait(Duration),
    /// Nobody does anything until nothing happens any more.
    Settle,
}

/// What people do, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// The steps.
    pub steps: Vec<Step>,
}

/// Who takes part: the way of each to its own cluster.
pub type Cast = BTreeMap<String, ClusterApi>;

/// A step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// Nobody of that name takes part.
    #[error("nobody is called {0}")]
    Nobody(String),
    /// The server refuses it.
    #[error("{step}")]
    Refused {
        /// What was to be done.
        step: String,
        /// What the server says.
        source: ApiError,
    },
    /// What is to be applied is no object.
    #[error("{0} is no object")]
    NoObject(String),
    /// It was to be waited for rest, and there was none.
    #[error(transparent)]
    Restless(#[from] super::world::Restless),
}

impl Story {
    /// Plays it: each step once the one before was answered.
    ///
    /// # Errors
    /// Where the server refuses a step for good. What it refuses for now is tried again.
    pub async fn play(&self, world: &World, cast: &Cast) -> Result<(), StoryError> {
        for step in &self.steps {
            world.journal().say("story", step.to_string());
            step.play(world, cast).await?;
        }
        Ok(())
    }
}

impl Step {
    /// Longer than anything waits for that goes on by itself: retries, dead connections, resyncs.
    const SILENCE: Duration = Duration::from_mins(3);
    /// Longer than anything takes.
    const PATIENCE: Duration = Duration::from_mins(20);

    async fn play(&self, world: &World, cast: &Cast) -> Result<(), StoryError> {
        let api = |who: &String| cast.get(who).ok_or_else(|| StoryError::Nobody(who.clone()));
        match self {
            Self::Apply { who, resource, object } => {
                let object = Object::try_from(object.clone());
                let (api, object) = (api(who)?, object.map_err(|_| StoryError::NoObject(self.to_string()))?);
                self.insist(|| async { api.apply(resource, &object, MANAGER).await.map(drop) }).await
            }
            Self::Delete { who, resource, namespace, name } => {
                self.delete(api(who)?, resource, namespace, name).await
            }
            Self::DeleteAll { who, resource } => {
                let api = api(who)?;
                let listed = api.list(resource, "", None).await;
                let (objects, _) = listed.map_err(|source| self.refused(source))?;
                for object in objects {
                    self.delete(api, resource, object.namespace(), object.name()).await?;
                }
                Ok(())
            }
            Self::Wait(span) => {
                tokio::time::sleep(*span).await;
                Ok(())
            }
            Self::Settle => Ok(world.rest(Self::SILENCE, Self::PATIENCE).await?),
        }
    }

    async fn delete(
        &self,
        api: &ClusterApi,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<(), StoryError> {
        let any = Preconditions::default();
        self.insist(|| async { api.delete(resource, namespace, name, &any).await.map(drop) }).await
    }

    async fn insist<F>(&self, call: impl Fn() -> F) -> Result<(), StoryError>
    where
        F: Future<Output = Result<(), ApiError>>,
    {
        loop {
            match call().await {
                Ok(()) => return Ok(()),
                Err(error)
                    if matches!(self, Self::Delete { .. } | Self::DeleteAll { .. }) && is_gone(&error) =>
                {
                    return Ok(());
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ApiErrorKind::Invalid | ApiErrorKind::Denied | ApiErrorKind::Unauthenticated
                    ) =>
                {
                    return Err(self.refused(error));
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    fn refused(&self, source: ApiError) -> StoryError {
        StoryError::Refused { step: self.to_string(), source }
    }
}

fn is_gone(error: &ApiError) -> bool {
    error.kind() == ApiErrorKind::NotFound
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply { who, resource, object } => {
                let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                write!(f, "{who} applies {} {name}: {}", resource.kind, object["spec"])
            }
            Self::Delete { who, resource, name, .. } => write!(f, "{who} deletes {} {name}", resource.kind),
            Self::DeleteAll { who, resource } => write!(f, "{who} deletes every {}", resource.kind),
            Self::Wait(span) => write!(f, "nothing for {span:?}"),
            Self::Settle => write!(f, "until nothing happens"),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}
