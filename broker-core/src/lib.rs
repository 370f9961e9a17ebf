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
//!
//! # Which offer serves an order
//!
//! Offers are read once and kept as an immutable [`OfferSet`](matching::OfferSet); a [`Matcher`](matching::Matcher) on it
//! answers for one order after another, always with reasons. `examples/embed-without-kubernetes` is a program of it.
//!
//! ```
//! use std::sync::Arc;
//!
//! use broker_core::matching::{Matcher, OfferSet, Offered, OrderFacts, Policies, IndexMatcher};
//! use broker_core::offer::OfferId;
//! use broker_core::resource::{Gvr, Object};
//! use serde_json::json;
//!
//! let api: Gvr = "example.com/v1alpha1/databases".parse()?;
//! let offer = |provider: &str, prefix: &str| {
//!     let filter = json!({"key": "metadata.labels.region", "prefix": prefix});
//!     let spec = json!({"gvr": {"resource": "databases"}, "filters": [filter]});
//!     Offered::parse(OfferId::new(provider, "", "databases"), &spec).serving([api.clone()])
//! };
//! let offers = OfferSet::new(&Policies::open([api.clone()]), [offer("eu", "eu-"), offer("us", "us-")]);
//! let matcher = IndexMatcher::new(Arc::new(offers));
//!
//! let mut order = Object::try_from(json!({"metadata": {"labels": {"region": "eu-central-1"}}}))?;
//! let routing = matcher.match_order(&OrderFacts::new(&order, &api, "the order's uid"));
//! assert_eq!(routing.best().map(|chosen| chosen.provider().as_str()), Some("eu"));
//!
//! order.set(&["metadata", "labels", "region"], json!("mars-1"));
//! let routing = matcher.match_order(&OrderFacts::new(&order, &api, "the order's uid"));
//! assert_eq!(routing.best(), None);
//! assert_eq!(
//!     routing.consumer_message,
//!     "metadata.labels.region is `mars-1`; accepted: starts with `eu-`, or starts with `us-`"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
pub mod broker;
pub mod expression;
pub mod matching;
pub mod migration;
pub mod offer;
pub mod order;
pub mod playbook;
pub mod port;
pub mod resource;
pub mod sabotage;
pub mod selection;
pub mod template;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod translate;
