//! What people do in a world, as data: it can be printed, replayed, and made smaller.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use broker_core::resource::Object;
use broker_kcp::kcp::{ApiError, ApiErrorKind, ClusterApi, Preconditions, Resource, Selector};
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
    /// Somebody changes every object of a kind by a JSON merge patch.
    MergeAll {
        /// Who, and so in which cluster.
        who: String,
        /// What kind of object.
        resource: Resource,
        /// The patch.
        patch: Value,
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
    /// What somebody applies to an object that is being deleted is lost with it, and whether it is being deleted still
    /// depends on how fast others are. So people look again when nothing happens any more, and apply what they lost.
    ///
    /// # Errors
    /// Where the server refuses a step for good. What it refuses for now is tried again.
    pub async fn play(&self, world: &World, cast: &Cast) -> Result<(), StoryError> {
        let mut lost = Lost::default();
        for step in &self.steps {
            lost.play(step, world, cast).await?;
            while matches!(step, Step::Settle) && !lost.0.is_empty() {
                for again in std::mem::take(&mut lost.0).into_values() {
                    lost.play(&again, world, cast).await?;
                }
                lost.play(step, world, cast).await?;
            }
        }
        Ok(())
    }
}

/// What was applied to objects that were being deleted, by what it was applied to.
#[derive(Default)]
struct Lost(BTreeMap<Target, Step>);

/// Whose object it is, of which resource, its namespace and its name.
type Target = (String, String, String, String);

impl Lost {
    async fn play(&mut self, step: &Step, world: &World, cast: &Cast) -> Result<(), StoryError> {
        world.journal().say("story", step.to_string());
        let is_lost = step.play(world, cast).await?;
        if let Some(target) = step.target() {
            if is_lost {
                self.0.insert(target, step.clone());
            } else {
                self.0.remove(&target);
            }
        }
        Ok(())
    }
}

impl Step {
    /// Longer than anything waits for that goes on by itself: retries, dead connections, resyncs.
    const SILENCE: Duration = Duration::from_mins(3);
    /// Longer than anything takes.
    const PATIENCE: Duration = Duration::from_mins(20);

    /// The one object that it is about.
    fn target(&self) -> Option<Target> {
        let text = |object: &Value, path| {
            object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (who, resource, namespace, name) = match self {
            Self::Apply { who, resource, object } => {
                (who, resource, text(object, "/metadata/namespace"), text(object, "/metadata/name"))
            }
            Self::Delete { who, resource, namespace, name } => {
                (who, resource, namespace.clone(), name.clone())
            }
            Self::DeleteAll { .. } | Self::MergeAll { .. } | Self::Wait(_) | Self::Settle => return None,
        };
        Some((who.clone(), resource.gvr.to_string(), namespace, name))
    }

    /// Whether it was done to an object that is being deleted, and is lost with it.
    async fn play(&self, world: &World, cast: &Cast) -> Result<bool, StoryError> {
        let api = |who: &String| cast.get(who).ok_or_else(|| StoryError::Nobody(who.clone()));
        match self {
            Self::Apply { who, resource, object } => {
                let object = Object::try_from(object.clone());
                let (api, object) = (api(who)?, object.map_err(|_| StoryError::NoObject(self.to_string()))?);
                let applied = self.insist(|| async { api.apply(resource, &object, MANAGER).await }).await?;
                return Ok(applied.is_some_and(|applied| applied.is_deleting()));
            }
            Self::Delete { who, resource, namespace, name } => {
                self.delete(api(who)?, resource, namespace, name).await?;
            }
            Self::DeleteAll { who, resource } => {
                let api = api(who)?;
                let listed = api.list(resource, "", &Selector::default()).await;
                let (objects, _) = listed.map_err(|source| self.refused(source))?;
                for object in objects {
                    self.delete(api, resource, object.namespace(), object.name()).await?;
                }
            }
            Self::MergeAll { who, resource, patch } => {
                let api = api(who)?;
                let listed = api.list(resource, "", &Selector::default()).await;
                let (objects, _) = listed.map_err(|source| self.refused(source))?;
                for object in objects {
                    let (namespace, name) = (object.namespace(), object.name());
                    self.insist(|| async { api.merge(resource, namespace, name, patch, MANAGER).await })
                        .await?;
                }
            }
            Self::Wait(span) => tokio::time::sleep(*span).await,
            Self::Settle => world.rest(Self::SILENCE, Self::PATIENCE).await?,
        }
        Ok(false)
    }

    async fn delete(
        &self,
        api: &ClusterApi,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<(), StoryError> {
        let any = Preconditions::default();
        self.insist(|| async { api.delete(resource, namespace, name, &any).await }).await.map(drop)
    }

    /// `None` where there is nothing to delete.
    async fn insist<F, T>(&self, call: impl Fn() -> F) -> Result<Option<T>, StoryError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        loop {
            match call().await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error)
                    if matches!(
                        self,
                        Self::Delete { .. } | Self::DeleteAll { .. } | Self::MergeAll { .. }
                    ) && is_gone(&error) =>
                {
                    return Ok(None);
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
            Self::MergeAll { who, resource, patch } => {
                write!(f, "{who} changes every {}: {}", resource.kind, patch["spec"])
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use broker_core::resource::Gvr;
    use broker_kcp::kcp::Connector;
    use serde_json::json;

    use super::*;
    use crate::control_plane::ControlPlane;
    use crate::simulation::{SimulatedClock, Weather, play};

    fn maps() -> Resource {
        Resource::namespaced(Gvr::new("", "v1", "configmaps"), "ConfigMap")
    }

    fn apply(said: &str, finalizers: &[&str]) -> Step {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "one", "namespace": "default", "finalizers": finalizers},
            "data": {"said": said},
        });
        Step::Apply { who: "acme".to_owned(), resource: maps(), object }
    }

    fn delete() -> Step {
        Step::Delete {
            who: "acme".to_owned(),
            resource: maps(),
            namespace: "default".to_owned(),
            name: "one".to_owned(),
        }
    }

    /// What is said in the end.
    fn said(steps: Vec<Step>) -> Vec<String> {
        let found =
            |clock: Arc<SimulatedClock>| ControlPlane::builder().clock(clock).seed(1).start_in_process();
        play(1, found, |world| async move {
            let wire = world.wire("acme", Weather::STILL);
            let config = world.plane().workspace_config("root");
            let api = Connector::new(config, Arc::new(wire)).home().unwrap().itself();
            let cast = Cast::from([("acme".to_owned(), api.clone())]);
            Story { steps }.play(&world, &cast).await.unwrap();
            let (all, _) = api.list(&maps(), "default", &Selector::default()).await.unwrap();
            let ours = all.iter().filter(|map| map.name() == "one");
            ours.map(|map| map.get(&["data", "said"]).unwrap().as_str().unwrap().to_owned()).collect()
        })
        .unwrap()
    }

    #[test]
    fn what_is_applied_to_an_object_that_is_being_deleted_is_applied_again() {
        // The second one takes the finalizer off, and with that the object goes.
        let steps = vec![apply("before", &["example.com/f"]), delete(), apply("after", &[])];
        assert_eq!(said(steps.clone()), Vec::<String>::new());
        let settled = [steps.clone(), vec![Step::Settle]].concat();
        assert_eq!(said(settled), ["after"]);
        let deleted_again = [steps, vec![delete(), Step::Settle]].concat();
        assert_eq!(said(deleted_again), Vec::<String>::new());
    }
}
