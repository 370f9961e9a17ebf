//! testkit

pub mod control_plane;
pub mod kcp;
pub mod provider;
pub mod wait;
