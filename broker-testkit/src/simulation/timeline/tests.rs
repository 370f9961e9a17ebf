use serde_json::json;

use super::*;
use crate::simulation::history::{Call, Event, ObjectKey};
use crate::simulation::oracle::tests::story::{ACME, AGENT, BROKER, GLOBEX, Story, credential, setting};

fn text(lines: &[&str]) -> String {
    format!("{}\n", lines.join("\n"))
}

fn said(story: &mut Story, who: &str, what: &str) {
    story.push(Event::Said { who: who.to_owned(), what: what.to_owned() });
}

fn asked(verb: &str, status: Option<u16>, fault: Option<&str>) -> Event {
    Event::Called(Call {
        client: "broker".to_owned(),
        verb: verb.to_owned(),
        key: ACME.secret(),
        subresource: String::new(),
        status,
        fault: fault.map(str::to_owned),
    })
}

#[test]
fn a_placement_reads_like_a_story() {
    let mut story = Story::new();
    said(&mut story, "story", "acme orders a certificate");
    story.serve(ACME);
    let shown = Timeline::of(&story.history).judged(setting()).render();
    assert_eq!(
        shown,
        text(&[
            "     0.000  story   · acme orders a certificate",
            "     0.001  alice   + Certificate acme/shop/shop-cert (uid-acme): spec.fqdn: acme.example.com",
            "     0.002  broker  + Assignment platform/a-1 (): spec.copies[c-a-1]: alpha/default/c-a-1; spec.order: acme/shop/shop-cert (uid-acme)",
            "     0.003  broker  ~ Certificate acme/shop/shop-cert: metadata.finalizers: broker.platform-mesh.io/order",
            "     0.004  broker  + Certificate alpha/default/c-a-1 (a-1-alph): spec.fqdn: acme.example.com",
            "     0.005  broker  ~ Assignment platform/a-1: spec.copies[c-a-1]: alpha/default/c-a-1 → alpha/default/c-a-1 (a-1-alph)",
            "     0.006  agent   + Secret alpha/default/c-a-1-tls (): password",
            "     0.007  agent   ~ Certificate alpha/default/c-a-1: status.conditions[Ready]: True@1 (Issued); status.issuer: alpha; status.relatedResources.secret: Secret default/c-a-1-tls",
            "     0.008  broker  ~ Assignment platform/a-1: spec.pointer: alpha/default/c-a-1 (a-1-alph)",
            "     0.009  broker  + Secret acme/shop/shop-cert-secret (): password",
            "     0.010  broker  ~ Certificate acme/shop/shop-cert: status.conditions[Brokered]: True@1 (Bound); status.conditions[Ready]: True@1 (Issued); status.issuer: alpha; status.relatedResources.secret: Secret shop/shop-cert-secret",
        ])
    );
}

#[test]
fn faults_and_broken_promises_are_marked_where_they_happened() {
    let mut story = Story::new();
    story.serve(ACME);
    story.pass(2000);
    let from = Some(Duration::from_millis(story.now));
    story.push(Event::Harmed { client: "broker".to_owned(), what: "killed after write 9".to_owned() });
    story.remove(BROKER, &ACME.copy("alpha"));
    story.remove(None, &ACME.provided("alpha"));
    let filter = Filter { from, ..Filter::default() };
    let shown = Timeline::of(&story.history).judged(setting()).only(filter).render();
    assert_eq!(
        shown,
        text(&[
            "     2.010  broker    ! killed after write 9",
            "     2.011  broker    - Certificate alpha/default/c-a-1",
            "     2.011  BROKEN    ✗ ServingCopyDeleted: Certificate alpha/default/c-a-1 is deleted, and certificates acme/shop/shop-cert is served by it",
            "     2.011  BROKEN    ✗ Downtime: certificates acme/shop/shop-cert was served, and now secrets acme/shop/shop-cert-secret holds what works no more",
            "     2.012  (server)  - Secret alpha/default/c-a-1-tls",
        ])
    );
}

#[test]
fn a_decision_is_told_with_its_reason() {
    let mut story = Story::new();
    story.serve(ACME);
    let at = story.history.len();
    story.edit(BROKER, &ACME.record(), |record| {
        record["status"] = json!({
            "phase": "Bound",
            "decidedBy": "Priority",
            "decidedAt": "2026-01-01T00:00:00Z",
            "candidates": [
                {"offer": {"clusterName": "alpha", "name": "offer"}, "verdict": "Chosen", "score": "priority 5"},
                {"offer": {"clusterName": "beta", "name": "offer"}, "verdict": "Filter", "message": "spec.fqdn is `x`"},
            ],
        });
    });
    story.begin_move(ACME);
    story.edit(BROKER, &ACME.record(), |record| record["spec"]["pointer"] = ACME.named("beta"));
    let rest: History = story.history.iter().skip(at).cloned().collect();
    let shown = Timeline::of(&rest).render();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[0],
        "     0.011  broker  ~ Assignment platform/a-1: status.candidates[alpha/offer]: Chosen (priority 5); \
         status.candidates[beta/offer]: Filter (spec.fqdn is `x`); status.decidedBy: Priority; status.phase: Bound"
    );
    assert_eq!(
        lines.last().copied(),
        Some(
            "     0.017  broker  ~ Assignment platform/a-1: spec.pointer: alpha/default/c-a-1 (a-1-alph) → beta/default/c-a-1 (a-1-beta)"
        )
    );
}

#[test]
fn a_condition_that_changes_is_told_in_short() {
    let mut story = Story::new();
    story.serve(ACME);
    story.tell_unready(ACME, "alpha");
    let shown = Timeline::of(&story.history).render();
    assert_eq!(
        shown.lines().last(),
        Some(
            "     0.011  agent   ~ Certificate alpha/default/c-a-1: status.conditions[Ready]: True@1 (Issued) → False@1 (Issued)"
        )
    );
}

#[test]
fn what_secrets_hold_is_never_shown() {
    let mut story = Story::new();
    story.serve(ACME);
    story.begin_move(ACME);
    story.switch(ACME);
    story.edit(AGENT, &ACME.provided("beta"), |secret| {
        secret["stringData"] = json!({"password": "plain text"});
    });
    let shown = Timeline::of(&story.history).render();
    assert!(shown.contains("Secret acme/shop/shop-cert-secret: data[password] changed\n"), "{shown}");
    assert!(shown.contains("stringData[password] added\n"), "{shown}");
    let encoded = story.get(&ACME.secret())["data"]["password"].as_str().unwrap();
    for hidden in [encoded, &credential(ACME, "alpha"), &credential(ACME, "beta"), "plain text"] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
}

#[test]
fn what_happens_again_and_again_is_folded() {
    let mut story = Story::new();
    story.serve(ACME);
    let from = Some(Duration::from_millis(story.now + 1));
    let lease = ObjectKey::new("platform", "coordination.k8s.io", "leases", "default", "resource-broker");
    story.create(BROKER, &lease, json!({"kind": "Lease", "spec": {"renewTime": 0}}));
    for time in 1..=40 {
        story.pass(1999);
        story.edit(BROKER, &lease, |lease| lease["spec"]["renewTime"] = json!(time));
    }
    said(&mut story, "story", "the end");
    let shown = Timeline::of(&story.history).only(Filter { from, ..Filter::default() }).render();
    assert_eq!(
        shown,
        text(&[
            "     0.011  broker  + Lease platform/default/resource-broker (): spec.renewTime: 0",
            "     2.011  broker  ~ Lease platform/default/resource-broker: spec.renewTime: 0 → 1",
            "     4.011  broker  ~ Lease platform/default/resource-broker: spec.renewTime: 1 → 2",
            "    80.011  broker  ~ … 38 more of the same",
            "    80.011  story   · the end",
        ])
    );
}

#[test]
fn requests_are_shown_where_they_failed_or_were_hit_or_on_demand() {
    let mut story = Story::new();
    story.push(asked("create", Some(201), None));
    story.push(asked("get", Some(404), None));
    story.push(asked("update", Some(409), None));
    story.push(asked("patch", None, Some("connection cut after the commit")));
    assert_eq!(
        Timeline::of(&story.history).render(),
        text(&[
            "     0.000  broker  ? update secrets acme/shop/shop-cert-secret → 409",
            "     0.000  broker  ! patch secrets acme/shop/shop-cert-secret → no answer  [connection cut after the commit]",
        ])
    );
    let all = Timeline::of(&story.history).only(Filter { requests: true, ..Filter::default() }).render();
    assert_eq!(all.lines().count(), 4);
}

#[test]
fn one_order_is_shown_with_everything_that_belongs_to_it() {
    let mut story = Story::new();
    story.serve(ACME);
    story.serve(GLOBEX);
    story.begin_move(ACME);
    said(&mut story, "broker", "routing: something");
    let only = |order: &str| {
        let filter = Filter { order: Some(order.to_owned()), ..Filter::default() };
        Timeline::of(&story.history).only(filter).render()
    };
    let acme = only("acme/shop/shop-cert");
    assert!(!acme.contains("globex") && !acme.contains("c-a-2"), "{acme}");
    for part in [
        "Certificate alpha",
        "Secret alpha",
        "Secret acme",
        "Assignment",
        "Migration",
        "Secret beta",
        "routing",
    ] {
        assert!(acme.contains(part), "{part}: {acme}");
    }
    let both = only("shop-cert");
    assert!(both.contains("globex") && both.contains("acme"), "{both}");
    assert_eq!(only("op-cert").lines().count(), 1, "a name is no suffix of another");
}

#[test]
fn clusters_get_the_names_that_people_gave_them() {
    let mut story = Story::new();
    story.order(ACME);
    let names = BTreeMap::from([
        ("acme".to_owned(), "root:acme".to_owned()),
        ("alice".to_owned(), "Alice".to_owned()),
    ]);
    let shown = Timeline::of(&story.history).naming(names).render();
    assert!(shown.contains("Alice  + Certificate root:acme/shop/shop-cert"), "{shown}");
}

#[test]
fn hashes_are_cut_and_other_names_are_not() {
    assert_eq!(diff::brief("c-c99254fd15d2fbaba06bc5dc76c4b2d4-tls"), "c-c99254fd…-tls");
    assert_eq!(diff::brief("my-app-cert"), "my-app-cert");
    assert_eq!(diff::brief("deadbeef-café"), "deadbeef-café");
}

#[test]
fn what_is_wrong_in_the_end_comes_last() {
    let mut story = Story::new();
    story.serve(ACME);
    let ending = story.at_rest(ACME, Some("beta"));
    let shown = Timeline::of(&story.history).ending(&ending).render();
    assert!(shown.lines().last().unwrap().contains("✗ NotServed"), "{shown}");
}
