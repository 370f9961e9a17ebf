//! A CEL text: it compiles or is refused, evaluates or fails, always the same, and no error shows a value.
#![no_main]

use std::sync::LazyLock;

use broker_core::expression::{Expression, Outcome, Scope};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static ORDER: LazyLock<Value> = LazyLock::new(|| {
    let hundred: Vec<u32> = (0..100).collect();
    json!({
        "metadata": {"name": "my-db", "labels": {"region": "hunter2", "a.b/c": "x"}},
        "spec": {
            "engine": "hunter2", "storage": "100Gi", "cpu": 4, "ratio": 0.5, "ha": true, "none": null, "l": hundred,
            "big": u64::MAX, "names": ["a", "hunter2"], "nodes": [{"n": 1}, {"n": 2}], "empty": {}, "text": "x".repeat(10_000),
        },
    })
});

fuzz_target!(|text: &str| {
    match Expression::compile_with(text, &["self"]) {
        Err(error) => assert!(error.to_string().chars().count() < 400, "{error}"),
        Ok(expression) => {
            let answer = expression.evaluate_bool(&[("self", &ORDER)]);
            if let Err(error) = &answer {
                let error = error.to_string();
                assert!(error.chars().count() < 400, "{error}");
                assert!(text.contains("hunter") || !error.contains("hunter2"), "{error}");
            }
            let scope = Scope::new(&[("self", &ORDER)]);
            assert_eq!(expression.evaluate_bool_in(&scope), answer);
            assert_eq!(expression.evaluate_bool_in(&scope), answer);
            if let Outcome::Other(found) = expression.outcome() {
                assert!(answer.is_err(), "said to be always of type {found}, and yet {answer:?}");
            }
        }
    }
});
