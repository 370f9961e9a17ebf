use serde_json::json;

use super::story::{ACME, AGENT, BROKER, GLOBEX, PERSON, Story, ready, setting};
use crate::simulation::history::{Event, ObjectKey};
use crate::simulation::oracle::{ConsumerEye, Providers};

#[test]
fn a_secret_of_another_order_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.serve(GLOBEX);
    let stolen = story.get(&GLOBEX.provided("alpha"))["data"].clone();
    story.edit(BROKER, &ACME.secret(), |secret| secret["data"] = stolen);
    // What the other one provides works, so the consumer itself notices nothing.
    assert_eq!(story.broken(), ["MirrorOfAnother"]);
}

#[test]
fn a_secret_that_nobody_provides_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(BROKER, &ACME.secret(), |secret| secret["data"] = json!({"password": "aW52ZW50ZWQ="}));
    assert_eq!(story.broken(), ["MirrorOfAnother", "Downtime"]);
}

#[test]
fn a_secret_of_a_copy_that_the_order_is_not_switched_to_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.mirror(ACME, "beta");
    assert_eq!(story.broken(), ["MirrorOfAnother"]);
}

#[test]
fn a_secret_that_another_copy_owns_is_never_handed_over() {
    let mut story = Story::new();
    story.serve(ACME);
    story.serve(GLOBEX);
    let theirs = GLOBEX.provided("alpha").name;
    story.edit(AGENT, &ACME.copy("alpha"), |copy| {
        copy["status"]["relatedResources"]["secret"]["name"] = json!(theirs);
    });
    let stolen = story.get(&GLOBEX.provided("alpha"))["data"].clone();
    story.edit(BROKER, &ACME.secret(), |secret| secret["data"] = stolen);
    assert_eq!(story.broken(), ["MirrorOfAnother"]);
}

#[test]
fn a_secret_may_lag_behind_what_its_provider_makes_anew() {
    let mut story = Story::new();
    story.serve(ACME);
    let former = story.get(&ACME.secret())["data"].clone();
    story.edit(AGENT, &ACME.provided("alpha"), |secret| {
        secret["data"] = json!({"password": "c2Vjb25kIG9uZQ=="});
    });
    story.edit(PERSON, &ACME.secret(), |secret| secret["data"] = json!({"password": "bWluZQ=="}));
    story.edit(BROKER, &ACME.secret(), |secret| secret["data"] = former);
    story.assert_kept();
    assert_eq!(story.at_rest(ACME, Some("alpha"))[0].invariant, "NotServed");
}

#[test]
fn a_secret_of_the_consumers_own_is_not_overwritten() {
    let mut story = Story::new();
    story.create(PERSON, &ACME.secret(), json!({"kind": "Secret", "data": {"mine": "bWluZQ=="}}));
    story.order(ACME);
    story.assign(ACME, "alpha");
    story.hold(ACME);
    story.make_copy(ACME, "alpha");
    story.name(ACME, &["alpha"]);
    story.provide(ACME, "alpha");
    story.point(ACME, "alpha");
    story.assert_kept();
    story.mirror(ACME, "alpha");
    assert_eq!(story.broken(), ["ForeignObjectTouched"]);
    story.remove(BROKER, &ACME.secret());
    assert_eq!(story.broken(), ["ForeignObjectTouched"]);
}

#[test]
fn a_secret_of_another_order_is_not_overwritten() {
    let mut story = Story::new();
    story.serve(ACME);
    story.serve(GLOBEX);
    story.edit(PERSON, &ACME.secret(), |secret| {
        secret["metadata"]["labels"]["broker.platform-mesh.io/order"] = json!(GLOBEX.record);
    });
    story.edit(BROKER, &ACME.secret(), |secret| {
        secret["metadata"]["labels"]["broker.platform-mesh.io/order"] = json!(ACME.record);
    });
    assert_eq!(story.broken(), ["ForeignObjectTouched"]);
}

#[test]
fn the_status_of_the_copy_that_is_not_switched_to_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.show(ACME, "beta", 1);
    assert_eq!(story.broken(), ["StatusOfAnother"]);
}

#[test]
fn the_status_of_another_consumers_copy_is_broken() {
    let mut story = Story::new();
    story.serve(ACME);
    story.serve(GLOBEX);
    story.edit(AGENT, &GLOBEX.copy("alpha"), |copy| copy["status"]["serial"] = json!("globex 7"));
    story.edit(BROKER, &ACME.order(), |order| order["status"]["serial"] = json!("globex 7"));
    assert_eq!(story.broken(), ["StatusOfAnother"]);
}

#[test]
fn the_progress_of_the_first_copy_is_shown() {
    let mut story = Story::new();
    story.order(ACME);
    story.assign(ACME, "alpha");
    story.hold(ACME);
    story.make_copy(ACME, "alpha");
    story.edit(AGENT, &ACME.copy("alpha"), |copy| copy["status"] = json!({"phase": "Making"}));
    story.edit(BROKER, &ACME.order(), |order| {
        order["status"] = json!({"phase": "Making", "observedGeneration": 1});
    });
    story.assert_kept();
}

#[test]
fn an_order_is_not_ready_for_a_spec_that_no_copy_has() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(PERSON, &ACME.order(), |order| {
        (order["metadata"]["generation"], order["spec"]["fqdn"]) = (json!(2), json!("two.example.com"));
    });
    story.show(ACME, "alpha", 1);
    story.assert_kept();
    story.show(ACME, "alpha", 2);
    assert_eq!(story.broken(), ["ReadyTooEarly"]);
}

#[test]
fn an_order_is_ready_again_when_its_copy_has_the_new_spec_and_is_ready_for_it() {
    let mut story = Story::new();
    story.serve(ACME);
    let second = |object: &mut serde_json::Value| {
        (object["metadata"]["generation"], object["spec"]["fqdn"]) = (json!(2), json!("two.example.com"));
    };
    story.edit(PERSON, &ACME.order(), second);
    story.edit(BROKER, &ACME.copy("alpha"), second);
    // Its provider has not seen it yet.
    story.show(ACME, "alpha", 2);
    assert_eq!(story.broken(), ["ReadyTooEarly"]);
    story.tell_ready(ACME, "alpha");
    story.show(ACME, "alpha", 2);
    story.assert_kept();
}

#[test]
fn an_order_stays_ready_while_what_serves_it_is() {
    let mut story = Story::new();
    story.serve(ACME);
    story.pass(1);
    story.edit(BROKER, &ACME.order(), |order| order["status"]["conditions"][0]["status"] = json!("False"));
    assert_eq!(story.broken(), ["StatusOfAnother", "ReadyRegressed"]);
}

#[test]
fn an_order_is_no_longer_ready_when_what_serves_it_is_not() {
    let mut story = Story::new();
    story.serve(ACME);
    story.tell_unready(ACME, "alpha");
    story.show(ACME, "alpha", 1);
    story.assert_kept();
}

#[test]
fn the_status_of_a_served_order_is_not_taken_away() {
    let mut story = Story::new();
    story.serve(ACME);
    story.pass(1);
    story.edit(BROKER, &ACME.order(), |order| order["status"] = json!({}));
    assert_eq!(story.broken(), ["StatusOfAnother", "ReadyRegressed", "Downtime"]);
}

#[test]
fn the_spec_of_an_order_is_not_the_brokers() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(BROKER, &ACME.order(), |order| order["spec"]["fqdn"] = json!("other.example.com"));
    assert_eq!(story.broken(), ["OrderChanged"]);
    story.mark_deleted(BROKER, &ACME.order());
    assert_eq!(story.broken(), ["OrderChanged"]);
}

#[test]
fn spec_and_status_are_not_written_at_once() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(BROKER, &ACME.record(), |record| {
        record["spec"]["serial"] = json!(2);
        record["status"]["phase"] = json!("Bound");
    });
    assert_eq!(story.broken(), ["SpecAndStatusAtOnce"]);
    story.edit(PERSON, &ACME.order(), |order| {
        order["metadata"]["labels"] = json!({"a": "b"});
        order["status"]["conditions"] = json!([ready(1)]);
    });
    story.assert_kept();
}

#[test]
fn the_broker_writes_nothing_else() {
    let mut story = Story::new();
    let elsewhere = ObjectKey::new("acme", "", "namespaces", "", "broker");
    story.create(BROKER, &elsewhere, json!({"kind": "Namespace"}));
    assert_eq!(story.broken(), ["Trespass"]);
    let offer = ObjectKey::new("alpha", "broker.platform-mesh.io", "acceptapis", "default", "offer");
    story.create(AGENT, &offer, json!({"kind": "AcceptAPI", "spec": {}}));
    story.edit(BROKER, &offer, |offer| offer["status"] = json!({"assignedOrders": 1}));
    story.assert_kept();
    story.edit(BROKER, &offer, |offer| offer["spec"]["weight"] = json!(1));
    assert_eq!(story.broken(), ["Trespass"]);
}

#[test]
fn a_secret_that_is_gone_or_empty_after_it_was_served_is_downtime() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(BROKER, &ACME.secret(), |secret| secret["data"] = json!({}));
    assert_eq!(story.broken(), ["Downtime"]);
    story.mirror(ACME, "alpha");
    story.assert_kept();
    story.remove(BROKER, &ACME.secret());
    assert_eq!(story.broken(), ["Downtime"]);
}

#[test]
fn a_consumer_that_deletes_its_own_secret_has_only_itself_to_blame() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(PERSON, &ACME.secret());
    story.show(ACME, "alpha", 1);
    story.mirror(ACME, "alpha");
    story.assert_kept();
    story.remove(BROKER, &ACME.secret());
    assert_eq!(story.broken(), ["Downtime"]);
}

#[test]
fn an_order_made_again_under_the_same_name_was_not_served_yet() {
    let mut story = Story::new();
    story.serve(ACME);
    story.end(ACME, "alpha");
    story.order(ACME);
    story.edit(PERSON, &ACME.order(), |order| order["metadata"]["uid"] = json!("second"));
    story.assert_kept();
}

#[test]
fn a_status_is_not_ahead_of_the_objects_it_names() {
    let mut story = Story::new();
    story.order(ACME);
    story.assign(ACME, "alpha");
    story.hold(ACME);
    story.make_copy(ACME, "alpha");
    story.name(ACME, &["alpha"]);
    story.provide(ACME, "alpha");
    story.point(ACME, "alpha");
    story.show(ACME, "alpha", 1);
    assert_eq!(story.broken(), ["StatusAheadOfObjects"]);

    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.point(ACME, "beta");
    story.show(ACME, "beta", 1);
    assert_eq!(story.broken(), ["StatusAheadOfObjects"]);
}

#[test]
fn a_status_may_be_ahead_of_what_the_same_provider_makes_anew() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(AGENT, &ACME.provided("alpha"), |secret| {
        secret["data"] = json!({"password": "c2Vjb25kIG9uZQ=="});
    });
    story.edit(AGENT, &ACME.copy("alpha"), |copy| copy["status"]["serial"] = json!(2));
    story.show(ACME, "alpha", 1);
    story.assert_kept();
}

#[test]
fn a_status_that_still_names_what_the_consumer_deleted_is_no_fault() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(PERSON, &ACME.secret());
    story.edit(AGENT, &ACME.copy("alpha"), |copy| copy["status"]["serial"] = json!(2));
    story.show(ACME, "alpha", 1);
    story.assert_kept();
}

#[test]
fn a_provider_that_takes_back_what_it_handed_over_is_no_fault_of_the_brokers() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(AGENT, &ACME.provided("alpha"));
    story.edit(BROKER, &ACME.order(), |order| order["status"]["relatedResources"] = json!({}));
    story.assert_kept();
    story.begin_move(ACME);
    story.switch(ACME);
    story.end_move(ACME);
    story.assert_kept();
}

/// Everybody hands over, and only this still works.
struct OnlyThis(serde_json::Value);

impl Providers for OnlyThis {
    fn works(&self, object: &serde_json::Value) -> bool {
        object["data"] == self.0
    }

    fn hands_over(&self, _: &str) -> bool {
        true
    }
}

#[test]
fn a_consumers_eye_needs_nothing_but_its_own_objects_and_a_word_on_what_works() {
    let mut story = Story::new();
    story.serve(ACME);
    let providers = OnlyThis(story.get(&ACME.secret())["data"].clone());
    story.edit(BROKER, &ACME.secret(), |secret| secret["data"] = json!({"password": "b3RoZXI="}));
    let mut eye = ConsumerEye::new("acme", &setting().apis);
    let mut found = Vec::new();
    for entry in &story.history {
        if let Event::Wrote(write) = &entry.event {
            let broker = write.by.as_deref() == BROKER;
            found.extend(eye.observe(entry.at, write, broker, &providers).into_iter().map(|b| b.to_string()));
        }
    }
    assert_eq!(
        found,
        [
            "Downtime at 11ms: certificates acme/shop/shop-cert was served, and now secrets acme/shop/shop-cert-secret holds what works no more"
        ]
    );
}

#[test]
fn a_copy_that_a_bad_restore_left_unnamed_serves_all_the_same() {
    let mut story = Story::new();
    story.order(ACME);
    let object = story.copy_object(ACME, "alpha");
    // Everything was restored by somebody else, and the Assignment not at all.
    story.create(PERSON, &ACME.copy("alpha"), object);
    story.provide(ACME, "alpha");
    let mut mirror = story.get(&ACME.provided("alpha")).clone();
    mirror["metadata"] = json!({});
    story.create(PERSON, &ACME.secret(), mirror);
    story.edit(PERSON, &ACME.order(), |order| {
        order["status"] = json!({
            "conditions": [ready(1)],
            "relatedResources": {"secret": {"name": "shop-cert-secret", "gvk": {"version": "v1", "kind": "Secret"}}},
        });
    });
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["Downtime"]);
}

#[test]
fn an_order_is_not_ready_for_an_earlier_generation_that_no_copy_had() {
    let mut story = Story::new();
    story.serve(ACME);
    for generation in [2, 3] {
        story.edit(PERSON, &ACME.order(), |order| {
            order["metadata"]["generation"] = json!(generation);
            order["spec"]["fqdn"] = json!(format!("{generation}.example.com"));
        });
    }
    story.show(ACME, "alpha", 1);
    story.assert_kept();
    story.show(ACME, "alpha", 2);
    assert_eq!(story.broken(), ["GenerationMistranslated"]);
}
