//! The command line, run as a person runs it.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

/// Who runs it, and where the platform is.
pub(crate) struct Commands {
    pub(crate) platform: String,
    pub(crate) admin: PathBuf,
    pub(crate) broker: PathBuf,
    pub(crate) _folder: tempfile::TempDir,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Commands {
    /// Runs it with the rights of the platform's administrator.
    pub(crate) async fn as_admin(&self, arguments: &[&str]) -> Ran {
        self.run(&self.admin, arguments).await
    }

    /// Runs it with the broker's own rights.
    pub(crate) async fn as_broker(&self, arguments: &[&str]) -> Ran {
        self.run(&self.broker, arguments).await
    }

    async fn run(&self, kubeconfig: &PathBuf, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resource-broker"));
        command.args(arguments).arg("--kubeconfig").arg(kubeconfig).args(["--workspace", &self.platform]);
        let Output { status, stdout, stderr } = command.kill_on_drop(true).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }
}
