//! The command `acme-authority`, alone in a cluster that no broker looks at.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;

use acme_example::{judge, leaf};
use broker_operator::demo::stage::Stage;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::pebble::{Pebble, Settings};
use broker_testkit::wait::until;
use kube::api::DynamicObject;
use tokio::process::Command;

use crate::{DEADLINE, GRACE, prepare};

#[tokio::test(flavor = "multi_thread")]
async fn the_command_serves_the_cluster_of_its_kubeconfig_until_it_is_interrupted() {
    prepare();
    let server = ControlPlane::builder().start().await.unwrap();
    // Any workspace where Certificates are known.
    let stage = Stage::build(server.admin_config(), "root", GRACE).await.unwrap();
    let cluster = stage.consumer("cluster").await.unwrap();
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = held.local_addr().unwrap().port();
    let pebble = Pebble::start(Settings::new(port)).await.unwrap();
    drop(held);

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_acme-authority"));
    command
        .arg("--kubeconfig")
        .arg(file("kubeconfig", &server.kubeconfig(&cluster.workspace)))
        .arg("--trust")
        .arg(file("trust.pem", &pebble.trust()))
        .args(["--directory", &pebble.directory(), "--contact", "owner@corp.com"])
        .args(["--listen", &format!("127.0.0.1:{port}")]);
    let mut running = command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();

    cluster.order("app", "app.corp.com").await.unwrap();
    let issued = |found: Option<&DynamicObject>| {
        found.is_some_and(|found| found.data.pointer("/status/issuer").is_some_and(|it| it == "letsencrypt"))
    };
    until(&cluster.orders(), "app", "a certificate", DEADLINE, issued).await.unwrap();
    let secret = cluster.secrets().get("app-tls").await.unwrap();
    assert!(leaf(&secret).unwrap().names.iter().eq(["app.corp.com"]));
    assert_eq!(judge(&secret, &pebble.root().await.unwrap()), Ok(()));

    let pid = running.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    assert!(running.wait().await.unwrap().success());
    server.shutdown().await;
}
