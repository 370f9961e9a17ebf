//! Meaning and limits of expressions.
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

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn evaluate(text: &str, object: &Value) -> Result<bool, EvalError> {
    Expression::compile_with(text, &["self"])
        .unwrap_or_else(|e| panic!("{text}: {e}"))
        .evaluate_bool(&[("self", object)])
}

fn order() -> Value {
    json!({
        "metadata": {"name": "my-db", "labels": {"region": "eu-central-1", "a.b/c": "x"}, "generation": 3},
        "spec": {
            "engine": "postgres", "storage": "100Gi", "cpu": 4, "ratio": 0.5, "ha": true, "none": null,
            "big": u64::MAX, "names": ["a", "b"], "empty": [], "nodes": [{"n": 1}, {"n": 2}],
        },
    })
}

#[test]
fn promised_cel_means_what_kubernetes_says() {
    for (text, expected) in [
        ("true", true),
        ("self.spec.cpu == 4", true),
        ("self.spec.cpu + 1 == 5", true),
        ("self.spec.cpu >= 4 && self.spec.cpu < 8", true),
        (
            "self.spec.cpu * 2 - 3 == 5 && self.spec.cpu / 3 == 1 && self.spec.cpu % 3 == 1 && -self.spec.cpu == -4",
            true,
        ),
        ("self.spec.ratio < 1.0", true),
        ("self.spec.cpu > 3.5", true),
        ("self.spec.big > 1u", true),
        ("self.spec.engine == 'mysql' || self.spec.ha", true),
        ("!(self.spec.engine in ['mysql', 'oracle'])", true),
        ("self.metadata.labels.region.startsWith('eu-')", true),
        ("self.metadata.labels['a.b/c'] == 'x'", true),
        ("self.spec.storage.endsWith('Gi') && self.spec.storage.contains('00')", true),
        ("size(self.spec.names) == 2 && self.spec.names.size() == 2 && size(self.spec.engine) == 8", true),
        ("self.spec.names[1] == 'b'", true),
        ("self.spec.names == ['a', 'b']", true),
        ("self.spec.names + ['c'] == ['a', 'b', 'c']", true),
        ("has(self.spec.engine)", true),
        ("has(self.spec.missing)", false),
        ("has(self.spec.missing) && self.spec.missing > 1", false),
        ("!has(self.spec.missing) || self.spec.missing > 1", true),
        ("self.spec.?missing.orValue('x') == 'x'", true),
        ("self.?spec.?engine.hasValue()", true),
        ("self.spec.none == null", true),
        ("self.spec.names.all(n, size(n) == 1)", true),
        ("self.spec.empty.all(n, n == 1) && !self.spec.empty.exists(n, true)", true),
        ("self.spec.names.exists(n, n == 'b')", true),
        ("self.spec.names.exists_one(n, n == 'b')", true),
        ("self.spec.nodes.map(n, n.n) == [1, 2]", true),
        ("self.spec.nodes.filter(n, n.n > 1).size() == 1", true),
        ("self.spec.nodes.all(a, self.spec.nodes.exists(b, a.n == b.n))", true),
        ("self.spec.ha ? self.spec.cpu > 1 : false", true),
        ("int('7') == 7 && double('0.5') == 0.5 && string(7) == '7' && uint(7) == 7u && bool('true')", true),
        ("type(self.spec.cpu) == int && type(self.spec.engine) == string", true),
        ("{'a': self.spec.cpu}.a == 4", true),
        ("self.spec.engine == 5", false),
        ("self.spec.engine != 5", true),
        // An error on one side is absorbed where the other side decides, as in Kubernetes.
        ("self.spec.missing == 1 || true", true),
        ("self.spec.missing == 1 && false", false),
    ] {
        assert_eq!(evaluate(text, &order()), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_there_is_not_yet_true() {
    for text in [
        "self.status.ready",
        "self.spec.missing == 1",
        "self.spec.missing.deeper == 1",
        "self.spec.names[2] == 'c'",
        "has(self.status.ready) ? true : self.status.ready",
        "has(self.status.conditions.x)",
        "self.metadata.labels['nope'] == 'x'",
    ] {
        assert!(matches!(evaluate(text, &order()), Err(EvalError::Missing { .. })), "{text}");
    }
    assert_eq!(evaluate("self.status.ready", &order()).unwrap_err().to_string(), "`status` is not there");
}

#[test]
fn what_has_no_answer_says_so_without_showing_values() {
    for text in [
        "self.spec.engine + 1 == 2",
        "self.spec.engine < 3",
        "self.spec.cpu / 0 == 1",
        "int(self.spec.engine) == 1",
        "self.spec.cpu + 9223372036854775807 > 0",
        "self.spec.engine.foo == 1",
        "self.spec.cpu ? true : false",
        "self.spec.cpu && true",
        "self.spec.cpu.all(x, true)",
    ] {
        let error = evaluate(text, &order()).expect_err(text);
        assert!(matches!(error, EvalError::Failed { .. }), "{text}: {error:?}");
        assert!(!error.to_string().contains("postgres"), "{text}: {error}");
    }
    assert_eq!(evaluate("self.spec.cpu", &order()), Err(EvalError::NotBool { found: "int".to_owned() }));
    assert!(matches!(evaluate("self.spec.engine", &order()), Err(EvalError::NotBool { .. })));
}

#[test]
fn unknown_names_and_functions_are_refused_when_written() {
    let refused = |text: &str| Expression::compile_with(text, &["self"]).expect_err(text);
    assert_eq!(
        refused("self.spec.x == 1 &&\n  selv.spec.y").to_string(),
        "line 2, column 3: `selv` is not known here; known are self"
    );
    for text in [
        "now()",
        "self.spec.x.matches('a')",
        "self.spec.x.replace('a', 'b')",
        "'a'.split('') == []",
        "'%s'.format([1]) == ''",
        "[''].join() == ''",
        "duration('1h') == duration('60m')",
        "timestamp('2026-01-01T00:00:00Z') == self",
        "lists.range(3) == []",
    ] {
        assert!(
            matches!(
                refused(text),
                ExpressionError::UnknownFunction { .. } | ExpressionError::UnknownName { .. }
            ),
            "{text}"
        );
    }
    assert!(matches!(
        refused("Foo{a: 1} == 1"),
        ExpressionError::Unsupported { .. } | ExpressionError::UnknownName { .. }
    ));
    // The variable of a macro is known inside it only.
    assert!(Expression::compile_with("[1].all(x, x == 1)", &[]).is_ok());
    assert!(matches!(refused("[1].all(x, x == 1) && x == 1"), ExpressionError::UnknownName { .. }));
    // With names left open, those used are told, and have to be bound.
    let open = Expression::compile("to.status.connections > 0 && [1].all(x, x == 1)").unwrap();
    assert_eq!(open.names().collect::<Vec<_>>(), ["to"]);
    assert_eq!(open.evaluate_bool(&[]), Err(EvalError::Unbound { name: "to".to_owned() }));
}

#[test]
fn syntax_errors_have_a_position() {
    let ExpressionError::Syntax { line, column, .. } = Expression::compile("self.a == \n  == 1").unwrap_err()
    else {
        panic!("expected a syntax error");
    };
    assert_eq!((line, column), (2, 3));
    for text in
        ["", " ", "self.", "'", "\"", "(", ")", "[", "{", "1 +", "a b", "\u{0}", "self.spec.x = 1", "🦀"]
    {
        assert!(Expression::compile(text).is_err(), "{text:?}");
    }
}

#[test]
fn hostile_texts_are_refused_and_the_process_lives() {
    let repeat = |prefix: &str, part: &str, suffix: &str| {
        let count = (MAX_LENGTH - prefix.len() - suffix.len()) / part.len();
        format!("{prefix}{}{suffix}", part.repeat(count))
    };
    for text in [
        repeat("a", ".b", ""),
        repeat("a", "[0]", ""),
        repeat("1", "+1", ""),
        repeat("'a'", ".f()", ""),
        repeat("a", " in a", ""),
        repeat("", "(", ""),
        repeat("", "[", ""),
        repeat("", "{", ""),
        repeat("", "[", "") + "]",
        repeat("", "a?", "b"),
        repeat("a", "?b:a", ""),
        repeat("", "a&&", "a"),
        repeat("", "a||", "a"),
        repeat("", "{1:", "1"),
        repeat("", "a(", ""),
        repeat("", "a.b(", ""),
        repeat("", "has(", ""),
        repeat("", "[1].map(x,", "1"),
        "(".repeat(500) + "1" + &")".repeat(500),
        "[".repeat(500) + "1" + &"]".repeat(500),
        "a".repeat(MAX_LENGTH + 1),
        "x".repeat(1 << 20),
    ] {
        assert!(Expression::compile(&text).is_err(), "{}…", &text[..20]);
    }
    // The input of cel-rust#306 in kind: nested macros and unfinished brackets.
    let nested = "[1].map(a,".repeat(12) + &"[[[[[[[[[[[[".repeat(3);
    assert!(Expression::compile(&nested).is_err());
    assert!(Expression::compile(&("true".to_owned() + &" ".repeat(MAX_LENGTH - 4))).is_ok());
}

/// The deepest expression of a kind that is accepted.
fn deepest(kind: impl Fn(usize) -> String) -> String {
    let accepted = (1..=MAX_DEPTH).rev().map(kind).find(|text| Expression::compile(text).is_ok());
    accepted.expect("one level is accepted")
}

fn deepest_of_all_kinds() -> Vec<String> {
    let around = |open: &str, core: &str, close: &str| {
        deepest(|n| {
            let text = format!("{}{core}{}", open.repeat(n), close.repeat(n));
            if core == "true" { text } else { format!("{text} == null") }
        })
    };
    let behind = |part: &str, end: &str| deepest(|n| format!("self{}{end}", part.repeat(n)));
    vec![
        around("[", "1", "]"),
        around("{'a': ", "1", "}"),
        around("-(", "1", ")"),
        around("type(", "1", ")"),
        around("string(", "1", ")"),
        around("size([", "1", "])"),
        around("[1].map(x, ", "1", ")"),
        around("!(", "true", ")"),
        around("(true ? ", "true", " : false)"),
        around("[1].all(x, ", "true", ")"),
        around("[1].exists(x, ", "true", ")"),
        around("[1].filter(x, ", "true", ").size() == 1"),
        around("has({'a': ", "true", "}.a)"),
        behind(" + self", " == self"),
        behind(".a", " == 1"),
        behind(".?a", ".hasValue()"),
        behind("['a']", " == 1"),
        "self.list == self.list && [self].all(x, x == self)".to_owned(),
    ]
}

/// On 1 MiB, half of what a thread has, in a process of its own: an exhausted stack ends the whole process.
#[test]
fn the_deepest_expressions_evaluate_on_a_small_stack() {
    const CHILD: &str = "EVALUATE_IN_THIS_PROCESS";
    if std::env::var_os(CHILD).is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["the_deepest_expressions_evaluate_on_a_small_stack", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
        return;
    }
    let nested = |wrap: fn(Value) -> Value| (0..60).fold(json!(1), |value, _| wrap(value));
    let object = json!({"a": nested(|value| json!({ "a": value })), "list": nested(|value| json!([value]))});
    for text in deepest_of_all_kinds() {
        let object = object.clone();
        let small = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
            let expression = Expression::compile_with(&text, &["self"]).unwrap();
            // Some of these have no answer; all of them come back.
            let answer = expression.evaluate_bool(&[("self", &object)]);
            assert!(
                !matches!(answer, Err(EvalError::TooDeep { .. } | EvalError::Unbound { .. })),
                "{text}: {answer:?}"
            );
        });
        small.unwrap().join().unwrap();
    }
}

#[test]
fn budgets_hold_where_deep_expressions_are_evaluated_too() {
    let hundred: Vec<u32> = (0..100).collect();
    let object = json!({"l": hundred});
    let deep = format!(
        "{}self.l.all(a, self.l.all(b, self.l.all(c, true))){} || true",
        "(false || !(".repeat(4),
        "))".repeat(4)
    );
    assert_eq!(evaluate(&deep, &object), Err(EvalError::Budget));
}

#[test]
fn limits_on_parts_and_nesting_are_told() {
    let wide = format!("[{}1] == []", "1,".repeat(300));
    assert!(matches!(Expression::compile(&wide), Err(ExpressionError::TooComplex { what: "parts", .. })));
    let deep = format!("{}1{}", "[".repeat(33), "]".repeat(33));
    assert!(matches!(
        Expression::compile(&deep),
        Err(ExpressionError::TooComplex { .. } | ExpressionError::Syntax { .. })
    ));
    assert!(matches!(
        Expression::compile(&"a".repeat(2000)),
        Err(ExpressionError::TooLong { length: 2000, .. })
    ));
}

#[test]
fn loops_run_out_of_budget_whatever_surrounds_them() {
    let hundred: Vec<u32> = (0..100).collect();
    let many: Vec<u32> = (0..20_000).collect();
    let object = json!({"l": hundred, "m": many});
    for text in [
        "self.l.all(a, self.l.all(b, self.l.all(c, true)))",
        "self.m.all(a, true)",
        "self.m.exists(a, false)",
        "self.l.all(a, self.l.all(b, self.l.all(c, true))) || true",
        "true || self.l.all(a, self.l.all(b, self.l.all(c, true)))",
        "self.l.map(a, self.l.map(b, self.l)).size() > 0",
    ] {
        let answer = evaluate(text, &object);
        let short_circuited = text.starts_with("true ||");
        assert_eq!(answer, if short_circuited { Ok(true) } else { Err(EvalError::Budget) }, "{text}");
    }
    assert_eq!(evaluate("[1, 2, 3].all(a, self.l.exists(b, a == b))", &object), Ok(true));
    // The meters are fresh for each evaluation.
    assert_eq!(evaluate("self.l.all(a, true)", &object), Ok(true));
}

#[test]
fn copies_run_out_of_budget() {
    let object = json!({"s": "x".repeat(1 << 20), "o": {"deep": {"text": "y".repeat(1 << 20)}}});
    for text in [
        "[self.s + self.s].map(a, a + a).map(a, a + a).map(a, a + a).size() == 1",
        "[0].map(a, [self, self, self, self]).map(b, [b, b, b, b]).size() == 1",
        "[self, self, self, self, self].size() == 5",
        "[1, 2, 3, 4, 5, 6].all(i, self.o == self.o)",
        "[1, 2, 3, 4, 5, 6].all(i, self.?o.hasValue())",
        "[1, 2, 3, 4, 5, 6].all(i, self.s.contains('z') || true)",
        "{'a': self, 'b': self, 'c': self}.size() == 3",
    ] {
        assert_eq!(evaluate(text, &object), Err(EvalError::Budget), "{text}");
    }
    assert_eq!(evaluate("self.s.endsWith('xx') && self.o.deep.text.startsWith('y')", &object), Ok(true));
}

#[test]
fn macros_see_the_keys_of_a_map_in_order() {
    let fields: serde_json::Map<String, Value> = (0..40).map(|n| (format!("k{n:02}"), json!(n))).collect();
    let object = json!({"labels": fields});
    for _ in 0..20 {
        assert_eq!(
            evaluate("self.labels.map(k, k)[0] == 'k00' && self.labels.map(k, k)[39] == 'k39'", &object),
            Ok(true)
        );
        assert_eq!(evaluate("self.labels.filter(k, self.labels[k] > 5)[0] == 'k06'", &object), Ok(true));
    }
}

#[test]
fn values_nested_too_deeply_are_named() {
    let mut value = json!(1);
    for _ in 0..200 {
        value = json!({ "a": value });
    }
    assert_eq!(evaluate("has(self.a)", &value), Err(EvalError::TooDeep { name: "self".to_owned() }));
}

#[test]
fn debug_of_a_scope_shows_no_values() {
    let scope = Scope::new(&[("secret", &json!({"data": {"password": "hunter2"}}))]);
    assert!(!format!("{scope:?}").contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_compiled_or_refused(text in "\\PC{0,80}") {
        let _ = Expression::compile(&text);
    }

    #[test]
    fn anything_made_of_cel_tokens_is_compiled_or_refused_and_evaluates_or_fails(
        tokens in proptest::collection::vec(
            prop::sample::select(vec![
                "self", ".", "spec", "cpu", "names", "(", ")", "[", "]", "{", "}", ",", ":", "?", "&&", "||", "!", "-",
                "+", "*", "/", "%", "==", "<", " in ", "1", "0", "2.5", "1u", "'a'", "b'x'", "true", "null", "has(",
                ".all(x,", ".map(x,", ".exists(", "x", "size(", "type(", ".?", "[?", "\n", "9223372036854775807",
            ]),
            0..24,
        ),
    ) {
        if let Ok(expression) = Expression::compile_with(&tokens.concat(), &["self"]) {
            let _ = expression.evaluate_bool(&[("self", &order())]);
        }
    }
}
