//! The decisions of the resource broker.
//!
//! People order generic objects, providers advertise what they accept, and the broker decides which offer serves
//! which order, what is copied where, and how an order moves from one provider to another without a moment in which
//! nobody serves it. All of that is decided here, by synchronous, total, deterministic functions:
//!
//! ```text
//!            observe (I/O)         decide (pure)            act (I/O)
//! clusters ───────────────▶ world ───────────────▶ decision ─────────▶ clusters
//! ```
//!
//! This crate does no I/O and knows no Kubernetes client, no async runtime, no clock and no randomness: time comes in
//! as [`time::Timestamp`], identities come in with the objects. The shell that observes and acts is described by
//! the traits of [`port`]; `broker-kcp` implements them on kube-rs.

pub mod audit;
pub mod broker;
pub mod expression;
pub mod matching;
pub mod migration;
pub mod offer;
pub mod order;
pub mod port;
pub mod resource;
pub mod selection;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod translate;
