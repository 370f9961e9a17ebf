//! The way from a new copy to the old one, and where it cannot be gone: what is lost, and what is left.
//!
//! By a playbook's stages for it the pointer goes back first, with a fence on both copies, and the record says so only
//! when the consumer was seen to hold the old copy. Until then each copy has what the other acknowledged, and the move
//! may still go either way. Where nothing is held up for it, the record comes first, and the pointer follows.

use super::decision::{Action, Decision};
use super::fence;
use super::keeping::is_ready;
use super::moving::{Move, record, told};
use super::policy::Moves;
use super::readiness::{Readiness, readiness};
use super::record::CopyRef;
use super::serving::{Holds, Sight, can_hand_over, serve};
use super::staging::Staged;
use super::world::CopyView;
use crate::migration::{Event, MigrationState};
use crate::resource::ConditionStatus;
use crate::sabotage::{self, Bug};
use crate::time::Timestamp;

/// What is said while the way back waits for what it leads to.
const OLD_COPY_AWAITED: &str = "the way back waits until the old copy is ready";
/// What is said when that did not come in time.
const OLD_COPY_MISSED: &str = "the way back failed: the old copy is not ready; a person decides";

impl Move<'_> {
    /// Whether a copy that was there is there no more.
    pub(super) fn is_lost(&self, copy: &CopyRef) -> bool {
        copy.uid.is_some() && self.is_absent(copy)
    }

    /// Whether a copy is known not to be there.
    pub(super) fn is_absent(&self, copy: &CopyRef) -> bool {
        self.world.live(copy).is_none() && !matches!(self.world.copy(copy), CopyView::Unknown)
    }

    /// Whether the replacement served the order and is there, and what it was to go back to is not.
    pub(super) fn is_all_that_is_left(&self) -> bool {
        self.migration.position.switched
            && self.is_lost(self.source)
            && self.world.live(self.target).is_some()
    }

    /// The replacement serves the order again, as soon as it is ready.
    pub(super) fn stay_on_the_target(&self, decision: &mut Decision) {
        if !is_ready(self.world, self.target) {
            let told = told(
                ConditionStatus::True,
                "Migrating",
                "what served the order before is lost; it stays where it was moved to as soon as that is ready",
            );
            self.serve_source(told, decision);
            return;
        }
        // The move was over, and the old copy took writes again.
        if self.copies_data() && self.migration.receipt.loss.is_none() {
            let mut next = self.migration.clone();
            let lost = "writes may be lost: those that the old copy took before it was lost";
            next.receipt.loss = Some(lost.to_owned());
            "what the order went back to is lost; it stays where it was moved to"
                .clone_into(&mut next.message);
            record(next, decision);
            return;
        }
        let mut next = self.assignment.clone();
        next.copies = vec![self.target.clone()];
        next.pointer = Some(self.target.key.name.clone());
        next.offer = self.target.offer.clone();
        decision.act(Action::UpdateAssignment(next));
    }

    /// Whether the old copy is ready, and what it hands over is there.
    pub(super) fn source_can_serve(&self) -> bool {
        let live = self.world.live(self.source).filter(|_| is_ready(self.world, self.source));
        live.is_some_and(|live| can_hand_over(self.world, &self.assignment.name, self.source, live).is_ok())
    }

    /// The new copy is gone, and with it whatever it took: the old one has all that there is.
    pub(super) fn come_back_from_what_is_lost(&self, decision: &mut Decision) {
        let why = "the replacement is lost; back to the old copy";
        if let Ok(mut next) = self.migration.advanced(Event::RolledBack, self.world.now, why) {
            let lost = "writes may be lost: those that the new copy took before it was lost";
            next.receipt.loss.get_or_insert_with(|| lost.to_owned());
            decision.act(Action::UpdateMigration(next));
        }
    }

    /// What was recorded is done: the pointer goes back, as soon as there is something ready to go back to.
    pub(super) fn point_back(&self, decision: &mut Decision) {
        let world = self.world;
        decision.report.reason = "RolledBack";
        if self.is_lost(self.source) {
            // There is nothing to go back to any more.
            let mut next = self.assignment.clone();
            next.copies = vec![self.target.clone()];
            decision.act(Action::UpdateAssignment(next));
        } else if is_ready(world, self.source) {
            self.point_to(self.source, decision);
        } else {
            let told = told(
                ConditionStatus::True,
                "Migrating",
                "the order goes back to what served it before as soon as that is ready again",
            );
            serve(world, &self.assignment.name, self.order, self.target, Sight::Full, told, decision);
        }
    }

    /// Back to the old copy if the new one does not hold and nothing can be lost by it. True if so.
    pub(super) fn falls_back(&self, decision: &mut Decision) -> bool {
        let world = self.world;
        let failing = match world.copy(self.target) {
            CopyView::Absent | CopyView::Gone => self.target.uid.is_some(),
            CopyView::Unknown => self.is_given_up(self.target),
            CopyView::Present(live) => {
                live.is_deleting()
                    || Some(live.uid()) != self.target.uid.as_deref()
                    || readiness(live, world.policy) == Readiness::NotReady
            }
        };
        let may = world.policy.moves == Moves::Free
            && !self.copies_data()
            && self.migration.receipt.point_of_no_return.is_none()
            && matches!(
                self.migration.state(),
                MigrationState::CutoverInProgress | MigrationState::CutoverCompleted
            );
        if failing && may && self.source_can_serve() {
            self.advance(
                Event::RolledBack,
                "the replacement did not stay ready; back to the old copy",
                decision,
            );
            return true;
        }
        false
    }

    /// When the stage that runs must be over; none where none runs.
    fn stage_deadline(&self) -> Option<Timestamp> {
        let since = self.migration.receipt.stage_since.filter(|_| self.migration.position.in_stage);
        self.migration.stage().zip(since).map(|(stage, since)| since.plus(stage.timeout))
    }

    /// Waits while writes are held up, and gives the way back up when its time is over, or where it has none.
    fn wait_within(&self, deadline: Option<Timestamp>, what: &str, why: &str, decision: &mut Decision) {
        match deadline.filter(|deadline| *deadline > self.world.now) {
            Some(deadline) => {
                decision.wake_at(deadline);
                self.note(what, decision);
            }
            None => self.advance(Event::Failed, why, decision),
        }
    }

    /// The stages of the way back, under a fence on the new copy.
    pub(super) fn revert(&self, decision: &mut Decision) {
        if self.is_absent(self.target) || self.is_lost(self.source) {
            let which = if self.is_lost(self.source) { "old" } else { "new" };
            let why = format!("the way back failed: the {which} copy is lost; a person decides");
            self.advance(Event::Failed, &why, decision);
            return;
        }
        if !fence::set(self.world, self.target, true, decision) {
            return;
        }
        let deadline = self.stage_deadline();
        if self.takes_writes(self.target) && !sabotage::is(Bug::WayBackUnfenced) {
            // Within the time of the stage that has begun: nobody's writes are held up for ever. What it took after a
            // stage that is over was not brought back.
            let deadline = deadline.filter(|_| self.migration.position.passed == 0);
            let why =
                "the way back failed: the new copy takes writes although its fence is up; a person decides";
            let what = "the way back waits until the new copy takes no more writes (status.quiesced)";
            self.wait_within(deadline, what, why, decision);
            return;
        }
        match self.staging().run(None, decision) {
            Staged::Over => {
                let why = "the way back failed: a stage of it was left out; a person decides";
                self.advance(Event::Failed, why, decision);
            }
            // The last stage is over when the consumer holds the old copy: until then it has a time.
            Staged::Advances(Event::StagePassed, _) if self.migration.may_be_pointed_back() => {
                let in_time = deadline.is_some_and(|deadline| deadline > self.world.now);
                if !in_time || !self.source_can_serve() {
                    self.wait_within(deadline, OLD_COPY_AWAITED, OLD_COPY_MISSED, decision);
                } else if sabotage::is(Bug::RolledBackFirst) {
                    self.advance(Event::RolledBack, "the way back is over; back to the old copy", decision);
                } else {
                    decision.report.reason = "RolledBack";
                    self.point_to(self.source, decision);
                }
            }
            Staged::Failed(why) => {
                self.advance(
                    Event::Failed,
                    &format!("the way back failed: {why}; a person decides"),
                    decision,
                );
            }
            staged @ (Staged::Advances(..) | Staged::Acts | Staged::Waits(_)) => {
                self.staged(staged, decision);
            }
        }
    }

    /// The pointer is back, and neither copy takes writes: the way is over when the consumer holds the old copy. Where
    /// that does not come in time the order goes forward again, as long as nothing is lost by it.
    pub(super) fn pointed_back(&self, decision: &mut Decision) {
        let world = self.world;
        let late = self.stage_deadline().is_none_or(|deadline| deadline <= world.now);
        let may_stay = self.source_can_serve() && !self.takes_writes(self.target);
        let may_go_on = is_ready(world, self.target) && self.source_took_nothing();
        let cannot_stay = late || self.is_lost(self.source) || self.takes_writes(self.target);
        if !may_stay && cannot_stay && may_go_on {
            self.point_to(self.target, decision);
            return;
        }
        let told = told(ConditionStatus::True, "Migrating", "the order goes back to what served it before");
        let holds = self.serve_source(told, decision);
        if !decision.actions.is_empty() {
            return;
        }
        if may_stay && holds == Holds::Everything {
            self.advance(
                Event::RolledBack,
                "the way back is over; the consumer holds the old copy again",
                decision,
            );
        } else if !late {
            if let Some(deadline) = self.stage_deadline() {
                decision.wake_at(deadline);
            }
        } else if may_go_on {
            self.point_to(self.target, decision);
        } else if world.live(self.source).is_some()
            || self.is_lost(self.source) && self.is_absent(self.target)
        {
            // The new copy cannot be had either: nobody's writes are held up for it.
            self.stay_on_the_source(decision);
        }
    }

    fn point_to(&self, copy: &CopyRef, decision: &mut Decision) {
        let mut next = self.assignment.clone();
        next.pointer = Some(copy.key.name.clone());
        next.offer = copy.offer.clone();
        decision.act(Action::UpdateAssignment(next));
    }

    /// The way back is over although the old copy cannot serve yet: there is nothing else.
    fn stay_on_the_source(&self, decision: &mut Decision) {
        let why = "back to the old copy as it is; the new one cannot be had";
        let Ok(mut next) = self.migration.advanced(Event::RolledBack, self.world.now, why) else { return };
        if self.takes_writes(self.target) {
            let loss = "writes may be lost: the new copy took some although its fence was up";
            next.receipt.loss.get_or_insert_with(|| loss.to_owned());
        }
        decision.act(Action::UpdateMigration(next));
    }

    /// Whether a copy is seen to take writes.
    fn takes_writes(&self, copy: &CopyRef) -> bool {
        self.world.live(copy).is_some_and(|live| !fence::is_quiesced(live))
    }

    /// Whether the old copy acknowledged nothing since the switch, or it is told that this may be lost.
    fn source_took_nothing(&self) -> bool {
        let receipt = &self.migration.receipt;
        let fenced = receipt.fenced_at.is_some() && !self.takes_writes(self.source);
        fenced
            || self.is_lost(self.source)
            || receipt.loss.is_some()
            || self.migration.controls.skip_source
            || !self.copies_data()
    }

    fn copies_data(&self) -> bool {
        self.migration.playbook.as_ref().is_some_and(|playbook| playbook.copies_data())
    }
}
