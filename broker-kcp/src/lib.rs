//! The ports of `broker-core` on kube-rs: the only crate that knows Kubernetes and kcp.
//!
//! ```text
//! fleet ─▶ which exports and shards exist          record ─▶ Assignments and Migrations as objects
//!   │                                                 ▲
//!   ▼                                                 │
//! kcp (list, watch) ─▶ store ─▶ controller (queue) ─▶ reconcile (observe, decide, execute) ─▶ kcp (write)
//! ```
//! [`reconcile::Service`] is the whole of it, driven by `broker-operator`; [`api`] has the custom resources.

pub mod api;
pub mod controller;
pub mod fleet;
pub mod kcp;
pub mod metrics;
pub mod reconcile;
pub mod record;
pub mod store;
mod surroundings;

pub use surroundings::{Connect, KubeConnect, Surroundings, SystemClock};
