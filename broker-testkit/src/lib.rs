//! testkit

pub mod control_plane;
pub mod provider;
pub mod wait;
