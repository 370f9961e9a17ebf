//! Names of APIs and objects, as the broker's kinds refer to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gvk {
    /// The API group; empty for Kubernetes' core group.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub group: String,
    /// The API version, such as `v1alpha1`.
    #[schemars(length(min = 1, max = 63))]
    pub version: String,
    /// The kind, such as `Certificate`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
}

/// A resource of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gvr {
    /// The API group; empty for Kubernetes' core group.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub group: String,
    /// The API version, such as `v1alpha1`.
    #[schemars(length(min = 1, max = 63))]
    pub version: String,
    /// The plural resource name, such as `certificates`.
    #[schemars(length(min = 1, max = 63))]
    pub resource: String,
}
