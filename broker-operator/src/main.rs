//! The `resource-broker` binary (also `kubectl-broker`): everything is in the library.

use std::process::ExitCode;

/// Objects are decoded for a moment and kept as their text: glibc keeps the holes in between, and musl is slow
/// (docs/adr/0020).
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().ok();
    broker_operator::cli::main().await
}
