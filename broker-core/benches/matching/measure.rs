//! Clock and memory.

use std::alloc::System;
use std::sync::LazyLock;
use std::time::Instant;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Rounds of which the median is told.
const ROUNDS: usize = 7;
/// A round lasts at least this long, in nanoseconds.
const ROUND: u64 = 50_000_000;

/// Whether the command line only wants to know that everything runs, as `cargo test --benches` does.
pub(crate) fn is_quick() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// Nanoseconds per question: the median of some rounds over all of them, after one to warm up.
pub(crate) fn time<Q>(questions: &[Q], mut ask: impl FnMut(&Q)) -> f64 {
    let mut times = |count: u64| {
        let start = now();
        (0..count).for_each(|_| questions.iter().for_each(&mut ask));
        now() - start
    };
    // Looking at the clock costs as much as a hundred questions: done twice a round, it does not show.
    let mut count = 1;
    while times(count) < ROUND && !is_quick() {
        count *= 2;
    }
    let mut rounds: Vec<f64> =
        (0..ROUNDS).map(|_| times(count) as f64 / (count * questions.len() as u64) as f64).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Nanoseconds that this thread has run, as Linux counts them, so that what else the machine does hardly shows; elsewhere
/// those since the first call.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let run = counted.and_then(|line| line.split(' ').next()?.parse().ok());
    run.unwrap_or_else(|| u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// Nanoseconds to make something once, as the wall's clock tells, since more than this thread may work on it: the median of
/// some rounds. What was made is dropped outside the clock.
pub(crate) fn once<M>(mut make: impl FnMut() -> M) -> f64 {
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let product = make();
            let taken = start.elapsed().as_nanos();
            drop(product);
            taken
        })
        .collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2] as f64
}

/// Bytes that are allocated now, as asked of the allocator.
pub(crate) fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// A duration below a microsecond or so, for people.
pub(crate) fn nanos(nanos: f64) -> String {
    if nanos < 2_000.0 { format!("{nanos:.0} ns") } else { micros(nanos) }
}

/// A longer one.
pub(crate) fn micros(nanos: f64) -> String {
    let micros = nanos / 1e3;
    match micros {
        ..100.0 => format!("{micros:.1} µs"),
        ..10_000.0 => format!("{micros:.0} µs"),
        _ => format!("{:.1} ms", micros / 1e3),
    }
}
