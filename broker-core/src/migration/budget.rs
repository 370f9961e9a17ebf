//! How many moves may run at the same time, and when too many have failed for another to begin.
//!
//! A mistaken edit of an offer may ask every order of an API to move. Both limits are about one API; a playbook may have
//! a limit of its own beside them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Migration, MigrationState};
use crate::sabotage::{self, Bug};
use crate::time::Timestamp;

/// The limits of one API, from its BrokeredAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The most moves that run at the same time.
    pub concurrent_moves: u32,
    /// When the last moves of so many orders failed one after the other, no further one begins until a person removed
    /// the records of those that failed.
    pub halt_after_failures: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrent_moves: 10, halt_after_failures: 3 }
    }
}

impl Limits {
    /// Why `next` may not begin now, beside these moves of all orders; `None` where it may.
    pub fn hold_up(&self, next: &Migration, moves: impl IntoIterator<Item = Standing>) -> Option<String> {
        let api = next.order.gvr.group_resource();
        let others: Vec<Standing> =
            moves.into_iter().filter(|other| other.api == api && other.name != next.name).collect();
        let failed = failed_orders(&others);
        if failed >= count(self.halt_after_failures) {
            return Some(format!(
                "the last moves of {failed} orders failed, and no further one begins until the platform has looked"
            ));
        }
        let overlooked = |other: &Standing| {
            sabotage::is(Bug::RecordedMovesUncounted) && other.state == MigrationState::Pending
        };
        let counts = |other: &&Standing| !other.state.is_final() && !overlooked(other);
        let running = || others.iter().filter(counts);
        if running().count() >= count(self.concurrent_moves) {
            return Some(format!("{} moves are running, and no more may", self.concurrent_moves));
        }
        let playbook = next.playbook.as_deref()?;
        let limit = playbook.max_concurrent?;
        let same =
            running().filter(|other| other.playbook.as_deref() == Some(playbook.name.as_str())).count();
        (same >= count(limit)).then(|| format!("{limit} moves by the playbook {} are running", playbook.name))
    }
}

/// A move, as far as it counts for the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Name of the record.
    pub name: String,
    /// The API of its order, as `<resource>.<group>`.
    pub api: String,
    /// Uid of its order.
    pub order: String,
    /// Name of the playbook that it follows.
    pub playbook: Option<String>,
    /// Its state.
    pub state: MigrationState,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

impl From<&Migration> for Standing {
    fn from(migration: &Migration) -> Self {
        Self {
            name: migration.name.clone(),
            api: migration.order.gvr.group_resource(),
            order: migration.order.uid.clone(),
            playbook: migration.playbook.as_ref().map(|playbook| playbook.name.clone()),
            state: migration.state(),
            completed_at: migration.receipt.completed_at,
        }
    }
}

/// How many orders the last moves failed, without one in between that succeeded.
fn failed_orders(moves: &[Standing]) -> usize {
    let mut ended: Vec<&Standing> = moves.iter().filter(|it| it.completed_at.is_some()).collect();
    ended.sort_by(|one, other| (other.completed_at, &other.name).cmp(&(one.completed_at, &one.name)));
    let orders: BTreeSet<&str> = ended
        .into_iter()
        .filter(|it| it.state != MigrationState::Cancelled)
        .take_while(|it| matches!(it.state, MigrationState::Failed | MigrationState::RolledBack))
        .map(|it| it.order.as_str())
        .collect();
    orders.len()
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::{Controls, Origin, Position, Receipt};
    use crate::offer::OfferId;
    use crate::order::OrderIdentity;
    use crate::resource::{Gvr, ObjectKey};

    fn record(order: &str, serial: u32, state: MigrationState, ended: u64) -> Migration {
        let offer = |name| OfferId::new(name, "default", "offer");
        Migration {
            name: format!("{order}-{serial}"),
            uid: String::new(),
            resource_version: String::new(),
            origin: Origin::Broker,
            serial: 1,
            order: OrderIdentity {
                gvr: Gvr::new("example.com", "v1", "databases"),
                key: ObjectKey::new("consumer", "default", order),
                uid: order.to_owned(),
            },
            kind: "Database".to_owned(),
            from: offer("old"),
            to: offer("new"),
            playbook: None,
            controls: Controls::default(),
            position: Position { state, ..Position::default() },
            message: String::new(),
            failed_before: 0,
            receipt: Receipt {
                completed_at: state.is_final().then(|| {
                    Timestamp::parse("2026-01-01T00:00:00Z")
                        .unwrap()
                        .plus(std::time::Duration::from_secs(ended))
                }),
                ..Receipt::default()
            },
        }
    }

    #[test]
    fn the_limits_count_what_runs_and_which_orders_failed_last() {
        use MigrationState::{Cancelled, Completed, Failed, InitialInProgress, Pending, RolledBack};
        let next = record("next", 1, Pending, 0);
        let limits = Limits { concurrent_moves: 2, halt_after_failures: 2 };
        for (records, expected) in [
            (vec![], None),
            (vec![("a", InitialInProgress, 0)], None),
            (vec![("a", InitialInProgress, 0), ("b", Pending, 0)], Some("2 moves are running")),
            (vec![("a", Failed, 1), ("b", Completed, 2), ("c", Failed, 3)], None),
            (vec![("a", Failed, 1), ("b", RolledBack, 2)], Some("the last moves of 2 orders failed")),
            (vec![("a", Failed, 1), ("b", Cancelled, 2), ("c", Failed, 3)], Some("the last moves of 2")),
            // One order that fails again and again is no sign of a mistaken edit.
            (vec![("a", Failed, 1), ("a", Failed, 2), ("a", Failed, 3)], None),
        ] {
            let records: Vec<Migration> = records
                .into_iter()
                .zip(1..)
                .map(|((order, state, ended), serial)| record(order, serial, state, ended))
                .collect();
            let held = limits.hold_up(&next, records.iter().map(Standing::from));
            match expected {
                Some(text) => assert!(held.as_deref().unwrap_or_default().starts_with(text), "{held:?}"),
                None => assert_eq!(held, None),
            }
        }
    }
}
