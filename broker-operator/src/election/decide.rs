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

#[cfg(test)]
mod tests {
    use super::*;

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
