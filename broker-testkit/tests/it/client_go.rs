//! A client in Go (`tools/client-go`) does its everyday work on the embedded control plane, and on real servers, which
//! shows that it asks for nothing unusual.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use broker_testkit::kubernetes::Kubernetes;
use tokio::process::Command;

/// The first of its parts, and the last.
const PARTS: [&str; 2] = ["what is sent in protobuf is what is read", "a leader is elected and steps down"];

/// Builds it where that was not done yet.
async fn program() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/build.sh");
    let built = Command::new("sh").arg(script).arg("client-go").stderr(Stdio::inherit()).output();
    let built = built.await.expect("tools/build.sh cannot be run");
    assert!(built.status.success(), "tools/build.sh client-go failed, see above");
    Path::new(String::from_utf8(built.stdout).unwrap().trim()).join("client-go")
}

async fn works(kubeconfig: &Path, more: &[&str]) {
    let program = program().await;
    let run =
        Command::new(program).arg("--kubeconfig").arg(kubeconfig).args(more).kill_on_drop(true).output();
    let output = run.await.unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}after:\n{said}");
    let parts: Vec<&str> = said.lines().collect();
    assert_eq!([parts[0], parts[parts.len() - 1]], PARTS, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_on_the_embedded_control_plane() {
    let server = ControlPlane::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, kubeconfig) in [("plain", server.plain_kubeconfig()), ("workspace", server.kubeconfig("root"))]
    {
        let file = folder.path().join(name);
        std::fs::write(&file, kubeconfig).unwrap();
        works(&file, &[]).await;
    }
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_on_kubernetes() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kubernetes = Kubernetes::shared().await.unwrap_or_else(|error| panic!("{error}"));
    let namespace = kubernetes.namespace("client-go").await.unwrap();
    works(&kubernetes.kubeconfig(), &["--namespace", &namespace]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_on_kcp() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kcp = Kcp::shared().await.unwrap_or_else(|error| panic!("{error}"));
    let tree = kcp.workspace("client-go").await.unwrap();
    works(&kcp.kubeconfig(), &["--server", &kcp.workspace_url(tree.path())]).await;
}
