//! kubectl, unchanged, as people use it.

use std::path::Path;
use std::process::Stdio;

use broker_testkit::control_plane::ControlPlane;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{certificate, certificate_crd, start};

/// A folder with a kubeconfig and a home of its own, so that nothing cached elsewhere is used.
struct Kubectl {
    folder: tempfile::TempDir,
}

impl Kubectl {
    fn new(server: &ControlPlane, workspace: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), server.kubeconfig(workspace)).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs kubectl; answers whether it succeeded, and what it printed.
    async fn run(&self, arguments: &str, input: &str) -> (bool, String) {
        let mut child = Command::new("kubectl")
            .args(arguments.split(' '))
            .env("KUBECONFIG", self.path().join("kubeconfig"))
            .env("HOME", self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("kubectl 1.32 or later has to be in the PATH: {error}"));
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    async fn ok(&self, arguments: &str) -> String {
        self.with(arguments, "").await
    }

    async fn with(&self, arguments: &str, input: &str) -> String {
        let (success, text) = self.run(arguments, input).await;
        assert!(success, "kubectl {arguments}: {text}");
        text
    }
}

#[tokio::test]
async fn kubectl_applies_shows_changes_and_deletes() {
    let server = start().await;
    server.create_workspace("root:a").unwrap();
    let kubectl = Kubectl::new(&server, "root:a");
    kubectl.with("apply -f -", &certificate_crd().to_string()).await;
    kubectl.ok("wait --for condition=Established crd/certificates.example.com --timeout=10s").await;
    let wanted = certificate("one", "a.corp").to_string();
    assert_eq!(kubectl.with("apply -f -", &wanted).await, "certificate.example.com/one created\n");
    assert_eq!(kubectl.with("apply -f -", &wanted).await, "certificate.example.com/one unchanged\n");
    let applied = kubectl.with("apply --server-side -f -", &wanted).await;
    assert_eq!(applied, "certificate.example.com/one serverside-applied\n");
    let other = certificate("one", "b.corp").to_string();
    let (success, text) = kubectl.run("apply --server-side --field-manager=other -f -", &other).await;
    assert!(!success && text.contains(".spec.fqdn"), "{text}");
    let mut wrong = certificate("one", "a.corp");
    wrong["spec"]["fqnd"] = json!("typo");
    let (success, text) = kubectl.run("apply -f -", &wrong.to_string()).await;
    assert!(!success && text.contains("unknown field \"spec.fqnd\""), "{text}");
    assert!(kubectl.ok("get certificates").await.starts_with("NAME"));
    assert!(kubectl.ok("describe certificate one").await.contains("a.corp"));
    assert!(kubectl.ok("explain certificate.spec").await.contains("fqdn"));
    kubectl.ok(r#"patch certificate one --type=merge -p {"spec":{"fqdn":"c.corp"}}"#).await;
    assert_eq!(kubectl.ok("get certificate one -o jsonpath={.spec.fqdn}").await, "c.corp");
    kubectl.ok("label certificate one colour=red").await;
    assert!(kubectl.ok("get certificates -l colour=red -o name").await.contains("one"));
    kubectl.ok("delete certificate one --timeout=10s").await;
    kubectl.ok("wait --for=delete certificate/one --timeout=10s").await;
    kubectl.ok("delete crd certificates.example.com --timeout=10s").await;
}

#[tokio::test]
async fn kubectl_creates_built_in_kinds_and_asks_about_rights() {
    let server = start().await;
    let kubectl = Kubectl::new(&server, "root");
    kubectl.ok("create namespace blue").await;
    kubectl.ok("create secret generic key -n blue --from-literal=a=b").await;
    assert!(kubectl.ok("get secrets -A").await.contains("Opaque"));
    kubectl.ok("create serviceaccount robot -n blue").await;
    kubectl.ok("create role reader -n blue --verb=get,list --resource=secrets").await;
    kubectl.ok("create rolebinding reader -n blue --role=reader --serviceaccount=blue:robot").await;
    let robot = "--as=system:serviceaccount:blue:robot";
    assert_eq!(kubectl.ok(&format!("auth can-i list secrets -n blue {robot}")).await, "yes\n");
    let (_, answer) = kubectl.run(&format!("auth can-i list secrets -n default {robot}"), "").await;
    assert_eq!(answer, "no\n");
    let token = kubectl.ok("create token robot -n blue").await;
    let token = token.trim();
    assert!(kubectl.ok(&format!("get secrets -n blue --token={token} -o name")).await.contains("key"));
    kubectl.ok("delete namespace blue --timeout=10s").await;
    let (success, text) = kubectl.run("get secret key -n blue", "").await;
    assert!(!success && text.contains("NotFound"), "{text}");
}
