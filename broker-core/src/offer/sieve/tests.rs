//! A sieve says what the filters say, and an order that was read is the order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::offer::hashing::SEPARATOR;
use crate::offer::read::Digest;
use crate::offer::{ApiSpec, FilterSpec, Offer, OfferId, OfferSpec, OrderView, Reading, scalar_text};
use crate::resource::{FieldPath, Gvk, Object};
use crate::testing::{field_value, filter_spec, order};

fn offer(filters: Vec<FilterSpec>) -> Option<Offer> {
    let gvr = ApiSpec { resource: "widgets".to_owned(), ..ApiSpec::default() };
    Offer::parse(OfferId::new("c", "n", "o"), &OfferSpec { filters, ..OfferSpec::of(gvr) }).ok()
}

/// What the checks of one filter come to; the filter itself where they cannot tell.
fn answer(offer: &Offer, filter: &Filter, index: u16, order: &Object, digest: &Digest) -> bool {
    let sieve = offer.sieve();
    let mut checks = sieve.checks().iter().filter(|check| check.filter == index);
    checks.all(|check| {
        let field = check.has_path.then(|| digest.find(check.path, sieve.path(check)).unwrap()).flatten();
        let answer = match field {
            Some(field) => digest.test(field, &check.test, sieve),
            None if check.is_optional || !check.has_path => Answer::Unsure,
            None => Answer::No,
        };
        match answer {
            Answer::Yes => true,
            Answer::No => false,
            Answer::Unsure => filter.matches(&OrderView::new(order)).is_some(),
        }
    })
}

/// All paths of an order, as far as filters can name them.
fn paths(value: &serde_json::Value, above: &[String], all: &mut BTreeSet<Vec<String>>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path: Vec<String> = above.iter().cloned().chain([key.clone()]).collect();
        paths(value, &path, all);
        all.insert(path);
    }
}

fn parsed(segments: &[String]) -> FieldPath {
    let quoted: Vec<String> = segments.iter().skip(1).map(|segment| format!("['{segment}']")).collect();
    FieldPath::parse(&format!("{}{}", segments[0], quoted.concat())).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_sieve_says_what_the_filters_say(filters in vec(filter_spec(), 1..5), order in order()) {
        let Some(offer) = offer(filters) else { return Ok(()) };
        let digest = Digest::of(&order);
        for (index, filter) in (0..).zip(offer.filters()) {
            let expected = filter.matches(&OrderView::new(&order)).is_some();
            prop_assert_eq!(answer(&offer, filter, index, &order, &digest), expected, "{:?}", filter);
        }
        let most = offer.filters().iter().map(Filter::greatest_specificity).max().unwrap_or_default();
        prop_assert_eq!(offer.sieve().specificity(), most);
        if let (true, Some(specificity)) = (offer.sieve().is_exact(), offer.matches(&OrderView::new(&order))) {
            prop_assert_eq!(specificity, most);
        }
    }

    #[test]
    fn an_order_that_was_read_has_what_the_order_has(order in order(), value in field_value()) {
        let mut order = order;
        order.set(&["spec", "a", "b.c", "d"], value);
        let digest = Digest::of(&order);
        let mut all = BTreeSet::new();
        paths(&order.clone().into_value(), &[], &mut all);
        for segments in all.iter().filter(|path| path[0] == "spec" || path[0] == "metadata") {
            let path = parsed(segments);
            let reading = Reading::at(&path, &order);
            let field = digest.find(PathHash::of(&path), &bytes_of(&path)).unwrap();
            prop_assert_eq!(field.is_some(), reading.value().is_some(), "{}", path);
            if let (Some(field), Some(text)) = (field, reading.value().and_then(scalar_text)) {
                prop_assert_eq!(digest.text(field), text.as_bytes());
                prop_assert_eq!(field.hash(), Some(TextHash::of(text.as_bytes())));
            }
        }
    }
}

#[test]
fn a_path_is_found_by_its_segments_and_not_by_its_hash_alone() {
    let mut order = Object::named(&Gvk::new("example.com", "v1", "Widget"), "team", "order");
    order.set(&["spec"], json!({"a": {"b": "x"}, "a.b": "y"}));
    order.set(&["metadata", "managedFields"], json!([{"manager": "kubectl"}]));
    let digest = Digest::of(&order);
    let path = |text: &str| FieldPath::parse(text).unwrap();
    let find = |hash: &FieldPath, bytes: &[u8]| digest.find(PathHash::of(hash), bytes).unwrap();
    let (nested, quoted) = (path("spec.a.b"), path("spec['a.b']"));
    assert_eq!(digest.text(find(&nested, &bytes_of(&nested)).unwrap()), b"x");
    assert_eq!(digest.text(find(&quoted, &bytes_of(&quoted)).unwrap()), b"y");
    // Should their hashes ever be one.
    assert!(find(&nested, &bytes_of(&quoted)).is_none());
    assert!(find(&quoted, &bytes_of(&nested)).is_none());
    assert!(find(&nested, &[b"spec".as_slice(), &[SEPARATOR], b"b"].concat()).is_none());
    let managed = PathHash::default().below("metadata").below("managedFields");
    assert!(digest.paths().all(|path| path != managed));
}

#[test]
fn numbers_are_compared_in_thousandths_only_where_they_are_whole_thousandths() {
    let bound = |text: &str| crate::offer::Bound::parse(&json!(text)).unwrap();
    let within = |min: &str, max: &str| Test::within(Some(&bound(min)), Some(&bound(max)));
    assert!(within("500m", "8Pi").is_some());
    for (min, max) in
        [("100u", "1"), ("1", "8Ei"), ("-1e100", "1"), ("0", "170141183460469231731687303715884105727")]
    {
        assert!(within(min, max).is_none(), "{min} {max}");
    }
    let order = |size: &str| {
        let mut order = Object::named(&Gvk::new("example.com", "v1", "Widget"), "team", "order");
        order.set(&["spec", "size"], json!(size));
        order
    };
    let path = FieldPath::parse("spec.size").unwrap();
    let ask = |test: Test, size: &str| {
        let digest = Digest::of(&order(size));
        let field = digest.find(PathHash::of(&path), &bytes_of(&path)).unwrap().unwrap();
        digest.test(field, &test, &Sieve::default())
    };
    // Bare bounds count in the unit of the value, as far as that fits.
    let bare = within("10", "9000000").unwrap();
    for (size, answer) in [
        ("10Gi", Answer::Unsure),
        ("10", Answer::Yes),
        ("9999m", Answer::No),
        ("9000000.001", Answer::No),
        ("100u", Answer::Unsure),
        ("ten", Answer::No),
    ] {
        assert_eq!(ask(bare, size), answer, "{size}");
    }
    let small = within("10", "100").unwrap();
    for (size, answer) in
        [("10Gi", Answer::Yes), ("9G", Answer::No), ("100G", Answer::Yes), ("101Gi", Answer::No)]
    {
        assert_eq!(ask(small, size), answer, "{size}");
    }
}
