use proptest::prelude::*;
use serde_json::json;

use super::*;

fn scope(order: &Value) -> Scope {
    Scope::new(&[("self", order)])
}

fn compile(written: &Value) -> ValueTemplate {
    ValueTemplate::compile(written, &["self"]).unwrap()
}

fn fill(written: &Value, order: &Value) -> Result<Value, String> {
    compile(written).fill(&scope(order)).map_err(|unfilled| unfilled.to_string())
}

#[test]
fn a_text_that_is_one_expression_keeps_the_type_and_within_text_it_becomes_text() {
    let order =
        json!({"spec": {"cpu": 4, "ha": true, "name": "a", "tags": ["x"], "map": {"k": 1}, "none": null}});
    for (written, expected) in [
        (json!("${self.spec.cpu}"), json!(4)),
        (json!("${ self.spec.ha }"), json!(true)),
        (json!("${self.spec.tags}"), json!(["x"])),
        (json!("${self.spec.map}"), json!({"k": 1})),
        (json!("v${self.spec.cpu}-${self.spec.name}-${self.spec.ha}"), json!("v4-a-true")),
        (json!("$${self.spec.cpu}"), json!("${self.spec.cpu}")),
        (json!("$$${self.spec.cpu}"), json!("$${self.spec.cpu}")),
        (json!("a $ b } {c}"), json!("a $ b } {c}")),
        (json!("${'}' + self.spec.name + \"}'{\"}"), json!("}a}'{")),
        (json!("${{'a': {'b': self.spec.cpu}}['a']}"), json!({"b": 4})),
        (json!("${'it\\'s }'}"), json!("it's }")),
        (json!({"a": ["${self.spec.cpu}", 1, null], "b": null}), json!({"a": [4, 1]})),
        (json!({"a": "${self.spec.none}", "b": "${self.spec.?x.orValue(null)}", "c": ""}), json!({"c": ""})),
    ] {
        assert_eq!(fill(&written, &order), Ok(expected), "{written}");
    }
}

#[test]
fn what_has_no_value_is_told_with_its_place_and_its_expression() {
    let order = json!({"spec": {"list": [1], "none": null}});
    for (written, expected) in [
        (
            json!({"spec": {"a-b": ["x", "${self.spec.size}"]}}),
            "spec.a-b[1]: ${self.spec.size} has no value: `size` is not there",
        ),
        (
            json!({"a.b/c": "v${self.spec.list}"}),
            "['a.b/c']: ${self.spec.list} has no value: a list is no part of a text",
        ),
        (json!({"a": "v${self.spec.none}"}), "a: ${self.spec.none} has no value: null is no part of a text"),
    ] {
        assert_eq!(fill(&written, &order), Err(expected.to_owned()), "{written}");
    }
}

#[test]
fn where_not_everything_is_there_yet_the_rest_is() {
    let written = json!({
        "phase": "${self.phase}", "host": "${self.host}", "inner": {"a": "${self.phase}", "b": "${self.host}"},
        "conditions": [{"type": "Ready", "status": "${self.ready}"}, {"type": "Up", "status": "${self.host}"}],
        "relatedResources": {
            "credentials": {"name": "${self.secret}", "gvk": {"kind": "Secret"}},
            "ca": {"name": "${self.ca}", "gvk": {"kind": "Secret"}},
        },
    });
    let found = json!({"phase": "Up", "ready": "True", "ca": "the-ca"});
    assert_eq!(
        compile(&written).fill_what_is_there(&scope(&found), &["relatedResources"]),
        json!({
            "phase": "Up", "inner": {"a": "Up"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "relatedResources": {"ca": {"name": "the-ca", "gvk": {"kind": "Secret"}}},
        })
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let many = json!(vec!["${self}"; MAX_EXPRESSIONS + 1]);
    for (written, place, accepted) in [
        (json!({"spec": {"a": "${self.spec"}}), "spec.a", "an expression that ends"),
        (json!({"spec": [0, "${}"]}), "spec[1]", "a CEL expression over self"),
        (json!({"spec": "${other.x}"}), "spec", "`other` is not known here"),
        (json!({"spec": {"${self.x}": 1}}), "spec['${self.x}']", "a key as it is"),
        (deep, &"[0]".repeat(MAX_DEPTH), "at most 32 levels"),
        (many, "[256]", "at most 256 expressions"),
        (json!(vec![0; MAX_PARTS]), &format!("[{}]", MAX_PARTS - 1), "at most 4096 values"),
    ] {
        let faults = ValueTemplate::compile(&written, &["self"]).unwrap_err();
        assert_eq!(faults[0].place.to_string(), place);
        assert!(faults[0].accepted.contains(accepted), "{}", faults[0].accepted);
        assert_eq!(faults.len(), 1, "each fault is told once");
    }
}

#[test]
fn results_are_bounded_however_often_a_large_value_is_put_in() {
    let order = json!({"spec": {"text": "x".repeat(60_000)}});
    let few = json!(vec!["${self.spec.text}"; 10]);
    assert!(fill(&few, &order).is_ok());
    for written in [json!(vec!["${self.spec.text}"; 20]), json!("a${self.spec.text}".repeat(20))] {
        let told = fill(&written, &order).unwrap_err();
        assert!(told.contains("too large values"), "{told}");
        let partly = compile(&written).fill_what_is_there(&scope(&order), &[]);
        assert!(size(&partly) <= MAX_RESULT);
    }
}

/// Whatever JSON there is, with texts that look like expressions.
fn anything() -> impl Strategy<Value = Value> {
    let hostile = prop::sample::select(vec![
        "${self}",
        "$${self}",
        "${",
        "}",
        "apiVersion: v1",
        "\n---\nkind: Secret",
        "{\"kind\":\"Secret\"}",
        "a'b\"c\\",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        hostile.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z$.{}]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reading_whatever_is_written_comes_back(written in anything()) {
        if let Ok(template) = ValueTemplate::compile(&written, &["self"]) {
            let _ = template.fill(&scope(&json!({"spec": {}})));
        }
    }

    #[test]
    fn a_value_goes_in_as_it_is_and_comes_back_as_it_was(value in anything()) {
        let order = json!({"spec": {"value": value}});
        let filled = fill(&json!({"held": "${self.spec.value}", "after": 1}), &order).unwrap();
        let mut expected = json!({"after": 1});
        if !value.is_null() {
            expected["held"] = value;
        }
        prop_assert_eq!(filled, expected);
    }

    #[test]
    fn a_value_never_adds_a_key_beside_its_own(value in anything()) {
        let order = json!({"spec": {"value": value}});
        let written = json!({"spec": {"a": "${self.spec.value}", "b": "x"}, "list": [{"c": "<${self.spec.value}>"}]});
        let filled = compile(&written).fill_what_is_there(&scope(&order), &[]);
        for (pointer, allowed) in [("", &["spec", "list"][..]), ("/spec", &["a", "b"]), ("/list/0", &["c"])] {
            let keys = filled.pointer(pointer).and_then(Value::as_object).into_iter().flat_map(Map::keys);
            for key in keys {
                prop_assert!(allowed.contains(&key.as_str()), "{} at {}", key, pointer);
            }
        }
    }

    #[test]
    fn text_that_is_escaped_is_what_was_meant(text in "[a-z${} ]{0,20}") {
        let escaped = text.replace("${", "$${");
        // `$${` within the text would itself be an escape; it is written with one sign more.
        prop_assume!(!text.contains("$$"));
        prop_assert_eq!(fill(&json!(escaped), &json!({})), Ok(json!(text)));
    }
}
