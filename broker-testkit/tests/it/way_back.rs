//! Moves by a playbook after the switch, over the in-memory ports: back, or left to a person.

use std::collections::BTreeSet;
use std::time::Duration;

use broker_core::migration::MigrationState;
use broker_testkit::memory::Crash;
use serde_json::json;

use super::order_life::GRACE;
use super::playbook_moves::{Move, playbook, stages};

#[test]
fn what_fails_after_the_switch_goes_back_only_where_nothing_is_lost_by_it() {
    let back = json!([{ "name": "copy-back", "successConditions": ["from.status.copiedBack == true"] }]);
    // Without stages for the way back it stays, and a person decides.
    let it = Move::begun(playbook(&stages(), &json!([])));
    it.until_switched();
    it.says(&json!({ "checksum": "other" }));
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::Failed, "external"));
    assert_eq!(it.story.fleet.copies_in("internal").len(), 1);
    let writes = it.record().receipt.writes.unwrap();
    let (old, new) =
        ("those before it to the copy of internal|", "those since the switch went to the copy of external|");
    assert!(
        writes.contains(old) && writes.contains(new) && writes.ends_with("; a person decides"),
        "{writes}"
    );
    it.control(|controls| controls.rollback = true);
    assert_eq!(it.serves(), "external", "not without leave to lose what was written since");
    it.control(|controls| controls.allow_loss = true);
    it.is_over(MigrationState::RolledBack, "internal");
    let receipt = it.record().receipt;
    assert!(receipt.loss.unwrap().contains("writes may be lost"));
    assert_eq!(receipt.writes, None, "nothing is to be decided any more");

    // Taken as it is.
    let it = Move::begun(playbook(&stages(), &json!([])));
    it.until_switched();
    it.says(&json!({ "checksum": "other" }));
    it.control(|controls| {
        controls.approved.insert("compare".to_owned());
    });
    it.says(&json!({ "cleaned": true }));
    it.story.fleet.advance(GRACE);
    it.settle();
    it.is_over(MigrationState::Completed, "external");

    // With them: under a fence on the new copy.
    let it = Move::begun(playbook(&stages(), &back));
    it.until_switched();
    it.says(&json!({ "checksum": "other" }));
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::CutoverCompleted, "external"));
    assert!(it.is_fenced("external"), "{}", it.record().message);
    it.story.fleet.say("internal", &json!({ "copiedBack": true }));
    it.settle();
    it.is_over(MigrationState::RolledBack, "internal");
    assert_eq!(it.record().receipt.loss, None);
}

#[test]
fn a_provider_that_falls_silent_at_any_write_of_the_way_back_holds_up_nobodys_writes() {
    let condition = json!(["from.status.copiedBack == true"]);
    let back = json!([{ "name": "copy-back", "timeout": "5m", "successConditions": condition }]);
    let brought_back = || {
        let it = Move::begun(playbook(&stages(), &back));
        it.until_switched();
        it.says(&json!({ "checksum": "other" }));
        it.story.fleet.say("internal", &json!({ "copiedBack": true }));
        it
    };
    let clean = brought_back();
    clean.story.fleet.crash(None);
    clean.settle();
    clean.is_over(MigrationState::RolledBack, "internal");
    let mut ends = BTreeSet::new();
    for write in 0..clean.story.fleet.writes() {
        let mut it = brought_back();
        it.story.fleet.crash(Some(Crash::After(write)));
        for _ in 0..50 {
            if it.story.pass(&it.order).is_err() {
                break;
            }
            it.story.provide();
        }
        it.story.fleet.set_reachable("internal", false);
        it.story.fleet.advance(Duration::from_mins(5));
        it.settle_with_restarts();
        let serves = it.story.fleet.assignments()[0].serving().unwrap().key.cluster.to_string();
        assert!(
            serves == "internal" || !it.is_fenced(&serves),
            "after write {write}: {}",
            it.record().message
        );
        it.story.fleet.set_reachable("internal", true);
        it.settle_with_restarts();
        ends.insert(it.state());
        if it.state() == MigrationState::RolledBack {
            it.is_over(MigrationState::RolledBack, "internal");
        } else {
            assert_eq!((it.state(), it.serves().as_str()), (MigrationState::Failed, "external"));
            assert!(!it.is_fenced("external") && it.story.fleet.copies_in("internal").len() == 1);
        }
    }
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), [MigrationState::Failed, MigrationState::RolledBack]);
}

#[test]
fn a_person_who_wants_the_old_copy_back_keeps_it_until_it_can_be_had() {
    let it = Move::begun(playbook(&stages(), &json!([])));
    it.until_switched();
    it.control(|controls| controls.rollback = true);
    it.says(&json!({ "checksum": "abc", "cleaned": true }));
    it.story.fleet.advance(GRACE * 4);
    it.settle();
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::CutoverCompleted, "external"));
    assert_eq!(it.story.fleet.copies_in("internal").len(), 1, "{}", it.record().message);
    it.control(|controls| controls.allow_loss = true);
    it.is_over(MigrationState::RolledBack, "internal");
}

#[test]
fn what_failed_and_is_taken_as_it_is_is_not_tried_again() {
    let mut stages = stages();
    stages[3]["failureConditions"] = json!(["status.cleaned == false"]);
    let it = Move::begun(playbook(&stages, &json!([])));
    it.until_switched();
    it.says(&json!({ "checksum": "abc", "cleaned": false }));
    it.story.fleet.advance(GRACE);
    it.settle();
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::Failed, "external"));
    it.control(|controls| {
        controls.approved.insert("finalize".to_owned());
    });
    it.is_over(MigrationState::Completed, "external");
}

#[test]
fn a_way_back_whose_fence_is_not_answered_ends_and_lets_writes_through() {
    let back = json!([{ "name": "copy-back", "timeout": "5m" }]);
    let it = Move::begun(playbook(&stages(), &back));
    it.until_switched();
    it.story.fleet.say("external", &json!({ "quiesced": false }));
    it.says(&json!({ "checksum": "other" }));
    assert!(it.is_fenced("external"), "{}", it.record().message);
    it.story.fleet.advance(Duration::from_mins(5));
    it.settle();
    assert_eq!((it.state(), it.serves().as_str()), (MigrationState::Failed, "external"));
    assert!(!it.is_fenced("external"));
    assert_eq!(it.story.fleet.copies_in("internal").len(), 1);
}
