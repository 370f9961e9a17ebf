//! The same generated sequences on two servers, and where what they say differs.
//!
//! A [`Sequence`] is drawn from a number: creations, updates, applies by several managers, patches of every sort,
//! deletions, lists in pages, watches from earlier versions on. A [`Pair`] plays it on two servers, such as the
//! embedded control plane and a real Kubernetes, and compares status codes, warnings, bodies with their managed
//! fields, and the events of watches in order. A [`Campaign`] plays many and shortens those about which the servers
//! disagree.

mod campaign;
mod compare;
mod generate;
mod kinds;
mod memory;
mod normal;
mod operation;
mod pair;
mod player;
mod rest;
mod shrink;

pub use campaign::{Campaign, Report};
pub use compare::Disagreement;
pub use operation::{Operation, Request, Sequence};
pub use pair::{Pair, Played, Stage};
