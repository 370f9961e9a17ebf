//! The ports of `broker-core` on kube-rs: the only crate that knows Kubernetes and kcp.

pub mod api;
pub mod controller;
pub mod fleet;
pub mod kcp;
pub mod reconcile;
pub mod record;
pub mod store;
