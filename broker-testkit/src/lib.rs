//! testkit

pub mod control_plane;
