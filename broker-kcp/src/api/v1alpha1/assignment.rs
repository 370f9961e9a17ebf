//! Assignment: the recorded, sticky decision which offer serves an order.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Gvk, Gvr, rules::rule};

/// Which offer serves one order, and where its copies are.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "broker.platform-mesh.io",
    version = "v1alpha1",
    kind = "Assignment",
    plural = "assignments",
    shortname = "asg",
    category = "broker",
    status = "AssignmentStatus",
    doc = "Which offer serves one order, where its copies are, and why. Written by the broker.",
    derive = "PartialEq",
    printcolumn(name = "Resource", type_ = "string", json_path = ".spec.order.gvr.resource"),
    printcolumn(name = "Consumer", type_ = "string", json_path = ".spec.order.clusterName"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.order.namespace"),
    printcolumn(name = "Order", type_ = "string", json_path = ".spec.order.name"),
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.offer.clusterName"),
    printcolumn(name = "Offer", type_ = "string", json_path = ".spec.offer.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Copy", type_ = "string", json_path = ".spec.pointer.name", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentSpec {
    /// The order.
    #[schemars(extend("x-kubernetes-validations" = [
        rule("self == oldSelf", "an assignment stays with its order")
    ]))]
    pub order: OrderRef,
    /// The offer that serves it; none while nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferRef>,
    /// Its copies: one at rest, two during a move. What is not named here is no copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub copies: Vec<CopyRef>,
    /// Former copies in clusters that do not answer: they serve no more, and are removed when their clusters do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub leftovers: Vec<CopyRef>,
    /// The copy whose status and related objects the consumer sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<CopyRef>,
    /// How many copies were ever named here; names of copies are derived from it.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub serial: i64,
}

/// An order: an object of a brokered API in a consumer's cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderRef {
    /// The consumer's cluster.
    #[schemars(length(min = 1, max = 253))]
    pub cluster_name: String,
    /// Its uid: an order deleted and made again is another one.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// Its API.
    pub gvr: Gvr,
    /// Its namespace; none where the API is cluster-scoped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// An AcceptAPI of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferRef {
    /// The provider's cluster.
    #[schemars(length(min = 1, max = 253))]
    pub cluster_name: String,
    /// Its namespace; none where AcceptAPI is served cluster-scoped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A copy in a provider's cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyRef {
    /// The provider's cluster.
    #[schemars(length(min = 1, max = 253))]
    pub cluster_name: String,
    /// Its kind.
    pub gvk: Gvk,
    /// Its resource: the plural of its kind in URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub resource: Option<String>,
    /// Its namespace; none where its kind is cluster-scoped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its uid, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub uid: Option<String>,
    /// The offer it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferRef>,
    /// The migration that made it; none for the first placement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub migration: Option<String>,
}

/// Where an order stands, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AssignmentStatus {
    /// Where the order stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<AssignmentPhase>,
    /// What is observed about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The offers that came nearest at the last decision, the chosen one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub candidates: Vec<Candidate>,
    /// How many other offers were refused, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, i64>,
    /// How many offers of its API were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub considered: Option<i64>,
    /// What decided: `Sticky`, `OnlyOne`, `Priority`, `Specificity`, `Cost` or `Hash`; nothing where no
    /// offer was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// The line of the score that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Where no offer was chosen: the fields that stood in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub misses: Vec<Missed>,
    /// When the last decision about this order was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub decided_at: Option<String>,
    /// The generation of the order that was decided on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_generation: Option<i64>,
    /// The generation of this object that was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AssignmentPhase {
    /// It waits for an offer or for its first copy.
    Pending,
    /// It is served.
    Bound,
    /// It is on the move.
    Migrating,
    /// It is being deleted.
    Terminating,
}

/// One offer that was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The offer.
    pub offer: OfferRef,
    /// `Chosen`, `Feasible`, or the reason it was refused for.
    pub verdict: String,
    /// What it was ordered by among the feasible ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// All reasons of the refusal, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the platform calls its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// What a feasible offer is ranked by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranked: Option<Ranked>,
    /// The first filter that refused, the value it found and what would have passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Missed>,
    /// The filter that refused by least, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Missed>,
}

/// What a feasible offer is ranked by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Ranked {
    /// Higher goes first.
    pub priority: i32,
    /// Length of the longest prefix or suffix that matched; higher goes first.
    pub specificity: i64,
    /// Lower goes first, unstated last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// Share among equals.
    pub weight: i64,
}

/// A field of the order that stood in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Missed {
    /// Index into the offer's filters; none where several offers are summed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<i64>,
    /// Path of the field; none for an expression over the whole order.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What was found there; none where the field is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is wrong with it.
    pub problem: String,
    /// What would have passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub expected: Vec<String>,
    /// Of several alternatives the one that comes nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}
