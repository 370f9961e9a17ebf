//! Offers are found by hashes, and told apart by letters: the answer is the scan's, whatever collides.

use std::sync::Arc;

use serde_json::{Value, json};

use super::index::{compare_plain, everyone, offered, widget};
use crate::matching::*;
use crate::offer::ReadOrder;
use crate::offer::hashing::{COLLIDING, TextHash};
use crate::selection::Choice;
use crate::testing::api;

/// A text that has the hash of all others of its kind.
fn text(name: &str) -> String {
    format!(".{name}{COLLIDING}.{name}")
}

fn filtered(name: &str, priority: i32, filters: Value) -> Offered {
    offered(name, json!({"gvr": {"resource": "widgets"}, "priority": priority, "filters": filters}))
}

fn chosen(offers: impl IntoIterator<Item = Offered>, spec: Value) -> Option<String> {
    let matcher = IndexMatcher::new(Arc::new(OfferSet::new(&everyone(), offers)));
    let order = widget(spec);
    compare_plain(&matcher, &order);
    let (api, read) = (api(), ReadOrder::new(Arc::new(order)));
    match matcher.choose_offer(&OrderFacts::of(&read, &api, "uid")) {
        Choice::Take(chosen) => Some(chosen.id().cluster.as_str().to_owned()),
        Choice::Keep(_) | Choice::None => None,
    }
}

#[test]
fn texts_collide_that_are_made_to() {
    assert_ne!(text("one"), text("other"));
    assert_eq!(TextHash::of(text("one").as_bytes()), TextHash::of(text("other").as_bytes()));
    assert_ne!(TextHash::of(b"one"), TextHash::of(b"other"));
}

#[test]
fn who_is_found_by_the_hash_of_a_value_gives_way_to_who_has_the_value() {
    let is = |name: &str| json!([{"key": "spec.tier", "valueIn": [text(name)]}]);
    let offers = || [filtered("loud", 9, is("other")), filtered("right", 1, is("one"))];
    assert_eq!(chosen(offers(), json!({"tier": text("one")})).as_deref(), Some("right"));
    assert_eq!(chosen(offers(), json!({"tier": text("other")})).as_deref(), Some("loud"));
    assert_eq!(chosen(offers(), json!({"tier": text("neither")})), None);
}

#[test]
fn among_many_that_collide_the_right_one_is_found() {
    let filters = |n: usize| json!([{"key": "spec.tier", "valueIn": [text(&format!("t{n}"))]}, {"key": "spec.zone", "valueIn": ["a", "b"]}]);
    let offers =
        || (0..100).map(|n| filtered(&format!("p{n}"), i32::try_from(n).unwrap_or_default(), filters(n)));
    let order = |n: usize| json!({"tier": text(&format!("t{n}")), "zone": "a"});
    for n in [0, 50, 99] {
        assert_eq!(chosen(offers(), order(n)), Some(format!("p{n}")));
    }
    assert_eq!(chosen(offers(), order(100)), None);
}

#[test]
fn the_ends_and_beginnings_of_texts_are_compared_by_their_letters() {
    let ends = |name: &str| json!([{"key": "spec.fqdn", "suffix": text(name)}]);
    let begins = |name: &str| json!([{"key": "spec.fqdn", "prefix": text(name)}]);
    for filter in [ends, begins] {
        let offers = || [filtered("loud", 9, filter("two")), filtered("right", 1, filter("one"))];
        assert_eq!(chosen(offers(), json!({"fqdn": text("one")})).as_deref(), Some("right"));
        assert_eq!(chosen(offers(), json!({"fqdn": text("six")})), None);
    }
}

#[test]
fn a_field_is_not_taken_for_another_whose_path_has_the_same_hash() {
    let at = |name: &str| json!([{"key": format!("spec.{COLLIDING}{name}"), "valueIn": ["x"]}]);
    let field = |name: &str| format!("{COLLIDING}{name}");
    let offers = || [filtered("loud", 9, at("other")), filtered("right", 1, at("one"))];
    assert_eq!(chosen(offers(), json!({field("one"): "x"})).as_deref(), Some("right"));
    // Both fields are there, and both are found by one hash.
    assert_eq!(chosen(offers(), json!({field("one"): "x", field("other"): "y"})).as_deref(), Some("right"));
    assert_eq!(chosen(offers(), json!({field("one"): "x", field("other"): "x"})).as_deref(), Some("loud"));
    assert_eq!(chosen(offers(), json!({field("third"): "x"})), None);
}
