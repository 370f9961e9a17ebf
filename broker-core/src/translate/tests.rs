//! What goes down, what comes up, and under which names.

use serde_json::{Value, json};

use super::*;
use crate::offer::OfferId;
use crate::order::{CopyRef, Glob, OrderIdentity, Policy};
use crate::resource::{ConditionStatus, Gvr, Object, ObjectKey, marker};

fn identity(cluster: &str, name: &str, uid: &str) -> OrderIdentity {
    OrderIdentity {
        gvr: Gvr::new("example.com", "v1alpha1", "certificates"),
        key: ObjectKey::new(cluster, "default", name),
        uid: uid.to_owned(),
    }
}

fn policy() -> Policy {
    Policy::new(Gvr::new("example.com", "v1alpha1", "certificates"), "Certificate")
}

fn copy() -> CopyRef {
    CopyRef {
        offer: OfferId::new("provider", "ca", "offer"),
        gvr: policy().gvr,
        kind: "Certificate".to_owned(),
        key: ObjectKey::new("provider", "ca", "c-1"),
        uid: Some("copy-uid".to_owned()),
        migration: None,
    }
}

fn copy_of(order: &Object, policy: &Policy) -> Object {
    desired_copy(order, "a-1", &copy(), policy, None).unwrap()
}

fn order() -> Object {
    Object::try_from(json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
        "metadata": {
            "name": "my-app-cert", "namespace": "default", "uid": "order-uid", "generation": 5, "resourceVersion": "77",
            "labels": { "team": "red", "broker.platform-mesh.io/managed": "true", "claimed.internal.apis.kcp.io/x": "y" },
            "annotations": { "kcp.io/cluster": "secret-consumer", "note": "hello" },
            "finalizers": ["someone/else"], "ownerReferences": [{ "uid": "u" }],
        },
        "spec": { "fqdn": "app.internal.corp" }, "status": { "a": 1 },
    }))
    .unwrap()
}

#[test]
fn names_fit_labels_and_differ_by_every_part_of_the_identity() {
    let names: Vec<String> = [("a", "x", "1"), ("b", "x", "1"), ("a", "y", "1"), ("a", "x", "2")]
        .into_iter()
        .flat_map(|(cluster, name, uid)| {
            let identity = identity(cluster, name, uid);
            [assignment_name(&identity), copy_name(&identity, 1), copy_name(&identity, 2)]
        })
        .collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    assert!(names.iter().all(|name| name.len() <= 40 && name.starts_with(|c: char| c.is_ascii_lowercase())));
}

#[test]
fn moving_a_boundary_between_the_parts_of_an_identity_changes_the_name() {
    let mut one = identity("a", "x", "1");
    let mut two = one.clone();
    one.key.namespace = "ab".to_owned();
    one.key.name = "c".to_owned();
    two.key.namespace = "a".to_owned();
    two.key.name = "bc".to_owned();
    assert_ne!(assignment_name(&one), assignment_name(&two));
}

#[test]
fn a_copy_has_the_spec_and_nothing_that_tells_whose_it_is() {
    let object = copy_of(&order(), &policy());
    assert_eq!(object.get(&["spec"]), Some(&json!({ "fqdn": "app.internal.corp" })));
    assert_eq!((object.namespace(), object.name()), ("ca", "c-1"));
    assert_eq!(object.get(&["metadata", "labels"]), Some(&json!({ marker::ORDER_LABEL: "a-1" })));
    let text = Value::from(object).to_string();
    for secret in ["my-app-cert", "secret-consumer", "order-uid", "someone/else", "\"status\"", "hello"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[test]
fn labels_and_annotations_go_down_by_the_allow_list_but_never_the_brokers_or_the_servers_own() {
    let mut policy = policy();
    policy.copy_labels = vec![Glob::new("*")];
    policy.copy_annotations = vec![Glob::new("no*")];
    let object = copy_of(&order(), &policy);
    assert_eq!(
        object.get(&["metadata", "labels"]),
        Some(&json!({ "team": "red", marker::ORDER_LABEL: "a-1" }))
    );
    assert_eq!(object.annotation("note"), Some("hello"));
    assert_eq!(object.annotation("kcp.io/cluster"), None);
}

#[test]
fn a_field_that_goes_away_changes_the_fingerprint() {
    let with = copy_of(&order(), &policy());
    let mut changed = order();
    changed.set(&["spec"], json!({}));
    let without = copy_of(&changed, &policy());
    assert!(
        covers(with.get(&["spec"]).unwrap(), without.get(&["spec"]).unwrap()),
        "a subset alone would not be noticed"
    );
    assert_ne!(with.annotation(FINGERPRINT_ANNOTATION), without.annotation(FINGERPRINT_ANNOTATION));
}

#[test]
fn covers_looks_into_maps_and_takes_everything_else_whole() {
    for (live, wanted, expected) in [
        (json!({ "a": 1, "b": 2 }), json!({ "a": 1 }), true),
        (json!({ "a": 1 }), json!({ "a": 1, "b": 2 }), false),
        (json!({ "a": { "b": 1, "c": 2 } }), json!({ "a": { "b": 1 } }), true),
        (json!([1, 2]), json!([1]), false),
        (json!({ "a": null }), json!({ "a": null }), true),
        (json!({}), json!({ "a": null }), false),
    ] {
        assert_eq!(covers(&live, &wanted), expected, "{live} {wanted}");
    }
}

fn seen(copy_generation: i64, reflects: i64, status: &Value) -> Value {
    let copy = Object::try_from(json!({
        "metadata": { "generation": copy_generation, "annotations": { marker::ORDER_GENERATION_ANNOTATION: reflects.to_string() } },
        "status": status,
    }))
    .unwrap();
    let told = Told { status: ConditionStatus::True, reason: "Bound", message: "served".to_owned() };
    desired_status(OrderStatus { order: &order(), copy: Some(&copy), handed: None, told: &told, now: "now" })
}

#[test]
fn observed_generations_are_told_in_the_orders_own_counting() {
    for (copy_generation, reflects, observed, expected) in
        [(2, 5, 2, 5), (3, 5, 2, 4), (1, 1, 1, 1), (2, 1, 1, 0), (2, 9, 2, 5)]
    {
        let status = json!({ "observedGeneration": observed, "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": observed }] });
        let told = seen(copy_generation, reflects, &status);
        assert_eq!(told["observedGeneration"], expected);
        assert_eq!(told["conditions"][0]["observedGeneration"], expected);
    }
}

#[test]
fn a_provider_cannot_speak_in_the_brokers_name() {
    let told =
        seen(1, 5, &json!({ "conditions": [{ "type": "Brokered", "status": "False", "reason": "Forged" }] }));
    let conditions = told["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 1);
    assert_eq!(conditions[0]["reason"], "Bound");
    assert_eq!(conditions[0]["observedGeneration"], 5);
}

#[test]
fn names_in_the_providers_cluster_are_not_shown_before_the_hand_over() {
    let told =
        seen(1, 5, &json!({ "relatedResources": { "secret": { "name": "internal" } }, "issuer": "CA" }));
    assert_eq!(told.get("relatedResources"), None);
    assert_eq!(told["issuer"], "CA");
}

#[test]
fn the_time_of_a_transition_changes_only_with_the_transition() {
    let told = Told { status: ConditionStatus::True, reason: "Bound", message: String::new() };
    let mut order = order();
    let input = |order: &Object, now| {
        desired_status(OrderStatus { order, copy: None, handed: None, told: &told, now })
    };
    let first = input(&order, "t1");
    order.set(&["status"], first.clone());
    assert_eq!(input(&order, "t2"), first);
}

#[test]
fn references_of_a_provider_are_read_with_distrust() {
    let object = Object::try_from(json!({ "status": { "relatedResources": {
        "secret": { "name": "s", "gvk": { "group": "core", "version": "v1", "kind": "Secret" } },
        "elsewhere": { "name": "s", "namespace": "kube-system", "gvk": { "kind": "Secret" } },
        "nameless": { "gvk": { "kind": "Secret" } },
        "../up": { "name": "s", "gvk": { "kind": "Secret" } },
        "text": "s",
    } } }))
    .unwrap();
    let found = references(&object, &copy());
    let secret = found["secret"].as_ref().unwrap();
    assert_eq!(secret.target.gvk.group, "", "core is the empty group");
    assert_eq!(secret.target.key, ObjectKey::new("provider", "ca", "s"));
    assert_eq!(found["elsewhere"], Err(RelatedRefusal::Namespace));
    for key in ["nameless", "../up", "text"] {
        assert_eq!(found[key], Err(RelatedRefusal::Malformed), "{key}");
    }
}
