//! Filters, bounds and parsing, as tables.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    clippy::too_many_lines,
    reason = "tests may fail loudly, and tables are long"
)]

mod availability;
mod guide;
mod parsing;
mod quantities;

use serde_json::{Value, json};

use super::*;
use crate::resource::{Gvr, Object};

pub(crate) fn parse(spec: Value) -> Result<Offer, Vec<InvalidFilter>> {
    let spec: OfferSpec = serde_json::from_value(spec).expect("the shape of AcceptAPI.spec");
    Offer::parse(OfferId::new("provider", "offers", "offer"), &spec)
}

fn with_filter(filter: Value) -> Result<Offer, Vec<InvalidFilter>> {
    parse(json!({"gvr": {"resource": "databases"}, "filters": [filter]}))
}

fn object(value: Value) -> Object {
    Object::try_from(value).unwrap()
}

fn matches(filter: Value, order: Value) -> Option<u32> {
    with_filter(filter).unwrap().matches(&OrderView::new(&object(order)))
}

fn miss(filter: Value, order: Value) -> String {
    let order = object(order);
    let misses = with_filter(filter).unwrap().misses(&OrderView::new(&order));
    assert_eq!(misses.len(), 1);
    misses[0].to_string()
}

#[test]
fn criteria_on_texts_numbers_booleans_and_lists() {
    for (filter, value, expected) in [
        (json!({"suffix": ".internal.corp"}), json!("app.internal.corp"), Some(14)),
        (json!({"suffix": ".internal.corp"}), json!("app.corp.com"), None),
        (json!({"suffix": ".Corp"}), json!("app.corp"), None),
        (json!({"suffix": "corp.com"}), json!("evilcorp.com"), Some(8)),
        (json!({"suffix": "ü"}), json!("grün ü"), Some(1)),
        (json!({"suffix": ".corp"}), json!(""), None),
        (json!({"prefix": "eu-"}), json!("eu-central-1"), Some(3)),
        (json!({"prefix": "eu-", "suffix": "central-1"}), json!("eu-central-1"), Some(9)),
        (json!({"prefix": "eu-", "suffix": "-2"}), json!("eu-central-1"), None),
        (json!({"prefix": "4"}), json!(42), None),
        (json!({"valueIn": ["server", "client"]}), json!("server"), Some(0)),
        (json!({"valueIn": ["server", "client"]}), json!("Server"), None),
        (json!({"valueIn": [""]}), json!(""), Some(0)),
        (json!({"valueIn": ["4"]}), json!(4), Some(0)),
        (json!({"valueIn": ["4"]}), json!(4.0), Some(0)),
        (json!({"valueIn": ["0.5"]}), json!(0.50), Some(0)),
        (json!({"valueIn": ["true"]}), json!(true), Some(0)),
        (json!({"valueIn": ["true"]}), json!({"true": true}), None),
        (json!({"notIn": ["prod"]}), json!("dev"), Some(0)),
        (json!({"notIn": ["prod"]}), json!("prod"), None),
        (json!({"notIn": ["prod"]}), json!({"a": 1}), None),
        (json!({"notIn": ["prod"]}), json!(["dev", "test"]), Some(0)),
        (json!({"valueIn": ["a", "b"], "notIn": ["b"]}), json!("b"), None),
        (json!({"valueIn": ["a", "b"]}), json!(["a", "b"]), Some(0)),
        (json!({"valueIn": ["a", "b"]}), json!(["a", "c"]), None),
        (json!({"suffix": ".corp"}), json!(["a.corp", "b.corp"]), Some(5)),
        (json!({"notIn": ["b"]}), json!(["a", "b"]), None),
        (json!({"valueIn": ["a"]}), json!([["a"]]), None),
        (json!({}), json!("anything"), Some(0)),
        (json!({}), json!({"an": "object"}), Some(0)),
        // Missing: closed, unless optional.
        (json!({}), json!(null), None),
        (json!({"valueIn": ["a"]}), json!(null), None),
        (json!({"notIn": ["a"]}), json!(null), None),
        (json!({"notIn": ["a"]}), json!([]), None),
        (json!({"valueIn": ["a"], "optional": true}), json!(null), Some(0)),
        (json!({"suffix": "a", "optional": true}), json!([]), Some(0)),
        (json!({"valueIn": ["a"], "optional": true}), json!("b"), None),
        (json!({"expression": "self.spec.f == 'a'"}), json!("a"), Some(0)),
        (json!({"expression": "self.spec.f == 'a'"}), json!("b"), None),
        (json!({"expression": "self.spec.f"}), json!("b"), None),
        (json!({"expression": "self.spec.g == 1"}), json!("b"), None),
        (json!({"expression": "self.spec.g == 1", "optional": true}), json!("b"), Some(0)),
        (json!({"expression": "self.metadata.name == 'n'", "optional": true}), json!(null), None),
        (json!({"expression": "!has(self.status)"}), json!("b"), Some(0)),
        (json!({"suffix": "b", "expression": "size(self.spec.f) > 1"}), json!("b"), None),
    ] {
        let mut filter = filter;
        filter["key"] = json!("f");
        let order = json!({"metadata": {"name": "m"}, "spec": {"f": value}, "status": {"f": "status"}});
        assert_eq!(matches(filter.clone(), order), expected, "{filter} {value}");
    }
}

#[test]
fn keys_reach_labels_and_quoted_segments() {
    let order =
        json!({"metadata": {"labels": {"environment": "dev", "topology.kubernetes.io/region": "eu"}}});
    let one = json!({"key": "metadata.labels.environment", "valueIn": ["dev", "staging"]});
    assert_eq!(matches(one, order.clone()), Some(0));
    let dotted = json!({"key": "metadata.labels['topology.kubernetes.io/region']", "prefix": "eu"});
    assert_eq!(matches(dotted, order), Some(2));
}

#[test]
fn a_key_into_what_has_no_fields_fails_even_where_it_is_optional() {
    let order = json!({"spec": {"text": "t", "nodes": [{"size": 1}], "none": [], "null": null}});
    for (key, expected) in [
        (
            "text.size",
            "spec.text.size is `out of reach: spec.text is a text`; accepted: a number of at most 5",
        ),
        (
            "nodes.size",
            "spec.nodes.size is `out of reach: spec.nodes is a list`; accepted: a number of at most 5",
        ),
    ] {
        for optional in [true, false] {
            let filter = json!({"key": key, "boundary": {"max": 5}, "optional": optional});
            assert_eq!(miss(filter, order.clone()), expected);
        }
    }
    for key in ["none.size", "null.size", "nope.size", "nope.nope.size"] {
        let filter = |optional: bool| json!({"key": key, "boundary": {"max": 5}, "optional": optional});
        assert_eq!(matches(filter(true), order.clone()), Some(0), "{key}");
        assert_eq!(matches(filter(false), order.clone()), None, "{key}");
    }
}

#[test]
fn expressions_see_neither_status_nor_what_changes_with_it() {
    let order = json!({
        "metadata": {"name": "n", "resourceVersion": "7", "managedFields": [{}], "labels": {"a": "b"}},
        "spec": {"status": "s"}, "status": {"ready": true},
    });
    for (expression, holds) in [
        ("has(self.status)", false),
        ("has(self.status) || has(self.metadata.resourceVersion) || has(self.metadata.managedFields)", false),
        ("self.status.ready", false),
        ("'status' in self || 'resourceVersion' in self.metadata", false),
        ("self.exists(field, field == 'status')", false),
        ("self == {'metadata': {'name': 'n', 'labels': {'a': 'b'}}, 'spec': {'status': 's'}}", true),
        ("self.spec.status == 's'", true),
    ] {
        assert_eq!(
            matches(json!({"expression": expression}), order.clone()).is_some(),
            holds,
            "{expression}"
        );
    }
    assert_eq!(matches(json!({"key": "spec.status", "valueIn": ["s"]}), order), Some(0));
}

#[test]
fn specificity_is_the_longest_prefix_or_suffix_of_all_filters() {
    let offer = parse(json!({
        "gvr": {"resource": "certificates"},
        "filters": [{"key": "fqdn", "suffix": ".public.corp.com"}, {"key": "zone", "prefix": "eu"}],
    }));
    let order = object(json!({"spec": {"fqdn": "a.public.corp.com", "zone": "eu-1"}}));
    assert_eq!(offer.unwrap().matches(&OrderView::new(&order)), Some(16));
}

#[test]
fn misses_tell_field_value_and_what_would_be_accepted() {
    let order = json!({"spec": {"fqdn": "app.corp.co", "cpu": 4, "list": ["x"], "map": {}}});
    for (filter, expected) in [
        (
            json!({"key": "fqdn", "suffix": ".corp.com"}),
            "spec.fqdn is `app.corp.co`; accepted: ends with `.corp.com`",
        ),
        (json!({"key": "fqdn", "prefix": "db."}), "spec.fqdn is `app.corp.co`; accepted: starts with `db.`"),
        (
            json!({"key": "cpu", "boundary": {"min": 8, "max": "1k"}}),
            "spec.cpu is `4`; accepted: a number from 8 to 1k",
        ),
        (json!({"key": "cpu", "boundary": {"max": 2}}), "spec.cpu is `4`; accepted: a number of at most 2"),
        (
            json!({"key": "cpu", "boundary": {"min": "5"}}),
            "spec.cpu is `4`; accepted: a number of at least 5",
        ),
        (
            json!({"key": "fqdn", "valueIn": ["a", "b", "c"]}),
            "spec.fqdn is `app.corp.co`; accepted: `a`, `b` or `c`",
        ),
        (json!({"key": "cpu", "notIn": ["4", "5"]}), "spec.cpu is `4`; accepted: anything but `4` and `5`"),
        (json!({"key": "tier", "valueIn": ["gold"]}), "spec.tier is missing; accepted: `gold`"),
        (json!({"key": "tier"}), "spec.tier is missing; accepted: any value"),
        (
            json!({"key": "list", "valueIn": ["y"]}),
            "spec.list is `a list with other elements`; accepted: `y`",
        ),
        (json!({"key": "map", "valueIn": ["y"]}), "spec.map is `an object`; accepted: `y`"),
        (json!({"expression": "self.spec.cpu > 8"}), "the object; accepted: where `self.spec.cpu > 8` holds"),
        (
            json!({"key": "fqdn", "valueIn": ["1", "2", "3", "4", "5", "6", "7"]}),
            "spec.fqdn is `app.corp.co`; accepted: `1`, `2`, `3`, `4`, `5` or 2 more",
        ),
    ] {
        assert_eq!(miss(filter, order.clone()), expected);
    }
}

#[test]
fn the_nearer_miss_has_the_smaller_distance() {
    let distance = |filter: Value, order: Value| {
        let order = object(order);
        with_filter(filter).unwrap().misses(&OrderView::new(&order))[0].distance
    };
    let order = json!({"spec": {"fqdn": "app.corp.co", "cpu": 100}});
    for (near, far) in [
        (json!({"key": "fqdn", "suffix": "x.corp.co"}), json!({"key": "fqdn", "suffix": ".internal"})),
        (json!({"key": "fqdn", "prefix": "app.x"}), json!({"key": "fqdn", "prefix": "x.app"})),
        (
            json!({"key": "fqdn", "valueIn": ["app.corp.com"]}),
            json!({"key": "fqdn", "valueIn": ["db.intern"]}),
        ),
        (json!({"key": "cpu", "boundary": {"max": 90}}), json!({"key": "cpu", "boundary": {"max": 10}})),
        (json!({"key": "cpu", "boundary": {"min": 110}}), json!({"key": "cpu", "boundary": {"min": 9000}})),
        (json!({"key": "cpu", "boundary": {"max": 10}}), json!({"key": "nope", "boundary": {"max": 10}})),
    ] {
        let (closer, further) = (distance(near.clone(), order.clone()), distance(far.clone(), order.clone()));
        assert!(closer < further && further <= 1000, "{near}: {closer}, {far}: {further}");
    }
}

#[test]
fn the_offers_of_the_mission_document_parse_and_match_its_orders() {
    let offers = r#"
gvr: {group: example.com, version: v1alpha1, resource: certificates}
filters:
  - key: spec.fqdn
    suffix: ".internal.corp"
  - key: spec.certType
    valueIn: ["server", "client"]
---
gvr: {group: example.com, version: v1alpha1, resource: databases}
filters:
  - key: spec.engine
    valueIn: ["postgres", "mysql"]
  - key: spec.storage
    boundary: {min: 10, max: 1000}
---
gvr: {resource: certificates}
filters:
  - key: metadata.labels.environment
    valueIn: ["dev", "staging"]
"#;
    let offers: Vec<OfferSpec> = serde_saphyr::from_multiple(offers).unwrap();
    let offers: Vec<Offer> =
        offers.iter().map(|spec| Offer::parse(OfferId::new("p", "n", "o"), spec).unwrap()).collect();
    let certificate = object(json!({
        "metadata": {"name": "my-app-cert", "labels": {"environment": "staging"}},
        "spec": {"fqdn": "app.internal.corp", "validity": "90d", "certType": "server"},
    }));
    let database = object(json!({"spec": {"engine": "postgres", "storage": "100Gi"}}));
    assert_eq!(offers[0].matches(&OrderView::new(&certificate)), Some(14));
    assert_eq!(offers[0].matches(&OrderView::new(&database)), None);
    assert_eq!(offers[1].matches(&OrderView::new(&database)), Some(0));
    assert_eq!(offers[2].matches(&OrderView::new(&certificate)), Some(0));
}

#[test]
fn costs_compare_as_decimals() {
    let cost =
        |value: Value| parse(json!({"gvr": {"resource": "r"}, "cost": value})).unwrap().cost().unwrap();
    assert!(cost(json!("0.12")) < cost(json!(0.2)));
    assert!(cost(json!(9)) < cost(json!("10")));
    assert_eq!(cost(json!("1.50")), cost(json!(1.5)));
    assert_eq!(serde_json::from_str::<Cost>("\"1.5\"").unwrap(), cost(json!(1.5)));
    assert!(serde_json::from_str::<Cost>("\"-1\"").is_err());
}

#[test]
fn an_api_left_open_matches_any_and_is_ambiguous_across_groups() {
    let pattern = |group: Option<&str>, version: Option<&str>| ApiPattern {
        group: group.map(ToOwned::to_owned),
        version: version.map(ToOwned::to_owned),
        resource: "databases".to_owned(),
    };
    let (one, newer) =
        (Gvr::new("example.com", "v1", "databases"), Gvr::new("example.com", "v2", "databases"));
    let (other, core) = (Gvr::new("other.com", "v1", "databases"), Gvr::new("", "v1", "databases"));
    let apis = [&one, &newer, &other, &core];
    assert_eq!(pattern(Some("example.com"), Some("v1")).resolve(apis), Resolution::One(&one));
    // Versions of one API are that API.
    assert_eq!(pattern(Some("example.com"), None).resolve(apis), Resolution::One(&newer));
    assert_eq!(pattern(Some(""), None).resolve(apis), Resolution::One(&core));
    assert_eq!(pattern(None, Some("v2")).resolve(apis), Resolution::One(&newer));
    assert_eq!(pattern(None, Some("v1")).resolve(apis), Resolution::Several(vec![&core, &one, &other]));
    assert_eq!(pattern(Some("nope.com"), None).resolve(apis), Resolution::None);
    assert_eq!(pattern(None, None).to_string(), "*/*/databases");
    assert_eq!(pattern(Some(""), Some("v1")).to_string(), "v1/databases");
}
