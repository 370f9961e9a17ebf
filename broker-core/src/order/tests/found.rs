//! What the search of the migration engine found (docs/model.md), each as the smallest world that shows it.

use super::*;
use crate::playbook::Playbook;

/// The record of the move from `old` to `new`.
fn record(position: Position) -> Migration {
    Migration {
        name: "m".to_owned(),
        uid: "m-uid".to_owned(),
        resource_version: "1".to_owned(),
        origin: Origin::Broker,
        serial: 2,
        order: identity(),
        kind: "Certificate".to_owned(),
        from: copy("old").offer,
        to: copy("new").offer,
        playbook: None,
        controls: Controls::default(),
        position,
        message: String::new(),
        failed_before: 0,
        receipt: Receipt { started_at: Some(Timestamp::from_millis(0)), ..Receipt::default() },
    }
}

/// The order points to the new copy, and the record of the move stands there.
fn switched(policy: &Policy, position: Position) -> World<'_> {
    let mut world = world(policy, "True");
    let mut assignment = Assignment { pointer: Some("new".to_owned()), ..assignment() };
    assignment.copies[1].migration = Some("m".to_owned());
    world.assignment = Some(assignment);
    world.migrations = vec![record(position)];
    world
}

fn next_assignment(decision: &Decision) -> Option<&Assignment> {
    decision
        .actions
        .iter()
        .find_map(|action| if let Action::UpdateAssignment(next) = action { Some(next) } else { None })
}

#[test]
fn an_order_goes_back_only_once_what_it_goes_back_to_is_ready_again() {
    let policy = policy();
    let at = Position { state: MigrationState::RolledBack, switched: true, ..Position::default() };
    let mut world = switched(&policy, at);
    let pointer = |world: &World<'_>| {
        let decision = decide(world);
        assert_eq!(audit(world, &decision), [], "{decision:?}");
        next_assignment(&decision).and_then(|next| next.pointer.clone())
    };
    assert_eq!(pointer(&world).as_deref(), Some("old"));
    world.copies.insert(copy("old").key, present(&copy("old"), "False"));
    assert_eq!(pointer(&world), None, "it was ready when that was recorded, and is not now");
}

#[test]
fn an_order_stays_where_it_is_when_what_it_was_to_go_back_to_is_gone() {
    let policy = policy();
    let at = Position { state: MigrationState::RolledBack, switched: true, ..Position::default() };
    let mut world = switched(&policy, at);
    world.copies.insert(copy("old").key, CopyView::Absent);
    let decision = decide(&world);
    assert_eq!(audit(&world, &decision), []);
    let next = next_assignment(&decision).unwrap();
    assert_eq!((next.copies.len(), next.pointer.as_deref()), (1, Some("new")));
}

/// Only the new offer takes the order.
#[derive(Debug)]
struct OnlyNew;

impl Chooser for OnlyNew {
    fn fit(&self, offer: &OfferId) -> Fit {
        if *offer != copy("new").offer {
            return Fit::Withdrawn;
        }
        let new = copy("new");
        Fit::Fits(Placement { offer: new.offer, namespace: new.key.namespace, gvr: new.gvr, kind: new.kind })
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

/// The order moves by a playbook, and the record stands there since a second.
fn staged<'a>(policy: &'a Policy, pointer: &str, position: Position) -> World<'a> {
    let kind = json!({ "group": "example.com", "version": "v1alpha1", "kind": "Certificate" });
    let stage = |name: &str, phase: &str| json!({ "name": name, "phase": phase, "successConditions": ["status.done"] });
    let spec = json!({
        "from": kind, "to": kind,
        "stages": [stage("copy", "Initial"), stage("catch-up", "Cutover")],
        "rollback": [{ "name": "back", "successConditions": ["status.done"] }],
    });
    let mut world = switched(policy, position);
    world.chooser = &OnlyNew;
    world.now = Timestamp::from_millis(1_000);
    let mut assignment = world.assignment.take().unwrap();
    assignment.pointer = Some(pointer.to_owned());
    world.assignment = Some(assignment);
    let mut record = record(position);
    record.playbook = Some(Arc::new(Playbook::parse_json("staged", &spec).unwrap()));
    record.receipt.cutover_at = Some(Timestamp::from_millis(0));
    record.receipt.stage_since = position.in_stage.then_some(Timestamp::from_millis(0));
    world.migrations = vec![record];
    world
}

/// A copy as it must be, ready or not; where it is fenced, its provider says whether it takes writes.
fn seen(world: &mut World<'_>, name: &str, ready: &str, quiesced: Option<bool>) {
    let order = world.order.clone().unwrap();
    let mut object = world.desired_copy(&order, "a", &copy(name)).unwrap();
    object.set(&["metadata", "uid"], format!("{name}-uid").into());
    if let Some(quiesced) = quiesced {
        object.set(&["metadata", "annotations", marker::QUIESCE_ANNOTATION], "true".into());
        object.set(&["status", "quiesced"], quiesced.into());
    }
    object.set(&["status", "conditions"], json!([{ "type": "Ready", "status": ready }]));
    object.set(&["status", "done"], true.into());
    world.copies.insert(copy(name).key, CopyView::Present(Arc::new(object)));
}

fn next_state(decision: &Decision) -> Option<MigrationState> {
    decision
        .actions
        .iter()
        .find_map(|action| if let Action::UpdateMigration(next) = action { Some(next.state()) } else { None })
}

#[test]
fn a_cutover_is_given_up_where_the_old_copy_took_writes_after_a_stage_under_the_fence() {
    let policy = policy();
    let caught_up = Position { state: MigrationState::CutoverInProgress, passed: 2, ..Position::default() };
    for (position, quiesced, expected) in [
        (caught_up, false, Some(MigrationState::Failed)),
        // Nothing was copied under the fence yet: it may still be answered again.
        (Position { passed: 1, ..caught_up }, false, Some(MigrationState::CutoverInProgress)),
        (caught_up, true, None),
    ] {
        let mut world = staged(&policy, "old", position);
        world.migrations[0].receipt.fenced_at = Some(Timestamp::from_millis(0));
        seen(&mut world, "old", "True", Some(quiesced));
        seen(&mut world, "new", "True", None);
        let decision = decide(&world);
        assert_eq!(next_state(&decision), expected, "{position:?} {quiesced}: {decision:?}");
    }
}

#[test]
fn the_way_back_holds_up_writes_no_longer_than_its_stages_may_take() {
    let policy = policy();
    let over = Position {
        state: MigrationState::CutoverCompleted,
        passed: 1,
        in_stage: false,
        switched: true,
        reverting: true,
    };
    let runs = Position { passed: 0, in_stage: true, ..over };
    let (waits, failed) = (Some(MigrationState::CutoverCompleted), Some(MigrationState::Failed));
    for (position, ready, quiesced, expected) in [
        (over, "True", true, Some(MigrationState::RolledBack)),
        (over, "True", false, failed),
        (over, "False", true, failed),
        (runs, "False", true, waits),
        (runs, "True", false, waits),
    ] {
        let mut world = staged(&policy, "new", position);
        seen(&mut world, "new", "True", Some(quiesced));
        seen(&mut world, "old", ready, Some(true));
        let mut decision = decide(&world);
        if let Some(at) = decision.actions.iter().position(|it| matches!(it, Action::ApplyStatus { .. })) {
            // The consumer is told first; what it is told is not this test's.
            let Action::ApplyStatus { status, .. } = decision.actions.remove(at) else { unreachable!() };
            let mut order = world.order.take().unwrap().as_ref().clone();
            order.set(&["status"], status);
            world.order = Some(Arc::new(order));
            decision = decide(&world);
        }
        assert_eq!(next_state(&decision), expected, "{position:?} {ready} {quiesced}: {decision:?}");
        if expected == waits {
            assert!(decision.wake.is_some(), "the wait has an end");
        }
    }
}

#[test]
fn what_an_order_goes_back_from_takes_no_writes_until_it_is_gone() {
    let policy = policy();
    let back = Position {
        state: MigrationState::RolledBack,
        passed: 1,
        in_stage: false,
        switched: true,
        reverting: true,
    };
    let lifts = |world: &World<'_>, name: &str| {
        let lifted = |action: &Action| matches!(action, Action::Fence { copy: of, raised: false, .. } if of.key == copy(name).key);
        decide(world).actions.iter().any(lifted)
    };
    for pointer in ["new", "old"] {
        let mut world = staged(&policy, pointer, back);
        seen(&mut world, "old", "True", Some(true));
        seen(&mut world, "new", "True", Some(true));
        assert!(!lifts(&world, "new"), "the consumer may hold it still");
    }
    let mut world = staged(&policy, "new", Position { state: MigrationState::Failed, ..back });
    seen(&mut world, "old", "True", Some(true));
    seen(&mut world, "new", "True", Some(true));
    assert!(lifts(&world, "new"), "the way back failed, and it goes on serving");
}

#[test]
fn the_last_copy_that_works_is_not_removed_for_one_that_cannot_be_had() {
    let policy = policy();
    let at = Position { state: MigrationState::RolledBack, switched: true, ..Position::default() };
    let mut world = switched(&policy, at);
    world.assignment.as_mut().unwrap().pointer = Some("old".to_owned());
    let removes = |world: &World<'_>| {
        let decision = decide(world);
        assert_eq!(audit(world, &decision), [], "{decision:?}");
        decision.actions.iter().any(|action| matches!(action, Action::DeleteCopy { .. }))
    };
    for view in [CopyView::Gone, CopyView::Absent, CopyView::Unknown] {
        let known = !matches!(view, CopyView::Unknown);
        world.copies.insert(copy("old").key, view);
        assert!(!removes(&world));
        let next = decide(&world);
        let pointer = next_assignment(&next).and_then(|next| next.pointer.clone());
        assert_eq!(pointer.as_deref(), known.then_some("new"), "it serves again where the old copy is lost");
    }
    world.copies.insert(copy("old").key, CopyView::Gone);
    world.copies.insert(copy("new").key, present(&copy("new"), "False"));
    assert!(!removes(&world), "it may be ready again");
}

#[test]
fn an_order_comes_back_from_a_replacement_that_is_lost_at_the_switch() {
    let policy = policy();
    let caught_up = Position { state: MigrationState::CutoverInProgress, passed: 2, ..Position::default() };
    let mut world = staged(&policy, "new", caught_up);
    seen(&mut world, "old", "True", Some(true));
    world.copies.insert(copy("new").key, CopyView::Gone);
    let mut decision = decide(&world);
    if let Some(at) = decision.actions.iter().position(|it| matches!(it, Action::ApplyStatus { .. })) {
        let Action::ApplyStatus { status, .. } = decision.actions.remove(at) else { unreachable!() };
        let mut order = world.order.take().unwrap().as_ref().clone();
        order.set(&["status"], status);
        world.order = Some(Arc::new(order));
        decision = decide(&world);
    }
    let next = decision
        .actions
        .iter()
        .find_map(|action| if let Action::UpdateMigration(next) = action { Some(next) } else { None });
    let next = next.unwrap_or_else(|| panic!("{decision:?}"));
    assert_eq!(next.state(), MigrationState::RolledBack);
    assert!(next.receipt.loss.as_ref().is_some_and(|loss| loss.starts_with("writes may be lost")));
}
