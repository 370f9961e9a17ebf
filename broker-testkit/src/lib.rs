//! testkit

pub mod contract;
pub mod control_plane;
pub mod kcp;
pub mod memory;
pub mod provider;
pub mod wait;
