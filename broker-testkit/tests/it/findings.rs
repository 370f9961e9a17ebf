//! Mistakes that simulated histories found, each in the fewest steps that show it.

use std::time::Duration;

use broker_core::broker::Passed;
use broker_core::matching::Reserved;
use broker_core::migration::MigrationState;
use broker_core::offer::OfferId;
use broker_core::order::Moves;
use broker_core::port::{Clock as _, OrderAddress, ProviderRegistry as _};
use broker_core::resource::{ConditionStatus, Gvk, ObjectKey, ObjectRef};
use broker_testkit::memory::Crash;
use serde_json::json;

use crate::order_life::{Story, broker};

#[test]
fn a_first_copy_that_got_ready_too_late_does_not_call_off_the_move_away_from_it() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.pass(&order).unwrap();
    // Nobody takes this any more before the copy is ready, so that the pointer never names it.
    story.order("consumer", "my-app-cert", "app.nowhere");
    story.settle(&order);
    assert_eq!(story.reason(&order), "NoMatchingOffer");
    let ready = story.seen(&order).condition("Ready");
    assert!(
        ready.is_none_or(|ready| ready.status != ConditionStatus::True),
        "ready without what it stands for"
    );
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle(&order);
    story.fleet.advance(Duration::from_mins(1));
    story.settle(&order);
    assert_eq!(story.secret_of("consumer", "my-app-cert-secret").unwrap()["issuer"], "external");
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["external"]);
}

#[test]
fn a_replacement_that_did_not_hold_goes_only_when_the_consumer_holds_the_old_copy_again() {
    for failing in 1..12 {
        let story = Story::new(Moves::Free);
        let order = story.order("consumer", "my-app-cert", "app.internal.corp");
        story.settle(&order);
        story.order("consumer", "my-app-cert", "app.corp.com");
        story.settle(&order);
        let copy = story.fleet.copies_in("external").remove(0);
        let target = ObjectRef { gvk: copy.gvk(), key: copy.key_in(&"external".into()) };
        let failed = json!([{ "type": "Ready", "status": "False", "reason": "Revoked", "message": "" }]);
        story.fleet.set(&target, &["status", "conditions"], failed);
        // Whichever write fails on the way back: what the consumer holds belongs to a copy that is there.
        story.fleet.crash(Some(Crash::Before(failing)));
        for _ in 0..20 {
            story.pass(&order).ok();
            if story.fleet.copies_in("external").is_empty() {
                let held = story.secret_of("consumer", "my-app-cert-secret").unwrap();
                assert_eq!(held["issuer"], "internal", "with write {failing} failing");
            }
        }
        assert!(story.fleet.copies_in("external").is_empty());
    }
}

/// The provider took the order, and its copy did not hold.
fn fail_in_the_grace_period(story: &Story, order: &OrderAddress, provider: &str) -> Passed {
    story.settle(order);
    assert!(
        story.fleet.migration_states().contains(&MigrationState::CutoverCompleted),
        "{:#?}",
        story.fleet.history()
    );
    for copy in story.fleet.copies_in(provider) {
        let target = ObjectRef { gvk: copy.gvk(), key: copy.key_in(&provider.into()) };
        let broken = json!([{ "type": "Ready", "status": "False", "reason": "Broken", "message": "" }]);
        story.fleet.set(&target, &["status", "conditions"], broken);
    }
    let mut passed = story.pass(order).unwrap();
    // Nobody mends what is being removed.
    while !passed.written.is_empty() {
        passed = story.pass(order).unwrap();
    }
    passed
}

#[test]
fn a_provider_that_never_holds_is_tried_ever_more_seldom() {
    let mut story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let passed = fail_in_the_grace_period(&story, &order, "external");
        let now = story.fleet.now();
        let next = passed.wake.expect("it is tried again");
        pauses.push(next.since(now).as_secs());
        story.fleet.advance(next.since(now));
        // What a process remembers does not matter.
        story.broker = broker(&story.fleet);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
    assert!(story.fleet.migrations().len() <= 4, "{}", story.fleet.migrations().len());
    // Once it holds, nothing is held against it.
    story.settle_past_grace(&order);
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["external"]);
    story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle_past_grace(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    let passed = fail_in_the_grace_period(&story, &order, "external");
    assert_eq!(passed.wake.map(|at| at.since(story.fleet.now()).as_secs()), Some(30));
}

#[test]
fn offers_that_fail_in_turn_are_all_remembered() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    let others = ["external", "p1", "p2", "p3", "p4", "p5"];
    for provider in others {
        story.offer(provider, ".corp.com");
    }
    story.order("consumer", "my-app-cert", "app.corp.com");
    for _ in others {
        story.settle(&order);
        for provider in others {
            story.fleet.provide(provider);
        }
        story.settle(&order);
        let tried = others.into_iter().find(|provider| !story.fleet.copies_in(provider).is_empty());
        fail_in_the_grace_period(&story, &order, tried.expect("one of them is tried"));
    }
    let moves = story.fleet.migrations().len();
    assert_eq!(moves, others.len(), "each is tried once");
    story.settle(&order);
    assert_eq!(story.fleet.migrations().len(), moves, "and none at once again: {:#?}", story.fleet.history());
}

#[test]
fn an_order_that_waits_for_the_next_attempt_says_why_and_when() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    let passed = fail_in_the_grace_period(&story, &order, "external");
    let told = || story.seen(&order).condition("Brokered").unwrap();
    assert_eq!(told().reason, "MoveFailed");
    let next = passed.wake.unwrap();
    assert_eq!(
        told().message,
        format!(
            "the order must move, but the last attempt failed (the replacement did not hold); the next is at {}; \
             what was provided before keeps serving",
            next.to_rfc3339()
        )
    );
    // It is the same a moment later, and nothing is written over and over.
    story.fleet.advance(Duration::from_secs(7));
    assert_eq!(story.pass(&order).unwrap().written, Vec::<&str>::new());
    // Where nobody fits, failed or not, that is said as ever.
    story.order("consumer", "my-app-cert", "app.nowhere");
    story.settle(&order);
    assert_eq!(told().reason, "NoMatchingOffer");
    assert!(told().message.starts_with("spec.fqdn is `app.nowhere`"), "{}", told().message);
    // Time is what it waits for, and nothing else.
    story.order("consumer", "my-app-cert", "app.corp.com");
    story.settle(&order);
    assert_eq!(told().reason, "MoveFailed");
    story.fleet.advance(next.since(story.fleet.now()));
    story.settle_past_grace(&order);
    assert_eq!(told().reason, "Bound");
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["external"]);
}

#[test]
fn a_clock_that_goes_back_does_not_put_off_the_next_attempt() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    let passed = fail_in_the_grace_period(&story, &order, "external");
    // The timer goes on, and what it wakes sees another time.
    story.fleet.advance(passed.wake.unwrap().since(story.fleet.now()));
    story.fleet.set_back(Duration::from_hours(1));
    story.settle_past_grace(&order);
    assert_eq!(story.seen(&order).condition("Brokered").unwrap().reason, "Bound");
    assert_eq!(story.fleet.clusters_with_copies().into_iter().collect::<Vec<_>>(), ["external"]);
}

#[test]
fn an_order_whose_provider_falls_silent_says_that_the_others_failed() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    story.order("consumer", "my-app-cert", "app.corp.com");
    for _ in 0..6 {
        let passed = fail_in_the_grace_period(&story, &order, "external");
        story.fleet.advance(passed.wake.unwrap().since(story.fleet.now()));
    }
    fail_in_the_grace_period(&story, &order, "external");
    story.offer("internal", "corp.com");
    story.settle(&order);
    assert_eq!(story.reason(&order), "Bound");
    story.fleet.set_reachable("internal", false);
    story.settle(&order);
    story.fleet.advance(Duration::from_mins(6));
    story.settle(&order);
    let told = story.seen(&order).condition("Brokered").unwrap();
    assert_eq!(told.reason, "ProviderUnreachable");
    assert!(told.message.contains("5m; the last attempt failed (the replacement"), "{}", told.message);
}

#[test]
fn an_order_that_finds_the_last_place_taken_says_so() {
    let story = Story::new(Moves::Free);
    let id = OfferId::new("third", "default", "ca");
    let spec = json!({
        "gvr": { "group": "example.com", "version": "v1alpha1", "resource": "certificates" },
        "filters": [{ "key": "spec.fqdn", "suffix": ".third" }],
        "capacity": { "orders": 1 },
    });
    story.fleet.offer(&id, serde_json::from_value(spec).unwrap());
    // Another order is about to be recorded.
    assert_eq!(story.fleet.reserve(&id, "a-another"), Reserved::Granted);
    let order = story.order("consumer", "my-app-cert", "app.third");
    story.settle(&order);
    let told = story.seen(&order).condition("Brokered").unwrap();
    assert_eq!(
        (told.reason.as_str(), told.message.as_str()),
        ("NoMatchingOffer", "no provider is taking this order at the moment")
    );
}

#[test]
fn what_the_consumer_holds_stays_named_while_its_origin_is_not_seen() {
    let story = Story::new(Moves::Free);
    let order = story.order("consumer", "my-app-cert", "app.internal.corp");
    story.settle(&order);
    let named = || story.seen(&order).get(&["status", "relatedResources"]).cloned();
    let (before, secret) = (named(), story.secret_of("consumer", "my-app-cert-secret"));
    assert!(before.is_some() && secret.is_some());
    let copy = story.fleet.copies_in("internal").remove(0);
    let key = ObjectKey::new("internal", "default", format!("{}-tls", copy.name()));
    story.fleet.delete(&ObjectRef { gvk: Gvk::new("", "v1", "Secret"), key }).unwrap();
    while !story.pass(&order).unwrap().written.is_empty() {}
    assert_eq!(story.reason(&order), "RelatedObjectMissing");
    assert_eq!(
        (named(), story.secret_of("consumer", "my-app-cert-secret")),
        (before.clone(), secret.clone())
    );
    // It comes back, and all is as it was.
    story.settle(&order);
    assert_eq!(story.reason(&order), "Bound");
    assert_eq!((named(), story.secret_of("consumer", "my-app-cert-secret")), (before, secret));
}
