#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_core::order::{Failover, Fence, Moves};
use broker_core::resource::{ClusterName, Gvr, Object, ObjectKey};
use broker_core::time::Timestamp;
use serde_json::{Value, json};

use super::conditions::{Wanted, entry, says};
use super::indexes::{
    ANY, BY_ACTIVE, BY_CLUSTER, BY_COPY, BY_OFFER, BY_ORDER, BY_RELATED, BY_STANDING, INDEXES, Standing,
    object_text, order_of_text, related_text,
};
use super::policy::Policies;
use super::routes::order_of;
use crate::kcp::Resource;
use crate::store::{Source, Table};

fn policies(spec: &Value) -> Policies {
    let object = json!({"metadata": {"name": "certificates.example.com"}, "spec": spec});
    let object = Arc::new(Object::try_from(object).unwrap());
    let kind = Resource::namespaced(Gvr::new("example.com", "v1", "certificates"), "Certificate");
    let kinds = BTreeMap::from([("certificates.example.com".to_owned(), kind)]);
    Policies::read([&object].into_iter(), &kinds, true, |name| ClusterName::from(format!("id-of-{name}")))
}

#[test]
fn an_empty_spec_means_the_defaults() {
    let policies = policies(&json!({}));
    let policy = &policies.orders["certificates.example.com"];
    assert_eq!(policy.moves, Moves::PlaybookOnly);
    assert_eq!(policy.grace_period, Duration::from_secs(30));
    assert_eq!(policy.related_kinds.len(), 2);
}

#[test]
fn what_is_written_is_honoured() {
    let policies = policies(&json!({
        "moves": "Free", "gracePeriod": "1m", "readyTimeout": "2h", "relatedKinds": ["Secret"],
        "ready": "self.status.phase == 'Issued'", "relatedName": "x-${order}-${key}",
    }));
    let policy = &policies.orders["certificates.example.com"];
    assert_eq!(policy.moves, Moves::Free);
    assert_eq!(policy.grace_period, Duration::from_mins(1));
    assert_eq!(policy.related_name, "x-${order}-${key}");
    assert!(policy.ready.is_some());
}

#[test]
fn fences_and_limits_are_honoured_as_written_or_by_default() {
    let read = |spec: Value| {
        let policy = policies(&spec).orders["certificates.example.com"].clone();
        let limits = policy.limits;
        (policy.effective_fence(), limits.concurrent_moves, limits.halt_after_failures)
    };
    assert_eq!(read(json!({})), (Fence::Required, 10, 3));
    assert_eq!(read(json!({"moves": "Free"})), (Fence::BestEffort, 10, 3));
    let limits = json!({"concurrentMoves": 1, "haltAfterFailures": 2});
    assert_eq!(read(json!({"fence": "BestEffort", "limits": limits})), (Fence::BestEffort, 1, 2));
}

#[test]
fn what_cannot_be_honoured_is_a_problem_and_no_policy() {
    for (spec, word) in [
        (json!({"ready": "self.status.("}), "spec.ready"),
        (json!({"gracePeriod": "soon"}), "spec.gracePeriod"),
        (json!({"moves": "Sometimes"}), "Sometimes"),
        (json!({"failoverAfter": "soon"}), "spec.failoverAfter"),
    ] {
        let policies = policies(&spec);
        assert!(policies.orders.is_empty(), "{spec}");
        let message = &policies.problems["certificates.example.com"].message;
        assert!(message.contains(word), "{spec}: {message}");
    }
}

#[test]
fn failover_is_honoured_as_written_or_as_follows_from_moves() {
    let read = |spec: Value| {
        let policies = policies(&spec);
        let policy = policies.orders["certificates.example.com"].clone();
        (policy.effective_failover(), policy.failover_after.as_secs())
    };
    for (spec, expected) in [
        (json!({}), (Failover::Manual, 300)),
        (json!({"moves": "Free"}), (Failover::Automatic, 300)),
        (json!({"failover": "Automatic", "failoverAfter": "1m30s"}), (Failover::Automatic, 90)),
        (json!({"moves": "Free", "failover": "Manual"}), (Failover::Manual, 300)),
    ] {
        assert_eq!(read(spec.clone()), expected, "{spec}");
    }
}

fn assignment() -> Object {
    Object::try_from(json!({
        "metadata": {"name": "a-1"},
        "spec": {
            "order": {
                "clusterName": "consumer", "namespace": "default", "name": "my-cert", "uid": "u",
                "gvr": {"group": "example.com", "version": "v1", "resource": "certificates"},
            },
            "offer": {"clusterName": "provider", "namespace": "ca", "name": "internal"},
            "copies": [{
                "clusterName": "provider", "namespace": "ca", "name": "c-1", "resource": "certificates",
                "gvk": {"group": "example.com", "version": "v1", "kind": "Certificate"},
            }],
        },
    }))
    .unwrap()
}

#[test]
fn an_assignment_is_found_by_its_order_its_copies_and_its_offer() {
    let mut table = Table::new(INDEXES.assignments);
    table.apply(&Source::new("x"), ObjectKey::new("platform", "", "a-1"), assignment());
    let api = "certificates.example.com";
    let order = ObjectKey::new("consumer", "default", "my-cert");
    let copy = ObjectKey::new("provider", "ca", "c-1");
    assert_eq!(table.find(BY_ORDER, &object_text(api, &order)).len(), 1);
    assert_eq!(table.find(BY_COPY, &object_text(api, &copy)).len(), 1);
    assert_eq!(table.count(BY_OFFER, &ObjectKey::new("provider", "ca", "internal").to_string()), 1);
    assert_eq!(table.find(BY_COPY, &object_text(api, &order)).len(), 0);
    assert_eq!(order_of(&assignment()).unwrap().key, order);
    assert_eq!(table.count(BY_CLUSTER, "provider"), 1);
    // What the texts tell saves a look at the objects.
    let orders: Vec<_> =
        table.texts(BY_ORDER, &format!("{api} ")).map(|(text, _)| order_of_text(text)).collect();
    assert_eq!(orders, [order_of(&assignment())]);
    assert_eq!(table.texts(BY_ORDER, "certificates.example.co ").count(), 0);
}

#[test]
fn an_order_is_read_from_the_text_it_is_found_under() {
    for key in [
        ObjectKey::new("consumer", "default", "one"),
        ObjectKey::new("a|b/c d", "default", "one"),
        ObjectKey::new("consumer", "", "cluster-scoped"),
    ] {
        let read = order_of_text(&object_text("things.example.com", &key)).unwrap();
        assert_eq!((read.api.as_str(), &read.key), ("things.example.com", &key));
    }
    assert_eq!(order_of_text(&object_text("things", &ObjectKey::new("", "", ""))), None);
}

#[test]
fn assignments_are_counted_by_where_their_orders_stand() {
    let mut table = Table::new(INDEXES.assignments);
    let mut told = assignment();
    told.set(
        &["status"],
        json!({"phase": "Bound", "conditions": [{"type": "Ready", "status": "True", "reason": "Served"}]}),
    );
    for (name, object) in [("a", assignment()), ("b", told.clone()), ("c", told)] {
        table.apply(&Source::new("x"), ObjectKey::new("platform", "", name), object);
    }
    let standings = |api: &str| -> Vec<_> {
        let beginning = Standing::beginning(api);
        let texts = table.texts(BY_STANDING, &beginning);
        texts.map(|(text, count)| (Standing::of_text(text).unwrap(), count)).collect()
    };
    let standing = |phase: &str, reason: Option<&str>| Standing {
        api: "certificates.example.com".to_owned(),
        consumer: "consumer".into(),
        phase: phase.to_owned(),
        reason: reason.map(str::to_owned),
    };
    let expected = [(standing("", None), 1), (standing("Bound", Some("Served")), 2)];
    assert_eq!(standings("certificates.example.com"), expected);
    assert_eq!(standings("certificates.example.co"), []);
}

#[test]
fn a_move_is_active_until_it_ends_and_a_request_is_none() {
    let mut table = Table::new(INDEXES.migrations);
    let order = json!({"uid": "u", "gvr": {"group": "example.com", "resource": "things"}});
    let bound = json!({"binding": {"order": order}});
    for (name, spec, state) in [
        ("begun", bound.clone(), None),
        ("runs", bound.clone(), Some("CutoverInProgress")),
        ("over", bound, Some("Completed")),
        ("asked", json!({"from": {"name": "a"}}), None),
    ] {
        let status = state.map_or(json!({}), |state| json!({"state": state}));
        let object = json!({"metadata": {"name": name}, "spec": spec, "status": status});
        let key = ObjectKey::new("platform", "", name);
        table.apply(&Source::new("x"), key, Object::try_from(object).unwrap());
    }
    let active: Vec<&str> = table.keys_of(BY_ACTIVE, ANY).map(|key| key.name.as_str()).collect();
    assert_eq!(active, ["begun", "runs"]);
}

#[test]
fn a_copy_is_found_by_what_its_status_hands_over_in_its_own_namespace() {
    let object = json!({
        "metadata": {"name": "c-1", "namespace": "ca"},
        "status": {"relatedResources": {
            "secret": {"namespace": "elsewhere", "name": "tls", "gvk": {"group": "", "version": "v1", "kind": "Secret"}},
        }},
    });
    let mut table = Table::new(INDEXES.orders);
    let key = ObjectKey::new("provider", "ca", "c-1");
    table.apply(&Source::new("x"), key.clone(), Object::try_from(object).unwrap());
    let named = ObjectKey::new("provider", "ca", "tls");
    assert_eq!(table.find(BY_RELATED, &related_text("Secret", &named))[0].0, key);
    let elsewhere = ObjectKey::new("provider", "elsewhere", "tls");
    assert!(table.find(BY_RELATED, &related_text("Secret", &elsewhere)).is_empty());
}

#[test]
fn a_condition_keeps_the_time_of_its_transition() {
    let before = Object::try_from(json!({
        "metadata": {"generation": 3},
        "status": {"conditions": [
            {"type": "Available", "status": "True", "reason": "Old", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        ]},
    }))
    .unwrap();
    let condition = |status| {
        let wanted = Wanted { kind: "Available", status, reason: "New", message: "m" };
        entry(&wanted, &before, Timestamp::from_millis(0))
    };
    assert_eq!(condition("True")["lastTransitionTime"], "2026-01-01T00:00:00Z");
    assert_eq!(condition("False")["lastTransitionTime"], "1970-01-01T00:00:00Z");
    assert_eq!(condition("True")["observedGeneration"], 3);
}

#[test]
fn a_status_that_says_it_all_is_not_written_again() {
    let there = json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "Available", "status": "True"}], "n": 1});
    assert!(says(Some(&there), &json!({"conditions": [{"type": "Available", "status": "True"}]})));
    assert!(!says(Some(&there), &json!({"conditions": [{"type": "Available", "status": "False"}]})));
    assert!(!says(Some(&there), &json!({"n": 2})));
    assert!(!says(None, &json!({"n": 2})));
}
