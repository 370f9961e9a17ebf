//! The platform's own kind: who is its customer.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A customer of the platform.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "cloud.example.com",
    version = "v1",
    kind = "Tenant",
    status = "TenantStatus",
    doc = "A customer of the platform.",
    derive = "PartialEq",
    printcolumn(name = "Workspace", type_ = "string", json_path = ".status.workspace"),
    printcolumn(name = "Served", type_ = "integer", json_path = ".status.served")
)]
#[serde(rename_all = "camelCase")]
pub struct TenantSpec {
    /// The APIs that it may order from, such as `certificates.example.com`; all of the platform's where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apis: Vec<String>,
}

/// What the platform made for a customer, and how that is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TenantStatus {
    /// The path of its workspace.
    pub workspace: String,
    /// The logical cluster behind it, by which the broker's records name it.
    pub cluster: String,
    /// How many orders it has.
    pub orders: u32,
    /// How many of them are served and at rest.
    pub served: u32,
}
