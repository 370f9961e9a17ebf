//! One move of one order: its states and what may follow what.
//!
//! The transition function is total: an event that makes no sense in a state is refused by value. What the states
//! cause is decided by [`crate::order::decide`]; stages, fences and playbooks join here.

use serde::{Deserialize, Serialize};

use crate::offer::OfferId;
use crate::order::OrderIdentity;
use crate::time::Timestamp;

/// The record of one move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Name of the record.
    pub name: String,
    /// Uid; empty while it was never written.
    #[serde(default)]
    pub uid: String,
    /// Version it was read at. Empty while it was never written.
    #[serde(default)]
    pub resource_version: String,
    /// The order that moves.
    pub order: OrderIdentity,
    /// Kind of the order and its copies.
    pub kind: String,
    /// The offer that served the order before.
    pub from: OfferId,
    /// The offer that is to serve it.
    pub to: OfferId,
    /// Where the move stands.
    pub state: MigrationState,
    /// Text for people.
    pub message: String,
    /// How many moves of the order to this offer had failed in a row before this one.
    #[serde(default)]
    pub failed_before: u32,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When the pointer was about to move.
    pub cutover_at: Option<Timestamp>,
    /// When the consumer was seen to hold the new status and related objects.
    pub switched_at: Option<Timestamp>,
    /// When the deletion of the old copy was decided; recorded before it happens.
    pub point_of_no_return: Option<Timestamp>,
    /// When it ended, whichever way.
    pub completed_at: Option<Timestamp>,
}

impl Migration {
    /// The record with an event applied, or why that event cannot happen.
    ///
    /// `message` replaces the text for people.
    pub fn advanced(
        &self,
        event: Event,
        now: Timestamp,
        message: impl Into<String>,
    ) -> Result<Self, IllegalEvent> {
        let state = transition(self.state, event)?;
        let mut next = self.clone();
        next.state = state;
        next.message = message.into();
        next.started_at.get_or_insert(now);
        match event {
            Event::CutoverBegun => next.cutover_at = Some(now),
            Event::HandOverObserved => next.switched_at = Some(now),
            Event::Provisioned | Event::TargetReady => {}
            Event::SourceRemoved | Event::Cancelled | Event::Failed | Event::RolledBack => {
                next.completed_at = Some(now);
            }
        }
        Ok(next)
    }
}

/// Where a move stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MigrationState {
    /// Recorded, nothing done yet.
    #[default]
    Pending,
    /// The replacement is being made.
    InitialInProgress,
    /// The replacement is ready.
    InitialCompleted,
    /// The consumer is being switched over.
    CutoverInProgress,
    /// The consumer holds the new status and related objects; the old copy is still there.
    CutoverCompleted,
    /// The old copy is gone.
    Completed,
    /// Given up before the switch; the old copy was not touched.
    Failed,
    /// The consumer was pointed back at the old copy.
    RolledBack,
    /// No longer wanted, before the switch.
    Cancelled,
}

impl MigrationState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::InitialInProgress,
        Self::InitialCompleted,
        Self::CutoverInProgress,
        Self::CutoverCompleted,
        Self::Completed,
        Self::Failed,
        Self::RolledBack,
        Self::Cancelled,
    ];

    /// The text of the status field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InitialInProgress => "InitialInProgress",
            Self::InitialCompleted => "InitialCompleted",
            Self::CutoverInProgress => "CutoverInProgress",
            Self::CutoverCompleted => "CutoverCompleted",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::RolledBack => "RolledBack",
            Self::Cancelled => "Cancelled",
        }
    }

    /// The state that a status field names.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing follows.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::RolledBack | Self::Cancelled)
    }
}

/// What can happen to a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The replacement is named in the assignment.
    Provisioned,
    /// The replacement and its related objects are ready.
    TargetReady,
    /// The pointer is about to move.
    CutoverBegun,
    /// The consumer holds the new status and related objects.
    HandOverObserved,
    /// The old copy is gone.
    SourceRemoved,
    /// The move is no longer wanted.
    Cancelled,
    /// The replacement does not come.
    Failed,
    /// The replacement does not hold; the pointer goes back.
    RolledBack,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::Provisioned,
        Self::TargetReady,
        Self::CutoverBegun,
        Self::HandOverObserved,
        Self::SourceRemoved,
        Self::Cancelled,
        Self::Failed,
        Self::RolledBack,
    ];
}

/// An event that cannot happen in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to a migration that is {state:?}")]
pub struct IllegalEvent {
    /// The state.
    pub state: MigrationState,
    /// The event.
    pub event: Event,
}

/// The state after an event.
///
/// Before the switch a move may be cancelled or fail; from the moment the cutover begins it goes forward or back.
pub fn transition(state: MigrationState, event: Event) -> Result<MigrationState, IllegalEvent> {
    use MigrationState as S;
    match (state, event) {
        (S::Pending, Event::Provisioned) => Ok(S::InitialInProgress),
        (S::InitialInProgress, Event::TargetReady) => Ok(S::InitialCompleted),
        (S::InitialInProgress | S::InitialCompleted, Event::CutoverBegun) => Ok(S::CutoverInProgress),
        (S::CutoverInProgress, Event::HandOverObserved) => Ok(S::CutoverCompleted),
        (S::CutoverCompleted, Event::SourceRemoved) => Ok(S::Completed),
        (
            S::Pending | S::InitialInProgress | S::InitialCompleted | S::CutoverInProgress,
            Event::Cancelled,
        ) => Ok(S::Cancelled),
        (S::Pending | S::InitialInProgress | S::InitialCompleted | S::CutoverInProgress, Event::Failed) => {
            Ok(S::Failed)
        }
        (S::CutoverInProgress | S::CutoverCompleted, Event::RolledBack) => Ok(S::RolledBack),
        (state, event) => Err(IllegalEvent { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_final_state() {
        for state in MigrationState::ALL.into_iter().filter(|state| state.is_final()) {
            for event in Event::ALL {
                assert_eq!(transition(state, event), Err(IllegalEvent { state, event }));
            }
        }
    }

    #[test]
    fn the_old_copy_goes_only_after_the_hand_over() {
        for state in MigrationState::ALL {
            let removed = transition(state, Event::SourceRemoved).is_ok();
            assert_eq!(removed, state == MigrationState::CutoverCompleted, "{state:?}");
        }
    }

    #[test]
    fn a_move_is_cancelled_only_before_the_consumer_holds_the_new_copy() {
        assert!(transition(MigrationState::CutoverCompleted, Event::Cancelled).is_err());
        assert!(transition(MigrationState::InitialInProgress, Event::Cancelled).is_ok());
    }

    #[test]
    fn texts_name_states() {
        for state in MigrationState::ALL {
            assert_eq!(MigrationState::from_text(state.as_str()), Some(state));
        }
        assert_eq!(MigrationState::from_text("Unheard"), None);
    }
}
