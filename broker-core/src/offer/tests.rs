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
fn numbers_and_quantities_are_read_exactly() {
    for (text, amount, unit) in [
        ("0", "0", Unit::Bare),
        ("10", "10", Unit::Bare),
        ("-3", "-3", Unit::Bare),
        ("+3", "3", Unit::Bare),
        ("2.50", "2.5", Unit::Bare),
        (".5", "0.5", Unit::Bare),
        ("5.", "5", Unit::Bare),
        ("1e3", "1000", Unit::Bare),
        ("1E-3", "0.001", Unit::Bare),
        ("500m", "0.5", Unit::Bare),
        ("1u", "0.000001", Unit::Bare),
        ("1n", "0.000000001", Unit::Bare),
        ("1k", "1000", Unit::Decimal),
        ("1M", "1000000", Unit::Decimal),
        ("1.5G", "1500000000", Unit::Decimal),
        ("1T", "1000000000000", Unit::Decimal),
        ("1P", "1000000000000000", Unit::Decimal),
        ("1E", "1000000000000000000", Unit::Decimal),
        ("1Ki", "1024", Unit::Binary),
        ("1Mi", "1048576", Unit::Binary),
        ("1.5Gi", "1610612736", Unit::Binary),
        ("-1Ti", "-1099511627776", Unit::Binary),
        ("1Pi", "1125899906842624", Unit::Binary),
        ("8Ei", "9223372036854775808", Unit::Binary),
        ("0.0001Ki", "0.1024", Unit::Binary),
        ("00012", "12", Unit::Bare),
        ("170141183460469231731687303715884105727", "170141183460469231731687303715884105727", Unit::Bare),
        ("0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001", Unit::Bare),
        ("10000000000000000000000000000000000000000000000000", &format!("1{}", "0".repeat(49)), Unit::Bare),
    ] {
        let quantity = Quantity::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((quantity.to_string().as_str(), quantity.unit()), (amount, unit), "{text}");
    }
    for text in [
        "",
        " ",
        "-",
        "+",
        ".",
        "e3",
        "1e",
        "1e+",
        "1.2.3",
        "1 ",
        " 1",
        "1_000",
        "0x10",
        "ten",
        "Gi",
        "1gi",
        "1KI",
        "1K",
        "1GiB",
        "1e3Gi",
        "NaN",
        "inf",
        "Infinity",
        "--1",
        "1-",
        "١",
        "1e99999999999",
        "1e101",
        "340282366920938463463374607431768211456",
        "1.0000000000000000000000000000000000000000001",
        "99999999999999999999999999999999999999Ei",
    ] {
        assert_eq!(Quantity::parse(text), None, "{text:?}");
    }
    assert_eq!(Quantity::parse(&"1".repeat(65)), None);
}

#[test]
fn amounts_written_differently_are_equal_and_order_exactly() {
    let amount = |text: &str| Quantity::parse(text).unwrap().amount();
    for (one, other) in
        [("1Gi", "1024Mi"), ("1G", "1000M"), ("1000m", "1"), ("1e3", "1k"), ("-0", "0"), ("1.10", "1.1")]
    {
        assert_eq!(amount(one), amount(other), "{one} {other}");
    }
    for (less, more) in [
        ("1G", "1Gi"),
        ("-1", "0"),
        ("-2", "-1"),
        ("0.1", "0.10000000000000000000000000001"),
        ("1e-100", "1e100"),
        ("-1e100", "1e-100"),
        ("-1e100", "-1e-100"),
        ("170141183460469231731687303715884105726", "170141183460469231731687303715884105727"),
        ("9007199254740992", "9007199254740993"),
        ("170141183460469231731687303715884105727", "17014118346046923173168730371588410573e1"),
    ] {
        assert!(amount(less) < amount(more), "{less} {more}");
        assert!(amount(more) > amount(less), "{more} {less}");
    }
}

#[test]
fn boundaries_count_as_the_specification_says() {
    for (boundary, value, within) in [
        (json!({"min": 10, "max": 1000}), json!(10), true),
        (json!({"min": 10, "max": 1000}), json!(1000), true),
        (json!({"min": 10, "max": 1000}), json!(9), false),
        (json!({"min": 10, "max": 1000}), json!(1001), false),
        (json!({"min": 10, "max": 1000}), json!("512"), true),
        (json!({"min": 10, "max": 1000}), json!(10.5), true),
        (json!({"min": 10, "max": 1000}), json!(9.999), false),
        // Bare bounds against bytes: the mission's "10-1000 GB".
        (json!({"min": 10, "max": 1000}), json!("100Gi"), true),
        (json!({"min": 10, "max": 1000}), json!("10Gi"), true),
        (json!({"min": 10, "max": 1000}), json!("1000Gi"), true),
        (json!({"min": 10, "max": 1000}), json!("1001Gi"), false),
        (json!({"min": 10, "max": 1000}), json!("1Ti"), false),
        (json!({"min": 10, "max": 1000}), json!("1T"), true),
        (json!({"min": 10, "max": 1000}), json!("9G"), false),
        (json!({"min": 10, "max": 1000}), json!("512Mi"), false),
        (json!({"min": "10Gi"}), json!("10240Mi"), true),
        (json!({"min": "10Gi"}), json!("10G"), false),
        (json!({"min": "10Gi"}), json!(10_737_418_240_i64), true),
        (json!({"min": "10Gi"}), json!(10), false),
        (json!({"max": "2.5"}), json!("2500m"), true),
        (json!({"max": "2.5"}), json!(2.5), true),
        (json!({"max": "2.5"}), json!("2.5000000000000000000000001"), false),
        (json!({"min": -5, "max": -1}), json!(-3), true),
        (json!({"min": -5, "max": -1}), json!(0), false),
        (json!({"min": -5, "max": -1}), json!(-6), false),
        (json!({"min": 0}), json!(-1), false),
        (json!({"min": 0}), json!("0Gi"), true),
        (json!({"max": 0}), json!(1), false),
        (json!({"min": "100m", "max": 2}), json!("500m"), true),
        (json!({"min": 9_007_199_254_740_993_i64}), json!(9_007_199_254_740_992_i64), false),
        (json!({"max": u64::MAX}), json!(u64::MAX), true),
        (json!({"min": 1}), json!(true), false),
        (json!({"min": 1}), json!("lots"), false),
        (json!({"min": 1}), json!({"a": 1}), false),
        (json!({"min": 1, "max": 5}), json!([1, 5]), true),
        (json!({"min": 1, "max": 5}), json!([1, 6]), false),
    ] {
        let found = matches(json!({"key": "size", "boundary": boundary}), json!({"spec": {"size": value}}));
        assert_eq!(found.is_some(), within, "{boundary} {value}");
    }
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
        (json!({"notIn": []}), json!("prod"), Some(0)),
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
fn whatever_cannot_be_honoured_is_refused_with_its_place() {
    for (filter, expected) in [
        (
            json!({"key": "status.ready"}),
            "spec.filters[0] (key status.ready): key is `status.ready`; accepted: a field of spec or metadata: the status is written by the provider itself",
        ),
        (
            json!({"key": "a..b"}),
            "spec.filters[0] (key a..b): key is `a..b`; accepted: a path of named fields, such as spec.fqdn",
        ),
        (
            json!({"valueIn": ["a"]}),
            "spec.filters[0]: key is ``; accepted: a path of named fields, such as spec.fqdn",
        ),
        (
            json!({"key": "labels['a"}),
            "spec.filters[0] (key labels['a): key is `labels['a`; accepted: a path of named fields, those with dots quoted: metadata.labels['a.b/c']",
        ),
        (
            json!({"key": "a", "valueIn": []}),
            "spec.filters[0] (key a): valueIn is `[]`; accepted: at least one value: an empty list accepts no order",
        ),
        (
            json!({"key": "a", "prefix": ""}),
            "spec.filters[0] (key a): prefix is ``; accepted: a text that is not empty, or nothing at all",
        ),
        (
            json!({"key": "a", "suffix": ""}),
            "spec.filters[0] (key a): suffix is ``; accepted: a text that is not empty, or nothing at all",
        ),
        (
            json!({"key": "a", "boundary": {}}),
            "spec.filters[0] (key a): boundary is `{}`; accepted: min, max or both",
        ),
        (
            json!({"key": "a", "boundary": {"min": "ten"}}),
            "spec.filters[0] (key a): boundary.min is `ten`; accepted: an integer, a decimal such as \"2.5\" or a quantity such as 10Gi",
        ),
        (
            json!({"key": "a", "boundary": {"max": [1]}}),
            "spec.filters[0] (key a): boundary.max is `a list`; accepted: an integer, a decimal such as \"2.5\" or a quantity such as 10Gi",
        ),
        (
            json!({"key": "a", "boundary": {"min": 5, "max": 1}}),
            "spec.filters[0] (key a): boundary is `5 to 1`; accepted: a min that is not above max: this accepts no order",
        ),
        (
            json!({"key": "a", "boundary": {"min": "5Gi", "max": "1Gi"}}),
            "spec.filters[0] (key a): boundary is `5Gi to 1Gi`; accepted: a min that is not above max: this accepts no order",
        ),
        (json!({"expression": "self.spec.a =="}), "spec.filters[0]: expression is `self.spec.a ==`"),
        (
            json!({"expression": "copy.spec.a == 1"}),
            "spec.filters[0]: expression is `copy.spec.a == 1`; accepted: a CEL expression over self: line 1, column 1: `copy` is not known here; known are self",
        ),
    ] {
        let invalid = with_filter(filter.clone()).expect_err(&filter.to_string());
        assert_eq!(invalid.len(), 1, "{filter}: {invalid:?}");
        assert!(invalid[0].to_string().starts_with(expected), "{filter}: {}", invalid[0]);
    }
    for (field, value) in [
        ("weight", json!(0)),
        ("weight", json!(1001)),
        ("weight", json!(-1)),
        ("priority", json!(1_i64 << 40)),
        ("cost", json!("cheap")),
        ("cost", json!(-1)),
        ("cost", json!([])),
        ("capacity", json!({"orders": -1})),
        ("translation", json!({"gvk": {"kind": "AzureDatabase"}})),
    ] {
        let mut spec = json!({"gvr": {"resource": "databases"}});
        spec[field] = value.clone();
        let invalid = parse(spec).expect_err(field);
        assert!(invalid[0].filter.is_none() && invalid[0].field.starts_with(field), "{field} {value}");
    }
    assert_eq!(parse(json!({"gvr": {"resource": ""}})).unwrap_err()[0].field, "gvr.resource");
}

#[test]
fn every_fault_of_an_offer_is_told_at_once() {
    let invalid = parse(json!({
        "gvr": {"resource": "databases"},
        "weight": 0,
        "filters": [{"key": "status.x", "suffix": ""}, {"key": "ok"}, {"key": "b", "boundary": {"min": "x", "max": "y"}}],
    }))
    .unwrap_err();
    let places: Vec<(Option<usize>, &str)> = invalid.iter().map(|i| (i.filter, i.field.as_str())).collect();
    assert_eq!(
        places,
        [
            (Some(0), "suffix"),
            (Some(0), "key"),
            (Some(2), "boundary.min"),
            (Some(2), "boundary.max"),
            (None, "weight")
        ]
    );
}

#[test]
fn defaults_are_those_of_the_specification() {
    let offer = parse(json!({"gvr": {"resource": "databases"}})).unwrap();
    assert_eq!((offer.priority(), offer.weight(), offer.cost(), offer.capacity()), (0, 100, None, None));
    assert_eq!((offer.copy_namespace(), offer.scheduling()), ("offers", Scheduling::Active));
    let spec = OfferSpec::of(ApiSpec { resource: "databases".to_owned(), ..ApiSpec::default() });
    let cluster_scoped = Offer::parse(OfferId::new("p", "", "o"), &spec).unwrap();
    assert_eq!(cluster_scoped.copy_namespace(), "default");
    let named = OfferSpec { namespace: Some("copies".to_owned()), ..spec };
    assert_eq!(Offer::parse(OfferId::new("p", "offers", "o"), &named).unwrap().copy_namespace(), "copies");
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
