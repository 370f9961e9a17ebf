//! The same generated sequences on two servers, and where what they say differs.
//!
//! A [`Sequence`] is drawn from a number: creations, updates, applies by several managers with and without force,
//! patches of every type, deletions with finalizers, owners and preconditions, lists in pages and at versions, tables,
//! watches from earlier versions on. A [`Pair`] plays it on two servers, such as the embedded control plane and a real
//! Kubernetes, and compares status codes, warnings, bodies with their managed fields, and the events of watches in
//! order. A [`Campaign`] plays many at once, each in a namespace of its own, and shortens those about which the servers
//! disagree each time; what they disagree about once, and not again, is told apart. What was found so far is kept by
//! name ([`found()`]).
//!
//! ```sh
//! cargo test -p broker-testkit --test it differential
//! cargo xtask differential --sequences 50000 --seed 7
//! ```
//!
//! The first plays 2,000 sequences and what was found before; `DIFFERENTIAL_SEED`, `DIFFERENTIAL_FROM` and
//! `DIFFERENTIAL_SEQUENCES` choose others. The second plays as many as one likes and prints every sort of disagreement
//! when it comes and once more at the end, as short as it gets, with the sequence in the form in which `found.json`
//! keeps it.
//!
//! What is not compared, since it may differ:
//!
//! - What each server draws for itself: the private module `normal` lists each rule with its reason.
//! - Words for people (messages of refusals): they are counted, and a report shows those that differ most often.
//! - Where the garbage collector works too, versions: it writes in its own order. What it leaves is compared.
//!
//! What is not asked, since the real server's answer hangs on chance or on a mistake of its own, is left out by the
//! generator at the place where it would be drawn, with the reason: lists from a cache that may be behind, dependents
//! that do not block an owner in the foreground, empty maps of metadata in custom resources, trials of creations with a
//! version, a spec sent to the status endpoint that does not fit the schema. Creations that bring a `deletionTimestamp` or
//! a `selfLink` along are not drawn at all: the real server can keep both.

mod campaign;
mod compare;
mod found;
mod generate;
mod kinds;
mod memory;
mod normal;
mod operation;
mod pair;
mod player;
mod rest;
mod shrink;
#[cfg(test)]
mod tests;

pub use campaign::{Campaign, News, Report};
pub use compare::Disagreement;
pub use found::found;
pub use operation::{Operation, Request, Sequence};
pub use pair::{Pair, Played, Stage};
