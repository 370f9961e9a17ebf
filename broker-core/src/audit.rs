//! Checks a decision against the invariants, written without looking at how decisions are made.
//!
//! The driver asks before it acts: what would break a promise is not carried out. Tests ask for every world they meet.

use std::collections::BTreeMap;

use crate::migration::{Migration, MigrationState};
use crate::order::readiness::{Readiness, readiness};
use crate::order::{Action, Assignment, CopyRef, CopyView, Decision, Failover, Fence, Fit, Moves, World};
use crate::playbook::Phase;
use crate::resource::{Object, ObjectRef, marker};
use crate::translate::{copy_serials, helper_namespace, in_own_terms};

/// A promise that a decision would break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Something would be changed for a paused order.
    #[error("the order is paused")]
    Paused,
    /// A copy would be made before the order holds our finalizer, or that no assignment names.
    #[error("copy {0} would be made without finalizer and assignment")]
    UnrecordedCopy(String),
    /// The copy that the consumer sees would be deleted while the order lives.
    #[error("copy {0} serves the order and would be deleted")]
    ServingCopyDeleted(String),
    /// The old copy would be deleted before the hand-over was seen and recorded.
    #[error("copy {0} would be deleted before the hand-over was observed and recorded")]
    SourceDeletedEarly(String),
    /// The pointer would name a copy that is not ready.
    #[error("the pointer would name copy {0}, which is not ready")]
    PointerToUnready(String),
    /// The pointer would name nothing, or nothing that the assignment names.
    #[error("the pointer would name no copy")]
    DanglingPointer,
    /// A third copy, or none.
    #[error("the assignment would name {0} copies")]
    CopyCount(usize),
    /// Something would be written outside the consumer's namespace.
    #[error("{0} is outside the order's namespace")]
    OutsideNamespace(ObjectRef),
    /// A kind that the platform does not hand over.
    #[error("{0} is of a kind that is not handed over")]
    KindNotAllowed(ObjectRef),
    /// A mirrored object without the marks that let it be found and collected again.
    #[error("{0} would be mirrored without owner or labels")]
    Unmarked(ObjectRef),
    /// The finalizer would go while something is left.
    #[error("the finalizer would be released while something is left")]
    FinalizerReleasedEarly,
    /// Two writes to one object at once.
    #[error("two writes to {0} at once")]
    TwoWrites(String),
    /// The order would leave a provider that merely does not answer before that lasted, or without being allowed to.
    #[error("the order would leave {0} for its silence alone, too soon or without leave")]
    MovedTooSoon(String),
    /// A move would begin that nobody asked for, or beside another one.
    #[error("migration {0} would begin and was not asked for, or not so")]
    MovedUnasked(String),
    /// A copy that may still be there would no longer be named.
    #[error("copy {0} may still be there and would be forgotten")]
    CopyForgotten(String),
    /// A former copy would be deleted while the one that serves is not ready.
    #[error("the former copy {0} would be deleted while the one that serves is not ready")]
    LeftoverDeletedEarly(String),
    /// The consumer would be switched over although what served may still take writes, and nobody allowed for that.
    #[error("the pointer would move to copy {0} while what served before takes writes")]
    UnfencedSwitch(String),
    /// The consumer would be switched over before every stage that comes before the switch.
    #[error("the pointer would move to copy {0} before its playbook allows it")]
    StageLeftOut(String),
    /// Writes would be held up for no move.
    #[error("writes to copy {0} would be held up for no move")]
    FencedEarly(String),
    /// The old copy would take writes while the order may still go forward again, without them.
    #[error("copy {0} would take writes before the order is back for good")]
    OpenedEarly(String),
    /// A helper would be made outside of its move's own namespace, or for no move.
    #[error("the helper {0} would be made outside of its move's namespace, or for no move")]
    StrayHelper(String),
    /// A new assignment for an order that was placed before.
    #[error("the order would be placed twice")]
    PlacedTwice,
    /// A copy would be deleted that no assignment names, for an order that lives, or that another order has taken over.
    #[error("copy {0} is not this order's to delete")]
    NotOursToDelete(String),
}

/// Writes are held up only for a move that has begun its cutover; they are let through at any time.
fn fence(world: &World<'_>, copy: &CopyRef, raised: bool, found: &mut Vec<Violation>) {
    let in_cutover = world.migrations.iter().any(|migration| {
        !migration.state().is_final() && migration.receipt.cutover_at.is_some()
            || migration.state() == MigrationState::Failed && migration.position.switched
    });
    if raised && !in_cutover {
        found.push(Violation::FencedEarly(copy.key.name.clone()));
    }
    let is_pointed_back = world.assignment.as_ref().is_some_and(|assignment| {
        assignment.moving().is_some_and(|(source, target)| {
            source.key == copy.key && assignment.points_to(source) && returning(world, target).is_some()
        })
    });
    if !raised && is_pointed_back {
        found.push(Violation::OpenedEarly(copy.key.name.clone()));
    }
}

/// The record of a move that is on its way back by the stages for it.
fn returning<'w>(world: &'w World<'_>, target: &CopyRef) -> Option<&'w Migration> {
    let mut records = world.migrations.iter().filter(|it| Some(&it.name) == target.migration.as_ref());
    records.find(|it| it.position.reverting && it.state() == MigrationState::CutoverCompleted)
}

/// Whether a copy is seen to take no writes.
fn is_quiesced(world: &World<'_>, copy: &CopyRef) -> bool {
    let told = |live: &Object| in_own_terms(live).get(&["status", "quiesced"]).cloned();
    world.live(copy).and_then(|live| told(live)) == Some(true.into())
}

/// A helper stays in the namespace of its own move, and carries its name.
fn helper(world: &World<'_>, migration: &str, object: &Object, found: &mut Vec<Violation>) {
    let known = world.migrations.iter().any(|record| record.name == migration && !record.state().is_final());
    let namespace = helper_namespace(migration);
    let inside = if object.gvk().kind == "Namespace" {
        object.name() == namespace
    } else {
        object.text(&["metadata", "namespace"]) == Some(namespace.as_str())
    };
    if !known || !inside || object.label(marker::MIGRATION_LABEL) != Some(migration) {
        found.push(Violation::StrayHelper(object.name().to_owned()));
    }
}

/// The promises that the decision would break; empty for a sound one.
pub fn audit(world: &World<'_>, decision: &Decision) -> Vec<Violation> {
    let mut found = Vec::new();
    if is_paused(world) && !decision.actions.is_empty() {
        found.push(Violation::Paused);
    }
    let mut targets = std::collections::BTreeSet::new();
    for action in &decision.actions {
        if let Some(target) = written(action)
            && !targets.insert(target.clone())
        {
            found.push(Violation::TwoWrites(target));
        }
        check(world, action, &mut found);
    }
    found
}

fn check(world: &World<'_>, action: &Action, found: &mut Vec<Violation>) {
    match action {
        Action::CreateCopy { copy, .. } => {
            let named =
                world.assignment.as_ref().is_some_and(|asg| asg.copies.iter().any(|c| c.key == copy.key));
            if !named || !holds_finalizer(world) {
                found.push(Violation::UnrecordedCopy(copy.key.name.clone()));
            }
        }
        Action::DeleteCopy { copy, .. } => {
            let name = &copy.key.name;
            let lives = world.order.as_ref().is_some_and(|order| !order.is_deleting());
            let named =
                world.assignment.as_ref().is_some_and(|asg| asg.named().any(|kept| kept.key == copy.key));
            let of_another =
                world.traces.rivals.iter().any(|rival| rival.named().any(|kept| kept.key == copy.key));
            if of_another || !named && (lives || unnamed_copies(world).all(|unnamed| unnamed != name)) {
                found.push(Violation::NotOursToDelete(name.clone()));
            }
            deletion(world, name, found);
        }
        Action::CreateAssignment(next) => {
            if world.assignment.is_some() || holds_finalizer(world) || unnamed_copies(world).next().is_some()
            {
                found.push(Violation::PlacedTwice);
            }
            record(world, next, found);
        }
        Action::UpdateAssignment(next) => {
            record(world, next, found);
            forgotten(world, next, found);
        }
        Action::CreateMigration(record) => {
            // A move that begins; with two copies it had begun, and only its record was missing.
            if let Some([source]) = world.assignment.as_ref().map(|asg| asg.copies.as_slice()) {
                too_soon(world, source, Some(record), found);
            }
        }
        Action::AdoptMigration(record) => {
            let asked = world.requests.iter().any(|asked| {
                asked.request.name == record.name
                    && asked.request.resource_version == record.resource_version
                    && asked.target.as_ref() == Ok(&record.to.cluster)
            });
            let runs = world.migrations.iter().any(|migration| !migration.state().is_final());
            match world.assignment.as_ref().map(|asg| asg.copies.as_slice()) {
                Some([source]) if asked && !runs && source.offer == record.from => {
                    too_soon(world, source, Some(record), found);
                }
                Some(_) | None => found.push(Violation::MovedUnasked(record.name.clone())),
            }
        }
        Action::CreateRelated { target, object } | Action::ApplyRelated { target, object, .. } => {
            inside(world, target, found);
            if !world.policy.related_kinds.contains(&target.gvk) {
                found.push(Violation::KindNotAllowed(target.clone()));
            }
            let marked = object.label(marker::MANAGED_LABEL) == Some(marker::MANAGED_VALUE)
                && object.label(marker::ORDER_LABEL).is_some()
                && object
                    .get(&["metadata", "ownerReferences"])
                    .and_then(|owners| {
                        owners.get(0)?.get("uid")?.as_str().map(|uid| uid == world.identity.uid)
                    })
                    .unwrap_or_default();
            if !marked {
                found.push(Violation::Unmarked(target.clone()));
            }
        }
        Action::DeleteRelated { target, .. } => inside(world, target, found),
        Action::RemoveFinalizer { .. } => {
            let copies_left = world.copies.values().any(|view| {
                matches!(view, CopyView::Present(copy) if copy.annotation(marker::RETAINED_ANNOTATION).is_none())
            });
            let unnamed_left = unnamed_copies(world).next().is_some();
            if world.assignment.is_some() || copies_left || unnamed_left || !world.mirrored.is_empty() {
                found.push(Violation::FinalizerReleasedEarly);
            }
        }
        Action::AddFinalizer { .. }
        | Action::ApplyStatus { .. }
        | Action::Tell { .. }
        | Action::ApplyAssignmentStatus { .. }
        | Action::DeleteAssignment { .. }
        | Action::AnswerRequest { .. }
        | Action::UpdateMigration(_)
        | Action::DeleteMigration { .. }
        | Action::ApplyCopy { .. }
        | Action::DeleteHelpers { .. } => {}
        Action::Fence { copy, raised, .. } => fence(world, copy, *raised, found),
        Action::CreateHelper { migration, object, .. } | Action::ApplyHelper { migration, object, .. } => {
            helper(world, migration, object, found);
        }
    }
}

/// The names of what is this order's by its name, and that no assignment names.
fn unnamed_copies<'w>(world: &'w World<'_>) -> impl Iterator<Item = &'w String> {
    let unnamed = world.traces.unnamed.iter().filter(|(_, object)| !object.is_deleting());
    let mut names = unnamed.map(|(key, _)| &key.name).peekable();
    let last = world.assignment.as_ref().map_or(0, |assignment| assignment.serial).saturating_add(256);
    let ours = if names.peek().is_some() { copy_serials(&world.identity, last) } else { BTreeMap::new() };
    names.filter(move |name| ours.contains_key(*name))
}

/// Silence alone moves nothing that the consumer holds before it lasted, and never what needs a person or a playbook.
fn too_soon(world: &World<'_>, source: &CopyRef, record: Option<&Migration>, found: &mut Vec<Violation>) {
    // By a person's word nobody waits for what is lost.
    if record.is_some_and(|record| record.is_failover() && world.policy.migrations_enabled) {
        return;
    }
    let needless = record.is_some_and(Migration::goes_without_source);
    let handed_out = world.assignment.as_ref().is_some_and(|asg| asg.pointer.is_some());
    if !handed_out || world.chooser.fit(&source.offer) != Fit::Unreachable {
        return;
    }
    let lasted = world
        .unreachable
        .get(&source.key.cluster)
        .is_some_and(|silence| world.now.since(silence.since) >= world.policy.failover_after);
    let allowed = (world.policy.moves == Moves::Free || needless)
        && world.policy.effective_failover() == Failover::Automatic
        && world.policy.migrations_enabled;
    if !(lasted && allowed) {
        found.push(Violation::MovedTooSoon(source.offer.to_string()));
    }
}

/// What may still be there stays named.
fn forgotten(world: &World<'_>, next: &Assignment, found: &mut Vec<Violation>) {
    let Some(before) = &world.assignment else { return };
    for copy in before.named().filter(|copy| !next.named().any(|kept| kept.key == copy.key)) {
        let may_be_there = match world.copies.get(&copy.key) {
            None | Some(CopyView::Unknown) => true,
            Some(CopyView::Present(live)) if live.annotation(marker::RETAINED_ANNOTATION).is_some() => false,
            Some(CopyView::Present(live)) => match &copy.uid {
                Some(uid) => uid == live.uid(),
                None => live.label(marker::ORDER_LABEL) == Some(before.name.as_str()),
            },
            Some(CopyView::Absent | CopyView::Gone) => false,
        };
        if may_be_there {
            found.push(Violation::CopyForgotten(copy.key.name.clone()));
        }
    }
}

/// While the order lives: never the serving copy, and a former one only after the recorded point of no return.
fn deletion(world: &World<'_>, name: &str, found: &mut Vec<Violation>) {
    let lives = world.order.as_ref().is_some_and(|order| !order.is_deleting());
    let Some(assignment) = &world.assignment else { return };
    if !lives {
        return;
    }
    if assignment.serving().is_some_and(|serving| serving.key.name == name) {
        found.push(Violation::ServingCopyDeleted(name.to_owned()));
        return;
    }
    if assignment.leftovers.iter().any(|left| left.key.name == name) {
        let serving = assignment.serving().filter(|_| assignment.pointer.is_some());
        if serving.is_some_and(|serving| !is_ready(world, serving)) {
            found.push(Violation::LeftoverDeletedEarly(name.to_owned()));
        }
        return;
    }
    let is_source = assignment.copies.first().is_some_and(|first| first.key.name == name);
    let recorded = world.migrations.iter().any(|migration| {
        migration.state() == MigrationState::CutoverCompleted
            && migration.receipt.point_of_no_return.is_some()
            || migration.state() == MigrationState::Completed
    });
    if is_source && !recorded {
        found.push(Violation::SourceDeletedEarly(name.to_owned()));
    }
}

fn record(world: &World<'_>, next: &Assignment, found: &mut Vec<Violation>) {
    if !matches!(next.copies.len(), 1 | 2) || next.leftovers.len() > Assignment::MAX_LEFTOVERS {
        found.push(Violation::CopyCount(next.named().count()));
    }
    let before = world.assignment.as_ref();
    let Some(pointer) = &next.pointer else {
        if before.is_some_and(|before| before.pointer.is_some()) {
            found.push(Violation::DanglingPointer);
        }
        return;
    };
    let Some(copy) = next.copies.iter().find(|copy| &copy.key.name == pointer) else {
        found.push(Violation::DanglingPointer);
        return;
    };
    // A copy that is made again keeps the pointer that its predecessor had: nothing is switched.
    let replaced = before.is_some_and(|before| {
        before.pointer.is_some() && before.copies.len() == next.copies.len() && copy.uid.is_none()
    });
    let same = before.is_some_and(|before| before.pointer.as_ref() == Some(pointer));
    if same || replaced {
        return;
    }
    if !is_ready(world, copy) {
        found.push(Violation::PointerToUnready(pointer.clone()));
    }
    let [source, target] = next.copies.as_slice() else { return };
    if let Some(record) = returning(world, target) {
        back_and_forth(world, record, (source, target), copy, found);
    } else if target == copy && before.is_some_and(|before| before.points_to(source)) {
        // Forward, away from the copy that served.
        let record = world.migrations.iter().find(|it| Some(&it.name) == target.migration.as_ref());
        too_soon(world, source, record, found);
        playbook_kept(world, source, target, record, found);
    }
}

/// By the stages for it an order goes back when the last of them runs, from what takes no writes; and forward again only
/// from what took none.
fn back_and_forth(
    world: &World<'_>,
    record: &Migration,
    (source, target): (&CopyRef, &CopyRef),
    to: &CopyRef,
    found: &mut Vec<Violation>,
) {
    let stages = record.playbook.as_ref().map_or(0, |playbook| playbook.rollback.len());
    if record.position.passed + 1 != stages || !record.position.in_stage {
        found.push(Violation::StageLeftOut(to.key.name.clone()));
    }
    let takes_writes = if to == source {
        !is_quiesced(world, target)
    } else {
        record.receipt.fenced_at.is_some() && world.live(source).is_some() && !is_quiesced(world, source)
    };
    if takes_writes && record.receipt.loss.is_none() {
        found.push(Violation::UnfencedSwitch(to.key.name.clone()));
    }
}

/// A move by a playbook switches after every stage before the switch, and under its fence.
fn playbook_kept(
    world: &World<'_>,
    source: &CopyRef,
    target: &CopyRef,
    record: Option<&Migration>,
    found: &mut Vec<Violation>,
) {
    let name = || target.key.name.clone();
    let Some((record, playbook)) = record.and_then(|it| Some((it, it.playbook.as_ref()?))) else {
        if world.policy.moves == Moves::PlaybookOnly {
            found.push(Violation::StageLeftOut(name()));
        }
        return;
    };
    let before_switch =
        playbook.stages.iter().filter(|stage| matches!(stage.phase, Phase::Initial | Phase::Cutover)).count();
    if record.position.passed < before_switch {
        found.push(Violation::StageLeftOut(name()));
    }
    let leave = record.receipt.loss.is_some() || record.controls.skip_source;
    let quiesced = is_quiesced(world, source);
    if world.policy.effective_fence() == Fence::Required && playbook.copies_data() && !leave && !quiesced {
        found.push(Violation::UnfencedSwitch(name()));
    }
}

fn is_ready(world: &World<'_>, copy: &CopyRef) -> bool {
    matches!(world.copies.get(&copy.key), Some(CopyView::Present(live))
        if Some(live.uid()) == copy.uid.as_deref() && readiness(live, world.policy) == Readiness::Ready)
}

fn inside(world: &World<'_>, target: &ObjectRef, found: &mut Vec<Violation>) {
    let order = &world.identity.key;
    if target.key.cluster != order.cluster || target.key.namespace != order.namespace {
        found.push(Violation::OutsideNamespace(target.clone()));
    }
}

fn is_paused(world: &World<'_>) -> bool {
    world.order.as_ref().is_some_and(|order| order.annotation(marker::PAUSED_ANNOTATION) == Some("true"))
}

fn holds_finalizer(world: &World<'_>) -> bool {
    world.order.as_ref().is_some_and(|order| order.finalizers().any(|name| name == marker::ORDER_FINALIZER))
}

/// Which object an action writes.
fn written(action: &Action) -> Option<String> {
    Some(match action {
        Action::AddFinalizer { order, .. }
        | Action::RemoveFinalizer { order, .. }
        | Action::ApplyStatus { order, .. } => order.to_string(),
        Action::CreateAssignment(record) | Action::UpdateAssignment(record) => {
            format!("assignment {}", record.name)
        }
        Action::ApplyAssignmentStatus { name, .. } | Action::DeleteAssignment { name, .. } => {
            format!("assignment {name}")
        }
        Action::CreateMigration(record)
        | Action::AdoptMigration(record)
        | Action::UpdateMigration(record) => {
            format!("migration {}", record.name)
        }
        Action::DeleteMigration { name, .. } | Action::AnswerRequest { name, .. } => {
            format!("migration {name}")
        }
        Action::CreateCopy { copy, .. }
        | Action::ApplyCopy { copy, .. }
        | Action::DeleteCopy { copy, .. }
        | Action::Fence { copy, .. } => copy.object_ref().to_string(),
        Action::CreateHelper { object, .. } | Action::ApplyHelper { object, .. } => {
            let namespace = object.text(&["metadata", "namespace"]).unwrap_or_default();
            format!("helper {} {namespace}/{}", object.gvk().kind, object.name())
        }
        Action::DeleteHelpers { namespace, .. } => format!("helper Namespace /{namespace}"),
        Action::CreateRelated { target, .. }
        | Action::ApplyRelated { target, .. }
        | Action::DeleteRelated { target, .. } => target.to_string(),
        Action::Tell { .. } => return None,
    })
}
