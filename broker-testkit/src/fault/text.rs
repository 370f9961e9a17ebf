//! Numbers and durations as people type them, and why a text is no plan.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// Why a text is no plan of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Point and harm are not told apart.
    #[error("{found:?} is no fault; one looks like \"w9!crash-after\": a point, an exclamation mark, a harm")]
    NoFault {
        /// What stands there.
        found: String,
    },
    /// What stands before the exclamation mark.
    #[error(
        "{found:?} is no point; a point is r, w, l, s or e with a number from 1 on (\"w9\"), or t with a time (\"t90s\")"
    )]
    NoPoint {
        /// What stands there.
        found: String,
    },
    /// What stands behind it.
    #[error("{found:?} is no harm; there are {}", super::harm::examples())]
    NoHarm {
        /// What stands there.
        found: String,
    },
    /// The harm cannot happen there.
    #[error("{harm} cannot happen at {point}; it can at {}", super::harm::places(*harm))]
    Misplaced {
        /// The point.
        point: super::Point,
        /// The harm.
        harm: super::Harm,
    },
}

/// Units from the largest on, in nanoseconds.
const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration as a whole number of the largest unit that gives one.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        let unit = UNITS.iter().find(|(_, size)| nanos.is_multiple_of(*size));
        unit.map_or(Ok(()), |(name, size)| write!(f, "{}{name}", nanos / size))
    }
}

/// Reads what [`Span`] writes.
pub(super) fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let nanos = number.parse::<u128>().ok()?.checked_mul(*size)?;
    let second = 1_000_000_000;
    Some(Duration::new(u64::try_from(nanos / second).ok()?, u32::try_from(nanos % second).ok()?))
}

/// A number from one on, without a sign.
pub(super) fn ordinal(text: &str) -> Option<NonZeroU32> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}
