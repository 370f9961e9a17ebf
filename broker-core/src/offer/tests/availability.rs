//! Every reason of the condition `Available`, and which comes first.

use serde_json::{Value, json};

use crate::matching::{ApiPolicy, Policies, ProviderRule};
use crate::offer::{
    Availability, AvailabilityInput, InvalidFilter, Offer, OfferId, Reachability, Scheduling,
    UnavailableReason, availability,
};
use crate::resource::{ClusterName, Condition, ConditionStatus, Gvr};

fn api() -> Gvr {
    Gvr::new("example.com", "v1", "certificates")
}

fn parse(spec: Value) -> Result<Offer, Vec<InvalidFilter>> {
    let mut spec = spec;
    spec["gvr"] = json!({"resource": "certificates"});
    Offer::parse_json(OfferId::new("provider", "default", "offer"), &spec)
}

fn says_not_ready() -> Condition {
    Condition {
        kind: "Ready".to_owned(),
        status: ConditionStatus::False,
        reason: "Down".to_owned(),
        message: "back on Monday".to_owned(),
        observed_generation: None,
    }
}

fn judged(change: impl FnOnce(&mut Setting)) -> Availability {
    let mut setting = Setting {
        spec: json!({}),
        ready: None,
        apis: vec![api()],
        rules: Vec::new(),
        served: vec![api()],
        reachability: Reachability::Reachable,
    };
    change(&mut setting);
    let parsed = parse(setting.spec);
    let rules = setting.rules;
    let policies: Policies =
        setting.apis.into_iter().map(|api| (api, ApiPolicy { providers: rules.clone() })).collect();
    availability(&AvailabilityInput {
        parsed: parsed.as_ref().map_err(Vec::as_slice),
        ready: setting.ready.as_ref(),
        policies: &policies,
        served: &setting.served,
        kinds: &[],
        reachability: setting.reachability,
    })
}

struct Setting {
    spec: Value,
    ready: Option<Condition>,
    apis: Vec<Gvr>,
    rules: Vec<ProviderRule>,
    served: Vec<Gvr>,
    reachability: Reachability,
}

fn platform_says(scheduling: Scheduling) -> Vec<ProviderRule> {
    vec![ProviderRule { scheduling: Some(scheduling), ..ProviderRule::default() }]
}

#[test]
fn every_reason_is_given() {
    assert_eq!(judged(|_| {}).reason(), "ProviderReady");
    let reasons = [
        (judged(|s| s.spec = json!({"filters": [{"key": "status.x"}]})), "InvalidFilter"),
        (judged(|s| s.apis.push(Gvr::new("other.com", "v1", "certificates"))), "AmbiguousAPI"),
        (judged(|s| s.apis.clear()), "APINotServed"),
        (judged(|s| s.served.clear()), "APINotServed"),
        (
            judged(|s| {
                let cluster = Some(ClusterName::from("somebody-else"));
                s.rules = vec![ProviderRule { cluster, ..ProviderRule::default() }];
            }),
            "NotAllowed",
        ),
        (judged(|s| s.ready = Some(says_not_ready())), "ProviderNotReady"),
        (judged(|s| s.reachability = Reachability::Unreachable), "ProviderUnreachable"),
        (judged(|s| s.spec = json!({"scheduling": "Cordoned"})), "Cordoned"),
        (judged(|s| s.rules = platform_says(Scheduling::Cordoned)), "Cordoned"),
        (judged(|s| s.spec = json!({"scheduling": "Draining"})), "Draining"),
        (judged(|s| s.rules = platform_says(Scheduling::Draining)), "Draining"),
    ];
    for (found, expected) in reasons {
        assert_eq!((found.reason(), found.status()), (expected, ConditionStatus::False), "{}", found.message);
        assert!(!found.message.is_empty());
    }
}

#[test]
fn an_explicit_word_comes_before_silence_and_silence_before_what_keeps_orders() {
    let silent = |change: fn(&mut Setting)| {
        let found = judged(|setting| {
            setting.reachability = Reachability::Unreachable;
            change(setting);
        });
        found.unavailable
    };
    assert_eq!(silent(|s| s.ready = Some(says_not_ready())), Some(UnavailableReason::ProviderNotReady));
    assert_eq!(silent(|s| s.rules = platform_says(Scheduling::Draining)), Some(UnavailableReason::Draining));
    assert_eq!(silent(|s| s.spec = json!({"scheduling": "Draining"})), Some(UnavailableReason::Draining));
    assert_eq!(silent(|s| s.served.clear()), Some(UnavailableReason::ApiNotServed));
    // Cordoned alone would say that the orders it holds are served.
    assert_eq!(
        silent(|s| s.rules = platform_says(Scheduling::Cordoned)),
        Some(UnavailableReason::ProviderUnreachable)
    );
}
