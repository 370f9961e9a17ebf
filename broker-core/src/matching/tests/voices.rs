//! What the platform and the consumer read.

use std::collections::BTreeSet;

use serde_json::json;

use super::verdicts::{anybody, api, ask, certificates, offered, order};
use crate::matching::*;
use crate::offer::Reachability;
use crate::selection::DecidedBy;

#[test]
fn the_explanation_ranks_the_nearest_and_counts_the_others() {
    let mut offers: Vec<Offered> = (0..12)
        .map(|n| {
            certificates(
                &format!("far-{n:02}"),
                json!([{"key": "fqdn", "suffix": ".nowhere"}, {"key": "nope"}]),
            )
        })
        .collect();
    offers.push(certificates("near", json!([{"key": "fqdn", "suffix": "x.corp.com"}])));
    offers.push(certificates("fits", json!([{"key": "fqdn", "suffix": ".corp.com"}])));
    offers.push(offered("other", json!({"gvr": {"resource": "databases"}})));
    let routing = ask(&anybody(), offers, None);
    let explanation = &routing.explanation;
    assert_eq!((explanation.considered, explanation.nearest.len()), (14, NEAREST));
    assert_eq!(explanation.decided_by, Some(DecidedBy::OnlyOne));
    assert_eq!(explanation.others.iter().collect::<Vec<_>>(), [(&"Filter".to_owned(), &4)]);
    let first: Vec<(&str, CandidateVerdict, &str)> = explanation
        .nearest
        .iter()
        .take(3)
        .map(|candidate| (candidate.offer.cluster.as_str(), candidate.verdict, candidate.message.as_str()))
        .collect();
    assert_eq!(
        first,
        [
            ("fits", CandidateVerdict::Chosen, "priority 0, specificity 9, weight 100"),
            (
                "near",
                CandidateVerdict::Refused,
                "filters[0]: spec.fqdn is `app.corp.com`; accepted: ends with `x.corp.com`"
            ),
            (
                "far-00",
                CandidateVerdict::Refused,
                "filters[0]: spec.fqdn is `app.corp.com`; accepted: ends with `.nowhere`; \
                 filters[1]: spec.nope is missing; accepted: any value"
            ),
        ]
    );
    let json = serde_json::to_value(explanation).unwrap();
    assert_eq!(
        json["nearest"][0]["offer"],
        json!({"cluster": "fits", "namespace": "offers", "name": "offer"})
    );
    assert_eq!(serde_json::from_value::<Candidates>(json).unwrap(), *explanation);
}

#[test]
fn what_stood_in_the_way_is_summed_up_field_by_field_with_the_nearest_alternative() {
    let suffix =
        |provider: &str, suffix: &str| certificates(provider, json!([{"key": "fqdn", "suffix": suffix}]));
    for (name, offers, expected) in [
        (
            "suffixes of several offers",
            vec![suffix("a", ".internal.corp"), suffix("b", "x.corp.com"), suffix("c", "x.corp.com")],
            vec![
                "spec.fqdn is app.corp.com: ends with no suffix of [.internal.corp, x.corp.com]; nearest x.corp.com",
            ],
        ),
        ("one suffix", vec![suffix("a", ".org")], vec!["spec.fqdn is app.corp.com: does not end with .org"]),
        (
            "values of one offer",
            vec![certificates("a", json!([{"key": "certType", "valueIn": ["client", "servers"]}]))],
            vec!["spec.certType is server: is none of [client, servers]; nearest servers"],
        ),
        (
            "a missing field is met by whatever any of them wants",
            vec![
                certificates("a", json!([{"key": "size", "boundary": {"min": 10}}])),
                certificates("b", json!([{"key": "size"}])),
            ],
            vec!["spec.size is missing: any value, or a number of at least 10 would pass"],
        ),
        (
            "only the offers with the fewest misses are summed up, the nearest field first",
            vec![
                certificates("a", json!([{"key": "x"}, {"key": "y"}, {"key": "z"}])),
                certificates(
                    "b",
                    json!([{"key": "fqdn", "prefix": "www."}, {"key": "certType", "notIn": ["server"]}]),
                ),
            ],
            vec![
                "spec.certType is server: is what is refused",
                "spec.fqdn is app.corp.com: does not start with www.",
            ],
        ),
        (
            "an expression over the whole order",
            vec![certificates("a", json!([{"expression": "self.spec.fqdn == 'a'"}]))],
            vec!["the order: `self.spec.fqdn == 'a'` does not hold"],
        ),
        (
            "who could not be reached by a change is left out",
            vec![Offered { served: vec![], ..suffix("a", ".org") }],
            vec![],
        ),
        ("one takes it", vec![suffix("a", ".corp.com"), suffix("b", ".org")], vec![]),
    ] {
        let routing = ask(&anybody(), offers, None);
        let misses: Vec<String> = routing.explanation.misses.iter().map(ToString::to_string).collect();
        assert_eq!(misses, expected, "{name}");
    }
}

#[test]
fn the_first_filter_that_failed_and_the_nearest_are_data() {
    let filters = json!([
        {"key": "fqdn", "suffix": ".nowhere"}, {"key": "certType", "valueIn": ["server", "client"]},
        {"key": "fqdn", "suffix": "xcorp.com"},
    ]);
    let routing = ask(&anybody(), vec![certificates("a", filters)], None);
    let candidate = serde_json::to_value(&routing.explanation.nearest[0]).unwrap();
    assert_eq!(
        candidate["first"],
        json!({
            "filter": 0, "field": "spec.fqdn", "found": "app.corp.com",
            "problem": "does not end with .nowhere", "expected": ["ends with `.nowhere`"],
        })
    );
    assert_eq!(candidate["nearest"]["filter"], 2);
    let only = certificates("a", json!([{"key": "fqdn", "suffix": ".nowhere"}]));
    assert_eq!(ask(&anybody(), vec![only], None).explanation.nearest[0].nearest, None, "it is the first one");
}

#[test]
fn the_line_of_the_score_that_decided_is_told() {
    let offer = |provider: &str, more: serde_json::Value| {
        let mut spec =
            json!({"gvr": {"resource": "certificates"}, "filters": [{"key": "fqdn", "suffix": ".com"}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        offered(provider, spec)
    };
    let cheap = |provider: &str, cost: &str| offer(provider, json!({"cost": cost}));
    let long = json!({"filters": [{"key": "fqdn", "suffix": ".corp.com"}]});
    for (offers, current, expected) in [
        (vec![offer("a", json!({"priority": 10})), offer("b", json!({}))], None, "priority 10 before 0 of b"),
        (vec![offer("a", json!({})), offer("b", long)], None, "specificity 9 before 4 of a"),
        (vec![cheap("a", "0.5"), cheap("b", "0.7")], None, "cost 0.5 before 0.7 of b"),
        (vec![cheap("a", "0.5"), offer("b", json!({}))], None, "cost 0.5 before none stated of b"),
        (vec![offer("a", json!({}))], None, "no other offer would serve the order"),
        (vec![offer("a", json!({}))], Some("a"), "it serves the order already, and no other would"),
        (
            vec![offer("a", json!({})), offer("b", json!({"priority": 1}))],
            Some("a"),
            "it serves the order already: a better offer alone moves nothing",
        ),
    ] {
        let current = current.map(|provider| crate::offer::OfferId::new(provider, "offers", "offer"));
        let routing = ask(&anybody(), offers, current.as_ref());
        assert_eq!(routing.explanation.decision.as_deref(), Some(expected));
    }
    let equals = vec![offer("a", json!({"weight": 7})), offer("b", json!({"weight": 9}))];
    let told = ask(&anybody(), equals, None).explanation.decision.unwrap();
    assert!(told.starts_with("equal to ") && told.contains("weights"), "{told}");
}

#[test]
fn the_explanation_is_bounded_whatever_the_texts() {
    let huge = "ü".repeat(5_000);
    let offers: Vec<Offered> = (0..50)
        .map(|n| {
            let values: Vec<String> = (0..50).map(|v| format!("{n}-{v}-{huge}")).collect();
            certificates(
                &format!("p{n}"),
                json!([{"key": "fqdn", "valueIn": values}, {"expression": "self.spec.x == 1"}]),
            )
        })
        .collect();
    let set = OfferSet::new(&anybody(), offers);
    let routing = route(&set, &order(&huge), &api(), "uid", None, &BTreeSet::new());
    let size = serde_json::to_string(&routing.explanation).unwrap().len();
    assert!(size < 40_000, "{size} bytes");
}

#[test]
fn the_consumer_reads_of_its_own_field_and_what_would_be_accepted() {
    let suffix =
        |provider: &str, suffix: &str| certificates(provider, json!([{"key": "fqdn", "suffix": suffix}]));
    for (name, offers, expected) in [
        (
            "two alternatives, nearest first",
            vec![suffix("a", ".internal.corp"), suffix("b", "x.corp.com")],
            "spec.fqdn is `app.corp.com`; accepted: ends with `x.corp.com`, or ends with `.internal.corp`",
        ),
        (
            "only those with the fewest misses",
            vec![suffix("a", ".internal.corp"), certificates("b", json!([{"key": "x"}, {"key": "y"}]))],
            "spec.fqdn is `app.corp.com`; accepted: ends with `.internal.corp`",
        ),
        (
            "two fields of one offer",
            vec![certificates("a", json!([{"key": "certType", "valueIn": ["client"]}, {"key": "tier"}]))],
            "spec.certType is `server`; accepted: `client`. spec.tier is missing; accepted: any value",
        ),
        ("nobody", vec![], "no provider offers this at the moment"),
        (
            "nobody allowed",
            vec![Offered { served: vec![], ..suffix("a", ".corp.com") }],
            "no provider offers this at the moment",
        ),
        (
            "everybody busy",
            vec![
                Offered { reachability: Reachability::Unreachable, ..suffix("a", ".corp.com") },
                suffix("b", ".internal.corp"),
            ],
            "no provider is taking this order at the moment",
        ),
        ("one takes it", vec![suffix("a", ".corp.com"), suffix("b", ".internal.corp")], ""),
    ] {
        assert_eq!(ask(&anybody(), offers, None).consumer_message, expected, "{name}");
    }
}

#[test]
fn a_message_for_the_consumer_is_bounded() {
    let huge = "ü".repeat(2_000);
    let offers: Vec<Offered> = (0..50)
        .map(|n| {
            certificates(
                &format!("p{n}"),
                json!([{"key": "fqdn", "valueIn": [format!("{n}{}", &huge[..1000])]}]),
            )
        })
        .collect();
    let set = OfferSet::new(&anybody(), offers);
    let routing = route(&set, &order(&huge), &api(), "uid", None, &BTreeSet::new());
    assert!(routing.consumer_message.len() <= CONSUMER_MESSAGE_MAX, "{}", routing.consumer_message.len());
    assert!(routing.consumer_message.starts_with("spec.fqdn is `üüü"));
}
