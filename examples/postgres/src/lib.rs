//! A platform where databases are brokered between two real PostgreSQL servers: for the example's command and its tests.

mod scene;

pub use scene::{CONSUMER, MoveFacts, ORDER, SECRET, Scene, Way, ZONES};
