//! The write fence: an annotation on a copy, by a field manager of its own, that asks its provider to take no more
//! writes; the provider answers in `status.quiesced`.
//!
//! A fence is raised on what is being left, from the cutover on, and stays there until that copy is gone: a write that it
//! would take after the switch would be lost with it. It is lifted from whatever serves again, whatever became of the
//! record of the move. While the pointer is back and nobody knows yet whether it stays there, both copies are fenced.

use std::time::Duration;

use super::decision::{Action, Decision};
use super::policy::{Fence, Policy};
use super::record::{Assignment, CopyRef};
use super::world::World;
use crate::migration::{Migration, MigrationState};
use crate::playbook::Phase;
use crate::resource::{Object, marker};
use crate::sabotage::{self, Bug};
use crate::translate::in_own_terms;

/// How long a provider may take to answer a fence: meanwhile it may hold up writes already.
pub(super) const FENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether the fence is asked for on a copy.
pub(super) fn is_raised(live: &Object) -> bool {
    live.annotation(marker::QUIESCE_ANNOTATION) == Some("true")
}

/// Whether the provider says that the copy takes no more writes.
pub(super) fn is_quiesced(live: &Object) -> bool {
    in_own_terms(live).get(&["status", "quiesced"]).and_then(serde_json::Value::as_bool) == Some(true)
}

/// Whether a move is made under a fence.
pub(super) fn is_wanted(world: &World<'_>, migration: &Migration) -> bool {
    is_fenced(world.policy, migration)
}

/// Whether a move holds up writes to what it leaves, from its cutover on.
pub fn is_fenced(policy: &Policy, migration: &Migration) -> bool {
    let Some(playbook) = &migration.playbook else { return false };
    let has_cutover = playbook.of_phase(Phase::Cutover).next().is_some();
    let required = playbook.copies_data() && policy.effective_fence() == Fence::Required;
    // Without a stage under it, a fence comes too late for what was written since the copy.
    !migration.controls.skip_source && (has_cutover || required && !migration.controls.allow_loss)
}

/// Writes the fence of one copy. True when it is as it must be.
pub(super) fn set(world: &World<'_>, copy: &CopyRef, raised: bool, decision: &mut Decision) -> bool {
    let Some(live) = world.live(copy) else { return !raised };
    if is_raised(live) == raised || live.is_deleting() {
        return true;
    }
    decision.act(Action::Fence { copy: copy.clone(), uid: live.uid().to_owned(), raised });
    false
}

/// Lifts every fence that no move holds up, from whatever serves or is about to. Adds no action to a decision that has
/// one about the same copy.
pub(super) fn lift_forgotten(world: &World<'_>, assignment: &Assignment, decision: &mut Decision) {
    for copy in assignment.copies.iter().filter(|_| !sabotage::is(Bug::FenceNeverLifted)) {
        let touched = decision.actions.iter().any(|action| {
            matches!(
                action,
                Action::ApplyCopy { copy: other, .. }
                | Action::CreateCopy { copy: other, .. }
                | Action::DeleteCopy { copy: other, .. }
                | Action::Fence { copy: other, .. } if other.key == copy.key
            )
        });
        if !touched && !may_be_raised(world, assignment, copy) {
            set(world, copy, false, decision);
        }
    }
}

/// Whether a move that has not ended holds up this copy's fence.
fn may_be_raised(world: &World<'_>, assignment: &Assignment, copy: &CopyRef) -> bool {
    let Some((source, target)) = assignment.moving() else { return false };
    let record = target.migration.as_deref();
    let Some(migration) = world.migrations.iter().find(|migration| Some(migration.name.as_str()) == record)
    else {
        // Whether the record is made anew decides; until then nothing changes.
        return true;
    };
    let state = migration.state();
    if copy.key == source.key {
        // Once switched, it takes no more writes until it is gone, or serves again for good.
        let may_be_left = migration.may_be_pointed_back() && !sabotage::is(Bug::OldCopyOpenedEarly);
        state == MigrationState::CutoverInProgress || assignment.points_to(target) || may_be_left
    } else {
        // What the order goes back from takes no more writes either: whoever holds it still would lose them.
        let goes_back = state == MigrationState::CutoverCompleted
            || state == MigrationState::RolledBack && !assignment.points_to(target);
        migration.position.reverting && goes_back
    }
}
