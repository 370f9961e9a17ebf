//! Former copies whose clusters did not answer when they were to be removed.

use super::decision::{Action, Decision};
use super::keeping::is_ready;
use super::record::{Assignment, CopyRef};
use super::world::{CopyView, World};
use crate::resource::{Object, marker};

/// Whether an object under a copy's name is that copy, and ours to remove: by its uid, or before that was learnt by our
/// mark. What is marked to outlive its order is nobody's copy any more.
pub(super) fn is_the_copy(assignment: &Assignment, copy: &CopyRef, there: &Object) -> bool {
    if there.annotation(marker::RETAINED_ANNOTATION).is_some() {
        return false;
    }
    match &copy.uid {
        Some(uid) => uid == there.uid(),
        None => there.label(marker::ORDER_LABEL) == Some(assignment.name.as_str()),
    }
}

/// The assignment with a former copy among its leftovers, if there is room for it.
pub(super) fn left_behind(assignment: &Assignment, old: &CopyRef, kept: &CopyRef) -> Option<Assignment> {
    if assignment.leftovers.len() >= Assignment::MAX_LEFTOVERS {
        return None;
    }
    let mut next = assignment.clone();
    next.copies = vec![kept.clone()];
    next.offer = kept.offer.clone();
    next.leftovers.push(old.clone());
    Some(next)
}

/// Removes what was left behind in clusters that answer again, and forgets what is gone.
///
/// Not while the copy that serves is not ready: what is left may be the last that works, for a person to return to.
pub(super) fn tidy(world: &World<'_>, assignment: &Assignment, decision: &mut Decision) {
    // Spec and status are never written at once.
    let is_written = |action: &Action| {
        matches!(action, Action::UpdateAssignment(_) | Action::ApplyAssignmentStatus { .. })
    };
    if assignment.leftovers.is_empty() || decision.actions.iter().any(is_written) {
        return;
    }
    let serving = assignment.serving().filter(|_| assignment.pointer.is_some());
    let may_go = serving.is_none_or(|serving| is_ready(world, serving));
    let mut next = assignment.clone();
    next.leftovers.retain(|copy| match world.copy(copy) {
        CopyView::Unknown => true,
        CopyView::Present(there) if is_the_copy(assignment, copy, there) => {
            if may_go && !there.is_deleting() {
                decision.act(Action::DeleteCopy { copy: copy.clone(), uid: there.uid().to_owned() });
            }
            true
        }
        CopyView::Present(_) | CopyView::Absent | CopyView::Gone => false,
    });
    if next.leftovers.len() != assignment.leftovers.len() {
        decision.act(Action::UpdateAssignment(next));
    }
}
