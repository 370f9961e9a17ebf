#![doc = include_str!("../README.md")]

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
pub mod support_bundle;
mod survey;
pub mod telemetry;
pub mod uninstall;
pub mod validate;
pub mod why;

pub use operator::{LeaderElection, Operator, OperatorBuilder, OperatorEnded, OperatorError, OperatorHandle};
