//! kcp's part: workspaces, exports and bindings, claims, virtual workspaces.
//!
//! Decides which clusters there are and what they see of each other. Objects are written by small
//! controllers after the fact, as in the real one: a client has to wait for `Ready` and `Bound`.

pub(crate) mod admission;
pub(crate) mod binding;
pub(crate) mod claims;
pub(crate) mod convert;
pub(crate) mod door;
pub(crate) mod export;
pub(crate) mod names;
pub(crate) mod rules;
pub(crate) mod shards;
mod types;
pub(crate) mod workspace;
