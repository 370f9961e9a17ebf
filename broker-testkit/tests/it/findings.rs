//! Mistakes that simulated histories found, each in the fewest steps that show it.

use std::time::Duration;

use broker_core::order::Moves;
use broker_core::resource::ConditionStatus;
use broker_core::resource::ObjectRef;

use broker_testkit::memory::Crash;
use serde_json::json;

use crate::order_life::Story;

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
