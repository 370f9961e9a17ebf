//! Placing an order, and keeping it where it is: one copy, made, kept in step, replaced when it must be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::decision::{Action, Decision};
use super::policy::Moves;
use super::readiness::{Readiness, readiness};
use super::record::{Assignment, AssignmentStatus, CopyRef, Phase};
use super::serving::{Sight, needs_write, report, serve};
use super::world::{Blocked, CopyView, Fit, Placement, World};
use crate::migration::{Migration, MigrationState};
use crate::offer::OfferId;
use crate::resource::{ConditionStatus, Object, marker};
use crate::time::Timestamp;
use crate::translate::{Told, assignment_name, copy_name, desired_copy, migration_name};

/// How many finished migrations are kept for an order.
const KEPT_MIGRATIONS: usize = 3;
/// An offer to which a move failed is not tried again for this long, doubled with every further failure.
const FIRST_BACK_OFF: Duration = Duration::from_secs(30);
/// The doubling ends here.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(30);

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
    let serial = 1;
    decision.report.reason = "Routed";
    decision.report.message = format!("provider selection: {} serves the order", placement.offer);
    decision.act(Action::CreateAssignment(Assignment {
        name: assignment_name(&world.identity),
        uid: String::new(),
        resource_version: String::new(),
        order: world.identity.clone(),
        offer: placement.offer.clone(),
        copies: vec![new_copy(world, placement, serial, None)],
        pointer: None,
        serial,
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
    let fit = world.chooser.fit(&copy.offer);
    let accepted = matches!(fit, Fit::Fits(_));
    let step = keep_in_step(world, order, assignment, copy, accepted, decision);
    let mut next = step.record;
    if assignment.pointer.is_none() && accepted && next.is_none() && step.in_sync && is_ready(world, copy) {
        let mut pointed = assignment.clone();
        pointed.pointer = Some(copy.key.name.clone());
        next = Some(pointed);
    }
    let in_the_way = step.obstacle.is_some();
    let told = match step.obstacle {
        Some(told) => told,
        None => leave_or_stay(world, assignment, copy, &fit, next.is_some(), decision),
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

/// Whether the order has to leave its copy; starts the move if so. Returns what the consumer is told.
fn leave_or_stay(
    world: &World<'_>,
    assignment: &Assignment,
    copy: &CopyRef,
    fit: &Fit,
    record_changes: bool,
    decision: &mut Decision,
) -> Told {
    let bound =
        |message: &str| Told { status: ConditionStatus::True, reason: "Bound", message: message.to_owned() };
    let handed_out = assignment.pointer.is_some() || !world.mirrored.is_empty();
    let lost = matches!(world.copy(copy), CopyView::Gone);
    if !fit.is_over() && !lost {
        if handed_out {
            return bound("served");
        }
        return first_copy_is_late(world, assignment, copy, record_changes, decision)
            .unwrap_or_else(|| bound("accepted; the provider is working on it"));
    }
    let (excluded, next_try) = excluded(&world.migrations, world.now);
    let mut others = excluded;
    others.insert(copy.offer.clone());
    let refused =
        |reason: &'static str, message: String| Told { status: ConditionStatus::False, reason, message };
    let Some(placement) = world.chooser.best(&others) else {
        if let Some(at) = next_try {
            decision.wake_at(at);
        }
        let stays = if handed_out { "; what was provided before keeps serving" } else { "" };
        return refused("NoMatchingOffer", format!("{}{stays}", world.chooser.refusal()));
    };
    if handed_out && world.policy.moves == Moves::PlaybookOnly {
        return refused(
            "NoPlaybook",
            "the order must move, but its objects hold data and no playbook says how; it stays where it is"
                .to_owned(),
        );
    }
    if !world.policy.migrations_enabled {
        return refused(
            "MigrationDisabled",
            "the order must move, but migrations are switched off; it stays where it is".to_owned(),
        );
    }
    if !record_changes {
        begin_move(
            world,
            assignment,
            copy,
            &placement,
            "the order no longer fits the offer that serves it",
            decision,
        );
    }
    Told {
        status: ConditionStatus::True,
        reason: "Migrating",
        message: "a replacement is being made first".to_owned(),
    }
}

fn first_copy_is_late(
    world: &World<'_>,
    assignment: &Assignment,
    copy: &CopyRef,
    record_changes: bool,
    decision: &mut Decision,
) -> Option<Told> {
    let since = created_at(world.live(copy)?)?;
    let deadline = since.plus(world.policy.ready_timeout);
    if world.now < deadline {
        decision.wake_at(deadline);
        return None;
    }
    let late = Told {
        status: ConditionStatus::False,
        reason: "NotReady",
        message: format!(
            "the provider did not make it ready within {}s",
            world.policy.ready_timeout.as_secs()
        ),
    };
    let (mut others, next_try) = excluded(&world.migrations, world.now);
    others.insert(copy.offer.clone());
    match world.chooser.best(&others) {
        Some(placement) if world.policy.migrations_enabled && !record_changes => {
            begin_move(
                world,
                assignment,
                copy,
                &placement,
                "the first copy did not become ready in time",
                decision,
            );
        }
        Some(_) => {}
        None => {
            if let Some(at) = next_try {
                decision.wake_at(at);
            }
        }
    }
    Some(late)
}

fn begin_move(
    world: &World<'_>,
    assignment: &Assignment,
    copy: &CopyRef,
    placement: &Placement,
    why: &str,
    decision: &mut Decision,
) {
    decision.act(Action::CreateMigration(record_of_move(
        world,
        migration_name(&assignment.name, assignment.serial + 1),
        &copy.offer,
        &placement.offer,
        why,
    )));
}

pub(super) fn record_of_move(
    world: &World<'_>,
    name: String,
    from: &OfferId,
    to: &OfferId,
    why: &str,
) -> Migration {
    Migration {
        name,
        uid: String::new(),
        resource_version: String::new(),
        order: world.identity.clone(),
        kind: world.policy.kind.clone(),
        from: from.clone(),
        to: to.clone(),
        state: MigrationState::Pending,
        message: why.to_owned(),
        started_at: None,
        cutover_at: None,
        switched_at: None,
        point_of_no_return: None,
        completed_at: None,
    }
}

/// Offers to which a move of this order failed lately, and when the first of them may be tried again.
pub(super) fn excluded(migrations: &[Migration], now: Timestamp) -> (BTreeSet<OfferId>, Option<Timestamp>) {
    let failed = |migration: &&Migration| {
        matches!(migration.state, MigrationState::Failed | MigrationState::RolledBack)
    };
    let mut offers = BTreeSet::new();
    let mut next_try: Option<Timestamp> = None;
    for migration in migrations.iter().filter(failed) {
        let failures = migrations.iter().filter(failed).filter(|other| other.to == migration.to).count();
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let pause = FIRST_BACK_OFF.saturating_mul(1 << doublings).min(LONGEST_BACK_OFF);
        let until = migration.completed_at.unwrap_or_default().plus(pause);
        if until > now {
            offers.insert(migration.to.clone());
            next_try = Some(next_try.map_or(until, |at| at.min(until)));
        }
    }
    (offers, next_try)
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
        (CopyView::Unknown, _) => {
            step.obstacle = obstacle(
                ConditionStatus::Unknown,
                "ProviderUnreachable",
                "the provider does not answer; the order waits",
            );
        }
        (CopyView::Gone, _) => {}
        (CopyView::Absent, None) => {
            if let Some(Blocked::Refused(why)) = world.blocked.get(&copy.object_ref()) {
                step.obstacle = obstacle(
                    ConditionStatus::False,
                    "CopyRefused",
                    &format!("the provider's cluster refuses the order ({why})"),
                );
            } else if accepted {
                decision.act(Action::CreateCopy {
                    copy: copy.clone(),
                    object: desired_copy(order, &assignment.name, copy, world.policy),
                });
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
            let mut wanted = desired_copy(order, &assignment.name, copy, world.policy);
            if !accepted {
                // It keeps serving the last spec that its offer accepted.
                step.in_sync = true;
            } else if let Some(Blocked::Refused(why)) = world.blocked.get(&copy.object_ref()) {
                step.obstacle = obstacle(
                    ConditionStatus::False,
                    "CopyRefused",
                    &format!("the provider's cluster refuses the change ({why})"),
                );
            } else if needs_write(world, &copy.object_ref(), there, &wanted) {
                wanted.set(&["metadata", "uid"], uid.clone().into());
                decision.act(Action::ApplyCopy { copy: copy.clone(), object: wanted });
            } else {
                step.in_sync = true;
            }
        }
    }
    step
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

fn with_copy(assignment: &Assignment, copy: &CopyRef, change: impl FnOnce(&mut CopyRef)) -> Assignment {
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
    let finished: Vec<_> = world.migrations.iter().filter(|migration| migration.state.is_final()).collect();
    for old in finished.iter().take(finished.len().saturating_sub(KEPT_MIGRATIONS)) {
        decision.act(Action::DeleteMigration { name: old.name.clone(), uid: old.uid.clone() });
    }
}
