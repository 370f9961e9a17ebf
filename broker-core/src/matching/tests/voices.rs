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
