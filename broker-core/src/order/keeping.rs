//! Placing an order, and keeping it where it is: one copy, made, kept in step, replaced when it must be.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decision::{Action, Decision};
use super::leaving::{Leaving, leave};
use super::policy::Moves;
use super::readiness::{Readiness, readiness};
use super::record::{Assignment, AssignmentStatus, CopyRef, Phase};
use super::serving::{Sight, needs_write, report, serve};
use super::setback::forgettable;
use super::silence::does_not_answer;
use super::world::{Blocked, CopyView, Fit, Placement, World};
use crate::resource::{ConditionStatus, Object, marker};
use crate::sabotage::{self, Bug};
use crate::time::Timestamp;
use crate::translate::{Told, Untranslated, assignment_name, copy_name};

/// An order that was never placed: record the choice, or say why there is none.
pub(super) fn place(world: &World<'_>, order: &Arc<Object>, decision: &mut Decision) {
    let Some(placement) = world.chooser.best(&BTreeSet::new()) else {
        let told = Told {
            status: ConditionStatus::False,
            reason: "NoMatchingOffer",
            message: world.chooser.refusal(),
        };
        report(world, order, None, None, &told, decision);
        return;
    };
    let name = assignment_name(&world.identity);
    // Moves of an earlier record may have been kept, and must not be taken for this one's.
    let moved = world.migrations.iter().map(|migration| migration.serial).max();
    let serial = moved.unwrap_or_default() + 1;
    decision.report.reason = "Routed";
    decision.report.message = format!("provider selection: {} serves the order", placement.offer);
    decision.act(Action::CreateAssignment(Assignment {
        name,
        uid: String::new(),
        resource_version: String::new(),
        order: world.identity.clone(),
        offer: placement.offer.clone(),
        copies: vec![new_copy(world, placement, serial, None)],
        pointer: None,
        leftovers: Vec::new(),
        serial,
        created_at: None,
        status: AssignmentStatus::default(),
    }));
}

pub(super) fn new_copy(
    world: &World<'_>,
    placement: Placement,
    serial: u32,
    migration: Option<String>,
) -> CopyRef {
    let name = copy_name(&world.identity, serial);
    CopyRef {
        key: crate::resource::ObjectKey::new(placement.offer.cluster.clone(), placement.namespace, name),
        offer: placement.offer,
        gvr: placement.gvr,
        kind: placement.kind,
        uid: None,
        migration,
    }
}

/// An order that is served by one copy.
pub(super) fn keep(
    world: &World<'_>,
    order: &Arc<Object>,
    assignment: &Assignment,
    copy: &CopyRef,
    decision: &mut Decision,
) {
    let fit = world.fit(copy);
    let accepted = matches!(fit, Fit::Fits(_));
    let step = keep_in_step(world, order, assignment, copy, accepted, decision);
    let mut next = step.record;
    if assignment.pointer.is_none() && accepted && next.is_none() && step.in_sync && is_ready(world, copy) {
        let mut pointed = assignment.clone();
        pointed.pointer = Some(copy.key.name.clone());
        next = Some(pointed);
    }
    let in_the_way = step.obstacle.is_some();
    // Of a provider that does not answer more is known below than that.
    let obstacle = step.obstacle.filter(|_| !matches!(world.copy(copy), CopyView::Unknown));
    let told = match leave(world, assignment, copy, &fit, next.is_some(), decision) {
        Leaving::Begins(told) => told,
        Leaving::Waits(told) | Leaving::Stays(told) => obstacle.unwrap_or(told),
        Leaving::Signs(offer) => {
            let mut signed = next.unwrap_or_else(|| assignment.clone());
            for slot in signed.copies.iter_mut().filter(|slot| slot.key == copy.key) {
                slot.offer = offer.clone();
            }
            decision.report.reason = "Routed";
            decision.report.message =
                format!("provider selection: {offer} of the same provider takes the order");
            signed.offer = offer;
            decision.act(Action::UpdateAssignment(signed));
            return;
        }
    };
    let sight = if assignment.pointer.is_some() { Sight::Full } else { Sight::Progress };
    if let Some(next) = next {
        decision.act(Action::UpdateAssignment(next));
    }
    let is_about_to_serve = sight == Sight::Progress && accepted && !in_the_way && is_ready(world, copy);
    if is_about_to_serve && !decision.actions.is_empty() {
        // Whoever waits for readiness expects what it stands for: the status that says so comes with the objects.
        decision.report.reason = told.reason;
        decision.report.message = told.message;
        return;
    }
    serve(world, &assignment.name, order, copy, sight, told, decision);
    if decision.actions.is_empty() {
        let phase = if assignment.pointer.is_some() { Phase::Bound } else { Phase::Pending };
        tell_platform(world, assignment, phase, decision);
        forget_old_migrations(world, decision);
    }
}

/// What became of keeping one copy in step with the order.
pub(super) struct Step {
    /// The assignment as it must be written, where that is needed.
    pub(super) record: Option<Assignment>,
    /// Whether the copy is there and is what it must be.
    pub(super) in_sync: bool,
    /// What stands in the way.
    pub(super) obstacle: Option<Told>,
}

/// Makes the copy, learns its uid, keeps its spec. A copy whose offer no longer accepts the order is left as it was.
pub(super) fn keep_in_step(
    world: &World<'_>,
    order: &Object,
    assignment: &Assignment,
    copy: &CopyRef,
    accepted: bool,
    decision: &mut Decision,
) -> Step {
    let mut step = Step { record: None, in_sync: false, obstacle: None };
    let obstacle = |status, reason, message: &str| Some(Told { status, reason, message: message.to_owned() });
    match (world.copy(copy), &copy.uid) {
        (CopyView::Unknown, _) => step.obstacle = Some(does_not_answer()),
        (CopyView::Gone, _) => {}
        (CopyView::Absent, None) => {
            if let Some(Blocked::Refused(why)) = world.blocked.get(&copy.object_ref()) {
                step.obstacle = obstacle(
                    ConditionStatus::False,
                    "CopyRefused",
                    &format!("the provider's cluster refuses the order ({why})"),
                );
            } else if accepted {
                let copy = if sabotage::is(Bug::NamedAnewAtEveryTry) {
                    &named_anew(world, assignment, copy, &mut step)
                } else {
                    copy
                };
                match world.desired_copy(order, &assignment.name, copy) {
                    Ok(object) => decision.act(Action::CreateCopy { copy: copy.clone(), object }),
                    Err(why) => step.obstacle = Some(untranslated(&why)),
                }
            }
        }
        (CopyView::Absent, Some(_)) => copy_is_lost(world, assignment, copy, &mut step),
        (CopyView::Present(there), None) => {
            if there.label(marker::ORDER_LABEL) == Some(assignment.name.as_str()) {
                step.record =
                    Some(with_copy(assignment, copy, |copy| copy.uid = Some(there.uid().to_owned())));
            } else {
                step.obstacle = obstacle(
                    ConditionStatus::False,
                    "CopyRefused",
                    "an object of another owner has the copy's name",
                );
            }
        }
        (CopyView::Present(there), Some(uid)) if there.uid() != uid => {
            copy_is_lost(world, assignment, copy, &mut step);
        }
        (CopyView::Present(there), Some(_)) if there.is_deleting() => {
            step.obstacle = obstacle(
                ConditionStatus::False,
                "CopyLost",
                "what was provided is being deleted by somebody else",
            );
        }
        (CopyView::Present(there), Some(uid)) => {
            if !accepted {
                // It keeps serving the last spec that its offer accepted.
                step.in_sync = true;
                return step;
            }
            let mut wanted = match world.desired_copy(order, &assignment.name, copy) {
                Ok(wanted) => wanted,
                Err(why) => {
                    step.obstacle = Some(untranslated(&why));
                    return step;
                }
            };
            if let Some(Blocked::Refused(why)) = world.blocked.get(&copy.object_ref()) {
                step.obstacle = obstacle(
                    ConditionStatus::False,
                    "CopyRefused",
                    &format!("the provider's cluster refuses the change ({why})"),
                );
            } else if needs_write(world, &copy.object_ref(), there, &wanted) {
                if !sabotage::is(Bug::AppliedWithoutUid) {
                    wanted.set(&["metadata", "uid"], uid.clone().into());
                }
                decision.act(Action::ApplyCopy { copy: copy.clone(), object: wanted });
            } else {
                step.in_sync = true;
            }
        }
    }
    step
}

/// What the consumer is told of a copy of a provider's own kind that cannot be made of the order as it is.
fn untranslated(why: &Untranslated) -> Told {
    let message = match why {
        Untranslated::NoValue(unfilled) => {
            format!("the provider's kind cannot be made of the order: template.{unfilled}")
        }
        Untranslated::Unknown => {
            "what the provider's kind must be for the order is not known at the moment".to_owned()
        }
    };
    Told { status: ConditionStatus::False, reason: "NotTranslated", message }
}

/// How it must not be done, for [`Bug::NamedAnewAtEveryTry`].
fn named_anew(world: &World<'_>, assignment: &Assignment, copy: &CopyRef, step: &mut Step) -> CopyRef {
    let mut anew = copy.clone();
    anew.key.name =
        copy_name(&world.identity, u32::try_from(world.now.as_millis() % 1_000_000_007).unwrap_or(0));
    step.record = Some(with_copy(assignment, copy, |copy| copy.clone_from(&anew)));
    anew
}

fn copy_is_lost(world: &World<'_>, assignment: &Assignment, copy: &CopyRef, step: &mut Step) {
    if world.policy.moves == Moves::Free || (assignment.pointer.is_none() && world.mirrored.is_empty()) {
        // Under a new name: whatever still speaks of the old one cannot be mistaken for it.
        let serial = assignment.serial + 1;
        let name = copy_name(&world.identity, serial);
        let mut next = with_copy(assignment, copy, |copy| {
            copy.uid = None;
            copy.key.name.clone_from(&name);
        });
        next.serial = serial;
        if assignment.points_to(copy) {
            next.pointer = Some(name);
        }
        step.record = Some(next);
    } else {
        step.obstacle = Some(Told {
            status: ConditionStatus::False,
            reason: "CopyLost",
            message: "what was provided is gone and held data; a person must decide".to_owned(),
        });
    }
}

pub(super) fn with_copy(
    assignment: &Assignment,
    copy: &CopyRef,
    change: impl FnOnce(&mut CopyRef),
) -> Assignment {
    let mut next = assignment.clone();
    if let Some(slot) = next.copies.iter_mut().find(|slot| slot.key == copy.key) {
        change(slot);
    }
    next
}

pub(super) fn is_ready(world: &World<'_>, copy: &CopyRef) -> bool {
    world
        .live(copy)
        .is_some_and(|live| !live.is_deleting() && readiness(live, world.policy) == Readiness::Ready)
}

pub(super) fn created_at(object: &Object) -> Option<Timestamp> {
    object.text(&["metadata", "creationTimestamp"]).and_then(Timestamp::parse)
}

/// Writes the assignment's status where phase or reason changed; the reasons for the choice are told with them.
pub(super) fn tell_platform(
    world: &World<'_>,
    assignment: &Assignment,
    phase: Phase,
    decision: &mut Decision,
) {
    let there = &assignment.status;
    let same = there.phase == Some(phase) && there.reason == decision.report.reason;
    if same && there.message == decision.report.message {
        return;
    }
    decision.act(Action::ApplyAssignmentStatus {
        name: assignment.name.clone(),
        uid: assignment.uid.clone(),
        status: AssignmentStatus {
            phase: Some(phase),
            reason: decision.report.reason.to_owned(),
            message: decision.report.message.clone(),
            why: if same { there.why.clone() } else { world.chooser.explain() },
        },
    });
}

fn forget_old_migrations(world: &World<'_>, decision: &mut Decision) {
    for old in forgettable(&world.migrations) {
        decision.act(Action::DeleteMigration { name: old.name.clone(), uid: old.uid.clone() });
    }
}
