//! BrokeredAPI: what is brokered, and how carefully.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Condition, GoDuration, Scheduling,
    rules::{MAX_EXPRESSION, rule},
};

/// One brokered API, named `<resource>.<group>`; an API without one is not brokered.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "broker.platform-mesh.io",
    version = "v1alpha1",
    kind = "BrokeredAPI",
    root = "BrokeredApi",
    plural = "brokeredapis",
    shortname = "bapi",
    category = "broker",
    status = "BrokeredApiStatus",
    doc = "What is brokered, and how carefully: one per API, named <resource>.<group>. An API without one is not brokered.",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name.contains('.')").message("the name must be <resource>.<group>, as in certificates.example.com"),
    printcolumn(name = "Moves", type_ = "string", json_path = ".spec.moves"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Offers", type_ = "integer", json_path = ".status.offers"),
    printcolumn(name = "Bound", type_ = "integer", json_path = ".status.orders.bound"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.orders.pending"),
    printcolumn(name = "Migrating", type_ = "integer", json_path = ".status.orders.migrating"),
    printcolumn(name = "Consumers", type_ = "integer", json_path = ".status.consumers", priority = 1),
    printcolumn(name = "Providers", type_ = "integer", json_path = ".status.providers", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct BrokeredApiSpec {
    /// The APIExport that serves it; by default the one of this object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub export: Option<String>,
    /// APIExports of the platform that serve kinds of providers' own: offers may translate orders into those kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub copy_exports: Vec<String>,
    /// When a copy is ready: a CEL expression over `self`, the copy. By default a Ready or
    /// Available condition of the observed generation, then status.ready, then status.phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_EXPRESSION))]
    pub ready: Option<String>,
    /// How long the old copy is kept after a switch.
    #[serde(default = "grace_period")]
    pub grace_period: GoDuration,
    /// How long a first copy may take to get ready before another offer is tried.
    #[serde(default = "ready_timeout")]
    pub ready_timeout: GoDuration,
    /// The kinds of related objects that are mirrored to the consumer.
    #[serde(default = "related_kinds")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub related_kinds: Vec<RelatedKind>,
    /// Which labels of an order its copy gets: names or globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 317)))]
    pub copy_labels: Vec<String>,
    /// Which annotations of an order its copy gets: names or globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 317)))]
    pub copy_annotations: Vec<String>,
    /// The name of a mirrored object in the consumer's namespace, from ${order} and ${key}.
    #[serde(default = "related_name")]
    #[schemars(
        length(min = 1, max = 253),
        extend("x-kubernetes-validations" = [
            rule("self.contains('${order}') && self.contains('${key}')", "must contain ${order} and ${key}, or two objects would share a name")
        ])
    )]
    pub related_name: String,
    /// Whether an order may move without a playbook.
    #[serde(default)]
    pub moves: Moves,
    /// Who starts the move away from a provider that cannot be reached; by default Automatic
    /// where moves are Free, else Manual. Automatic moves nothing that needs a playbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// How long a provider must not have answered, without a break, before its orders move or a
    /// person is asked.
    #[serde(default = "failover_after")]
    pub failover_after: GoDuration,
    /// Whether a move with data needs the old copy to stop writing first; by default Required
    /// where moves need a playbook, else BestEffort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// Who may offer this API, and how loudly; the most specific entry of a provider counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["cluster"])
    )]
    pub providers: Vec<ProviderPolicy>,
    /// What a mistaken edit cannot exceed.
    #[serde(default)]
    pub limits: Limits,
}

/// Kinds of related objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RelatedKind {
    /// `v1` Secret.
    Secret,
    /// `v1` ConfigMap.
    ConfigMap,
}

/// Whether the objects of an API may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Moves {
    /// Its objects hold data: an order moves only with a matching MigrationConfiguration.
    #[default]
    PlaybookOnly,
    /// Its objects hold no data: replace, switch, remove.
    Free,
}

/// Who starts a move away from a lost provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Failover {
    /// The broker, after a stated time.
    Automatic,
    /// A person, by a Migration.
    Manual,
}

/// How strictly writes to the old copy must have stopped before the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fence {
    /// The provider must have answered the fence.
    Required,
    /// The switch happens without an answer too, and the receipt says what that risks.
    BestEffort,
}

/// The platform's word about one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderPolicy {
    /// The provider's cluster: its id, alias or path; `*` for all that are not named.
    #[serde(default = "any_cluster")]
    #[schemars(length(min = 1, max = 253))]
    pub cluster: String,
    /// The name people and metrics see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub alias: Option<String>,
    /// Whether it takes orders; stricter than what the provider says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// Its offers' priority counts as this much at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_priority: Option<i32>,
    /// Its offers' weight counts as this much at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_weight: Option<i32>,
}

/// What a mistaken edit cannot exceed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// How many orders move at the same time.
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrent_moves: i32,
    /// After so many failed moves none is started until a person says so.
    #[schemars(range(min = 1, max = 10_000))]
    pub halt_after_failures: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrent_moves: 10, halt_after_failures: 3 }
    }
}

impl Default for BrokeredApiSpec {
    fn default() -> Self {
        Self {
            export: None,
            ready: None,
            grace_period: grace_period(),
            ready_timeout: ready_timeout(),
            copy_exports: Vec::new(),
            related_kinds: related_kinds(),
            copy_labels: Vec::new(),
            copy_annotations: Vec::new(),
            related_name: related_name(),
            moves: Moves::default(),
            failover: None,
            failover_after: failover_after(),
            fence: None,
            providers: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl BrokeredApiSpec {
    /// The failover in force: what is written, else what follows from `moves`.
    pub fn effective_failover(&self) -> Failover {
        self.failover.unwrap_or(match self.moves {
            Moves::Free => Failover::Automatic,
            Moves::PlaybookOnly => Failover::Manual,
        })
    }

    /// The fence in force: what is written, else what follows from `moves`.
    pub fn effective_fence(&self) -> Fence {
        self.fence.unwrap_or(match self.moves {
            Moves::Free => Fence::BestEffort,
            Moves::PlaybookOnly => Fence::Required,
        })
    }
}

/// What the broker observes about a brokered API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokeredApiStatus {
    /// `Ready`: the API is served and brokered. `ProvidersReachable`: every provider of it answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Clusters with orders of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumers: Option<i64>,
    /// Clusters that offer it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub providers: Option<i64>,
    /// Offers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offers: Option<i64>,
    /// Orders by phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders: Option<OrderCounts>,
    /// The generation all this was observed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// How many orders are in which phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OrderCounts {
    /// Waiting for an offer or for their first copy.
    pub pending: i64,
    /// Served.
    pub bound: i64,
    /// On the move.
    pub migrating: i64,
    /// Being deleted.
    pub terminating: i64,
}

fn grace_period() -> GoDuration {
    GoDuration::new("30s")
}

fn ready_timeout() -> GoDuration {
    GoDuration::new("10m")
}

fn failover_after() -> GoDuration {
    GoDuration::new("5m")
}

fn related_kinds() -> Vec<RelatedKind> {
    vec![RelatedKind::Secret, RelatedKind::ConfigMap]
}

fn related_name() -> String {
    "${order}-${key}".to_owned()
}

fn any_cluster() -> String {
    "*".to_owned()
}
