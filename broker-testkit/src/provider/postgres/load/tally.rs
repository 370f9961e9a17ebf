//! What was acknowledged, what was read, and how long anybody waited.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::provider::postgres::PostgresError;
use crate::provider::postgres::session::Session;

/// How many of what is lost a report names.
const NAMED: usize = 10;

/// How long a writer waited for an acknowledgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pause {
    /// For how long.
    pub length: Duration,
    /// Which writer.
    pub writer: usize,
}

/// What came of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows that a server acknowledged.
    pub acknowledged: u64,
    /// How many of them are not there.
    pub lost: u64,
    /// How many rows are there more than once.
    pub duplicated: u64,
    /// The first of those, as `writer/number`.
    pub named: Vec<String>,
    /// Reads that were answered.
    pub reads: u64,
    /// Reads that were not.
    pub failed_reads: u64,
    /// Reads that did not see what had been acknowledged before, where they read.
    pub stale_reads: u64,
}

impl LoadReport {
    /// Whether nothing was lost, doubled, or could not be read.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.failed_reads == 0 && self.stale_reads == 0
    }
}

/// One writer's.
#[derive(Debug)]
struct Writer {
    acknowledged: Vec<i64>,
    /// The highest number acknowledged in each turn of the Secret.
    by_turn: BTreeMap<u64, i64>,
    last: Instant,
    longest: Duration,
}

#[derive(Debug, Default)]
struct Reads {
    answered: u64,
    failed: u64,
    stale: u64,
}

#[derive(Debug)]
struct Counts {
    writers: Vec<Writer>,
    reads: Reads,
}

/// Counts of all clients.
#[derive(Debug)]
pub(super) struct Tally {
    counts: Mutex<Counts>,
    wrote: Notify,
}

impl Tally {
    pub(super) fn new(writers: usize) -> Self {
        let writer = |_| Writer {
            acknowledged: Vec::new(),
            by_turn: BTreeMap::new(),
            last: Instant::now(),
            longest: Duration::ZERO,
        };
        let counts = Counts { writers: (0..writers).map(writer).collect(), reads: Reads::default() };
        Self { counts: Mutex::new(counts), wrote: Notify::new() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn writers(&self) -> usize {
        self.counts().writers.len()
    }

    pub(super) fn acknowledge(&self, writer: usize, number: i64, turn: u64) {
        if let Some(of) = self.counts().writers.get_mut(writer) {
            let now = Instant::now();
            of.longest = of.longest.max(now.saturating_duration_since(of.last));
            of.last = now;
            of.acknowledged.push(number);
            of.by_turn.insert(turn, number);
        }
        self.wrote.notify_waiters();
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.counts().writers.iter().map(|writer| writer.acknowledged.len() as u64).sum()
    }

    /// The highest number of a writer that was acknowledged by the database of this turn, or of an earlier one.
    pub(super) fn acknowledged_by(&self, writer: usize, turn: u64) -> i64 {
        let counts = self.counts();
        let of = counts.writers.get(writer);
        of.and_then(|of| of.by_turn.range(..=turn).next_back()).map_or(0, |(_, number)| *number)
    }

    pub(super) fn read(&self, writer: usize, expected: i64, found: i64) {
        let mut counts = self.counts();
        counts.reads.answered += 1;
        if found < expected {
            tracing::warn!(writer, expected, found, "a read did not see what was acknowledged");
            counts.reads.stale += 1;
        }
    }

    pub(super) fn read_failed(&self) {
        self.counts().reads.failed += 1;
    }

    pub(super) fn lap(&self) -> Pause {
        let now = Instant::now();
        let longest = |(writer, of): (usize, &mut Writer)| {
            let waits = now.saturating_duration_since(of.last);
            Pause { length: std::mem::take(&mut of.longest).max(waits), writer }
        };
        self.counts().writers.iter_mut().enumerate().map(longest).max().unwrap_or_default()
    }

    pub(super) async fn until_all_wrote(&self) {
        let since = Instant::now();
        loop {
            let wrote = self.wrote.notified();
            if self.counts().writers.iter().all(|writer| writer.last > since) {
                return;
            }
            wrote.await;
        }
    }

    pub(super) async fn report(
        &self,
        session: &Session,
        writers: usize,
    ) -> Result<LoadReport, PostgresError> {
        let mut report = {
            let counts = self.counts();
            LoadReport {
                reads: counts.reads.answered,
                failed_reads: counts.reads.failed,
                stale_reads: counts.reads.stale,
                ..LoadReport::default()
            }
        };
        for writer in 0..writers {
            let what = "look for every row";
            let query = "SELECT number, count(*) FROM ledger WHERE writer = $1 GROUP BY number";
            let rows = session.rows(what, query, &[&i32::try_from(writer).unwrap_or(i32::MAX)]).await?;
            let mut there = BTreeMap::new();
            for row in &rows {
                there.insert(session.value::<i64>(what, row, 0)?, session.value::<i64>(what, row, 1)?);
            }
            let acknowledged = self.counts().writers.get(writer).map(|of| of.acknowledged.clone());
            let acknowledged = acknowledged.unwrap_or_default();
            report.acknowledged += acknowledged.len() as u64;
            let lost = acknowledged.iter().filter(|number| !there.contains_key(number));
            let doubled = there.iter().filter(|(_, count)| **count > 1).map(|(number, _)| number);
            for (numbers, count) in
                [(lost.collect::<Vec<_>>(), &mut report.lost), (doubled.collect(), &mut report.duplicated)]
            {
                *count += numbers.len() as u64;
                let room = NAMED.saturating_sub(report.named.len());
                report.named.extend(numbers.iter().take(room).map(|number| format!("{writer}/{number}")));
            }
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_expects_what_was_acknowledged_where_it_reads() {
        let tally = Tally::new(1);
        tally.acknowledge(0, 1, 1);
        tally.acknowledge(0, 2, 2);
        assert_eq!(tally.acknowledged_by(0, 0), 0);
        assert_eq!(tally.acknowledged_by(0, 1), 1, "what the next database took is not to be expected here");
        assert_eq!(tally.acknowledged_by(0, 2), 2);
        tally.read(0, 2, 1);
        assert_eq!(tally.counts().reads.stale, 1);
    }

    #[test]
    fn a_lap_begins_anew_and_counts_who_waits_now() {
        let tally = Tally::new(2);
        tally.counts().writers[1].last -= Duration::from_mins(1);
        assert_eq!(tally.lap().writer, 1);
        tally.acknowledge(1, 1, 1);
        assert!(tally.lap().length >= Duration::from_mins(1), "the pause that ended since");
        assert!(tally.lap().length < Duration::from_mins(1));
    }
}
