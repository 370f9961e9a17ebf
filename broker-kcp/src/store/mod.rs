//! What the clusters were last seen to hold.
//!
//! A [`Table`] holds all objects of one kind, of all clusters, as plain data; a [`Cache`] shares one between the watch
//! that feeds it, the writers that show it their results early, and the readers that decide. Neither knows any
//! client. kube's own store keys objects by namespace and name and so loses objects of different clusters that share
//! them; this one never does.

mod cache;
mod ended;
mod entry;
mod projection;
mod table;
#[cfg(test)]
mod tests;

pub use cache::Cache;
pub use entry::{Change, Entry};
pub use projection::Projection;
pub use table::{Index, Source, Table};
