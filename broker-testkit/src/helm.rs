//! The real helm for tests of charts, built on demand.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::sync::OnceCell;

use crate::tool;

/// Names the program to use instead of the one of the cache.
pub const PROGRAM_VARIABLE: &str = "RESOURCE_BROKER_HELM";

/// Why there is no helm.
#[derive(Debug, Error)]
pub enum HelmError {
    /// There is no program, and none could be built.
    #[error("no helm to test with: {0}")]
    Program(String),
    /// What looks for it was ended.
    #[error("helm could not be looked for")]
    Look(#[from] io::Error),
}

/// Where helm is: the variable's program, the cache's, or a new one of the cache.
///
/// # Errors
///
/// [`HelmError::Program`] where it cannot be built, and says why.
pub async fn helm() -> Result<&'static Path, HelmError> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let found = PROGRAM.get_or_try_init(|| async {
        tokio::task::spawn_blocking(found_or_built).await.map_err(io::Error::other)?
    });
    found.await.map(PathBuf::as_path)
}

fn found_or_built() -> Result<PathBuf, HelmError> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE) {
        let named = PathBuf::from(named);
        let missing = || HelmError::Program(format!("{PROGRAM_VARIABLE} names {}: no file", named.display()));
        return if named.is_file() { Ok(named) } else { Err(missing()) };
    }
    let advice = format!("set {PROGRAM_VARIABLE} to the program");
    tool::built("helm", &advice).map(|folder| folder.join("helm")).map_err(HelmError::Program)
}
