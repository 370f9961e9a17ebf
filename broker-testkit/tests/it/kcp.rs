//! The real server: it starts, gives workspaces, and goes away with whoever started it.

use std::net::TcpStream;

use broker_testkit::kcp::Kcp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};

#[tokio::test]
async fn a_real_kcp_starts_gives_a_workspace_and_is_gone_when_dropped() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kcp = Kcp::start().await.unwrap();
    let tree = kcp.workspace("fixture").await.unwrap();
    let namespaces: Api<Namespace> = Api::all(kcp.admin(tree.path()).await.unwrap());
    let found = namespaces.list(&ListParams::default()).await.unwrap();
    assert!(found.items.iter().any(|n| n.metadata.name.as_deref() == Some("default")));

    let shard = Client::try_from(kcp.shard_admin_config().await.unwrap()).unwrap();
    let metrics = shard.request_text(http::Request::get("/metrics").body(Vec::new()).unwrap()).await.unwrap();
    assert!(metrics.contains("apiserver_request_total"));

    let (address, kubeconfig) = (kcp.url().trim_start_matches("https://").to_owned(), kcp.kubeconfig());
    drop(kcp);
    assert!(TcpStream::connect(address).is_err(), "the server still listens");
    assert!(!kubeconfig.exists(), "its folder is still there");
}
