//! The programs that pages of the documentation call, in one: which of them it is, the name says by which it is called.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().ok();
    let called = std::env::args_os().next().unwrap_or_default();
    match Path::new(&called).file_name().and_then(OsStr::to_str) {
        Some("resource-broker" | "kubectl-broker") => broker_operator::cli::main().await,
        Some("certificate-authority") => match certificates_example::main().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("call it resource-broker, kubectl-broker or certificate-authority, by a link");
            ExitCode::FAILURE
        }
    }
}
