//! The embedded control plane, seen through kube-rs.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test may fail loudly")]

mod exports;
mod in_process;
mod kubectl;
mod objects;
mod program;
mod rights;
mod watching;

use std::time::Duration;

use broker_testkit::control_plane::ControlPlane;
use kube::Client;
use serde_json::{Value, json};

/// As long as anything here may take.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) async fn start() -> ControlPlane {
    ControlPlane::builder().start().await.unwrap()
}

/// The administrator in a workspace.
pub(crate) fn admin(server: &ControlPlane, workspace: &str) -> Client {
    Client::try_from(server.workspace_config(workspace)).unwrap()
}

/// Somebody with a token, at any URL.
pub(crate) fn at(server: &ControlPlane, url: &str, token: &str) -> Client {
    Client::try_from(server.config(url, token)).unwrap()
}

/// Sends a request with a JSON body (or none) to a path.
pub(crate) async fn send(
    client: &Client,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, (u16, String)> {
    let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    send_as(client, method, path, content_type, body).await
}

pub(crate) async fn send_as(
    client: &Client,
    method: &str,
    path: &str,
    content_type: &str,
    body: &Value,
) -> Result<Value, (u16, String)> {
    let content = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", content_type)
        .body(content)
        .unwrap();
    client.request::<Value>(request).await.map_err(refusal)
}

/// Code and reason of a refusal.
pub(crate) fn refusal(error: kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("not an answer of the server: {other}"),
    }
}

pub(crate) async fn get(client: &Client, path: &str) -> Result<Value, (u16, String)> {
    send(client, "GET", path, &Value::Null).await
}

/// Reads a path until what is there satisfies the condition.
pub(crate) async fn until(client: &Client, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let found = get(client, path).await.unwrap_or(Value::Null);
        if holds(&found) {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited for {what}; {path} is {found:#}");
        tokio::task::yield_now().await;
    }
}

/// Reads a path until nothing is there.
pub(crate) async fn until_gone(client: &Client, path: &str) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !matches!(get(client, path).await, Err((404, _))) {
        assert!(tokio::time::Instant::now() < deadline, "{path} is still there");
        tokio::task::yield_now().await;
    }
}

pub(crate) fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

/// The schema of the example that most tests use.
pub(crate) fn certificate_schema() -> Value {
    json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "required": ["fqdn"],
                "properties": {
                    "fqdn": {"type": "string"},
                    "certType": {"type": "string", "default": "server"},
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    })
}

pub(crate) fn certificate_crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "certificates.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "certificates", "kind": "Certificate"},
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": certificate_schema()},
            }],
        },
    })
}

pub(crate) fn certificate(name: &str, fqdn: &str) -> Value {
    json!({
        "apiVersion": "example.com/v1alpha1",
        "kind": "Certificate",
        "metadata": {"name": name},
        "spec": {"fqdn": fqdn},
    })
}

pub(crate) const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub(crate) const CERTIFICATES: &str = "/apis/example.com/v1alpha1/namespaces/default/certificates";
pub(crate) const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// Serves certificates in a cluster by a CRD.
pub(crate) async fn serve_certificates(client: &Client) {
    send(client, "POST", CRDS, &certificate_crd()).await.unwrap();
    until(client, &format!("{CRDS}/certificates.example.com"), "the CRD", |crd| is_true(crd, "Established"))
        .await;
}

pub(crate) fn is_true(object: &Value, condition: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == condition && c["status"] == "True"))
}

pub(crate) fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"key": "value"}})
}
