//! What follows when clusters answer no more, or again: whose turn it is, and what the platform is told.
//!
//! Their own AcceptAPIs cannot be written while they do not answer; the BrokeredAPI, the orders' conditions and the log
//! say it.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::matching::OfferSet;
use broker_core::offer::Reachability;
use broker_core::resource::ClusterName;

use super::conditions::Wanted;
use super::indexes::BY_CLUSTER;
use super::routes::{Chore, GATHER, Routes, order_of};
use crate::fleet::{Fleet, Turn};

/// Providers that are named in a message; the rest are counted.
const NAMED: usize = 5;

/// Whether a provider's cluster answers.
pub(super) fn reachability(fleet: &Fleet, cluster: &ClusterName) -> Reachability {
    if fleet.is_silent(cluster) { Reachability::Unreachable } else { Reachability::Reachable }
}

/// Asks for work on the orders that these clusters serve or hold; where they answer again, on all that may have waited
/// for them.
pub(super) fn turned(routes: &Routes, turn: Turn, clusters: &BTreeSet<ClusterName>) {
    routes.registry.invalidate();
    // A shard that is silent from the start no longer keeps the others from being decided about.
    routes.progress.notify_one();
    let plan = routes.fleet.plan();
    match turn {
        Turn::Silent => {
            orders_in(routes, clusters);
            for api in plan.apis.keys() {
                routes.chores.add_after(Chore::Api(api.clone()), GATHER);
            }
        }
        Turn::Answers => {
            for api in plan.apis.keys() {
                routes.all_orders(api);
            }
            routes.all_offers();
        }
    }
}

/// Asks for work on the orders that have a copy in any of these clusters.
pub(super) fn orders_in(routes: &Routes, clusters: &BTreeSet<ClusterName>) {
    for cluster in clusters {
        for (_, assignment) in routes.fleet.platform().assignments.find(BY_CLUSTER, cluster.as_str()) {
            if let Some(order) = order_of(&assignment) {
                routes.orders.add(order);
            }
        }
    }
}

/// What the BrokeredAPI says of its providers, as the texts of a condition.
pub(super) struct Told {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Told {
    /// About the providers whose offers these are.
    pub(super) fn of(fleet: &Fleet, offers: &OfferSet, api: &str) -> Self {
        let ours = offers.listings().filter(|listing| {
            listing.availability().api.as_ref().is_some_and(|of| of.group_resource() == api)
        });
        let providers: BTreeMap<ClusterName, Option<String>> = ours
            .map(|listing| {
                (listing.id().cluster.clone(), listing.terms().and_then(|terms| terms.alias.clone()))
            })
            .collect();
        let silent = providers.into_iter().filter(|(cluster, _)| fleet.is_silent(cluster));
        Self::about(silent.map(|(cluster, alias)| alias.unwrap_or_else(|| cluster.to_string())).collect())
    }

    fn about(mut silent: Vec<String>) -> Self {
        if silent.is_empty() {
            let message = "every provider answers".to_owned();
            return Self { status: "True", reason: "AllReachable", message };
        }
        silent.sort();
        let more = silent.len().saturating_sub(NAMED);
        silent.truncate(NAMED);
        let named = silent.join(", ");
        let message = if more > 0 {
            format!("not answering: {named} and {more} more")
        } else {
            format!("not answering: {named}")
        };
        Self { status: "False", reason: "ProviderUnreachable", message }
    }

    /// The condition.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            kind: "ProvidersReachable",
            status: self.status,
            reason: self.reason,
            message: &self.message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_providers_are_named_up_to_a_bound() {
        let names = |count: usize| (0..count).map(|n| format!("p{n}")).collect::<Vec<_>>();
        assert_eq!(Told::about(names(0)).status, "True");
        assert_eq!(Told::about(names(2)).message, "not answering: p0, p1");
        assert_eq!(Told::about(names(7)).message, "not answering: p0, p1, p2, p3, p4 and 2 more");
    }
}
