//! Whether a server answers, as the feeds that follow it tell: no request is made to find out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_core::resource::ClusterName;
use tokio::time::Instant;

use super::topic::{Observer, Turn};
use crate::store::{Cache, Source};

/// A feed that fails for less than this had a hiccup: servers restart, connections break.
pub(super) const HICCUP: Duration = Duration::from_secs(2);

/// How one server is doing. Clones share the same.
#[derive(Clone)]
pub(super) struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    source: Source,
    caches: Vec<Cache>,
    observer: Arc<dyn Observer>,
    pulse: Mutex<Pulse>,
}

/// The part of one feed in the health of its server.
#[derive(Clone, Debug)]
pub(super) struct Beat {
    health: Health,
    feed: usize,
}

/// What is known of a server: plain data, told the time.
#[derive(Debug, Default)]
struct Pulse {
    /// The feeds that fail, and since when each does without a break.
    failing: BTreeMap<usize, Instant>,
    silent_since: Option<Instant>,
    back_since: Option<Instant>,
}

impl Health {
    /// The health of the server that pours into these caches as this source.
    pub(super) fn new(source: Source, caches: Vec<Cache>, observer: Arc<dyn Observer>) -> Self {
        Self { shared: Arc::new(Shared { source, caches, observer, pulse: Mutex::default() }) }
    }

    /// The part of one feed, by a number of its own.
    pub(super) fn beat(&self, feed: usize) -> Beat {
        Beat { health: self.clone(), feed }
    }

    /// Since when the server does not answer; `None` while it does.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        self.pulse().silent_since
    }

    /// From when on the silence of others counts that began at `since`: while this server does not answer, who knows
    /// whose fault it is.
    pub(super) fn vouched(&self, since: Instant) -> Instant {
        self.pulse().vouched(since, Instant::now())
    }

    fn turned(&self, turn: Turn) {
        let source = &self.shared.source;
        let clusters: BTreeSet<ClusterName> =
            self.shared.caches.iter().flat_map(|cache| cache.read().clusters_of(source)).collect();
        match turn {
            Turn::Silent => {
                tracing::warn!(%source, clusters = clusters.len(), "server unreachable; what it serves is waited for");
            }
            Turn::Answers => tracing::info!(%source, clusters = clusters.len(), "server reachable again"),
        }
        self.shared.observer.turned(turn, &clusters);
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.shared.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    /// An attempt that began then was not answered.
    pub(super) fn failed(&self, began: Instant) {
        let turn = self.health.pulse().failed(self.feed, began, Instant::now());
        if let Some(turn) = turn {
            self.health.turned(turn);
        }
    }

    /// The server answered, whatever it said.
    pub(super) fn answered(&self) {
        let turn = self.health.pulse().answered(self.feed, Instant::now());
        if let Some(turn) = turn {
            self.health.turned(turn);
        }
    }
}

impl Pulse {
    /// One feed that fails is enough: what is not seen of a server cannot be served.
    fn failed(&mut self, feed: usize, began: Instant, now: Instant) -> Option<Turn> {
        let first = *self.failing.entry(feed).or_insert(began);
        if self.silent_since.is_some() || now.duration_since(first) < HICCUP {
            return None;
        }
        self.silent_since = Some(first);
        Some(Turn::Silent)
    }

    fn vouched(&self, since: Instant, now: Instant) -> Instant {
        let from = if self.failing.is_empty() { self.back_since } else { Some(now) };
        from.map_or(since, |from| from.max(since))
    }

    fn answered(&mut self, feed: usize, now: Instant) -> Option<Turn> {
        self.failing.remove(&feed);
        if !self.failing.is_empty() || self.silent_since.take().is_none() {
            return None;
        }
        self.back_since = Some(now);
        Some(Turn::Answers)
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("source", &self.shared.source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_hiccup_is_no_silence_and_every_feed_must_be_back() {
        let start = Instant::now();
        let at = |seconds: u32| start + SECOND * seconds;
        let mut pulse = Pulse::default();
        assert_eq!(pulse.failed(0, at(0), at(0)), None);
        assert_eq!(pulse.failed(0, at(1), at(1)), None);
        assert_eq!(pulse.answered(0, at(1)), None, "nobody was told");
        // Again and again, but never for long.
        for second in 2..20 {
            assert_eq!(pulse.failed(0, at(second), at(second)), None);
            assert_eq!(pulse.answered(0, at(second)), None);
        }
        assert_eq!(pulse.failed(0, at(30), at(30)), None);
        assert_eq!(pulse.failed(1, at(31), at(31)), None);
        assert_eq!(pulse.failed(0, at(32), at(32)), Some(Turn::Silent));
        assert_eq!(pulse.silent_since, Some(at(30)), "since the first failure");
        assert_eq!(pulse.failed(1, at(34), at(34)), None, "told once");
        assert_eq!(pulse.answered(0, at(35)), None, "the other is not back yet");
        assert_eq!(pulse.answered(1, at(36)), Some(Turn::Answers));
        assert_eq!((pulse.silent_since, pulse.back_since), (None, Some(at(36))));
        assert_eq!(pulse.answered(1, at(37)), None);
    }

    #[test]
    fn an_outage_of_the_platform_is_no_evidence_against_others() {
        let start = Instant::now();
        let at = |seconds: u32| start + SECOND * seconds;
        let mut platform = Pulse::default();
        assert_eq!(platform.vouched(at(0), at(5)), at(0));
        platform.failed(0, at(10), at(10));
        assert_eq!(platform.vouched(at(0), at(11)), at(11), "from its first failure on");
        platform.failed(0, at(10), at(13));
        assert_eq!(platform.vouched(at(0), at(100)), at(100));
        platform.answered(0, at(200));
        assert_eq!(platform.vouched(at(0), at(201)), at(200), "counted from its end");
        assert_eq!(platform.vouched(at(250), at(300)), at(250));
    }

    #[test]
    fn an_attempt_that_nobody_answers_counts_from_its_beginning() {
        let start = Instant::now();
        let mut pulse = Pulse::default();
        assert_eq!(pulse.failed(0, start, start + SECOND * 30), Some(Turn::Silent));
        assert_eq!(pulse.silent_since, Some(start));
    }
}
