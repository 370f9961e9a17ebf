//! How long consumers wait: for the first copy of an order, and for the word of its provider.
//!
//! What is waited for is remembered by the address of the order, from when a watch shows it until the write that ends
//! it. What is forgotten by a restart is not measured; nothing is decided by it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker_core::resource::ClusterName;
use tokio::time::Instant;

use super::registry::KcpProviderRegistry;
use super::routes::OrderKey;
use crate::metrics::Metrics;

/// Who waits, and since when.
pub(super) struct Latencies {
    metrics: Metrics,
    registry: KcpProviderRegistry,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Orders without a copy.
    placements: BTreeMap<OrderKey, Instant>,
    /// Orders whose copies changed.
    words: BTreeMap<OrderKey, Words>,
}

/// What an order's copies said and the order does not yet.
#[derive(Debug, Default)]
struct Words {
    /// First seen since the last look began.
    next: Option<Word>,
    /// Taken up by the look that goes on.
    taken: Option<Word>,
}

#[derive(Clone, Debug)]
struct Word {
    provider: ClusterName,
    since: Instant,
}

impl Latencies {
    pub(super) fn new(metrics: Metrics, registry: KcpProviderRegistry) -> Self {
        Self { metrics, registry, waiting: Mutex::default() }
    }

    /// An order came that no assignment names.
    pub(super) fn ordered(&self, order: OrderKey) {
        self.lock().placements.entry(order).or_insert_with(Instant::now);
    }

    /// The first copy of an order may have been written, for this provider.
    pub(super) fn placed(&self, order: &OrderKey, provider: &ClusterName) {
        let since = self.lock().placements.remove(order);
        if let Some(since) = since {
            self.metrics.routed(self.registry.name_of(provider), since.elapsed());
        }
    }

    /// A copy of an order changed.
    pub(super) fn said(&self, order: OrderKey, provider: &ClusterName) {
        let word = || Word { provider: provider.clone(), since: Instant::now() };
        self.lock().words.entry(order).or_default().next.get_or_insert_with(word);
    }

    /// A look at the order begins.
    pub(super) fn look(&self, order: &OrderKey) {
        if let Some(words) = self.lock().words.get_mut(order) {
            let next = words.next.take();
            // What a look that failed took up still waits.
            words.taken = words.taken.take().or(next);
        }
    }

    /// The order's status was written.
    pub(super) fn told(&self, order: &OrderKey) {
        let taken = self.lock().words.get_mut(order).and_then(|words| words.taken.take());
        if let Some(word) = taken {
            self.metrics.told(self.registry.name_of(&word.provider), word.since.elapsed());
        }
    }

    /// The look ended well: what it did not tell was no news to the consumer.
    pub(super) fn looked(&self, order: &OrderKey) {
        let mut waiting = self.lock();
        if let Some(words) = waiting.words.get_mut(order) {
            words.taken = None;
            if words.next.is_none() {
                waiting.words.remove(order);
            }
        }
    }

    /// The order is served: by another broker, or since before this one looked, if it still waits for its first copy.
    pub(super) fn served(&self, order: &OrderKey) {
        self.lock().placements.remove(order);
    }

    /// The order is gone.
    pub(super) fn forget(&self, order: &OrderKey) {
        let mut waiting = self.lock();
        waiting.placements.remove(order);
        waiting.words.remove(order);
    }

    /// Nobody waits for this broker to tell of the order: another one leads.
    pub(super) fn forget_word(&self, order: &OrderKey) {
        self.lock().words.remove(order);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // What a panic may have left is at worst one measurement too few.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.lock();
        f.debug_struct("Latencies")
            .field("placements", &waiting.placements.len())
            .field("words", &waiting.words.len())
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::time::Duration;

    use broker_core::resource::ObjectKey;
    use kube::Config;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::fleet::{Clusters, Fleet};
    use crate::reconcile::INDEXES;
    use crate::surroundings::Surroundings;

    struct Measured {
        latencies: Latencies,
        registry: Registry,
    }

    impl Measured {
        fn new() -> Self {
            let config = Config::new("http://127.0.0.1:1".parse().unwrap());
            let fleet =
                Fleet::new(config, Clusters::default(), None, Surroundings::default(), INDEXES).unwrap();
            let metrics = fleet.metrics().clone();
            let mut registry = Registry::default();
            metrics.register(&mut registry);
            Self { latencies: Latencies::new(metrics, KcpProviderRegistry::new(fleet, true)), registry }
        }

        /// Number and sum of what was measured under this name, of the provider `p`.
        fn seen(&self, name: &str) -> (u64, f64) {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
            let value = |what: &str| {
                let start = format!("{name}_duration_seconds_{what}{{provider=\"p\"}} ");
                text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
            };
            let (count, sum) = (value("count").unwrap_or_default(), value("sum").unwrap_or_default());
            (count.parse().unwrap_or(0), sum.parse().unwrap_or(0.0))
        }
    }

    fn order(name: &str) -> OrderKey {
        OrderKey { api: "things.example.com".to_owned(), key: ObjectKey::new("acme", "default", name) }
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_is_placed_once_and_counts_from_its_first_sight() {
        let it = Measured::new();
        it.latencies.ordered(order("a"));
        tokio::time::sleep(Duration::from_secs(2)).await;
        it.latencies.ordered(order("a"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        it.latencies.placed(&order("a"), &"p".into());
        // A replacement is no placement.
        it.latencies.placed(&order("a"), &"p".into());
        assert_eq!(it.seen("routing"), (1, 3.0));
        // Served since before this broker looked, or gone: nobody waits.
        it.latencies.ordered(order("b"));
        it.latencies.served(&order("b"));
        it.latencies.placed(&order("b"), &"p".into());
        it.latencies.ordered(order("c"));
        it.latencies.forget(&order("c"));
        it.latencies.placed(&order("c"), &"p".into());
        assert_eq!(it.seen("routing"), (1, 3.0));
        assert!(it.latencies.lock().placements.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_counts_from_its_first_sight_until_the_look_that_took_it_up_told_it() {
        let it = Measured::new();
        let (a, provider) = (order("a"), "p".into());
        it.latencies.said(a.clone(), &provider);
        tokio::time::sleep(Duration::from_secs(1)).await;
        it.latencies.look(&a);
        // The look failed; meanwhile the provider said more.
        it.latencies.said(a.clone(), &provider);
        tokio::time::sleep(Duration::from_secs(1)).await;
        it.latencies.look(&a);
        it.latencies.told(&a);
        it.latencies.looked(&a);
        assert_eq!(it.seen("status"), (1, 2.0));
        // A word that was no news to the consumer is not measured by the next write.
        it.latencies.said(a.clone(), &provider);
        it.latencies.look(&a);
        it.latencies.looked(&a);
        tokio::time::sleep(Duration::from_secs(9)).await;
        it.latencies.look(&a);
        it.latencies.told(&a);
        assert_eq!(it.seen("status"), (1, 2.0));
        // One that comes during a look is taken up by the next.
        it.latencies.look(&a);
        it.latencies.said(a.clone(), &provider);
        it.latencies.told(&a);
        it.latencies.looked(&a);
        assert_eq!(it.seen("status"), (1, 2.0));
        it.latencies.look(&a);
        it.latencies.told(&a);
        it.latencies.looked(&a);
        assert_eq!(it.seen("status"), (2, 2.0));
        assert!(it.latencies.lock().words.is_empty());
    }
}
