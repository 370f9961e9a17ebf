//! The life of objects.

use serde_json::{Value, json};

use super::{
    CERTIFICATES, CRDS, SECRETS, admin, certificate, get, names, secret, send, send_as, serve_certificates,
    start, until_gone,
};

fn refused<T>(code: u16, reason: &str) -> Result<T, (u16, String)> {
    Err((code, reason.to_owned()))
}

#[tokio::test]
async fn an_object_is_created_defaulted_changed_and_deleted() {
    let server = start().await;
    let client = admin(&server, "root");
    serve_certificates(&client).await;
    let made = send(&client, "POST", CERTIFICATES, &certificate("one", "a.corp")).await.unwrap();
    assert_eq!(made["spec"]["certType"], "server");
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["metadata"]["annotations"]["kcp.io/cluster"], "root");
    let path = format!("{CERTIFICATES}/one");
    let changed = send(&client, "PATCH", &path, &json!({"spec": {"fqdn": "b.corp"}})).await.unwrap();
    assert_eq!(changed["metadata"]["generation"], 2);
    let again = send(&client, "PATCH", &path, &json!({"spec": {"fqdn": "b.corp"}})).await.unwrap();
    assert_eq!(again["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"]);
    send(&client, "DELETE", &path, &Value::Null).await.unwrap();
    assert_eq!(get(&client, &path).await, refused(404, "NotFound"));
}

#[tokio::test]
async fn spec_and_status_have_their_own_endpoints() {
    let server = start().await;
    let client = admin(&server, "root");
    serve_certificates(&client).await;
    let mut wanted = certificate("one", "a.corp");
    wanted["status"] = json!({"ready": true});
    let made = send(&client, "POST", CERTIFICATES, &wanted).await.unwrap();
    assert_eq!(made.get("status"), None);
    let path = format!("{CERTIFICATES}/one");
    let change = json!({"status": {"ready": true}, "spec": {"fqdn": "b.corp"}});
    let status = send(&client, "PATCH", &format!("{path}/status"), &change).await.unwrap();
    assert_eq!(status["status"]["ready"], true);
    assert_eq!(status["spec"]["fqdn"], "a.corp");
    assert_eq!(status["metadata"]["generation"], 1);
    let spec =
        send(&client, "PATCH", &path, &json!({"status": {"ready": false}, "spec": {"fqdn": "b.corp"}}))
            .await
            .unwrap();
    assert_eq!(spec["status"]["ready"], true);
    assert_eq!(spec["metadata"]["generation"], 2);
}

#[tokio::test]
async fn a_stale_writer_is_refused() {
    let server = start().await;
    let client = admin(&server, "root");
    serve_certificates(&client).await;
    let made = send(&client, "POST", CERTIFICATES, &certificate("one", "a.corp")).await.unwrap();
    let path = format!("{CERTIFICATES}/one");
    send(&client, "PATCH", &path, &json!({"spec": {"fqdn": "b.corp"}})).await.unwrap();
    assert_eq!(send(&client, "PUT", &path, &made).await, refused(409, "Conflict"));
    assert_eq!(
        send(&client, "POST", CERTIFICATES, &certificate("one", "a.corp")).await,
        refused(409, "AlreadyExists")
    );
}

#[tokio::test]
async fn an_invalid_object_is_refused_with_its_field() {
    let server = start().await;
    let client = admin(&server, "root");
    serve_certificates(&client).await;
    let wrong = json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate", "metadata": {"name": "one"}, "spec": {},
    });
    assert_eq!(send(&client, "POST", CERTIFICATES, &wrong).await, refused(422, "Invalid"));
    let elsewhere = "/apis/example.com/v1alpha1/namespaces/nowhere/certificates";
    assert_eq!(
        send(&client, "POST", elsewhere, &certificate("one", "a.corp")).await,
        refused(404, "NotFound")
    );
}

#[tokio::test]
async fn a_finalizer_holds_a_deleted_object() {
    let server = start().await;
    let client = admin(&server, "root");
    serve_certificates(&client).await;
    let mut held = certificate("one", "a.corp");
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    send(&client, "POST", CERTIFICATES, &held).await.unwrap();
    let path = format!("{CERTIFICATES}/one");
    let waiting = send(&client, "DELETE", &path, &Value::Null).await.unwrap();
    assert!(waiting["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(waiting["metadata"]["generation"], 2);
    let more = json!({"metadata": {"finalizers": ["example.com/held", "example.com/more"]}});
    assert_eq!(send(&client, "PATCH", &path, &more).await, refused(422, "Invalid"));
    send(&client, "PATCH", &path, &json!({"metadata": {"finalizers": null}})).await.unwrap();
    assert_eq!(get(&client, &path).await, refused(404, "NotFound"));
}

#[tokio::test]
async fn a_deletion_with_a_precondition_spares_the_successor() {
    let server = start().await;
    let client = admin(&server, "root");
    send(&client, "POST", SECRETS, &secret("one")).await.unwrap();
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "another"}});
    let path = format!("{SECRETS}/one");
    assert_eq!(send(&client, "DELETE", &path, &options).await, refused(409, "Conflict"));
    assert!(get(&client, &path).await.is_ok());
}

#[tokio::test]
async fn what_an_owner_leaves_behind_is_collected() {
    let server = start().await;
    let client = admin(&server, "root");
    serve_certificates(&client).await;
    let certificate = send(&client, "POST", CERTIFICATES, &certificate("one", "a.corp")).await.unwrap();
    let mut owned = secret("owned");
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate", "name": "one", "uid": certificate["metadata"]["uid"],
    }]);
    send(&client, "POST", SECRETS, &owned).await.unwrap();
    send(&client, "POST", SECRETS, &secret("free")).await.unwrap();
    send(&client, "DELETE", &format!("{CERTIFICATES}/one"), &Value::Null).await.unwrap();
    until_gone(&client, &format!("{SECRETS}/owned")).await;
    assert!(get(&client, &format!("{SECRETS}/free")).await.is_ok());
}

#[tokio::test]
async fn a_namespace_and_a_crd_take_their_objects_along() {
    let server = start().await;
    let client = admin(&server, "root");
    serve_certificates(&client).await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}});
    send(&client, "POST", "/api/v1/namespaces", &namespace).await.unwrap();
    let blue = "/apis/example.com/v1alpha1/namespaces/blue/certificates";
    send(&client, "POST", blue, &certificate("one", "a.corp")).await.unwrap();
    send(&client, "POST", CERTIFICATES, &certificate("one", "a.corp")).await.unwrap();
    send(&client, "DELETE", "/api/v1/namespaces/blue", &Value::Null).await.unwrap();
    until_gone(&client, "/api/v1/namespaces/blue").await;
    assert_eq!(get(&client, &format!("{blue}/one")).await, refused(404, "NotFound"));
    send(&client, "DELETE", &format!("{CRDS}/certificates.example.com"), &Value::Null).await.unwrap();
    until_gone(&client, &format!("{CRDS}/certificates.example.com")).await;
    assert_eq!(get(&client, CERTIFICATES).await.unwrap_err().0, 404);
}

#[tokio::test]
async fn an_apply_with_the_uid_of_a_gone_object_does_not_bring_it_back() {
    let server = start().await;
    let client = admin(&server, "root");
    serve_certificates(&client).await;
    let path = format!("{CERTIFICATES}/one?fieldManager=test");
    let mut applied = certificate("one", "a.corp");
    let made = send_as(&client, "PATCH", &path, "application/apply-patch+yaml", &applied).await.unwrap();
    send(&client, "DELETE", &path, &Value::Null).await.unwrap();
    applied["metadata"]["uid"] = made["metadata"]["uid"].clone();
    let again = send_as(&client, "PATCH", &path, "application/apply-patch+yaml", &applied).await;
    assert_eq!(again, refused(409, "Conflict"));
}

#[tokio::test]
async fn lists_come_in_pages_of_one_moment() {
    let server = start().await;
    let client = admin(&server, "root");
    for name in ["a", "b", "c"] {
        send(&client, "POST", SECRETS, &secret(name)).await.unwrap();
    }
    let first = get(&client, &format!("{SECRETS}?limit=2")).await.unwrap();
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    send(&client, "DELETE", &format!("{SECRETS}/c"), &Value::Null).await.unwrap();
    send(&client, "POST", SECRETS, &secret("d")).await.unwrap();
    let next = first["metadata"]["continue"].as_str().unwrap();
    let second = get(&client, &format!("{SECRETS}?limit=2&continue={next}")).await.unwrap();
    assert_eq!(names(&second), ["c"]);
    server.compact();
    assert_eq!(get(&client, &format!("{SECRETS}?continue={next}")).await, refused(410, "Expired"));
}

#[tokio::test]
async fn selectors_limit_lists() {
    let server = start().await;
    let client = admin(&server, "root");
    let mut red = secret("red");
    red["metadata"]["labels"] = json!({"colour": "red"});
    send(&client, "POST", SECRETS, &red).await.unwrap();
    send(&client, "POST", SECRETS, &secret("plain")).await.unwrap();
    let chosen = get(&client, &format!("{SECRETS}?labelSelector=colour%3Dred")).await.unwrap();
    assert_eq!(names(&chosen), ["red"]);
    let chosen = get(&client, &format!("{SECRETS}?fieldSelector=metadata.name%3Dplain")).await.unwrap();
    assert_eq!(names(&chosen), ["plain"]);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let server = start().await;
    let client = admin(&server, "root");
    send(&client, "POST", &format!("{SECRETS}?dryRun=All"), &secret("one")).await.unwrap();
    assert_eq!(get(&client, &format!("{SECRETS}/one")).await, refused(404, "NotFound"));
}

#[tokio::test]
async fn a_plain_cluster_shows_nothing_of_kcp_in_its_objects() {
    let server = start().await;
    let client = kube::Client::try_from(server.admin_config()).unwrap();
    let made = send(&client, "POST", SECRETS, &secret("one")).await.unwrap();
    assert_eq!(made["metadata"].get("annotations"), None);
    let listed = get(&client, SECRETS).await.unwrap();
    assert_eq!(listed["items"][0]["metadata"].get("annotations"), None);
}

#[tokio::test]
async fn an_event_is_the_same_in_both_of_its_groups() {
    let server = start().await;
    let client = admin(&server, "root");
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "one"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "test", "reportingInstance": "test-1",
        "action": "Look", "reason": "Seen", "type": "Normal", "note": "it was seen",
        "regarding": {"kind": "Secret", "namespace": "default", "name": "one"},
    });
    send(&client, "POST", "/apis/events.k8s.io/v1/namespaces/default/events", &event).await.unwrap();
    let core = get(&client, "/api/v1/namespaces/default/events/one").await.unwrap();
    assert_eq!(core["message"], "it was seen");
    assert_eq!(core["involvedObject"]["name"], "one");
    assert_eq!(core["apiVersion"], "v1");
    let newer = get(&client, "/apis/events.k8s.io/v1/namespaces/default/events/one").await.unwrap();
    assert_eq!(newer["note"], "it was seen");
    let chosen = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Done";
    assert_eq!(names(&get(&client, chosen).await.unwrap()), ["one"]);
    let unknown = "/api/v1/namespaces/default/events?fieldSelector=spec.name%3Done";
    assert_eq!(get(&client, unknown).await, refused(400, "BadRequest"));
}
