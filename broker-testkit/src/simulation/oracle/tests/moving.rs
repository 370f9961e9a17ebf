use std::time::Duration;

use broker_kcp::api::v1alpha1::Moves;
use serde_json::json;

use super::story::{ACME, AGENT, BROKER, GRACE, PERSON, Story, setting};

fn switched() -> Story {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.switch(ACME);
    story
}

#[test]
fn a_move_in_good_order_breaks_nothing() {
    let mut story = switched();
    story.end_move(ACME);
    story.assert_kept();
    assert_eq!(story.at_rest(ACME, Some("beta")), []);
    story.end(ACME, "beta");
    story.assert_kept();
}

#[test]
fn a_switch_to_a_copy_that_is_not_ready_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.tell_unready(ACME, "beta");
    story.pass(1);
    story.point(ACME, "beta");
    assert_eq!(story.broken(), ["PointerToUnready"]);
}

#[test]
fn a_switch_to_a_copy_that_is_ready_for_its_former_generation_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.edit(AGENT, &ACME.copy("beta"), |copy| copy["metadata"]["generation"] = json!(2));
    story.pass(1);
    story.point(ACME, "beta");
    assert_eq!(story.broken(), ["PointerToUnready"]);
}

#[test]
fn a_switch_that_crossed_the_loss_of_readiness_is_kept() {
    let mut story =
        Story::of(crate::simulation::oracle::Setting { lag: Duration::from_secs(1), ..setting() });
    story.serve(ACME);
    story.begin_move(ACME);
    story.tell_unready(ACME, "beta");
    story.point(ACME, "beta");
    story.assert_kept();
}

#[test]
fn a_switch_to_a_copy_that_is_not_there_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.remove(AGENT, &ACME.copy("beta"));
    story.point(ACME, "beta");
    assert_eq!(story.broken(), ["PointerToUnready"]);
}

#[test]
fn a_pointer_that_is_taken_away_from_what_serves_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(BROKER, &ACME.record(), |record| record["spec"]["pointer"] = json!(null));
    assert_eq!(story.broken(), ["PointerToUnready"]);
}

#[test]
fn another_offer_may_be_tried_while_nothing_was_handed_out() {
    let mut story = Story::new();
    story.order(ACME);
    story.assign(ACME, "alpha");
    story.hold(ACME);
    story.make_copy(ACME, "alpha");
    story.point(ACME, "alpha");
    story.name(ACME, &["alpha", "beta"]);
    story.make_copy(ACME, "beta");
    story.point(ACME, "beta");
    story.remove(BROKER, &ACME.copy("alpha"));
    story.name(ACME, &["beta"]);
    story.assert_kept();
}

#[test]
fn a_copy_that_its_provider_deleted_may_be_made_again() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(AGENT, &ACME.copy("alpha"));
    let mut named = ACME.named("alpha");
    (named["name"], named["uid"]) = (json!("c-again"), json!("again"));
    story.edit(BROKER, &ACME.record(), |record| {
        record["spec"]["copies"] = json!([named]);
        record["spec"]["pointer"] = named;
    });
    let mut key = ACME.copy("alpha");
    key.name = "c-again".to_owned();
    let mut object = story.copy_object(ACME, "alpha");
    (object["metadata"]["name"], object["metadata"]["uid"]) = (json!("c-again"), json!("again"));
    story.create(BROKER, &key, object);
    story.edit(BROKER, &ACME.order(), |order| {
        order["status"] = json!({"conditions": [order["status"]["conditions"][1]]});
    });
    story.assert_kept();
}

#[test]
fn what_holds_data_does_not_move_without_a_playbook() {
    let mut setting = setting();
    setting.apis[0].moves = Moves::PlaybookOnly;
    let mut story = Story::of(setting.clone());
    story.serve(ACME);
    story.begin_move(ACME);
    story.switch(ACME);
    assert_eq!(story.broken(), ["MovedWithoutPlaybook"]);

    let mut story = Story::of(setting);
    story.serve(ACME);
    let playbook = crate::simulation::history::ObjectKey::new(
        "platform",
        "broker.platform-mesh.io",
        "migrationconfigurations",
        "",
        "certificates",
    );
    story.create(PERSON, &playbook, json!({"kind": "MigrationConfiguration"}));
    story.begin_move(ACME);
    story.switch(ACME);
    story.end_move(ACME);
    story.assert_kept();
}

#[test]
fn what_held_data_is_not_made_again() {
    let mut setting = setting();
    setting.apis[0].moves = Moves::PlaybookOnly;
    let mut story = Story::of(setting);
    story.serve(ACME);
    story.remove(AGENT, &ACME.copy("alpha"));
    story.make_copy(ACME, "alpha");
    assert_eq!(story.broken(), ["MovedWithoutPlaybook"]);
}

#[test]
fn the_copy_that_serves_is_not_deleted() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["ServingCopyDeleted", "Downtime"]);
}

#[test]
fn the_old_copy_is_not_deleted_before_the_switch() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["ServingCopyDeleted", "Downtime"]);
}

#[test]
fn the_old_copy_is_not_deleted_before_the_consumer_holds_the_new_secret() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.point(ACME, "beta");
    story.show(ACME, "beta", 1);
    story.pass(GRACE);
    story.tell_move(ACME, "CutoverCompleted", true);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["StatusAheadOfObjects", "OldCopyDeletedBeforeHandOver", "Downtime"]);
}

#[test]
fn the_old_copy_is_not_deleted_before_the_consumer_sees_the_new_status() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.point(ACME, "beta");
    story.mirror(ACME, "beta");
    story.pass(GRACE);
    story.tell_move(ACME, "CutoverCompleted", true);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["OldCopyDeletedBeforeHandOver"]);
}

#[test]
fn the_old_copy_is_not_deleted_within_the_grace_period() {
    let mut story = switched();
    story.pass(GRACE - 10);
    story.tell_move(ACME, "CutoverCompleted", true);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["OldCopyDeletedInGracePeriod"]);
}

#[test]
fn the_platforms_word_on_the_grace_period_counts() {
    let mut story = Story::new();
    let api = crate::simulation::history::ObjectKey::new(
        "platform",
        "broker.platform-mesh.io",
        "brokeredapis",
        "",
        "certificates.example.com",
    );
    story.create(PERSON, &api, json!({"spec": {"moves": "Free", "gracePeriod": "1h"}}));
    story.serve(ACME);
    story.begin_move(ACME);
    story.switch(ACME);
    story.end_move(ACME);
    assert_eq!(story.broken(), ["OldCopyDeletedInGracePeriod"]);
}

#[test]
fn the_old_copy_is_not_deleted_when_the_new_one_lost_its_readiness() {
    let mut story = switched();
    story.tell_unready(ACME, "beta");
    story.pass(GRACE);
    story.tell_move(ACME, "CutoverCompleted", true);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["OldCopyDeletedWithoutReplacement"]);
}

#[test]
fn the_old_copy_is_not_deleted_before_that_is_recorded() {
    let mut story = switched();
    story.pass(GRACE);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["NoReturnNotRecorded"]);
}

#[test]
fn a_target_that_was_called_back_goes_without_a_grace_period() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    let mut target = ACME.named("beta");
    target["migration"] = json!(ACME.migration().name);
    story.edit(BROKER, &ACME.record(), |record| record["spec"]["copies"][1] = target);
    story.switch(ACME);
    story.tell_unready(ACME, "beta");
    story.show(ACME, "beta", 1);
    story.point(ACME, "alpha");
    story.mirror(ACME, "alpha");
    story.show(ACME, "alpha", 1);
    story.tell_move(ACME, "RolledBack", false);
    story.remove(BROKER, &ACME.copy("beta"));
    story.name(ACME, &["alpha"]);
    story.assert_kept();
    assert_eq!(story.at_rest(ACME, Some("alpha")), []);
}

#[test]
fn a_target_that_is_called_back_goes_only_after_the_consumer_is_handed_the_old_one_again() {
    let mut story = switched();
    story.point(ACME, "alpha");
    story.remove(BROKER, &ACME.copy("beta"));
    assert_eq!(story.broken(), ["OldCopyDeletedBeforeHandOver", "Downtime"]);
}

#[test]
fn a_target_that_was_never_switched_to_may_go() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.remove(BROKER, &ACME.copy("beta"));
    story.name(ACME, &["alpha"]);
    story.tell_move(ACME, "Cancelled", false);
    story.assert_kept();
    assert_eq!(story.at_rest(ACME, Some("alpha")), []);
}

#[test]
fn a_leftover_goes_without_a_move() {
    let mut story = switched();
    story.edit(BROKER, &ACME.record(), |record| {
        record["spec"]["copies"] = json!([ACME.named("beta")]);
        record["spec"]["leftovers"] = json!([ACME.named("alpha")]);
    });
    story.tell_move(ACME, "Completed", false);
    story.pass(GRACE);
    story.remove(BROKER, &ACME.copy("alpha"));
    story.assert_kept();
}

#[test]
fn a_switch_that_no_migration_records_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.remove(PERSON, &ACME.migration());
    story.point(ACME, "beta");
    assert_eq!(story.broken(), ["MovedWithoutMigration"]);
}
