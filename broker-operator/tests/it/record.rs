//! What happens while a scenario looks elsewhere.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::api::DynamicObject;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::actors::DEADLINE;
use crate::look;

/// Every version of one object that its watch shows.
pub(crate) struct Versions {
    stop: CancellationToken,
    seen: watch::Receiver<Vec<DynamicObject>>,
    task: JoinHandle<()>,
}

impl Versions {
    /// Records from now on; the watch is open when this returns.
    pub(crate) async fn of(api: Api<DynamicObject>, name: &str) -> Self {
        let only = Config::default().fields(&format!("metadata.name={name}"));
        let stop = CancellationToken::new();
        let (open, opened) = oneshot::channel();
        let (seeing, seen) = watch::channel(Vec::new());
        let task = tokio::spawn(versions(api, only, open, seeing, stop.clone()));
        opened.await.unwrap();
        Self { stop, seen, task }
    }

    pub(crate) async fn finish(self) -> Vec<DynamicObject> {
        self.stop.cancel();
        self.task.await.unwrap();
        self.seen.borrow().clone()
    }

    /// The same, once a version was seen for which this holds.
    pub(crate) async fn finish_after(mut self, last: impl Fn(&DynamicObject) -> bool) -> Vec<DynamicObject> {
        let seen = self.seen.wait_for(|seen| seen.iter().any(&last));
        tokio::time::timeout(DEADLINE, seen).await.expect("the version never comes").unwrap();
        self.finish().await
    }
}

async fn versions(
    api: Api<DynamicObject>,
    only: Config,
    open: oneshot::Sender<()>,
    seen: watch::Sender<Vec<DynamicObject>>,
    stop: CancellationToken,
) {
    let mut open = Some(open);
    let mut events = std::pin::pin!(watcher(api, only));
    while let Some(event) = stop.run_until_cancelled(events.try_next()).await {
        match event.unwrap().unwrap() {
            Event::Apply(object) | Event::InitApply(object) => seen.send_modify(|seen| seen.push(object)),
            Event::Delete(object) => panic!("{} was deleted", object.name_any()),
            Event::InitDone => {
                open.take().map(|open| open.send(()));
            }
            Event::Init => {}
        }
    }
}

/// When replacements got ready and when old copies went.
pub(crate) struct Endings {
    stop: CancellationToken,
    task: JoinHandle<(Option<Instant>, Option<Instant>)>,
}

impl Endings {
    /// Records from now on; both watches are open when this returns.
    pub(crate) async fn of(old: Api<DynamicObject>, new: Api<DynamicObject>) -> Self {
        let stop = CancellationToken::new();
        let (open, opened) = oneshot::channel();
        let task = tokio::spawn(endings(old, new, open, stop.clone()));
        opened.await.unwrap();
        Self { stop, task }
    }

    /// The first end of an old copy came no earlier than the grace period after the first readiness of a new one.
    pub(crate) async fn assert_replacement_first(self, grace: Duration) {
        self.stop.cancel();
        let (ready, gone) = self.task.await.unwrap();
        let waited =
            gone.expect("no old copy went").checked_duration_since(ready.expect("no replacement got ready"));
        assert!(
            waited.is_some_and(|waited| waited >= grace),
            "the old copy went {waited:?} after the new one was ready"
        );
    }
}

async fn endings(
    old: Api<DynamicObject>,
    new: Api<DynamicObject>,
    open: oneshot::Sender<()>,
    stop: CancellationToken,
) -> (Option<Instant>, Option<Instant>) {
    let mut open = Some(open);
    let mut initial = 2;
    let (mut ready, mut gone) = (None, None);
    let of_old = watcher(old, Config::default()).map_ok(|event| (true, event));
    let of_new = watcher(new, Config::default()).map_ok(|event| (false, event));
    let mut events = std::pin::pin!(futures::stream::select(of_old, of_new));
    while let Some(Some(event)) = stop.run_until_cancelled(events.next()).await {
        match event.unwrap() {
            (_, Event::InitDone) => {
                initial -= 1;
                if initial == 0 {
                    open.take().map(|open| open.send(()));
                }
            }
            (true, Event::Delete(_)) => gone = gone.or_else(|| Some(Instant::now())),
            (true, Event::Apply(copy)) if copy.metadata.deletion_timestamp.is_some() => {
                gone = gone.or_else(|| Some(Instant::now()));
            }
            (false, Event::Apply(copy) | Event::InitApply(copy)) if look::looks_ready(&copy) => {
                ready = ready.or_else(|| Some(Instant::now()));
            }
            (_, Event::Apply(_) | Event::InitApply(_) | Event::Delete(_) | Event::Init) => {}
        }
    }
    (ready, gone)
}
