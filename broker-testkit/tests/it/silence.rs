//! Providers that do not answer: what is waited for, what moves and when, and that nothing is forgotten.

use std::time::Duration;

use broker_core::migration::MigrationState;
use broker_core::offer::{OfferId, OfferSpec};
use broker_core::order::{Failover, Moves};
use broker_core::port::{Clock as _, OrderAddress};
use broker_testkit::memory::Crash;
use serde_json::{Value, json};

use crate::order_life::{GRACE, Story, broker};

/// The time that `Policy::new` states.
const STATED: Duration = Duration::from_mins(5);
const SHORTER: Duration = Duration::from_secs(299);

/// An order that "internal" serves, and that "third" would serve as well, if less specifically.
fn served(moves: Moves) -> (Story, OrderAddress) {
    let story = Story::new(moves);
    story.offer("third", ".corp");
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    assert_eq!(issuer(&story), "internal");
    (story, order)
}

fn issuer(story: &Story) -> Value {
    story.secret_of("consumer", "my-app-cert-secret").unwrap()["issuer"].clone()
}

fn message(story: &Story, order: &OrderAddress) -> String {
    story.seen(order).condition("Brokered").unwrap().message
}

/// Names of the clusters whose copies the one assignment names: (its copies, its leftovers).
fn named(story: &Story) -> (Vec<String>, Vec<String>) {
    let assignment = story.fleet.assignments().remove(0);
    let names = |copies: &[broker_core::order::CopyRef]| {
        copies.iter().map(|copy| copy.key.cluster.to_string()).collect::<Vec<_>>()
    };
    (names(&assignment.copies), names(&assignment.leftovers))
}

fn nothing_moved(story: &Story) {
    assert!(story.fleet.migrations().is_empty(), "{:#?}", story.fleet.history());
    assert_eq!(named(story), (vec!["internal".to_owned()], vec![]));
    assert_eq!(issuer(story), "internal");
}

#[test]
fn a_silence_shorter_than_the_stated_time_moves_nothing() {
    let (story, order) = served(Moves::Free);
    let before = story.fleet.history().len();
    story.fleet.set_reachable("internal", false);
    let since = story.fleet.now();
    let passed = story.settle(&order);
    assert_eq!(story.reason(&order), "ProviderUnreachable");
    assert_eq!(passed.wake, Some(since.plus(STATED)), "looks again when the time is over");
    story.fleet.advance(SHORTER);
    let told = story.fleet.history().len();
    story.settle(&order);
    assert_eq!(story.fleet.history().len(), told, "said once");
    story.fleet.set_reachable("internal", true);
    let passed = story.settle(&order);
    assert_eq!((story.reason(&order), passed.wake), ("Bound".to_owned(), None));
    nothing_moved(&story);
    let written = story.fleet.history().split_off(before);
    let word = |line: &String| line.contains("-status") || line.starts_with("tell");
    assert!(written.iter().all(word), "{written:#?}");
}

#[test]
fn a_silence_that_lasts_moves_the_order_and_the_old_copy_goes_when_its_provider_answers() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.settle(&order);
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(issuer(&story), "third");
    assert_eq!(story.fleet.migration_states(), [MigrationState::CutoverCompleted]);
    story.fleet.advance(GRACE);
    story.settle(&order);
    assert_eq!(story.fleet.migration_states(), [MigrationState::Completed]);
    assert!(story.fleet.migrations()[0].message.contains("left behind"));
    assert_eq!(named(&story), (vec!["third".to_owned()], vec!["internal".to_owned()]));
    assert_eq!(story.reason(&order), "Bound");
    assert_eq!(story.fleet.copies_in("internal").len(), 1, "nobody reached it");

    story.fleet.set_reachable("internal", true);
    story.settle(&order);
    assert!(story.fleet.copies_in("internal").is_empty());
    assert_eq!(named(&story), (vec!["third".to_owned()], vec![]));
    assert_eq!(issuer(&story), "third");
}

#[test]
fn what_was_left_behind_is_let_go_with_its_cluster() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.settle_past_grace(&order);
    assert_eq!(named(&story).1, ["internal"]);
    story.fleet.remove_cluster("internal");
    story.settle(&order);
    assert_eq!(named(&story), (vec!["third".to_owned()], vec![]));
}

#[test]
fn a_provider_that_comes_back_before_the_switch_keeps_its_order() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.pass(&order).unwrap();
    assert_eq!(story.fleet.copies_in("third").len(), 1);
    story.fleet.set_reachable("internal", true);
    story.settle(&order);
    assert_eq!(story.fleet.migration_states(), [MigrationState::Cancelled]);
    assert!(story.fleet.copies_in("third").is_empty());
    assert_eq!((story.reason(&order).as_str(), issuer(&story)), ("Bound", json!("internal")));
}

#[test]
fn a_provider_that_comes_back_after_the_switch_gives_its_copy_up() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.settle(&order);
    story.fleet.set_reachable("internal", true);
    story.settle_past_grace(&order);
    assert_eq!(story.fleet.migration_states(), [MigrationState::Completed]);
    assert!(story.fleet.copies_in("internal").is_empty());
    assert_eq!((named(&story).1, issuer(&story)), (vec![], json!("third")));
}

#[test]
fn a_provider_that_comes_and_goes_moves_nothing() {
    let (story, order) = served(Moves::Free);
    for _ in 0..20 {
        story.fleet.set_reachable("internal", false);
        story.settle(&order);
        story.fleet.advance(SHORTER);
        story.settle(&order);
        story.fleet.set_reachable("internal", true);
        story.settle(&order);
    }
    nothing_moved(&story);
    assert!(story.fleet.copies_in("third").is_empty());
}

#[test]
fn new_orders_go_elsewhere_at_once_and_stay_there() {
    let (story, _) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    let next = story.order("other", "next", "next.internal.corp");
    story.settle(&next);
    let issuer_of_next = || story.secret_of("other", "next-secret").unwrap()["issuer"].clone();
    assert_eq!(issuer_of_next(), "third");
    for reachable in [true, false, true] {
        story.fleet.set_reachable("internal", reachable);
        story.settle(&next);
        assert_eq!(issuer_of_next(), "third");
    }
    assert!(story.fleet.migrations().is_empty());
}

#[test]
fn where_a_person_must_decide_nothing_moves_until_one_does() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_policy(|policy| policy.failover = Some(Failover::Manual));
    story.fleet.set_reachable("internal", false);
    story.settle(&order);
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(story.reason(&order), "ProviderUnreachable");
    let text = message(&story, &order);
    assert!(text.contains("5m") && text.contains("a person must decide"), "{text}");
    story.fleet.advance(STATED * 100);
    story.settle(&order);
    nothing_moved(&story);

    // The person's word.
    let draining: OfferSpec = serde_json::from_value(json!({
        "gvr": { "resource": "certificates" }, "namespace": "default", "scheduling": "Draining",
        "filters": [{ "key": "spec.fqdn", "suffix": ".internal.corp" }],
    }))
    .unwrap();
    story.fleet.offer(&OfferId::new("internal", "default", "ca"), draining);
    story.settle(&order);
    assert_eq!(issuer(&story), "third");
}

#[test]
fn an_explicit_withdrawal_acts_at_once_though_the_provider_is_silent() {
    for moves in [Moves::Free, Moves::PlaybookOnly] {
        let (story, order) = served(moves);
        story.fleet.set_reachable("internal", false);
        story.withdraw("internal");
        story.settle(&order);
        if moves == Moves::Free {
            assert_eq!(issuer(&story), "third");
        } else {
            assert_eq!(story.reason(&order), "NoPlaybook");
            nothing_moved(&story);
        }
    }
}

#[test]
fn an_offer_that_was_never_read_is_not_taken_for_withdrawn() {
    let (story, order) = served(Moves::Free);
    story.fleet.lose_sight("internal");
    story.settle(&order);
    assert_eq!(story.reason(&order), "ProviderUnreachable");
    story.fleet.advance(SHORTER);
    story.settle(&order);
    nothing_moved(&story);
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(issuer(&story), "third");
}

#[test]
fn what_holds_data_stays_and_says_why() {
    for (failover, reason, words) in [
        (None, "ProviderUnreachable", "a person must decide"),
        (Some(Failover::Automatic), "NoPlaybook", "no playbook"),
    ] {
        let (story, order) = served(Moves::PlaybookOnly);
        story.fleet.set_policy(|policy| policy.failover = failover);
        story.fleet.set_reachable("internal", false);
        story.settle(&order);
        assert_eq!(story.reason(&order), "ProviderUnreachable");
        story.fleet.advance(STATED);
        story.settle(&order);
        assert_eq!(story.reason(&order), reason);
        let text = message(&story, &order);
        assert!(text.contains(words) && text.contains("5m"), "{text}");
        nothing_moved(&story);
    }
}

#[test]
fn with_migrations_switched_off_nothing_moves() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_policy(|policy| policy.migrations_enabled = false);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(story.reason(&order), "MigrationDisabled");
    nothing_moved(&story);
}

#[test]
fn where_nobody_else_serves_it_the_order_waits_and_is_moved_when_somebody_does() {
    let (story, order) = served(Moves::Free);
    story.withdraw("third");
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(story.reason(&order), "ProviderUnreachable");
    assert!(message(&story, &order).contains("nobody else"), "{}", message(&story, &order));
    nothing_moved(&story);
    story.offer("third", ".corp");
    story.settle(&order);
    assert_eq!(issuer(&story), "third");
}

#[test]
fn a_replacement_whose_provider_falls_silent_as_well_is_given_up_for_another() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.pass(&order).unwrap();
    story.fleet.set_reachable("third", false);
    story.settle(&order);
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(story.fleet.migration_states(), [MigrationState::Failed]);
    assert_eq!(named(&story), (vec!["internal".to_owned()], vec!["third".to_owned()]));
    story.offer("external", ".corp");
    story.settle_past_grace(&order);
    assert_eq!(issuer(&story), "external");
    assert_eq!(named(&story).1, ["third", "internal"]);
    for back in ["internal", "third"] {
        story.fleet.set_reachable(back, true);
        story.settle(&order);
    }
    assert_eq!(named(&story), (vec!["external".to_owned()], vec![]));
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["external"]);
}

#[test]
fn two_silent_providers_do_not_hold_up_a_further_move() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(story.fleet.migration_states(), [MigrationState::CutoverCompleted]);
    story.fleet.set_reachable("third", false);
    story.settle(&order);
    assert_eq!(story.reason(&order), "ProviderUnreachable");
    story.offer("external", ".corp");
    story.fleet.advance(STATED);
    story.settle_past_grace(&order);
    assert_eq!(issuer(&story), "external");
    story.fleet.set_reachable("third", true);
    story.fleet.set_reachable("internal", true);
    story.settle(&order);
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["external"]);
}

#[test]
fn a_replacement_that_falls_silent_in_the_grace_period_gives_way_to_the_old_copy_that_is_back() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.settle(&order);
    story.fleet.set_reachable("internal", true);
    story.fleet.set_reachable("third", false);
    story.settle(&order);
    assert_eq!(issuer(&story), "third", "a silence is waited out here as well");
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(issuer(&story), "internal");
    assert_eq!(story.fleet.migration_states(), [MigrationState::RolledBack]);
    story.fleet.set_reachable("third", true);
    story.settle(&order);
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["internal"]);
}

#[test]
fn a_restart_in_the_middle_of_a_move_lets_the_wait_begin_again_and_undoes_nothing() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.pass(&order).unwrap();
    story.fleet.forget_silence();
    story.settle(&order);
    assert_eq!(issuer(&story), "internal", "the switch waits");
    assert_eq!(story.fleet.copies_in("third").len(), 1, "the replacement is kept");
    story.fleet.advance(STATED);
    story.settle(&order);
    assert_eq!(issuer(&story), "third");
    assert_eq!(story.fleet.migration_states(), [MigrationState::CutoverCompleted]);
}

#[test]
fn an_order_deleted_while_copies_are_out_of_reach_goes_when_they_are_reached() {
    let (story, order) = served(Moves::Free);
    story.fleet.set_reachable("internal", false);
    story.fleet.advance(STATED);
    story.settle_past_grace(&order);
    story.fleet.delete(&Story::target(&order)).unwrap();
    story.settle(&order);
    assert!(story.fleet.copies_in("third").is_empty());
    assert_eq!(story.fleet.assignments().len(), 1, "the record waits for what it still names");
    story.fleet.set_reachable("internal", true);
    story.settle(&order);
    assert!(story.fleet.assignments().is_empty());
    assert!(story.fleet.objects().is_empty(), "{:?}", story.fleet.objects());
}

#[test]
fn a_first_copy_that_nobody_knows_of_is_tried_elsewhere_and_cleaned_up_later() {
    // Writes: the assignment, the finalizer, the copy.
    for (crash, made) in [(Crash::Before(2), 0), (Crash::After(2), 1)] {
        let story = Story::new(Moves::PlaybookOnly);
        story.offer("third", ".corp");
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.fleet.crash(Some(crash));
        assert!(story.pass(&order).is_err());
        story.fleet.crash(None);
        assert_eq!(story.fleet.copies_in("internal").len(), made, "{crash:?}");
        story.fleet.set_reachable("internal", false);
        let passed = story.settle(&order);
        assert_eq!(story.reason(&order), "ProviderUnreachable");
        assert!(passed.wake.is_some());
        story.fleet.advance(Duration::from_mins(10));
        story.settle_past_grace(&order);
        assert_eq!(issuer(&story), "third", "{crash:?}");
        assert_eq!(named(&story), (vec!["third".to_owned()], vec!["internal".to_owned()]));
        story.fleet.set_reachable("internal", true);
        story.settle(&order);
        assert_eq!(named(&story), (vec!["third".to_owned()], vec![]));
        assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["third"]);
    }
}

#[test]
fn a_failover_that_crashes_before_or_after_any_write_ends_the_same() {
    let tell = |crash: Option<Crash>| {
        let (mut story, order) = served(Moves::Free);
        story.fleet.set_reachable("internal", false);
        story.fleet.crash(crash);
        let survive = |story: &mut Story| {
            for _ in 0..80 {
                let before = story.fleet.history().len();
                if story.pass(&order).is_err() {
                    story.broker = broker(&story.fleet);
                } else if !story.provide() && story.fleet.history().len() == before {
                    return;
                }
            }
            panic!("{crash:?}: no rest: {:#?}", story.fleet.history());
        };
        survive(&mut story);
        story.fleet.advance(STATED);
        survive(&mut story);
        story.fleet.advance(GRACE);
        survive(&mut story);
        story.fleet.set_reachable("internal", true);
        survive(&mut story);
        let end = json!({
            "issuer": issuer(&story), "named": named(&story), "reason": story.reason(&order),
            "copies": story.fleet.clusters_with_copies(),
            "states": story.fleet.migration_states().iter().map(|s| s.as_str()).collect::<Vec<_>>(),
        });
        (end, story.fleet.writes())
    };
    let (expected, writes) = tell(None);
    assert_eq!(expected["issuer"], "third");
    assert!(writes > 10, "the story has {writes} writes");
    for crash in (0..writes).flat_map(|n| [Crash::Before(n), Crash::After(n)]) {
        assert_eq!(tell(Some(crash)).0, expected, "{crash:?}");
    }
}
