//! An in-process control plane: storage, API machinery, kcp's part and the wire.

pub mod machinery;
