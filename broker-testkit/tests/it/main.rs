//! What the test kit promises, seen from outside.

mod contract;
mod control_plane;
mod kcp;
mod order_life;
mod silence;
