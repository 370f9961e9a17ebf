//! AcceptAPI: what a provider offers to serve.

use std::{borrow::Cow, fmt};

use broker_core::offer::limits::{MAX_GROUP, MAX_NAME, MAX_TEXT, MAX_VALUES};
use broker_core::resource::MAX_PATH;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    Condition, Gvk, Template,
    rules::{MAX_EXPRESSION, rule},
};

/// A DNS label.
const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// DNS labels with points between them, or nothing: the core group.
const GROUP: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$";
/// A decimal, with an exponent or a suffix of Kubernetes' quantities.
const QUANTITY: &str = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$";
/// A key that leads neither into the status nor to what changes with it, however it is quoted.
const STATUS: &str = r"!self.matches(r'^(status|\[[\x27\x22]status[\x27\x22]\])($|[.\[])') && !self.matches(r'^(metadata|\[[\x27\x22]metadata[\x27\x22]\])[.]?(\[[\x27\x22])?(resourceVersion|managedFields)')";
/// Named fields with points between them, and quoted ones in brackets.
const SYNTAX: &str = r"self.matches(r'^([^\s.\[\]\x27\x22*]+|\[\x27.+\x27\]|\[\x22.+\x22\])([.][^\s.\[\]\x27\x22*]+|[.]?\[\x27.+\x27\]|[.]?\[\x22.+\x22\])*$')";
/// Fewer than the broker would take: an API server refuses definitions whose rules could cost much, and it counts with
/// the longest of lists.
const MOST_FILTERS: usize = 256;

/// What one provider promises to serve: an API, and which of its objects.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "broker.platform-mesh.io",
    version = "v1alpha1",
    kind = "AcceptAPI",
    root = "AcceptApi",
    plural = "acceptapis",
    shortname = "aapi",
    category = "broker",
    namespaced,
    status = "AcceptApiStatus",
    doc = "What a provider promises to serve: an API, and which of its objects.",
    derive = "PartialEq",
    printcolumn(name = "Resource", type_ = "string", json_path = ".spec.gvr.resource"),
    printcolumn(
        name = "Available",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Available")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Available")].reason"#
    ),
    printcolumn(name = "Orders", type_ = "integer", json_path = ".status.assignedOrders"),
    printcolumn(name = "Scheduling", type_ = "string", json_path = ".spec.scheduling", priority = 1),
    printcolumn(name = "Priority", type_ = "integer", json_path = ".spec.priority", priority = 1),
    printcolumn(name = "Weight", type_ = "integer", json_path = ".spec.weight", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Available")].message"#,
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct AcceptApiSpec {
    /// The API it serves.
    pub gvr: OfferGvr,
    /// Where copies go; by default this object's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_NAME), regex(pattern = LABEL))]
    pub namespace: Option<String>,
    /// Which objects it serves: those that pass all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MOST_FILTERS),
        extend("x-kubernetes-validations" = [
            rule("self.filter(filter, has(filter.expression)).size() <= 16", "at most 16 filters may have an expression: each costs time for every order")
        ])
    )]
    pub filters: Vec<Filter>,
    /// Offers of a higher priority are taken first.
    #[serde(default)]
    pub priority: i32,
    /// Its share among equals.
    #[serde(default = "weight")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: i32,
    /// What an order costs here, in any unit that the platform's offers share; lower comes first.
    /// A decimal in quotes, or an integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 32, "pattern" = r"^[0-9]+(\.[0-9]+)?$", "x-kubernetes-validations" = [
        rule("type(self) != int || self >= 0", "a cost is zero or more")
    ]))]
    pub cost: Option<IntOrText>,
    /// How much it can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// Whether it takes orders.
    #[serde(default)]
    pub scheduling: Scheduling,
    /// How orders become objects of the provider's own kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translation: Option<Translation>,
}

/// The API an offer is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferGvr {
    /// The API group; where it is omitted, the one brokered API of that resource name. Empty for
    /// Kubernetes' core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_GROUP), regex(pattern = GROUP))]
    pub group: Option<String>,
    /// The API version; where it is omitted, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_NAME), regex(pattern = LABEL))]
    pub version: Option<String>,
    /// The plural resource name.
    #[schemars(length(min = 1, max = MAX_NAME), regex(pattern = LABEL))]
    pub resource: String,
}

/// What one field of an order must be like; all criteria given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule(
        "has(self.valueIn) || has(self.notIn) || has(self.prefix) || has(self.suffix) || has(self.boundary) || has(self.expression)",
        "a filter needs a criterion: valueIn, notIn, prefix, suffix, boundary or expression"
    ),
    rule(
        "has(self.key) || !(has(self.valueIn) || has(self.notIn) || has(self.prefix) || has(self.suffix) || has(self.boundary))",
        "valueIn, notIn, prefix, suffix and boundary need a key: the field they look at"
    )
]))]
pub struct Filter {
    /// The field; may be left out where an expression is the only criterion. A path from `spec` or `metadata`, or below `.spec`; names with dots in
    /// brackets: `metadata.labels['topology.kubernetes.io/region']`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        length(min = 1, max = MAX_PATH),
        extend("x-kubernetes-validations" = [
            rule(STATUS, "an offer cannot filter on status, nor on what changes with it: the provider would make its own orders flap; use spec or metadata"),
            rule(SYNTAX, "a key is a path of named fields, those with other characters than letters, digits, _, -, / in brackets and quotes: metadata.labels['a.b/c']; paths do not look into lists")
        ])
    )]
    pub key: String,
    /// The values accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_VALUES), inner(length(max = MAX_TEXT)))]
    pub value_in: Option<Vec<String>>,
    /// The values refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_VALUES), inner(length(max = MAX_TEXT)))]
    pub not_in: Option<Vec<String>>,
    /// How the value must begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_TEXT))]
    pub prefix: Option<String>,
    /// How the value must end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_TEXT))]
    pub suffix: Option<String>,
    /// The range the value must lie in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// A CEL expression over `self`, the order without its status, that must be true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_EXPRESSION))]
    pub expression: Option<String>,
    /// Whether an order without the field passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A range with both ends in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule("has(self.min) || has(self.max)", "a boundary needs min, max or both"),
    rule(
        "!has(self.min) || !has(self.max) || type(self.min) != int || type(self.max) != int || self.min <= self.max",
        "min is above max: nothing could pass"
    )
]))]
pub struct Boundary {
    /// The least value accepted: an integer, a decimal in quotes, or a quantity such as 10Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 64, "pattern" = QUANTITY))]
    pub min: Option<IntOrText>,
    /// The greatest value accepted: an integer, a decimal in quotes, or a quantity such as 10Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 64, "pattern" = QUANTITY))]
    pub max: Option<IntOrText>,
}

/// A number as an integer or as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrText {
    /// An integer.
    Int(i64),
    /// A decimal or a quantity.
    Text(String),
}

impl fmt::Display for IntOrText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl JsonSchema for IntOrText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "IntOrText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-int-or-string": true })
    }
}

/// How much an offer can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// The most orders it serves at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub orders: Option<i64>,
}

/// Whether an offer or a provider takes orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Scheduling {
    /// It takes orders.
    #[default]
    Active,
    /// It keeps its orders and takes no new ones.
    Cordoned,
    /// Its orders move away.
    Draining,
}

/// How orders become objects of the provider's own kind, and how their status comes back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Translation {
    /// The provider's kind.
    pub gvk: Gvk,
    /// The copy, with ${CEL} over `self`, the order as its copy would show it, and `copy`, whose name is known.
    pub template: Template,
    /// The order's status, with ${CEL} over `self`, the order, and `copy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Template>,
}

/// What is observed about an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AcceptApiStatus {
    /// `Available` is the broker's word; `Ready` may be the provider's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How many orders it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_orders: Option<i64>,
    /// The generation the broker looked at last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

fn weight() -> i32 {
    100
}
