//! How a logical cluster is reached.
//!
//! One [`Endpoint`] per server URL holds one client; a [`ClusterApi`] addresses one logical cluster (or all of them at
//! once) through it by URL path, as kcp and its virtual workspaces have it; a plain Kubernetes cluster is an endpoint of
//! its own that has no others behind it. [`feed`] follows all objects of one kind by
//! list and watch. What the objects mean is not known here.

mod answer;
pub mod api;
mod cluster;
mod endpoint;
mod error;
pub mod feed;
mod resource;
mod selector;

pub use cluster::{ClusterApi, Deletion, Preconditions};
pub use endpoint::{Connector, Endpoint, EndpointError};
pub use error::{ApiError, ApiErrorKind};
pub use resource::{Resource, Scope};
pub use selector::Selector;
