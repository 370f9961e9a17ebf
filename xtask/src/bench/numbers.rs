//! What was measured, and how it is printed.

use std::fmt::Write;
use std::time::Duration;

use super::E2e;
use super::calls::Calls;

/// Many measurements of one thing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The smallest sample that this share of all samples does not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.checked_sub(1)?).copied()
    }
}

/// What was measured on one server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    /// From the consumer's POST to the copy on the provider's watch.
    pub(crate) order_to_copy: Samples,
    /// From the ready copy on the provider's watch to the served order on the consumer's watch.
    pub(crate) status_to_consumer: Samples,
    /// From the consumer's PATCH to the order served by the other provider on the consumer's watch.
    pub(crate) change_to_switched: Samples,
    /// From the ready replacement on the provider's watch to the order served by it on the consumer's watch.
    pub(crate) replaced_to_switched: Samples,
    /// From the moment a switch was begun to the one when the consumer was seen to hold all of it, by the receipts.
    pub(crate) switch_pause: Samples,
    /// Calls while orders were at rest.
    pub(crate) at_rest: Calls,
    /// From the first POST of the burst to its last copy.
    pub(crate) burst: Duration,
    /// The operator's resident memory with the resting orders, and at its highest, in MiB.
    pub(crate) memory: Option<(f64, f64)>,
}

type Row = (String, fn(&Numbers, &E2e) -> String);

/// The table of the README.
pub(crate) fn markdown(columns: &[(&str, Numbers)], asked: &E2e) -> String {
    let rows: [Row; 10] = [
        ("order → copy, P50 / P99".to_owned(), |numbers, _| pair(&numbers.order_to_copy)),
        ("status → consumer, P50 / P99".to_owned(), |numbers, _| pair(&numbers.status_to_consumer)),
        ("change → switched, P50 / P99".to_owned(), |numbers, _| pair(&numbers.change_to_switched)),
        ("ready replacement → switched, P50 / P99".to_owned(), |numbers, _| {
            pair(&numbers.replaced_to_switched)
        }),
        ("pause of the switch, P50 / P99".to_owned(), |numbers, _| pair(&numbers.switch_pause)),
        (format!("calls in {} s with {} orders at rest", asked.window, asked.resting), |numbers, _| {
            numbers.at_rest.others.to_string()
        }),
        ("  besides: lease, watch renewals".to_owned(), |numbers, _| {
            format!("{}, {}", numbers.at_rest.leases, numbers.at_rest.watches)
        }),
        (format!("burst of {} orders copied in", asked.burst), |numbers, _| {
            format!("{:.2} s", numbers.burst.as_secs_f64())
        }),
        ("operator memory, at rest / highest".to_owned(), |numbers, _| {
            numbers.memory.map_or_else(|| "–".to_owned(), |(now, most)| format!("{now:.0} / {most:.0} MiB"))
        }),
        ("orders measured".to_owned(), |_, asked| asked.orders.to_string()),
    ];
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for (what, cell) in rows {
        let cells: Vec<String> = columns.iter().map(|(_, numbers)| cell(numbers, asked)).collect();
        // Writing to a String cannot fail.
        writeln!(text, "| {what} | {} |", cells.join(" | ")).ok();
    }
    text
}

fn pair(samples: &Samples) -> String {
    let shown = |percent| samples.percentile(percent).map_or_else(|| "–".to_owned(), millis);
    format!("{} / {}", shown(50), shown(99))
}

fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentile(50), None);
        for millis in (1..=200).rev() {
            samples.push(Duration::from_millis(millis));
        }
        assert_eq!(samples.percentile(50), Some(Duration::from_millis(100)));
        assert_eq!(samples.percentile(99), Some(Duration::from_millis(198)));
        assert_eq!(samples.percentile(100), Some(Duration::from_millis(200)));
    }
}
