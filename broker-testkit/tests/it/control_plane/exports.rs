//! Workspaces, exports, bindings and virtual workspaces.

use broker_testkit::control_plane::ControlPlane;
use kube::Client;
use serde_json::{Value, json};

use super::{
    CERTIFICATES, SECRETS, admin, at, certificate, certificate_schema, get, is_true, names, secret, send,
    start, until, until_gone,
};

const APIS: &str = "/apis/apis.kcp.io/v1alpha2";
const WORKSPACES: &str = "/apis/tenancy.kcp.io/v1alpha1/workspaces";
const MANAGED: &str = "broker.platform-mesh.io/managed";

fn refused<T>(code: u16, reason: &str) -> Result<T, (u16, String)> {
    Err((code, reason.to_owned()))
}

async fn workspace(server: &ControlPlane, name: &str) -> Client {
    let root = admin(server, "root");
    let object = json!({
        "apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name},
        "spec": {"type": {"name": "universal", "path": "root"}},
    });
    send(&root, "POST", WORKSPACES, &object).await.unwrap();
    until(&root, &format!("{WORKSPACES}/{name}"), "the workspace", |w| w["status"]["phase"] == "Ready").await;
    admin(server, &format!("root:{name}"))
}

async fn export(platform: &Client) {
    let schema = json!({
        "apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIResourceSchema",
        "metadata": {"name": "v1.certificates.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "certificates", "singular": "certificate", "kind": "Certificate", "listKind": "CertificateList"},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "subresources": {"status": {}}, "schema": certificate_schema(),
            }],
        },
    });
    send(platform, "POST", "/apis/apis.kcp.io/v1alpha1/apiresourceschemas", &schema).await.unwrap();
    let export = json!({
        "apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport", "metadata": {"name": "certs"},
        "spec": {
            "resources": [{
                "group": "example.com", "name": "certificates", "schema": "v1.certificates.example.com",
                "storage": {"crd": {}},
            }],
            "permissionClaims": [
                {"group": "", "resource": "secrets", "verbs": ["*"]},
                {"group": "core.kcp.io", "resource": "logicalclusters", "verbs": ["get", "list", "watch"]},
            ],
        },
    });
    send(platform, "POST", &format!("{APIS}/apiexports"), &export).await.unwrap();
}

async fn bind(client: &Client) -> Value {
    let binding = json!({
        "apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding", "metadata": {"name": "certs"},
        "spec": {
            "reference": {"export": {"path": "root:platform", "name": "certs"}},
            "permissionClaims": [
                {
                    "group": "", "resource": "secrets", "verbs": ["*"], "state": "Accepted",
                    "selector": {"matchLabels": {MANAGED: "true"}},
                },
                {
                    "group": "core.kcp.io", "resource": "logicalclusters", "verbs": ["get", "list", "watch"],
                    "state": "Accepted", "selector": {"matchAll": true},
                },
            ],
        },
    });
    send(client, "POST", &format!("{APIS}/apibindings"), &binding).await.unwrap();
    let path = format!("{APIS}/apibindings/certs");
    until(client, &path, "the binding", |b| b["status"]["phase"] == "Bound" && is_true(b, "Ready")).await
}

/// A platform that exports certificates, and one consumer.
struct Platform {
    server: ControlPlane,
    exporter: Client,
    consumer: Client,
    /// The consumer's id.
    id: String,
    /// The virtual workspace's URL.
    url: String,
}

impl Platform {
    async fn new() -> Self {
        let server = start().await;
        let platform = workspace(&server, "platform").await;
        let consumer = workspace(&server, "consumer").await;
        export(&platform).await;
        let slices = "/apis/apis.kcp.io/v1alpha1/apiexportendpointslices/certs";
        let slice = until(&platform, slices, "the slice", |slice| is_true(slice, "APIExportValid")).await;
        assert_eq!(slice["status"].get("endpoints"), None, "no URL before the first binding");
        bind(&consumer).await;
        let slice =
            until(&platform, slices, "a URL", |slice| slice["status"]["endpoints"][0].is_object()).await;
        let url = slice["status"]["endpoints"][0]["url"].as_str().unwrap().to_owned();
        let cluster = get(&consumer, "/apis/core.kcp.io/v1alpha1/logicalclusters/cluster").await.unwrap();
        let id = cluster["metadata"]["annotations"]["kcp.io/cluster"].as_str().unwrap().to_owned();
        Self { server, exporter: platform, consumer, id, url }
    }

    /// The administrator in the virtual workspace; `*` for all clusters.
    fn inside(&self, cluster: &str) -> Client {
        let mut config = self.server.admin_config();
        config.cluster_url = format!("{}/clusters/{cluster}", self.url).parse().unwrap();
        Client::try_from(config).unwrap()
    }
}

#[tokio::test]
async fn objects_of_all_bound_workspaces_are_seen_at_once() {
    let world = Platform::new().await;
    let other = workspace(&world.server, "other").await;
    bind(&other).await;
    for client in [&world.consumer, &other] {
        send(client, "POST", CERTIFICATES, &certificate("same", "a.corp")).await.unwrap();
    }
    let all = get(&world.inside("*"), "/apis/example.com/v1alpha1/certificates").await.unwrap();
    assert_eq!(names(&all), ["same", "same"]);
    let clusters: Vec<&str> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["annotations"]["kcp.io/cluster"].as_str().unwrap())
        .collect();
    assert!(clusters.contains(&world.id.as_str()));
    let one = get(&world.inside(&world.id), &format!("{CERTIFICATES}/same")).await.unwrap();
    assert_eq!(one["spec"]["fqdn"], "a.corp");
    assert_eq!(get(&world.exporter, CERTIFICATES).await.unwrap_err().0, 404);
    let bindings = get(&world.inside("*"), &format!("{APIS}/apibindings")).await.unwrap();
    assert_eq!(names(&bindings), ["certs", "certs"]);
    let clusters = get(&world.inside("*"), "/apis/core.kcp.io/v1alpha1/logicalclusters").await.unwrap();
    let paths: Vec<&str> = clusters["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["annotations"]["kcp.io/path"].as_str().unwrap())
        .collect();
    assert!(paths.contains(&"root:consumer") && paths.contains(&"root:other"), "{paths:?}");
}

#[tokio::test]
async fn a_claim_shows_only_what_it_selects() {
    let world = Platform::new().await;
    let inside = world.inside(&world.id);
    send(&world.consumer, "POST", SECRETS, &secret("own")).await.unwrap();
    let own = format!("{SECRETS}/own");
    assert_eq!(get(&inside, &own).await, refused(404, "NotFound"));
    assert_eq!(send(&inside, "POST", SECRETS, &secret("own")).await, refused(409, "AlreadyExists"));
    assert_eq!(send(&inside, "PATCH", &own, &json!({"data": {}})).await, refused(404, "NotFound"));
    assert_eq!(send(&inside, "DELETE", &own, &Value::Null).await, refused(403, "Forbidden"));
    let made = send(&inside, "POST", SECRETS, &secret("ours")).await.unwrap();
    assert_eq!(made["metadata"]["labels"][MANAGED], "true");
    assert_eq!(names(&get(&inside, SECRETS).await.unwrap()), ["ours"]);
    let labels = json!({"metadata": {"labels": {MANAGED: "true"}}});
    send(&world.consumer, "PATCH", &own, &labels).await.unwrap();
    assert!(get(&inside, &own).await.is_ok());
    let labels = json!({"metadata": {"labels": {MANAGED: null}}});
    send(&world.consumer, "PATCH", &own, &labels).await.unwrap();
    assert_eq!(get(&inside, &own).await, refused(404, "NotFound"));
    assert_eq!(get(&inside, "/api/v1/namespaces/default/configmaps").await, refused(403, "Forbidden"));
}

#[tokio::test]
async fn a_binding_goes_when_the_last_finalizer_is_gone() {
    let world = Platform::new().await;
    let mut held = certificate("one", "a.corp");
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    send(&world.consumer, "POST", CERTIFICATES, &held).await.unwrap();
    send(&world.consumer, "DELETE", &format!("{APIS}/apibindings/certs"), &Value::Null).await.unwrap();
    let inside = world.inside(&world.id);
    let path = format!("{CERTIFICATES}/one");
    until(&inside, &path, "the deletion", |o| o["metadata"]["deletionTimestamp"].is_string()).await;
    send(&inside, "PATCH", &path, &json!({"metadata": {"finalizers": null}})).await.unwrap();
    until_gone(&world.consumer, &format!("{APIS}/apibindings/certs")).await;
    assert_eq!(get(&world.consumer, CERTIFICATES).await.unwrap_err().0, 404);
}

#[tokio::test]
async fn a_workspace_goes_when_the_last_finalizer_is_gone() {
    let world = Platform::new().await;
    let mut held = certificate("one", "a.corp");
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    send(&world.consumer, "POST", CERTIFICATES, &held).await.unwrap();
    let root = admin(&world.server, "root");
    send(&root, "DELETE", &format!("{WORKSPACES}/consumer"), &Value::Null).await.unwrap();
    let inside = world.inside(&world.id);
    let path = format!("{CERTIFICATES}/one");
    until(&inside, &path, "the deletion", |o| o["metadata"]["deletionTimestamp"].is_string()).await;
    send(&inside, "PATCH", &path, &json!({"metadata": {"finalizers": null}})).await.unwrap();
    until_gone(&root, &format!("{WORKSPACES}/consumer")).await;
}

#[tokio::test]
async fn a_service_account_reaches_consumers_through_the_export_only() {
    let world = Platform::new().await;
    let platform = &world.exporter;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "broker"}});
    send(platform, "POST", "/api/v1/namespaces/default/serviceaccounts", &account).await.unwrap();
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let path = "/api/v1/namespaces/default/serviceaccounts/broker/token";
    let answer = send(platform, "POST", path, &request).await.unwrap();
    let token = answer["status"]["token"].as_str().unwrap();
    let everywhere = at(&world.server, &format!("{}/clusters/*", world.url), token);
    let list = "/apis/example.com/v1alpha1/certificates";
    assert_eq!(get(&everywhere, list).await, refused(403, "Forbidden"));
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "broker"},
        "rules": [{
            "apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"], "resourceNames": ["certs"],
            "verbs": ["*"],
        }],
    });
    send(platform, "POST", &format!("{rbac}/clusterroles"), &role).await.unwrap();
    for (name, role) in [("broker", "broker"), ("broker-access", "system:kcp:workspace:access")] {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "broker", "namespace": "default"}],
        });
        send(platform, "POST", &format!("{rbac}/clusterrolebindings"), &binding).await.unwrap();
    }
    assert!(get(&everywhere, list).await.is_ok());
    let direct = at(&world.server, &format!("{}/clusters/root:consumer", world.server.url()), token);
    assert_eq!(get(&direct, SECRETS).await, refused(403, "Forbidden"));
    let home = at(&world.server, &format!("{}/clusters/root:platform", world.server.url()), token);
    assert_eq!(get(&home, SECRETS).await, refused(403, "Forbidden"));
}

#[tokio::test]
async fn kinds_of_two_exports_do_not_mix() {
    let world = Platform::new().await;
    let other = workspace(&world.server, "other").await;
    super::serve_certificates(&other).await;
    send(&other, "POST", CERTIFICATES, &certificate("private", "a.corp")).await.unwrap();
    let all = get(&world.inside("*"), "/apis/example.com/v1alpha1/certificates").await.unwrap();
    assert_eq!(names(&all), Vec::<&str>::new());
}
