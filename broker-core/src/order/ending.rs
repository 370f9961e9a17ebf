//! The end of an order, at whatever moment it comes.
//!
//! Copies and mirrored objects first, the records afterwards, the finalizer last: a crash anywhere leaves a record of
//! what is still to be removed. Copies that no record names any more, but that are this order's by their names, go as
//! well: whoever deletes an order means all of it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::decision::{Action, Decision};
use super::leftovers::is_the_copy;
use super::lost::{holds_our_finalizer, is_taken_over, unnamed_copies, was_restored};
use super::record::{Assignment, CopyRef};
use super::staging::{Remains, remains, removal};
use super::world::{CopyView, World};
use crate::migration::{Event, Origin};
use crate::offer::OfferId;
use crate::resource::{Object, ObjectRef, marker};
use crate::sabotage::{self, Bug};
use crate::translate::{OWN_STATUS, assignment_name};

/// Removes what exists for the order; `order` is `None` when it is gone already.
pub(super) fn end(world: &World<'_>, order: Option<&Arc<Object>>, decision: &mut Decision) {
    decision.report.reason = "Terminating";
    "the order is being deleted".clone_into(&mut decision.report.message);
    if was_restored(world) {
        decision.report.reason = "AssignmentLost";
        "the order has another uid than its record, as after a restore; nothing is removed until the platform recovers it"
            .clone_into(&mut decision.report.message);
        return;
    }
    let copies =
        world.assignment.as_ref().map(|assignment| remove_copies(world, order, assignment, decision));
    let others = [
        remove_unnamed(world, order, decision),
        remove_mirrored(world, decision),
        remove_all_helpers(world, decision),
    ];
    let is_left = copies == Some(Left::Something) || others.contains(&Left::Something);
    if is_left && !sabotage::is(Bug::FinalizerReleasedEarly) {
        return;
    }
    for migration in &world.migrations {
        match migration.origin {
            Origin::Broker => {
                let (name, uid) = (migration.name.clone(), migration.uid.clone());
                decision.act(Action::DeleteMigration { name, uid });
            }
            // What a person made is the person's to delete.
            Origin::Person => {
                if let Ok(next) = migration.advanced(Event::OrderGone, world.now, "the order was deleted") {
                    decision.act(Action::UpdateMigration(next));
                }
            }
        }
    }
    if !decision.actions.is_empty() {
        return;
    }
    if let Some(assignment) = &world.assignment {
        decision.act(Action::DeleteAssignment { name: assignment.name.clone(), uid: assignment.uid.clone() });
        return;
    }
    if let Some(order) = order
        && holds_our_finalizer(order)
    {
        decision.act(Action::RemoveFinalizer {
            order: ObjectRef { gvk: world.policy.gvk(), key: world.identity.key.clone() },
            resource_version: order.resource_version().to_owned(),
        });
    }
}

/// The copy as it stays behind: as it is, marked so that it is neither taken for an order nor for an orphan.
fn released(world: &World<'_>, order: &Object, assignment: &str, copy: &CopyRef, there: &Object) -> Object {
    let mut object = world.desired_copy(order, assignment, copy).unwrap_or_else(|_| as_it_is(there, copy));
    object.set(&["metadata", "annotations", marker::RETAINED_ANNOTATION], "true".into());
    object.set(&["metadata", "uid"], there.uid().into());
    object
}

/// What a copy says, by a name of its own: where nobody can tell any more what it ought to say.
fn as_it_is(there: &Object, copy: &CopyRef) -> Object {
    let mut object = Object::named(&copy.gvk(), &copy.key.namespace, &copy.key.name);
    for (field, value) in there.fields() {
        if !matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status" | OWN_STATUS) {
            object.fields_mut().insert(field.clone(), value.clone());
        }
    }
    for field in ["labels", "annotations"] {
        if let Some(Value::Object(texts)) = there.get(&["metadata", field]) {
            let kept = texts.iter().filter(|(key, _)| !key.contains("kcp.io/"));
            let kept: Map<String, Value> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
            object.set(&["metadata", field], kept.into());
        }
    }
    object
}

#[derive(PartialEq, Eq)]
enum Left {
    Nothing,
    Something,
}

fn remove_copies(
    world: &World<'_>,
    order: Option<&Arc<Object>>,
    assignment: &Assignment,
    decision: &mut Decision,
) -> Left {
    let is_retained = is_retained(order);
    let mut left = Left::Nothing;
    for copy in assignment.named().filter(|copy| !is_taken_over(world, &copy.key)) {
        // What is retained is what was provided last; leftovers are of no use to anybody.
        let retained = is_retained && assignment.copies.contains(copy);
        match world.copy(copy) {
            CopyView::Present(there) if retained => {
                if there.annotation(marker::RETAINED_ANNOTATION).is_none()
                    && let (Some(order), Some(uid)) = (order, &copy.uid)
                    && uid == there.uid()
                {
                    left = Left::Something;
                    decision.act(Action::ApplyCopy {
                        copy: copy.clone(),
                        object: released(world, order, &assignment.name, copy, there),
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
    left
}

fn remove_mirrored(world: &World<'_>, decision: &mut Decision) -> Left {
    // The order that has the copy now has what it hands over as well, and marks it as its own.
    let taken_over =
        world.assignment.iter().flat_map(Assignment::named).any(|copy| is_taken_over(world, &copy.key));
    let mut left = Left::Nothing;
    for object in &world.mirrored {
        left = Left::Something;
        if !taken_over && !object.is_deleting() {
            let target = ObjectRef { gvk: object.gvk(), key: object.key_in(&world.identity.key.cluster) };
            decision.act(Action::DeleteRelated { target, uid: object.uid().to_owned(), guard: None });
        }
    }
    left
}

/// Helpers hold credentials: none outlives the order.
fn remove_all_helpers(world: &World<'_>, decision: &mut Decision) -> Left {
    let mut left = Left::Nothing;
    for migration in world.helpers.keys() {
        match remains(world, migration) {
            Remains::Nothing => continue,
            Remains::Going => {}
            Remains::There(namespace) => decision.act(removal(migration, namespace)),
        }
        left = Left::Something;
    }
    left
}

/// What no assignment names any more and is a copy of this order all the same.
fn remove_unnamed(world: &World<'_>, order: Option<&Arc<Object>>, decision: &mut Decision) -> Left {
    let mut left = Left::Nothing;
    for (key, there, _) in unnamed_copies(world) {
        left = Left::Something;
        let (gvr, kind) = world.traces.kind_of(key, world.policy);
        let copy = CopyRef {
            offer: OfferId::from(key.clone()),
            gvr,
            kind,
            key: key.clone(),
            uid: Some(there.uid().to_owned()),
            migration: None,
        };
        match order {
            Some(order) if is_retained(Some(order)) => {
                let object = released(world, order, &assignment_name(&world.identity), &copy, there);
                decision.act(Action::ApplyCopy { copy, object });
            }
            Some(_) | None if there.is_deleting() => {}
            Some(_) | None => decision.act(Action::DeleteCopy { copy, uid: there.uid().to_owned() }),
        }
    }
    left
}

fn is_retained(order: Option<&Arc<Object>>) -> bool {
    order.is_some_and(|order| order.annotation(marker::DELETION_POLICY_ANNOTATION) == Some("Retain"))
}
