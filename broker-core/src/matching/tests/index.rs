//! The index answers as the scan does, however it came about.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use crate::matching::*;
use crate::offer::{ApiPattern, Offer, OfferId, Reachability, ReadOrder};
use crate::resource::{Gvk, Object};
use crate::testing::{api, offers, order, policies};

pub(super) fn everyone() -> Policies {
    Policies::from_iter([(api(), ApiPolicy::default())])
}

pub(super) fn offered(name: &str, spec: serde_json::Value) -> Offered {
    let id = OfferId::new(name, "offers", "offer");
    Offered {
        parsed: Offer::parse_json(id.clone(), &spec).map(Arc::new),
        id,
        api: ApiPattern { group: None, version: None, resource: "widgets".to_owned() },
        ready: None,
        served: vec![api()],
        kinds: Vec::new(),
        reachability: Reachability::Reachable,
        assigned: 0,
    }
}

pub(super) fn widget(spec: serde_json::Value) -> Object {
    let mut object = Object::named(&Gvk::new("example.com", "v1alpha1", "Widget"), "team", "order");
    object.set(&["spec"], spec);
    object
}

/// Both answers to the same question, for several orders' identities.
fn compare(matcher: &IndexMatcher, order: &Object, current: Option<&OfferId>, excluded: &BTreeSet<OfferId>) {
    let scan = ScanMatcher::new(matcher.offers().clone());
    let read = ReadOrder::new(Arc::new(order.clone()));
    for identity in ["one", "two", "three"] {
        let api = api();
        let facts = OrderFacts { current, excluded, ..OrderFacts::new(order, &api, identity) };
        let chosen = scan.choose_offer(&facts);
        assert_eq!(matcher.choose_offer(&facts), chosen, "{identity}");
        let facts_of_read = OrderFacts { current, excluded, ..OrderFacts::of(&read, &api, identity) };
        assert_eq!(matcher.choose_offer(&facts_of_read), chosen, "{identity}");
        if let Some(current) = current {
            assert_eq!(matcher.judge_offer(&facts, current), scan.judge_offer(&facts, current));
            let routing = scan.match_order(&facts);
            assert_eq!(routing.current, Some((current.clone(), matcher.judge_offer(&facts, current))));
        }
    }
}

pub(super) fn compare_plain(matcher: &IndexMatcher, order: &Object) {
    compare(matcher, order, None, &BTreeSet::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_index_answers_as_the_scan_does(
        offers in offers(48), policies in policies(), orders in vec(order(), 1..6),
        index in option::of(any::<prop::sample::Index>()), mask in any::<u8>(),
    ) {
        let ids: Vec<OfferId> = offers.iter().map(|offer| offer.id.clone()).collect();
        let current = index.filter(|_| !ids.is_empty()).map(|index| index.get(&ids));
        let excluded: BTreeSet<OfferId> =
            ids.iter().enumerate().filter(|(index, _)| mask & (1 << (index % 8)) != 0).map(|(_, id)| id.clone()).collect();
        let matcher = IndexMatcher::new(Arc::new(OfferSet::new(&policies, offers)));
        for order in &orders {
            compare(&matcher, order, current, &excluded);
            compare_plain(&matcher, order);
        }
    }

    #[test]
    fn an_updated_index_answers_as_one_that_was_built_anew(
        (before, after) in (offers(32), offers(32)), policies in policies(), orders in vec(order(), 1..6),
        shuffled in Just((0_usize..32).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut set = Arc::new(OfferSet::new(&policies, before.clone()));
        let mut matcher = IndexMatcher::new(set.clone());
        // One by one, in any order, to what they are afterwards.
        for index in shuffled {
            let new = after.get(index);
            let Some(id) = new.or_else(|| before.get(index)).map(|offered| offered.id.clone()) else { continue };
            set = Arc::new(match new {
                Some(offered) => set.with(&policies, [offered.clone()]),
                None => set.without(&id),
            });
            matcher = matcher.updated(set.clone(), [&id]);
            if let Some(order) = orders.first() {
                compare_plain(&matcher, order);
            }
        }
        let anew = IndexMatcher::new(Arc::new(OfferSet::new(&policies, after.clone())));
        let compared = IndexMatcher::new(Arc::new(OfferSet::new(&policies, before))).on(anew.offers().clone());
        prop_assert_eq!(anew.offers().len(), matcher.offers().len());
        for order in &orders {
            compare_plain(&matcher, order);
            let api = api();
            let facts = OrderFacts::new(order, &api, "uid");
            prop_assert_eq!(anew.choose_offer(&facts), matcher.choose_offer(&facts));
            prop_assert_eq!(anew.choose_offer(&facts), compared.choose_offer(&facts));
        }
    }
}

/// What a set of offers is, by the number of each.
type Load = fn(usize) -> serde_json::Value;

/// Sets that fill long postings, in every way that they can be ordered by.
const LOADS: [(&str, Load); 7] = [
    (
        "all equal",
        |_| json!({"gvr": {"resource": "widgets"}, "filters": [{"key": "fqdn", "suffix": ".corp.com"}]}),
    ),
    (
        "weights",
        |n| json!({"gvr": {"resource": "widgets"}, "weight": 1 + n % 7, "filters": [{"key": "tier", "valueIn": ["gold"]}]}),
    ),
    (
        "costs",
        |n| json!({"gvr": {"resource": "widgets"}, "cost": n % 50, "filters": [{"key": "tier", "valueIn": ["gold", "silver"]}]}),
    ),
    ("priorities and bounds", |n| {
        json!({"gvr": {"resource": "widgets"}, "priority": n % 3, "filters": [
            {"key": "fqdn", "suffix": ".corp.com"}, {"key": "tier", "valueIn": ["gold"]}, {"key": "size", "boundary": {"max": n % 97}}]})
    }),
    ("optional ends", |n| {
        let suffix = if n % 2 == 0 { ".corp.com" } else { "p.corp.com" };
        json!({"gvr": {"resource": "widgets"}, "filters": [
            {"key": "tier", "valueIn": ["gold"]}, {"key": "fqdn", "suffix": suffix, "optional": n % 3 > 0}]})
    }),
    (
        "nothing to find them by",
        |n| json!({"gvr": {"resource": "widgets"}, "filters": [{"key": "size", "boundary": {"min": n % 40}}]}),
    ),
    (
        "keys nobody has",
        |n| json!({"gvr": {"resource": "widgets"}, "filters": [{"key": format!("key-{n}"), "valueIn": ["x"]}]}),
    ),
];

#[test]
fn long_postings_answer_as_the_scan_does_while_offers_come_and_go() {
    let orders = [
        widget(json!({"fqdn": "app.corp.com", "tier": "gold", "size": 30})),
        widget(json!({"fqdn": "app.corp.com", "tier": ["gold", "silver"], "size": "20"})),
        widget(json!({"tier": "silver", "size": -1, "key-7": "x", "key-1500": "x"})),
        widget(json!({"fqdn": "", "tier": "gold"})),
    ];
    let policies = everyone();
    for (name, load) in LOADS {
        let one = |n: usize| offered(&format!("provider-{n}"), load(n));
        let count = if name == "keys nobody has" { 1_600 } else { 600 };
        let mut set = Arc::new(OfferSet::new(&policies, (0..count).map(one)));
        let mut matcher = IndexMatcher::new(set.clone());
        let compare_all =
            |matcher: &IndexMatcher| orders.iter().for_each(|order| compare_plain(matcher, order));
        compare_all(&matcher);
        // Away with most of them, from the middle outwards; then more than ever.
        let gone = (200..500).chain(0..150);
        let come = (0..150).chain(count..count + 200);
        for (step, n) in gone.map(|n| (n, false)).chain(come.map(|n| (n, true))).enumerate() {
            let (n, comes) = n;
            let offered = one(n);
            let id = offered.id.clone();
            set = Arc::new(if comes { set.with(&policies, [offered]) } else { set.without(&id) });
            matcher = matcher.updated(set.clone(), [&id]);
            if step % 40 == 0 {
                compare_all(&matcher);
            }
        }
        compare_all(&matcher);
        let all: Vec<OfferId> = matcher.offers().listings().map(|listing| listing.id().clone()).collect();
        for id in &all {
            set = Arc::new(set.without(id));
        }
        matcher = matcher.updated(set, &all);
        compare_all(&matcher);
    }
}

#[test]
fn a_snapshot_shares_what_comes_out_as_it_was_and_tells_what_does_not() {
    let policies = everyone();
    let spec =
        |tier: &str| json!({"gvr": {"resource": "widgets"}, "filters": [{"key": "tier", "valueIn": [tier]}]});
    let all: Vec<Offered> = (0..40).map(|n| offered(&format!("p-{n:02}"), spec("gold"))).collect();
    let old = OfferSet::new(&policies, all.clone());
    // The same offers, as observed again: nothing changed.
    let same = old.with(&policies, all.clone());
    assert_eq!(same.changes_since(&old), []);
    let fuller = Offered { assigned: 3, ..all[1].clone() };
    let next = same.with(&policies, [fuller, offered("p-99", spec("gold"))]).without(&all[7].id);
    let names: Vec<String> = next.changes_since(&old).iter().map(|id| id.cluster.to_string()).collect();
    assert_eq!(names, ["p-01", "p-07", "p-99"]);
    let matcher = IndexMatcher::new(Arc::new(old)).on(Arc::new(next));
    compare_plain(&matcher, &widget(json!({"tier": "gold"})));
}

#[test]
fn readers_of_an_older_index_do_not_notice_the_next_one() {
    let policies = everyone();
    let spec =
        |tier: &str| json!({"gvr": {"resource": "widgets"}, "filters": [{"key": "tier", "valueIn": [tier]}]});
    let set = Arc::new(OfferSet::new(&policies, (0..100).map(|n| offered(&format!("p-{n}"), spec("gold")))));
    let old = IndexMatcher::new(set.clone());
    let order = widget(json!({"tier": "gold"}));
    let api = api();
    let facts = OrderFacts::new(&order, &api, "uid");
    let before = old.choose_offer(&facts);
    let chosen = before.chosen().unwrap().id().clone();
    let next = old.updated(
        Arc::new(set.with(&policies, [offered("p-0", spec("silver"))])),
        [&OfferId::new("p-0", "offers", "offer")],
    );
    let next = next.updated(Arc::new(next.offers().without(&chosen)), [&chosen]);
    assert_eq!(old.choose_offer(&facts), before);
    assert_ne!(next.choose_offer(&facts), before);
}

#[test]
fn a_full_offer_is_passed_over_and_one_that_was_never_listed_is_withdrawn() {
    let spec = json!({"gvr": {"resource": "widgets"}, "capacity": {"orders": 2}});
    let full = Offered { assigned: 2, ..offered("full", spec.clone()) };
    let nearly = Offered { assigned: 1, ..offered("nearly", spec) };
    let matcher = IndexMatcher::new(Arc::new(OfferSet::new(&everyone(), [full, nearly])));
    let order = widget(json!({}));
    for current in ["full", "nearly", "unknown"] {
        compare(&matcher, &order, Some(&OfferId::new(current, "offers", "offer")), &BTreeSet::new());
    }
    compare_plain(&matcher, &order);
    let api = api();
    let facts = OrderFacts::new(&order, &api, "uid");
    assert_eq!(matcher.choose_offer(&facts).chosen().unwrap().id().cluster.as_str(), "nearly");
}

#[test]
fn a_reading_of_another_object_is_not_looked_at() {
    let spec =
        |tier: &str| json!({"gvr": {"resource": "widgets"}, "filters": [{"key": "tier", "valueIn": [tier]}]});
    let offers = ["gold", "silver"].map(|tier| offered(tier, spec(tier)));
    let matcher = IndexMatcher::new(Arc::new(OfferSet::new(&everyone(), offers)));
    let read = ReadOrder::new(Arc::new(widget(json!({"tier": "gold"}))));
    let (api, changed) = (api(), widget(json!({"tier": "silver"})));
    for (object, expected) in [(&changed, "silver"), (read.object().as_ref(), "gold")] {
        let facts = OrderFacts { reading: Some(&read), ..OrderFacts::new(object, &api, "uid") };
        assert_eq!(matcher.choose_offer(&facts).chosen().unwrap().id().cluster.as_str(), expected);
    }
}
