//! A backlog shared between those who ask for work and the workers.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Backlog, Laned, Outcome};

/// What an operator wants to know of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Keys that wait to be worked on.
    pub waiting: usize,
    /// Keys that are worked on.
    pub running: usize,
    /// Keys that failed and are tried again, whether they sleep, wait or are worked on.
    pub failing: usize,
    /// How long the key that waits longest has been waiting.
    pub oldest: Duration,
}

/// A key that failed and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry<K> {
    /// The key.
    pub key: K,
    /// How often in a row it failed.
    pub failures: u32,
    /// In what time it is tried again; at once where it waits or is worked on already.
    pub due_in: Duration,
}

impl<K> Retry<K> {
    /// The same, of a key by another name.
    #[must_use]
    pub fn named<N>(self, name: impl FnOnce(K) -> N) -> Retry<N> {
        Retry { key: name(self.key), failures: self.failures, due_in: self.due_in }
    }
}

/// A shared [`Backlog`]. Clones share the same one.
pub struct Queue<K: Laned> {
    shared: Arc<Shared<K>>,
}

struct Shared<K: Laned> {
    backlog: Mutex<Backlog<K>>,
    changed: Notify,
}

impl<K: Laned> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<K: Laned + Clone + Ord> Default for Queue<K> {
    fn default() -> Self {
        let shared = Shared { backlog: Mutex::new(Backlog::default()), changed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }
}

impl<K: Laned + Clone + Ord> Queue<K> {
    /// Asks for work on the key, now.
    pub fn add(&self, key: K) {
        self.backlog().add(key, Instant::now().into_std());
        self.shared.changed.notify_one();
    }

    /// Asks for work on the key after a time.
    pub fn add_after(&self, key: K, delay: Duration) {
        self.backlog().add_at(key, (Instant::now() + delay).into_std());
        self.shared.changed.notify_one();
    }

    /// How full the queue is.
    pub fn state(&self) -> QueueState {
        let backlog = self.backlog();
        let now = Instant::now().into_std();
        QueueState {
            waiting: backlog.waiting(),
            running: backlog.running(),
            failing: backlog.failing(),
            oldest: backlog.oldest().map(|since| now.saturating_duration_since(since)).unwrap_or_default(),
        }
    }

    /// What failed and is tried again, the most stubborn first; at most this many.
    pub fn retries(&self, limit: usize) -> Vec<Retry<K>> {
        let now = Instant::now().into_std();
        let mut retries: Vec<Retry<K>> = {
            let backlog = self.backlog();
            let retries = backlog.retries().map(|(key, failures, due)| Retry {
                key: key.clone(),
                failures,
                due_in: due.map(|due| due.saturating_duration_since(now)).unwrap_or_default(),
            });
            retries.collect()
        };
        retries.sort_by(|one, other| other.failures.cmp(&one.failures).then_with(|| one.key.cmp(&other.key)));
        retries.truncate(limit);
        retries
    }

    /// Waits for the next key that is due. One caller at a time: [`run`].
    async fn next(&self) -> K {
        loop {
            let wake = {
                let mut backlog = self.backlog();
                if let Some(key) = backlog.next(Instant::now().into_std()) {
                    return key;
                }
                backlog.next_wake()
            };
            let changed = self.shared.changed.notified();
            match wake {
                Some(at) => {
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = tokio::time::sleep_until(Instant::from_std(at)) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    fn finish(&self, key: K, outcome: Outcome) {
        self.backlog().finish(key, outcome, Instant::now().into_std());
        self.shared.changed.notify_one();
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog<K>> {
        self.shared.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Laned + Clone + Ord> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}

/// Works on keys, at most `workers` at a time, until `stop` resolves; then takes no new key and waits for those that
/// are worked on. A key whose work panicked counts as failed.
pub async fn run<K, W, F>(queue: Queue<K>, workers: usize, stop: impl Future<Output = ()>, work: W)
where
    K: Laned + Clone + Ord + Send + 'static,
    W: Fn(K) -> F,
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut running: JoinSet<()> = JoinSet::new();
    tokio::pin!(stop);
    loop {
        while running.len() >= workers.max(1) {
            tokio::select! {
                biased;
                () = &mut stop => return drain(running).await,
                _ = running.join_next() => {}
            }
        }
        let key = tokio::select! {
            biased;
            () = &mut stop => return drain(running).await,
            Some(_) = running.join_next() => continue,
            key = queue.next() => key,
        };
        let slot = Slot { queue: queue.clone(), key: Some(key.clone()) };
        let future = work(key);
        let working = async move {
            let outcome = future.await;
            slot.finish(outcome);
        };
        running.spawn(working.in_current_span());
    }
}

async fn drain(mut running: JoinSet<()>) {
    while running.join_next().await.is_some() {}
}

/// Gives the key back whatever happens to the task that works on it.
struct Slot<K: Laned + Clone + Ord> {
    queue: Queue<K>,
    key: Option<K>,
}

impl<K: Laned + Clone + Ord> Slot<K> {
    fn finish(mut self, outcome: Outcome) {
        if let Some(key) = self.key.take() {
            self.queue.finish(key, outcome);
        }
    }
}

impl<K: Laned + Clone + Ord> Drop for Slot<K> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.queue.finish(key, Outcome::Retry);
        }
    }
}
