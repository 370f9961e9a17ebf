//! The end of an order, at whatever moment it comes.
//!
//! Copies and mirrored objects first, the records afterwards, the finalizer last: a crash anywhere leaves a record of
//! what is still to be removed.

use std::sync::Arc;

use super::decision::{Action, Decision};
use super::leftovers::is_the_copy;
use super::record::{Assignment, CopyRef};
use super::world::{CopyView, World};
use crate::resource::{Object, ObjectRef, marker};
use crate::translate::desired_copy;

/// Removes what exists for the order; `order` is `None` when it is gone already.
pub(super) fn end(world: &World<'_>, order: Option<&Arc<Object>>, decision: &mut Decision) {
    decision.report.reason = "Terminating";
    "the order is being deleted".clone_into(&mut decision.report.message);
    if let Some(assignment) = &world.assignment
        && remove_objects(world, order, assignment, decision) == Left::Something
    {
        return;
    }
    for migration in &world.migrations {
        decision.act(Action::DeleteMigration { name: migration.name.clone(), uid: migration.uid.clone() });
    }
    if !decision.actions.is_empty() {
        return;
    }
    if let Some(assignment) = &world.assignment {
        decision.act(Action::DeleteAssignment { name: assignment.name.clone(), uid: assignment.uid.clone() });
        return;
    }
    if let Some(order) = order
        && order.finalizers().any(|finalizer| finalizer == marker::ORDER_FINALIZER)
    {
        decision.act(Action::RemoveFinalizer {
            order: ObjectRef { gvk: world.policy.gvk(), key: world.identity.key.clone() },
            resource_version: order.resource_version().to_owned(),
        });
    }
}

/// The copy as it stays behind: as it is, marked so that it is neither taken for an order nor for an orphan.
fn released(
    world: &World<'_>,
    order: &Object,
    assignment: &Assignment,
    copy: &CopyRef,
    there: &Object,
) -> Object {
    let mut object = desired_copy(order, &assignment.name, copy, world.policy);
    object.set(&["metadata", "annotations", marker::RETAINED_ANNOTATION], "true".into());
    object.set(&["metadata", "uid"], there.uid().into());
    object
}

#[derive(PartialEq, Eq)]
enum Left {
    Nothing,
    Something,
}

fn remove_objects(
    world: &World<'_>,
    order: Option<&Arc<Object>>,
    assignment: &Assignment,
    decision: &mut Decision,
) -> Left {
    let retained =
        order.is_some_and(|order| order.annotation(marker::DELETION_POLICY_ANNOTATION) == Some("Retain"));
    let mut left = Left::Nothing;
    for copy in assignment.named() {
        // What is retained is what was provided last; leftovers are of no use to anybody.
        let retained = retained && assignment.copies.contains(copy);
        match world.copy(copy) {
            CopyView::Present(there) if retained => {
                if there.annotation(marker::RETAINED_ANNOTATION).is_none()
                    && let (Some(order), Some(uid)) = (order, &copy.uid)
                    && uid == there.uid()
                {
                    left = Left::Something;
                    decision.act(Action::ApplyCopy {
                        copy: copy.clone(),
                        object: released(world, order, assignment, copy, there),
                    });
                }
            }
            CopyView::Unknown => {
                left = Left::Something;
                decision.report.reason = "ProviderUnreachable";
            }
            CopyView::Present(there) if is_the_copy(assignment, copy, there) => {
                left = Left::Something;
                if !there.is_deleting() {
                    decision.act(Action::DeleteCopy { copy: copy.clone(), uid: there.uid().to_owned() });
                }
            }
            // Gone with its cluster, or never ours.
            CopyView::Present(_) | CopyView::Absent | CopyView::Gone => {}
        }
    }
    for object in &world.mirrored {
        left = Left::Something;
        if !object.is_deleting() {
            let target = ObjectRef { gvk: object.gvk(), key: object.key_in(&world.identity.key.cluster) };
            decision.act(Action::DeleteRelated { target, uid: object.uid().to_owned() });
        }
    }
    left
}
