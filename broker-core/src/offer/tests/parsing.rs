//! What is refused when it is written, and what is left to defaults.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::super::*;
use super::{parse, with_filter};
use crate::testing::field_value;

#[test]
fn whatever_cannot_be_honoured_is_refused_with_its_place() {
    for (filter, expected) in [
        (
            json!({"key": "status.ready"}),
            "spec.filters[0] (key status.ready): key is `status.ready`; accepted: a field of spec or metadata: the status, and what changes with it, is written by the provider itself",
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
            json!({"key": "a", "notIn": []}),
            "spec.filters[0] (key a): notIn is `[]`; accepted: at least one value, or nothing at all: an empty list refuses no order",
        ),
        (
            json!({"key": "metadata.resourceVersion"}),
            "spec.filters[0] (key metadata.resourceVersion): key is `metadata.resourceVersion`; accepted: a field of spec or metadata: the status",
        ),
        (
            json!({"key": "nodes[*].size"}),
            "spec.filters[0] (key nodes[*].size): key is `nodes[*].size`; accepted: a path that ends at a list, each element of which must pass, or an expression on its elements",
        ),
        (
            json!({"key": "a b"}),
            "spec.filters[0] (key a b): key is `a b`; accepted: a path of named fields, those with other characters than letters, digits, _, - and / quoted",
        ),
        (
            json!({"key": "a.".repeat(300)}),
            &format!(
                "spec.filters[0] (key {0}…): key is `{0}…`; accepted: a path of at most 512 characters",
                "a.".repeat(40)
            ),
        ),
        (
            json!({"key": "a", "valueIn": vec!["v"; limits::MAX_VALUES + 1]}),
            "spec.filters[0] (key a): valueIn is `257 values`; accepted: at most 256 values",
        ),
        (
            json!({"key": "a", "notIn": ["v".repeat(limits::MAX_TEXT + 1)]}),
            &format!(
                "spec.filters[0] (key a): notIn is `{}…`; accepted: values of at most 512 characters",
                "v".repeat(80)
            ),
        ),
        (
            json!({"key": "a", "prefix": "p".repeat(limits::MAX_TEXT + 1)}),
            &format!(
                "spec.filters[0] (key a): prefix is `{}…`; accepted: a text of at most 512 characters",
                "p".repeat(80)
            ),
        ),
        (
            json!({"key": "a", "suffix": "ü".repeat(limits::MAX_TEXT + 1)}),
            &format!(
                "spec.filters[0] (key a): suffix is `{}…`; accepted: a text of at most 512 characters",
                "ü".repeat(80)
            ),
        ),
        (
            json!({"key": "a", "boundary": {"min": true}}),
            "spec.filters[0] (key a): boundary.min is `true`; accepted: an integer",
        ),
        (
            json!({"key": "a", "boundary": {"max": "1".repeat(65)}}),
            &format!("spec.filters[0] (key a): boundary.max is `{}`; accepted: an integer", "1".repeat(65)),
        ),
        (
            json!({"expression": "size(self.spec.names)"}),
            "spec.filters[0]: expression is `size(self.spec.names)`; accepted: an expression that is true or false; this is always of type int",
        ),
        (
            json!({"expression": "self.spec.ha ? 'yes' : 'no'"}),
            "spec.filters[0]: expression is `self.spec.ha ? 'yes' : 'no'`; accepted: an expression that is true or false; this is always of type string",
        ),
        (
            json!({"expression": "x".repeat(1025)}),
            &format!(
                "spec.filters[0]: expression is `{}…`; accepted: a CEL expression over self: 1025 bytes long; at most 1024 are accepted",
                "x".repeat(80)
            ),
        ),
        (
            json!({"expression": "self.spec.when > now()"}),
            "spec.filters[0]: expression is `self.spec.when > now()`; accepted: a CEL expression over self: line 1, column 21: there is no function `now` here",
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
        ("namespace", json!("../../clusters/other")),
        ("namespace", json!("a/b")),
        ("namespace", json!("Upper")),
        ("namespace", json!("n".repeat(64))),
        ("gvr", json!({"resource": "a/b"})),
        ("gvr", json!({"resource": "r", "version": "v1/../.."})),
        ("gvr", json!({"resource": "r", "group": "a..b"})),
        ("gvr", json!({"resource": "r", "group": "example.com/x"})),
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
fn what_is_of_another_shape_is_refused_with_its_place() {
    let text = "a text, in quotes where it looks like a number or a boolean";
    for (filter, expected) in [
        (json!({"key": 5}), format!("spec.filters[1]: key is `5`; accepted: {text}")),
        (json!("a"), "spec.filters[1]: filter is `a`; accepted: a filter: a key, and what its value must be like".to_owned()),
        (
            json!({"key": "a", "valuesIn": ["b"]}),
            "spec.filters[1] (key a): valuesIn is `a list`; accepted: there is no such field, only key, valueIn, notIn, prefix, \
             suffix, boundary, expression, optional"
                .to_owned(),
        ),
        (json!({"key": "a", "valueIn": "b"}), "spec.filters[1] (key a): valueIn is `b`; accepted: a list of texts".to_owned()),
        (
            json!({"key": "a", "valueIn": ["1", 2, true]}),
            "spec.filters[1] (key a): valueIn[1] is `2`; accepted: a text: numbers and booleans in quotes".to_owned(),
        ),
        (json!({"key": "a", "notIn": {}}), "spec.filters[1] (key a): notIn is `an object`; accepted: a list of texts".to_owned()),
        (json!({"key": "a", "prefix": 1}), format!("spec.filters[1] (key a): prefix is `1`; accepted: {text}")),
        (json!({"key": "a", "suffix": []}), format!("spec.filters[1] (key a): suffix is `a list`; accepted: {text}")),
        (json!({"key": "a", "boundary": 5}), "spec.filters[1] (key a): boundary is `5`; accepted: an object".to_owned()),
        (
            json!({"key": "a", "boundary": {"minimum": 5}}),
            "spec.filters[1] (key a): boundary.minimum is `5`; accepted: there is no such field, only min, max".to_owned(),
        ),
        (json!({"key": "a", "expression": true}), format!("spec.filters[1] (key a): expression is `true`; accepted: {text}")),
        (json!({"key": "a", "optional": "yes"}), "spec.filters[1] (key a): optional is `yes`; accepted: true or false".to_owned()),
    ] {
        let spec = json!({"gvr": {"resource": "databases"}, "filters": [{"key": "ok"}, filter]});
        let invalid = Offer::parse_json(OfferId::new("p", "n", "o"), &spec).unwrap_err();
        assert_eq!(invalid.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        assert_eq!(OfferSpec::read(&spec).unwrap_err(), invalid);
    }
    for (spec, expected) in [
        (json!({"gvr": {}}), "spec.gvr.resource is `missing`; accepted: a text"),
        (json!({"gvr": {"resource": null}}), "spec.gvr.resource is `null`; accepted: a text"),
        (
            json!({"gvr": {"resource": "r", "kind": "R"}}),
            "spec.gvr.kind is `R`; accepted: there is no such field, only group, version, resource",
        ),
        (
            json!({"gvr": {"resource": "r"}, "filters": null}),
            "spec.filters is `null`; accepted: a list of filters",
        ),
        (json!({"gvr": {"resource": "r"}, "weight": 1.5}), "spec.weight is `1.5`; accepted: an integer"),
        (
            json!({"gvr": {"resource": "r"}, "priority": "high"}),
            "spec.priority is `high`; accepted: an integer",
        ),
        (
            json!({"gvr": {"resource": "r"}, "capacity": {"orders": u64::MAX}}),
            "spec.capacity.orders is `18446744073709551615`; accepted: an integer",
        ),
        (
            json!({"gvr": {"resource": "r"}, "scheduling": "Off"}),
            "spec.scheduling is `Off`; accepted: Active, Cordoned or Draining",
        ),
        (json!({"gvr": {"resource": "r"}, "namespace": 5}), "spec.namespace is `5`; accepted: a text"),
        (json!([]), "spec cannot be read: invalid length"),
    ] {
        let invalid = Offer::parse_json(OfferId::new("p", "n", "o"), &spec).unwrap_err();
        assert_eq!(invalid.len(), 1, "{spec}");
        assert!(invalid[0].to_string().starts_with(expected), "{}", invalid[0]);
    }
}

#[test]
fn an_offer_is_bounded_in_every_dimension() {
    let spec =
        |filters: Vec<serde_json::Value>| json!({"gvr": {"resource": "databases"}, "filters": filters});
    let one = json!({"key": "a", "valueIn": ["b"]});
    assert!(parse(spec(vec![one.clone(); limits::MAX_FILTERS])).is_ok());
    let expression = json!({"expression": "self.spec.a == 1"});
    assert!(parse(spec(vec![expression.clone(); limits::MAX_EXPRESSIONS])).is_ok());
    let large = json!({"key": "a", "valueIn": vec!["v".repeat(limits::MAX_TEXT); limits::MAX_VALUES]});
    for (filters, expected) in [
        (
            vec![one; limits::MAX_FILTERS + 1],
            "spec.filters is `1025 filters`; accepted: at most 1024 filters",
        ),
        (
            vec![expression; limits::MAX_EXPRESSIONS + 1],
            "spec.filters is `17 filters with an expression`; accepted: at most 16 filters with an expression: each costs time for every order",
        ),
        (
            vec![large; 9],
            "spec.filters is `1179657 bytes`; accepted: at most 1048576 bytes in all keys and texts together",
        ),
    ] {
        let invalid = parse(spec(filters)).unwrap_err();
        assert_eq!(invalid.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
    // Nobody reads a thousand faults.
    let faults = parse(spec(vec![json!({"key": ""}); limits::MAX_FILTERS])).unwrap_err();
    assert!(faults.len() < 110, "{}", faults.len());
}

proptest! {
    /// The walk that names places and the reader agree on what is a spec.
    #[test]
    fn whatever_the_reader_refuses_is_given_a_place(
        field in select(vec![
            "gvr", "namespace", "filters", "priority", "weight", "cost", "capacity", "scheduling", "translation", "other",
        ]),
        inner in select(vec!["resource", "group", "version", "orders", "other"]),
        criterion in select(vec![
            "key", "valueIn", "notIn", "prefix", "suffix", "boundary", "expression", "optional", "other",
        ]),
        value in field_value(), depth in 0_u8..4,
    ) {
        let mut spec = json!({"gvr": {"resource": "databases"}});
        match depth {
            0 => spec[field] = value,
            1 => spec[field] = json!({ inner: value }),
            2 => spec["filters"] = json!([value]),
            _ => spec["filters"] = json!([{ criterion: value }]),
        }
        if let Err(faults) = OfferSpec::read(&spec) {
            prop_assert!(faults.iter().all(|fault| !fault.field.is_empty()), "{}: {:?}", spec, faults);
        }
    }
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
