//! Moving an order: replacement first, then the switch, then the old copy's end.
//!
//! The record of the move (a [`Migration`]) and the assignment are written one after the other, never as one: so each
//! step is told from both. With two copies in the assignment, the pointer says on which side of the switch the order
//! is, whatever became of the record.

use std::sync::Arc;

use super::decision::{Action, Decision};
use super::keeping::{Step, created_at, is_ready, keep, keep_in_step, new_copy, tell_platform, with_copy};
use super::leaving::{Stand, playbook, record_of_move, stand_of};
use super::leftovers::{is_the_copy, left_behind};
use super::policy::Failover;
use super::readiness::{Readiness, readiness};
use super::record::{Assignment, CopyRef, Phase};
use super::serving::{Holds, Sight, can_hand_over, serve};
use super::silence::{is_given_up, silent_until};
use super::world::{CopyView, Fit, World};
use crate::migration::{Event, Migration, MigrationState, Origin};
use crate::resource::{ConditionStatus, Object, marker};
use crate::sabotage::{self, Bug};
use crate::time::Timestamp;
use crate::translate::{Told, migration_serial};

/// Why a move failed whose replacement never came.
const NOT_READY: &str = "the replacement was not ready in time";

/// A move that is recorded while the assignment names one copy: it has just begun, or is just over.
pub(super) fn go_on(
    world: &World<'_>,
    order: &Arc<Object>,
    assignment: &Assignment,
    copy: &CopyRef,
    migration: &Migration,
    decision: &mut Decision,
) {
    // A person may have moved the order before by a record of the same name.
    let was_made = migration.serial <= assignment.serial;
    if was_made && copy.migration.as_deref() == Some(migration.name.as_str()) {
        // The old copy left the assignment: all that is missing is to write so.
        let left = assignment.leftovers.iter().any(|left| left.offer == migration.from);
        let what = if left {
            "the old copy is left behind: its provider does not answer; it is removed when it does"
        } else {
            "the old copy is gone"
        };
        // A record may be older than the assignment.
        let in_order = migration.advanced(Event::SourceRemoved, world.now, what).is_ok();
        let event = if in_order { Event::SourceRemoved } else { Event::EndSeen };
        advance(world, migration, event, what, decision);
        return;
    }
    let stand = stand_of(world, assignment, copy, migration);
    if stand == Stand::Silent {
        // Neither begun nor called off on a guess.
        keep(world, order, assignment, copy, decision);
        return;
    }
    let still_wanted = matches!(stand, Stand::MustLeave | Stand::Asked) && !migration.controls.cancel;
    if still_wanted && migration.controls.paused {
        let told = told(ConditionStatus::True, "Migrating", "the move is held up before it begins");
        let sight = if assignment.pointer.is_some() { Sight::Full } else { Sight::Progress };
        serve(world, &assignment.name, order, copy, sight, told, decision);
        if decision.actions.is_empty() {
            tell_platform(world, assignment, Phase::Migrating, decision);
        }
        return;
    }
    match world.chooser.fit(&migration.to) {
        Fit::Fits(placement) if still_wanted && migration.state() == MigrationState::Pending => {
            let mut next = assignment.clone();
            next.serial = migration.serial.max(assignment.serial + 1);
            next.copies.push(new_copy(world, placement, next.serial, Some(migration.name.clone())));
            decision.report.reason = "Migrating";
            decision.report.message = format!("migration: {} replaces {}", migration.to, migration.from);
            decision.act(Action::UpdateAssignment(next));
        }
        Fit::Fits(_) | Fit::Refused(_) | Fit::Unreachable | Fit::Withdrawn => {
            advance(world, migration, Event::Cancelled, "no longer wanted", decision);
            if decision.actions.is_empty() {
                keep(world, order, assignment, copy, decision);
            }
        }
    }
}

/// An order with two copies.
pub(super) fn moving(
    world: &World<'_>,
    order: &Arc<Object>,
    assignment: &Assignment,
    source: &CopyRef,
    target: &CopyRef,
    decision: &mut Decision,
) {
    let name = target.migration.clone().unwrap_or_default();
    let Some(migration) = world.migrations.iter().find(|migration| migration.name == name) else {
        // Somebody deleted the record. The move is half done all the same, and must not be forgotten.
        let mut record = record_of_move(world, name, &source.offer, &target.offer, "the record was missing");
        record.serial = assignment.serial;
        if migration_serial(&assignment.name, &record.name).is_none() {
            // Whoever takes back what was asked for wants the order to stay. Once it was switched it goes on.
            record.origin = Origin::Person;
            record.controls.cancel = !assignment.points_to(target);
        }
        if assignment.pointer.is_some() && !record.controls.cancel {
            let (from, to) = (source.gvk(), target.gvk());
            let ends = ((&from, &source.offer.cluster), (&to, &target.offer.cluster));
            match playbook(world, ends.0, ends.1, false) {
                Ok(playbook) => record.playbook = playbook,
                Err((reason, why)) => {
                    let told = told(
                        ConditionStatus::False,
                        reason,
                        &format!("the record of the move is gone, and {why}; what serves stays"),
                    );
                    let serving = if assignment.points_to(target) { target } else { source };
                    serve(world, &assignment.name, order, serving, Sight::Full, told, decision);
                    return;
                }
            }
        }
        decision.report.reason = "Migrating";
        decision.act(Action::CreateMigration(record));
        return;
    };
    // The move may have begun while what serves was being made again.
    let unknown = world.live(source).filter(|_| source.uid.is_none());
    if let Some(there) = unknown.filter(|it| it.label(marker::ORDER_LABEL) == Some(&assignment.name)) {
        let uid = there.uid().to_owned();
        decision.report.reason = "Migrating";
        decision.act(Action::UpdateAssignment(with_copy(assignment, source, |copy| copy.uid = Some(uid))));
        return;
    }
    let it = Move { world, order, assignment, source, target, migration };
    if assignment.points_to(target) {
        it.after_the_switch(decision);
    } else {
        it.before_the_switch(decision);
    }
    if decision.actions.is_empty() {
        tell_platform(world, assignment, Phase::Migrating, decision);
    }
}

pub(super) struct Move<'w> {
    pub(super) world: &'w World<'w>,
    pub(super) order: &'w Arc<Object>,
    pub(super) assignment: &'w Assignment,
    pub(super) source: &'w CopyRef,
    pub(super) target: &'w CopyRef,
    pub(super) migration: &'w Migration,
}

impl Move<'_> {
    fn before_the_switch(&self, decision: &mut Decision) {
        let told = match self.migration.state() {
            MigrationState::Pending if self.migration.controls.cancel => {
                self.advance(Event::Cancelled, "a person called it off", decision);
                told(ConditionStatus::True, "Migrating", "the move is being called off")
            }
            MigrationState::Pending => {
                self.advance(Event::Provisioned, "the replacement is being made", decision);
                self.make_replacement(decision).1
            }
            MigrationState::InitialInProgress
            | MigrationState::InitialCompleted
            | MigrationState::CutoverInProgress => self.towards_the_switch(decision),
            MigrationState::CutoverCompleted if self.migration.may_be_pointed_back() => {
                self.pointed_back(decision);
                return;
            }
            MigrationState::Failed
            | MigrationState::RolledBack
            | MigrationState::Cancelled
            | MigrationState::CutoverCompleted
            | MigrationState::Completed => {
                if self.is_all_that_is_left() {
                    self.stay_on_the_target(decision);
                    return;
                }
                let told = told(
                    ConditionStatus::True,
                    "Migrating",
                    "a replacement that is not needed is being removed",
                );
                let holds = self.serve_source(told, decision);
                // Whoever holds what the replacement provides holds the old copy's again before the replacement goes.
                let never_switched = self.migration.receipt.cutover_at.is_none();
                // What does not answer may hold nothing of it; what is not there never will.
                let holds =
                    holds == Holds::Everything && (self.source_can_serve() || self.is_absent(self.source));
                if decision.actions.is_empty() && (holds || never_switched) {
                    self.remove(self.target, self.source, decision);
                }
                return;
            }
        };
        self.serve_source(told, decision);
    }

    pub(super) fn serve_source(&self, told: Told, decision: &mut Decision) -> Holds {
        let sight = if self.assignment.pointer.is_some() { Sight::Full } else { Sight::Progress };
        let shown = if sabotage::is(Bug::WrongCopyShown) { self.target } else { self.source };
        serve(self.world, &self.assignment.name, self.order, shown, sight, told, decision)
    }

    /// The replacement is on its way: give up, wait, or switch.
    fn towards_the_switch(&self, decision: &mut Decision) -> Told {
        let world = self.world;
        let stand = stand_of(world, self.assignment, self.source, self.migration);
        if self.migration.controls.cancel {
            self.advance(Event::Cancelled, "a person called it off", decision);
            return told(ConditionStatus::True, "Migrating", "the move is being called off");
        }
        if stand == Stand::MayStay {
            self.advance(Event::Cancelled, "the order fits the offer that serves it again", decision);
            return told(ConditionStatus::True, "Migrating", "the move is being called off");
        }
        if world.fit(self.target).is_over() {
            self.advance(
                Event::Cancelled,
                "the order no longer fits the offer that it was moving to",
                decision,
            );
            return told(ConditionStatus::True, "Migrating", "the move is being called off");
        }
        if matches!(world.copy(self.target), CopyView::Gone) {
            self.advance(Event::Failed, "the provider of the replacement is gone", decision);
            return told(ConditionStatus::True, "Migrating", "the replacement failed");
        }
        let (step, told_now) = self.make_replacement(decision);
        let Some(live) = world.live(self.target) else {
            return self.wait_for_replacement(told_now, decision);
        };
        if !step.in_sync {
            return told_now;
        }
        let unready = readiness(live, world.policy) != Readiness::Ready || live.is_deleting();
        // What a stage fills may not be ready meanwhile: the stage's own time counts.
        let in_stages = self.migration.position.in_stage || self.migration.position.passed > 0;
        if unready && !in_stages && !sabotage::is(Bug::SwitchedToUnready) {
            return self.wait_until_ready(created_at(live), NOT_READY, told_now, decision);
        }
        if let Err(why) = can_hand_over(world, &self.assignment.name, self.target, live) {
            return self.wait_until_ready(created_at(live), &why, told_now, decision);
        }
        if let Some(playbook) = &self.migration.playbook {
            return self.by_playbook(playbook, stand, told_now, decision);
        }
        if stand == Stand::Silent {
            // The replacement is kept; the switch waits until what it replaces answers, or was silent for long enough.
            wake_when_given_up(world, self.source, decision);
            self.note_silence(decision);
            return told_now;
        }
        if !world.policy.migrations_enabled {
            return told(
                ConditionStatus::False,
                "MigrationDisabled",
                "the replacement is ready, but migrations are switched off",
            );
        }
        if self.migration.controls.paused {
            return told_now;
        }
        if sabotage::is(Bug::OldCopyDeletedFirst) && world.live(self.source).is_some() {
            self.remove(self.source, self.target, decision);
        } else if self.migration.state() == MigrationState::CutoverInProgress {
            let mut next = self.assignment.clone();
            next.pointer = Some(self.target.key.name.clone());
            next.offer = self.target.offer.clone();
            decision.act(Action::UpdateAssignment(next));
        } else {
            self.advance(Event::CutoverBegun, "the replacement is ready; switching over", decision);
        }
        told_now
    }

    /// There is nothing to see of the replacement: it was not made yet, or its provider does not answer.
    fn wait_for_replacement(&self, told_now: Told, decision: &mut Decision) -> Told {
        let world = self.world;
        if matches!(world.copy(self.target), CopyView::Unknown) {
            if is_given_up(world, &self.target.key.cluster) {
                self.advance(Event::Failed, "the provider of the replacement does not answer", decision);
                return told_now;
            }
            wake_when_given_up(world, self.target, decision);
        }
        self.wait_until_ready(self.migration.receipt.started_at, NOT_READY, told_now, decision)
    }

    fn wait_until_ready(
        &self,
        since: Option<Timestamp>,
        why: &str,
        told_now: Told,
        decision: &mut Decision,
    ) -> Told {
        let Some(since) = since else { return told_now };
        let deadline = since.plus(self.world.policy.ready_timeout);
        if self.world.now >= deadline {
            self.advance(Event::Failed, why, decision);
        } else {
            decision.wake_at(deadline);
        }
        told_now
    }

    /// Makes the replacement and keeps it in step; what the consumer is told meanwhile.
    fn make_replacement(&self, decision: &mut Decision) -> (Step, Told) {
        let accepted = matches!(self.world.fit(self.target), Fit::Fits(_));
        let mut step = keep_in_step(self.world, self.order, self.assignment, self.target, accepted, decision);
        if let Some(next) = step.record.take() {
            decision.act(Action::UpdateAssignment(next));
        }
        let told_now = told(
            ConditionStatus::True,
            "Migrating",
            "a replacement is being made first; what serves now stays until it is ready",
        );
        (step, told_now)
    }

    fn after_the_switch(&self, decision: &mut Decision) {
        let world = self.world;
        let state = self.migration.state();
        let failed_late = state == MigrationState::Failed && self.migration.position.switched;
        if matches!(state, MigrationState::RolledBack | MigrationState::Failed | MigrationState::Cancelled)
            && !failed_late
        {
            self.point_back(decision);
            return;
        }
        let fit = world.fit(self.target);
        let mut step = keep_in_step(
            world,
            self.order,
            self.assignment,
            self.target,
            matches!(fit, Fit::Fits(_)),
            decision,
        );
        let told_now = match step.obstacle.take() {
            Some(obstacle) => obstacle,
            None if failed_late => told(
                ConditionStatus::True,
                "MoveFailed",
                "the order is served by its new provider, but not all of the move succeeded; the platform decides",
            ),
            None if matches!(fit, Fit::Fits(_)) => told(ConditionStatus::True, "Bound", "served"),
            None => told(
                ConditionStatus::True,
                "Migrating",
                "the order changed again; it moves once more when this move is over",
            ),
        };
        if matches!(world.copy(self.target), CopyView::Unknown) {
            wake_when_given_up(world, self.target, decision);
        }
        if self.falls_back(decision) {
            serve(world, &self.assignment.name, self.order, self.target, Sight::Full, told_now, decision);
            return;
        }
        if let Some(next) = step.record.take() {
            decision.act(Action::UpdateAssignment(next));
            return;
        }
        let holds =
            serve(world, &self.assignment.name, self.order, self.target, Sight::Full, told_now, decision);
        if holds == Holds::NotYet || !decision.actions.is_empty() {
            return;
        }
        match state {
            // The record is older than the assignment.
            MigrationState::Pending
            | MigrationState::InitialInProgress
            | MigrationState::InitialCompleted => {
                self.advance(Event::SwitchSeen, "the replacement is ready; switching over", decision);
            }
            MigrationState::CutoverInProgress if world.live(self.target).is_none() => {
                // What cannot be seen was not handed over, whatever the status says.
                if self.is_lost(self.target) && self.source_can_serve() {
                    self.come_back_from_what_is_lost(decision);
                } else if self.is_given_up(self.source) && self.is_given_up(self.target) {
                    self.leave_behind(self.source, self.target, decision);
                }
            }
            MigrationState::CutoverInProgress => {
                self.advance(
                    Event::HandOverObserved,
                    "switched over; the old copy stays for the grace period",
                    decision,
                );
            }
            MigrationState::CutoverCompleted
                if self.migration.controls.cancel && sabotage::is(Bug::CancelledAfterSwitch) =>
            {
                self.advance(Event::Cancelled, "a person called it off", decision);
            }
            MigrationState::CutoverCompleted | MigrationState::Completed => {
                if !self.verifies(decision) {
                    self.retire_source(step.in_sync, decision);
                }
            }
            MigrationState::Failed if failed_late => self.failed_late(decision),
            MigrationState::Failed | MigrationState::RolledBack | MigrationState::Cancelled => {}
        }
    }

    /// Whether a copy's provider has been silent for so long that the order may leave it for that.
    pub(super) fn is_given_up(&self, copy: &CopyRef) -> bool {
        let unknown = matches!(self.world.copy(copy), CopyView::Unknown);
        let automatic = self.world.policy.effective_failover() == Failover::Automatic;
        unknown && automatic && is_given_up(self.world, &copy.key.cluster)
    }

    /// The grace period, the point of no return, and the old copy's end.
    fn retire_source(&self, in_sync: bool, decision: &mut Decision) {
        let world = self.world;
        if self.migration.receipt.point_of_no_return.is_none() && !sabotage::is(Bug::NoReturnUnrecorded) {
            if self.is_given_up(self.source) && self.is_given_up(self.target) {
                // Neither can be had: the order must be free to go elsewhere.
                self.leave_behind(self.source, self.target, decision);
                return;
            }
            let until =
                self.migration.receipt.switched_at.unwrap_or(world.now).plus(world.policy.grace_period);
            if world.now < until && !sabotage::is(Bug::GraceIgnored) {
                decision.wake_at(until);
                return;
            }
            if !in_sync || !is_ready(world, self.target) || self.finalizes(decision) {
                return;
            }
            let mut record = self.migration.clone();
            record.receipt.point_of_no_return = Some(world.now);
            "the grace period is over; the old copy is being removed".clone_into(&mut record.message);
            decision.act(Action::UpdateMigration(record));
            return;
        }
        self.remove(self.source, self.target, decision);
    }

    /// Deletes one copy; when it is seen to be gone, takes it out of the assignment.
    fn remove(&self, old: &CopyRef, kept: &CopyRef, decision: &mut Decision) {
        match self.world.copy(old) {
            CopyView::Unknown => {
                decision.report.reason = "ProviderUnreachable";
                if is_given_up(self.world, &old.key.cluster) {
                    self.leave_behind(old, kept, decision);
                } else {
                    wake_when_given_up(self.world, old, decision);
                }
            }
            CopyView::Present(there) if is_the_copy(self.assignment, old, there) => {
                if !there.is_deleting() {
                    decision.act(Action::DeleteCopy { copy: old.clone(), uid: there.uid().to_owned() });
                }
            }
            CopyView::Present(_) | CopyView::Absent | CopyView::Gone => {
                let mut next = self.assignment.clone();
                next.copies = vec![kept.clone()];
                next.offer = kept.offer.clone();
                decision.act(Action::UpdateAssignment(next));
            }
        }
    }

    /// A copy that nobody reaches does not hold up the order: it stays named, and goes when its provider answers.
    fn leave_behind(&self, old: &CopyRef, kept: &CopyRef, decision: &mut Decision) {
        if let Some(next) = left_behind(self.assignment, old, kept) {
            decision.act(Action::UpdateAssignment(next));
        }
    }

    pub(super) fn advance(&self, event: Event, message: &str, decision: &mut Decision) {
        advance(self.world, self.migration, event, message, decision);
    }

    /// Says in what a person asked for that it waits for the source, and what would let it go on.
    pub(super) fn note_silence(&self, decision: &mut Decision) {
        if self.migration.origin == Origin::Person {
            self.note(
                "what serves now does not answer; with spec.skipSource the order moves without it",
                decision,
            );
        }
    }

    /// Says in the record what is waited for, where it does not say so yet.
    pub(super) fn note(&self, message: &str, decision: &mut Decision) {
        if self.migration.message != message {
            let mut next = self.migration.clone();
            message.clone_into(&mut next.message);
            record(next, decision);
        }
    }
}

/// Looks again when the silence of a copy's provider will have lasted.
fn wake_when_given_up(world: &World<'_>, copy: &CopyRef, decision: &mut Decision) {
    if let Some(until) = silent_until(world, &copy.key.cluster).filter(|until| *until > world.now) {
        decision.wake_at(until);
    }
}

/// Writes the record of a move.
pub(super) fn record(next: Migration, decision: &mut Decision) {
    decision.report.reason = "Migrating";
    decision.report.message = format!("migration {}: {}", next.name, next.message);
    decision.act(Action::UpdateMigration(next));
}

fn advance(world: &World<'_>, migration: &Migration, event: Event, message: &str, decision: &mut Decision) {
    decision.report.reason = "Migrating";
    decision.report.message = format!("migration {}: {message}", migration.name);
    // An event that is not legal in the recorded state is not written: the record was moved by somebody else, and the
    // next look decides from what it says then.
    if let Ok(next) = migration.advanced(event, world.now, message) {
        decision.act(Action::UpdateMigration(next));
    }
}

pub(super) fn told(status: ConditionStatus, reason: &'static str, message: &str) -> Told {
    Told { status, reason, message: message.to_owned() }
}
