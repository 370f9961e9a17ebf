//! What is refused when it is written, and what is left to defaults.

use serde_json::json;

use super::super::*;
use super::{parse, with_filter};

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
