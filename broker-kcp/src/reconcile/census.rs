//! How many orders stand where, by the caches.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::resource::{ClusterName, Object, ObjectKey};

use super::indexes::{BY_COPY, object_text};
use super::observe::carries_our_mark;
use super::routes::order_of;
use crate::fleet::Fleet;

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
    let assignments = fleet.platform().assignments.clone();
    let mut assigned: BTreeMap<String, BTreeSet<ObjectKey>> = BTreeMap::new();
    for (_, assignment) in assignments.read().iter() {
        let Some(order) = order_of(assignment).filter(|order| wanted(&order.api)) else { continue };
        let ours = census.entry(order.api.clone()).or_default();
        ours.consumers.insert(order.key.cluster.clone());
        match assignment.text(&["status", "phase"]) {
            Some("Bound") => ours.bound += 1,
            Some("Migrating") => ours.migrating += 1,
            Some("Terminating") => ours.terminating += 1,
            Some(_) | None => ours.pending += 1,
        }
        let reason = assignment.condition("Ready").map_or(NOT_TOLD.to_owned(), |ready| ready.reason);
        *ours.reasons.entry(reason).or_default() += 1;
        assigned.entry(order.api).or_default().insert(order.key);
    }
    for (api, ours) in &mut census {
        let export = plan.apis.get(api).and_then(|export| fleet.export(export));
        let followed = export.as_ref().and_then(|export| export.followed(&export.kinds().get(api)?.gvr));
        let Some(orders) = followed else { continue };
        for (key, object) in orders.cache.read().iter() {
            let known = assigned.get(api).is_some_and(|assigned| assigned.contains(key));
            if known
                || carries_our_mark(object)
                || assignments.read().count(BY_COPY, &object_text(api, key)) > 0
            {
                continue;
            }
            ours.consumers.insert(key.cluster.clone());
            ours.pending += 1;
            *ours.reasons.entry(reason(object).to_owned()).or_default() += 1;
        }
    }
    census
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
