//! Carries out what was decided: one request per action, guarded, its result shown to the caches at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker_core::migration::{Answer, Migration, MigrationState};
use broker_core::order::{
    Action, Assignment, AssignmentStatus, CopyRef, OrderIdentity, RelatedGuard, Severity,
};
use broker_core::port::{MigrationExecutor, PortError, PortErrorKind, Written};
use broker_core::resource::{Gvk, Object, ObjectKey, ObjectRef, marker};
use broker_core::sabotage::{self, Bug};
use serde_json::json;
use tokio::sync::watch;

use super::around::{AsUsual, Execute, Usual};
use super::event::event;
use super::forgotten;
use super::latency::Latencies;
use super::routes::{OrderKey, order_of};
use super::target::{Target, port_error};
use crate::controller::{Gate, Urgency};
use crate::fleet::{Fleet, PLATFORM};
use crate::kcp::{ApiErrorKind, Preconditions, Resource};
use crate::record::{
    adoption, answer_status, assignment_status, migration_status, new_assignment, new_migration,
    read_assignment, spec_of_assignment,
};

/// Writes on their way at once. A kcp on two cores has its best throughput with about half of that; more only queue there.
const IN_FLIGHT: usize = 16;

/// Carries out decisions on the clusters of a fleet, as long as this broker leads.
#[derive(Clone)]
pub struct KcpMigrationExecutor {
    fleet: Fleet,
    leading: watch::Receiver<bool>,
    gate: Gate,
    /// Whether the server takes applies to a status for updates, as far as was seen.
    applies_are_updates: Arc<AtomicBool>,
    latencies: Option<Arc<Latencies>>,
    around: Arc<dyn Execute>,
}

impl KcpMigrationExecutor {
    /// An executor on the clusters of a fleet; it refuses everything while `leading` is false.
    pub fn new(fleet: Fleet, leading: watch::Receiver<bool>) -> Self {
        Self {
            fleet,
            leading,
            gate: Gate::new(IN_FLIGHT),
            applies_are_updates: Arc::default(),
            latencies: None,
            around: Arc::new(AsUsual),
        }
    }

    /// Puts this between what was decided and what is written.
    #[must_use]
    pub fn within(mut self, around: Arc<dyn Execute>) -> Self {
        self.around = around;
        self
    }

    /// Tells these what consumers wait for.
    pub(super) fn measured_by(mut self, latencies: Arc<Latencies>) -> Self {
        self.latencies = Some(latencies);
        self
    }

    async fn finalize(
        &self,
        order: &ObjectRef,
        resource_version: &str,
        change: impl FnOnce(&mut Vec<String>),
    ) -> Result<Written, PortError> {
        let target = Target::brokered(&self.fleet, &order.gvk, &order.key)?;
        let what = || format!("finalizers of {order}");
        let seen = target
            .cache
            .get(&order.key)
            .filter(|object| object.resource_version() == resource_version)
            .ok_or_else(|| PortError::new(PortErrorKind::Conflict, what(), "it changed meanwhile"))?;
        let mut finalizers: Vec<String> = seen.finalizers().map(str::to_owned).collect();
        change(&mut finalizers);
        let patch = json!({ "metadata": {
            "uid": seen.uid(), "resourceVersion": resource_version, "finalizers": finalizers,
        }});
        let key = &order.key;
        let result =
            target.api.merge(&target.resource, &key.namespace, &key.name, &patch, marker::MANAGER).await;
        let result = match result {
            Ok(result) => result,
            // What is gone holds no finalizer.
            Err(error) if error.kind() == ApiErrorKind::NotFound && seen.is_deleting() => {
                return Ok(target.hide(key, seen.uid()));
            }
            Err(error) => return Err(port_error(&error)),
        };
        if result.is_deleting() && result.finalizers().next().is_none() {
            return Ok(target.hide(&order.key, result.uid()));
        }
        Ok(target.show(result))
    }

    /// Whether the record of an order still points to the copy that is handed over: as the server has it, not as it was
    /// seen last.
    async fn still_serves(&self, guard: &RelatedGuard) -> Result<(), PortError> {
        let target = Target::assignments(&self.fleet);
        let refuse = |why: String| {
            let what = format!("what {} hands over", guard.copy);
            Err(PortError::new(PortErrorKind::Conflict, what, why))
        };
        let there = match target.api.get(&target.resource, "", &guard.assignment).await {
            Ok(there) => there,
            Err(error) if error.kind() == ApiErrorKind::NotFound => {
                return refuse("the order's record is gone".to_owned());
            }
            Err(error) => return Err(port_error(&error)),
        };
        let record = read_assignment(&there);
        target.show(there);
        match record {
            Ok(record) if guard.holds(Some(&record)) => Ok(()),
            Ok(_) => refuse("another copy serves the order by now".to_owned()),
            Err(error) => refuse(format!("the order's record cannot be read: {error}")),
        }
    }

    /// Guarded by the version of the order too: no server looks at the uid of what is written to a status.
    async fn apply_status(
        &self,
        order: &ObjectRef,
        uid: &str,
        status: &serde_json::Value,
    ) -> Result<Written, PortError> {
        let target = Target::brokered(&self.fleet, &order.gvk, &order.key)?;
        let seen = target.incarnation(&order.key, uid)?;
        let there = if self.applies_are_updates.load(Ordering::Relaxed) {
            seen
        } else {
            let mut object = Object::named(&target.resource.gvk(), &order.key.namespace, &order.key.name);
            object.set(&["metadata", "uid"], uid.into());
            object.set(&["metadata", "resourceVersion"], seen.resource_version().into());
            object.set(&["status"], status.clone());
            let result = target.api.apply_status(&target.resource, &object, marker::MANAGER).await;
            let applied = result.map_err(|error| port_error(&error))?;
            if !forgotten::is_taken_for_update(&applied) {
                return Ok(target.show(applied));
            }
            self.applies_are_updates.store(true, Ordering::Relaxed);
            if applied.get(&["status"]) == Some(status) {
                return Ok(target.show(applied));
            }
            Arc::new(applied)
        };
        let wanted = forgotten::replacement(there.get(&["status"]), status);
        let guard = json!({ "uid": uid, "resourceVersion": there.resource_version() });
        let patch = json!({ "metadata": guard, "status": wanted });
        let (namespace, name) = (&order.key.namespace, &order.key.name);
        let result =
            target.api.merge_status(&target.resource, namespace, name, &patch, marker::MANAGER).await;
        result.map(|object| target.show(object)).map_err(|error| port_error(&error))
    }

    async fn tell(
        &self,
        order: &OrderIdentity,
        severity: Severity,
        reason: &str,
        message: &str,
    ) -> Result<Written, PortError> {
        let api = order.gvr.group_resource();
        let plan = self.fleet.plan();
        let Some(export) = plan.apis.get(&api).and_then(|export| self.fleet.export(export)) else {
            return Ok(Written::default());
        };
        let (Some(kind), Some(home)) = (export.kinds().get(&api), export.home(&order.key.cluster)) else {
            return Ok(Written::default());
        };
        if !export.claims("", "events") {
            return Ok(Written::default());
        }
        let event = event(order, kind, severity, reason, message, self.fleet.now());
        match home.api.create(&Resource::events(), &event, marker::MANAGER).await {
            Ok(_) => Ok(Written::default()),
            // The same thing was told in this very second.
            Err(error) if error.kind() == ApiErrorKind::AlreadyExists => Ok(Written::default()),
            Err(error) => Err(port_error(&error)),
        }
    }

    async fn create_assignment(&self, assignment: &Assignment) -> Result<Written, PortError> {
        let target = Target::assignments(&self.fleet);
        let template = Object::named(&target.resource.gvk(), "", &assignment.name);
        target.create(&new_assignment(assignment, &template)).await
    }

    async fn update_assignment(&self, assignment: &Assignment) -> Result<Written, PortError> {
        let target = Target::assignments(&self.fleet);
        let patch = json!({
            "metadata": { "uid": assignment.uid, "resourceVersion": assignment.resource_version },
            "spec": spec_of_assignment(assignment),
        });
        let result = target.api.merge(&target.resource, "", &assignment.name, &patch, marker::MANAGER).await;
        result.map(|object| target.show(object)).map_err(|error| port_error(&error))
    }

    async fn apply_assignment_status(
        &self,
        name: &str,
        uid: &str,
        status: &AssignmentStatus,
    ) -> Result<Written, PortError> {
        let target = Target::assignments(&self.fleet);
        let before = target.incarnation(&ObjectKey::new(PLATFORM, "", name), uid)?;
        let mut object = Object::named(&target.resource.gvk(), "", name);
        object.set(&["metadata", "uid"], uid.into());
        object.set(&["metadata", "resourceVersion"], before.resource_version().into());
        object.set(&["status"], assignment_status(status, Some(&before), self.fleet.now()));
        let result = target.api.apply_status(&target.resource, &object, marker::MANAGER).await;
        result.map(|object| target.show(object)).map_err(|error| port_error(&error))
    }

    /// The fence is a field of its own manager: whoever applies the copy neither raises nor lifts it. It is lifted by
    /// name, which no server misunderstands.
    async fn fence(&self, copy: &CopyRef, uid: &str, raised: bool) -> Result<Written, PortError> {
        let key = &copy.key;
        let target = Target::brokered(&self.fleet, &copy.gvk(), key)?;
        let asked = raised.then_some("true");
        let annotations = json!({ marker::QUIESCE_ANNOTATION: asked });
        let patch = json!({ "metadata": { "uid": uid, "annotations": annotations } });
        let result = target
            .api
            .merge(&target.resource, &key.namespace, &key.name, &patch, marker::FENCE_MANAGER)
            .await;
        result.map(|object| target.show(object)).map_err(|error| port_error(&error))
    }

    async fn create_migration(&self, migration: &Migration) -> Result<Written, PortError> {
        let target = Target::migrations(&self.fleet);
        let template = Object::named(&target.resource.gvk(), "", &migration.name);
        let written = target.create(&new_migration(migration, &template)).await?;
        tracing::info!(
            order = %migration.order.key, api = %migration.order.gvr.group_resource(), migration = %migration.name,
            from = %migration.from, to = %migration.to, "migration begins"
        );
        Ok(written)
    }

    async fn adopt_migration(&self, migration: &Migration) -> Result<Written, PortError> {
        let target = Target::migrations(&self.fleet);
        let mut patch = adoption(migration);
        if let Some(metadata) = patch.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
            metadata.insert("uid".into(), migration.uid.clone().into());
            metadata.insert("resourceVersion".into(), migration.resource_version.clone().into());
        }
        let result = target.api.merge(&target.resource, "", &migration.name, &patch, marker::MANAGER).await;
        result.map(|object| target.show(object)).map_err(|error| port_error(&error))
    }

    async fn answer_request(
        &self,
        name: &str,
        uid: &str,
        resource_version: &str,
        answer: &Answer,
    ) -> Result<Written, PortError> {
        let target = Target::migrations(&self.fleet);
        let Some(before) = target.cache.get(&ObjectKey::new(PLATFORM, "", name)) else {
            return Ok(Written::default());
        };
        let patch = json!({
            "metadata": { "uid": uid, "resourceVersion": resource_version },
            "status": answer_status(answer, &before, self.fleet.now()),
        });
        let result = target.api.merge_status(&target.resource, "", name, &patch, marker::MANAGER).await;
        result.map(|object| target.show(object)).map_err(|error| port_error(&error))
    }

    async fn update_migration(&self, migration: &Migration) -> Result<Written, PortError> {
        let target = Target::migrations(&self.fleet);
        let before = target.cache.get(&ObjectKey::new(PLATFORM, "", &migration.name));
        let patch = json!({
            "metadata": { "uid": migration.uid, "resourceVersion": migration.resource_version },
            "status": migration_status(migration, before.as_deref(), self.fleet.now()),
        });
        let result =
            target.api.merge_status(&target.resource, "", &migration.name, &patch, marker::MANAGER).await;
        let written = result.map(|object| target.show(object)).map_err(|error| port_error(&error))?;
        tracing::info!(
            order = %migration.order.key, api = %migration.order.gvr.group_resource(), migration = %migration.name,
            state = migration.state().as_str(), why = migration.milestone(), "migration"
        );
        let was = before.as_ref().and_then(|it| MigrationState::from_text(it.text(&["status", "state"])?));
        if migration.state().is_final() && was != Some(migration.state()) {
            self.fleet.metrics().ended(migration.state());
        }
        Ok(written)
    }

    /// Measures what a write ended.
    fn measure(&self, action: &Action) {
        let Some(latencies) = &self.latencies else { return };
        if let Action::CreateCopy { copy, object } = action {
            let assignment = object.label(marker::ORDER_LABEL);
            let assignments = &self.fleet.platform().assignments;
            let found = assignment.and_then(|name| assignments.get(&ObjectKey::new(PLATFORM, "", name)));
            if let Some(order) = found.as_deref().and_then(order_of) {
                latencies.placed(&order, &copy.key.cluster);
            }
        }
        if let Action::ApplyStatus { order, .. } = action
            && let Some(api) = self.api_of(order)
        {
            latencies.told(&OrderKey { api, key: order.key.clone() });
        }
    }

    /// The brokered API of an order.
    fn api_of(&self, order: &ObjectRef) -> Option<String> {
        let same = |kind: &Resource| kind.kind == order.gvk.kind && kind.gvr.group == order.gvk.group;
        self.fleet
            .exports()
            .iter()
            .find_map(|export| export.kinds().iter().find(|(_, kind)| same(kind)).map(|(api, _)| api.clone()))
    }
}

impl MigrationExecutor for KcpMigrationExecutor {
    async fn execute(&self, action: &Action) -> Result<Written, PortError> {
        if !*self.leading.borrow() {
            return Err(PortError::new(PortErrorKind::Fenced, action.verb(), "this broker does not lead"));
        }
        let _passage = self.gate.pass(urgency(action)).await;
        let began = tokio::time::Instant::now();
        let result = self.around.execute(action, Usual::of(self)).await;
        if result.is_ok() {
            self.measure(action);
        }
        tracing::debug!(
            verb = action.verb(),
            millis = began.elapsed().as_millis(),
            ok = result.is_ok(),
            "wrote"
        );
        result
    }
}

impl fmt::Debug for KcpMigrationExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KcpMigrationExecutor").field("fleet", &self.fleet).finish_non_exhaustive()
    }
}

impl KcpMigrationExecutor {
    pub(super) async fn carry_out(&self, action: &Action) -> Result<Written, PortError> {
        match action {
            Action::AddFinalizer { order, resource_version } => {
                self.finalize(order, resource_version, |finalizers| {
                    finalizers.push(marker::ORDER_FINALIZER.to_owned());
                })
                .await
            }
            Action::RemoveFinalizer { order, resource_version } => {
                self.finalize(order, resource_version, |finalizers| {
                    finalizers.retain(|finalizer| finalizer != marker::ORDER_FINALIZER);
                })
                .await
            }
            Action::ApplyStatus { order, uid, status } => self.apply_status(order, uid, status).await,
            Action::Tell { order, severity, reason, message } => {
                self.tell(order, *severity, reason, message).await
            }
            Action::CreateAssignment(assignment) => self.create_assignment(assignment).await,
            Action::UpdateAssignment(assignment) => self.update_assignment(assignment).await,
            Action::ApplyAssignmentStatus { name, uid, status } => {
                self.apply_assignment_status(name, uid, status).await
            }
            Action::DeleteAssignment { name, uid } => {
                Target::assignments(&self.fleet).delete("", name, uid).await
            }
            Action::CreateMigration(migration) => self.create_migration(migration).await,
            Action::AdoptMigration(migration) => self.adopt_migration(migration).await,
            Action::AnswerRequest { name, uid, resource_version, answer } => {
                self.answer_request(name, uid, resource_version, answer).await
            }
            Action::UpdateMigration(migration) => self.update_migration(migration).await,
            Action::DeleteMigration { name, uid } => {
                Target::migrations(&self.fleet).delete("", name, uid).await
            }
            Action::CreateCopy { copy, object } => {
                Target::brokered(&self.fleet, &copy.gvk(), &copy.key)?.create(object).await
            }
            Action::ApplyCopy { copy, object } => {
                Target::brokered(&self.fleet, &copy.gvk(), &copy.key)?.apply(object).await
            }
            Action::Fence { copy, uid, raised } => self.fence(copy, uid, *raised).await,
            Action::CreateHelper { object, .. } => {
                Target::helper(&self.fleet, &object.gvk()).await?.create(object).await
            }
            Action::ApplyHelper { object, .. } => {
                Target::helper(&self.fleet, &object.gvk()).await?.apply(object).await
            }
            Action::DeleteHelpers { namespace, uid, .. } => {
                let kind = Gvk::new("", "v1", "Namespace");
                Target::helper(&self.fleet, &kind).await?.delete("", namespace, uid).await
            }
            Action::DeleteCopy { copy, uid } => {
                let key = &copy.key;
                Target::brokered(&self.fleet, &copy.gvk(), key)?.delete(&key.namespace, &key.name, uid).await
            }
            Action::CreateRelated { target, object } if sabotage::is(Bug::ForeignOverwritten) => {
                Target::related(&self.fleet, target, Some(object))?.apply(object).await
            }
            Action::CreateRelated { target, object } => {
                Target::related(&self.fleet, target, Some(object))?.create(object).await
            }
            Action::ApplyRelated { target, object, guard } => {
                self.still_serves(guard).await?;
                let mut object = object.clone();
                object.set(&["metadata", "resourceVersion"], guard.resource_version.clone().into());
                Target::related(&self.fleet, target, Some(&object))?.apply(&object).await
            }
            Action::DeleteRelated { target, uid, guard } => {
                let mut preconditions = Preconditions { uid: Some(uid.clone()), resource_version: None };
                if let Some(guard) = guard {
                    self.still_serves(guard).await?;
                    preconditions.resource_version = Some(guard.resource_version.clone());
                }
                let key = &target.key;
                let target = Target::related(&self.fleet, target, None)?;
                target.delete_guarded(&key.namespace, &key.name, uid, &preconditions).await
            }
        }
    }
}

fn urgency(action: &Action) -> Urgency {
    match action {
        Action::AddFinalizer { .. } | Action::CreateCopy { .. } => Urgency::Placing,
        Action::CreateAssignment(_) => Urgency::Beginning,
        Action::Tell { .. }
        | Action::ApplyAssignmentStatus { .. }
        | Action::AnswerRequest { .. }
        | Action::DeleteMigration { .. } => Urgency::Telling,
        Action::RemoveFinalizer { .. }
        | Action::ApplyStatus { .. }
        | Action::UpdateAssignment(_)
        | Action::DeleteAssignment { .. }
        | Action::CreateMigration(_)
        | Action::AdoptMigration(_)
        | Action::UpdateMigration(_)
        | Action::ApplyCopy { .. }
        | Action::DeleteCopy { .. }
        | Action::Fence { .. }
        | Action::CreateHelper { .. }
        | Action::ApplyHelper { .. }
        | Action::DeleteHelpers { .. }
        | Action::CreateRelated { .. }
        | Action::ApplyRelated { .. }
        | Action::DeleteRelated { .. } => Urgency::Serving,
    }
}
