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

fn next_record(decision: &Decision) -> Option<&Migration> {
    decision
        .actions
        .iter()
        .find_map(|action| if let Action::UpdateMigration(next) = action { Some(next) } else { None })
}

fn next_state(decision: &Decision) -> Option<MigrationState> {
    next_record(decision).map(Migration::state)
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

/// What is decided once the consumer was told: what it is told is not these tests'.
fn decide_told(world: &mut World<'_>) -> Decision {
    let mut decision = decide(world);
    if let Some(at) = decision.actions.iter().position(|it| matches!(it, Action::ApplyStatus { .. })) {
        let Action::ApplyStatus { status, .. } = decision.actions.remove(at) else { unreachable!() };
        let mut order = world.order.take().unwrap().as_ref().clone();
        order.set(&["status"], status);
        world.order = Some(Arc::new(order));
        decision = decide(world);
    }
    assert_eq!(audit(world, &decision), [], "{decision:?}");
    decision
}

/// The last stage of the way back runs, since a second, for at most an hour.
const GOES_BACK: Position = Position {
    state: MigrationState::CutoverCompleted,
    passed: 0,
    in_stage: true,
    switched: true,
    reverting: true,
};

fn two_hours_later(world: &mut World<'_>) {
    world.now = Timestamp::from_millis(7_200_000);
}

#[test]
fn the_way_back_holds_up_writes_no_longer_than_its_stages_may_take() {
    let policy = policy();
    let left_out = Position { passed: 1, in_stage: false, ..GOES_BACK };
    let (waits, failed) = (Some(MigrationState::CutoverCompleted), Some(MigrationState::Failed));
    for (position, ready, quiesced, in_time, later) in [
        (GOES_BACK, "True", true, None, failed),
        (GOES_BACK, "False", true, waits, failed),
        (GOES_BACK, "True", false, waits, failed),
        (left_out, "True", true, failed, failed),
    ] {
        let mut world = staged(&policy, "new", position);
        seen(&mut world, "new", "True", Some(quiesced));
        seen(&mut world, "old", ready, Some(true));
        let decision = decide_told(&mut world);
        assert_eq!(next_state(&decision), in_time, "{position:?} {ready} {quiesced}: {decision:?}");
        assert!(in_time != waits || decision.wake.is_some(), "the wait has an end");
        let pointer = next_assignment(&decision).and_then(|next| next.pointer.as_deref());
        assert_eq!(pointer, in_time.is_none().then_some("old"), "{position:?} {ready} {quiesced}");
        two_hours_later(&mut world);
        let decision = decide_told(&mut world);
        assert_eq!(next_state(&decision), later, "{position:?} {ready} {quiesced}: {decision:?}");
    }
}

#[test]
fn a_way_back_is_over_when_the_consumer_holds_the_old_copy_and_goes_forward_again_where_it_never_will() {
    let policy = policy();
    let silent = CopyView::Unknown;
    let not_ready = |world: &mut World<'_>, name: &str| seen(world, name, "False", Some(true));
    let mut world = staged(&policy, "old", GOES_BACK);
    world.migrations[0].receipt.fenced_at = Some(Timestamp::from_millis(0));
    seen(&mut world, "old", "True", Some(true));
    seen(&mut world, "new", "True", Some(true));
    assert_eq!(next_state(&decide(&world)), None, "the consumer was told nothing yet");
    assert_eq!(next_state(&decide_told(&mut world)), Some(MigrationState::RolledBack));
    let forward = |world: &mut World<'_>| {
        let decision = decide_told(world);
        assert_eq!(next_state(&decision), None, "{decision:?}");
        next_assignment(&decision).is_some_and(|next| next.pointer.as_deref() == Some("new"))
    };

    // It is waited for within the time of the last stage.
    let mut away = world.clone();
    away.copies.insert(copy("old").key, silent.clone());
    assert!(!forward(&mut away));
    two_hours_later(&mut away);
    assert!(forward(&mut away));

    // What is lost is not waited for, and what the new copy took is not left behind.
    let mut lost = world.clone();
    lost.copies.insert(copy("old").key, CopyView::Absent);
    assert!(forward(&mut lost));
    let mut breaks_its_word = world.clone();
    seen(&mut breaks_its_word, "new", "True", Some(false));
    assert!(forward(&mut breaks_its_word));

    // Where neither can be had the order stays, and what serves it takes writes again.
    let mut neither = world.clone();
    not_ready(&mut neither, "old");
    neither.copies.insert(copy("new").key, silent);
    assert!(!forward(&mut neither));
    two_hours_later(&mut neither);
    assert_eq!(next_state(&decide_told(&mut neither)), Some(MigrationState::RolledBack));

    // What the old copy took under its fence would be lost.
    let mut took = world.clone();
    seen(&mut took, "old", "False", Some(false));
    two_hours_later(&mut took);
    assert_eq!(next_state(&decide_told(&mut took)), Some(MigrationState::RolledBack));
}

#[test]
fn neither_copy_takes_writes_until_the_order_is_back_for_good() {
    let policy = policy();
    let lifts = |position: Position, pointer: &str| {
        let mut world = staged(&policy, pointer, position);
        seen(&mut world, "old", "True", Some(true));
        seen(&mut world, "new", "True", Some(true));
        let decision = decide(&world);
        let lifted = |action: &Action| {
            if let Action::Fence { copy, raised: false, .. } = action {
                Some(copy.key.name.clone())
            } else {
                None
            }
        };
        decision.actions.iter().filter_map(lifted).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(lifts(GOES_BACK, "new"), none);
    assert_eq!(lifts(GOES_BACK, "old"), none, "the order may go forward again");
    let back = Position { state: MigrationState::RolledBack, passed: 1, in_stage: false, ..GOES_BACK };
    assert_eq!(lifts(back, "old"), ["old"], "the consumer may hold the new one still");
    let failed = Position { state: MigrationState::Failed, in_stage: false, ..GOES_BACK };
    assert_eq!(lifts(failed, "new"), ["new"], "the way back failed, and it goes on serving");
}

#[test]
fn a_way_back_fails_where_one_of_the_copies_is_lost() {
    let policy = policy();
    for name in ["old", "new"] {
        let mut world = staged(&policy, "new", GOES_BACK);
        seen(&mut world, "old", "True", Some(true));
        seen(&mut world, "new", "True", Some(true));
        world.copies.insert(copy(name).key, CopyView::Gone);
        assert_eq!(next_state(&decide_told(&mut world)), Some(MigrationState::Failed), "{name}");
    }
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
    let decision = decide_told(&mut world);
    let next = next_record(&decision).unwrap_or_else(|| panic!("{decision:?}"));
    assert_eq!(next.state(), MigrationState::RolledBack);
    assert!(next.receipt.loss.as_ref().is_some_and(|loss| loss.starts_with("writes may be lost")));
}

#[test]
fn what_the_old_copy_took_since_the_order_is_back_may_be_lost_with_it() {
    let policy = policy();
    let back = Position { state: MigrationState::RolledBack, passed: 1, in_stage: false, ..GOES_BACK };
    let mut world = staged(&policy, "old", back);
    seen(&mut world, "new", "True", Some(true));
    world.copies.insert(copy("old").key, CopyView::Gone);
    let decision = decide(&world);
    assert_eq!(next_assignment(&decision), None, "it is recorded first");
    let next = next_record(&decision).unwrap_or_else(|| panic!("{decision:?}"));
    assert!(next.receipt.loss.as_ref().is_some_and(|loss| loss.starts_with("writes may be lost")));
    world.migrations = vec![next.clone()];
    let next = next_assignment(&decide(&world)).and_then(|next| next.pointer.clone());
    assert_eq!(next.as_deref(), Some("new"));
}

#[test]
fn a_copy_that_was_made_again_as_its_order_began_to_move_is_known_all_the_same() {
    let policy = policy();
    let begun = Position { state: MigrationState::InitialInProgress, ..Position::default() };
    let mut world = switched(&policy, begun);
    let assignment = world.assignment.as_mut().unwrap();
    assignment.pointer = Some("old".to_owned());
    assignment.copies[0].uid = None;
    seen(&mut world, "old", "True", None);
    let decision = decide(&world);
    assert_eq!(audit(&world, &decision), []);
    let next = next_assignment(&decision).unwrap_or_else(|| panic!("{decision:?}"));
    assert_eq!(next.copies[0].uid.as_deref(), Some("old-uid"));
}

#[test]
fn the_grace_period_begins_anew_where_a_way_back_failed() {
    let policy = policy();
    let mut world = staged(&policy, "new", GOES_BACK);
    world.migrations[0].receipt.switched_at = Some(Timestamp::from_millis(0));
    seen(&mut world, "old", "False", Some(true));
    seen(&mut world, "new", "True", Some(true));
    two_hours_later(&mut world);
    let decision = decide_told(&mut world);
    let next = next_record(&decision).unwrap_or_else(|| panic!("{decision:?}"));
    assert_eq!((next.state(), next.receipt.switched_at), (MigrationState::Failed, Some(world.now)));
}

#[test]
fn what_failed_after_the_switch_is_not_taken_as_it_is_once_it_is_lost() {
    let policy = policy();
    let failed = Position { state: MigrationState::Failed, passed: 1, in_stage: false, ..GOES_BACK };
    for (is_lost, is_taken) in [(false, true), (true, false)] {
        let mut world = staged(&policy, "new", failed);
        world.migrations[0].controls.approved.insert("back".to_owned());
        seen(&mut world, "old", "True", Some(true));
        seen(&mut world, "new", "True", None);
        if is_lost {
            world.copies.insert(copy("new").key, CopyView::Gone);
        }
        let decision = decide_told(&mut world);
        let taken = next_state(&decision).is_some_and(|state| state != MigrationState::Failed);
        assert_eq!(taken, is_taken, "{decision:?}");
    }
}
