//! One move of one order: its record, its states and stages, and what may follow what.
//!
//! What the states cause is decided by [`crate::order::decide`].

mod budget;
mod control;
mod machine;
mod request;
mod route;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use budget::{Limits, Standing};
pub use control::Controls;
pub use machine::{Event, IllegalEvent, MigrationState, Position, transition};
pub use request::{Answer, Asked, Candidate, End, OrderName, Request};
pub use route::Route;

use crate::offer::OfferId;
use crate::order::OrderIdentity;
use crate::playbook::{Playbook, Stage};
use crate::time::Timestamp;

/// The record of one move.
#[derive(Clone, Debug, PartialEq)]
pub struct Migration {
    /// Name of the record.
    pub name: String,
    /// Uid; empty while it was never written.
    pub uid: String,
    /// Version it was read at. Empty while it was never written.
    pub resource_version: String,
    /// Who wanted it.
    pub origin: Origin,
    /// The serial number of the copy that it makes: the higher, the later.
    pub serial: u32,
    /// The order that moves.
    pub order: OrderIdentity,
    /// Kind of the order and its copies.
    pub kind: String,
    /// The offer that served the order before.
    pub from: OfferId,
    /// The offer that is to serve it.
    pub to: OfferId,
    /// The playbook that it follows, as it was when the move began: a later edit is for later moves. `None` where the
    /// readiness of the replacement is all.
    pub playbook: Option<Arc<Playbook>>,
    /// What a person says about it.
    pub controls: Controls,
    /// Where the move stands.
    pub position: Position,
    /// Text for people.
    pub message: String,
    /// How many moves of the order to this offer had failed in a row before this one.
    pub failed_before: u32,
    /// What happened when.
    pub receipt: Receipt,
}

/// How messages end that tell what became of a stage, and nothing else: that it begins, that it is over, that it is not
/// needed.
const MILESTONES: [&str; 3] = [BEGINS, OVER, SKIPPED];
/// A stage begins.
pub(crate) const BEGINS: &str = "begins";
/// A stage is over.
pub(crate) const OVER: &str = "is over: success";
/// A stage is not needed.
pub(crate) const SKIPPED: &str = "is skipped: it needs what is lost";

impl Migration {
    /// The message where it tells that a stage begins or is over. Others may quote what was found in the copies.
    pub fn milestone(&self) -> Option<&str> {
        milestone(&self.message)
    }
}

fn milestone(message: &str) -> Option<&str> {
    let (name, rest) = message.strip_prefix("stage ")?.split_once(' ')?;
    (!name.is_empty() && MILESTONES.contains(&rest)).then_some(message)
}

/// Who wanted a move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// The broker: the order had to leave. It is called off when the order may stay after all.
    #[default]
    Broker,
    /// A person: the order moves though it might stay.
    Person,
}

/// What happened when in a move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When the stage that runs began.
    pub stage_since: Option<Timestamp>,
    /// When the pointer was about to move, and the fence to be raised.
    pub cutover_at: Option<Timestamp>,
    /// When the old copy was seen to take no more writes.
    pub fenced_at: Option<Timestamp>,
    /// When the consumer was seen to hold the new status and related objects.
    pub switched_at: Option<Timestamp>,
    /// When the deletion of the old copy was decided; recorded before it happens.
    pub point_of_no_return: Option<Timestamp>,
    /// When it ended, whichever way.
    pub completed_at: Option<Timestamp>,
    /// The conditions that held after the switch.
    pub verified: Vec<String>,
    /// Why acknowledged writes may have been lost, where that is so.
    pub loss: Option<String>,
    /// Which copy took which of the acknowledged writes, and why the move did not go back, where it failed after the
    /// switch.
    pub writes: Option<String>,
}

impl Migration {
    /// The state.
    pub const fn state(&self) -> MigrationState {
        self.position.state
    }

    /// The route through the stages of its playbook.
    pub fn route(&self) -> Route {
        Route::of(self.playbook.as_deref())
    }

    /// The stage that runs, or is next; `None` when all are over.
    pub fn stage(&self) -> Option<&Stage> {
        let playbook = self.playbook.as_deref()?;
        if self.position.reverting {
            playbook.rollback.get(self.position.passed)
        } else {
            let mut stages: Vec<&Stage> = playbook.stages.iter().collect();
            stages.sort_by_key(|stage| stage.phase);
            stages.get(self.position.passed).copied()
        }
    }

    /// Whether the last stage of the way back runs: the pointer may be back already, and may still go forward again.
    pub fn may_be_pointed_back(&self) -> bool {
        let Position { state, passed, in_stage, reverting, .. } = self.position;
        let stages = self.playbook.as_ref().map_or(0, |playbook| playbook.rollback.len());
        state == MigrationState::CutoverCompleted && reverting && in_stage && passed + 1 == stages
    }

    /// Whether the move needs nothing from the old copy.
    pub fn goes_without_source(&self) -> bool {
        self.controls.skip_source || self.playbook.as_ref().is_some_and(|playbook| !playbook.needs_source())
    }

    /// Whether a person said that the old copy is lost, and that the order goes on without it.
    pub fn is_failover(&self) -> bool {
        self.origin == Origin::Person && self.controls.skip_source
    }

    /// The record with an event applied, or why that event cannot happen.
    ///
    /// `message` replaces the text for people.
    ///
    /// # Errors
    /// Where the event cannot happen where the move stands.
    pub fn advanced(
        &self,
        event: Event,
        now: Timestamp,
        message: impl Into<String>,
    ) -> Result<Self, IllegalEvent> {
        let mut next = self.clone();
        next.position = transition(self.position, event, &self.route())?;
        next.message = message.into();
        let writes =
            (event == Event::Failed && self.position.switched).then(|| self.where_writes_are(&next.message));
        let receipt = &mut next.receipt;
        receipt.started_at.get_or_insert(now);
        receipt.stage_since = next.position.in_stage.then_some(now);
        receipt.writes = writes;
        match event {
            Event::CutoverBegun | Event::SwitchSeen => receipt.cutover_at = Some(now),
            Event::HandOverObserved => receipt.switched_at = Some(now),
            Event::Accepted => receipt.completed_at = None,
            Event::RevertBegun => {
                receipt.completed_at = None;
                receipt.switched_at.get_or_insert(now);
            }
            // The order may have been back meanwhile: the grace period begins anew.
            Event::Failed if self.position.reverting => {
                receipt.completed_at = Some(now);
                receipt.switched_at = Some(now);
            }
            Event::SourceRemoved
            | Event::Cancelled
            | Event::OrderGone
            | Event::Failed
            | Event::RolledBack
            | Event::EndSeen => {
                receipt.completed_at = Some(now);
            }
            Event::Provisioned
            | Event::StageBegun
            | Event::StagePassed
            | Event::StageSkipped
            | Event::TargetReady => {}
        }
        Ok(next)
    }

    /// What a person must know who decides about a move that failed after the switch.
    fn where_writes_are(&self, why: &str) -> String {
        let Self { from, to, .. } = self;
        format!(
            "those since the switch went to the copy of {to}, those before it to the copy of {from}: {why}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::milestone;

    #[test]
    fn a_milestone_names_a_stage_and_quotes_nothing() {
        for told in ["stage compare begins", "stage compare is over: success"] {
            assert_eq!(milestone(told), Some(told));
        }
        for other in [
            "stage compare waits for `to.status.rows == 5` (to.status.rows is 4)",
            "stage compare failed: `from.spec.note != 'begins'` (from.spec.note is begins)",
            "stage a note begins",
            "begins",
        ] {
            assert_eq!(milestone(other), None, "{other}");
        }
    }
}
