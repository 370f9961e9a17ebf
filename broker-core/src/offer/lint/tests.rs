#![allow(clippy::needless_pass_by_value, clippy::too_many_lines, reason = "tables are long")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::offer::{OfferSpec, OrderView};
use crate::testing;

fn told(filters: Value) -> Vec<(Level, String, String)> {
    let spec = json!({"gvr": {"resource": "databases"}, "filters": filters});
    let (_, findings) = lint(OfferId::new("c", "n", "a"), &spec);
    let below = |pointer: &str| pointer.trim_start_matches("/spec/filters").to_owned();
    findings.into_iter().map(|f| (f.level, f.rule.clone(), below(&f.pointer))).collect()
}

#[test]
fn each_rule_speaks_where_it_should_and_is_silent_beside() {
    use Level::{Advice, Error, Warning};
    for (filters, expected) in [
        // What cannot be honoured.
        (json!([{"key": "a", "valueIn": []}]), vec![(Error, "InvalidFilter", "/0/valueIn")]),
        (
            json!([{"key": "a", "boundary": {"min": 10, "max": 1}}]),
            vec![(Error, "InvalidFilter", "/0/boundary")],
        ),
        (json!([{"key": "status.a", "valueIn": ["x"]}]), vec![(Error, "InvalidFilter", "/0/key")]),
        (json!([{"expression": "self.spec."}]), vec![(Error, "InvalidFilter", "/0/expression")]),
        // What no order passes.
        (
            json!([{"key": "a", "valueIn": ["x", "y"], "suffix": ".z"}]),
            vec![(Error, "Unreachable", "/0/suffix")],
        ),
        (json!([{"key": "a", "valueIn": ["x"], "notIn": ["x"]}]), vec![(Error, "Unreachable", "/0/notIn")]),
        (
            json!([{"key": "a", "valueIn": ["x"]}, {"key": "spec.a", "valueIn": ["y"]}]),
            vec![(Error, "Unreachable", "/1/valueIn")],
        ),
        (
            json!([{"key": "a", "suffix": ".x"}, {"key": "a", "suffix": ".y"}]),
            vec![(Error, "Unreachable", "/1/suffix")],
        ),
        (
            json!([{"key": "a", "prefix": "x."}, {"key": "a", "prefix": "y."}]),
            vec![(Error, "Unreachable", "/1/prefix")],
        ),
        (
            json!([{"key": "a", "boundary": {"min": 10}}, {"key": "a", "boundary": {"max": 5}}]),
            vec![(Error, "Unreachable", "/1/boundary")],
        ),
        (
            json!([{"key": "a", "valueIn": ["5"]}, {"key": "a", "boundary": {"min": 6}}]),
            vec![(Error, "Unreachable", "/1/boundary")],
        ),
        (
            json!([{"key": "a", "valueIn": ["x"], "optional": true}, {"key": "a", "valueIn": ["y"], "optional": true}]),
            vec![(Warning, "Unreachable", "/1/valueIn")],
        ),
        (
            json!([{"key": "a", "valueIn": ["x.z", "y"], "suffix": ".z"}]),
            vec![(Warning, "Unreachable", "/0/valueIn")],
        ),
        (json!([{"key": "a", "valueIn": ["x"]}, {"key": "b", "valueIn": ["y"]}]), vec![]),
        (json!([{"key": "a", "suffix": ".corp.com"}, {"key": "a", "notIn": ["a.corp.com"]}]), vec![]),
        (json!([{"key": "a", "boundary": {"min": 5}}, {"key": "a", "boundary": {"max": 5}}]), vec![]),
        // Expressions.
        (json!([{"expression": "self.spec.fqdn"}]), vec![(Warning, "ExpressionType", "/0/expression")]),
        (
            json!([{"expression": "self.spec.a + self.spec.b"}]),
            vec![(Error, "InvalidFilter", "/0/expression")],
        ),
        (json!([{"expression": "'a'"}]), vec![(Error, "InvalidFilter", "/0/expression")]),
        (json!([{"expression": "1 < 2"}]), vec![(Warning, "ConstantExpression", "/0/expression")]),
        (json!([{"expression": "self.spec.a == 'x'"}]), vec![]),
        // Units.
        (
            json!([{"key": "spec.storage", "boundary": {"min": 10, "max": 1000}}]),
            vec![(Advice, "BareBound", "/0/boundary/max"), (Advice, "BareBound", "/0/boundary/min")],
        ),
        (
            json!([{"key": "diskSize", "boundary": {"min": 10}}]),
            vec![(Advice, "BareBound", "/0/boundary/min")],
        ),
        (json!([{"key": "replicas", "boundary": {"min": 1}}]), vec![]),
        (json!([{"key": "programme", "boundary": {"min": 1}}]), vec![]),
        (json!([{"key": "spec.storage", "boundary": {"min": "10Gi"}}]), vec![]),
        (
            json!([{"key": "x", "boundary": {"min": 1, "max": "5Gi"}}]),
            vec![(Warning, "BareBound", "/0/boundary/min")],
        ),
        (
            json!([{"key": "x", "boundary": {"min": 1}}, {"key": "x", "boundary": {"max": "5Gi"}}]),
            vec![(Warning, "BareBound", "/0/boundary/min")],
        ),
        // What adds nothing.
        (
            json!([{"key": "a", "suffix": ".com"}, {"key": "a", "suffix": ".corp.com"}]),
            vec![(Advice, "Redundant", "/0")],
        ),
        (
            json!([{"key": "a", "suffix": ".com"}, {"key": "spec.a", "suffix": ".com"}]),
            vec![(Advice, "Redundant", "/1")],
        ),
        (
            json!([{"key": "a", "valueIn": ["x.com"]}, {"key": "a", "suffix": ".com"}]),
            vec![(Advice, "Redundant", "/1")],
        ),
        // A number 10 has the text 10, and no end.
        (json!([{"key": "a", "valueIn": ["10"]}, {"key": "a", "suffix": "0"}]), vec![]),
        (
            json!([{"key": "a", "suffix": ".com", "optional": true}, {"key": "a", "suffix": ".com"}]),
            vec![(Advice, "Redundant", "/0")],
        ),
    ] {
        let expected: Vec<_> =
            expected.into_iter().map(|(level, rule, at)| (level, rule.to_owned(), at.to_owned())).collect();
        assert_eq!(told(filters.clone()), expected, "{filters}");
    }
}

#[test]
fn what_takes_no_order_is_told() {
    let spec = json!({"gvr": {"resource": "databases"}, "capacity": {"orders": 0}});
    let (_, findings) = lint(OfferId::new("c", "n", "a"), &spec);
    assert_eq!((findings[0].level, findings[0].pointer.as_str()), (Level::Warning, "/spec/capacity/orders"));
    let (offer, findings) = lint(OfferId::new("c", "n", "a"), &json!({"gvr": {"resource": ""}}));
    assert!(offer.is_none());
    assert_eq!(findings[0].pointer, "/spec/gvr/resource");
}

fn offer(name: &str, more: Value) -> Offer {
    let mut spec = json!({"gvr": {"resource": "databases"}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let spec: OfferSpec = serde_json::from_value(spec).unwrap();
    Offer::parse(OfferId::new("c", "n", name), &spec).unwrap()
}

#[test]
fn offers_that_another_one_always_goes_before_are_told() {
    let suffix = |text: &str| json!([{"key": "fqdn", "suffix": text}]);
    let all = |more: Value| offer("all", more);
    for (case, first, second, expected) in [
        ("priority", all(json!({"priority": 1})), json!({"filters": suffix(".com")}), Some("Shadowed")),
        (
            "not all",
            offer("all", json!({"priority": 1, "filters": suffix(".corp.com")})),
            json!({"filters": suffix(".com")}),
            None,
        ),
        (
            "by a longer suffix",
            all(json!({"priority": 1, "filters": suffix(".com")})),
            json!({"filters": suffix(".corp.com")}),
            Some("Shadowed"),
        ),
        ("the more specific goes first", all(json!({})), json!({"filters": suffix(".com")}), None),
        ("it may be full", all(json!({"priority": 1, "capacity": {"orders": 5}})), json!({}), None),
        ("cordoned", all(json!({"priority": 1, "scheduling": "Cordoned"})), json!({}), None),
        ("another API", offer("all", json!({"priority": 1, "gvr": {"resource": "others"}})), json!({}), None),
        (
            "one version of it",
            offer("all", json!({"priority": 1, "gvr": {"resource": "databases", "version": "v1"}})),
            json!({}),
            None,
        ),
        (
            "cost",
            all(json!({"cost": 1, "filters": suffix(".com")})),
            json!({"cost": 2, "filters": suffix(".com")}),
            Some("Shadowed"),
        ),
        ("no stated cost", all(json!({"cost": 1})), json!({}), Some("Shadowed")),
        ("the same", all(json!({"weight": 2})), json!({}), Some("Identical")),
        (
            "the same, otherwise written",
            all(json!({"filters": suffix(".com")})),
            json!({"filters": [{"key": "spec.fqdn", "suffix": ".com"}]}),
            Some("Identical"),
        ),
    ] {
        let found = shadows(&[first, offer("second", second)]);
        let second: Vec<_> =
            found.iter().filter(|(index, _)| *index == 1).map(|(_, f)| f.rule.as_str()).collect();
        assert_eq!(second, Vec::from_iter(expected), "{case}: {found:?}");
    }
    let found = shadows(&[all(json!({"priority": 1})), offer("second", json!({}))]);
    assert!(found[0].1.message.contains("n/all") && found[0].1.message.contains("priority"), "{found:?}");
}

proptest! {
    #[test]
    fn what_is_told_to_let_no_order_through_lets_none_through(
        spec in testing::offer_spec(), orders in prop::collection::vec(testing::order(), 8),
    ) {
        let value = serde_json::to_value(&spec).unwrap();
        let (offer, findings) = lint(OfferId::new("c", "n", "a"), &value);
        let dead = findings.iter().any(|finding| finding.level == Level::Error);
        if let (true, Some(offer)) = (dead, &offer) {
            for order in &orders {
                prop_assert_eq!(offer.matches(&OrderView::new(order)), None, "{:?}", findings);
            }
        }
    }

    #[test]
    fn what_is_implied_passes_wherever_what_implies_it_passes(
        given in testing::offer_spec(), asked in testing::offer_spec(), order in testing::order(),
    ) {
        let parse = |spec: &OfferSpec| Offer::parse(OfferId::new("c", "n", "a"), spec);
        let (Ok(given), Ok(asked)) = (parse(&given), parse(&asked)) else { return Ok(()) };
        let view = OrderView::new(&order);
        for filter in asked.filters() {
            if super::implied::implies_all(given.filters(), filter) && given.matches(&view).is_some() {
                prop_assert!(filter.matches(&view).is_some(), "{:?} implies {:?}", given.filters(), filter);
            }
        }
    }
}
