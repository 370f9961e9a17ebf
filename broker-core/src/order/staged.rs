//! A move by a playbook: its stages, the fence, the switch under it, what is verified afterwards, and when it goes back.

use std::time::Duration;

use super::decision::{Action, Decision};
use super::fence::{self, FENCE_TIMEOUT};
use super::keeping::is_ready;
use super::leaving::Stand;
use super::moving::{Move, record, told};
use super::policy::{Fence, Moves};
use super::staging::{Staged, Staging};
use crate::migration::{Event, MigrationState};
use crate::playbook::{Phase, Playbook};
use crate::resource::ConditionStatus;
use crate::sabotage::{self, Bug};
use crate::time::Timestamp;
use crate::translate::Told;

/// What is said of a move that a person has to decide about.
const A_PERSON_DECIDES: &str = "going back would lose what was written since; a person decides";

impl Move<'_> {
    pub(super) fn staging(&self) -> Staging<'_> {
        Staging { world: self.world, migration: self.migration, source: self.source, target: self.target }
    }

    /// Whether nothing new may begin.
    fn is_held(&self) -> bool {
        self.migration.controls.paused || !self.world.policy.migrations_enabled
    }

    /// The replacement is there and can be handed over, as far as is known: what its playbook asks for comes next.
    pub(super) fn by_playbook(
        &self,
        playbook: &Playbook,
        stand: Stand,
        told_now: Told,
        decision: &mut Decision,
    ) -> Told {
        if self.migration.state() == MigrationState::CutoverInProgress {
            self.cut_over(playbook, stand, decision);
            return told_now;
        }
        if self.is_held() {
            let (status, reason) = if self.migration.controls.paused {
                (ConditionStatus::True, "Migrating")
            } else {
                (ConditionStatus::False, "MigrationDisabled")
            };
            return told(status, reason, "the move is held up; what serves now stays until it goes on");
        }
        if self.migration.state() == MigrationState::InitialInProgress {
            let staged = if sabotage::is(Bug::SwitchedBeforeStages) {
                Staged::Over
            } else {
                self.staging().run(Some(Phase::Initial), decision)
            };
            match staged {
                Staged::Over if is_ready(self.world, self.target) => {
                    self.advance(
                        Event::TargetReady,
                        "the replacement is ready and has what it needs",
                        decision,
                    );
                }
                Staged::Over => self.note("the replacement has what it needs and is not ready", decision),
                staged @ (Staged::Advances(..) | Staged::Acts | Staged::Waits(_) | Staged::Failed(_)) => {
                    self.staged(staged, decision);
                }
            }
        } else if stand == Stand::Silent {
            self.note_silence(decision);
        } else if is_ready(self.world, self.target) {
            self.begin_cutover(playbook, decision);
        }
        told_now
    }

    fn begin_cutover(&self, playbook: &Playbook, decision: &mut Decision) {
        let fenced = fence::is_wanted(self.world, self.migration);
        let what = if fenced {
            "the cutover begins: what serves now takes no more writes until the switch"
        } else {
            "the cutover begins"
        };
        let Ok(mut next) = self.migration.advanced(Event::CutoverBegun, self.world.now, what) else { return };
        if !fenced && playbook.copies_data() {
            next.receipt.loss = Some("writes may be lost: no fence was asked for".to_owned());
        }
        record(next, decision);
    }

    /// Under the fence: as short as it can be, and never without an end.
    fn cut_over(&self, playbook: &Playbook, stand: Stand, decision: &mut Decision) {
        let world = self.world;
        let limit = self.cutover_limit(playbook);
        if world.now >= limit && !sabotage::is(Bug::CutoverWithoutEnd) {
            self.advance(
                Event::Failed,
                "the cutover was not over in time; what served before takes writes again",
                decision,
            );
            return;
        }
        if !sabotage::is(Bug::CutoverWithoutEnd) {
            decision.wake_at(limit);
        }
        if fence::is_wanted(world, self.migration) && !self.fenced(decision) {
            return;
        }
        let staged = if sabotage::is(Bug::SwitchedBeforeStages) {
            Staged::Over
        } else {
            self.staging().run(Some(Phase::Cutover), decision)
        };
        match staged {
            Staged::Over => {}
            staged @ (Staged::Advances(..) | Staged::Acts | Staged::Waits(_) | Staged::Failed(_)) => {
                return self.staged(staged, decision);
            }
        }
        if stand == Stand::Silent || !is_ready(world, self.target) {
            self.note("every stage before the switch is over; the replacement is not ready", decision);
            return;
        }
        let mut next = self.assignment.clone();
        next.pointer = Some(self.target.key.name.clone());
        next.offer = self.target.offer.clone();
        decision.act(Action::UpdateAssignment(next));
    }

    /// When a cutover has lasted for as long as all that it consists of may.
    fn cutover_limit(&self, playbook: &Playbook) -> Timestamp {
        let stages = playbook.of_phase(Phase::Cutover).map(|stage| stage.timeout);
        let all = stages.fold(FENCE_TIMEOUT, Duration::saturating_add);
        self.migration.receipt.cutover_at.unwrap_or(self.world.now).plus(all)
    }

    /// Whether the source takes no more writes, or the move may go on although it does.
    fn fenced(&self, decision: &mut Decision) -> bool {
        let world = self.world;
        if self.migration.receipt.loss.is_some() || sabotage::is(Bug::SwitchedUnfenced) {
            return true;
        }
        if !fence::set(world, self.source, true, decision) {
            return false;
        }
        if world.live(self.source).is_some_and(|live| fence::is_quiesced(live)) {
            if self.migration.receipt.fenced_at.is_some() {
                return true;
            }
            let mut next = self.migration.clone();
            next.receipt.fenced_at = Some(world.now);
            "what served before takes no more writes".clone_into(&mut next.message);
            record(next, decision);
            return false;
        }
        let deadline = self.migration.receipt.cutover_at.unwrap_or(world.now).plus(FENCE_TIMEOUT);
        let required =
            world.policy.effective_fence() == Fence::Required && !self.migration.controls.allow_loss;
        if self.migration.receipt.fenced_at.is_some() && !self.has_stages_under_the_fence() {
            self.note(
                "the provider says that what served before takes writes again; the switch waits",
                decision,
            );
        } else if self.migration.receipt.fenced_at.is_some() && required {
            // What it took meanwhile is in none of the stages that are over.
            self.advance(
                Event::Failed,
                "what served before took writes again although its fence was up; it goes on taking them",
                decision,
            );
        } else if self.migration.receipt.fenced_at.is_some() {
            let mut next = self.migration.clone();
            next.receipt.loss =
                Some("writes may be lost: some were taken although the fence was up".to_owned());
            "what served before took writes although its fence was up; the move goes on"
                .clone_into(&mut next.message);
            record(next, decision);
        } else if world.now < deadline {
            decision.wake_at(deadline);
            self.note("waits until what serves now takes no more writes (status.quiesced)", decision);
        } else if required {
            self.advance(
                Event::Failed,
                "FenceRequired: the provider did not answer the fence with status.quiesced in time",
                decision,
            );
        } else {
            let mut next = self.migration.clone();
            next.receipt.loss = Some("writes may be lost: the provider answered no fence".to_owned());
            "the provider answered no fence; the move goes on".clone_into(&mut next.message);
            record(next, decision);
        }
        false
    }

    /// Whether a stage under the fence has begun.
    fn has_stages_under_the_fence(&self) -> bool {
        let position = self.migration.position;
        position.in_stage || position.passed > self.migration.route().through(Phase::Initial)
    }

    /// Records what the stages came to.
    pub(super) fn staged(&self, staged: Staged, decision: &mut Decision) {
        match staged {
            Staged::Advances(event, what) => {
                let Ok(mut next) = self.migration.advanced(event, self.world.now, what) else { return };
                let verified = self.migration.stage().filter(|stage| {
                    event == Event::StagePassed
                        && stage.phase == Phase::Verify
                        && !self.migration.position.reverting
                });
                if let Some(stage) = verified {
                    let held = stage.success.iter().map(|condition| condition.text().to_owned());
                    next.receipt.verified.extend(held);
                }
                record(next, decision);
            }
            Staged::Waits(what) => self.note(&what, decision),
            Staged::Failed(why) => self.advance(Event::Failed, &why, decision),
            Staged::Acts | Staged::Over => {}
        }
    }

    /// After the hand-over. True while something is to be done before the old copy may go.
    pub(super) fn verifies(&self, decision: &mut Decision) -> bool {
        if self.migration.position.reverting {
            self.revert(decision);
            return true;
        }
        let may_return = self.migration.receipt.point_of_no_return.is_none() && !self.is_lost(self.source);
        if self.migration.controls.rollback && may_return {
            // Until that is possible, or no longer wanted, the old copy stays.
            self.go_back("a person wants the old copy back", decision);
            return true;
        }
        match self.staging().run(Some(Phase::Verify), decision) {
            Staged::Over => false,
            Staged::Failed(why) => {
                self.go_back(&why, decision);
                true
            }
            staged @ (Staged::Advances(..) | Staged::Acts | Staged::Waits(_)) => {
                self.staged(staged, decision);
                true
            }
        }
    }

    /// After the grace period. True while something is to be done before the old copy may go.
    pub(super) fn finalizes(&self, decision: &mut Decision) -> bool {
        if self.is_held() {
            self.note("the old copy stays while the move is held up", decision);
            return true;
        }
        match self.staging().run(Some(Phase::Finalize), decision) {
            Staged::Over => false,
            staged @ (Staged::Advances(..) | Staged::Acts | Staged::Waits(_) | Staged::Failed(_)) => {
                self.staged(staged, decision);
                true
            }
        }
    }

    /// What failed after the switch and was left to a person.
    pub(super) fn failed_late(&self, decision: &mut Decision) {
        let controls = &self.migration.controls;
        // Of a way back that left out its last stage, that one.
        let last_back = || self.migration.playbook.as_ref().and_then(|playbook| playbook.rollback.last());
        let failed =
            self.migration.stage().or_else(|| last_back().filter(|_| self.migration.position.reverting));
        // What is lost cannot be taken.
        let taken_as_it_is = !self.is_absent(self.target)
            && failed.is_some_and(|stage| controls.approved.contains(&stage.name));
        if taken_as_it_is {
            self.advance(Event::Accepted, "a person takes what failed as it is", decision);
        } else if controls.rollback && (self.loses_nothing() || controls.allow_loss) {
            self.go_back("a person wants the old copy back", decision);
        }
    }

    /// Whether the pointer may go back without anything more.
    fn loses_nothing(&self) -> bool {
        let copies = self.migration.playbook.as_ref().is_some_and(|playbook| playbook.copies_data());
        sabotage::is(Bug::WentBackWithLoss)
            || self.migration.route().reverts() && !self.migration.position.reverting
            || self.world.policy.moves == Moves::Free && !copies
    }

    /// The way back: by the playbook's own stages for it, at once where nothing can be lost, else only with leave.
    fn go_back(&self, why: &str, decision: &mut Decision) {
        if self.migration.route().reverts() && !self.migration.position.reverting {
            self.advance(Event::RevertBegun, &format!("{why}; the way back begins"), decision);
            return;
        }
        if self.is_lost(self.source) {
            let why =
                format!("{why}; the old copy is lost, and the new one goes on serving; a person decides");
            if self.migration.state() != MigrationState::Failed {
                self.advance(Event::Failed, &why, decision);
            }
            return;
        }
        if !self.source_can_serve() {
            self.note(
                &format!("{why}; the old copy is not ready, and the new one goes on serving"),
                decision,
            );
            return;
        }
        if self.loses_nothing() || self.migration.controls.allow_loss {
            let Ok(mut next) = self.migration.advanced(Event::RolledBack, self.world.now, why) else {
                return;
            };
            if !self.loses_nothing() {
                next.receipt.loss = Some("writes may be lost: those that the new copy took".to_owned());
            }
            record(next, decision);
        } else if self.migration.state() == MigrationState::Failed || self.migration.controls.rollback {
            self.note(&format!("{why}; {A_PERSON_DECIDES}: spec.allowLoss"), decision);
        } else {
            self.advance(Event::Failed, &format!("{why}; {A_PERSON_DECIDES}"), decision);
        }
    }
}
