//! Tells the platform whether an API is brokered, and how many orders of it stand where.

use std::collections::BTreeSet;

use broker_core::port::ProviderRegistry;
use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use serde_json::json;

use super::census::census;
use super::conditions::{Wanted, entry, says};
use super::reachability::Told;
use super::registry::KcpProviderRegistry;
use crate::fleet::{Fleet, PLATFORM};
use crate::kcp::{ApiError, Resource};

/// Brings the status of one BrokeredAPI up to date.
pub(super) async fn report(
    fleet: &Fleet,
    registry: &KcpProviderRegistry,
    name: &str,
) -> Result<(), ApiError> {
    let cache = &fleet.platform().brokered_apis;
    let key = ObjectKey::new(PLATFORM, "", name);
    let Some(object) = cache.get(&key).filter(|object| !object.is_deleting()) else { return Ok(()) };
    let plan = fleet.plan();
    let policies = registry.policies();
    let problem = plan
        .problems
        .get(name)
        .map(|problem| (problem.reason(), problem.to_string()))
        .or_else(|| policies.problems.get(name).map(|problem| (problem.reason, problem.message.clone())));
    let (status, reason, message) = match &problem {
        Some((reason, message)) => ("False", *reason, message.as_str()),
        None if !fleet.is_synced(name) => return Ok(()),
        None => ("True", "Brokered", "orders of this API are brokered"),
    };
    let wanted = Wanted { kind: "Ready", status, reason, message };
    let mut conditions = vec![entry(&wanted, &object, fleet.now())];
    if problem.is_none() {
        let told = Told::of(fleet, &registry.offers(), name);
        conditions.push(entry(&told.wanted(), &object, fleet.now()));
    }
    let mut status = json!({ "conditions": conditions, "observedGeneration": object.generation() });
    if problem.is_none()
        && let (Some(counts), Some(status)) =
            (counts(fleet, registry, name).as_object(), status.as_object_mut())
    {
        status.extend(counts.clone());
    }
    if says(object.get(&["status"]), &status) {
        return Ok(());
    }
    let gvr = Gvr::new(marker::GROUP, marker::VERSION, "brokeredapis");
    let resource = Resource::cluster_scoped(gvr, "BrokeredAPI");
    let mut patch = Object::named(&resource.gvk(), "", name);
    patch.set(&["metadata", "uid"], object.uid().into());
    patch.set(&["metadata", "resourceVersion"], object.resource_version().into());
    patch.set(&["status"], status);
    let written = fleet.platform_api().apply_status(&resource, &patch, marker::MANAGER).await?;
    cache.written(&fleet.platform_source(), key, written);
    tracing::debug!(api = name, ready = wanted.status, reason = wanted.reason, "API reported");
    Ok(())
}

fn counts(fleet: &Fleet, registry: &KcpProviderRegistry, name: &str) -> serde_json::Value {
    let census = census(fleet, Some(name)).remove(name).unwrap_or_default();
    let offers = registry.offers();
    let ours: Vec<_> = offers
        .listings()
        .filter(|listing| listing.availability().api.as_ref().is_some_and(|api| api.group_resource() == name))
        .collect();
    let providers: BTreeSet<_> = ours.iter().map(|listing| listing.id().cluster.clone()).collect();
    json!({
        "consumers": census.consumers.len(),
        "providers": providers.len(),
        "offers": ours.len(),
        "orders": {
            "pending": census.pending,
            "bound": census.bound,
            "migrating": census.migrating,
            "terminating": census.terminating,
        },
    })
}
