//! Tells the platform whether an API is brokered, and how many orders of it stand where.

use std::collections::BTreeSet;

use broker_core::port::ProviderRegistry;
use broker_core::resource::{Gvr, Object, ObjectKey, marker};
use serde_json::json;

use super::conditions::{Wanted, entry, says};
use super::indexes::BY_COPY;
use super::observe::carries_our_mark;
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
    patch.set(&["status"], status);
    let written = fleet.platform_api().apply_status(&resource, &patch, marker::MANAGER).await?;
    cache.written(&fleet.platform_source(), key, written);
    Ok(())
}

fn counts(fleet: &Fleet, registry: &KcpProviderRegistry, name: &str) -> serde_json::Value {
    let plan = fleet.plan();
    let assignments = fleet.platform().assignments.clone();
    let mut consumers = BTreeSet::new();
    let (mut pending, mut bound, mut migrating, mut terminating) = (0u64, 0u64, 0u64, 0u64);
    let mut assigned = BTreeSet::new();
    for (_, assignment) in assignments.read().iter() {
        let text = |keys: &[&str]| assignment.text(keys).unwrap_or_default().to_owned();
        let gvr = |key: &str| text(&["spec", "order", "gvr", key]);
        if Gvr::new(gvr("group"), "", gvr("resource")).group_resource() != name {
            continue;
        }
        let cluster = text(&["spec", "order", "clusterName"]);
        let order = ObjectKey::new(
            cluster.as_str(),
            text(&["spec", "order", "namespace"]),
            text(&["spec", "order", "name"]),
        );
        consumers.insert(order.cluster.clone());
        assigned.insert(order);
        match assignment.text(&["status", "phase"]) {
            Some("Bound") => bound += 1,
            Some("Migrating") => migrating += 1,
            Some("Terminating") => terminating += 1,
            Some(_) | None => pending += 1,
        }
    }
    let export = plan.apis.get(name).and_then(|export| fleet.export(export));
    let orders = export.as_ref().and_then(|export| export.followed(&export.kinds().get(name)?.gvr));
    if let Some(orders) = orders {
        for (key, object) in orders.cache.read().iter() {
            let is_copy = assignments.read().count(BY_COPY, &super::indexes::object_text(name, key)) > 0;
            if !carries_our_mark(object) && !is_copy && !assigned.contains(key) {
                consumers.insert(key.cluster.clone());
                pending += 1;
            }
        }
    }
    let offers = registry.offers();
    let ours: Vec<_> = offers
        .listings()
        .filter(|listing| listing.availability().api.as_ref().is_some_and(|api| api.group_resource() == name))
        .collect();
    let providers: BTreeSet<_> = ours.iter().map(|listing| listing.id().cluster.clone()).collect();
    json!({
        "consumers": consumers.len(),
        "providers": providers.len(),
        "offers": ours.len(),
        "orders": { "pending": pending, "bound": bound, "migrating": migrating, "terminating": terminating },
    })
}
