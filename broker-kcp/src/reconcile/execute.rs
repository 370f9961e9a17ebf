//! Carries out what was decided: one request per action, guarded, its result shown to the caches at once.

use std::sync::Arc;

use broker_core::migration::Migration;
use broker_core::order::{Action, Assignment, AssignmentStatus, OrderIdentity, Severity};
use broker_core::port::{Clock, MigrationExecutor, PortError, PortErrorKind, Written};
use broker_core::resource::{ClusterName, Gvk, Gvr, Object, ObjectKey, ObjectRef, marker};
use broker_core::translate::fingerprint;
use serde_json::json;
use tokio::sync::watch;

use super::service::SystemClock;
use crate::controller::{Gate, Urgency};
use crate::fleet::{Export, Fleet, PLATFORM};
use crate::kcp::{ApiError, ApiErrorKind, ClusterApi, Deletion, Preconditions, Resource};
use crate::record::{assignment_status, migration_status, new_assignment, new_migration, spec_of_assignment};
use crate::store::{Cache, Source};

/// Writes on their way at once. A kcp on two cores has its best throughput with about half of that; more only queue there.
const IN_FLIGHT: usize = 16;

/// Carries out decisions on the clusters of a fleet, as long as this broker leads.
#[derive(Clone, Debug)]
pub struct KcpMigrationExecutor {
    fleet: Fleet,
    leading: watch::Receiver<bool>,
    gate: Gate,
}

/// One kind in one cluster: where to write, and where the result is shown.
struct Target {
    api: ClusterApi,
    resource: Resource,
    cache: Cache,
    source: Source,
    cluster: ClusterName,
    /// Other caches that show the same objects.
    also: Vec<(Cache, Source)>,
}

impl KcpMigrationExecutor {
    /// An executor on the clusters of a fleet; it refuses everything while `leading` is false.
    pub fn new(fleet: Fleet, leading: watch::Receiver<bool>) -> Self {
        Self { fleet, leading, gate: Gate::new(IN_FLIGHT) }
    }

    fn platform(&self, plural: &str, kind: &str, cache: &Cache) -> Target {
        let gvr = Gvr::new(marker::GROUP, marker::VERSION, plural);
        Target {
            api: self.fleet.platform_api(),
            resource: Resource::cluster_scoped(gvr, kind),
            cache: cache.clone(),
            source: self.fleet.platform_source(),
            cluster: PLATFORM.into(),
            also: Vec::new(),
        }
    }

    fn assignments(&self) -> Target {
        self.platform("assignments", "Assignment", &self.fleet.platform().assignments)
    }

    fn migrations(&self) -> Target {
        self.platform("migrations", "Migration", &self.fleet.platform().migrations)
    }

    /// Orders and copies of a kind.
    fn brokered(&self, gvk: &Gvk, key: &ObjectKey) -> Result<Target, PortError> {
        let export = self.fleet.exports().into_iter().find(|export| {
            export.kinds().values().any(|kind| kind.kind == gvk.kind && kind.gvr.group == gvk.group)
        });
        let export = export.ok_or_else(|| unreachable(gvk, key, "the API is not brokered"))?;
        let resource = export.kinds().values().find(|kind| kind.kind == gvk.kind).cloned();
        let resource = resource.ok_or_else(|| unreachable(gvk, key, "the API is not brokered"))?;
        target(&export, &resource, gvk, key)
    }

    /// Related objects at the consumer. Every export that the consumer binds shows them: the request goes through the
    /// one that `owner`, the order in the object's owner reference, belongs to, and its result is shown to all.
    fn related(&self, at: &ObjectRef, owner: Option<&Object>) -> Result<Target, PortError> {
        let mut exports = self.fleet.exports();
        exports.retain(|export| export.of_kind(&at.gvk).is_some() && export.is_bound(&at.key.cluster));
        let own = |export: &Arc<Export>| match owner.and_then(owner_kind) {
            Some((group, kind)) => export.kinds().values().any(|k| k.gvr.group == group && k.kind == kind),
            None => export.of_kind(&at.gvk).is_some_and(|followed| followed.cache.get(&at.key).is_some()),
        };
        exports.sort_by_key(|export| !own(export));
        let mut targets = exports.iter().filter_map(|export| {
            let resource = export.of_kind(&at.gvk)?.resource.clone();
            target(export, &resource, &at.gvk, &at.key).ok()
        });
        let mut first = targets
            .next()
            .ok_or_else(|| unreachable(&at.gvk, &at.key, "no export claims this kind in that cluster"))?;
        first.also = targets.map(|other| (other.cache, other.source)).collect();
        Ok(first)
    }

    async fn finalize(
        &self,
        order: &ObjectRef,
        resource_version: &str,
        change: impl FnOnce(&mut Vec<String>),
    ) -> Result<Written, PortError> {
        let target = self.brokered(&order.gvk, &order.key)?;
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

    async fn apply_status(
        &self,
        order: &ObjectRef,
        uid: &str,
        status: &serde_json::Value,
    ) -> Result<Written, PortError> {
        let target = self.brokered(&order.gvk, &order.key)?;
        let mut object = Object::named(&target.resource.gvk(), &order.key.namespace, &order.key.name);
        object.set(&["metadata", "uid"], uid.into());
        object.set(&["status"], status.clone());
        let result = target.api.apply_status(&target.resource, &object, marker::MANAGER).await;
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
        let event = event(order, kind, severity, reason, message);
        match home.api.create(&Resource::events(), &event, marker::MANAGER).await {
            Ok(_) => Ok(Written::default()),
            // The same thing was told in this very second.
            Err(error) if error.kind() == ApiErrorKind::AlreadyExists => Ok(Written::default()),
            Err(error) => Err(port_error(&error)),
        }
    }

    async fn create_assignment(&self, assignment: &Assignment) -> Result<Written, PortError> {
        let target = self.assignments();
        let template = Object::named(&target.resource.gvk(), "", &assignment.name);
        target.create(&new_assignment(assignment, &template)).await
    }

    async fn update_assignment(&self, assignment: &Assignment) -> Result<Written, PortError> {
        let target = self.assignments();
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
        let target = self.assignments();
        let before = target.cache.get(&ObjectKey::new(PLATFORM, "", name));
        let mut object = Object::named(&target.resource.gvk(), "", name);
        object.set(&["metadata", "uid"], uid.into());
        object.set(&["status"], assignment_status(status, before.as_deref(), SystemClock.now()));
        let result = target.api.apply_status(&target.resource, &object, marker::MANAGER).await;
        result.map(|object| target.show(object)).map_err(|error| port_error(&error))
    }

    async fn create_migration(&self, migration: &Migration) -> Result<Written, PortError> {
        let target = self.migrations();
        let template = Object::named(&target.resource.gvk(), "", &migration.name);
        target.create(&new_migration(migration, &template)).await
    }

    async fn update_migration(&self, migration: &Migration) -> Result<Written, PortError> {
        let target = self.migrations();
        let before = target.cache.get(&ObjectKey::new(PLATFORM, "", &migration.name));
        let patch = json!({
            "metadata": { "uid": migration.uid, "resourceVersion": migration.resource_version },
            "status": migration_status(migration, before.as_deref(), SystemClock.now()),
        });
        let result =
            target.api.merge_status(&target.resource, "", &migration.name, &patch, marker::MANAGER).await;
        result.map(|object| target.show(object)).map_err(|error| port_error(&error))
    }
}

impl MigrationExecutor for KcpMigrationExecutor {
    async fn execute(&self, action: &Action) -> Result<Written, PortError> {
        if !*self.leading.borrow() {
            return Err(PortError::new(PortErrorKind::Fenced, action.verb(), "this broker does not lead"));
        }
        let _passage = self.gate.pass(urgency(action)).await;
        let began = tokio::time::Instant::now();
        let result = self.carry_out(action).await;
        tracing::debug!(
            verb = action.verb(),
            millis = began.elapsed().as_millis(),
            ok = result.is_ok(),
            "wrote"
        );
        result
    }
}

impl KcpMigrationExecutor {
    async fn carry_out(&self, action: &Action) -> Result<Written, PortError> {
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
            Action::DeleteAssignment { name, uid } => self.assignments().delete("", name, uid).await,
            Action::CreateMigration(migration) => self.create_migration(migration).await,
            Action::UpdateMigration(migration) => self.update_migration(migration).await,
            Action::DeleteMigration { name, uid } => self.migrations().delete("", name, uid).await,
            Action::CreateCopy { copy, object } => {
                self.brokered(&copy.gvk(), &copy.key)?.create(object).await
            }
            Action::ApplyCopy { copy, object } => self.brokered(&copy.gvk(), &copy.key)?.apply(object).await,
            Action::DeleteCopy { copy, uid } => {
                let key = &copy.key;
                self.brokered(&copy.gvk(), key)?.delete(&key.namespace, &key.name, uid).await
            }
            Action::CreateRelated { target, object } => {
                self.related(target, Some(object))?.create(object).await
            }
            Action::ApplyRelated { target, object } => {
                self.related(target, Some(object))?.apply(object).await
            }
            Action::DeleteRelated { target, uid } => {
                let key = &target.key;
                self.related(target, None)?.delete(&key.namespace, &key.name, uid).await
            }
        }
    }
}

impl Target {
    async fn create(&self, object: &Object) -> Result<Written, PortError> {
        let result = self.api.create(&self.resource, object, marker::MANAGER).await;
        result.map(|object| self.show(object)).map_err(|error| port_error(&error))
    }

    async fn apply(&self, object: &Object) -> Result<Written, PortError> {
        let result = self.api.apply(&self.resource, object, marker::MANAGER).await;
        result.map(|object| self.show(object)).map_err(|error| port_error(&error))
    }

    async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<Written, PortError> {
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let key = ObjectKey {
            cluster: self.cluster.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        match self.api.delete(&self.resource, namespace, name, &preconditions).await {
            Ok(Deletion::Begun(object)) => Ok(self.show(object)),
            Ok(Deletion::Done) => Ok(self.hide(&key, uid)),
            Err(error) if error.kind() == ApiErrorKind::NotFound => Ok(self.hide(&key, uid)),
            Err(error) => Err(port_error(&error)),
        }
    }

    /// Shows the result of a write to whoever observes next.
    fn show(&self, mut object: Object) -> Written {
        if let Some(metadata) =
            object.fields_mut().get_mut("metadata").and_then(serde_json::Value::as_object_mut)
        {
            metadata.remove("managedFields");
        }
        let key = object.key_in(&self.cluster);
        for (cache, source) in &self.also {
            cache.written(source, key.clone(), object.clone());
        }
        self.cache.written(&self.source, key, object.clone());
        Written { object: Some(Arc::new(object)) }
    }

    /// Shows that nothing is left of an object.
    fn hide(&self, key: &ObjectKey, uid: &str) -> Written {
        for (cache, _) in &self.also {
            cache.deleted(key.clone(), uid);
        }
        self.cache.deleted(key.clone(), uid);
        Written::default()
    }
}

fn urgency(action: &Action) -> Urgency {
    match action {
        Action::AddFinalizer { .. } | Action::CreateCopy { .. } => Urgency::Placing,
        Action::CreateAssignment(_) => Urgency::Beginning,
        Action::Tell { .. } | Action::ApplyAssignmentStatus { .. } | Action::DeleteMigration { .. } => {
            Urgency::Telling
        }
        Action::RemoveFinalizer { .. }
        | Action::ApplyStatus { .. }
        | Action::UpdateAssignment(_)
        | Action::DeleteAssignment { .. }
        | Action::CreateMigration(_)
        | Action::UpdateMigration(_)
        | Action::ApplyCopy { .. }
        | Action::DeleteCopy { .. }
        | Action::CreateRelated { .. }
        | Action::ApplyRelated { .. }
        | Action::DeleteRelated { .. } => Urgency::Serving,
    }
}

fn target(export: &Export, resource: &Resource, gvk: &Gvk, key: &ObjectKey) -> Result<Target, PortError> {
    let followed =
        export.followed(&resource.gvr).ok_or_else(|| unreachable(gvk, key, "the kind is not followed"))?;
    let home = export
        .home(&key.cluster)
        .ok_or_else(|| unreachable(gvk, key, "the cluster is not reached through the export"))?;
    Ok(Target {
        api: home.api,
        resource: resource.clone(),
        cache: followed.cache.clone(),
        source: home.source,
        cluster: key.cluster.clone(),
        also: Vec::new(),
    })
}

/// Group and kind of the first owner.
fn owner_kind(object: &Object) -> Option<(&str, &str)> {
    let owner = object.get(&["metadata", "ownerReferences"])?.as_array()?.first()?;
    let text = |key: &str| owner.get(key).and_then(serde_json::Value::as_str);
    Some((text("apiVersion")?.split_once('/').map_or("", |(group, _)| group), text("kind")?))
}

fn event(order: &OrderIdentity, kind: &Resource, severity: Severity, reason: &str, message: &str) -> Object {
    let now = SystemClock.now();
    let namespace = if order.key.namespace.is_empty() { "default" } else { &order.key.namespace };
    // Named by content and second: a broker that starts again does not tell the same thing twice in one breath.
    let print = fingerprint(&json!([order.uid, reason, message, now.to_rfc3339()]));
    let name = format!("{}.{}", order.key.name, print.chars().take(16).collect::<String>());
    let mut event = Object::named(&Resource::events().gvk(), namespace, &name);
    let fields = [
        (
            "involvedObject",
            json!({
                "apiVersion": kind.gvr.api_version(), "kind": kind.kind,
                "namespace": order.key.namespace, "name": order.key.name, "uid": order.uid,
            }),
        ),
        ("type", severity.as_str().into()),
        ("reason", reason.into()),
        ("message", message.into()),
        ("source", json!({ "component": marker::MANAGER })),
        ("reportingComponent", marker::MANAGER.into()),
        ("firstTimestamp", now.to_rfc3339().into()),
        ("lastTimestamp", now.to_rfc3339().into()),
        ("count", 1.into()),
    ];
    for (field, value) in fields {
        event.set(&[field], value);
    }
    event
}

pub(super) fn port_error(error: &ApiError) -> PortError {
    let kind = match error.kind() {
        ApiErrorKind::NotFound => PortErrorKind::NotFound,
        ApiErrorKind::AlreadyExists => PortErrorKind::AlreadyExists,
        ApiErrorKind::Conflict => PortErrorKind::Conflict,
        ApiErrorKind::Denied => PortErrorKind::Denied,
        ApiErrorKind::Invalid => PortErrorKind::Invalid,
        ApiErrorKind::Expired | ApiErrorKind::Unavailable => PortErrorKind::Unavailable,
    };
    PortError::new(kind, error.what(), error.message())
}

fn unreachable(gvk: &Gvk, key: &ObjectKey, message: &str) -> PortError {
    PortError::new(PortErrorKind::Unavailable, format!("{} {key}", gvk.kind), message)
}
