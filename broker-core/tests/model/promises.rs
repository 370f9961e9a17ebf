//! What is always true: each promise with its words, judged by what is there and what is written, not by how it was decided.

use std::sync::Arc;

use broker_core::migration::{Migration, MigrationState, Origin};
use broker_core::order::{Action, Assignment, CopyRef};
use broker_core::resource::{Object, ObjectKey, marker};

use super::planning::{Plan, cluster_of, uid_of};
use super::setting::Setting;
use super::state::{Copy, Link, State, Stores, Witness, Word};

/// A promise that a step can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Promise {
    PointsToReady,
    OldStaysUntilHeld,
    NoReturnRecorded,
    ServingStays,
    OneCopyServes,
    FinalizerHolds,
    PausedIsLeftAlone,
    StagesFirst,
    FencedSwitch,
    NoWriteLost,
    NoSwitchCalledOff,
    StageWaits,
    BackIsHeld,
}

/// Everything at once, before a step, after it, and what was written meanwhile.
pub(super) struct Judged<'j> {
    pub(super) setting: &'j Setting,
    pub(super) stores: &'j Stores,
    pub(super) before: &'j State,
    /// What was known before it.
    pub(super) witness: &'j Witness,
    pub(super) after: &'j State,
    pub(super) written: &'j [&'j Action],
}

impl Judged<'_> {
    /// Which promises the step breaks, one bit each.
    pub(super) fn broken(&self) -> u32 {
        let mut broken = 0;
        let mut breaks = |promise: Promise, is_broken: bool| {
            if is_broken {
                broken |= 1 << promise as u32;
            }
        };
        breaks(Promise::PausedIsLeftAlone, is_paused(self.stores, self.before) && !self.written.is_empty());
        for action in self.written {
            match *action {
                Action::UpdateAssignment(next) => {
                    if let Some((from, to)) = self.switched(next) {
                        self.switch(&from, &to, &mut breaks);
                    }
                }
                Action::DeleteCopy { copy, .. } if self.order_lives() => self.deletion(copy, &mut breaks),
                Action::UpdateMigration(next) if next.state() == MigrationState::RolledBack => {
                    self.way_back_over(next, &mut breaks);
                }
                Action::CreateHelper { key, .. } if key == "mover" => {
                    breaks(Promise::StageWaits, self.before.word == Word::Nothing);
                }
                Action::RemoveFinalizer { .. } => {
                    let is_left = reachable_copies(self.stores, self.before).next().is_some()
                        || self.before.assignment.is_some()
                        || self.before.mirrored.is_some()
                        || !self.before.helpers.is_empty();
                    breaks(Promise::FinalizerHolds, is_left);
                }
                _ => {}
            }
        }
        let held = self.after.order.is_some_and(|id| {
            self.stores.object(id).finalizers().any(|name| name == marker::ORDER_FINALIZER)
        });
        let copies = reachable_copies(self.stores, self.after).count();
        breaks(
            Promise::FinalizerHolds,
            copies > 0 && !held && (self.after.order.is_some() || self.before.order.is_some()),
        );
        breaks(Promise::OneCopyServes, self.after.order.is_some() && has_stray(self.stores, self.after));
        broken
    }

    fn order_lives(&self) -> bool {
        self.before.order.is_some_and(|id| !self.stores.object(id).is_deleting())
    }

    fn assignment(&self) -> Option<Arc<Assignment>> {
        self.before.assignment.map(|id| self.stores.assignment(id))
    }

    /// From which copy to which the pointer moves; a copy that is made again under another name takes it along.
    fn switched(&self, next: &Assignment) -> Option<(CopyRef, CopyRef)> {
        let before = self.assignment()?;
        let from = before.pointer.as_ref()?;
        let to = next.pointer.as_ref().filter(|to| *to != from)?;
        let copy = |name: &String| before.copies.iter().find(|copy| copy.key.name == *name).cloned();
        Some((copy(from)?, copy(to)?))
    }

    fn there(&self, key: &ObjectKey) -> Option<&Copy> {
        self.before.copies.iter().find(|copy| *self.stores.key(copy.key) == *key)
    }

    fn record_of(&self, assignment: &Assignment) -> Option<Arc<Migration>> {
        let name = assignment.moving()?.1.migration.clone()?;
        self.before.migrations.iter().map(|id| self.stores.migration(*id)).find(|record| record.name == name)
    }

    fn switch(&self, from: &CopyRef, to: &CopyRef, breaks: &mut impl FnMut(Promise, bool)) {
        let (witness, there) = (self.witness, self.there(&to.key));
        breaks(Promise::PointsToReady, there.is_none_or(|copy| !copy.ready || copy.deleting));
        let Some(record) = self.assignment().and_then(|assignment| self.record_of(&assignment)) else {
            return;
        };
        let staged = self.setting.playbook.is_some();
        let loss = record.receipt.loss.is_some() || record.controls.skip_source;
        let forward =
            self.assignment().is_some_and(|it| it.moving().is_some_and(|(source, _)| source == from));
        if forward {
            breaks(Promise::StagesFirst, staged && !loss && witness.done & 0b11 != 0b11);
            let quiesced = self.there(&from.key).is_none_or(|copy| copy.quiesced);
            breaks(Promise::FencedSwitch, staged && !loss && !quiesced);
            breaks(Promise::NoWriteLost, staged && !loss && !witness.caught_up);
        } else {
            breaks(Promise::NoWriteLost, staged && !loss && !witness.brought_back);
            breaks(Promise::NoSwitchCalledOff, record.state() == MigrationState::Cancelled);
        }
    }

    /// A way back by stages for it is over: from then on nothing leads to the new copy any more.
    fn way_back_over(&self, next: &Migration, breaks: &mut impl FnMut(Promise, bool)) {
        let Some(assignment) = self.assignment() else { return };
        let Some((source, target)) = assignment.moving() else { return };
        if !next.position.reverting || next.receipt.loss.is_some() {
            return;
        }
        let witness = self.witness;
        let is_held = assignment.points_to(source) && witness.holds;
        let can_be_had = self.there(&target.key).is_some_and(|copy| {
            copy.ready && !copy.deleting && self.before.links[cluster_of(&target.key)] == Link::Answers
        });
        breaks(Promise::BackIsHeld, !is_held && can_be_had);
        breaks(Promise::NoWriteLost, !witness.brought_back);
    }

    fn deletion(&self, copy: &CopyRef, breaks: &mut impl FnMut(Promise, bool)) {
        let Some(assignment) = self.assignment() else { return };
        let witness = self.witness;
        if assignment.points_to(copy) {
            breaks(Promise::ServingStays, true);
        } else if let Some((source, target)) = assignment.moving() {
            if source.key == copy.key && assignment.points_to(target) {
                breaks(Promise::OldStaysUntilHeld, !witness.holds || witness.held == 0);
                let recorded =
                    self.record_of(&assignment).is_some_and(|it| it.receipt.point_of_no_return.is_some());
                breaks(Promise::NoReturnRecorded, !recorded);
            } else {
                let mirrored = self.before.mirrored.map(|id| self.stores.object(id));
                let of_it = mirrored.is_some_and(|object| is_of(&object, &["data", "of"], &copy.key));
                breaks(Promise::OldStaysUntilHeld, of_it);
            }
        }
    }
}

fn is_of(object: &Object, at: &[&str], key: &ObjectKey) -> bool {
    object.text(at) == Some(uid_of(key).as_str())
}

pub(super) fn is_paused(stores: &Stores, state: &State) -> bool {
    state.order.is_some_and(|id| stores.object(id).annotation(marker::PAUSED_ANNOTATION) == Some("true"))
}

fn reachable_copies<'s>(stores: &'s Stores, state: &'s State) -> impl Iterator<Item = &'s Copy> {
    state.copies.iter().filter(|copy| state.links[cluster_of(&stores.key(copy.key))] != Link::Gone)
}

/// Whether a copy is there that the assignment does not name.
fn has_stray(stores: &Stores, state: &State) -> bool {
    let named: Vec<ObjectKey> = state
        .assignment
        .iter()
        .flat_map(|id| stores.assignment(*id).named().map(|copy| copy.key.clone()).collect::<Vec<_>>())
        .collect();
    state.copies.iter().any(|copy| !copy.deleting && !named.contains(&stores.key(copy.key)))
}

/// What is seen of a state by those who judge: whether the consumer holds all of what serves, and who took writes.
pub(super) fn witnessed(stores: &Stores, before: &State, after: &State, witness: &mut Witness) {
    let assignment = after.assignment.map(|id| stores.assignment(id));
    let pointer = assignment.as_ref().and_then(|it| it.serving().filter(|_| it.pointer.is_some()).cloned());
    let holds = pointer.as_ref().is_some_and(|copy| {
        let status = after.order.is_some_and(|id| is_of(&stores.object(id), &["status", "of"], &copy.key));
        let objects = after.mirrored.is_some_and(|id| is_of(&stores.object(id), &["data", "of"], &copy.key));
        status && objects
    });
    // A copy that is made again takes over from the one before: only a switch begins anew.
    let switched = before.assignment.map(|id| stores.assignment(id)).is_some_and(|before| {
        let to = pointer.as_ref().map(|copy| &copy.key);
        before.pointer.as_ref() != to.map(|key| &key.name)
            && before.copies.iter().any(|copy| Some(&copy.key) == to)
    });
    if switched {
        witness.held = 0;
    }
    witness.holds = holds;
    let Some((source, target)) = assignment.as_ref().and_then(|it| it.moving()) else { return };
    let takes_writes =
        |end: &CopyRef| after.copies.iter().any(|copy| *stores.key(copy.key) == end.key && !copy.quiesced);
    witness.caught_up &= !takes_writes(source);
    witness.brought_back &= !takes_writes(target);
}

/// Whether writes are held up for the consumer, and nothing would ever end it.
pub(super) fn fence_stays(stores: &Stores, state: &State, plan: &Plan) -> bool {
    let Some(assignment) = state.assignment.map(|id| stores.assignment(id)) else { return false };
    let Some(serving) = assignment.serving() else { return false };
    let fenced = state.copies.iter().any(|copy| {
        let key = stores.key(copy.key);
        *key == serving.key && copy.fenced && !copy.deleting && state.links[cluster_of(&key)] == Link::Answers
    });
    let lives = state.order.is_some_and(|id| !stores.object(id).is_deleting());
    fenced && lives && plan.actions.is_empty() && !plan.wakes && !is_paused(stores, state)
}

/// Whether helpers of a move that is over are there, and nobody removes them.
pub(super) fn helper_stays(stores: &Stores, state: &State, plan: &Plan) -> bool {
    let runs = |name: &str| {
        state
            .migrations
            .iter()
            .map(|id| stores.migration(*id))
            .any(|it| it.name == name && !it.state().is_final())
    };
    let left = |(id, going): &(_, bool)| !going && !runs(&stores.helpers(*id).migration);
    state.helpers.iter().any(left) && plan.actions.is_empty() && !is_paused(stores, state)
}

/// Whether all is well and over: the order is served by one copy and no move is open, or it is gone with all it had.
pub(super) fn is_over(stores: &Stores, state: &State, plan: &Plan) -> bool {
    if !plan.actions.is_empty() || !state.helpers.is_empty() {
        return false;
    }
    let Some(order) = state.order.map(|id| stores.object(id)) else {
        // What a person made is the person's to delete.
        let left = |record: Arc<Migration>| record.origin != Origin::Person || !record.state().is_final();
        return state.assignment.is_none()
            && !state.migrations.iter().map(|id| stores.migration(*id)).any(left)
            && state.mirrored.is_none()
            && reachable_copies(stores, state).next().is_none();
    };
    let open = |record: Arc<Migration>| {
        !record.state().is_final() || super::event::is_failed_late(&record) && is_moving(stores, state)
    };
    let settled =
        !is_moving(stores, state) && !state.migrations.iter().map(|id| stores.migration(*id)).any(open);
    let left = state.assignment.is_some_and(|id| !stores.assignment(id).leftovers.is_empty());
    let fenced = state.copies.iter().any(|copy| copy.fenced);
    settled && !left && !fenced && !order.is_deleting() && !is_paused(stores, state)
}

fn is_moving(stores: &Stores, state: &State) -> bool {
    state.assignment.is_some_and(|id| stores.assignment(id).moving().is_some())
}
