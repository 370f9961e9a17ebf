#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use super::*;
use serde_json::json;

fn labelled(labels: Value) -> Value {
    json!({"metadata": {"name": "x", "labels": labels}})
}

fn selects(selector: &str, labels: Value) -> bool {
    LabelSelector::parse(selector).unwrap().matches(&labelled(labels))
}

#[test]
fn equality_sets_and_existence_are_told_apart() {
    assert!(selects("", json!({})));
    assert!(selects("a=b,c!=d", json!({"a": "b"})));
    assert!(!selects("a==b", json!({"a": "c"})));
    assert!(selects("a in (b, c),!z", json!({"a": "c"})));
    assert!(!selects("a notin (b,c)", json!({"a": "c"})));
    assert!(selects("a notin (b,c)", json!({})));
    assert!(selects("a", json!({"a": ""})));
    assert!(!selects("!a", json!({"a": ""})));
    assert!(selects("a=", json!({"a": ""})));
    assert!(selects("n>3,n<5", json!({"n": "4"})));
    assert!(!selects("example.com/x=y", json!({"example.com/x": "z"})));
}

#[test]
fn broken_label_selectors_are_refused() {
    for broken in ["a in (b", "a,,b", "=b", "a foo (b)", "a=b c", "a b"] {
        assert!(LabelSelector::parse(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_selector_object_matches_like_its_text() {
    let selector = LabelSelector::from_object(&json!({
        "matchLabels": {"a": "b"},
        "matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["d"]}, {"key": "e", "operator": "Exists"}],
    }))
    .unwrap();
    assert_eq!(selector, LabelSelector::parse("a=b,c notin (d),e").unwrap());
    assert_eq!(selector.fixed_labels(), [("a".to_owned(), "b".to_owned())]);
    assert!(
        LabelSelector::from_object(&json!({"matchExpressions": [{"key": "c", "operator": "In"}]})).is_err()
    );
}

#[test]
fn fields_are_selected_by_their_path() {
    let selector = FieldSelector::parse("metadata.name=x,status.phase!=Running").unwrap();
    assert_eq!(selector.fields().collect::<Vec<_>>(), ["metadata.name", "status.phase"]);
    assert_eq!(selector.fixed("metadata.name"), Some("x"));
    assert!(selector.matches(&json!({"metadata": {"name": "x"}})));
    assert!(!selector.matches(&json!({"metadata": {"name": "x"}, "status": {"phase": "Running"}})));
    assert!(FieldSelector::parse("metadata.name").is_err());
}
