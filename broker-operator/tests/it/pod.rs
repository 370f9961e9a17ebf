//! The binary as it runs in a Pod: without a kubeconfig, with the files of its account where Kubernetes mounts them.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::process::Command;

use crate::commands::{Daemon, Ran, ran};

/// Mounts the account's files for one program alone, and becomes that program.
const AS_IN_A_POD: &str = r#"
set -e
mount -t tmpfs none /run
mkdir -p /run/secrets/kubernetes.io
cp -r "$1" /run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"
"#;

/// The surroundings of a Pod.
pub(crate) struct Pod {
    account: tempfile::TempDir,
    host: String,
    port: String,
}

impl Pod {
    /// With the account that a kubeconfig has, in its namespace.
    pub(crate) fn of(kubeconfig: &Path, namespace: &str) -> Self {
        let kubeconfig: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
        let cluster = &kubeconfig["clusters"][0]["cluster"];
        let authority = STANDARD.decode(cluster["certificate-authority-data"].as_str().unwrap()).unwrap();
        let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap();
        let account = tempfile::tempdir().unwrap();
        for (file, content) in
            [("ca.crt", authority), ("token", token.into()), ("namespace", namespace.into())]
        {
            std::fs::write(account.path().join(file), content).unwrap();
        }
        let server = cluster["server"].as_str().unwrap().strip_prefix("https://").unwrap();
        let (host, port) = server.rsplit_once(':').unwrap();
        Self { account, host: host.to_owned(), port: port.to_owned() }
    }

    /// Runs a command.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments)).await
    }

    /// The broker.
    pub(crate) fn daemon(&self) -> Daemon {
        let mut command = self.command(&["run"]);
        command.env("METRICS_ADDR", "0").env("HEALTH_PROBE_ADDR", "0");
        Daemon::begun(command.stderr(Stdio::piped()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c", AS_IN_A_POD, "pod"])
            .arg(self.account.path())
            .arg(env!("CARGO_BIN_EXE_resource-broker"))
            .args(arguments)
            .env("KUBERNETES_SERVICE_HOST", &self.host)
            .env("KUBERNETES_SERVICE_PORT", &self.port)
            .env("HOME", self.account.path())
            .env_remove("KUBECONFIG");
        command
    }
}
