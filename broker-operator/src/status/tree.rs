//! One order and all that belongs to it, as data: what `-o json` and `-o yaml` print, and what the text is drawn from.
//!
//! Of Secrets and ConfigMaps nothing but the names is told.

use std::collections::BTreeMap;

use broker_core::migration::Migration;
use broker_core::order::readiness::{Readiness, readiness};
use broker_core::order::{Action, Assignment, CopyRef, CopyView, Provided};
use broker_core::port::Observed;
use broker_core::resource::{ClusterName, Condition, Object, marker};
use broker_core::time::Timestamp;
use broker_core::translate::references;
use broker_kcp::reconcile::Standing;
use serde::Serialize;

use crate::explain::OrderName;
use crate::platform::local_name;

/// How an order stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderStatus {
    /// The order.
    pub order: OrderName,
    /// The path of the consumer's cluster, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// When it was created (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What its status says.
    pub conditions: Vec<ConditionLine>,
    /// Who serves it; `None` where it was never placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment: Option<AssignmentStatus>,
    /// What the consumer was handed over: objects in the order's own namespace.
    pub handed_over: Vec<RelatedObject>,
    /// Its moves that are on record, oldest first.
    pub moves: Vec<Move>,
    /// When the consumer was switched to another copy last (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_switch: Option<String>,
    /// What the broker makes of it now.
    pub next: Next,
}

/// A condition of an object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionLine {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Its reason.
    pub reason: String,
    /// Its text.
    pub message: String,
}

/// The record of who serves an order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentStatus {
    /// Its name.
    pub name: String,
    /// Its phase, such as `Bound`.
    pub phase: &'static str,
    /// The offer that serves the order: its AcceptAPI, as `namespace/name`.
    pub offer: String,
    /// The provider whose offer it is: its path, or its id.
    pub provider: String,
    /// The copies, the one that serves first.
    pub copies: Vec<Copy>,
}

/// What was made for an order at a provider.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    /// The provider: its path, or its id.
    pub provider: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub state: CopyState,
    /// Whether the consumer sees this one.
    pub serves: bool,
    /// Whether the broker asked it to take no writes.
    pub fenced: bool,
    /// Whether it was left behind at a provider that does not answer.
    pub leftover: bool,
    /// Since when its provider does not answer (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<String>,
    /// What its provider says.
    pub conditions: Vec<ConditionLine>,
    /// The objects that it names.
    pub names: Vec<RelatedObject>,
}

/// What is known of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CopyState {
    /// It is ready.
    Ready,
    /// Its provider is at work.
    Progressing,
    /// Its provider says that it is not ready.
    NotReady,
    /// It is being deleted.
    Deleting,
    /// It is not there.
    Absent,
    /// Its provider does not answer, or was not read yet.
    Unknown,
    /// Its provider's cluster belongs to the platform no more.
    Gone,
}

/// A Secret or ConfigMap, by name alone.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelatedObject {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether it is there, and visible to the broker.
    pub present: bool,
}

/// A move that is on record.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// The name of its Migration.
    pub name: String,
    /// Its state, such as `Completed`.
    pub state: &'static str,
    /// The stage that runs, or is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The provider that served before.
    pub from: String,
    /// The provider that is to serve.
    pub to: String,
    /// When it began (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When the consumer was switched (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<String>,
    /// When it ended (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// What it says.
    pub message: String,
}

/// What the broker makes of an order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Next {
    /// One stable word, such as `Bound`.
    pub reason: &'static str,
    /// The same for people.
    pub message: String,
    /// The writes that a broker would make now: none, where one is at work and has done all that it can.
    pub planned: Vec<&'static str>,
    /// When it looks again even if nothing changes (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again_at: Option<String>,
}

impl From<&Standing> for OrderStatus {
    fn from(standing: &Standing) -> Self {
        let Standing { observed, next, paths, .. } = standing;
        let identity = &observed.identity;
        let order = observed.order.as_deref();
        let named = |cluster: &ClusterName| called(paths, cluster);
        Self {
            order: OrderName {
                resource: identity.gvr.group_resource(),
                version: identity.gvr.version.clone(),
                cluster: Some(identity.key.cluster.clone()),
                namespace: identity.key.namespace.clone(),
                name: identity.key.name.clone(),
            },
            path: paths.get(&identity.key.cluster).cloned(),
            created_at: order
                .and_then(|order| order.text(&["metadata", "creationTimestamp"]))
                .map(str::to_owned),
            deleting: order.is_none_or(Object::is_deleting),
            conditions: order.map(conditions).unwrap_or_default(),
            assignment: observed.assignment.as_ref().map(|it| assignment(it, observed, &named)),
            handed_over: observed.mirrored.iter().map(|object| related(object)).collect(),
            moves: observed.migrations.iter().map(|it| a_move(it, &named)).collect(),
            last_switch: observed
                .migrations
                .iter()
                .filter_map(|it| it.receipt.switched_at)
                .max()
                .map(Timestamp::to_rfc3339),
            next: Next {
                reason: next.report.reason,
                message: next.report.message.clone(),
                planned: next.actions.iter().map(Action::verb).collect(),
                again_at: next.wake.map(Timestamp::to_rfc3339),
            },
        }
    }
}

/// What people call a cluster: its path where it is known.
pub(crate) fn called(paths: &BTreeMap<ClusterName, String>, cluster: &ClusterName) -> String {
    paths.get(cluster).cloned().unwrap_or_else(|| cluster.to_string())
}

fn assignment(
    assignment: &Assignment,
    observed: &Observed,
    named: &dyn Fn(&ClusterName) -> String,
) -> AssignmentStatus {
    let mut copies: Vec<Copy> = assignment
        .copies
        .iter()
        .map(|copy| (copy, false))
        .chain(assignment.leftovers.iter().map(|copy| (copy, true)))
        .map(|(copy, leftover)| Copy { leftover, ..a_copy(copy, assignment, observed, named) })
        .collect();
    copies.sort_by_key(|copy| !copy.serves);
    AssignmentStatus {
        name: assignment.name.clone(),
        phase: assignment.status.phase.unwrap_or_default().as_str(),
        offer: local_name(&assignment.offer.namespace, &assignment.offer.name),
        provider: named(&assignment.offer.cluster),
        copies,
    }
}

fn a_copy(
    copy: &CopyRef,
    assignment: &Assignment,
    observed: &Observed,
    named: &dyn Fn(&ClusterName) -> String,
) -> Copy {
    let live = match observed.copies.get(&copy.key) {
        Some(CopyView::Present(live)) => Some(live.as_ref()),
        Some(CopyView::Absent | CopyView::Unknown | CopyView::Gone) | None => None,
    };
    let state = match (observed.copies.get(&copy.key), live) {
        (_, Some(live)) if live.is_deleting() => CopyState::Deleting,
        (_, Some(live)) => match readiness(live, &observed.policy) {
            Readiness::Ready => CopyState::Ready,
            Readiness::Progressing => CopyState::Progressing,
            Readiness::NotReady => CopyState::NotReady,
        },
        (Some(CopyView::Absent), None) => CopyState::Absent,
        (Some(CopyView::Gone), None) => CopyState::Gone,
        (Some(CopyView::Present(_) | CopyView::Unknown) | None, None) => CopyState::Unknown,
    };
    let mut handed = Vec::new();
    for reference in live.map(|live| references(live, copy)).unwrap_or_default().into_values().flatten() {
        let present = matches!(observed.provided.get(&reference.target), Some(Provided::Present { .. }));
        let target = reference.target;
        handed.push(RelatedObject { kind: target.gvk.kind, name: target.key.name, present });
    }
    Copy {
        provider: named(&copy.key.cluster),
        kind: copy.kind.clone(),
        namespace: copy.key.namespace.clone(),
        name: copy.key.name.clone(),
        state,
        serves: assignment.points_to(copy),
        fenced: live.is_some_and(|live| live.annotation(marker::QUIESCE_ANNOTATION) == Some("true")),
        leftover: false,
        silent_since: observed.unreachable.get(&copy.key.cluster).map(|silence| silence.since.to_rfc3339()),
        conditions: live.map(conditions).unwrap_or_default(),
        names: handed,
    }
}

fn a_move(migration: &Migration, named: &dyn Fn(&ClusterName) -> String) -> Move {
    let receipt = &migration.receipt;
    let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
    let over = migration.state().is_final();
    Move {
        name: migration.name.clone(),
        state: migration.state().as_str(),
        stage: migration.stage().filter(|_| !over).map(|stage| stage.name.clone()),
        from: named(&migration.from.cluster),
        to: named(&migration.to.cluster),
        started_at: time(receipt.started_at),
        switched_at: time(receipt.switched_at),
        completed_at: time(receipt.completed_at),
        message: migration.message.clone(),
    }
}

fn related(object: &Object) -> RelatedObject {
    RelatedObject { kind: object.gvk().kind, name: object.name().to_owned(), present: true }
}

fn conditions(object: &Object) -> Vec<ConditionLine> {
    let listed = object.get(&["status", "conditions"]).and_then(serde_json::Value::as_array);
    let read = listed.into_iter().flatten().filter_map(Condition::from_value);
    read.map(|condition| ConditionLine {
        kind: condition.kind,
        status: condition.status.as_str(),
        reason: condition.reason,
        message: condition.message,
    })
    .collect()
}

impl OrderStatus {
    /// Whether a copy serves it that is ready, and the broker has nothing against it.
    pub fn is_served(&self) -> bool {
        let brokered = self.conditions.iter().find(|condition| condition.kind == "Brokered");
        brokered.is_some_and(|condition| condition.status == "True")
            && self.serving().is_some_and(|copy| copy.state == CopyState::Ready)
    }

    /// The copy that the consumer sees.
    pub fn serving(&self) -> Option<&Copy> {
        self.assignment.iter().flat_map(|assignment| &assignment.copies).find(|copy| copy.serves)
    }
}
