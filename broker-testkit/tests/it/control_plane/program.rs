//! The program `broker-control-plane`, as scripts and tests in other languages use it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::SOON;

const PROGRAM: &str = env!("CARGO_BIN_EXE_broker-control-plane");

/// A program that answers requests, in a folder of its own.
struct Program {
    folder: tempfile::TempDir,
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Program {
    async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(PROGRAM)
            .arg("--kubeconfig")
            .arg(folder.path().join("kubeconfig"))
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(SOON, said.next_line()).await.expect("it does not get ready").unwrap();
        assert!(line.unwrap().starts_with("serving https://127.0.0.1:"));
        Self { folder, process, said }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut kubectl = Command::new("kubectl");
        kubectl.args(arguments).env("KUBECONFIG", self.kubeconfig()).env("HOME", self.folder.path());
        kubectl
    }

    async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments).output().await.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends a signal; answers the exit code.
    async fn end_by(mut self, signal: Signal) -> Option<i32> {
        let pid = Pid::from_raw(self.process.id().unwrap().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
        let ended = timeout(SOON, self.process.wait()).await.expect("it does not stop");
        assert_eq!(self.said.next_line().await.unwrap(), None, "it says nothing more");
        ended.unwrap().code()
    }
}

/// Runs the program until it ends by itself.
async fn refused(arguments: &[&str]) -> Output {
    let run = Command::new(PROGRAM).args(arguments).kill_on_drop(true).output();
    let output = timeout(SOON, run).await.expect("it does not end").unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    output
}

async fn told(arguments: &[&str]) -> String {
    let output = refused(arguments).await;
    assert!(output.stdout.is_empty(), "nothing but errors is said");
    String::from_utf8(output.stderr).unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".kube")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_program_serves_kubectl_until_it_is_told_to_stop() {
    for signal in [Signal::TERM, Signal::INT] {
        let program = Program::start(&[]).await;
        let mode = std::fs::metadata(program.kubeconfig()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "who reads it administers the server");
        program.ok(&["create", "configmap", "one", "--from-literal=a=b"]).await;
        assert_eq!(program.ok(&["get", "configmap", "one", "-o", "jsonpath={.data.a}"]).await, "b");
        assert_eq!(names_in(program.folder.path()), ["kubeconfig"], "no drafts are left");
        let watching = ["get", "configmap", "one", "--watch", "--output=name"];
        let mut watch = program.kubectl(&watching).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut seen = BufReader::new(watch.stdout.take().unwrap()).lines();
        let first = timeout(SOON, seen.next_line()).await.expect("the watch shows nothing").unwrap();
        assert_eq!(first.as_deref(), Some("configmap/one"));
        assert_eq!(program.end_by(signal).await, Some(0));
        timeout(SOON, watch.wait()).await.expect("the watch does not end with its server").unwrap();
    }
}

#[tokio::test]
async fn the_program_writes_a_context_for_each_workspace_of_kcp() {
    let arguments = ["--workspace=root:platform", "--workspace=root:a:b", "--shard=west=b"];
    let program = Program::start(&arguments).await;
    let contexts = program.ok(&["config", "get-contexts", "-o", "name"]).await;
    assert_eq!(contexts.lines().collect::<Vec<_>>(), ["root", "root:a:b", "root:platform"]);
    assert_eq!(program.ok(&["config", "current-context"]).await.trim(), "root:a:b");
    let workspaces = program.ok(&["get", "workspaces", "--context=root", "-o", "name"]).await;
    assert_eq!(
        workspaces.lines().collect::<Vec<_>>(),
        ["workspace.tenancy.kcp.io/a", "workspace.tenancy.kcp.io/platform"]
    );
    let path = r"jsonpath={.metadata.annotations.kcp\.io/path}";
    assert_eq!(program.ok(&["get", "logicalcluster", "cluster", "-o", path]).await, "root:a:b");
    assert_eq!(program.end_by(Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn the_program_replaces_its_own_kubeconfig_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let foreign =
        "apiVersion: v1\nkind: Config\nclusters:\n- name: production\n  cluster: {server: https://a.corp}\n";
    std::fs::write(&file, foreign).unwrap();
    let said = told(&["--kubeconfig", file.to_str().unwrap()]).await;
    assert!(said.contains("it would be lost"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), foreign);
    assert_eq!(names_in(folder.path()), ["kubeconfig"]);

    let first = Program::start(&[]).await;
    let before = std::fs::read_to_string(first.kubeconfig()).unwrap();
    std::fs::write(&file, &before).unwrap();
    let mut second = Command::new(PROGRAM)
        .args(["--kubeconfig", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(second.stdout.take().unwrap()).lines();
    timeout(SOON, said.next_line()).await.expect("it does not get ready").unwrap().unwrap();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), before);
}

#[tokio::test]
async fn the_program_says_in_one_line_why_it_cannot_serve() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let file = file.to_str().unwrap();
    let cases: [(&[&str], &str); 3] = [
        (&["--kubeconfig", file, "--port", &port.to_string()], "Address already in use"),
        (&["--kubeconfig", "/nowhere/at/all"], "cannot write /nowhere/at/all: No such file"),
        (&["--kubeconfig", file, "--workspace", "other:a"], "begins with root"),
    ];
    for (arguments, why) in cases {
        let said = told(arguments).await;
        assert!(said.starts_with("broker-control-plane: ") && said.contains(why), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(names_in(folder.path()), Vec::<String>::new(), "nothing is left of {arguments:?}");
    }
    let said = told(&["--kubeconfig", file, "--shard", "west"]).await;
    assert!(said.contains("NAME=WORKSPACE"), "{said}");
}
