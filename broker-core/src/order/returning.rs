//! The way from a new copy to the old one, and where it cannot be gone: what is lost, and what is left.

use super::decision::{Action, Decision};
use super::keeping::is_ready;
use super::moving::{Move, told};
use super::policy::Moves;
use super::readiness::{Readiness, readiness};
use super::record::CopyRef;
use super::serving::{Sight, can_hand_over, serve};
use super::world::CopyView;
use crate::migration::{Event, MigrationState};
use crate::resource::ConditionStatus;

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
        let mut next = self.assignment.clone();
        if self.is_lost(self.source) {
            // There is nothing to go back to any more.
            next.copies = vec![self.target.clone()];
        } else if is_ready(world, self.source) {
            next.pointer = Some(self.source.key.name.clone());
            next.offer = self.source.offer.clone();
        } else {
            let told = told(
                ConditionStatus::True,
                "Migrating",
                "the order goes back to what served it before as soon as that is ready again",
            );
            serve(world, &self.assignment.name, self.order, self.target, Sight::Full, told, decision);
            return;
        }
        decision.act(Action::UpdateAssignment(next));
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
        let copies_data = self.migration.playbook.as_ref().is_some_and(|playbook| playbook.copies_data());
        let may = world.policy.moves == Moves::Free
            && !copies_data
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
}
