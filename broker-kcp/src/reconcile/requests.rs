//! What people ask for: which order each request is about, from caches alone.
//!
//! Whether that order can move is decided with the order. Here it is told only why nobody knows which order is meant; it is
//! looked at again whenever an order, a provider or a name changes that it may depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::migration::{Answer, Asked, Candidate, Request};
use broker_core::order::OrderIdentity;
use broker_core::port::ProviderRegistry as _;
use broker_core::resource::{ClusterName, Gvk, ObjectKey, marker};
use serde_json::json;

use super::indexes::{ANY, BY_ASKED, BY_NAME};
use super::policy::Policies;
use super::registry::KcpProviderRegistry;
use super::routes::OrderKey;
use crate::fleet::{Fleet, PLATFORM};
use crate::kcp::{ApiError, Resource};
use crate::record::{answer_status, read_assignment, read_request};

/// What clusters are called.
pub(super) struct Directory {
    paths: BTreeMap<ClusterName, Vec<String>>,
    policies: Arc<Policies>,
}

impl Directory {
    /// The names that are known now.
    pub(super) fn of(fleet: &Fleet, registry: &KcpProviderRegistry) -> Self {
        let mut paths: BTreeMap<ClusterName, Vec<String>> = BTreeMap::new();
        for (path, cluster) in fleet.exports().into_iter().flat_map(|export| export.paths()) {
            paths.entry(cluster).or_default().push(path);
        }
        Self { paths, policies: registry.policies() }
    }

    /// All names of a cluster, each once: paths, then aliases, then its id. The first is for people.
    pub(super) fn names(&self, cluster: &ClusterName) -> Vec<String> {
        let paths = self.paths.get(cluster).cloned().unwrap_or_default();
        let mut names = Vec::new();
        for name in
            paths.into_iter().chain(self.policies.offers.aliases(cluster)).chain([cluster.to_string()])
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The name for people.
    pub(super) fn called(&self, cluster: &ClusterName) -> String {
        self.names(cluster).into_iter().next().unwrap_or_default()
    }
}

/// The providers that have offers, with all their names.
pub(super) fn providers(
    registry: &KcpProviderRegistry,
    directory: &Directory,
) -> Vec<(ClusterName, Vec<String>)> {
    let offers = registry.offers();
    let clusters: BTreeSet<&ClusterName> = offers.listings().map(|listing| &listing.id().cluster).collect();
    clusters.into_iter().map(|cluster| (cluster.clone(), directory.names(cluster))).collect()
}

/// Which order a request is about.
pub(super) fn resolve(
    fleet: &Fleet,
    directory: &Directory,
    request: &Request,
) -> Result<OrderIdentity, Answer> {
    let name = request.order_name().unwrap_or_default();
    let found = fleet.platform().assignments.find(BY_NAME, name);
    request.resolve(found.filter_map(|(_, object)| {
        let assignment = read_assignment(&object).ok()?;
        let serving = assignment.serving()?;
        let gvr = &assignment.order.gvr;
        let own = directory.policies.orders.get(&gvr.group_resource());
        let own = own.map(|policy| Gvk::new(&gvr.group, &gvr.version, &policy.kind));
        Some(Candidate {
            consumer: directory.names(&assignment.order.key.cluster),
            provider: directory.names(&serving.key.cluster),
            kinds: own.into_iter().chain([serving.gvk()]).collect::<BTreeSet<_>>().into_iter().collect(),
            order: assignment.order,
        })
    }))
}

/// What is asked for one order, oldest first.
pub(super) fn of_order(
    fleet: &Fleet,
    registry: &KcpProviderRegistry,
    identity: &OrderIdentity,
) -> Vec<Asked> {
    let mut found = fleet.platform().migrations.find(BY_ASKED, &identity.key.name).peekable();
    if found.peek().is_none() {
        return Vec::new();
    }
    let directory = Directory::of(fleet, registry);
    let read = found.filter_map(|(_, object)| read_request(&object).ok().flatten());
    let mut requests: Vec<Request> = read
        .filter(|request| resolve(fleet, &directory, request).is_ok_and(|order| order == *identity))
        .collect();
    requests.sort_by(|one, other| (one.created_at, &one.name).cmp(&(other.created_at, &other.name)));
    let providers = providers(registry, &directory);
    requests.into_iter().map(|request| Asked::of(request, providers.clone())).collect()
}

/// Looks at one request: gives back its order, whose turn it is, or tells why nobody knows which it is.
pub(super) async fn look(
    fleet: &Fleet,
    registry: &KcpProviderRegistry,
    resource: &Resource,
    name: &str,
) -> Result<Option<OrderKey>, ApiError> {
    let cache = &fleet.platform().migrations;
    let key = ObjectKey::new(PLATFORM, "", name);
    if !fleet.platform_is_synced() || !fleet.is_planned() {
        return Ok(None);
    }
    let Some(object) = cache.get(&key) else { return Ok(None) };
    let (answer, told) = match read_request(&object) {
        Ok(None) => return Ok(None),
        Ok(Some(request)) if request.controls.cancel => {
            (Answer::cancelled("called off before it began"), request.told)
        }
        Ok(Some(request)) => match resolve(fleet, &Directory::of(fleet, registry), &request) {
            Ok(order) => {
                return Ok(Some(OrderKey { api: order.gvr.group_resource(), key: order.key }));
            }
            Err(answer) => (answer, request.told),
        },
        Err(error) => (Answer::waits("Unreadable", error.to_string()), None),
    };
    if told.as_ref() == Some(&answer) {
        return Ok(None);
    }
    tracing::info!(migration = name, reason = %answer.reason, "migration");
    let patch = json!({
        "metadata": { "uid": object.uid(), "resourceVersion": object.resource_version() },
        "status": answer_status(&answer, &object, fleet.now()),
    });
    let written = fleet.platform_api().merge_status(resource, "", name, &patch, marker::MANAGER).await?;
    cache.written(&fleet.platform_source(), key, written);
    Ok(None)
}

/// The names of everything that is asked for.
pub(super) fn waiting(fleet: &Fleet) -> Vec<String> {
    fleet.platform().migrations.read().keys_of(BY_ASKED, ANY).map(|key| key.name.clone()).collect()
}
