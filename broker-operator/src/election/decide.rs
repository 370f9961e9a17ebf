//! What to do about a Lease, from what was seen of it. Pure.

use std::time::{Duration, Instant};

use broker_core::resource::Object;

/// What was seen of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; empty where it was released.
    pub holder: String,
    /// After how long without a change it may be taken over.
    pub duration: Duration,
    /// How often it changed hands.
    pub transitions: i64,
    /// Its version.
    pub version: String,
    /// When we first saw this version, by our own clock.
    pub since: Instant,
}

impl Seen {
    /// What a Lease says, first seen at `since`.
    pub fn of(lease: &Object, since: Instant) -> Self {
        let number = |key: &str| lease.get(&["spec", key]).and_then(serde_json::Value::as_i64);
        Self {
            holder: lease.text(&["spec", "holderIdentity"]).unwrap_or_default().to_owned(),
            duration: Duration::from_secs(
                number("leaseDurationSeconds").and_then(|s| u64::try_from(s).ok()).unwrap_or(15),
            ),
            transitions: number("leaseTransitions").unwrap_or_default(),
            version: lease.resource_version().to_owned(),
            since,
        }
    }
}

/// What to do about the Lease now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none: create it.
    Create,
    /// It is ours: give a sign of life.
    Renew,
    /// It is free or ran out: take it.
    TakeOver,
    /// Another holds it.
    Wait,
}

/// What `me` does about the Lease at `now`.
pub fn decide(seen: Option<&Seen>, me: &str, now: Instant) -> Step {
    match seen {
        None => Step::Create,
        Some(seen) if seen.holder == me => Step::Renew,
        Some(seen) if seen.holder.is_empty() => Step::TakeOver,
        Some(seen) if now.saturating_duration_since(seen.since) >= seen.duration => Step::TakeOver,
        Some(_) => Step::Wait,
    }
}

/// Whether we hold the Lease, as far as we may believe it ourselves.
///
/// Another takes it over no sooner than a whole duration after it saw our last renewal, and it saw that no sooner than
/// we sent it. So we believe for less than a duration from then on: however long an answer takes, and whatever became of
/// the renewals since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// When the last renewal was sent that is known to have succeeded.
    since: Option<Instant>,
}

/// How long a Lease lasts, and how often it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After how long without a sign of life another may take over.
    pub duration: Duration,
    /// How often the holder gives one.
    pub renewal: Duration,
}

impl Pace {
    /// For how long after a renewal was sent we believe to hold the Lease.
    pub const fn patience(self) -> Duration {
        self.duration.saturating_sub(self.renewal)
    }
}

impl Hold {
    /// Whether we believe to hold it.
    pub const fn is_held(self) -> bool {
        self.since.is_some()
    }

    /// Until when the round that begins now may take.
    pub fn deadline(self, began: Instant, pace: Pace) -> Instant {
        self.since.unwrap_or(began) + pace.patience()
    }

    /// A round that began then wrote the Lease.
    pub const fn renewed(&mut self, began: Instant) {
        self.since = Some(began);
    }

    /// Somebody else wrote it, or holds it.
    pub const fn lost(&mut self) {
        self.since = None;
    }

    /// A round came to nothing.
    pub fn failed(&mut self, now: Instant, pace: Pace) {
        if self.since.is_some_and(|since| now >= since + pace.patience()) {
            self.since = None;
        }
    }

    /// How long the next round may wait while we hold it, or where nobody tells what becomes of it.
    pub fn pause(self, now: Instant, pace: Pace) -> Duration {
        let left = self.since.map(|since| (since + pace.patience()).saturating_duration_since(now));
        left.map_or(pace.renewal, |left| left.min(pace.renewal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lease_is_believed_to_be_ours_for_less_than_it_lasts_from_when_its_renewal_was_sent() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let pace = Pace { duration: Duration::from_secs(15), renewal: Duration::from_secs(3) };
        let mut hold = Hold::default();
        assert_eq!((hold.deadline(start, pace), hold.pause(start, pace)), (after(12), pace.renewal));
        hold.renewed(start);
        // However late a round begins, it is over when what we believe is.
        assert_eq!(hold.deadline(after(11), pace), after(12));
        assert_eq!(hold.pause(after(1), pace), pace.renewal);
        assert_eq!(hold.pause(after(11), pace), Duration::from_secs(1));
        hold.failed(after(11), pace);
        assert!(hold.is_held());
        hold.failed(after(12), pace);
        assert!(!hold.is_held());
    }

    fn seen(holder: &str, since: Instant) -> Seen {
        Seen {
            holder: holder.to_owned(),
            duration: Duration::from_secs(15),
            transitions: 0,
            version: "1".to_owned(),
            since,
        }
    }

    #[test]
    fn a_lease_is_taken_only_when_it_is_free_or_ran_out() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(decide(None, "me", start), Step::Create);
        assert_eq!(decide(Some(&seen("", start)), "me", start), Step::TakeOver);
        assert_eq!(decide(Some(&seen("me", start)), "me", after(99)), Step::Renew);
        assert_eq!(decide(Some(&seen("other", start)), "me", after(14)), Step::Wait);
        assert_eq!(decide(Some(&seen("other", start)), "me", after(15)), Step::TakeOver);
    }
}
