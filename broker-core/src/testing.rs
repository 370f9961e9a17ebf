//! Generators (proptest) for the domain's types, for this crate's own tests and for yours.
//!
//! Values come from small vocabularies, so that filters and orders meet: half of them by intention, the rest by accident.
//! Everything that belongs to a provider or to the platform carries [`CANARY`] in its text and [`CANARY_NUMBER`] in its
//! numbers, so that a test can see when it reaches somebody who must not read it.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::matching::{ApiPolicy, Offered, Policies, ProviderRule};
use crate::offer::{
    ApiPattern, ApiSpec, Bound, BoundarySpec, CapacitySpec, FilterSpec, Offer, OfferId, OfferSpec,
    Reachability, Scheduling,
};
use crate::resource::{ClusterName, Condition, ConditionStatus, Gvr, Object};

/// Part of every name and message that consumers must never read.
pub const CANARY: &str = "canary";
/// Every cost, and every capacity, that consumers must never read starts with these digits.
pub const CANARY_NUMBER: &str = "31337";

/// The API that generated orders belong to.
pub fn api() -> Gvr {
    Gvr::new("example.com", "v1alpha1", "widgets")
}

const FIELDS: [&str; 4] = ["fqdn", "size", "tier", "tags"];
const KEYS: [&str; 9] = [
    "fqdn",
    "spec.size",
    "tier",
    "spec.tags",
    "spec['fqdn']",
    "metadata.labels.region",
    "metadata.labels['example.com/zone']",
    "missing",
    "spec.fqdn.deeper",
];
const TEXTS: [&str; 17] = [
    "app.internal.corp",
    "app.corp.com",
    "a.public.corp.com",
    "corp.com",
    "xcorp.com",
    "eu-central-1",
    "eu-west-2",
    "us-east-1",
    "gold",
    "silver",
    "",
    "true",
    "10",
    "grün-ü",
    "🦀.corp.com",
    "100Gi",
    "2.5",
];
/// Texts at the edges of what can be told apart: one number in many forms, labels that nearly are others, characters
/// that look alike, and what no filter accepts by accident.
const EDGE_TEXTS: [&str; 26] = [
    "10.0",
    "1e1",
    "010",
    "+10",
    "10000m",
    "0.01k",
    "1E1",
    ".corp.com",
    "..corp.com",
    "corp.com.",
    "CORP.COM",
    " corp.com",
    "a.b.c.d.e.f.g.h.i.j.public.corp.com",
    ".",
    "-",
    "null",
    "True",
    "NaN",
    "u\u{308}",
    "ü",
    "\u{0}",
    "\u{202e}moc.proc",
    "170141183460469231731687303715884105727",
    "-170141183460469231731687303715884105728",
    "170141183460469231731687303715884105728",
    "0.10000000000000000000000000000000000001",
];
const SUFFIXES: [&str; 13] = [
    ".internal.corp",
    ".corp.com",
    ".public.corp.com",
    "corp.com",
    "xcorp.com",
    ".com",
    "com",
    ".",
    "-1",
    "ü",
    "old",
    "0Gi",
    "a.b.c.d.e.f.g.h.i.j.public.corp.com",
];
const PREFIXES: [&str; 8] = ["app.", "a", "eu-", "us-", "🦀", "10", ".", "app.internal.corp"];
const EXPRESSIONS: [&str; 6] = [
    "self.spec.tier == 'gold'",
    "has(self.spec.size)",
    "self.spec.size > 10",
    "self.metadata.labels.region.startsWith('eu-')",
    "self.spec.tags.all(t, t != 'silver')",
    "!has(self.status)",
];
/// Quantities at the edges of what is held exactly, and one number in many forms.
const EDGE_QUANTITIES: [&str; 18] = [
    "170141183460469231731687303715884105727",
    "-170141183460469231731687303715884105728",
    "17014118346046923173168730371588410572e1",
    "147573952589676412927Ei",
    "-147573952589676412928Ei",
    "1e100",
    "-1e100",
    "1e-100",
    "0.10000000000000000000000000000000000001",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "8Ei",
    "1E1",
    "10.0",
    "1e1",
    "10000m",
    "-0",
];

/// A text out of a small vocabulary, now and then one at the edges of what can be told apart.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![9 => select(TEXTS.to_vec()), 1 => select(EDGE_TEXTS.to_vec())].prop_map(ToOwned::to_owned)
}

/// A number as people write it: integers, decimals, quantities, as JSON numbers and as texts, up to the edges of each.
pub fn number() -> impl Strategy<Value = Value> {
    let edges = vec![
        json!(10),
        json!(10.0),
        json!(1e1),
        json!(0),
        json!(-0.0),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(f64::MAX),
        json!(f64::MIN_POSITIVE),
        json!(9_007_199_254_740_993_i64),
    ];
    prop_oneof![
        3 => (-20_i64..2_000).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        2 => (-1e3..1e3_f64).prop_map(Value::from),
        2 => quantity_text().prop_map(Value::from),
        1 => select(edges),
    ]
}

/// A number that can bound a value: all of [`number`] but what no decimal of this crate holds.
fn bound() -> impl Strategy<Value = Value> {
    number().prop_filter("a bound can be read", |bound| Bound::parse(bound).is_some())
}

/// The text of a Kubernetes quantity, of any size and sign.
pub fn quantity_text() -> impl Strategy<Value = String> {
    let suffixes = [
        "", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2",
        "e+1", "E4",
    ];
    let plain = (-5_000_i64..5_000, option::of(0_u32..1_000), select(suffixes.to_vec())).prop_map(
        |(whole, fraction, suffix)| match fraction {
            Some(fraction) => format!("{whole}.{fraction}{suffix}"),
            None => format!("{whole}{suffix}"),
        },
    );
    let digits = (any::<bool>(), 0_u64.., "[0-9]{1,15}").prop_map(|(negative, whole, fraction)| {
        format!("{}{whole}.{fraction}", if negative { "-" } else { "" })
    });
    prop_oneof![
        8 => plain,
        1 => digits,
        1 => any::<i128>().prop_map(|number| number.to_string()),
        2 => select(EDGE_QUANTITIES.to_vec()).prop_map(ToOwned::to_owned),
    ]
}

/// The value of one field of an order.
pub fn field_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => text().prop_map(Value::from),
        4 => number(),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => text().prop_map(|text| json!({"deeper": text})),
        1 => vec(text(), 0..3).prop_map(Value::from),
        1 => vec(prop_oneof![text().prop_map(Value::from), number(), Just(json!([])), Just(Value::Null)], 0..3)
            .prop_map(Value::from),
        1 => "\\PC{0,12}".prop_map(Value::from),
    ]
}

/// An order of [`api`].
pub fn order() -> impl Strategy<Value = Object> {
    let spec = btree_map(select(FIELDS.to_vec()), field_value(), 0..=FIELDS.len());
    let labels = btree_map(select(vec!["region", "example.com/zone"]), text(), 0..=2);
    (spec, labels).prop_map(|(spec, labels)| {
        let mut object =
            Object::named(&crate::resource::Gvk::new("example.com", "v1alpha1", "Widget"), "team", "order");
        object.set(&["metadata", "labels"], json!(labels));
        let spec: Map<String, Value> = spec.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        object.set(&["spec"], Value::Object(spec));
        object.set(&["status"], json!({"ready": true}));
        object
    })
}

/// A filter that parses, except for the bounds now and then the wrong way round.
pub fn filter_spec() -> impl Strategy<Value = FilterSpec> {
    let values = || vec(text(), 1..4);
    let one_of = |texts: &[&'static str]| select(texts.to_vec()).prop_map(|text| Some(text.to_owned()));
    let boundary = (option::of(bound()), option::of(bound()))
        .prop_filter("a boundary has a bound", |(min, max)| min.is_some() || max.is_some())
        .prop_map(|(min, max)| BoundarySpec { min, max });
    let criterion = prop_oneof![
        4 => values().prop_map(|values| FilterSpec { value_in: Some(values), ..FilterSpec::default() }),
        2 => values().prop_map(|values| FilterSpec { not_in: Some(values), ..FilterSpec::default() }),
        2 => one_of(&PREFIXES).prop_map(|prefix| FilterSpec { prefix, ..FilterSpec::default() }),
        4 => one_of(&SUFFIXES).prop_map(|suffix| FilterSpec { suffix, ..FilterSpec::default() }),
        3 => boundary.prop_map(|boundary| FilterSpec { boundary: Some(boundary), ..FilterSpec::default() }),
        1 => one_of(&EXPRESSIONS).prop_map(|expression| FilterSpec { expression, ..FilterSpec::default() }),
        1 => (values(), one_of(&SUFFIXES)).prop_map(|(values, suffix)| {
            FilterSpec { not_in: Some(values), suffix, ..FilterSpec::default() }
        }),
    ];
    (select(KEYS.to_vec()), criterion, option::of(any::<bool>()))
        .prop_map(|(key, filter, optional)| FilterSpec { key: key.to_owned(), optional, ..filter })
}

/// The spec of an offer of [`api`], now and then of another one.
pub fn offer_spec() -> impl Strategy<Value = OfferSpec> {
    let gvr = prop_oneof![
        8 => Just(ApiSpec { group: None, version: None, resource: "widgets".to_owned() }),
        1 => Just(ApiSpec { group: Some(String::new()), version: None, resource: "widgets".to_owned() }),
        1 => Just(ApiSpec { group: None, version: None, resource: "gadgets".to_owned() }),
    ];
    let cost = option::of((0_u32..3).prop_map(|cents| Value::from(format!("{CANARY_NUMBER}.{cents}"))));
    let scheduling = option::of(select(vec![Scheduling::Active, Scheduling::Cordoned, Scheduling::Draining]));
    (
        gvr,
        vec(filter_spec(), 0..3),
        option::of(-1_i64..2),
        option::of(1_i64..1001),
        cost,
        any::<bool>(),
        scheduling,
    )
        .prop_map(|(gvr, filters, priority, weight, cost, ceiling, scheduling)| OfferSpec {
            filters,
            priority,
            weight,
            cost,
            capacity: ceiling.then(|| CapacitySpec { orders: CANARY_NUMBER.parse().ok() }),
            scheduling,
            ..OfferSpec::of(gvr)
        })
}

/// Offers of distinct providers as observed: mostly in good order, some full, unready, unreachable or invalid.
pub fn offers(most: usize) -> impl Strategy<Value = Vec<Offered>> {
    let state = (
        prop_oneof![4 => Just(0), 1 => Just(31_337_u64)],
        prop_oneof![4 => Just(None), 1 => Just(Some(ConditionStatus::False)), 1 => Just(Some(ConditionStatus::True))],
        prop_oneof![8 => Just(Reachability::Reachable), 1 => Just(Reachability::Unreachable)],
        prop_oneof![8 => Just(true), 1 => Just(false)],
    );
    vec((offer_spec(), state), 0..=most).prop_map(|specs| {
        specs
            .into_iter()
            .enumerate()
            .map(|(index, (spec, (assigned, ready, reachability, served)))| {
                let id = OfferId::new(format!("{CANARY}-{index}"), CANARY, format!("{CANARY}-offer"));
                let pattern = ApiPattern {
                    group: spec.gvr.group.clone(),
                    version: spec.gvr.version.clone(),
                    resource: spec.gvr.resource.clone(),
                };
                Offered {
                    parsed: Offer::parse(id.clone(), &spec).map(Arc::new),
                    id,
                    api: pattern,
                    ready: ready.map(|status| Condition {
                        kind: "Ready".to_owned(),
                        status,
                        observed_generation: None,
                        reason: CANARY.to_owned(),
                        message: CANARY.to_owned(),
                    }),
                    served: if served { vec![api()] } else { Vec::new() },
                    kinds: Vec::new(),
                    reachability,
                    assigned,
                }
            })
            .collect()
    })
}

/// The platform's policy on [`api`], for the providers of [`offers`].
pub fn policies() -> impl Strategy<Value = Policies> {
    let rule = (
        option::of(0_usize..6),
        option::of(select(vec![Scheduling::Active, Scheduling::Cordoned, Scheduling::Draining])),
        option::of(-1_i32..2),
        option::of(0_u32..200),
    )
        .prop_map(|(provider, scheduling, max_priority, max_weight)| ProviderRule {
            cluster: provider.map(|index| ClusterName::from(format!("{CANARY}-{index}"))),
            alias: Some(format!("{CANARY}-alias")),
            scheduling,
            max_priority,
            max_weight,
        });
    let rules = prop_oneof![1 => Just(Vec::new()), 2 => vec(rule, 1..4)];
    rules.prop_map(|providers| Policies::from_iter([(api(), ApiPolicy { providers })]))
}
