//! What may follow what in one move: a total, pure function over states, stages and events.
//!
//! A move makes the replacement and runs its `Initial` stages while the old copy serves; runs its `Cutover` stages under
//! the fence; switches; runs its `Verify` stages; waits out the grace period; runs its `Finalize` stages; and ends with
//! the old copy. A move without a playbook is the same without stages. Stages run one after the other, in the order of
//! their phases.

use serde::{Deserialize, Serialize};

use super::route::Route;
use crate::playbook::Phase;
use crate::sabotage::{self, Bug};

/// Where a move stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MigrationState {
    /// Recorded, nothing done yet.
    #[default]
    Pending,
    /// The replacement is being made, and what it needs is being copied.
    InitialInProgress,
    /// The replacement is ready.
    InitialCompleted,
    /// The consumer is being switched over.
    CutoverInProgress,
    /// The consumer holds the new status and related objects; the old copy is still there.
    CutoverCompleted,
    /// The old copy is gone.
    Completed,
    /// Given up. Before the switch: the old copy was not touched. After it: what is wrong cannot be undone without
    /// losing something; the new copy serves, the old one stays, and a person decides.
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

    /// Whether nothing follows by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::RolledBack | Self::Cancelled)
    }

    /// Whether the switch has not begun.
    pub const fn is_before_cutover(self) -> bool {
        matches!(self, Self::Pending | Self::InitialInProgress | Self::InitialCompleted)
    }
}

/// Everything that decides what may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Position {
    /// The state.
    pub state: MigrationState,
    /// How many stages are over.
    pub passed: usize,
    /// Whether the next stage has begun.
    pub in_stage: bool,
    /// Whether the consumer was seen to hold the new copy.
    pub switched: bool,
    /// Whether the way back was begun after the switch: the stages are those of the playbook's `rollback`.
    pub reverting: bool,
}

/// What can happen to a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The replacement is named in the assignment.
    Provisioned,
    /// The next stage begins.
    StageBegun,
    /// The stage that runs is over.
    StagePassed,
    /// The next stage, or the one that runs, needs what cannot be had, and the move goes on without it.
    StageSkipped,
    /// The replacement and its related objects are ready, and every `Initial` stage is over.
    TargetReady,
    /// The fence is about to be raised and the pointer to move.
    CutoverBegun,
    /// The consumer holds the new status and related objects.
    HandOverObserved,
    /// The way back begins, and with it the first of the playbook's own stages for it.
    RevertBegun,
    /// The old copy is gone.
    SourceRemoved,
    /// The move is no longer wanted.
    Cancelled,
    /// The order is being deleted, and everything with it.
    OrderGone,
    /// The replacement does not come, or what was done does not hold and cannot be undone without loss.
    Failed,
    /// The replacement does not hold; the pointer goes back, or is back and the consumer holds the old copy.
    RolledBack,
    /// A person takes what failed after the switch as it is.
    Accepted,
    /// The record is older than the assignment, which says that the pointer has moved.
    SwitchSeen,
    /// The record is older than the assignment, which says that the old copy is gone.
    EndSeen,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 16] = [
        Self::Provisioned,
        Self::StageBegun,
        Self::StagePassed,
        Self::StageSkipped,
        Self::TargetReady,
        Self::CutoverBegun,
        Self::HandOverObserved,
        Self::RevertBegun,
        Self::SourceRemoved,
        Self::Cancelled,
        Self::OrderGone,
        Self::Failed,
        Self::RolledBack,
        Self::Accepted,
        Self::SwitchSeen,
        Self::EndSeen,
    ];
}

/// An event that cannot happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to a migration at {at:?}")]
pub struct IllegalEvent {
    /// Where it stands.
    pub at: Position,
    /// The event.
    pub event: Event,
}

/// Where the move stands after an event.
///
/// # Errors
/// Where the event cannot happen there: nothing changes.
pub fn transition(at: Position, event: Event, route: &Route) -> Result<Position, IllegalEvent> {
    use MigrationState as S;
    let illegal = IllegalEvent { at, event };
    let to = |state| Ok(Position { state, in_stage: false, ..at });
    let next = route.stage(at.passed, at.reverting);
    // All stages of a phase, and those before it, are over.
    let over = |phase| {
        sabotage::is(Bug::SwitchedBeforeStages)
            || !at.reverting && route.next_phase(at.passed).is_none_or(|next| next > phase)
    };
    let before_switch =
        matches!(at.state, S::Pending | S::InitialInProgress | S::InitialCompleted | S::CutoverInProgress);
    let failed_late = at.state == S::Failed && at.switched;
    match event {
        Event::Provisioned if at.state == S::Pending => to(S::InitialInProgress),
        Event::StageBegun if !at.in_stage && next.is_some_and(|phase| may_run(at, phase)) => {
            Ok(Position { in_stage: true, ..at })
        }
        Event::StagePassed if at.in_stage && next.is_some_and(|phase| may_run(at, phase)) => {
            Ok(Position { in_stage: false, passed: at.passed + 1, ..at })
        }
        Event::StageSkipped if next.is_some_and(|phase| may_run(at, phase)) => {
            Ok(Position { in_stage: false, passed: at.passed + 1, ..at })
        }
        Event::TargetReady if at.state == S::InitialInProgress && over(Phase::Initial) => {
            to(S::InitialCompleted)
        }
        Event::CutoverBegun
            if matches!(at.state, S::InitialInProgress | S::InitialCompleted) && over(Phase::Initial) =>
        {
            to(S::CutoverInProgress)
        }
        Event::HandOverObserved if at.state == S::CutoverInProgress && over(Phase::Cutover) => {
            Ok(Position { state: S::CutoverCompleted, switched: true, in_stage: false, ..at })
        }
        Event::RevertBegun
            if !at.reverting
                && route.reverts()
                && (matches!(at.state, S::CutoverInProgress | S::CutoverCompleted) || failed_late) =>
        {
            Ok(Position {
                state: S::CutoverCompleted,
                passed: 0,
                in_stage: true,
                switched: true,
                reverting: true,
            })
        }
        Event::SourceRemoved if at.state == S::CutoverCompleted && over(Phase::Finalize) => to(S::Completed),
        Event::Cancelled if before_switch || sabotage::is(Bug::CancelledAfterSwitch) => to(S::Cancelled),
        Event::OrderGone if !at.state.is_final() => to(S::Cancelled),
        Event::Failed if before_switch || at.state == S::CutoverCompleted => to(S::Failed),
        Event::RolledBack
            if matches!(at.state, S::CutoverInProgress | S::CutoverCompleted) || failed_late =>
        {
            // The last stage of the way back is over with the way itself.
            let passed = at.passed + usize::from(at.reverting && at.in_stage);
            Ok(Position { state: S::RolledBack, passed, in_stage: false, ..at })
        }
        Event::Accepted if failed_late => Ok(Position {
            state: S::CutoverCompleted,
            passed: if at.reverting {
                route.through(Phase::Verify)
            } else {
                (at.passed + 1).min(route.len())
            },
            in_stage: false,
            switched: true,
            reverting: false,
        }),
        Event::SwitchSeen if at.state.is_before_cutover() => Ok(Position {
            state: S::CutoverInProgress,
            passed: route.through(Phase::Cutover),
            in_stage: false,
            ..at
        }),
        Event::EndSeen if !at.state.is_final() => Ok(Position {
            state: S::Completed,
            passed: route.through(Phase::Finalize),
            in_stage: false,
            switched: true,
            reverting: false,
        }),
        Event::Provisioned
        | Event::StageBegun
        | Event::StagePassed
        | Event::StageSkipped
        | Event::TargetReady
        | Event::CutoverBegun
        | Event::HandOverObserved
        | Event::RevertBegun
        | Event::SourceRemoved
        | Event::Cancelled
        | Event::OrderGone
        | Event::Failed
        | Event::RolledBack
        | Event::Accepted
        | Event::SwitchSeen
        | Event::EndSeen => Err(illegal),
    }
}

/// Whether a stage of this phase may run now.
fn may_run(at: Position, phase: Phase) -> bool {
    if at.reverting {
        return at.state == MigrationState::CutoverCompleted;
    }
    matches!(
        (at.state, phase),
        (MigrationState::InitialInProgress, Phase::Initial)
            | (MigrationState::CutoverInProgress, Phase::Cutover)
            | (MigrationState::CutoverCompleted, Phase::Verify | Phase::Finalize)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two stages before the fence, and one in each other phase; one stage for the way back.
    fn staged() -> Route {
        let phases = [Phase::Initial, Phase::Initial, Phase::Cutover, Phase::Verify, Phase::Finalize];
        Route::new(phases, 1)
    }

    /// Every position that events lead to.
    fn reachable(route: &Route) -> std::collections::BTreeSet<Position> {
        let mut seen = std::collections::BTreeSet::new();
        let mut open = vec![Position::default()];
        while let Some(at) = open.pop() {
            if seen.insert(at) {
                open.extend(Event::ALL.into_iter().filter_map(|event| transition(at, event, route).ok()));
            }
        }
        seen
    }

    #[test]
    fn nothing_follows_a_final_state_but_what_a_person_says_of_a_late_failure() {
        for at in reachable(&staged()).into_iter().filter(|at| at.state.is_final()) {
            for event in Event::ALL.into_iter().filter(|event| transition(at, *event, &staged()).is_ok()) {
                let says = matches!(event, Event::RevertBegun | Event::RolledBack | Event::Accepted);
                assert!(says && at.state == MigrationState::Failed && at.switched, "{at:?} {event:?}");
            }
        }
    }

    #[test]
    fn the_old_copy_goes_only_after_the_hand_over_and_every_stage() {
        for at in reachable(&staged()) {
            if transition(at, Event::SourceRemoved, &staged()).is_ok() {
                assert!(
                    at.state == MigrationState::CutoverCompleted && at.switched && at.passed == 5,
                    "{at:?}"
                );
            }
        }
    }

    #[test]
    fn the_switch_comes_after_every_stage_before_it() {
        for at in reachable(&staged()) {
            if transition(at, Event::HandOverObserved, &staged()).is_ok() {
                assert_eq!((at.passed, at.in_stage), (3, false), "{at:?}");
            }
        }
    }

    #[test]
    fn a_move_is_cancelled_only_before_the_consumer_holds_the_new_copy() {
        for at in reachable(&staged()).into_iter().filter(|at| at.switched) {
            assert!(transition(at, Event::Cancelled, &staged()).is_err(), "{at:?}");
        }
    }

    #[test]
    fn every_position_leads_to_an_end() {
        // Along what happens by itself: nobody takes a failure as it is, and nothing is read from an older record.
        let by_itself = |event: &Event| {
            !matches!(
                event,
                Event::Accepted | Event::SwitchSeen | Event::EndSeen | Event::Cancelled | Event::OrderGone
            )
        };
        for at in reachable(&staged()) {
            let mut seen = std::collections::BTreeSet::new();
            let mut open = vec![at];
            while let Some(at) = open.pop() {
                if seen.insert(at) {
                    let events = Event::ALL.into_iter().filter(by_itself);
                    open.extend(events.filter_map(|event| transition(at, event, &staged()).ok()));
                }
            }
            assert!(seen.iter().any(|at| at.state.is_final()), "{at:?}");
        }
    }

    #[test]
    fn a_stage_runs_in_its_own_phase_alone() {
        let route = staged();
        for at in reachable(&route) {
            let runs = transition(at, Event::StageBegun, &route).is_ok();
            let expected = match (at.state, at.passed, at.reverting) {
                (MigrationState::InitialInProgress, 0..=1, false)
                | (MigrationState::CutoverInProgress, 2, false)
                | (MigrationState::CutoverCompleted, 3..=4, false)
                | (MigrationState::CutoverCompleted, 0, true) => !at.in_stage,
                _ => false,
            };
            assert_eq!(runs, expected, "{at:?}");
        }
    }

    #[test]
    fn texts_name_states() {
        for state in MigrationState::ALL {
            assert_eq!(MigrationState::from_text(state.as_str()), Some(state));
        }
        assert_eq!(MigrationState::from_text("Unheard"), None);
    }
}
