//! The resource broker to run or to embed, and its command line.

pub mod cli;
pub mod definitions;
#[cfg(feature = "demo")]
pub mod demo;
pub mod election;
pub mod files;
mod health;
pub mod init;
pub mod offers;
pub mod operator;
pub mod run;
pub mod telemetry;

pub use operator::{LeaderElection, Operator, OperatorBuilder, OperatorError, OperatorHandle};
