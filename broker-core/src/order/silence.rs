//! Clusters that do not answer: how long that is waited out, and how it is told.

use std::time::Duration;

use super::world::World;
use crate::resource::{ClusterName, ConditionStatus};
use crate::time::Timestamp;
use crate::translate::Told;

/// When the silence of a cluster will have lasted for the stated time; `None` where it answers, as far as is known.
pub(super) fn silent_until(world: &World<'_>, cluster: &ClusterName) -> Option<Timestamp> {
    let silence = world.unreachable.get(cluster)?;
    Some(silence.since.plus(world.policy.failover_after))
}

/// Whether a cluster did not answer for the stated time.
pub(super) fn is_given_up(world: &World<'_>, cluster: &ClusterName) -> bool {
    silent_until(world, cluster).is_some_and(|until| until <= world.now)
}

/// What the consumer is told of a provider that does not answer.
pub(super) fn does_not_answer() -> Told {
    Told {
        status: ConditionStatus::Unknown,
        reason: "ProviderUnreachable",
        message: "the provider does not answer; the order waits".to_owned(),
    }
}

/// A span for people: `5m`, `90s`, `250ms`. The same for every look, so that telling it again writes nothing.
pub(super) fn span(length: Duration) -> String {
    match (length.as_secs(), length.subsec_millis()) {
        (seconds, 0) if seconds > 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", length.as_millis()),
    }
}
