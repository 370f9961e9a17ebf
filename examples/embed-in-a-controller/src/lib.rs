//! A platform of somebody else's: its controller makes a workspace for each `Tenant`, and the broker that serves the
//! tenants' orders runs in the same process.
//!
//! [`tenant`] is the kind, [`controller`] reconciles it, and [`program`] is what the example is about: the two together,
//! with one runtime, one shutdown and one registry of metrics. [`scene`] is a small world to run it in.

pub mod controller;
pub mod program;
pub mod scene;
pub mod tenant;
