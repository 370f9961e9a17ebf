//! The resource broker to run or to embed, and its command line.
//!
//! ```no_run
//! # async fn embed(shutdown: impl Future<Output = ()>) -> Result<(), broker_operator::OperatorError> {
//! let operator = broker_operator::Operator::builder().kubeconfig("broker.kubeconfig").build().await?;
//! operator.run(shutdown).await
//! # }
//! ```
//! Nothing here installs a signal handler, a logger or a crypto provider for you; the binary does all three for itself.

pub mod cli;
pub mod clusters;
pub mod completion;
pub mod cordon;
pub mod definitions;
#[cfg(feature = "demo")]
pub mod demo;
pub mod election;
pub mod explain;
pub mod files;
mod health;
mod http;
pub mod init;
mod kubeconfigs;
mod metrics;
pub mod migrate;
pub mod offers;
pub mod operator;
pub mod plan;
mod platform;
pub mod recover;
pub mod run;
pub mod status;
mod survey;
pub mod telemetry;
pub mod uninstall;
pub mod validate;
pub mod why;

pub use operator::{LeaderElection, Operator, OperatorBuilder, OperatorError, OperatorHandle};
