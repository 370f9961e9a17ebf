//! The resource broker to run or to embed, and its command line.

pub mod cli;
#[cfg(feature = "demo")]
pub mod demo;
pub mod run;
