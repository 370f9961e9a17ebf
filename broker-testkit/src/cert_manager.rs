//! Real cert-manager for tests: its own controllers, found or built, at work in one cluster, gone with the test process.
//!
//! It works in whatever its kubeconfig points to: a Kubernetes cluster, a kcp workspace, a workspace of the embedded
//! control plane. Its kinds ([`definitions`]) must be served there, and the account of the kubeconfig may do everything
//! with them, with Secrets and with Events. Nothing here knows the broker.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::keeper::Keeper;
use crate::tool;

/// Names a folder with the program `cert-manager` and its definitions (`cert-manager.io_*.yaml`) to use instead of the
/// cache's.
pub const FOLDER_VARIABLE: &str = "RESOURCE_BROKER_CERT_MANAGER";

/// How often the process is asked whether it is still there: nothing tells of its end.
const LOOK: Duration = Duration::from_millis(200);

/// Why there is no cert-manager.
#[derive(Debug, Error)]
pub enum CertManagerError {
    /// There is no program, and none could be built.
    #[error("no cert-manager to test with: {0}")]
    Program(String),
    /// A file or the process could not be made, or asked.
    #[error("cert-manager could not be started")]
    Start(#[from] io::Error),
    /// One of its definitions cannot be read.
    #[error("{} defines no kinds", file.display())]
    Definition {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// The process ended.
    #[error("cert-manager ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// How.
        status: String,
        /// The end of its log.
        log: String,
    },
}

/// cert-manager at work, until this is dropped.
#[derive(Debug)]
pub struct CertManager {
    keeper: Keeper,
}

impl CertManager {
    /// Starts cert-manager with a kubeconfig (YAML), whose current context leads where it is to work. It needs no time to
    /// get ready: what is there already is served as what comes later.
    pub async fn start(kubeconfig: &str) -> Result<Self, CertManagerError> {
        let program = folder().await?.join("cert-manager");
        let folder = Keeper::folder("cert-manager-")?;
        let access = folder.join("kubeconfig");
        // The folder is its owner's alone.
        std::fs::write(&access, kubeconfig)?;
        let mut command = Command::new(program);
        command.arg("-kubeconfig").arg(access);
        Ok(Self { keeper: Keeper::start(folder, "TERM", &command)? })
    }

    /// What `work` comes to, unless cert-manager ends before: so that a test which waits for it says why in vain.
    ///
    /// # Errors
    /// [`CertManagerError::Ended`], with the end of the log.
    pub async fn while_running<T>(&mut self, work: impl Future<Output = T>) -> Result<T, CertManagerError> {
        tokio::select! {
            done = work => Ok(done),
            ended = self.end() => Err(ended?),
        }
    }

    /// Waits for its end.
    async fn end(&mut self) -> io::Result<CertManagerError> {
        loop {
            if let Some(status) = self.keeper.ended()? {
                let log = self.keeper.last_words();
                return Ok(CertManagerError::Ended { status: status.to_string(), log });
            }
            sleep(LOOK).await;
        }
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        self.keeper.last_words()
    }

    /// Leaves its folder with its log behind when it stops, and returns it. The kubeconfig is in it.
    pub fn keep_folder(&self) -> io::Result<&Path> {
        self.keeper.keep()?;
        Ok(self.keeper.path())
    }
}

/// The CustomResourceDefinitions of its kinds: certificates and their requests, issuers and cluster issuers.
pub async fn definitions() -> Result<Vec<Value>, CertManagerError> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder().await?)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let definition = serde_saphyr::from_str(&text)
            .map_err(|source| CertManagerError::Definition { file, source: Box::new(source) })?;
        all.push(definition);
    }
    if all.is_empty() {
        return Err(CertManagerError::Program("there are no definitions beside it".to_owned()));
    }
    Ok(all)
}

/// Where the program and its definitions are: the variable's folder, the cache's, or a new one of the cache.
async fn folder() -> Result<&'static Path, CertManagerError> {
    static FOLDER: OnceCell<PathBuf> = OnceCell::const_new();
    let found = FOLDER.get_or_try_init(|| async {
        tokio::task::spawn_blocking(found_or_built).await.map_err(io::Error::other)?
    });
    found.await.map(PathBuf::as_path)
}

fn found_or_built() -> Result<PathBuf, CertManagerError> {
    let named = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
    let folder = if let Some(named) = named {
        named
    } else {
        let advice = format!("set {FOLDER_VARIABLE} to a folder with the program and its definitions");
        tool::built("cert-manager", &advice).map_err(CertManagerError::Program)?
    };
    if folder.join("cert-manager").is_file() {
        Ok(folder)
    } else {
        Err(CertManagerError::Program(format!("there is no program cert-manager in {}", folder.display())))
    }
}
