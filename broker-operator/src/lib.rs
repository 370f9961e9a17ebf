//! The resource broker to run or to embed, and its command line.

pub mod cli;
pub mod definitions;
#[cfg(feature = "demo")]
pub mod demo;
pub mod files;
pub mod init;
pub mod offers;
pub mod run;
