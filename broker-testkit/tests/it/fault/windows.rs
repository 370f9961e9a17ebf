//! What holds for a while: servers that are away, tokens that are not accepted.

use std::io;
use std::pin::pin;
use std::time::Duration;

use broker_kcp::Connect as _;
use futures::StreamExt as _;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, PostParams, WatchParams};
use tower::Layer as _;

use super::{Rig, broken, create, refusal};

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_away_breaks_its_watches_and_comes_back() {
    let rig = Rig::new("w1!away(30s)");
    let secrets = rig.secrets();
    let mut watch = pin!(secrets.watch(&WatchParams::default(), "0").await.unwrap());
    assert_eq!(broken(&create(&secrets, "a").await.unwrap_err()), io::ErrorKind::ConnectionRefused);
    assert_eq!(broken(&watch.next().await.unwrap().unwrap_err()), io::ErrorKind::ConnectionReset);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(broken(&secrets.get("a").await.unwrap_err()), io::ErrorKind::ConnectionRefused);
    // Virtual workspaces are another server, or may be; it is the server's own refusal that is heard.
    let url = "/services/apiexport/root/none/clusters/*/api/v1/secrets";
    let faulty = rig.injector.layer().layer(rig.plane.in_process());
    let client = faulty.connect(rig.plane.admin_config()).unwrap();
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    assert_eq!(refusal(&client.request_text(request).await.unwrap_err()).0, 404);
    tokio::time::sleep(Duration::from_secs(1)).await;
    create(&secrets, "a").await.unwrap();
    assert_eq!(rig.injected(), ["w1!away(30s)"]);
}

#[tokio::test(start_paused = true)]
async fn at_a_moment_every_server_goes_away() {
    let rig = Rig::new("t1s!away(30s)");
    let secrets = rig.secrets();
    let mut watch = pin!(secrets.watch(&WatchParams::default(), "0").await.unwrap());
    rig.injector.moments().await;
    assert_eq!(broken(&watch.next().await.unwrap().unwrap_err()), io::ErrorKind::ConnectionReset);
    assert!(secrets.list(&ListParams::default()).await.is_err());
    rig.injector.quiet();
    assert!(secrets.list(&ListParams::default()).await.is_ok(), "quiet is without a fault");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_is_refused_until_another_one_comes() {
    let rig = Rig::new("r1!401");
    for _ in 0..3 {
        assert_eq!(refusal(&create(&rig.secrets(), "a").await.unwrap_err()), (401, "Unauthorized"));
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
    let token = robot_token(&rig).await;
    let config = rig.plane.config(&format!("{}/clusters/root", rig.plane.url()), &token);
    let renewed = rig.injector.layer().layer(rig.plane.in_process()).connect(config).unwrap();
    let renewed: Api<Secret> = Api::namespaced(renewed, "default");
    // The robot may not do this, which the server says itself.
    assert_eq!(refusal(&create(&renewed, "a").await.unwrap_err()).0, 403);
    assert_eq!(rig.injected(), ["r1!401"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_can_be_refused_for_a_while() {
    let rig = Rig::new("t1s!401(10s)");
    create(&rig.secrets(), "a").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(refusal(&create(&rig.secrets(), "b").await.unwrap_err()).0, 401);
    tokio::time::sleep(Duration::from_secs(10)).await;
    create(&rig.secrets(), "b").await.unwrap();
}

/// A token of a service account without any rights.
async fn robot_token(rig: &Rig) -> String {
    let config = rig.plane.workspace_config("root");
    let accounts: Api<ServiceAccount> =
        Api::namespaced(rig.plane.in_process().connect(config).unwrap(), "default");
    let robot: ServiceAccount =
        serde_json::from_value(serde_json::json!({"metadata": {"name": "robot"}})).unwrap();
    accounts.create(&PostParams::default(), &robot).await.unwrap();
    let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let answer = accounts.create_token_request("robot", &PostParams::default(), &request).await.unwrap();
    answer.status.unwrap().token
}
