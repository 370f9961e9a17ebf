//! The command line, run as a person runs it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::actors::DEADLINE;

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

    /// `run` with the broker's own rights, where it ends by itself.
    pub(crate) async fn run_as_broker(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resource-broker"));
        command.arg("run").args(arguments).arg("--kubeconfig").arg(&self.broker);
        ran(command.envs(variables.iter().copied())).await
    }

    /// Begins it with the broker's own rights, and lets it go on.
    pub(crate) fn follow(&self, arguments: &[&str]) -> Following {
        let mut command = self.command(&self.broker, arguments);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Following { _child: child, lines }
    }

    /// `run` as a process of its own, with the broker's rights.
    pub(crate) fn daemon(&self) -> Daemon {
        self.daemon_with(&[])
    }

    /// The same, told more by variables.
    pub(crate) fn daemon_with(&self, variables: &[(&str, &str)]) -> Daemon {
        let mut command = self.daemon_command();
        for address in ["METRICS_ADDR", "HEALTH_PROBE_ADDR"] {
            command.env(address, "0");
        }
        command.envs(variables.iter().copied());
        Daemon::begun(command.stderr(Stdio::piped()))
    }

    /// How that process is begun.
    pub(crate) fn daemon_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resource-broker"));
        command.arg("run").arg("--kubeconfig").arg(&self.broker);
        command
    }

    fn command(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resource-broker"));
        command.args(arguments).arg("--kubeconfig").arg(kubeconfig).args(["--workspace", &self.platform]);
        command
    }

    async fn run(&self, kubeconfig: &Path, arguments: &[&str]) -> Ran {
        ran(&mut self.command(kubeconfig, arguments)).await
    }
}

pub(crate) async fn ran(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.kill_on_drop(true).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

/// A command that goes on, and what it has printed.
pub(crate) struct Following {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    /// Waits until it prints a line that contains these words.
    pub(crate) async fn until(&mut self, words: &str) {
        let search = async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("it ended before it said {words:?}"));
                if line.contains(words) {
                    return;
                }
            }
        };
        let found = tokio::time::timeout(DEADLINE, search).await;
        found.unwrap_or_else(|_| panic!("it did not say {words:?}"));
    }
}

/// The broker as a process of its own.
pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Begins it.
    pub(crate) fn begun(command: &mut Command) -> Self {
        Self { child: command.kill_on_drop(true).spawn().unwrap() }
    }

    /// Ends it as Kubernetes does, and gives back what it logged.
    pub(crate) async fn stop(&mut self) -> String {
        let id = self.child.id().expect("it ended by itself");
        let told = Command::new("kill").arg(id.to_string()).status().await.unwrap();
        assert!(told.success());
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        let ended = async {
            stderr.read_to_string(&mut log).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = tokio::time::timeout(DEADLINE, ended).await.expect("it does not end");
        assert!(status.success(), "{status}: {log}");
        log
    }
}
