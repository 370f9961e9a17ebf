//! A provider whose manners are data: quick or slow, tidy or not, and always the same for one seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_core::port::Clock as _;
use broker_core::resource::{Object, marker};
use broker_kcp::kcp::feed::{Feed, News};
use broker_kcp::kcp::{ApiError, ApiErrorKind, ClusterApi, Preconditions, Resource, Selector};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::clock::SimulatedClock;
use super::stores::Stores;
use crate::control_plane::hash;
use crate::dice::Dice;
use crate::provider::MANAGED_LABEL;

/// The name under which it owns the fields it writes.
const MANAGER: &str = "simulated-provider";
/// What it holds its objects with, where it does.
const FINALIZER: &str = "provider.example/clean-up";
/// Under this key the Secret of a copy that holds data says which store is its own.
pub(super) const STORE: &str = "store";
/// The pause before a call that failed is tried again.
const AGAIN: Duration = Duration::from_millis(250);

/// How a provider behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manners {
    /// How long an object takes to be ready, at least and at most.
    pub takes: (Duration, Duration),
    /// Whether the status names the Secret before it is there.
    pub promises: bool,
    /// Whether it holds objects with a finalizer, and cleans up before it lets go.
    pub holds: bool,
    /// Once, with the first object, readiness is lost this long after it was gained, and gained again after as long.
    pub falters: Option<Duration>,
    /// Never is ready with anything.
    pub never: bool,
}

impl Manners {
    /// Ready within 10 to 60 ms, Secret first, nothing held.
    pub const PROMPT: Self = Self {
        takes: (Duration::from_millis(10), Duration::from_millis(60)),
        promises: false,
        holds: false,
        falters: None,
        never: false,
    };

    /// Any manners but those that never serve.
    pub fn drawn(dice: &mut Dice) -> Self {
        let slow = dice.once_in(3);
        let millis = |from, to| (Duration::from_millis(from), Duration::from_millis(to));
        Self {
            takes: if slow { millis(500, 20_000) } else { millis(0, 100) },
            promises: dice.once_in(2),
            holds: dice.once_in(2),
            falters: dice.once_in(4).then(|| dice.span(Duration::from_millis(100), Duration::from_secs(8))),
            never: false,
        }
    }
}

/// Serves the objects of one API in one cluster: a Secret `<name>-key` for each, and a status that is Ready, names the
/// Secret, and says in the field `mark` who serves.
#[derive(Clone, Debug)]
pub struct SimulatedProvider {
    /// Whom the status names as the one who serves.
    pub name: String,
    /// The way to its cluster.
    pub api: ClusterApi,
    /// What it serves.
    pub resource: Resource,
    /// The field of the status that names it, such as `issuer`.
    pub mark: String,
    /// What its objects hold, where they hold data: each has a store, named in its Secret, which takes no writes while
    /// the object is to be quiesced; `status.quiesced` answers that.
    pub stores: Option<Stores>,
    /// How it behaves.
    pub manners: Manners,
}

/// What it does about one object at a time.
struct Work {
    provider: SimulatedProvider,
    clock: Arc<SimulatedClock>,
    object: Object,
    /// When readiness is lost, if it is.
    falters: Option<Duration>,
    delay: Duration,
}

impl SimulatedProvider {
    /// Serves until it is dropped.
    pub async fn serve(self, clock: Arc<SimulatedClock>, mut dice: Dice) {
        let (tell, mut told) = mpsc::unbounded_channel();
        let feed = Feed::new(self.api.clone(), self.resource.clone(), Selector::default());
        let following = feed.follow(move |news| {
            // Nobody listens any more when this future is dropped with the rest.
            let _ = tell.send(news);
        });
        let working = async {
            // Per uid: what was last begun with, and the work on it.
            let mut begun: BTreeMap<String, ((i64, bool, bool), AbortHandle)> = BTreeMap::new();
            let mut works = JoinSet::new();
            let mut falters = self.manners.falters;
            while let Some(news) = told.recv().await {
                let objects = match news {
                    News::Listed(objects, _) => objects,
                    News::Applied(object) => vec![object],
                    News::Deleted(object) => {
                        // What it has in hand for it would land on its namesake.
                        if let Some((_, work)) = begun.remove(object.uid()) {
                            work.abort();
                        }
                        self.forget(&object);
                        continue;
                    }
                    News::Reached(_) | News::Following | News::Failed { .. } => continue,
                };
                for object in objects {
                    let stage = (object.generation(), object.is_deleting(), self.is_fenced(&object));
                    let before = begun.get(object.uid());
                    if before.is_some_and(|(begun, _)| *begun == stage) {
                        continue;
                    }
                    // What is out of date is not finished.
                    before.inspect(|(_, work)| work.abort());
                    let (shortest, longest) = self.manners.takes;
                    let work = Work {
                        provider: self.clone(),
                        clock: Arc::clone(&clock),
                        falters: falters.take(),
                        delay: dice.span(shortest, longest),
                        object,
                    };
                    let uid = work.object.uid().to_owned();
                    begun.insert(uid, (stage, works.spawn(work.carry_out())));
                    while works.try_join_next().is_some() {}
                }
            }
        };
        futures::future::join(following, working).await;
    }

    /// Whether an object that holds data is to take no writes.
    fn is_fenced(&self, object: &Object) -> bool {
        self.stores.is_some() && object.annotation(marker::QUIESCE_ANNOTATION) == Some("true")
    }

    /// What an object held goes with it.
    fn forget(&self, object: &Object) {
        if let Some(stores) = &self.stores {
            stores.remove(&store_of(object));
        }
    }

    fn secret_name(object: &Object) -> String {
        format!("{}-key", object.name())
    }

    /// The Secret of an object: who made it, for which spec, and what only this object's has.
    fn secret(&self, object: &Object) -> Object {
        let text = |text: &str| STANDARD.encode(text);
        let spec = object.get(&["spec"]).cloned().unwrap_or_default().to_string();
        let key = hash(&format!("{}/{}/{}", self.name, object.uid(), object.generation()), 16);
        let owner = json!({
            "apiVersion": self.resource.gvr.api_version(), "kind": self.resource.kind,
            "name": object.name(), "uid": object.uid(), "controller": true,
        });
        let secrets = Resource::secrets();
        let mut secret = Object::named(&secrets.gvk(), object.namespace(), &Self::secret_name(object));
        secret.set(&["metadata", "labels"], json!({ MANAGED_LABEL: "true" }));
        secret.set(&["metadata", "ownerReferences"], json!([owner]));
        secret.set(&["type"], "Opaque".into());
        // Nothing of it may be seen anywhere else, so that it is known where it leaks; equal makers and specs can be told.
        let by = hash(&format!("by {}", self.name), 16);
        let spec = hash(&format!("for {spec}"), 16);
        let data = json!({"by": text(&by), "spec": text(&spec), "key": text(&key)});
        secret.set(&["data"], data);
        if self.stores.is_some() {
            secret.set(&["data", STORE], text(&store_of(object)).into());
        }
        secret
    }

    fn status(&self, object: &Object, ready: &str, now: &str) -> Object {
        let mut status = Object::named(&self.resource.gvk(), object.namespace(), object.name());
        status.set(&["metadata", "uid"], object.uid().into());
        let gvk = json!({"group": "", "version": "v1", "kind": "Secret"});
        let generation = object.generation();
        let mut fields = json!({
            "observedGeneration": generation,
            "conditions": [{
                "type": "Ready", "status": ready, "reason": "Simulated", "message": "",
                "observedGeneration": generation, "lastTransitionTime": now,
            }],
            "relatedResources": {
                "key": {"namespace": object.namespace(), "name": Self::secret_name(object), "gvk": gvk},
            },
        });
        if let Some(fields) = fields.as_object_mut() {
            fields.insert(self.mark.clone(), Value::from(self.name.as_str()));
            if self.stores.is_some() {
                fields.insert("quiesced".to_owned(), Value::from(self.is_fenced(object)));
            }
        }
        status.set(&["status"], fields);
        status
    }
}

/// The store of an object: what is secret of it, and this object's alone.
fn store_of(object: &Object) -> String {
    hash(&format!("store of {}", object.uid()), 16)
}

impl Work {
    async fn carry_out(self) {
        if self.object.is_deleting() {
            self.let_go().await;
            return;
        }
        if self.provider.manners.holds {
            self.hold().await;
        }
        tokio::time::sleep(self.delay).await;
        if let Some(stores) = &self.provider.stores {
            stores.provide(&store_of(&self.object), self.provider.is_fenced(&self.object));
        }
        if self.provider.manners.never {
            self.tell("False").await;
            return;
        }
        if self.provider.manners.promises {
            self.tell("True").await;
            tokio::time::sleep(self.delay).await;
            self.hand_over().await;
        } else {
            self.hand_over().await;
            self.tell("True").await;
        }
        if let Some(after) = self.falters {
            tokio::time::sleep(after).await;
            self.tell("False").await;
            tokio::time::sleep(after).await;
            self.tell("True").await;
        }
    }

    async fn hand_over(&self) {
        let Self { provider, object, .. } = self;
        let (secrets, secret) = (Resource::secrets(), provider.secret(object));
        self.insist(|| provider.api.apply(&secrets, &secret, MANAGER)).await;
    }

    async fn tell(&self, ready: &str) {
        let Self { provider, object, .. } = self;
        let now = self.clock.now().to_rfc3339();
        let status = provider.status(object, ready, &now);
        self.insist(|| provider.api.apply_status(&provider.resource, &status, MANAGER)).await;
    }

    async fn hold(&self) {
        self.change_finalizers(|finalizers| finalizers.push(FINALIZER.to_owned())).await;
    }

    async fn let_go(&self) {
        if self.object.finalizers().any(|finalizer| finalizer == FINALIZER) {
            tokio::time::sleep(self.delay).await;
            let Self { provider, object, .. } = self;
            let name = SimulatedProvider::secret_name(object);
            let (secrets, any) = (Resource::secrets(), Preconditions::default());
            self.insist(|| provider.api.delete(&secrets, object.namespace(), &name, &any)).await;
            provider.forget(object);
            self.change_finalizers(|finalizers| finalizers.retain(|finalizer| finalizer != FINALIZER)).await;
        }
    }

    /// Changes the finalizers of the object, whoever else writes meanwhile, as long as it is the same object.
    async fn change_finalizers(&self, change: impl Fn(&mut Vec<String>)) {
        let Self { provider, object, .. } = self;
        let (namespace, name) = (object.namespace(), object.name());
        loop {
            let Some(live) = self.insist(|| provider.api.get(&provider.resource, namespace, name)).await
            else {
                return;
            };
            let before: Vec<String> = live.finalizers().map(str::to_owned).collect();
            let mut after = before.clone();
            change(&mut after);
            after.dedup();
            if live.uid() != object.uid() || before == after {
                return;
            }
            let patch = json!({"metadata": {
                "uid": live.uid(), "resourceVersion": live.resource_version(), "finalizers": after,
            }});
            match provider.api.merge(&provider.resource, namespace, name, &patch, MANAGER).await {
                Ok(_) => return,
                Err(error) if is_hopeless(&error) => return,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Calls until it is answered with success, or there is nothing more to say: the object is gone, or another one.
    async fn insist<T, F>(&self, call: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        loop {
            match call().await {
                Ok(answer) => return Some(answer),
                Err(error) if is_hopeless(&error) || error.kind() == ApiErrorKind::Conflict => return None,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

fn is_hopeless(error: &ApiError) -> bool {
    matches!(error.kind(), ApiErrorKind::NotFound | ApiErrorKind::Denied | ApiErrorKind::Invalid)
}
