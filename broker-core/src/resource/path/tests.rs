#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn segments(text: &str) -> Vec<String> {
    FieldPath::parse(text).unwrap().segments().to_vec()
}

#[test]
fn spec_is_implied() {
    assert_eq!(segments("fqdn"), ["spec", "fqdn"]);
    assert_eq!(segments("spec.fqdn"), ["spec", "fqdn"]);
    assert_eq!(segments("metadata.labels.region"), ["metadata", "labels", "region"]);
}

#[test]
fn quoted_segments_reach_keys_with_dots() {
    let path = FieldPath::parse("metadata.labels['topology.kubernetes.io/region']").unwrap();
    let object =
        Object::try_from(json!({"metadata": {"labels": {"topology.kubernetes.io/region": "eu"}}})).unwrap();
    assert_eq!(path.find(&object), Some(&json!("eu")));
    assert_eq!(path.to_string(), "metadata.labels['topology.kubernetes.io/region']");
}

#[test]
fn either_quote_quotes_and_ends_in_front_of_its_bracket() {
    for (text, expected) in [
        ("['a.b'].c", vec!["spec", "a.b", "c"]),
        ("[\"a.b\"]", vec!["spec", "a.b"]),
        ("a['b']['c']", vec!["spec", "a", "b", "c"]),
        ("a.['b']", vec!["spec", "a", "b"]),
        ("['it\"s']", vec!["spec", "it\"s"]),
        ("[\"it's\"]", vec!["spec", "it's"]),
        ("[\"a']b\"]", vec!["spec", "a']b"]),
        ("['a[b]c']", vec!["spec", "a[b]c"]),
        ("['a\\'b']", vec!["spec", "a\\'b"]),
        ("['spec'].x", vec!["spec", "x"]),
        ("['with space']", vec!["spec", "with space"]),
        ("spec.status", vec!["spec", "status"]),
        ("größe", vec!["spec", "größe"]),
        ("metadata.labels.example.com/x", vec!["metadata", "labels", "example", "com/x"]),
    ] {
        assert_eq!(segments(text), expected, "{text}");
    }
}

#[test]
fn status_and_what_changes_with_it_are_refused() {
    for text in ["status", "status.ready", "status['ready']", "['status'].x", "metadata.resourceVersion"] {
        assert!(matches!(FieldPath::parse(text), Err(ParsePathError::Status(_))), "{text}");
    }
    assert!(matches!(FieldPath::parse("metadata.managedFields"), Err(ParsePathError::Status(_))));
}

#[test]
fn broken_paths_are_refused_with_what_is_wrong() {
    use ParsePathError as E;
    let whole = |text: &str, error: fn(String) -> E| error(text.to_owned());
    for (text, error) in [
        ("", E::EmptySegment as fn(String) -> E),
        (".", E::EmptySegment),
        (".spec", E::EmptySegment),
        ("spec.", E::EmptySegment),
        ("a..b", E::EmptySegment),
        ("['']", E::EmptySegment),
        ("a['b", E::UnfinishedQuote),
        ("a['b\"]", E::UnfinishedQuote),
        ("a['b']c", E::UnfinishedQuote),
        ("a[b]", E::UnfinishedQuote),
        ("a b", E::Unquoted),
        (" a", E::Unquoted),
        ("a]", E::Unquoted),
        ("'a'", E::Unquoted),
        ("a.*", E::Unquoted),
        ("a\u{0}", E::Unquoted),
        ("a[0]", E::ListPosition),
        ("a[*].b", E::ListPosition),
        ("a[].b", E::ListPosition),
    ] {
        assert_eq!(FieldPath::parse(text), Err(whole(text, error)), "{text}");
    }
    assert_eq!(FieldPath::parse(&"a".repeat(MAX_PATH + 1)), Err(E::TooLong));
    assert!(FieldPath::parse(&"ü".repeat(MAX_PATH)).is_ok());
    let path = |segments: usize| vec!["a"; segments].join(".");
    assert!(FieldPath::parse(&path(MAX_SEGMENTS - 1)).is_ok());
    assert_eq!(FieldPath::parse(&path(MAX_SEGMENTS)), Err(E::TooLong));
}

#[test]
fn what_is_missing_differs_from_what_cannot_be_reached() {
    let object = Object::try_from(json!({"spec": {
        "null": null, "empty": [], "text": "t", "number": 1, "bool": true, "list": [{"a": 1}], "object": {"a": 1},
    }}))
    .unwrap();
    let look = |text: &str| FieldPath::parse(text).unwrap().look(&object);
    let blocked = |found| Lookup::Blocked { segments: 2, found };
    for (text, expected) in [
        ("text", Lookup::Found(&json!("t"))),
        ("object.a", Lookup::Found(&json!(1))),
        ("null", Lookup::Missing),
        ("null.a", Lookup::Missing),
        ("empty", Lookup::Missing),
        ("empty.a", Lookup::Missing),
        ("nope.a.b", Lookup::Missing),
        ("object.b", Lookup::Missing),
        ("metadata.labels.a", Lookup::Missing),
        ("text.a", blocked("a text")),
        ("number.a.b", blocked("a number")),
        ("bool.a", blocked("a boolean")),
        ("list.a", blocked("a list")),
    ] {
        assert_eq!(look(text), expected, "{text}");
    }
    assert_eq!(FieldPath::parse("list.a").unwrap().up_to(2).to_string(), "spec.list");
    assert_eq!(FieldPath::parse("null").unwrap().find(&object), None);
}

proptest! {
    #[test]
    fn any_text_is_a_path_that_is_written_and_read_again_or_none(
        text in "\\PC{0,24}", soup in "[a-c.\\['\"\\] /0*]{0,24}", wild in any::<String>(),
    ) {
        for text in [text, soup, wild] {
            if let Ok(path) = FieldPath::parse(&text) {
                let again = FieldPath::parse(&path.to_string());
                prop_assert_eq!(again.as_ref(), Ok(&path), "{}", text);
            }
        }
    }
}
