//! The `resource-broker` binary (also `kubectl-broker`): everything is in the library.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().ok();
    broker_operator::cli::main().await
}
