//! Rights of service accounts, and tokens.

use kube::Client;
use serde_json::{Value, json};

use super::{SECRETS, admin, at, get, secret, send, start, until};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

fn refused<T>(code: u16, reason: &str) -> Result<T, (u16, String)> {
    Err((code, reason.to_owned()))
}

async fn allow(client: &Client, rules: Value) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": rules,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}],
    });
    send(client, "POST", &format!("{RBAC}/namespaces/default/roles"), &role).await.unwrap();
    send(client, "POST", &format!("{RBAC}/namespaces/default/rolebindings"), &binding).await.unwrap();
}

async fn account(client: &Client) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    send(client, "POST", "/api/v1/namespaces/default/serviceaccounts", &account).await.unwrap();
}

#[tokio::test]
async fn a_token_of_a_secret_counts_as_long_as_the_secret() {
    let server = start().await;
    let client = admin(&server, "root");
    account(&client).await;
    let token = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "robot-token", "annotations": {"kubernetes.io/service-account.name": "robot"}},
    });
    send(&client, "POST", SECRETS, &token).await.unwrap();
    let path = format!("{SECRETS}/robot-token");
    let filled = until(&client, &path, "the token", |s| s["data"]["token"].is_string()).await;
    let token = String::from_utf8(decode(filled["data"]["token"].as_str().unwrap())).unwrap();
    let robot = at(&server, server.url(), &token);
    assert_eq!(get(&robot, SECRETS).await, refused(403, "Forbidden"));
    allow(&client, json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}])).await;
    assert!(get(&robot, SECRETS).await.is_ok());
    assert_eq!(send(&robot, "POST", SECRETS, &secret("new")).await, refused(403, "Forbidden"));
    send(&client, "DELETE", &path, &Value::Null).await.unwrap();
    assert_eq!(get(&robot, SECRETS).await, refused(401, "Unauthorized"));
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

#[tokio::test]
async fn resource_names_limit_a_rule_and_a_review_says_so() {
    let server = start().await;
    let client = admin(&server, "root");
    account(&client).await;
    let rule =
        json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]}]);
    allow(&client, rule).await;
    for name in ["one", "two"] {
        send(&client, "POST", SECRETS, &secret(name)).await.unwrap();
    }
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let path = "/api/v1/namespaces/default/serviceaccounts/robot/token";
    let answer = send(&client, "POST", path, &request).await.unwrap();
    let robot = at(&server, server.url(), answer["status"]["token"].as_str().unwrap());
    assert!(get(&robot, &format!("{SECRETS}/one")).await.is_ok());
    assert_eq!(get(&robot, &format!("{SECRETS}/two")).await, refused(403, "Forbidden"));
    assert_eq!(get(&robot, SECRETS).await, refused(403, "Forbidden"));
    for (name, allowed) in [("one", true), ("two", false)] {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": "get", "group": "", "resource": "secrets", "namespace": "default", "name": name,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = send(&robot, "POST", path, &review).await.unwrap();
        assert_eq!(answer["status"]["allowed"], allowed);
    }
}

#[tokio::test]
async fn an_unknown_token_is_refused_and_requests_are_counted() {
    let server = start().await;
    let before = server.requests();
    assert_eq!(get(&at(&server, server.url(), "wrong"), SECRETS).await, refused(401, "Unauthorized"));
    let client = admin(&server, "root");
    get(&client, SECRETS).await.unwrap();
    let requests = server.requests().since(&before);
    assert_eq!(requests.total(), 2);
    assert_eq!(requests.by_user("kcp-admin"), 1);
}
