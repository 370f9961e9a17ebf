//! A wall clock that stands still with the runtime's, and jumps when it is told to.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use broker_core::port::Clock;
use broker_core::time::Timestamp;
use tokio::time::Instant;

/// When every simulation begins: 2026-01-01T00:00:00Z.
const DAWN: i64 = 1_767_225_600_000;

/// The wall clock of a simulated world. It goes as tokio's clock goes, so that it stands still while that is paused and
/// nobody waits.
#[derive(Debug)]
pub struct SimulatedClock {
    began: Instant,
    skew: AtomicI64,
}

impl SimulatedClock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self { began: Instant::now(), skew: AtomicI64::new(0) }
    }

    /// How long the world has been, whatever the wall clock says.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Sets the wall clock forward, or back where negative. Timers are not touched, as on a real machine.
    pub fn jump(&self, millis: i64) {
        self.skew.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let age = i64::try_from(self.age().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(DAWN.saturating_add(age).saturating_add(self.skew.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_with_the_runtimes_clock_and_jumps_without_it() {
        let clock = SimulatedClock::new();
        assert_eq!(clock.now().to_rfc3339_millis(), "2026-01-01T00:00:00.000Z");
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(clock.now().to_rfc3339_millis(), "2026-01-01T00:00:01.500Z");
        clock.jump(-60_000);
        assert_eq!(clock.now().to_rfc3339_millis(), "2025-12-31T23:59:01.500Z");
        assert_eq!(clock.age(), Duration::from_millis(1_500));
    }
}
