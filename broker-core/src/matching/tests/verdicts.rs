//! One row for every reason to refuse.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::matching::*;
use crate::offer::Scheduling::{Active, Cordoned, Draining};
use crate::offer::{ApiPattern, Miss, Offer, OfferId, OfferSpec, Reachability, UnavailableReason};
use crate::resource::{ClusterName, Condition, ConditionStatus, Gvr, Object};
use crate::selection::{Choice, DecidedBy};

pub(super) fn api() -> Gvr {
    Gvr::new("example.com", "v1alpha1", "certificates")
}

pub(super) fn offered(provider: &str, spec: Value) -> Offered {
    let spec: OfferSpec = serde_json::from_value(spec).unwrap();
    let id = OfferId::new(provider, "offers", "offer");
    Offered {
        parsed: Offer::parse(id.clone(), &spec).map(Arc::new),
        id,
        api: ApiPattern { group: spec.gvr.group, version: spec.gvr.version, resource: spec.gvr.resource },
        ready: None,
        served: vec![api()],
        kinds: Vec::new(),
        reachability: Reachability::Reachable,
        assigned: 0,
    }
}

pub(super) fn certificates(provider: &str, filters: Value) -> Offered {
    offered(provider, json!({"gvr": {"resource": "certificates"}, "filters": filters}))
}

pub(super) fn anybody() -> Policies {
    [(api(), ApiPolicy::default())].into_iter().collect()
}

fn rules(providers: Vec<ProviderRule>) -> Policies {
    [(api(), ApiPolicy { providers })].into_iter().collect()
}

pub(super) fn order(fqdn: &str) -> Object {
    Object::try_from(
        json!({"metadata": {"name": "my-app-cert"}, "spec": {"fqdn": fqdn, "certType": "server"}}),
    )
    .unwrap()
}

pub(super) fn ask(policies: &Policies, offers: Vec<Offered>, current: Option<&OfferId>) -> Routing {
    route(
        &OfferSet::new(policies, offers),
        &order("app.corp.com"),
        &api(),
        "uid-1",
        current,
        &BTreeSet::new(),
    )
}

/// The first reason against the only offer, as a new order and as one it serves.
fn reasons(policies: &Policies, offer: Offered) -> (Option<&'static str>, Option<&'static str>) {
    let id = offer.id.clone();
    let fresh = ask(policies, vec![offer.clone()], None);
    let held = ask(policies, vec![offer], Some(&id));
    let first = |verdict: &Verdict| match verdict {
        Verdict::Matches { .. } => None,
        Verdict::Refused(refusal) => Some(refusal.reason()),
    };
    let as_new = fresh.explanation.nearest.first().and_then(|candidate| candidate.reason.clone());
    let as_new = as_new.map(|reason| &*reason.leak());
    assert_eq!(as_new.is_none() && !fresh.explanation.nearest.is_empty(), fresh.best().is_some());
    (as_new, held.current.as_ref().and_then(|(_, verdict)| first(verdict)))
}

fn not_ready(status: ConditionStatus) -> Option<Condition> {
    Some(Condition {
        kind: "Ready".to_owned(),
        status,
        observed_generation: None,
        reason: "Maintenance".to_owned(),
        message: "back on Monday".to_owned(),
    })
}

#[test]
fn every_reason_to_refuse_a_new_and_a_held_order() {
    let open = || certificates("p", json!([]));
    let with = |spec: Value| {
        let mut full = json!({"gvr": {"resource": "certificates"}});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        offered("p", full)
    };
    let rule = |scheduling| {
        rules(vec![ProviderRule {
            cluster: Some("p".into()),
            scheduling: Some(scheduling),
            ..ProviderRule::default()
        }])
    };
    for (name, policies, offer, expected) in [
        ("open", anybody(), open(), (None, None)),
        (
            "filter",
            anybody(),
            certificates("p", json!([{"key": "fqdn", "suffix": ".internal"}])),
            (Some("Filter"), Some("Filter")),
        ),
        ("invalid", anybody(), with(json!({"weight": 0})), (Some("InvalidFilter"), Some("InvalidFilter"))),
        (
            "not served",
            anybody(),
            Offered { served: vec![], ..open() },
            (Some("APINotServed"), Some("APINotServed")),
        ),
        ("not brokered", Policies::default(), open(), (Some("APINotServed"), Some("APINotServed"))),
        (
            "not ready",
            anybody(),
            Offered { ready: not_ready(ConditionStatus::False), ..open() },
            (Some("ProviderNotReady"), Some("ProviderNotReady")),
        ),
        (
            "ready unknown",
            anybody(),
            Offered { ready: not_ready(ConditionStatus::Unknown), ..open() },
            (None, None),
        ),
        (
            "unreachable",
            anybody(),
            Offered { reachability: Reachability::Unreachable, ..open() },
            (Some("ProviderUnreachable"), Some("ProviderUnreachable")),
        ),
        ("cordoned", anybody(), with(json!({"scheduling": "Cordoned"})), (Some("Cordoned"), None)),
        (
            "draining",
            anybody(),
            with(json!({"scheduling": "Draining"})),
            (Some("Draining"), Some("Draining")),
        ),
        ("cordoned by the platform", rule(Cordoned), open(), (Some("Cordoned"), None)),
        ("drained by the platform", rule(Draining), open(), (Some("Draining"), Some("Draining"))),
        (
            "the stricter word counts",
            rule(Active),
            with(json!({"scheduling": "Cordoned"})),
            (Some("Cordoned"), None),
        ),
        (
            "full",
            anybody(),
            Offered { assigned: 3, ..with(json!({"capacity": {"orders": 3}})) },
            (Some("Full"), None),
        ),
        (
            "overfull",
            anybody(),
            Offered { assigned: 4, ..with(json!({"capacity": {"orders": 3}})) },
            (Some("Full"), None),
        ),
        (
            "room left",
            anybody(),
            Offered { assigned: 2, ..with(json!({"capacity": {"orders": 3}})) },
            (None, None),
        ),
        ("no capacity at all", anybody(), with(json!({"capacity": {"orders": 0}})), (Some("Full"), None)),
        (
            "somebody else may",
            rules(vec![ProviderRule { cluster: Some("q".into()), ..ProviderRule::default() }]),
            open(),
            (Some("NotAllowed"), Some("NotAllowed")),
        ),
        ("everybody may", rules(vec![ProviderRule::default()]), open(), (None, None)),
        // Offers of other APIs are not even listed.
        (
            "other API",
            anybody(),
            offered("p", json!({"gvr": {"resource": "databases"}})),
            (None, Some("OtherAPI")),
        ),
        (
            "other group",
            anybody(),
            with(json!({"gvr": {"resource": "certificates", "group": "other.com"}})),
            (None, Some("OtherAPI")),
        ),
    ] {
        assert_eq!(reasons(&policies, offer), expected, "{name}");
    }
    let gone = OfferId::new("gone", "offers", "offer");
    let routing = ask(&anybody(), vec![open()], Some(&gone));
    assert!(
        matches!(routing.current, Some((_, Verdict::Refused(ref refusal))) if refusal.reason() == "Withdrawn")
    );
    assert!(matches!(routing.choice, Choice::Take(_)));
}

#[test]
fn an_ambiguous_offer_says_so_and_serves_nobody() {
    let other = Gvr::new("other.com", "v1", "certificates");
    let policies: Policies =
        [(api(), ApiPolicy::default()), (other, ApiPolicy::default())].into_iter().collect();
    let offers = OfferSet::new(&policies, [certificates("p", json!([]))]);
    let availability = offers.listings().next().unwrap().availability().clone();
    assert_eq!(availability.unavailable, Some(UnavailableReason::AmbiguousApi));
    assert_eq!(
        availability.message,
        "*/*/certificates fits several brokered APIs (example.com/v1alpha1/certificates, other.com/v1/certificates): \
         say which by spec.gvr.group"
    );
    assert!(route(&offers, &order("a"), &api(), "uid", None, &BTreeSet::new()).best().is_none());
}

#[test]
fn availability_is_told_as_a_condition() {
    let conditions = |policies: &Policies, offer: Offered| {
        let offers = OfferSet::new(policies, [offer]);
        let availability = offers.listings().next().unwrap().availability().clone();
        (availability.status().as_str(), availability.reason(), availability.message)
    };
    let (status, reason, _) = conditions(&anybody(), certificates("p", json!([])));
    assert_eq!((status, reason), ("True", "ProviderReady"));
    let (status, reason, message) = conditions(
        &anybody(),
        certificates("p", json!([{"key": "fqdn"}, {"key": "spec.size", "boundary": {"min": "ten"}}])),
    );
    assert_eq!((status, reason), ("False", "InvalidFilter"));
    assert!(
        message.starts_with("spec.filters[1] (key spec.size): boundary.min is `ten`; accepted: "),
        "{message}"
    );
    let many: Vec<Value> = (0..9).map(|_| json!({"key": "status.x"})).collect();
    let (_, _, message) = conditions(&anybody(), certificates("p", json!(many)));
    assert!(message.ends_with("; and 6 more"), "{message}");
    let offer = Offered { ready: not_ready(ConditionStatus::False), ..certificates("p", json!([])) };
    assert_eq!(conditions(&anybody(), offer).2, "the provider says Ready=False: back on Monday");
}

#[test]
fn the_platform_caps_priority_and_weight() {
    let loud = offered("loud", json!({"gvr": {"resource": "certificates"}, "priority": 100, "weight": 1000}));
    let fair = offered("fair", json!({"gvr": {"resource": "certificates"}, "priority": 1}));
    let uncapped = ask(&anybody(), vec![loud.clone(), fair.clone()], None);
    assert_eq!(uncapped.best().unwrap().provider().as_str(), "loud");
    let rule = ProviderRule {
        cluster: Some(ClusterName::from("loud")),
        max_priority: Some(0),
        max_weight: Some(0),
        alias: Some("noisy".to_owned()),
        ..ProviderRule::default()
    };
    let capped = ask(&rules(vec![ProviderRule::default(), rule]), vec![loud, fair], None);
    assert_eq!(capped.best().unwrap().provider().as_str(), "fair");
    assert_eq!(capped.explanation.decided_by, Some(DecidedBy::Priority));
    let other = &capped.explanation.nearest[1];
    assert_eq!(
        (other.alias.as_deref(), other.message.as_str()),
        (Some("noisy"), "priority 0, specificity 0, weight 1")
    );
}

#[test]
fn an_excluded_offer_is_not_chosen_though_it_serves_the_order() {
    let offers = OfferSet::new(&anybody(), [certificates("a", json!([])), certificates("b", json!([]))]);
    let current = OfferId::new("a", "offers", "offer");
    let excluded = BTreeSet::from([current.clone()]);
    let routing = route(&offers, &order("x"), &api(), "uid", Some(&current), &excluded);
    assert!(routing.current_is_feasible());
    assert_eq!(routing.best().unwrap().provider().as_str(), "b");
    let routing = route(&offers, &order("x"), &api(), "uid", Some(&current), &BTreeSet::new());
    assert!(matches!(routing.choice, Choice::Keep(_)));
}

#[test]
fn refusals_sort_by_what_the_order_could_mend() {
    let miss = |distance| {
        Reason::Filter(Miss {
            filter: 0,
            field: "spec.f".to_owned(),
            found: None,
            expected: crate::offer::Expected::Present,
            distance,
        })
    };
    let near = Refusal::of(miss(10));
    let far = Refusal::of(miss(900));
    let two = Refusal::new([miss(1), miss(1)]).unwrap();
    let closed = Refusal::of(Reason::Cordoned);
    assert!(
        near.distance() < far.distance()
            && far.distance() < two.distance()
            && two.distance() < closed.distance()
    );
    assert!(Refusal::new([]).is_none());
    let unreachable = Refusal::of(Reason::NotAvailable {
        reason: UnavailableReason::ProviderUnreachable,
        message: String::new(),
    });
    assert!(unreachable.is_only_unreachable() && !closed.is_only_unreachable());
}

#[test]
fn an_accept_api_is_read_whatever_is_in_there() {
    let cluster = ClusterName::from("provider");
    let read = |object: Value| Offered::observe(&cluster, &Object::try_from(object).unwrap());
    let good = read(json!({
        "metadata": {"name": "ca", "namespace": "offers"},
        "spec": {"gvr": {"resource": "certificates"}, "filters": [{"key": "fqdn", "suffix": ".corp.com"}]},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Down", "message": "m"}]},
    }));
    assert_eq!(good.id, OfferId::new("provider", "offers", "ca"));
    assert!(good.parsed.is_ok() && good.ready.is_some_and(|ready| ready.reason == "Down"));
    for (spec, expected) in [
        (
            json!({"gvr": {"resource": "certificates"}, "filter": []}),
            "spec.filter is `a list`; accepted: there is no such field, only gvr, namespace, filters, ",
        ),
        (
            json!({"gvr": {"resource": "certificates"}, "filters": [{"key": 5}]}),
            "spec.filters[0]: key is `5`; accepted: a text",
        ),
        (
            json!({"gvr": {"resource": "certificates"}, "scheduling": "Asleep"}),
            "spec.scheduling is `Asleep`; accepted: Active, Cordoned or Draining",
        ),
        (json!({}), "spec.gvr is `missing`; accepted: an object"),
        (json!("text"), "spec cannot be read: invalid type"),
        (json!(null), "spec cannot be read: invalid type"),
    ] {
        let offered = read(json!({"metadata": {"name": "ca"}, "spec": spec}));
        let invalid = offered.parsed.clone().unwrap_err();
        assert!(invalid[0].to_string().starts_with(expected), "{spec}: {}", invalid[0]);
        // An order that it holds learns why, even where nothing is left that says of which API it was.
        let id = offered.id.clone();
        let held = ask(&anybody(), vec![offered], Some(&id));
        assert!(
            matches!(held.current, Some((_, Verdict::Refused(ref refusal))) if refusal.reason() == "InvalidFilter"),
            "{spec}"
        );
    }
}
