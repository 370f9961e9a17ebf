//! Backups restored under the broker's feet: the records missing, older than what is there, or of other uids. Nothing is
//! placed twice, nothing that may serve somebody is removed, and a recovered record brings every order back to rest.

use std::collections::BTreeMap;

use broker_core::migration::MigrationState;
use broker_core::order::recovery::{Held, Recovery, Undecided};
use broker_core::order::{Assignment, Loss, Moves, OrderIdentity};
use broker_core::port::OrderAddress;
use broker_core::resource::{Object, ObjectKey, ObjectRef, marker};
use broker_core::translate::copy_name;
use broker_testkit::memory::Crash;
use serde_json::{Value, json};

use crate::order_life::{GRACE, Story, broker, policy};

const BOTH: [Moves; 2] = [Moves::Free, Moves::PlaybookOnly];

/// Every copy there is, by uid.
fn copies(story: &Story) -> BTreeMap<String, ObjectKey> {
    ["internal", "external", "third"]
        .into_iter()
        .flat_map(|cluster| story.fleet.copies_in(cluster).into_iter().map(move |copy| (cluster, copy)))
        .map(|(cluster, copy)| (copy.uid().to_owned(), copy.key_in(&cluster.into())))
        .collect()
}

fn served(moves: Moves) -> (Story, OrderAddress) {
    let story = Story::new(moves);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    assert_eq!(story.reason(&order), "Bound");
    (story, order)
}

/// Served by `external` after a move, with the platform's records of before it.
fn moved() -> (Story, OrderAddress, broker_testkit::memory::Backup) {
    let (story, order) = served(Moves::Free);
    let backup = story.fleet.back_up();
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle_past_grace(&order);
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["external"]);
    (story, order, backup)
}

/// The broker's people look away and back: a fresh process, all its searches, and time.
fn go_on(story: &mut Story, order: &OrderAddress) {
    story.broker = broker(&story.fleet);
    for _ in 0..2 {
        story.settle(order);
        story.fleet.sweep();
        story.fleet.advance(GRACE * 30);
    }
    story.settle(order);
}

/// The order says that its record is lost, and what serves it is untouched, whatever time brings.
fn is_lost_and_untouched(story: &mut Story, order: &OrderAddress) {
    let before = (copies(story), secret(story), story.fleet.assignments().len());
    go_on(story, order);
    assert_eq!(story.reason(order), "AssignmentLost", "{:#?}", story.fleet.history());
    assert_eq!((copies(story), secret(story), story.fleet.assignments().len()), before);
}

/// The order is served again, by this copy, without another one.
fn is_served_again_by(story: &mut Story, order: &OrderAddress, copy: &str) {
    go_on(story, order);
    assert_eq!(story.reason(order), "Bound", "{:#?}", story.fleet.history());
    assert_eq!(copies(story).into_keys().collect::<Vec<_>>(), [copy], "{:#?}", story.fleet.history());
    let records = story.fleet.assignments();
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(records[0].serving().unwrap().uid.as_deref(), Some(copy));
    assert!(records[0].leftovers.is_empty());
    // Changes reach the copy again.
    let fqdn = story.seen(order).text(&["spec", "fqdn"]).unwrap().to_owned();
    assert_eq!(secret(story).unwrap()["fqdn"], fqdn);
    let passed = story.settle(order);
    assert_eq!(passed.written, Vec::<&str>::new());
}

fn secret(story: &Story) -> Option<Value> {
    story.secret_of("consumer", "my-app-cert-secret")
}

fn recovery(story: &Story, order: &OrderAddress) -> Option<Recovery> {
    story.broker.recovery(order, None, &BTreeMap::new()).unwrap()
}

/// Recovers the order's record as `resource-broker recover` does. Nothing but that record is written.
fn recover(story: &Story, order: &OrderAddress) -> Assignment {
    let found = recovery(story, order).expect("the record is lost");
    let record = found.outcome.unwrap_or_else(|why| panic!("{why:?}: {:#?}", found.candidates));
    let (objects, migrations) = (story.fleet.objects(), story.fleet.migrations());
    story.fleet.record(&record).unwrap();
    assert_eq!(story.fleet.migrations(), migrations);
    let same = |one: &[(ObjectRef, std::sync::Arc<Object>)]| {
        one.iter()
            .map(|(at, object)| (at.to_string(), object.resource_version().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(same(&story.fleet.objects()), same(&objects));
    record
}

/// Goes on until the write that fails, at most to the end of the story.
fn until_the_crash(story: &Story, order: &OrderAddress) {
    for _ in 0..20 {
        if story.pass(order).is_err() {
            return;
        }
        if !story.provide() {
            story.fleet.advance(GRACE);
        }
    }
}

fn only_copy(story: &Story) -> String {
    let copies = copies(story);
    assert_eq!(copies.len(), 1);
    copies.into_keys().next().unwrap()
}

fn at(key: &ObjectKey) -> ObjectRef {
    ObjectRef { gvk: policy(Moves::Free).gvk(), key: key.clone() }
}

#[test]
fn an_assignment_that_is_missing_is_told_and_its_copy_lives_until_it_is_found_again() {
    for moves in BOTH {
        let (mut story, order) = served(moves);
        let copy = only_copy(&story);
        story.fleet.restore_assignments(&Story::new(moves).fleet.back_up());
        is_lost_and_untouched(&mut story, &order);
        let found = recovery(&story, &order).unwrap();
        assert_eq!((found.loss, found.candidates.len()), (Loss::Missing, 1));
        assert_eq!(found.candidates[0].held, Held::Yes);
        let record = recover(&story, &order);
        assert_eq!(record.pointer.as_deref(), Some(record.copies[0].key.name.as_str()));
        is_served_again_by(&mut story, &order, &copy);
    }
}

#[test]
fn an_order_restored_from_before_its_finalizer_is_not_placed_beside_its_copy() {
    for moves in BOTH {
        let (mut story, order) = served(moves);
        let copy = only_copy(&story);
        // Whoever placed it now would choose another provider.
        story.offer("external", ".corp");
        story.withdraw("internal");
        story.fleet.restore_assignments(&Story::new(moves).fleet.back_up());
        story.fleet.set(&Story::target(&order), &["metadata", "finalizers"], json!([]));
        is_lost_and_untouched(&mut story, &order);
        story.offer("internal", ".internal.corp");
        recover(&story, &order);
        is_served_again_by(&mut story, &order, &copy);
    }
}

#[test]
fn an_assignment_from_before_a_move_neither_loses_the_new_copy_nor_makes_a_third() {
    let (mut story, order, backup) = moved();
    let copy = only_copy(&story);
    story.fleet.restore_assignments(&backup);
    is_lost_and_untouched(&mut story, &order);
    assert_eq!(recovery(&story, &order).unwrap().loss, Loss::Older);
    let record = recover(&story, &order);
    assert_eq!(record.offer.cluster.as_str(), "external");
    is_served_again_by(&mut story, &order, &copy);
    // The next move has a number of its own.
    story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle_past_grace(&order);
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["internal"]);
    assert_eq!(story.fleet.migrations().len(), 2);
}

#[test]
fn an_assignment_and_its_moves_from_before_a_move_are_told_by_the_copy_alone() {
    let (mut story, order, backup) = moved();
    let copy = only_copy(&story);
    story.fleet.restore_assignments(&backup);
    story.fleet.restore_migrations(&backup);
    is_lost_and_untouched(&mut story, &order);
    recover(&story, &order);
    is_served_again_by(&mut story, &order, &copy);
}

#[test]
fn an_assignment_of_any_moment_of_a_move_ends_with_the_copy_that_serves() {
    let (story, order) = served(Moves::Free);
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.fleet.crash(None);
    story.settle_past_grace(&order);
    let writes = story.fleet.writes();
    let mut lost = 0;
    for (moment, with_moves) in (0..writes).flat_map(|moment| [(moment, false), (moment, true)]) {
        let (mut story, order) = served(Moves::Free);
        story.order("consumer", "my-app-cert", "app.corp.com");
        story.fleet.crash(Some(Crash::Before(moment)));
        until_the_crash(&story, &order);
        let backup = story.fleet.back_up();
        story.fleet.crash(None);
        story.settle_past_grace(&order);
        let copy = only_copy(&story);
        story.fleet.restore_assignments(&backup);
        if with_moves {
            story.fleet.restore_migrations(&backup);
        }
        go_on(&mut story, &order);
        assert!(copies(&story).contains_key(&copy), "{moment} {with_moves}: {:#?}", story.fleet.history());
        if story.reason(&order) == "AssignmentLost" {
            lost += 1;
            recover(&story, &order);
        }
        is_served_again_by(&mut story, &order, &copy);
        assert!(story.fleet.migration_states().iter().all(|state| state.is_final()), "{moment} {with_moves}");
    }
    assert!(lost > 5, "{lost} of {writes} moments");
}

#[test]
fn moves_of_any_earlier_moment_catch_up_with_the_assignment() {
    let (story, order) = served(Moves::Free);
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.fleet.crash(None);
    story.settle_past_grace(&order);
    for moment in 0..story.fleet.writes() {
        let (mut story, order) = served(Moves::Free);
        story.order("consumer", "my-app-cert", "app.corp.com");
        story.fleet.crash(Some(Crash::Before(moment)));
        until_the_crash(&story, &order);
        let backup = story.fleet.back_up();
        story.fleet.crash(None);
        story.settle_past_grace(&order);
        let copy = only_copy(&story);
        story.fleet.restore_migrations(&backup);
        is_served_again_by(&mut story, &order, &copy);
        assert!(story.fleet.migration_states().iter().all(|state| state.is_final()), "{moment}");
    }
}

#[test]
fn a_restored_consumer_keeps_its_copy_under_its_orders_new_uid() {
    for moves in BOTH {
        let (mut story, order) = served(moves);
        let copy = only_copy(&story);
        let before = story.fleet.assignments().remove(0);
        story.fleet.restore_object(&Story::target(&order));
        // The broker asks for both: the order that is there, and the one that its record names.
        let former = OrderAddress { uid: Some(before.order.uid.clone()), ..order.clone() };
        for _ in 0..3 {
            story.settle(&former);
            is_lost_and_untouched(&mut story, &order);
        }
        assert_eq!(story.fleet.assignments()[0].copies, before.copies);

        let record = recover(&story, &order);
        assert_ne!(record.name, before.name);
        assert_eq!(record.copies, before.copies);
        // The former record goes, and takes nothing along; at no moment is the consumer without its Secret.
        for _ in 0..4 {
            for address in [&former, &order] {
                story.pass(address).unwrap();
                assert!(secret(&story).is_some());
            }
            story.fleet.sweep();
        }
        assert_eq!(story.fleet.assignments().len(), 1);
        is_served_again_by(&mut story, &order, &copy);
        let uid = story.seen(&order).uid().to_owned();
        let mirror = story.fleet.get(
            &broker_core::resource::Gvk::new("", "v1", "Secret"),
            "consumer",
            "default",
            "my-app-cert-secret",
        );
        assert_eq!(mirror.unwrap().label(marker::ORDER_LABEL), Some(record.name.as_str()));

        story.fleet.delete(&Story::target(&order)).unwrap();
        story.settle(&order);
        assert!(copies(&story).is_empty() && story.fleet.assignments().is_empty(), "{uid}");
    }
}

#[test]
fn an_order_made_anew_under_the_name_of_a_deleted_one_is_another_order() {
    // The finalizer was taken off by force, and nobody restored anything: what was ordered before goes.
    let (story, order) = served(Moves::PlaybookOnly);
    let copy = only_copy(&story);
    let former = OrderAddress { uid: Some(story.seen(&order).uid().to_owned()), ..order.clone() };
    story.fleet.set(&Story::target(&order), &["metadata", "finalizers"], json!([]));
    story.fleet.restore_object(&Story::target(&order));
    story.settle(&former);
    story.settle(&order);
    assert_eq!(story.reason(&order), "Bound");
    assert_ne!(only_copy(&story), copy);
}

#[test]
fn a_restored_provider_keeps_its_copy_under_its_new_uid() {
    for moves in BOTH {
        let (mut story, order) = served(moves);
        let (_, key) = copies(&story).into_iter().next().unwrap();
        story.fleet.restore_object(&at(&key));
        let copy = only_copy(&story);
        let secret = ObjectRef {
            gvk: broker_core::resource::Gvk::new("", "v1", "Secret"),
            key: ObjectKey::new("internal", "default", format!("{}-tls", key.name)),
        };
        // The provider's own tool mends its references.
        story.fleet.set(&secret, &["metadata", "ownerReferences"], json!([]));
        is_lost_and_untouched(&mut story, &order);
        assert_eq!(recovery(&story, &order).unwrap().loss, Loss::OtherCopy);
        recover(&story, &order);
        is_served_again_by(&mut story, &order, &copy);
    }
}

#[test]
fn of_a_move_that_no_record_knows_the_copy_that_the_consumer_holds_is_found() {
    for after_the_switch in [false, true] {
        let (mut story, order) = served(Moves::Free);
        let backup = story.fleet.back_up();
        story.order("consumer", "my-app-cert", "app.corp.com");
        if after_the_switch {
            story.settle(&order);
        } else {
            story.pass(&order).unwrap();
            story.fleet.provide("external");
        }
        let serving = if after_the_switch { "external" } else { "internal" };
        assert_eq!(secret(&story).unwrap()["issuer"], serving);
        assert_eq!(copies(&story).len(), 2);
        story.fleet.restore_assignments(&backup);
        story.fleet.restore_migrations(&backup);
        is_lost_and_untouched(&mut story, &order);
        let record = recover(&story, &order);
        assert_eq!(record.copies[0].key.cluster.as_str(), serving);
        assert_eq!(record.leftovers.len(), 1);
        // The order asks for the external one, and moves there if it is not there yet.
        for _ in 0..3 {
            go_on(&mut story, &order);
            assert!(secret(&story).is_some());
        }
        let copy = only_copy(&story);
        is_served_again_by(&mut story, &order, &copy);
        assert_eq!(secret(&story).unwrap()["issuer"], "external");
    }
}

#[test]
fn of_several_copies_that_cannot_be_told_apart_a_person_picks_one() {
    let (mut story, order) = served(Moves::Free);
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle(&order);
    assert_eq!(copies(&story).len(), 2);
    story.fleet.set_policy(|policy| policy.moves = Moves::PlaybookOnly);
    story.fleet.restore_assignments(&Story::new(Moves::Free).fleet.back_up());
    story.fleet.restore_migrations(&Story::new(Moves::Free).fleet.back_up());
    // The consumer holds what neither of them provides any more.
    let mirror = ObjectRef {
        gvk: broker_core::resource::Gvk::new("", "v1", "Secret"),
        key: ObjectKey::new("consumer", "default", "my-app-cert-secret"),
    };
    story.fleet.set(&mirror, &["data"], json!({ "issuer": "nobody" }));
    is_lost_and_untouched(&mut story, &order);
    let found = recovery(&story, &order).unwrap();
    assert_eq!(found.outcome.unwrap_err(), Undecided::Ambiguous);
    assert_eq!(found.candidates.len(), 2);

    let picked = found.candidates.iter().find(|one| one.copy.key.cluster.as_str() == "external").unwrap();
    let nobody = ObjectKey::new("external", "default", "c-of-somebody-else");
    let pick = |key: &ObjectKey| {
        story.broker.recovery(&order, Some(key), &BTreeMap::new()).unwrap().unwrap().outcome
    };
    assert_eq!(pick(&nobody).unwrap_err(), Undecided::NoSuchCopy);
    let record = pick(&picked.copy.key).unwrap();
    story.fleet.record(&record).unwrap();
    let uid = picked.copy.uid.clone().unwrap();
    is_served_again_by(&mut story, &order, &uid);
}

#[test]
fn where_nothing_is_found_or_cannot_be_looked_for_nothing_is_decided() {
    let (mut story, order) = served(Moves::PlaybookOnly);
    let (_, key) = copies(&story).into_iter().next().unwrap();
    story.fleet.set_reachable("internal", false);
    let identity = OrderIdentity { uid: "another".to_owned(), ..story.fleet.assignments()[0].order.clone() };
    // Restored under another uid, with its provider out of reach.
    story.fleet.restore_object(&Story::target(&order));
    assert_ne!(copy_name(&identity, 1), key.name);
    let undecided = recovery(&story, &order).unwrap().outcome.unwrap_err();
    assert_eq!(undecided, Undecided::Unreachable(["internal".into()].into()));
    story.fleet.set_reachable("internal", true);
    assert!(recovery(&story, &order).unwrap().outcome.is_ok());

    story.fleet.restore_assignments(&Story::new(Moves::Free).fleet.back_up());
    is_lost_and_untouched(&mut story, &order);
    assert_eq!(recovery(&story, &order).unwrap().outcome.unwrap_err(), Undecided::NothingFound);
    // What a person knows to be the copy is taken.
    let others = [(key.clone(), story.fleet.copies_in("internal").remove(0))].into();
    let found = story.broker.recovery(&order, Some(&key), &others).unwrap().unwrap();
    story.fleet.record(&found.outcome.unwrap()).unwrap();
    story.pass(&order).unwrap();
    assert_eq!(copies(&story).into_values().collect::<Vec<_>>(), [key]);
}

#[test]
fn an_order_whose_record_fits_is_not_recovered() {
    let (story, order) = served(Moves::Free);
    assert!(recovery(&story, &order).is_none());
}

#[test]
fn an_order_deleted_while_its_record_is_missing_goes_with_its_copies() {
    for moves in BOTH {
        let (story, order) = served(moves);
        story.fleet.restore_assignments(&Story::new(moves).fleet.back_up());
        story.settle(&order);
        story.fleet.delete(&Story::target(&order)).unwrap();
        story.settle(&order);
        let left: Vec<_> = story.fleet.objects().into_iter().map(|(target, _)| target.to_string()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn an_order_deleted_while_its_record_is_older_goes_with_the_copy_that_serves_it() {
    let (story, order, backup) = moved();
    story.fleet.restore_assignments(&backup);
    story.fleet.restore_migrations(&backup);
    story.settle(&order);
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    assert!(story.fleet.objects().is_empty() && story.fleet.assignments().is_empty());
}

#[test]
fn a_retained_copy_without_a_record_outlives_its_order() {
    let (story, order) = served(Moves::PlaybookOnly);
    let copy = only_copy(&story);
    story.fleet.restore_assignments(&Story::new(Moves::Free).fleet.back_up());
    let retain = json!({ marker::DELETION_POLICY_ANNOTATION: "Retain" });
    story.fleet.set(&Story::target(&order), &["metadata", "annotations"], retain);
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    story.fleet.sweep();
    assert_eq!(only_copy(&story), copy);
    assert_eq!(story.fleet.copies_in("internal")[0].annotation(marker::RETAINED_ANNOTATION), Some("true"));
}

#[test]
fn what_is_out_of_reach_does_not_keep_the_finalizer_of_an_order_without_record() {
    let (story, order) = served(Moves::PlaybookOnly);
    let copy = only_copy(&story);
    story.fleet.restore_assignments(&Story::new(Moves::Free).fleet.back_up());
    story.fleet.set_reachable("internal", false);
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    assert!(story.fleet.get(&policy(Moves::Free).gvk(), "consumer", "default", "my-app-cert").is_none());
    // What holds data is not removed for lack of a record: a person finds it, and decides.
    story.fleet.set_reachable("internal", true);
    story.fleet.sweep();
    assert_eq!(only_copy(&story), copy);
    story.fleet.set_policy(|policy| policy.moves = Moves::Free);
    assert_eq!(story.fleet.sweep().len(), 1);
}

#[test]
fn what_a_move_left_behind_is_still_swept_away() {
    let (story, order) = served(Moves::PlaybookOnly);
    let identity = story.fleet.assignments()[0].order.clone();
    let stray = |serial| {
        json!({
            "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
            "metadata": {
                "name": copy_name(&identity, serial), "namespace": "default",
                "labels": { marker::ORDER_LABEL: story.fleet.assignments()[0].name },
            },
            "spec": {},
        })
    };
    // Its record came further: this one was left behind.
    let mut record = story.fleet.assignments().remove(0);
    record.serial = 3;
    story.fleet.record(&record).unwrap();
    story.fleet.write("external", &stray(2));
    assert_eq!(story.fleet.sweep().len(), 1);
    // A name that no serial gives is nobody's, and not ours to remove.
    let mut forged = stray(2);
    forged["metadata"]["name"] = "c-forged".into();
    story.fleet.write("external", &forged);
    // The same number in another place is of another past: nothing is decided about it without a person.
    story.fleet.write("external", &stray(1));
    assert_eq!(story.fleet.sweep(), Vec::<ObjectKey>::new());
    story.settle(&order);
    assert_eq!(story.reason(&order), "AssignmentLost");
}

#[test]
fn a_forged_mark_cannot_make_an_order_lost() {
    let (story, order) = served(Moves::Free);
    let forged = json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Certificate",
        "metadata": {
            "name": "c-0123456789abcdef0123456789abcdef", "namespace": "default",
            "labels": { marker::ORDER_LABEL: story.fleet.assignments()[0].name },
        },
        "spec": {},
    });
    story.fleet.write("external", &forged);
    story.settle(&order);
    assert_eq!(story.reason(&order), "Bound");
    assert!(recovery(&story, &order).is_none());
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    let left = copies(&story).into_values().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(left, ["c-0123456789abcdef0123456789abcdef"], "it is its maker's");
}

#[test]
fn a_move_called_off_before_it_began_does_not_stand_in_the_way_of_the_next() {
    let (story, order) = served(Moves::Free);
    story.order("consumer", "my-app-cert", "app.corp.com");
    // Stopped right after the move was recorded.
    story.fleet.crash(Some(Crash::Before(3)));
    story.pass(&order).unwrap_err();
    story.fleet.crash(None);
    assert_eq!(story.fleet.migration_states(), [MigrationState::Pending]);
    story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    assert_eq!(story.fleet.migration_states(), [MigrationState::Cancelled]);
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle_past_grace(&order);
    assert_eq!(secret(&story).unwrap()["issuer"], "external");
    assert_eq!(story.fleet.migration_states(), [MigrationState::Cancelled, MigrationState::Completed]);
}

#[test]
fn a_record_of_an_order_that_is_gone_by_now_is_let_go() {
    // Restored from before the order was deleted; another one has its name by now.
    for anew in [false, true] {
        let (story, order) = served(Moves::PlaybookOnly);
        let backup = story.fleet.back_up();
        let uid = story.seen(&order).uid().to_owned();
        story.fleet.delete(&Story::target(&order)).unwrap();
        story.settle(&order);
        assert!(story.fleet.objects().is_empty());
        let mut expected = 0;
        if anew {
            story.order("consumer", "my-app-cert", "app.internal.corp");
            story.settle(&order);
            expected = 1;
        }
        let newer = story.fleet.assignments();
        story.fleet.restore_assignments(&backup);
        for record in newer {
            story.fleet.record(&Assignment { uid: String::new(), ..record }).unwrap();
        }
        let former = OrderAddress { uid: Some(uid), ..order.clone() };
        story.settle(&former);
        story.settle(&order);
        assert_eq!((story.fleet.assignments().len(), copies(&story).len()), (expected, expected), "{anew}");
        if anew {
            assert_eq!(story.reason(&order), "Bound");
        }
    }
}

#[test]
fn a_copy_marked_to_be_retained_is_not_removed_with_an_order_that_vanished() {
    let (story, order) = served(Moves::PlaybookOnly);
    let (copy, key) = copies(&story).into_iter().next().unwrap();
    story.fleet.set(&at(&key), &["metadata", "annotations", marker::RETAINED_ANNOTATION], "true".into());
    story.fleet.set(&Story::target(&order), &["metadata", "finalizers"], json!([]));
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    story.fleet.sweep();
    assert!(story.fleet.assignments().is_empty());
    assert_eq!(only_copy(&story), copy);
}

#[test]
fn an_order_deleted_while_its_provider_is_restored_goes_with_what_was_restored() {
    let (story, order) = served(Moves::PlaybookOnly);
    let (_, key) = copies(&story).into_iter().next().unwrap();
    story.fleet.restore_object(&at(&key));
    story.settle(&order);
    assert_eq!(story.reason(&order), "AssignmentLost");
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    assert!(copies(&story).is_empty() && story.fleet.assignments().is_empty());
    assert!(story.fleet.get(&policy(Moves::Free).gvk(), "consumer", "default", "my-app-cert").is_none());
}
