#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::sync::Arc;

use broker_core::matching::Candidates;
use broker_core::migration::{Answer, Controls, Migration, MigrationState, Origin, Position, Receipt};
use broker_core::offer::OfferId;
use broker_core::order::{Assignment, AssignmentStatus, CopyRef, OrderIdentity, Phase};
use broker_core::playbook::Playbook;
use broker_core::resource::{Gvk, Gvr, Object, ObjectKey};
use broker_core::time::Timestamp;
use broker_core::translate::{assignment_name, migration_name};
use serde_json::{Value, json};

use super::*;

fn identity() -> OrderIdentity {
    OrderIdentity {
        gvr: Gvr::new("example.com", "v1alpha1", "certificates"),
        key: ObjectKey::new("consumer", "default", "my-app-cert"),
        uid: "order-uid".to_owned(),
    }
}

fn copy(name: &str, uid: Option<&str>, migration: Option<&str>) -> CopyRef {
    CopyRef {
        offer: OfferId::new("provider", "ca", "internal-ca"),
        gvr: identity().gvr,
        kind: "Certificate".to_owned(),
        key: ObjectKey::new("provider", "ca", name),
        uid: uid.map(str::to_owned),
        migration: migration.map(str::to_owned),
    }
}

fn template(kind: &str, name: &str) -> Object {
    let mut object = Object::named(&Gvk::new("broker.platform-mesh.io", "v1alpha1", kind), "", name);
    object.set(&["metadata", "uid"], "record-uid".into());
    object.set(&["metadata", "resourceVersion"], "7".into());
    object.set(&["metadata", "creationTimestamp"], "2026-01-01T00:00:00Z".into());
    object
}

fn assignment() -> Assignment {
    Assignment {
        name: "a-1".to_owned(),
        uid: "record-uid".to_owned(),
        resource_version: "7".to_owned(),
        order: identity(),
        offer: OfferId::new("provider", "ca", "internal-ca"),
        copies: vec![copy("c-1", Some("u1"), None), copy("c-2", None, Some("a-1-2"))],
        pointer: Some("c-1".to_owned()),
        leftovers: vec![copy("c-0", Some("u0"), None)],
        serial: 2,
        created_at: Timestamp::parse("2026-01-01T00:00:00Z"),
        status: AssignmentStatus::default(),
    }
}

#[test]
fn an_assignment_that_was_written_is_read_back() {
    let written = new_assignment(&assignment(), &template("Assignment", "a-1"));
    assert_eq!(read_assignment(&written).unwrap(), assignment());
}

#[test]
fn an_assignment_of_a_cluster_scoped_order_is_read_back() {
    let mut before = assignment();
    before.order.key.namespace = String::new();
    before.offer.namespace = String::new();
    before.pointer = None;
    let written = new_assignment(&before, &template("Assignment", "a-1"));
    assert_eq!(read_assignment(&written).unwrap(), before);
}

#[test]
fn the_status_of_an_assignment_is_read_back_with_its_explanation() {
    let status = AssignmentStatus {
        phase: Some(Phase::Bound),
        reason: "Bound".to_owned(),
        message: "served".to_owned(),
        why: json!({
            "considered": 5,
            "decidedBy": "Priority",
            "decision": "priority 10 before 0 of b",
            "nearest": [
                {
                    "offer": {"cluster": "p", "namespace": "n", "name": "o"}, "alias": "ours", "verdict": "Chosen",
                    "message": "priority 10",
                    "score": {"priority": 10, "specificity": 9, "cost": "0.5", "weight": 100},
                },
                {
                    "offer": {"cluster": "q", "name": "o"}, "verdict": "Refused", "reason": "Filter", "message": "no",
                    "first": {
                        "filter": 1, "field": "spec.fqdn", "found": "a.co", "problem": "does not end with .com",
                        "expected": ["ends with `.com`"],
                    },
                    "nearest": {"filter": 2, "field": "spec.x", "problem": "any value would pass", "nearest": "n"},
                },
            ],
            "others": {"Cordoned": 3},
            "misses": [{"field": "spec.fqdn", "found": "a.co", "problem": "does not end with .com"}],
        }),
    };
    let value = assignment_status(&status, None, Timestamp::from_millis(0));
    let mut object = new_assignment(&assignment(), &template("Assignment", "a-1"));
    object.set(&["status"], value.clone());
    let read = read_assignment(&object).unwrap().status;
    assert_eq!((read.phase, &read.reason, &read.message), (status.phase, &status.reason, &status.message));
    let explained = |why: &Value| serde_json::from_value::<Candidates>(why.clone()).unwrap();
    assert_eq!(explained(&read.why), explained(&status.why));
    // What was read is written as before.
    let again = assignment_status(&read, Some(&object), Timestamp::from_millis(99_000));
    for field in ["candidates", "refused", "considered", "decidedBy", "decision", "misses"] {
        assert!(value.get(field).is_some(), "{field}");
        assert_eq!(again.get(field), value.get(field), "{field}");
    }
    assert_eq!(again.pointer("/conditions"), value.pointer("/conditions"));
}

#[test]
fn a_pointer_that_moves_takes_nothing_of_the_old_copy_along() {
    let mut moved = assignment();
    moved.pointer = Some("c-2".to_owned());
    let spec = spec_of_assignment(&moved);
    assert_eq!(spec.pointer("/pointer/name"), Some(&json!("c-2")));
    assert_eq!(spec.pointer("/pointer/uid"), Some(&Value::Null));
}

#[test]
fn leftovers_that_are_gone_are_taken_out_of_the_record() {
    let mut tidied = assignment();
    tidied.leftovers.clear();
    assert_eq!(spec_of_assignment(&tidied)["leftovers"], Value::Null, "a merge removes what is null");
    let written = new_assignment(&tidied, &template("Assignment", "a-1"));
    assert_eq!(written.get(&["spec", "leftovers"]), None, "a creation does not write it");
}

#[test]
fn a_broken_record_is_refused_by_name() {
    let mut object = new_assignment(&assignment(), &template("Assignment", "a-1"));
    object.set(
        &["spec", "copies"],
        json!([{"clusterName": "x", "gvk": {"version": "v1", "kind": "K"}, "name": "n"}]),
    );
    let error = read_assignment(&object).unwrap_err().to_string();
    assert!(error.contains("Assignment a-1") && error.contains("spec.copies"), "{error}");
}

/// The record of a move that the broker makes.
fn switched() -> Migration {
    Migration {
        name: migration_name(&assignment_name(&identity()), 2),
        uid: "record-uid".to_owned(),
        resource_version: "7".to_owned(),
        origin: Origin::Broker,
        serial: 2,
        order: identity(),
        kind: "Certificate".to_owned(),
        from: OfferId::new("provider", "ca", "internal-ca"),
        to: OfferId::new("public", "", "public-ca"),
        playbook: None,
        controls: Controls::default(),
        position: Position { state: MigrationState::CutoverCompleted, switched: true, ..Position::default() },
        message: "the consumer holds the new copy".to_owned(),
        failed_before: 2,
        receipt: Receipt {
            started_at: Some(Timestamp::from_millis(1_001)),
            cutover_at: Some(Timestamp::from_millis(2_002)),
            switched_at: Some(Timestamp::from_millis(2_032)),
            writes: Some("those since the switch went there".to_owned()),
            ..Receipt::default()
        },
    }
}

#[test]
fn a_migration_that_was_written_is_read_back() {
    let migration = switched();
    let mut object = new_migration(&migration, &template("Migration", &migration.name));
    let mut status = migration_status(&migration, None, Timestamp::from_millis(2_032));
    assert_eq!(status.pointer("/receipt/switchPauseMillis"), Some(&json!(30)));
    drop_nulls(&mut status);
    object.set(&["status"], status);
    assert_eq!(read_migration(&object).unwrap().unwrap(), migration);
}

#[test]
fn what_a_person_asks_for_is_no_record_until_it_is_taken_up_and_then_keeps_its_name() {
    let mut object = template("Migration", "by-hand");
    let end = |cluster: &str| json!({"name": "my-app-cert", "clusterName": cluster});
    object.set(&["spec"], json!({"from": end("a"), "to": end("b"), "allowLoss": true}));
    assert_eq!(read_migration(&object), Ok(None));
    let asked = read_request(&object).unwrap().unwrap();
    assert_eq!((asked.from.cluster.as_str(), asked.to.name.as_deref()), ("a", Some("my-app-cert")));
    assert!(asked.controls.allow_loss && asked.told.is_none());

    // What was answered is read back, as long as nothing else is asked for.
    let answer = Answer::waits("UnknownProvider", "nobody is called `b`");
    object.set(&["metadata", "generation"], 1.into());
    object.set(&["status"], answer_status(&answer, &object, Timestamp::from_millis(0)));
    assert_eq!(read_request(&object).unwrap().unwrap().told, Some(answer));
    object.set(&["metadata", "generation"], 2.into());
    assert_eq!(read_request(&object).unwrap().unwrap().told, None);

    // Taken up.
    let migration = Migration {
        name: "by-hand".to_owned(),
        uid: "record-uid".to_owned(),
        resource_version: "7".to_owned(),
        origin: Origin::Person,
        serial: 3,
        order: identity(),
        kind: "Certificate".to_owned(),
        from: OfferId::new("a-id", "ca", "internal-ca"),
        to: OfferId::new("b-id", "", "public-ca"),
        playbook: None,
        controls: Controls { allow_loss: true, ..Controls::default() },
        position: Position::default(),
        message: String::new(),
        failed_before: 0,
        receipt: Receipt::default(),
    };
    object.fields_mut().remove("status");
    let adopted = adoption(&migration);
    object.set(&["spec", "binding"], adopted["spec"]["binding"].clone());
    assert_eq!(read_migration(&object).unwrap().unwrap(), migration);
    assert_eq!(read_request(&object), Ok(None));
    assert_eq!(standing(&object).unwrap().order, "order-uid");

    // Taken back by its deletion, and made anew so that what it began is undone.
    let controls = Controls { cancel: true, ..Controls::default() };
    let undone = Migration { controls, ..migration };
    let object = new_migration(&undone, &template("Migration", "by-hand"));
    assert_eq!(read_migration(&object).unwrap().unwrap(), undone);
}

/// As a server does with a merge patch.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_nulls);
    }
}

#[test]
fn a_playbook_that_many_records_keep_is_read_once() {
    let keeping = |name: &str, condition: &str| {
        let kind = json!({"group": "example.com", "version": "v1alpha1", "kind": "Database"});
        let stage = json!({"name": "copy", "successConditions": [condition]});
        let playbook =
            Playbook::parse_json("databases", &json!({"from": kind, "to": kind, "stages": [stage]})).unwrap();
        let record = Migration { playbook: Some(Arc::new(playbook)), ..switched() };
        new_migration(&record, &template("Migration", name))
    };
    let kept = KeptPlaybooks::default();
    let read = |object: &Object| kept.read_migration(object).unwrap().unwrap().playbook.unwrap();
    let one = read(&keeping("a-1-2", "status.copyProgress == 100"));
    assert!(Arc::ptr_eq(&one, &read(&keeping("b-1-2", "status.copyProgress == 100"))));
    let other = keeping("c-1-2", "status.copyProgress >= 99");
    assert_ne!(read(&other), one);
    assert_eq!(Some(read(&other)), read_migration(&other).unwrap().unwrap().playbook);
}
