use serde_json::json;

use super::story::{ACME, AGENT, BROKER, PERSON, Story, setting};
use crate::simulation::history::{Entry, History, ObjectKey};
use crate::simulation::oracle::{Broken, Expected, Oracle, wrote_at_rest};

fn ids(found: &[Broken]) -> Vec<&'static str> {
    found.iter().map(|broken| broken.invariant).collect()
}

#[test]
fn an_order_served_by_another_than_expected_is_not_served() {
    let mut story = Story::new();
    story.serve(ACME);
    let found = story.at_rest(ACME, Some("beta"));
    assert_eq!(ids(&found), ["NotServed"]);
    assert!(found[0].what.contains("alpha"), "{}", found[0]);
    assert_eq!(ids(&story.at_rest(ACME, None)), ["LeftBehind"]);
}

#[test]
fn an_order_that_nobody_serves_is_as_expected() {
    let mut story = Story::new();
    story.order(ACME);
    assert_eq!(story.at_rest(ACME, None), []);
    assert_eq!(ids(&story.at_rest(ACME, Some("alpha"))), ["NotServed"]);
}

/// What is told, and what makes it so.
type Way = (&'static str, fn(&mut Story));

#[test]
fn every_way_of_not_being_served_is_told() {
    let ways: [Way; 6] = [
        ("not ready", |story| story.tell_unready(ACME, "alpha")),
        ("status", |story| {
            story.edit(AGENT, &ACME.copy("alpha"), |copy| copy["status"]["issuer"] = json!("x"));
        }),
        ("asks for", |story| {
            story.edit(AGENT, &ACME.copy("alpha"), |copy| copy["spec"]["fqdn"] = json!("x"));
        }),
        ("generation", |story| {
            story.edit(PERSON, &ACME.order(), |order| order["metadata"]["generation"] = json!(2));
        }),
        ("secret", |story| {
            story.edit(AGENT, &ACME.provided("alpha"), |secret| secret["data"] = json!({"a": "bmV3"}));
        }),
        ("Brokered", |story| {
            story.edit(BROKER, &ACME.order(), |order| {
                order["status"]["conditions"][1]["status"] = json!("False");
            });
        }),
    ];
    for (why, harm) in ways {
        let mut story = Story::new();
        story.serve(ACME);
        harm(&mut story);
        let found = story.at_rest(ACME, Some("alpha"));
        assert_eq!(ids(&found), ["NotServed"], "{why}");
        assert!(found[0].what.contains(why), "{why}: {}", found[0]);
    }
}

#[test]
fn what_is_left_of_a_move_is_told() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.switch(ACME);
    assert_eq!(ids(&story.at_rest(ACME, Some("beta"))), ["NotServed", "MoveUnfinished"]);
}

#[test]
fn what_is_left_of_an_order_is_told() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.mark_deleted(PERSON, &ACME.order());
    story.remove(PERSON, &ACME.order());
    let found = story.oracle.at_rest(&[]);
    let mut told: Vec<&str> = found.iter().map(|broken| broken.what.split(' ').next().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, ["Assignment", "Certificate", "Certificate", "Migration", "secrets"]);
    assert!(found.iter().all(|broken| broken.invariant == "LeftBehind"));
}

#[test]
fn a_finalizer_that_nothing_needs_is_told() {
    let mut story = Story::new();
    story.serve(ACME);
    story.mark_deleted(PERSON, &ACME.order());
    story.remove(BROKER, &ACME.secret());
    assert_eq!(story.oracle.at_rest(&[]), [], "its copy is still there");
    story.remove(BROKER, &ACME.copy("alpha"));
    assert_eq!(ids(&story.oracle.at_rest(&[])), ["FinalizerKept"]);
}

#[test]
fn at_rest_the_broker_renews_its_lease_and_nothing_else() {
    let mut story = Story::new();
    story.serve(ACME);
    let from = story.history.len();
    let lease = ObjectKey::new("platform", "coordination.k8s.io", "leases", "default", "resource-broker");
    story.create(BROKER, &lease, json!({}));
    story.edit(PERSON, &ACME.order(), |order| order["metadata"]["labels"] = json!({"a": "b"}));
    assert_eq!(wrote_at_rest(&setting(), &story.history, from), []);
    story.edit(BROKER, &ACME.record(), |record| record["status"]["phase"] = json!("Bound"));
    assert_eq!(ids(&wrote_at_rest(&setting(), &story.history, from)), ["WroteAtRest"]);
}

#[test]
fn a_history_is_judged_the_same_when_it_is_read_again() {
    let mut story = Story::new();
    story.serve(ACME);
    story.remove(BROKER, &ACME.copy("alpha"));
    let read = History::from_text(&story.history.to_text()).unwrap();
    assert_eq!(Oracle::judge(setting(), &read), story.found);
    assert_eq!(
        read.entries().last().map(|entry: &Entry| entry.at),
        story.found.last().map(|broken| broken.at)
    );
}

#[test]
fn every_promise_has_an_id_of_its_own() {
    let all = crate::simulation::oracle::invariant::ALL;
    let ids: std::collections::BTreeSet<&str> = all.iter().map(|invariant| invariant.id).collect();
    assert_eq!(ids.len(), all.len());
    assert!(
        all.iter()
            .all(|invariant| invariant.promise().ends_with('.') && !invariant.promise().starts_with(' ')),
        "{all:?}"
    );
}

#[test]
fn an_order_that_nobody_takes_any_more_keeps_what_it_has() {
    let mut story = Story::new();
    story.serve(ACME);
    story.edit(PERSON, &ACME.order(), |order| {
        (order["metadata"]["generation"], order["spec"]["fqdn"]) = (json!(2), json!("nobody.example.com"));
    });
    story.edit(BROKER, &ACME.order(), |order| order["status"]["conditions"][1]["status"] = json!("False"));
    story.assert_kept();
    assert_eq!(ids(&story.at_rest(ACME, Some("alpha"))), ["NotServed"]);
    assert_eq!(story.oracle.at_rest(&[Expected::kept(ACME.order(), "alpha")]), []);
    story.tell_unready(ACME, "alpha");
    assert_eq!(ids(&story.oracle.at_rest(&[Expected::kept(ACME.order(), "alpha")])), ["NotServed"]);
}
