//! The broker's own API: what people and the broker write to an API server, and nothing about
//! what it means.
//!
//! [`v1alpha1`] has the types, [`mod@crds`] renders them as CustomResourceDefinitions, [`schema`]
//! turns any such definition into what kcp publishes. The meaning lives in `broker-core`.

pub mod crds;
pub mod schema;
pub mod v1alpha1;

pub use crds::{crds, platform_crds};
pub use schema::{SchemaError, api_resource_schema, content_prefix};
