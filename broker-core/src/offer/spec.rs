//! What a provider wrote: the input of [`Offer::parse`](super::Offer::parse), equal in shape to `AcceptAPI.spec`.
//!
//! Inert data. Nothing here is checked beyond its JSON types.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::InvalidFilter;

/// The shape of `AcceptAPI.spec`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferSpec {
    /// The API offered.
    pub gvr: ApiSpec,
    /// Namespace of the provider's cluster that copies go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What an order must look like; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSpec>,
    /// Higher is asked first. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Share among equals, 1 to 1000. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// A decimal, as number or text; lower is asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Value>,
    /// How much the offer can take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacitySpec>,
    /// Whether the offer takes and keeps orders. Default `Active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// How copies of the provider's own kind are made, and how their status comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translation: Option<Value>,
}

impl OfferSpec {
    /// Reads a spec from JSON.
    ///
    /// # Errors
    /// Everything that is not of the shape of a spec, each with its place.
    pub fn read(spec: &Value) -> Result<Self, Vec<InvalidFilter>> {
        Self::deserialize(spec).map_err(|error| super::shape::faults(spec, &error.to_string()))
    }

    /// An offer of everything of one API.
    pub fn of(gvr: ApiSpec) -> Self {
        Self {
            gvr,
            namespace: None,
            filters: Vec::new(),
            priority: None,
            weight: None,
            cost: None,
            capacity: None,
            scheduling: None,
            translation: None,
        }
    }
}

/// `spec.gvr`: a resource, and optionally its group and version. `group: ""` is the core group, no group is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiSpec {
    /// API group; absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// API version; absent means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Resource, the plural.
    pub resource: String,
}

/// One entry of `spec.filters`; all criteria that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilterSpec {
    /// Path to the field; may be left empty where `expression` is the only criterion.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The field's text is one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_in: Option<Vec<String>>,
    /// The field's text is none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in: Option<Vec<String>>,
    /// The field's text starts with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The field's text ends with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// The field is a number within these bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<BoundarySpec>,
    /// A CEL expression over `self` that is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Whether an order without the field passes. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// Inclusive bounds; each a number or a text with a decimal or a quantity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BoundarySpec {
    /// The least value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    /// The greatest value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
}

/// `spec.capacity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapacitySpec {
    /// The most orders the offer serves at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<i64>,
}

/// Whether an offer takes new orders and keeps the ones it has. Ordered from open to closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scheduling {
    /// Takes new orders.
    #[default]
    Active,
    /// Keeps its orders, takes no new ones.
    Cordoned,
    /// Takes no new orders, and those it has move away.
    Draining,
}

impl Scheduling {
    /// The text used in specs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Cordoned => "Cordoned",
            Self::Draining => "Draining",
        }
    }
}
