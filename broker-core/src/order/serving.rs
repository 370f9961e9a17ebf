//! What the consumer is to hold: the status of the serving copy, and the objects that it hands over.

use std::sync::Arc;

use super::decision::{Action, Decision, RelatedGuard, Severity};
use super::readiness::{Readiness, readiness};
use super::record::CopyRef;
use super::world::{Blocked, Settled, World};
use crate::resource::{ConditionStatus, Object, ObjectRef, marker};
use crate::sabotage::{self, Bug};
use crate::translate::{
    FINGERPRINT_ANNOTATION, Handed, OWN_STATUS, OrderStatus, Told, covers, desired_related, desired_status,
    fingerprint, is_told,
};

/// What of a copy the consumer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Its status only, as progress: it was never ready.
    Progress,
    /// Its status and its related objects.
    Full,
}

/// Whether the consumer holds what it is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Everything, as observed.
    Everything,
    /// Something is still to be written, or cannot be.
    NotYet,
}

/// Brings the consumer's view up to date with the copy that serves it.
///
/// Related objects first, the status that names them afterwards.
pub(super) fn serve(
    world: &World<'_>,
    assignment: &str,
    order: &Arc<Object>,
    copy: &CopyRef,
    sight: Sight,
    told: Told,
    decision: &mut Decision,
) -> Holds {
    // Of what cannot be told in the order's terms, what was seen last stays.
    let live = world.live(copy).filter(|live| is_told(live));
    let mut told = told;
    let mut holds = Holds::Everything;
    let mut handed = None;
    if let (Sight::Full, Some(live)) = (sight, live) {
        let mut wanted = desired_related(world, assignment, copy, live);
        let before = decision.actions.len();
        let serving = Serving { assignment, copy, live };
        if let Some(obstacle) = mirror(world, serving, &mut wanted, decision) {
            holds = Holds::NotYet;
            if told.status == ConditionStatus::True {
                told = obstacle;
            }
        }
        if decision.actions.len() > before {
            return Holds::NotYet;
        }
        handed = Some(wanted);
    }
    // A copy that is ready and was not handed over promises what the consumer does not hold: what was seen of it last
    // stays.
    let shown = live.filter(|live| sight == Sight::Full || readiness(live, world.policy) != Readiness::Ready);
    let status_settled = report(world, order, shown.map(AsRef::as_ref), handed.as_ref(), &told, decision);
    if status_settled { holds } else { Holds::NotYet }
}

/// Brings the order's status up to date; true when it is.
pub(super) fn report(
    world: &World<'_>,
    order: &Arc<Object>,
    copy: Option<&Object>,
    handed: Option<&Handed>,
    told: &Told,
    decision: &mut Decision,
) -> bool {
    decision.report.reason = told.reason;
    decision.report.message.clone_from(&told.message);
    let now = world.now.to_rfc3339();
    let wanted = desired_status(OrderStatus { order, copy, handed, told, now: &now });
    let target = ObjectRef { gvk: world.policy.gvk(), key: world.identity.key.clone() };
    let there = order.get(&["status"]).cloned().unwrap_or_default();
    if there == wanted || Settled::of_status(&wanted, order).matches(world.settled.get(&target)) {
        return true;
    }
    let before = order.condition("Brokered");
    if before.is_none_or(|before| before.reason != told.reason || before.status != told.status) {
        decision.act(Action::Tell {
            order: world.identity.clone(),
            severity: if told.status == ConditionStatus::False {
                Severity::Warning
            } else {
                Severity::Normal
            },
            reason: told.reason,
            message: told.message.clone(),
        });
    }
    decision.act(Action::ApplyStatus { order: target, uid: world.identity.uid.clone(), status: wanted });
    false
}

/// The copy that serves, and the record that says so.
#[derive(Clone, Copy)]
struct Serving<'a> {
    assignment: &'a str,
    copy: &'a CopyRef,
    live: &'a Object,
}

impl Serving<'_> {
    /// The guard of a change of this object.
    fn guard(&self, there: &Object) -> RelatedGuard {
        RelatedGuard {
            resource_version: there.resource_version().to_owned(),
            assignment: self.assignment.to_owned(),
            copy: self.copy.key.name.clone(),
        }
    }
}

/// Decides the writes of related objects. Returns what stands in the way, if anything does.
///
/// What cannot be handed over is taken out of `handed`, so that the order's status never names it.
fn mirror(
    world: &World<'_>,
    serving: Serving<'_>,
    handed: &mut Handed,
    decision: &mut Decision,
) -> Option<Told> {
    let mut obstacle = None;
    let mut obstruct = |reason: &'static str, message: String| {
        obstacle.get_or_insert(Told { status: ConditionStatus::False, reason, message });
    };
    for (key, refusal) in &handed.refused {
        let reason = if refusal.is_pending() { "RelatedObjectMissing" } else { "RelatedObjectRefused" };
        obstruct(reason, refusal.message(key));
    }
    let mut withheld = Vec::new();
    for (key, (target, wanted)) in &handed.wanted {
        let there = mirrored(world, target);
        match (there, world.blocked.get(target)) {
            (None, None) => {
                decision.act(Action::CreateRelated { target: target.clone(), object: wanted.clone() });
            }
            (None, Some(Blocked::Foreign)) => {
                let kind = &target.gvk.kind;
                let name = &target.key.name;
                obstruct(
                    "ForeignObject",
                    format!(
                        "a {kind} named {name} exists here already and is not touched; remove or rename it"
                    ),
                );
                withheld.push(key.clone());
            }
            (_, Some(Blocked::Refused(why))) => {
                let name = &target.key.name;
                obstruct(
                    "RelatedObjectRefused",
                    format!("{} {name} cannot be written: {why}", target.gvk.kind),
                );
                // What the consumer holds of it from before stays, and stays named.
                if there.is_none() {
                    withheld.push(key.clone());
                }
            }
            (Some(there), Some(Blocked::Foreign) | None) => {
                if !same_type(there, wanted) {
                    let name = &target.key.name;
                    obstruct(
                        "RelatedTypeDiffers",
                        format!(
                            "the type of {} {name} would change, which Kubernetes refuses",
                            target.gvk.kind
                        ),
                    );
                } else if !there.is_deleting() && needs_write(world, target, there, wanted) {
                    if sabotage::is(Bug::ReplacedByDeletion) {
                        let (uid, guard) = (there.uid().to_owned(), Some(serving.guard(there)));
                        decision.act(Action::DeleteRelated { target: target.clone(), uid, guard });
                        continue;
                    }
                    let mut object = wanted.clone();
                    object.set(&["metadata", "uid"], there.uid().into());
                    let guard = serving.guard(there);
                    decision.act(Action::ApplyRelated { target: target.clone(), object, guard });
                }
            }
        }
    }
    // While the provider is still working its list may be half written; what it said before stays.
    if readiness(serving.live, world.policy) == Readiness::Ready {
        remove_unnamed(world, serving, handed, decision);
    }
    for key in withheld {
        handed.wanted.remove(&key);
    }
    obstacle
}

fn remove_unnamed(world: &World<'_>, serving: Serving<'_>, handed: &Handed, decision: &mut Decision) {
    for object in world.mirrored.iter().filter(|object| !object.is_deleting()) {
        let kept = handed.wanted.values().any(|(target, _)| is_at(object, target));
        let awaited = object.annotation(marker::KEY_ANNOTATION).is_some_and(|key| {
            handed.refused.get(key).is_some_and(crate::translate::RelatedRefusal::is_pending)
        });
        if !kept && !awaited {
            let target = ObjectRef { gvk: object.gvk(), key: object.key_in(&world.identity.key.cluster) };
            let (uid, guard) = (object.uid().to_owned(), Some(serving.guard(object)));
            decision.act(Action::DeleteRelated { target, uid, guard });
        }
    }
}

/// Whether the target of a move can be switched to, as far as its related objects go; else why not.
pub(super) fn can_hand_over(
    world: &World<'_>,
    assignment: &str,
    copy: &CopyRef,
    live: &Object,
) -> Result<(), String> {
    let handed = desired_related(world, assignment, copy, live);
    if let Some((key, refusal)) = handed.refused.iter().next() {
        return Err(refusal.message(key));
    }
    for (target, wanted) in handed.wanted.values() {
        if mirrored(world, target).is_some_and(|there| !same_type(there, wanted)) {
            return Err(format!(
                "the type of {} {} would change, which Kubernetes refuses",
                target.gvk.kind, target.key.name
            ));
        }
    }
    Ok(())
}

/// Whether a write would change anything: something wanted is not there, or something no longer wanted once was.
pub(super) fn needs_write(world: &World<'_>, target: &ObjectRef, there: &Object, wanted: &Object) -> bool {
    let same_print = there.annotation(FINGERPRINT_ANNOTATION) == wanted.annotation(FINGERPRINT_ANNOTATION);
    let covered = wanted
        .fields()
        .iter()
        .all(|(key, value)| there.fields().get(key).is_some_and(|live| covers(live, value)));
    let is_there = same_print && covered;
    !is_there && !Settled::of_object(wanted, there).matches(world.settled.get(target))
}

fn mirrored<'w>(world: &'w World<'_>, target: &ObjectRef) -> Option<&'w Arc<Object>> {
    world.mirrored.iter().find(|object| is_at(object, target))
}

fn is_at(object: &Object, target: &ObjectRef) -> bool {
    let gvk = object.gvk();
    gvk.kind == target.gvk.kind
        && gvk.group == target.gvk.group
        && object.name() == target.key.name
        && object.namespace() == target.key.namespace
}

/// The `type` of a Secret cannot change in place; other kinds have none.
fn same_type(there: &Object, wanted: &Object) -> bool {
    wanted.gvk().kind != "Secret"
        || there.text(&["type"]).unwrap_or("Opaque") == wanted.text(&["type"]).unwrap_or("Opaque")
}

impl Settled {
    /// What a status write asked for, and the status that is there.
    pub fn of_status(wanted: &serde_json::Value, there: &Object) -> Self {
        let result = there.get(&["status"]).cloned().unwrap_or_default();
        Self { desired: fingerprint(wanted), result: fingerprint(&result) }
    }

    /// What a write of an object asked for, and the object that is there, without what the server counts up.
    pub fn of_object(wanted: &Object, there: &Object) -> Self {
        let mut wanted = wanted.clone();
        let mut there = there.clone();
        wanted.fields_mut().remove("status");
        there.fields_mut().remove("status");
        there.fields_mut().remove(OWN_STATUS);
        for object in [&mut wanted, &mut there] {
            if let Some(serde_json::Value::Object(metadata)) = object.fields_mut().get_mut("metadata") {
                for key in ["resourceVersion", "managedFields", "generation", "uid", "creationTimestamp"] {
                    metadata.remove(key);
                }
            }
        }
        Self { desired: fingerprint(&wanted.into_value()), result: fingerprint(&there.into_value()) }
    }

    fn matches(&self, other: Option<&Self>) -> bool {
        other == Some(self)
    }
}
