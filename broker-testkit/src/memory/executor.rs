//! Acting: each write with the guard that its contract names, and the crashes that a test asked for.

use std::sync::Arc;

use broker_core::migration::Migration;
use broker_core::order::{Action, Compute, RelatedGuard};
use broker_core::port::{MigrationExecutor, PortError, PortErrorKind, Written};
use broker_core::resource::{Gvk, Object, ObjectRef, marker};
use serde_json::{Value, json};

use super::{COMPUTE, Crash, MemoryFleet, State};

impl MigrationExecutor for MemoryFleet {
    async fn execute(&self, action: &Action) -> Result<Written, PortError> {
        let mut state = self.lock();
        let number = state.writes;
        state.writes += 1;
        let lost = || PortError::new(PortErrorKind::Unavailable, action.verb(), "the connection broke");
        if state.crash == Some(Crash::Before(number)) || state.is_cut_off(action) {
            return Err(lost());
        }
        let written = state.carry_out(action)?;
        let what = describe(action);
        state.history.push(what);
        if state.crash == Some(Crash::After(number)) {
            return Err(lost());
        }
        Ok(Written { object: written })
    }
}

impl State {
    fn carry_out(&mut self, action: &Action) -> Result<Option<Arc<Object>>, PortError> {
        let refuse = |kind| PortError::new(kind, action.verb(), "refused");
        match action {
            Action::AddFinalizer { order, resource_version }
            | Action::RemoveFinalizer { order, resource_version } => {
                let there = self.objects.get(order).ok_or_else(|| refuse(PortErrorKind::NotFound))?;
                if there.resource_version() != resource_version {
                    return Err(refuse(PortErrorKind::Conflict));
                }
                let finalizers = if matches!(action, Action::AddFinalizer { .. }) {
                    json!([marker::ORDER_FINALIZER])
                } else {
                    json!([])
                };
                let mut next = there.as_ref().clone();
                next.set(&["metadata", "finalizers"], finalizers);
                Ok(self.put(order, next))
            }
            Action::ApplyStatus { order, uid, status } => {
                let mut next = self.guarded(order, uid, action)?.as_ref().clone();
                next.set(&["status"], status.clone());
                Ok(self.put(order, next))
            }
            Action::Tell { order, reason, .. } => {
                self.told.push((order.key.name.clone(), (*reason).to_owned()));
                Ok(None)
            }
            Action::CreateAssignment(_)
            | Action::UpdateAssignment(_)
            | Action::ApplyAssignmentStatus { .. }
            | Action::DeleteAssignment { .. }
            | Action::CreateMigration(_)
            | Action::AdoptMigration(_)
            | Action::AnswerRequest { .. }
            | Action::UpdateMigration(_)
            | Action::DeleteMigration { .. } => self.record(action).map(|()| None),
            Action::CreateCopy { copy, object } => self.create(&copy.object_ref(), object, action),
            Action::CreateRelated { target, object } => self.create(target, object, action),
            Action::ApplyCopy { copy, object } => self.apply(&copy.object_ref(), object, action),
            Action::ApplyRelated { target, object, guard } => {
                self.still_serves(target, guard, action)?;
                self.apply(target, object, action)
            }
            Action::Fence { copy, uid, raised } => {
                let mut next = self.guarded(&copy.object_ref(), uid, action)?.as_ref().clone();
                let wanted = if *raised { "true".into() } else { Value::Null };
                next.set(&["metadata", "annotations", marker::QUIESCE_ANNOTATION], wanted);
                Ok(self.put(&copy.object_ref(), next))
            }
            Action::CreateHelper { object, .. } => self.create(&in_compute(object), object, action),
            Action::ApplyHelper { object, .. } => self.apply(&in_compute(object), object, action),
            Action::DeleteHelpers { namespace, uid, .. } => {
                let target = in_compute(&Object::named(&Gvk::new("", "v1", "Namespace"), "", namespace));
                self.delete(&target, uid, action)?;
                self.objects.retain(|target, _| {
                    target.key.cluster.as_str() != COMPUTE || target.key.namespace != *namespace
                });
                Ok(None)
            }
            Action::DeleteCopy { copy, uid } => self.delete(&copy.object_ref(), uid, action),
            Action::DeleteRelated { target, uid, guard } => {
                if let Some(guard) = guard {
                    self.still_serves(target, guard, action)?;
                }
                self.delete(target, uid, action)
            }
        }
    }

    /// Whether an action is about an object in a cluster that does not answer.
    fn is_cut_off(&self, action: &Action) -> bool {
        let cluster = match action {
            Action::AddFinalizer { order: target, .. }
            | Action::RemoveFinalizer { order: target, .. }
            | Action::ApplyStatus { order: target, .. }
            | Action::CreateRelated { target, .. }
            | Action::ApplyRelated { target, .. }
            | Action::DeleteRelated { target, .. } => &target.key.cluster,
            Action::Tell { order, .. } => &order.key.cluster,
            Action::CreateCopy { copy, .. }
            | Action::ApplyCopy { copy, .. }
            | Action::DeleteCopy { copy, .. }
            | Action::Fence { copy, .. } => &copy.key.cluster,
            Action::CreateHelper { .. } | Action::ApplyHelper { .. } | Action::DeleteHelpers { .. } => {
                return self.compute != Compute::Answers;
            }
            Action::CreateAssignment(_)
            | Action::UpdateAssignment(_)
            | Action::ApplyAssignmentStatus { .. }
            | Action::DeleteAssignment { .. }
            | Action::CreateMigration(_)
            | Action::AdoptMigration(_)
            | Action::AnswerRequest { .. }
            | Action::UpdateMigration(_)
            | Action::DeleteMigration { .. } => return false,
        };
        self.unreachable.contains_key(cluster)
    }

    pub(super) fn record(&mut self, action: &Action) -> Result<(), PortError> {
        let refuse = |kind| PortError::new(kind, action.verb(), "refused");
        let version = self.next_version();
        match action {
            Action::CreateAssignment(record) => {
                if self.assignments.contains_key(&record.name) {
                    return Err(refuse(PortErrorKind::AlreadyExists));
                }
                let mut record = record.clone();
                record.uid = format!("uid-{version}");
                record.resource_version = version;
                record.created_at = Some(self.now);
                self.assignments.insert(record.name.clone(), record);
            }
            Action::UpdateAssignment(record) => {
                let there =
                    self.assignments.get_mut(&record.name).ok_or_else(|| refuse(PortErrorKind::NotFound))?;
                if there.resource_version != record.resource_version {
                    return Err(refuse(PortErrorKind::Conflict));
                }
                let status = there.status.clone();
                *there = record.clone();
                there.status = status;
                there.resource_version = version;
            }
            Action::ApplyAssignmentStatus { name, uid, status } => {
                let there = self.assignments.get_mut(name).ok_or_else(|| refuse(PortErrorKind::NotFound))?;
                if &there.uid != uid {
                    return Err(refuse(PortErrorKind::Conflict));
                }
                there.status = status.clone();
                there.resource_version = version;
            }
            Action::DeleteAssignment { name, uid } => {
                if self.assignments.get(name).is_some_and(|there| &there.uid != uid) {
                    return Err(refuse(PortErrorKind::Conflict));
                }
                self.assignments.remove(name);
            }
            Action::CreateMigration(record) => {
                let taken = self.migrations.contains_key(&record.name);
                if taken || self.requests.contains_key(&record.name) {
                    return Err(refuse(PortErrorKind::AlreadyExists));
                }
                let mut record = record.clone();
                record.uid = format!("uid-{version}");
                record.resource_version = version;
                self.migrations.insert(record.name.clone(), record);
            }
            Action::AdoptMigration(record) => {
                let asked = self.requests.get(&record.name).ok_or_else(|| refuse(PortErrorKind::NotFound))?;
                if asked.resource_version != record.resource_version || asked.uid != record.uid {
                    return Err(refuse(PortErrorKind::Conflict));
                }
                self.requests.remove(&record.name);
                let record = Migration { resource_version: version, ..record.clone() };
                self.migrations.insert(record.name.clone(), record);
            }
            Action::AnswerRequest { name, resource_version, answer, .. } => {
                let asked = self.requests.get_mut(name).ok_or_else(|| refuse(PortErrorKind::NotFound))?;
                if asked.resource_version != *resource_version {
                    return Err(refuse(PortErrorKind::Conflict));
                }
                asked.told = Some(answer.clone());
                asked.resource_version = version;
                if answer.state.is_final() {
                    self.requests.remove(name);
                }
            }
            Action::UpdateMigration(record) => {
                let there =
                    self.migrations.get_mut(&record.name).ok_or_else(|| refuse(PortErrorKind::NotFound))?;
                if there.resource_version != record.resource_version {
                    return Err(refuse(PortErrorKind::Conflict));
                }
                *there = record.clone();
                there.resource_version = version;
            }
            Action::DeleteMigration { name, uid } => {
                if self.migrations.get(name).is_some_and(|there| &there.uid != uid) {
                    return Err(refuse(PortErrorKind::Conflict));
                }
                self.migrations.remove(name);
            }
            Action::AddFinalizer { .. }
            | Action::RemoveFinalizer { .. }
            | Action::ApplyStatus { .. }
            | Action::Tell { .. }
            | Action::CreateCopy { .. }
            | Action::ApplyCopy { .. }
            | Action::DeleteCopy { .. }
            | Action::Fence { .. }
            | Action::CreateHelper { .. }
            | Action::ApplyHelper { .. }
            | Action::DeleteHelpers { .. }
            | Action::CreateRelated { .. }
            | Action::ApplyRelated { .. }
            | Action::DeleteRelated { .. } => {}
        }
        Ok(())
    }

    fn guarded(&self, target: &ObjectRef, uid: &str, action: &Action) -> Result<&Arc<Object>, PortError> {
        match self.objects.get(target) {
            Some(there) if there.uid() == uid => Ok(there),
            Some(_) | None => Err(PortError::new(PortErrorKind::Conflict, action.verb(), "uid mismatch")),
        }
    }

    fn still_serves(
        &self,
        target: &ObjectRef,
        guard: &RelatedGuard,
        action: &Action,
    ) -> Result<(), PortError> {
        let refuse = |why: &str| Err(PortError::new(PortErrorKind::Conflict, action.verb(), why));
        if !guard.holds(self.assignments.get(&guard.assignment)) {
            return refuse("another copy serves");
        }
        match self.objects.get(target) {
            Some(there) if there.resource_version() != guard.resource_version => {
                refuse("it changed meanwhile")
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// Stores an object with its next version; one that is being deleted and has no finalizer left goes away instead.
    pub(super) fn put(&mut self, target: &ObjectRef, mut object: Object) -> Option<Arc<Object>> {
        let version = self.next_version();
        object.set(&["metadata", "resourceVersion"], version.into());
        if object.is_deleting() && object.finalizers().next().is_none() {
            let uid = object.uid().to_owned();
            self.objects.remove(target);
            self.collect(&uid);
            return None;
        }
        let object = Arc::new(object);
        self.objects.insert(target.clone(), Arc::clone(&object));
        Some(object)
    }

    pub(super) fn create(
        &mut self,
        target: &ObjectRef,
        object: &Object,
        action: &Action,
    ) -> Result<Option<Arc<Object>>, PortError> {
        if self.objects.contains_key(target) {
            return Err(PortError::new(PortErrorKind::AlreadyExists, action.verb(), "exists"));
        }
        Ok(self.insert(target, object.clone()))
    }

    pub(super) fn insert(&mut self, target: &ObjectRef, mut object: Object) -> Option<Arc<Object>> {
        let uid = format!("uid-{}", self.next_version());
        object.set(&["metadata", "uid"], uid.into());
        object.set(&["metadata", "generation"], 1.into());
        object.set(&["metadata", "creationTimestamp"], self.now.to_rfc3339().into());
        self.put(target, object)
    }

    fn apply(
        &mut self,
        target: &ObjectRef,
        object: &Object,
        action: &Action,
    ) -> Result<Option<Arc<Object>>, PortError> {
        let there = self.guarded(target, object.uid(), action)?;
        let mut next = there.as_ref().clone();
        next.fields_mut()
            .retain(|key, _| matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
        let mut changed = false;
        for (key, value) in object.fields() {
            if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                changed |= there.fields().get(key) != Some(value);
                next.fields_mut().insert(key.clone(), value.clone());
            }
        }
        for field in ["labels", "annotations"] {
            if let Some(Value::Object(entries)) = object.get(&["metadata", field]) {
                for (key, value) in entries {
                    next.set(&["metadata", field, key], value.clone());
                }
            }
        }
        if changed {
            next.set(&["metadata", "generation"], (there.generation() + 1).into());
        }
        if next == **there {
            return Ok(Some(Arc::clone(there)));
        }
        Ok(self.put(target, next))
    }

    pub(super) fn delete(
        &mut self,
        target: &ObjectRef,
        uid: &str,
        action: &Action,
    ) -> Result<Option<Arc<Object>>, PortError> {
        let Some(there) = self.objects.get(target) else { return Ok(None) };
        if there.uid() != uid {
            return Err(PortError::new(PortErrorKind::Conflict, action.verb(), "uid mismatch"));
        }
        let mut next = there.as_ref().clone();
        next.set(&["metadata", "deletionTimestamp"], self.now.to_rfc3339().into());
        Ok(self.put(target, next))
    }

    /// Owner references: what the gone object owned goes as well.
    fn collect(&mut self, uid: &str) {
        let owned: Vec<ObjectRef> = self
            .objects
            .iter()
            .filter(|(_, object)| {
                let owners = object.get(&["metadata", "ownerReferences"]).and_then(Value::as_array);
                owners
                    .into_iter()
                    .flatten()
                    .any(|owner| owner.get("uid").and_then(Value::as_str) == Some(uid))
            })
            .map(|(target, _)| target.clone())
            .collect();
        for target in owned {
            if let Some(object) = self.objects.get(&target) {
                let mut next = object.as_ref().clone();
                next.set(&["metadata", "deletionTimestamp"], self.now.to_rfc3339().into());
                self.put(&target, next);
            }
        }
    }
}

/// Where a helper object is.
fn in_compute(object: &Object) -> ObjectRef {
    ObjectRef { gvk: object.gvk(), key: object.key_in(&COMPUTE.into()) }
}

fn describe(action: &Action) -> String {
    let detail = match action {
        Action::AddFinalizer { order, .. } | Action::RemoveFinalizer { order, .. } => order.to_string(),
        Action::ApplyStatus { order, status, .. } => {
            let brokered = status["conditions"].as_array().and_then(|list| list.last());
            format!(
                "{order} {}",
                brokered.map(|condition| condition["reason"].to_string()).unwrap_or_default()
            )
        }
        Action::Tell { reason, .. } => (*reason).to_owned(),
        Action::CreateAssignment(record) | Action::UpdateAssignment(record) => {
            format!("{} copies={} pointer={:?}", record.name, record.copies.len(), record.pointer)
        }
        Action::ApplyAssignmentStatus { name, status, .. } => {
            format!("{name} {:?} {}", status.phase, status.reason)
        }
        Action::DeleteAssignment { name, .. } | Action::DeleteMigration { name, .. } => name.clone(),
        Action::AnswerRequest { name, answer, .. } => format!("{name} {}: {}", answer.reason, answer.message),
        Action::CreateMigration(record)
        | Action::AdoptMigration(record)
        | Action::UpdateMigration(record) => {
            format!("{} {} ({})", record.name, record.state().as_str(), record.message)
        }
        Action::CreateCopy { copy, .. }
        | Action::ApplyCopy { copy, .. }
        | Action::DeleteCopy { copy, .. }
        | Action::Fence { copy, .. } => copy.object_ref().to_string(),
        Action::CreateHelper { object, .. } | Action::ApplyHelper { object, .. } => {
            in_compute(object).to_string()
        }
        Action::DeleteHelpers { namespace, .. } => namespace.clone(),
        Action::CreateRelated { target, .. }
        | Action::ApplyRelated { target, .. }
        | Action::DeleteRelated { target, .. } => target.to_string(),
    };
    format!("{} {detail}", action.verb())
}
