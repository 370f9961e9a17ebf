//! A platform whose internal authority is the real cert-manager: for the example's command and its tests.

mod scene;

pub use scene::{CONSUMER, EXPORT, INTERNAL, ORDER, PUBLIC, SECRET, Scene};
