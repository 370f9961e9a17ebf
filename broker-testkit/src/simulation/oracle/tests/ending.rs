use serde_json::json;

use super::story::{ACME, AGENT, BROKER, PERSON, Story};
use crate::simulation::history::ObjectKey;

#[test]
fn an_end_in_good_order_breaks_nothing() {
    let mut story = Story::new();
    story.serve(ACME);
    story.end(ACME, "alpha");
    story.assert_kept();
    assert_eq!(story.oracle.at_rest(&[]), []);
}

#[test]
fn an_order_deleted_in_the_middle_of_a_move_takes_both_copies_along() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.point(ACME, "beta");
    story.mark_deleted(PERSON, &ACME.order());
    story.remove(BROKER, &ACME.copy("alpha"));
    story.remove(BROKER, &ACME.copy("beta"));
    story.remove(BROKER, &ACME.secret());
    story.remove(BROKER, &ACME.migration());
    story.remove(BROKER, &ACME.record());
    story.remove(BROKER, &ACME.order());
    story.assert_kept();
    assert_eq!(story.oracle.at_rest(&[]), []);
}

#[test]
fn an_order_is_not_let_go_while_its_copy_is_there() {
    let mut story = Story::new();
    story.serve(ACME);
    story.mark_deleted(PERSON, &ACME.order());
    story.mark_deleted(BROKER, &ACME.copy("alpha"));
    story.remove(BROKER, &ACME.secret());
    // The provider still holds the copy.
    story.remove(BROKER, &ACME.order());
    assert_eq!(story.broken(), ["FinalizerRemovedTooEarly"]);
}

#[test]
fn an_order_is_not_let_go_while_its_secret_is_there() {
    let mut story = Story::new();
    story.serve(ACME);
    story.mark_deleted(PERSON, &ACME.order());
    story.remove(BROKER, &ACME.copy("alpha"));
    story.edit(BROKER, &ACME.order(), |order| order["metadata"]["finalizers"] = json!(["somebody/else"]));
    assert_eq!(story.broken(), ["FinalizerRemovedTooEarly"]);
}

#[test]
fn an_order_is_let_go_when_its_provider_has_left() {
    let mut story = Story::new();
    let binding = ObjectKey::new("alpha", "apis.kcp.io", "apibindings", "", "certificates.example.com");
    story.create(
        PERSON,
        &binding,
        json!({"spec": {"reference": {"export": {"name": "certificates.example.com"}}}}),
    );
    story.serve(ACME);
    story.remove(PERSON, &binding);
    story.mark_deleted(PERSON, &ACME.order());
    story.remove(BROKER, &ACME.secret());
    story.remove(BROKER, &ACME.record());
    story.remove(BROKER, &ACME.order());
    story.assert_kept();
    assert_eq!(story.oracle.at_rest(&[]), []);
}

#[test]
fn orders_of_a_consumer_that_leaves_are_let_go_at_once() {
    let mut story = Story::new();
    story.serve(ACME);
    let workspace = ObjectKey::new("acme", "core.kcp.io", "logicalclusters", "", "cluster");
    story.create(PERSON, &workspace, json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    story.mark_deleted(None, &ACME.order());
    story.remove(BROKER, &ACME.order());
    story.remove(BROKER, &ACME.copy("alpha"));
    story.remove(BROKER, &ACME.record());
    story.assert_kept();
}

#[test]
fn a_retained_copy_is_not_deleted_with_its_order() {
    let retained = |story: &mut Story| {
        story.serve(ACME);
        story.edit(PERSON, &ACME.order(), |order| {
            order["metadata"]["annotations"] = json!({"broker.platform-mesh.io/deletion-policy": "Retain"});
        });
        story.mark_deleted(PERSON, &ACME.order());
    };
    let mut story = Story::new();
    retained(&mut story);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["RetainedCopyDeleted"]);

    let mut story = Story::new();
    retained(&mut story);
    story.edit(BROKER, &ACME.copy("alpha"), |copy| {
        copy["metadata"]["annotations"] = json!({"broker.platform-mesh.io/retained": "true"});
    });
    story.remove(BROKER, &ACME.secret());
    story.remove(BROKER, &ACME.record());
    story.remove(BROKER, &ACME.order());
    story.assert_kept();
    assert_eq!(story.oracle.at_rest(&[]), []);
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["RetainedCopyDeleted"]);
}

#[test]
fn an_order_whose_assignment_was_lost_may_be_let_go() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(PERSON, &ACME.record());
    story.mark_deleted(PERSON, &ACME.order());
    story.remove(BROKER, &ACME.order());
    story.assert_kept();
    assert_eq!(story.oracle.at_rest(&[])[0].invariant, "LeftBehind");
}

#[test]
fn the_copy_of_an_order_whose_assignment_was_lost_is_not_removed_as_an_orphan() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(PERSON, &ACME.record());
    assert_eq!(story.oracle.at_rest(&[]), [], "it waits for a person");
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(story.broken(), ["ServingCopyDeleted", "Downtime"]);
}

#[test]
fn a_copy_lost_to_its_provider_is_nobody_elses_fault() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(AGENT, &ACME.copy("alpha"));
    story.remove(None, &ACME.provided("alpha"));
    story.assert_kept();
}
