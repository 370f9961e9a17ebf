use serde_json::json;

use super::story::{ACME, AGENT, BROKER, GLOBEX, PERSON, Story};

#[test]
fn a_placement_in_good_order_breaks_nothing() {
    let mut story = Story::new();
    story.serve(ACME);
    story.serve(GLOBEX);
    story.assert_kept();
    assert_eq!(story.at_rest(ACME, Some("alpha")), []);
    assert_eq!(story.at_rest(GLOBEX, Some("alpha")), []);
}

#[test]
fn a_copy_before_its_assignment_is_broken() {
    let mut story = Story::new();
    story.order(ACME);
    story.hold(ACME);
    story.make_copy(ACME, "alpha");
    assert_eq!(story.broken(), ["CopyNotNamed"]);
}

#[test]
fn what_no_assignment_names_is_not_brokered() {
    let mut story = Story::new();
    story.order(ACME);
    let object = story.copy_object(ACME, "alpha");
    story.create(AGENT, &ACME.copy("alpha"), object);
    story.edit(BROKER, &ACME.copy("alpha"), |copy| copy["spec"]["fqdn"] = json!("acme.example.com"));
    assert_eq!(story.broken(), ["CopyNotNamed"]);
}

#[test]
fn an_orphan_with_our_marker_may_be_removed_and_others_may_not() {
    let mut story = Story::new();
    story.order(ACME);
    let mut object = story.copy_object(ACME, "alpha");
    story.create(AGENT, &ACME.copy("alpha"), object.clone());
    story.remove(BROKER, &ACME.copy("alpha"));
    story.assert_kept();
    object["metadata"]["labels"] = json!({});
    story.create(AGENT, &ACME.copy("alpha"), object);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["ForeignObjectTouched"]);
}

#[test]
fn a_copy_before_the_finalizer_is_broken() {
    let mut story = Story::new();
    story.order(ACME);
    story.assign(ACME, "alpha");
    story.make_copy(ACME, "alpha");
    assert_eq!(story.broken(), ["FinalizerMissing"]);
}

#[test]
fn a_copy_for_an_order_that_never_was_is_broken() {
    let mut story = Story::new();
    story.order(ACME);
    story.assign(ACME, "alpha");
    story.edit(BROKER, &ACME.record(), |record| record["spec"]["order"]["uid"] = json!("nobody"));
    story.make_copy(ACME, "alpha");
    assert_eq!(story.broken(), ["FinalizerMissing"]);
}

#[test]
fn a_copy_made_by_a_patch_is_broken() {
    let mut story = Story::new();
    story.order(ACME);
    story.assign(ACME, "alpha");
    story.hold(ACME);
    let object = story.copy_object(ACME, "alpha");
    story.create_by_patch(BROKER, &ACME.copy("alpha"), object);
    assert_eq!(story.broken(), ["CopyMadeByPatch"]);
}

#[test]
fn a_second_copy_without_a_move_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.name(ACME, &["beta"]);
    // The first one is no longer named, which is bad enough.
    assert_eq!(story.broken(), ["CopyForgotten"]);
    story.make_copy(ACME, "beta");
    assert_eq!(story.broken(), ["TwoCopies"]);
}

#[test]
fn a_second_copy_beside_a_leftover_is_kept() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(BROKER, &ACME.record(), |record| {
        record["spec"]["copies"] = json!([ACME.named("beta")]);
        record["spec"]["leftovers"] = json!([ACME.named("alpha")]);
    });
    story.make_copy(ACME, "beta");
    story.assert_kept();
}

#[test]
fn two_copies_for_one_offer_are_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    let mut named = ACME.named("alpha");
    (named["name"], named["uid"]) = (json!("c-again"), json!("again"));
    story.edit(BROKER, &ACME.record(), |record| record["spec"]["copies"].as_array_mut().unwrap().push(named));
    let mut object = story.copy_object(ACME, "alpha");
    (object["metadata"]["name"], object["metadata"]["uid"]) = (json!("c-again"), json!("again"));
    let mut key = ACME.copy("alpha");
    key.name = "c-again".to_owned();
    story.create(BROKER, &key, object);
    assert_eq!(story.broken(), ["CopyMadeTwice"]);
}

#[test]
fn a_copy_that_asks_for_what_another_order_asks_for_is_broken() {
    let mut story = Story::new();
    story.serve(GLOBEX);
    story.order(ACME);
    story.assign(ACME, "alpha");
    story.hold(ACME);
    let mut object = story.copy_object(ACME, "alpha");
    object["spec"] = story.get(&GLOBEX.order())["spec"].clone();
    story.create(BROKER, &ACME.copy("alpha"), object);
    assert_eq!(story.broken(), ["CopyOfAnother"]);
}

#[test]
fn a_copy_may_lag_behind_its_order_and_hold_what_its_provider_adds() {
    let mut story = Story::new();
    story.serve(ACME);
    let fqdn = |generation: i64, fqdn: &'static str| {
        move |object: &mut serde_json::Value| {
            object["metadata"]["generation"] = json!(generation);
            object["spec"]["fqdn"] = json!(fqdn);
        }
    };
    story.edit(PERSON, &ACME.order(), fqdn(2, "two.example.com"));
    story.edit(PERSON, &ACME.order(), fqdn(3, "three.example.com"));
    story.edit(AGENT, &ACME.copy("alpha"), |copy| copy["spec"]["node"] = json!(7));
    story.edit(BROKER, &ACME.copy("alpha"), fqdn(3, "two.example.com"));
    story.assert_kept();
    story.edit(BROKER, &ACME.copy("alpha"), fqdn(4, "four.example.com"));
    assert_eq!(story.broken(), ["CopyOfAnother"]);
}

#[test]
fn a_second_assignment_for_an_order_is_broken() {
    let mut story = Story::new();
    story.order(ACME);
    story.assign(ACME, "alpha");
    let mut second = story.get(&ACME.record()).clone();
    second["metadata"]["name"] = json!("a-9");
    second["spec"]["copies"] = json!([]);
    let mut key = ACME.record();
    key.name = "a-9".to_owned();
    story.create(BROKER, &key, second);
    assert_eq!(story.broken(), ["TwoAssignments"]);
}

#[test]
fn a_copy_that_two_orders_name_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.order(GLOBEX);
    story.assign(GLOBEX, "alpha");
    story.edit(BROKER, &GLOBEX.record(), |record| record["spec"]["copies"] = json!([ACME.named("alpha")]));
    assert_eq!(story.broken(), ["CopyShared"]);
}

#[test]
fn an_assignment_that_forgets_a_copy_is_broken_unless_that_is_gone() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(AGENT, &ACME.copy("alpha"));
    story.name(ACME, &[]);
    story.edit(BROKER, &ACME.record(), |record| record["spec"]["pointer"] = json!(null));
    story.assert_kept();

    let mut story = Story::new();
    story.serve(ACME);
    story.mark_deleted(PERSON, &ACME.order());
    story.remove(BROKER, &ACME.record());
    assert_eq!(story.broken(), ["CopyForgotten"]);
}

#[test]
fn an_order_whose_assignment_was_lost_is_not_placed_again() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(PERSON, &ACME.record());
    story.assert_kept();
    story.assign(ACME, "beta");
    assert_eq!(story.broken(), ["PlacedAgain"]);
}

#[test]
fn what_a_person_recovers_is_kept() {
    let mut story = Story::new();
    story.serve(ACME);
    let record = story.get(&ACME.record()).clone();
    story.remove(PERSON, &ACME.record());
    story.create(Some("recover"), &ACME.record(), record);
    story.end(ACME, "alpha");
    story.assert_kept();
}

#[test]
fn nothing_is_written_for_a_paused_order() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(PERSON, &ACME.order(), |order| {
        order["metadata"]["annotations"] = json!({"broker.platform-mesh.io/paused": "true"});
    });
    story.edit(BROKER, &ACME.copy("alpha"), |copy| copy["metadata"]["annotations"] = json!({"a": "b"}));
    assert_eq!(story.broken(), ["PausedOrderTouched"]);
}
