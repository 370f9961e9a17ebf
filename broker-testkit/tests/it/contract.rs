//! The contract: every sentence, on the embedded control plane (`embedded::…`, a server each), on a real kcp (`kcp::…`,
//! one workspace for all: a check makes its own namespaces and workspaces), and what is not about kcp on a real
//! Kubernetes (`kubernetes::…`, one for all) and on the embedded control plane as such (`plain::…`).

use broker_testkit::contract::{Subject, find};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use broker_testkit::kubernetes::Kubernetes;
use tokio::sync::OnceCell;

async fn on_embedded(sentence: &str) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let server = ControlPlane::builder().start().await.unwrap();
    server.create_workspace("root:contract").unwrap();
    let subject = Subject::kcp(server.workspace_config("root:contract"));
    check(sentence, &subject).await;
    server.shutdown().await;
}

async fn on_kcp(sentence: &str) {
    static SUBJECT: OnceCell<Subject> = OnceCell::const_new();
    rustls::crypto::ring::default_provider().install_default().ok();
    let subject = SUBJECT.get_or_init(|| async {
        let kcp = Kcp::shared().await.unwrap();
        let tree = kcp.workspace("contract").await.unwrap();
        Subject::kcp(kcp.admin_config(tree.path()).await.unwrap())
    });
    check(sentence, subject.await).await;
}

async fn on_plain(sentence: &str) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let server = ControlPlane::builder().start().await.unwrap();
    check(sentence, &Subject::kubernetes(server.admin_config())).await;
    server.shutdown().await;
}

async fn on_kubernetes(sentence: &str) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kubernetes = Kubernetes::shared().await.unwrap_or_else(|error| panic!("{error}"));
    check(sentence, &Subject::kubernetes(kubernetes.admin_config().await.unwrap())).await;
}

async fn check(sentence: &str, subject: &Subject) {
    if let Err(broken) = find(sentence).unwrap().check(subject).await {
        panic!("{broken}");
    }
}

/// A test of each sentence on each server.
macro_rules! tests {
    (
        kubernetes { $($part:ident::$name:ident,)* }
        kcp { $($kcp_part:ident::$kcp_name:ident,)* }
    ) => {
        mod embedded {
            $(#[tokio::test] async fn $name() { super::on_embedded(stringify!($name)).await; })*
            $(#[tokio::test] async fn $kcp_name() { super::on_embedded(stringify!($kcp_name)).await; })*
        }

        mod plain {
            $(#[tokio::test] async fn $name() { super::on_plain(stringify!($name)).await; })*
        }

        mod kubernetes {
            $(#[tokio::test] async fn $name() { super::on_kubernetes(stringify!($name)).await; })*
        }

        mod kcp {
            $(#[tokio::test] async fn $name() { super::on_kcp(stringify!($name)).await; })*
            $(#[tokio::test] async fn $kcp_name() { super::on_kcp(stringify!($kcp_name)).await; })*
        }
    };
}

broker_testkit::contract_sentences!(tests);
