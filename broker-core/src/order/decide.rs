//! The entrance: which part of an order's life it is in.

use std::sync::Arc;

use super::decision::{Action, Decision};
use super::ending::end;
use super::keeping::{keep, place};
use super::leftovers::tidy;
use super::moving::{go_on, moving};
use super::record::{Assignment, CopyRef};
use super::serving::report;
use super::world::World;
use crate::resource::{ConditionStatus, Object, ObjectRef, marker};
use crate::translate::Told;

/// Decides what to do for one order now.
///
/// Total and deterministic. The shell carries the actions out, observes, and asks again; see [`Decision`] for what it
/// may rely on.
pub fn decide(world: &World<'_>) -> Decision {
    let mut decision = Decision::default();
    let Some(order) = &world.order else {
        end(world, None, &mut decision);
        return decision;
    };
    if order.annotation(marker::PAUSED_ANNOTATION) == Some("true") {
        decision.report.reason = "Paused";
        "nothing is changed for this order while it is paused".clone_into(&mut decision.report.message);
        return decision;
    }
    if order.is_deleting() {
        end(world, Some(order), &mut decision);
        return decision;
    }
    match &world.assignment {
        None => unassigned(world, order, &mut decision),
        Some(assignment) => assigned(world, order, assignment, &mut decision),
    }
    decision
}

fn unassigned(world: &World<'_>, order: &Arc<Object>, decision: &mut Decision) {
    // The finalizer is written only once the assignment exists: an order that has the one without the other lost it.
    if order.finalizers().any(|finalizer| finalizer == marker::ORDER_FINALIZER) {
        let told = Told {
            status: ConditionStatus::Unknown,
            reason: "AssignmentLost",
            message: "the record of who serves this order is missing; it is not placed again until the platform recovers it"
                .to_owned(),
        };
        report(world, order, None, None, &told, decision);
        return;
    }
    place(world, order, decision);
}

fn assigned(world: &World<'_>, order: &Arc<Object>, assignment: &Assignment, decision: &mut Decision) {
    if !order.finalizers().any(|finalizer| finalizer == marker::ORDER_FINALIZER) {
        decision.report.reason = "Accepted";
        decision.act(Action::AddFinalizer {
            order: ObjectRef { gvk: world.policy.gvk(), key: world.identity.key.clone() },
            resource_version: order.resource_version().to_owned(),
        });
        return;
    }
    if let Some((source, target)) = assignment.moving() {
        moving(world, order, assignment, source, target, decision);
    } else if let Some(copy) = assignment.copies.first() {
        alone(world, order, assignment, copy, decision);
    } else {
        // A record without a copy was written by nobody we know; treat it as lost rather than place twice.
        decision.report.reason = "AssignmentLost";
        return;
    }
    tidy(world, assignment, decision);
}

fn alone(
    world: &World<'_>,
    order: &Arc<Object>,
    assignment: &Assignment,
    copy: &CopyRef,
    decision: &mut Decision,
) {
    match world.migrations.iter().find(|migration| !migration.state.is_final()) {
        Some(migration) => go_on(world, order, assignment, copy, migration, decision),
        None => keep(world, order, assignment, copy, decision),
    }
}
