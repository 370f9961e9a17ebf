//! The entrance: which part of an order's life it is in.

use std::sync::Arc;

use super::asked::{answer, answer_all};
use super::decision::{Action, Decision};
use super::ending::end;
use super::fence::lift_forgotten;
use super::keeping::{keep, place, tell_platform};
use super::leftovers::tidy;
use super::lost::{Loss, holds_our_finalizer, loss};
use super::moving::{go_on, moving};
use super::record::{Assignment, CopyRef};
use super::serving::report;
use super::staging::tidy_helpers;
use super::world::World;
use crate::migration::Answer;
use crate::resource::{ConditionStatus, Object, ObjectRef, marker};
use crate::sabotage::{self, Bug};
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
    match (&world.assignment, loss(world)) {
        (None, None) => place(world, order, &mut decision),
        (None, Some(loss)) => lost(world, order, loss, &mut decision),
        (Some(assignment), loss) => assigned(world, order, assignment, loss, &mut decision),
    }
    decision
}

/// An order of which nobody can tell who serves it: what it has stays, and nothing is made until a person had its record
/// set right.
fn lost(world: &World<'_>, order: &Arc<Object>, loss: Loss, decision: &mut Decision) {
    let told = Told {
        status: ConditionStatus::Unknown,
        reason: "AssignmentLost",
        message: loss.message().to_owned(),
    };
    report(world, order, None, None, &told, decision);
    if let (true, Some(assignment)) = (decision.actions.is_empty(), &world.assignment) {
        tell_platform(world, assignment, assignment.status.phase.unwrap_or_default(), decision);
    }
}

fn assigned(
    world: &World<'_>,
    order: &Arc<Object>,
    assignment: &Assignment,
    loss: Option<Loss>,
    decision: &mut Decision,
) {
    let later =
        sabotage::is(Bug::FinalizerAfterCopy) && assignment.copies.iter().any(|copy| copy.uid.is_none());
    if !later && !holds_our_finalizer(order) {
        decision.report.reason = "Accepted";
        decision.act(Action::AddFinalizer {
            order: ObjectRef { gvk: world.policy.gvk(), key: world.identity.key.clone() },
            resource_version: order.resource_version().to_owned(),
        });
        return;
    }
    if let Some(loss) = loss {
        lost(world, order, loss, decision);
        answer_all(world, &Answer::waits("AssignmentLost", loss.message()), decision);
        return;
    }
    if let Some((source, target)) = assignment.moving() {
        moving(world, order, assignment, source, target, decision);
    } else if let Some(copy) = assignment.copies.first() {
        alone(world, order, assignment, copy, decision);
    }
    tidy(world, assignment, decision);
    // Nobody waits for anything else to be over before it may write again.
    lift_forgotten(world, assignment, decision);
    tidy_helpers(world, decision);
    answer(world, assignment, decision);
}

fn alone(
    world: &World<'_>,
    order: &Arc<Object>,
    assignment: &Assignment,
    copy: &CopyRef,
    decision: &mut Decision,
) {
    match world.migrations.iter().find(|migration| !migration.state().is_final()) {
        Some(migration) => go_on(world, order, assignment, copy, migration, decision),
        None => keep(world, order, assignment, copy, decision),
    }
}
