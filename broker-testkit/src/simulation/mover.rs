//! A mover of data between simulated copies: it works on the helper objects of playbooks.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_core::resource::{Gvr, Object, marker};
use broker_kcp::kcp::feed::{Feed, News};
use broker_kcp::kcp::{ApiErrorKind, ClusterApi, Resource, Selector};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::provider::STORE;
use super::stores::Stores;
use crate::dice::Dice;

/// The name under which it owns the fields it writes.
const MANAGER: &str = "simulated-mover";
/// The pause before it looks again for what is not there yet, or calls again.
const AGAIN: Duration = Duration::from_millis(250);

/// Works on `ConfigMap`s of moves, in the cluster for helper objects.
///
/// In `data` each has a `step`, and in `from` and `to` the names of two Secrets beside it, with the credentials of two
/// copies. `carry` adds to the store of `to` what that of `from` holds by then; `compare` looks whether it holds all of it.
/// The answer is `data.done`: `yes`, or `no` where the comparison found that rows are missing.
#[derive(Clone, Debug)]
pub struct SimulatedMover {
    /// The way to the cluster.
    pub api: ClusterApi,
    /// What is carried.
    pub stores: Stores,
    /// How long a step takes, at least and at most.
    pub takes: (Duration, Duration),
}

impl SimulatedMover {
    /// Works until it is dropped.
    pub async fn serve(self, mut dice: Dice) {
        let (tell, mut told) = mpsc::unbounded_channel();
        let maps = Resource::namespaced(Gvr::new("", "v1", "configmaps"), "ConfigMap");
        let feed = Feed::new(self.api.clone(), maps.clone(), Selector::labels(marker::MIGRATION_LABEL));
        let following = feed.follow(move |news| {
            // Nobody listens any more when this future is dropped with the rest.
            let _ = tell.send(news);
        });
        let working = async {
            let mut begun: BTreeMap<String, AbortHandle> = BTreeMap::new();
            let mut works = JoinSet::new();
            while let Some(news) = told.recv().await {
                let helpers = match news {
                    News::Listed(helpers, _) => helpers,
                    News::Applied(helper) => vec![helper],
                    News::Deleted(helper) => {
                        if let Some(work) = begun.remove(helper.uid()) {
                            work.abort();
                        }
                        continue;
                    }
                    News::Reached(_) | News::Following | News::Failed { .. } => continue,
                };
                for helper in helpers {
                    if helper.get(&["data", "done"]).is_some() || begun.contains_key(helper.uid()) {
                        continue;
                    }
                    let (shortest, longest) = self.takes;
                    let (mover, maps, takes) = (self.clone(), maps.clone(), dice.span(shortest, longest));
                    let uid = helper.uid().to_owned();
                    let work = async move {
                        tokio::time::sleep(takes).await;
                        mover.work_on(&maps, &helper).await;
                    };
                    begun.insert(uid, works.spawn(work));
                    while works.try_join_next().is_some() {}
                }
            }
        };
        futures::future::join(following, working).await;
    }

    async fn work_on(&self, maps: &Resource, helper: &Object) {
        let text = |key| helper.get(&["data", key]).and_then(|value| value.as_str()).unwrap_or_default();
        let done = loop {
            if let (Some(from), Some(to)) =
                (self.store(helper, text("from")).await, self.store(helper, text("to")).await)
            {
                let answer = match text("step") {
                    "compare" => self.stores.covers(&to, &from),
                    _ => self.stores.carry_over(&from, &to).then_some(true),
                };
                if let Some(answer) = answer {
                    break if answer { "yes" } else { "no" };
                }
            }
            tokio::time::sleep(AGAIN).await;
        };
        let mut said = Object::named(&maps.gvk(), helper.namespace(), helper.name());
        said.set(&["metadata", "uid"], helper.uid().into());
        said.set(&["data"], json!({ "done": done }));
        while let Err(error) = self.api.apply(maps, &said, MANAGER).await {
            // Its namespace goes, or it is gone already.
            if matches!(error.kind(), ApiErrorKind::NotFound | ApiErrorKind::Denied | ApiErrorKind::Conflict)
            {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The store that a Secret beside the helper has the credentials of.
    async fn store(&self, helper: &Object, secret: &str) -> Option<String> {
        let secret = self.api.get(&Resource::secrets(), helper.namespace(), secret).await.ok()?;
        store_named_by(&secret)
    }
}

/// The store that a Secret has the credentials of.
pub(super) fn store_named_by(secret: &Object) -> Option<String> {
    let encoded = secret.get(&["data", STORE])?.as_str()?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}
