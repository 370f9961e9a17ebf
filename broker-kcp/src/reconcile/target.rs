//! Where one object is written, and to whom the result is shown.

use std::sync::Arc;

use broker_core::port::{PortError, PortErrorKind, Written};
use broker_core::resource::{ClusterName, Gvk, Gvr, Object, ObjectKey, ObjectRef, marker};
use broker_core::sabotage::{self, Bug};

use crate::fleet::{ComputeCluster, Export, Fleet, PLATFORM};
use crate::kcp::{ApiError, ApiErrorKind, ClusterApi, Deletion, Preconditions, Resource};
use crate::store::{Cache, Source};

/// One kind in one cluster: where to write, and where the result is shown.
pub(super) struct Target {
    pub(super) api: ClusterApi,
    pub(super) resource: Resource,
    pub(super) cache: Cache,
    source: Source,
    cluster: ClusterName,
    /// Other caches that show the same objects.
    also: Vec<(Cache, Source)>,
}

impl Target {
    fn platform(fleet: &Fleet, plural: &str, kind: &str, cache: &Cache) -> Self {
        let gvr = Gvr::new(marker::GROUP, marker::VERSION, plural);
        Self {
            api: fleet.platform_api(),
            resource: Resource::cluster_scoped(gvr, kind),
            cache: cache.clone(),
            source: fleet.platform_source(),
            cluster: PLATFORM.into(),
            also: Vec::new(),
        }
    }

    /// Assignments.
    pub(super) fn assignments(fleet: &Fleet) -> Self {
        Self::platform(fleet, "assignments", "Assignment", &fleet.platform().assignments)
    }

    /// Migrations.
    pub(super) fn migrations(fleet: &Fleet) -> Self {
        Self::platform(fleet, "migrations", "Migration", &fleet.platform().migrations)
    }

    /// Helper objects of a kind, in the compute cluster.
    pub(super) async fn helper(fleet: &Fleet, gvk: &Gvk) -> Result<Self, PortError> {
        let missing =
            || PortError::new(PortErrorKind::Unavailable, gvk.to_string(), "there is no compute cluster");
        let compute = fleet.compute().ok_or_else(missing)?;
        let (resource, cache) = compute.kind(gvk).await.map_err(|error| port_error(&error))?;
        Ok(Self {
            api: compute.api(),
            resource,
            cache,
            source: compute.source(),
            cluster: ComputeCluster::cluster(),
            also: Vec::new(),
        })
    }

    /// Orders and copies of a kind.
    pub(super) fn brokered(fleet: &Fleet, gvk: &Gvk, key: &ObjectKey) -> Result<Self, PortError> {
        let same = |kind: &&Resource| kind.kind == gvk.kind && kind.gvr.group == gvk.group;
        let found = fleet
            .exports()
            .into_iter()
            .find_map(|export| export.kinds().values().find(same).cloned().map(|kind| (export, kind)));
        let (export, resource) = found.ok_or_else(|| unreachable(gvk, key, "the API is not brokered"))?;
        Self::of(&export, &resource, gvk, key)
    }

    /// Related objects at the consumer. Every export that the consumer binds shows them: the request goes through the
    /// one that `owner`, the order in the object's owner reference, belongs to, and its result is shown to all.
    pub(super) fn related(fleet: &Fleet, at: &ObjectRef, owner: Option<&Object>) -> Result<Self, PortError> {
        let mut exports = fleet.exports();
        exports.retain(|export| export.of_kind(&at.gvk).is_some() && export.is_bound(&at.key.cluster));
        let own = |export: &Arc<Export>| match owner.and_then(owner_kind) {
            Some((group, kind)) => export.kinds().values().any(|k| k.gvr.group == group && k.kind == kind),
            None => export.of_kind(&at.gvk).is_some_and(|followed| followed.cache.read().contains(&at.key)),
        };
        exports.sort_by_key(|export| !own(export));
        let mut targets = exports.iter().filter_map(|export| {
            let resource = export.of_kind(&at.gvk)?.resource.clone();
            Self::of(export, &resource, &at.gvk, &at.key).ok()
        });
        let mut first = targets
            .next()
            .ok_or_else(|| unreachable(&at.gvk, &at.key, "no export claims this kind in that cluster"))?;
        first.also = targets.map(|other| (other.cache, other.source)).collect();
        Ok(first)
    }

    fn of(export: &Export, resource: &Resource, gvk: &Gvk, key: &ObjectKey) -> Result<Self, PortError> {
        let followed = export
            .followed(&resource.gvr)
            .ok_or_else(|| unreachable(gvk, key, "the kind is not followed"))?;
        let home = export
            .home(&key.cluster)
            .ok_or_else(|| unreachable(gvk, key, "the cluster is not reached through the export"))?;
        Ok(Self {
            api: home.api,
            resource: resource.clone(),
            cache: followed.cache.clone(),
            source: home.source,
            cluster: key.cluster.clone(),
            also: Vec::new(),
        })
    }

    /// The object as it was seen last, if it is this incarnation.
    pub(super) fn incarnation(&self, key: &ObjectKey, uid: &str) -> Result<Arc<Object>, PortError> {
        let another = || {
            let what = format!("{} {key}", self.resource.kind);
            PortError::new(PortErrorKind::Conflict, what, "it is another one, or gone")
        };
        self.cache.get(key).filter(|seen| seen.uid() == uid).ok_or_else(another)
    }

    /// Creates an object. What exists already and is of the same order is shown: it may be our own, whose answer was
    /// lost, and that the watch has not told of it yet must not make a stranger of it.
    pub(super) async fn create(&self, object: &Object) -> Result<Written, PortError> {
        let error = match self.api.create(&self.resource, object, marker::MANAGER).await {
            Ok(object) => return Ok(self.show(object)),
            Err(error) => error,
        };
        let exists = error.kind() == ApiErrorKind::AlreadyExists;
        if exists && sabotage::is(Bug::ExistingTakenForOurs) {
            return Ok(Written::default());
        }
        if exists
            && let Ok(there) = self.api.get(&self.resource, object.namespace(), object.name()).await
            && there.label(marker::ORDER_LABEL) == object.label(marker::ORDER_LABEL)
            && there.label(marker::MIGRATION_LABEL) == object.label(marker::MIGRATION_LABEL)
        {
            self.show(there);
        }
        Err(port_error(&error))
    }

    /// Applies an object.
    pub(super) async fn apply(&self, object: &Object) -> Result<Written, PortError> {
        let result = self.api.apply(&self.resource, object, marker::MANAGER).await;
        result.map(|object| self.show(object)).map_err(|error| port_error(&error))
    }

    /// Deletes this incarnation of an object; one that is gone already is as good.
    pub(super) async fn delete(&self, namespace: &str, name: &str, uid: &str) -> Result<Written, PortError> {
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        self.delete_guarded(namespace, name, uid, &preconditions).await
    }

    /// Deletes this incarnation of an object while the preconditions hold.
    pub(super) async fn delete_guarded(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        preconditions: &Preconditions,
    ) -> Result<Written, PortError> {
        let key = ObjectKey {
            cluster: self.cluster.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        match self.api.delete(&self.resource, namespace, name, preconditions).await {
            Ok(Deletion::Begun(object)) => Ok(self.show(object)),
            Ok(Deletion::Done) => Ok(self.hide(&key, uid)),
            Err(error) if error.kind() == ApiErrorKind::NotFound => Ok(self.hide(&key, uid)),
            Err(error) => Err(port_error(&error)),
        }
    }

    /// Shows the result of a write to whoever observes next.
    pub(super) fn show(&self, mut object: Object) -> Written {
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
    pub(super) fn hide(&self, key: &ObjectKey, uid: &str) -> Written {
        for (cache, _) in &self.also {
            cache.deleted(key.clone(), uid);
        }
        self.cache.deleted(key.clone(), uid);
        Written::default()
    }
}

/// Group and kind of the first owner.
fn owner_kind(object: &Object) -> Option<(&str, &str)> {
    let owner = object.get(&["metadata", "ownerReferences"])?.as_array()?.first()?;
    let text = |key: &str| owner.get(key).and_then(serde_json::Value::as_str);
    Some((text("apiVersion")?.split_once('/').map_or("", |(group, _)| group), text("kind")?))
}

/// What a failed request means to whoever decided it.
pub(super) fn port_error(error: &ApiError) -> PortError {
    let kind = match error.kind() {
        ApiErrorKind::NotFound => PortErrorKind::NotFound,
        ApiErrorKind::AlreadyExists => PortErrorKind::AlreadyExists,
        ApiErrorKind::Conflict => PortErrorKind::Conflict,
        ApiErrorKind::Denied => PortErrorKind::Denied,
        ApiErrorKind::Invalid => PortErrorKind::Invalid,
        // Who is not known may be known a moment later: nothing that is written is refused by it.
        ApiErrorKind::Expired | ApiErrorKind::Unauthenticated | ApiErrorKind::Unavailable => {
            PortErrorKind::Unavailable
        }
    };
    PortError::new(kind, error.what(), error.message()).with_pause(error.retry_after())
}

fn unreachable(gvk: &Gvk, key: &ObjectKey, message: &str) -> PortError {
    PortError::new(PortErrorKind::Unavailable, format!("{} {key}", gvk.kind), message)
}
