//! Clock and memory.

use std::sync::LazyLock;
use std::time::Instant;

/// Rounds of which the median is told.
const ROUNDS: usize = 7;
/// A round lasts at least this long, in nanoseconds.
const ROUND: u64 = 50_000_000;

/// Nanoseconds per question: the median of some rounds over all of them, after one to warm up.
pub(crate) fn time<Q>(questions: &[Q], mut ask: impl FnMut(&Q)) -> f64 {
    questions.iter().for_each(&mut ask);
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = now();
            let mut asked = 0_u64;
            while now() - start < ROUND {
                questions.iter().for_each(&mut ask);
                asked += questions.len() as u64;
            }
            (now() - start) as f64 / asked as f64
        })
        .collect();
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

/// Memory of this process, in bytes, as Linux counts it; 0 elsewhere.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
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
