//! How many orders stand where, by the caches.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::resource::{ClusterName, Object, ObjectKey, Packed};

use super::indexes::{BY_COPY, BY_ORDER, BY_STANDING, Standing, object_text};
use super::observe::carries_our_mark;
use crate::fleet::{Fleet, Followed};
use crate::store::Cache;

/// What the broker says of an order that no assignment names.
const WITHOUT_ASSIGNMENT: [&str; 2] = ["NoMatchingOffer", "AssignmentLost"];
/// The reason of an order of which nothing is said yet, or nothing that the broker says of an order like it.
const NOT_TOLD: &str = "NotTold";

/// The orders of one API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Whose they are.
    pub(super) consumers: BTreeSet<ClusterName>,
    /// Not served yet.
    pub(super) pending: u64,
    /// Served.
    pub(super) bound: u64,
    /// Served, and on the way to somebody else.
    pub(super) migrating: u64,
    /// On their way out.
    pub(super) terminating: u64,
    /// All of them by what the broker says of them.
    pub(super) reasons: BTreeMap<String, u64>,
}

/// The orders of every API, or of one alone.
pub(super) fn census(fleet: &Fleet, only: Option<&str>) -> BTreeMap<String, Census> {
    let plan = fleet.plan();
    let wanted = |api: &str| only.is_none_or(|only| only == api);
    let mut census: BTreeMap<String, Census> =
        plan.apis.keys().filter(|api| wanted(api)).map(|api| (api.clone(), Census::default())).collect();
    let assignments = &fleet.platform().assignments;
    let beginning = only.map(Standing::beginning).unwrap_or_default();
    for (text, orders) in assignments.read().texts(BY_STANDING, &beginning) {
        let Some(standing) = Standing::of_text(text) else { continue };
        let orders = u64::try_from(orders).unwrap_or(u64::MAX);
        let ours = census.entry(standing.api).or_default();
        ours.consumers.insert(standing.consumer);
        match standing.phase.as_str() {
            "Bound" => ours.bound += orders,
            "Migrating" => ours.migrating += orders,
            "Terminating" => ours.terminating += orders,
            _ => ours.pending += orders,
        }
        *ours.reasons.entry(standing.reason.unwrap_or_else(|| NOT_TOLD.to_owned())).or_default() += orders;
    }
    for (api, ours) in &mut census {
        let export = plan.apis.get(api).and_then(|export| fleet.export(export));
        let followed = export.as_ref().and_then(|export| export.followed(&export.kinds().get(api)?.gvr));
        let Some(orders) = followed else { continue };
        for (key, packed) in nameless(orders, assignments, api) {
            let object = packed.object();
            if carries_our_mark(&object) {
                continue;
            }
            ours.consumers.insert(key.cluster);
            ours.pending += 1;
            *ours.reasons.entry(reason(&object).to_owned()).or_default() += 1;
        }
    }
    census
}

/// What no assignment names, as an order or as a copy.
fn nameless(orders: &Followed, assignments: &Cache, api: &str) -> Vec<(ObjectKey, Packed)> {
    let (orders, assignments) = (orders.cache.read(), assignments.read());
    let is_nameless = |key: &ObjectKey| {
        let text = object_text(api, key);
        assignments.count(BY_ORDER, &text) == 0 && assignments.count(BY_COPY, &text) == 0
    };
    let found = orders.packed().filter(|(key, _)| is_nameless(key));
    found.map(|(key, packed)| (key.clone(), packed.clone())).collect()
}

/// What is said of an order that no assignment names. Its status is its consumer's to write, too: no other word counts.
fn reason(order: &Object) -> &'static str {
    let said = order.condition("Brokered").map(|condition| condition.reason).unwrap_or_default();
    WITHOUT_ASSIGNMENT.into_iter().find(|reason| *reason == said).unwrap_or(NOT_TOLD)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_consumer_makes_no_reasons_up() {
        let saying = |reason: &str| {
            let condition = json!({ "type": "Brokered", "status": "False", "reason": reason });
            let order = json!({
                "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "x" },
                "status": { "conditions": [condition] },
            });
            super::reason(&Object::try_from(order).unwrap())
        };
        assert_eq!(saying("NoMatchingOffer"), "NoMatchingOffer");
        assert_eq!(saying("AssignmentLost"), "AssignmentLost");
        assert_eq!(saying("OneOfMillions"), "NotTold");
    }
}
