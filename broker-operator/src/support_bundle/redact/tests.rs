use serde_json::json;

use super::*;

fn redactor() -> Redactor {
    let mut redactor = Redactor::default();
    redactor.learn_schema(&json!({"properties": {
        "spec": {"properties": {"fqdn": {"type": "string"}, "size": {"type": "integer"}, "more": {"type": "object"}}},
        "status": {"properties": {"issuer": {"type": "string"}, "conditions": {"items": {"properties": {
            "type": {}, "status": {}, "reason": {}, "message": {}, "observedGeneration": {}, "lastTransitionTime": {},
        }}}}},
    }}));
    redactor.names.learn("order", "secret-project");
    redactor.names.learn("consumer", "acme-id");
    redactor
}

#[test]
fn of_an_order_structure_conditions_and_generations_are_told() {
    let order = json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
        "metadata": {
            "name": "secret-project", "namespace": "default", "generation": 3, "uid": "u",
            "labels": {"team": "blue"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kcp.io/cluster": "acme-id"},
            "managedFields": [{"manager": "somebody"}],
        },
        "spec": {"fqdn": "app.example.org", "size": 5, "more": {"mine": [true, "x"], "yours": null}},
        "status": {
            "issuer": "Internal CA",
            "conditions": [
                {"type": "Brokered", "status": "False", "reason": "NoMatchingOffer", "observedGeneration": 3,
                 "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "spec.fqdn is app.example.org"},
                {"type": "Ready", "status": "True", "reason": "no word"},
            ],
        },
    });
    let expected = json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
        "metadata": {
            "name": "order-1", "namespace": "default", "generation": 3, "uid": "u",
            "labels": {"<key 1>": "<text 4>"},
            "annotations": {"<key 1>": "<text 2>", "kcp.io/cluster": "consumer-1"},
        },
        "spec": {"fqdn": "<text 15>", "size": "<number>", "more": {"<key 1>": ["<bool>", "<text 1>"], "<key 2>": null}},
        "status": {
            "issuer": "<text 11>",
            "conditions": [
                {"type": "Brokered", "status": "False", "reason": "NoMatchingOffer", "observedGeneration": 3,
                 "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "<text 28>"},
                {"type": "Ready", "status": "True", "reason": "<text 7>"},
            ],
        },
    });
    assert_eq!(redactor().redact(Of::Consumer, &order), expected);
}

#[test]
fn of_a_record_names_reasons_times_and_counts_are_told() {
    let record = json!({
        "spec": {"order": {"clusterName": "acme-id", "name": "secret-project", "uid": "u"}, "serial": 2},
        "status": {"decidedAt": "2026-01-01T00:00:00Z", "phase": "Pending", "candidates": [{
            "verdict": "Filter", "message": "spec.size is 5",
            "first": {"filter": 0, "field": "spec.size", "found": 5, "expected": ["at most 4"]},
        }]},
        "surprise": "app.example.org",
    });
    let expected = json!({
        "spec": {"order": {"clusterName": "consumer-1", "name": "order-1", "uid": "u"}, "serial": 2},
        "status": {"decidedAt": "2026-01-01T00:00:00Z", "phase": "Pending", "candidates": [{
            "verdict": "Filter", "message": "<text 14>",
            "first": {"filter": 0, "field": "spec.size", "found": "<number>", "expected": ["<text 9>"]},
        }]},
        "surprise": "<text 15>",
    });
    assert_eq!(redactor().redact(Of::Record, &record), expected);
}

#[test]
fn of_the_platforms_own_word_all_is_told_but_annotations_and_templates() {
    let playbook = json!({
        "metadata": {"name": "move", "annotations": {"note": "for acme"}},
        "spec": {"stages": [{"name": "copy", "templates": {"job": {"kind": "Job", "spec": {"password": "x"}}}}]},
    });
    let expected = json!({
        "metadata": {"name": "move", "annotations": {"note": "<text 8>"}},
        "spec": {"stages": [{"name": "copy", "templates": {"job": {"kind": "<text 3>", "spec": {"password": "<text 1>"}}}}]},
    });
    assert_eq!(redactor().redact(Of::Platform, &playbook), expected);
}
