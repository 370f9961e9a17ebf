//! Moves that failed: how long the order keeps away from an offer that it could not move to, and what is remembered
//! of it.
//!
//! All of it is in the records of the moves themselves: each says how often in a row its like had failed before.

use std::time::Duration;

use super::world::World;
use crate::migration::{Migration, MigrationState};
use crate::offer::OfferId;
use crate::time::Timestamp;

/// An offer to which a move failed is not tried again for this long, doubled with every further failure in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The doubling ends here.
const LONGEST_PAUSE: Duration = Duration::from_mins(30);
/// How many finished moves are kept for an order, whatever became of them.
const KEPT: usize = 3;
/// How many older ones are kept for what they say of offers that failed.
const REMEMBERED: usize = 16;

/// An offer that failed the order when it was tried last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setback<'w> {
    migration: &'w Migration,
}

impl<'w> Setback<'w> {
    /// What is remembered against an offer; nothing after a move that succeeded. One that was called off says nothing.
    pub(super) fn of(migrations: &'w [Migration], offer: &OfferId) -> Option<Self> {
        use MigrationState::{Completed, Failed, RolledBack};
        let last = migrations.iter().rev().find(|migration| {
            migration.to == *offer && matches!(migration.state(), Completed | Failed | RolledBack)
        })?;
        (last.state() != Completed).then_some(Self { migration: last })
    }

    /// What became of it, for the consumer. The same at every look, so that telling it again writes nothing.
    pub(super) fn told(self) -> String {
        let why = if self.migration.state() == MigrationState::RolledBack {
            "the replacement did not hold"
        } else {
            self.migration.message.as_str()
        };
        format!("the last attempt failed ({why}); the next is at {}", self.until().to_rfc3339())
    }

    /// How many moves in a row failed, this one included.
    pub(super) fn failures(self) -> u32 {
        self.migration.failed_before.saturating_add(1)
    }

    /// When the offer may be tried again.
    pub(super) fn until(self) -> Timestamp {
        let doublings = self.migration.failed_before.min(16);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        self.failed_at().plus(pause)
    }

    fn failed_at(self) -> Timestamp {
        self.migration.receipt.completed_at.unwrap_or_default()
    }

    /// Whether the offer may not be tried again yet. What failed in the future failed before the clock went back: to try
    /// once too early costs less than to wait for as long as it went back.
    fn lasts(self, now: Timestamp) -> bool {
        self.until() > now && self.failed_at() <= now
    }
}

/// The offers that the order keeps away from now.
pub(super) fn shunned<'w>(world: &'w World<'_>) -> impl Iterator<Item = &'w OfferId> {
    let offers = world.migrations.iter().map(|migration| &migration.to);
    offers
        .filter(|offer| Setback::of(&world.migrations, offer).is_some_and(|setback| setback.lasts(world.now)))
}

/// The records that are of no more use.
pub(super) fn forgettable(migrations: &[Migration]) -> Vec<&Migration> {
    let finished: Vec<&Migration> =
        migrations.iter().filter(|migration| migration.state().is_final()).collect();
    let old = finished.len().saturating_sub(KEPT);
    let is_remembered = |migration: &&Migration| {
        Setback::of(migrations, &migration.to).is_some_and(|setback| setback.migration.name == migration.name)
    };
    let (remembered, mut forgotten): (Vec<&Migration>, Vec<&Migration>) =
        finished.into_iter().take(old).partition(is_remembered);
    let excess = remembered.len().saturating_sub(REMEMBERED);
    forgotten.extend(remembered.into_iter().take(excess));
    forgotten
}
