//! Readiness, and an audit that bites. Whole lives of orders are told over the in-memory ports of the test kit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::readiness::{Readiness, readiness};
use super::*;
use crate::audit::{Violation, audit};
use crate::expression::Expression;
use crate::migration::{Asked, Controls, End, Migration, MigrationState, Origin, Position, Receipt, Request};
use crate::offer::OfferId;
use crate::resource::{Gvk, Gvr, Object, ObjectKey, ObjectRef, marker};
use crate::time::Timestamp;

mod found;

fn policy() -> Policy {
    Policy::new(Gvr::new("example.com", "v1alpha1", "certificates"), "Certificate")
}

fn copy_with(status: &Value) -> Object {
    Object::try_from(json!({ "metadata": { "generation": 2 }, "status": status })).unwrap()
}

#[test]
fn readiness_follows_the_conventions_in_their_order() {
    let condition = |kind: &str, status: &str| json!({ "conditions": [{ "type": kind, "status": status }] });
    for (status, expected) in [
        (json!({}), Readiness::Progressing),
        (condition("Ready", "True"), Readiness::Ready),
        (condition("Ready", "False"), Readiness::NotReady),
        (condition("Ready", "Unknown"), Readiness::Progressing),
        (condition("Available", "True"), Readiness::Ready),
        (condition("Progressing", "True"), Readiness::Progressing),
        (
            json!({ "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": 1 }] }),
            Readiness::Progressing,
        ),
        (
            json!({ "observedGeneration": 1, "conditions": [{ "type": "Ready", "status": "True" }] }),
            Readiness::Progressing,
        ),
        (
            json!({ "conditions": [{ "type": "Ready", "status": "False" }], "ready": true }),
            Readiness::NotReady,
        ),
        (json!({ "ready": true }), Readiness::Ready),
        (json!({ "ready": false }), Readiness::NotReady),
        (json!({ "ready": true, "observedGeneration": 1 }), Readiness::Progressing),
        (json!({ "status": "Available" }), Readiness::Ready),
        (json!({ "phase": "Ready" }), Readiness::Ready),
        (json!({ "phase": "Failed" }), Readiness::NotReady),
        (json!({ "phase": "Provisioning" }), Readiness::Progressing),
    ] {
        assert_eq!(readiness(&copy_with(&status), &policy()), expected, "{status}");
    }
}

#[test]
fn the_apis_own_expression_comes_first() {
    let mut policy = policy();
    policy.ready = Some(Expression::compile("self.status.copies == 2").unwrap());
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    assert_eq!(readiness(&copy_with(&json!({ "copies": 2 })), &policy), Readiness::Ready);
    assert_eq!(
        readiness(&copy_with(&json!({ "copies": 1, "conditions": ready })), &policy),
        Readiness::NotReady
    );
    assert_eq!(readiness(&copy_with(&json!({ "conditions": ready })), &policy), Readiness::Progressing);
}

#[derive(Debug)]
struct Nobody;

impl Chooser for Nobody {
    fn fit(&self, _: &OfferId) -> Fit {
        Fit::Withdrawn
    }
    fn best(&self, _: &BTreeSet<OfferId>) -> Option<Placement> {
        None
    }
    fn explain(&self) -> Value {
        Value::Null
    }
    fn refusal(&self) -> String {
        String::new()
    }
}

fn identity() -> OrderIdentity {
    OrderIdentity {
        gvr: policy().gvr,
        key: ObjectKey::new("consumer", "default", "order"),
        uid: "order-uid".to_owned(),
    }
}

fn copy(name: &str) -> CopyRef {
    CopyRef {
        offer: OfferId::new("provider", "default", name),
        gvr: policy().gvr,
        kind: "Certificate".to_owned(),
        key: ObjectKey::new("provider", "default", name),
        uid: Some(format!("{name}-uid")),
        migration: None,
    }
}

fn present(copy: &CopyRef, ready: &str) -> CopyView {
    CopyView::Present(Arc::new(
        Object::try_from(json!({
            "metadata": { "name": copy.key.name, "uid": copy.uid },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap(),
    ))
}

fn assignment() -> Assignment {
    Assignment {
        name: "a".to_owned(),
        uid: "a-uid".to_owned(),
        resource_version: "1".to_owned(),
        order: identity(),
        offer: copy("old").offer,
        copies: vec![copy("old"), copy("new")],
        pointer: Some("old".to_owned()),
        leftovers: Vec::new(),
        serial: 2,
        created_at: None,
        status: AssignmentStatus::default(),
    }
}

fn world<'a>(policy: &'a Policy, new_is_ready: &str) -> World<'a> {
    let order = json!({ "metadata": { "name": "order", "uid": "order-uid", "finalizers": [marker::ORDER_FINALIZER] } });
    World {
        now: Timestamp::from_millis(0),
        identity: identity(),
        policy,
        order: Some(Arc::new(Object::try_from(order).unwrap())),
        assignment: Some(assignment()),
        migrations: Vec::new(),
        requests: Vec::new(),
        copies: [
            (copy("old").key, present(&copy("old"), "True")),
            (copy("new").key, present(&copy("new"), new_is_ready)),
        ]
        .into(),
        unreachable: BTreeMap::new(),
        provided: BTreeMap::new(),
        mirrored: Vec::new(),
        traces: Traces::default(),
        playbooks: Arc::new(crate::playbook::Playbooks::default()),
        helpers: BTreeMap::new(),
        compute: Compute::Missing,
        halted: None,
        blocked: BTreeMap::new(),
        chooser: &Nobody,
        settled: BTreeMap::new(),
    }
}

fn found(world: &World<'_>, action: Action) -> Vec<Violation> {
    audit(world, &Decision { actions: vec![action], ..Decision::default() })
}

fn delete(name: &str) -> Action {
    Action::DeleteCopy { copy: copy(name), uid: format!("{name}-uid") }
}

fn point_to(name: &str) -> Action {
    Action::UpdateAssignment(Assignment { pointer: Some(name.to_owned()), ..assignment() })
}

#[test]
fn the_serving_copy_is_never_deleted_while_the_order_lives() {
    let policy = policy();
    let mut world = world(&policy, "True");
    assert_eq!(found(&world, delete("old")), [Violation::ServingCopyDeleted("old".to_owned())]);
    world.order = None;
    assert_eq!(found(&world, delete("old")), []);
}

#[test]
fn the_source_is_deleted_only_after_the_recorded_point_of_no_return() {
    let policy = policy();
    let mut world = world(&policy, "True");
    world.assignment = Some(Assignment { pointer: Some("new".to_owned()), ..assignment() });
    assert_eq!(found(&world, delete("old")), [Violation::SourceDeletedEarly("old".to_owned())]);
    let mut migration = Migration {
        name: "m".to_owned(),
        uid: String::new(),
        resource_version: String::new(),
        origin: Origin::Broker,
        serial: 1,
        order: identity(),
        kind: "Certificate".to_owned(),
        from: copy("old").offer,
        to: copy("new").offer,
        playbook: None,
        controls: Controls::default(),
        position: Position { state: MigrationState::CutoverCompleted, ..Position::default() },
        message: String::new(),
        failed_before: 0,
        receipt: Receipt::default(),
    };
    world.migrations = vec![migration.clone()];
    assert_eq!(found(&world, delete("old")), [Violation::SourceDeletedEarly("old".to_owned())]);
    migration.receipt.point_of_no_return = Some(Timestamp::from_millis(1));
    world.migrations = vec![migration];
    assert_eq!(found(&world, delete("old")), []);
}

#[test]
fn the_pointer_moves_only_to_a_ready_copy_that_is_named() {
    let mut policy = policy();
    // What holds data moves by a playbook only.
    assert_eq!(found(&world(&policy, "True"), point_to("new")), [Violation::StageLeftOut("new".to_owned())]);
    policy.moves = Moves::Free;
    assert_eq!(found(&world(&policy, "True"), point_to("new")), []);
    assert_eq!(
        found(&world(&policy, "False"), point_to("new")),
        [Violation::PointerToUnready("new".to_owned())]
    );
    assert_eq!(found(&world(&policy, "True"), point_to("other")), [Violation::DanglingPointer]);
    let unset = Action::UpdateAssignment(Assignment { pointer: None, ..assignment() });
    assert_eq!(found(&world(&policy, "True"), unset), [Violation::DanglingPointer]);
}

#[test]
fn nothing_is_placed_twice_or_without_record_and_finalizer() {
    let policy = policy();
    let mut world = world(&policy, "True");
    let again = Action::CreateAssignment(Assignment { copies: vec![copy("old")], ..assignment() });
    assert_eq!(found(&world, again), [Violation::PlacedTwice]);
    let create = |name: &str| Action::CreateCopy {
        copy: copy(name),
        object: Object::named(&policy.gvk(), "default", name),
    };
    assert_eq!(found(&world, create("new")), []);
    assert_eq!(found(&world, create("third")), [Violation::UnrecordedCopy("third".to_owned())]);
    world.order = Some(Arc::new(Object::named(&policy.gvk(), "default", "order")));
    assert_eq!(found(&world, create("new")), [Violation::UnrecordedCopy("new".to_owned())]);
}

#[test]
fn mirrored_objects_stay_in_the_orders_namespace_and_carry_their_marks() {
    let policy = policy();
    let world = world(&policy, "True");
    let secret = Gvk::new("", "v1", "Secret");
    let target = |cluster: &str, namespace: &str| ObjectRef {
        gvk: secret.clone(),
        key: ObjectKey::new(cluster, namespace, "s"),
    };
    let mut object = Object::named(&secret, "default", "s");
    object.set(&["metadata", "labels"], json!({ marker::MANAGED_LABEL: "true", marker::ORDER_LABEL: "a" }));
    object.set(&["metadata", "ownerReferences"], json!([{ "uid": "order-uid" }]));
    let create =
        |target: ObjectRef, object: &Object| Action::CreateRelated { target, object: object.clone() };
    assert_eq!(found(&world, create(target("consumer", "default"), &object)), []);
    for (cluster, namespace) in [("other", "default"), ("consumer", "kube-system")] {
        let outside = target(cluster, namespace);
        assert_eq!(found(&world, create(outside.clone(), &object)), [Violation::OutsideNamespace(outside)]);
    }
    let role = ObjectRef {
        gvk: Gvk::new("rbac.authorization.k8s.io", "v1", "Role"),
        ..target("consumer", "default")
    };
    assert_eq!(found(&world, create(role.clone(), &object)), [Violation::KindNotAllowed(role)]);
    object.set(&["metadata", "ownerReferences"], json!([{ "uid": "somebody" }]));
    let unmarked = target("consumer", "default");
    assert_eq!(found(&world, create(unmarked.clone(), &object)), [Violation::Unmarked(unmarked)]);
}

#[test]
fn the_finalizer_goes_last_and_paused_orders_are_left_alone() {
    let policy = policy();
    let mut world = world(&policy, "True");
    let order = ObjectRef { gvk: policy.gvk(), key: identity().key };
    let release = Action::RemoveFinalizer { order: order.clone(), resource_version: "1".to_owned() };
    assert_eq!(found(&world, release.clone()), [Violation::FinalizerReleasedEarly]);
    let mut paused = Object::named(&policy.gvk(), "default", "order");
    paused.set(&["metadata", "annotations", marker::PAUSED_ANNOTATION], "true".into());
    world.order = Some(Arc::new(paused));
    world.assignment = None;
    world.copies.clear();
    assert_eq!(found(&world, release.clone()), [Violation::Paused]);
    let both = Decision {
        actions: vec![release, Action::ApplyStatus { order, uid: String::new(), status: json!({}) }],
        ..Decision::default()
    };
    assert!(audit(&world, &both).iter().any(|violation| matches!(violation, Violation::TwoWrites(_))));
}

#[derive(Debug)]
struct Silent;

impl Chooser for Silent {
    fn fit(&self, _: &OfferId) -> Fit {
        Fit::Unreachable
    }
    fn best(&self, _: &BTreeSet<OfferId>) -> Option<Placement> {
        None
    }
    fn explain(&self) -> Value {
        Value::Null
    }
    fn refusal(&self) -> String {
        String::new()
    }
}

#[test]
fn silence_moves_an_order_only_after_the_stated_time_and_where_it_may() {
    let begun = || {
        Action::CreateMigration(Migration {
            name: "m".to_owned(),
            uid: String::new(),
            resource_version: String::new(),
            origin: Origin::Broker,
            serial: 1,
            order: identity(),
            kind: "Certificate".to_owned(),
            from: copy("old").offer,
            to: copy("new").offer,
            playbook: None,
            controls: Controls::default(),
            position: Position { state: MigrationState::Pending, ..Position::default() },
            message: String::new(),
            failed_before: 0,
            receipt: Receipt::default(),
        })
    };
    let minutes = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
    let too_soon = || vec![Violation::MovedTooSoon(copy("old").offer.to_string())];
    for (moves, failover, enabled, now, sound) in [
        (Moves::Free, None, true, 5, true),
        (Moves::Free, None, true, 4, false),
        (Moves::Free, None, false, 5, false),
        (Moves::Free, Some(Failover::Manual), true, 5, false),
        (Moves::PlaybookOnly, Some(Failover::Automatic), true, 5, false),
    ] {
        let mut policy = policy();
        (policy.moves, policy.failover, policy.migrations_enabled) = (moves, failover, enabled);
        let mut world = world(&policy, "True");
        world.chooser = &Silent;
        world.now = minutes(now);
        let silence = Silence { since: minutes(0), last_word: LastWord::Known };
        world.unreachable = [(copy("old").key.cluster, silence)].into();
        let expected = if sound { Vec::new() } else { too_soon() };
        // Switching over, with the replacement ready.
        let switched: Vec<Violation> = found(&world, point_to("new"))
            .into_iter()
            .filter(|violation| !matches!(violation, Violation::StageLeftOut(_)))
            .collect();
        assert_eq!(switched, expected, "{moves:?} {failover:?} {enabled} {now}");
        // Beginning the move.
        world.assignment = Some(Assignment { copies: vec![copy("old")], ..assignment() });
        assert_eq!(found(&world, begun()), expected, "{moves:?} {failover:?} {enabled} {now}");
        // Nobody saw since when: no reason to move.
        world.unreachable.clear();
        assert_eq!(found(&world, begun()), too_soon());
        // An explicit word needs no time.
        world.chooser = &Nobody;
        assert_eq!(found(&world, begun()), []);
    }
}

#[test]
fn a_copy_that_may_still_be_there_stays_named() {
    let policy = policy();
    let mut world = world(&policy, "True");
    let without = |leftovers: Vec<CopyRef>| {
        Action::UpdateAssignment(Assignment { copies: vec![copy("old")], leftovers, ..assignment() })
    };
    let forgotten = vec![Violation::CopyForgotten("new".to_owned())];
    assert_eq!(found(&world, without(vec![])), forgotten);
    assert_eq!(found(&world, without(vec![copy("new")])), []);
    for (view, sound) in [(CopyView::Unknown, false), (CopyView::Absent, true), (CopyView::Gone, true)] {
        world.copies.insert(copy("new").key, view);
        assert_eq!(found(&world, without(vec![])).is_empty(), sound);
    }
}

#[test]
fn a_leftover_goes_only_while_what_serves_is_ready() {
    let policy = policy();
    let mut world = world(&policy, "False");
    let copies = |pointer: &str| Assignment {
        copies: vec![copy("new")],
        leftovers: vec![copy("old")],
        pointer: Some(pointer.to_owned()),
        ..assignment()
    };
    world.assignment = Some(copies("new"));
    assert_eq!(found(&world, delete("old")), [Violation::LeftoverDeletedEarly("old".to_owned())]);
    world.copies.insert(copy("new").key, present(&copy("new"), "True"));
    assert_eq!(found(&world, delete("old")), []);
}

#[test]
fn a_persons_move_begins_only_as_it_was_asked_for_and_beside_no_other() {
    let asked = || Asked {
        request: Request {
            name: "by-hand".to_owned(),
            uid: "u".to_owned(),
            resource_version: "7".to_owned(),
            created_at: None,
            from: End::default(),
            to: End::default(),
            order: None,
            controls: Controls::default(),
            told: None,
        },
        target: Ok("elsewhere".into()),
    };
    let record = || Migration {
        name: "by-hand".to_owned(),
        uid: "u".to_owned(),
        resource_version: "7".to_owned(),
        origin: Origin::Person,
        serial: 3,
        order: identity(),
        kind: "Certificate".to_owned(),
        from: copy("old").offer,
        to: OfferId::new("elsewhere", "default", "offer"),
        playbook: None,
        controls: Controls::default(),
        position: Position::default(),
        message: String::new(),
        failed_before: 0,
        receipt: Receipt::default(),
    };
    let policy = policy();
    let world = || {
        let mut world = world(&policy, "True");
        world.assignment = Some(Assignment { copies: vec![copy("old")], ..assignment() });
        world.requests = vec![asked()];
        world
    };
    let begin = |world: &World<'_>, record: Migration| found(world, Action::AdoptMigration(record));
    let unasked = || vec![Violation::MovedUnasked("by-hand".to_owned())];
    assert_eq!(begin(&world(), record()), []);
    // To another provider, of another version, away from another offer.
    assert_eq!(begin(&world(), Migration { to: copy("old").offer, ..record() }), unasked());
    assert_eq!(begin(&world(), Migration { resource_version: "6".to_owned(), ..record() }), unasked());
    assert_eq!(begin(&world(), Migration { from: copy("new").offer, ..record() }), unasked());
    // Nobody asked, or another move runs, or is half done.
    assert_eq!(begin(&World { requests: Vec::new(), ..world() }, record()), unasked());
    assert_eq!(begin(&World { migrations: vec![record()], ..world() }, record()), unasked());
    assert_eq!(begin(&World { assignment: Some(assignment()), ..world() }, record()), unasked());
    // What is silent is left by a person's word alone.
    let silent = || World { chooser: &Silent, ..world() };
    assert_eq!(begin(&silent(), record()), [Violation::MovedTooSoon(copy("old").offer.to_string())]);
    let controls = Controls { skip_source: true, ..Controls::default() };
    assert_eq!(begin(&silent(), Migration { controls, ..record() }), []);
}
