//! What the test kit promises, seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod capacity;
mod client_go;
mod compute;
mod contract;
mod control_plane;
mod differential;
mod fault;
mod findings;
mod kcp;
mod kubernetes;
mod machine;
mod order_life;
mod people_moves;
mod playbook_moves;
mod ports;
#[cfg(feature = "postgres")]
mod postgres;
mod predecessor;
mod restore;
mod silence;
mod way_back;
