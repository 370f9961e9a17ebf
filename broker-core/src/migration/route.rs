//! The phases of a move's stages, in the order in which they run.

use crate::playbook::{Phase, Playbook};

/// The stages of a move, as far as they decide what may follow what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    phases: Vec<Phase>,
    back: usize,
}

impl Route {
    /// The route through stages of these phases, with so many stages for the way back.
    pub fn new(phases: impl IntoIterator<Item = Phase>, back: usize) -> Self {
        let mut phases: Vec<Phase> = phases.into_iter().collect();
        phases.sort();
        Self { phases, back }
    }

    /// The route of a move that follows a playbook; none has no stages.
    pub fn of(playbook: Option<&Playbook>) -> Self {
        playbook.map_or_else(Self::default, |playbook| {
            Self::new(playbook.stages.iter().map(|stage| stage.phase), playbook.rollback.len())
        })
    }

    /// How many stages there are.
    pub fn len(&self) -> usize {
        self.phases.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.phases.is_empty()
    }

    /// Whether there are stages for the way back.
    pub fn reverts(&self) -> bool {
        self.back > 0
    }

    /// The phase of the stage that is next when so many are over; none when all are.
    pub fn next_phase(&self, passed: usize) -> Option<Phase> {
        self.phases.get(passed).copied()
    }

    /// How many stages there are up to and including a phase.
    pub fn through(&self, phase: Phase) -> usize {
        self.phases.iter().filter(|it| **it <= phase).count()
    }

    /// The phase of the next stage, there or on the way back.
    pub(super) fn stage(&self, passed: usize, reverting: bool) -> Option<Phase> {
        if reverting { (passed < self.back).then_some(Phase::Verify) } else { self.next_phase(passed) }
    }
}
