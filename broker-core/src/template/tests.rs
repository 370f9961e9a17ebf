//! What templates become, and what none becomes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "tests may fail loudly, and tables are long"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const NAMES: [&str; 3] = ["from", "to", "earlier"];

fn parse(value: &Value) -> Result<Template, Vec<String>> {
    Template::parse("helper", value, &NAMES).map_err(|faults| {
        faults.iter().map(|fault| format!("{} {fault}", fault.pointer).trim().to_owned()).collect()
    })
}

fn place(name: &str) -> Place {
    let secrets = BTreeMap::from([("root".to_owned(), "creds-1".to_owned())]);
    Place { name: name.into(), namespace: "ns".into(), cluster: "abc".into(), secrets }
}

fn copy(host: &Value) -> Object {
    let object = json!({
        "apiVersion": "example.com/v1", "kind": "Database", "metadata": {"name": "c-1", "labels": {"a": "b"}},
        "spec": {"size": 10, "on": true, "tags": ["x", "y"], "nested": {"a": {"b": 1}}},
        "status": {"host": host},
    });
    Object::try_from(object).unwrap()
}

fn render_on(template: &Template, host: &Value) -> Result<Option<Object>, TemplateError> {
    let (source, from, to) = (copy(host), place("my-db"), place("my-db-2"));
    let value = Value::Object(source.fields().clone());
    let scope = Scope::new(&[("from", &value)]);
    let rendering = Rendering {
        from: Side { place: &from, object: Some(&source) },
        to: Side { place: &to, object: None },
        scope: &scope,
    };
    template.render(&rendering, "m-1")
}

fn render(value: &Value) -> Result<Value, TemplateError> {
    let template = parse(value).unwrap_or_else(|faults| panic!("{value}: {faults:?}"));
    Ok(render_on(&template, &json!("db.internal"))?.map_or(Value::Null, Object::into_value))
}

const MISSION: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: db-backup-{{ .From.Name }}
spec:
  template:
    spec:
      containers:
        - name: pg-dump
          image: postgres:15
          command: ["pg_dump", "-h", "{{ .From.Host }}"]
"#;

#[test]
fn the_overviews_job_is_rendered_and_never_restarted() {
    assert_eq!(
        render(&json!(MISSION)),
        Ok(json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "db-backup-my-db", "namespace": "m-1"},
            "spec": {"template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "pg-dump", "image": "postgres:15", "command": ["pg_dump", "-h", "db.internal"]}],
            }}},
        }))
    );
    let said = MISSION.replace("      containers:", "      restartPolicy: OnFailure\n      containers:");
    assert_eq!(
        render(&json!(said)).unwrap().pointer("/spec/template/spec/restartPolicy"),
        Some(&json!("OnFailure"))
    );
}

#[test]
fn only_comments_create_nothing() {
    for text in ["", "# Job YAML template\n", "# a\n# {{ .Nothing }} ${nope\n---\n"] {
        let template = parse(&json!(text)).unwrap();
        assert!(template.creates_nothing(), "{text}");
        assert_eq!(render_on(&template, &json!("x")), Ok(None));
    }
}

/// What `value` becomes in a template of this text.
fn value_of(text: &str) -> Result<Value, TemplateError> {
    let text = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  value: {text}\n");
    Ok(render(&json!(text))?.pointer("/data/value").cloned().unwrap_or_default())
}

#[test]
fn placeholders_in_yaml_stand_wherever_a_value_may() {
    for (text, expected) in [
        ("{{ .From.Name }}", json!("my-db")),
        ("\"{{ .From.Name }}\"", json!("my-db")),
        ("'{{ .From.Name }}:{{ .To.Name }}'", json!("my-db:my-db-2")),
        ("a{{ .From.Spec.Size }}", json!("a10")),
        ("{{ .From.Size }}", json!("10")),
        ("{{ printf \"%s-%s\" .From.Name .To.Secrets.root }}", json!("my-db-creds-1")),
        ("x {{- .From.Name -}} y", json!("xmy-dby")),
        ("{{ \"{{\" }}", json!("{{")),
        ("[{{ .From.Name }}, {a: {{ .From.On }}}]", json!(["my-db", {"a": "true"}])),
        (
            "|\n    host={{ .From.Host }}\n    name={{ .To.Name }}\n",
            json!("host=db.internal\nname=my-db-2\n"),
        ),
        ("${from.spec.size}", json!(10)),
        ("\"${from.spec.size}\"", json!(10)),
        ("${from.spec.size + 1 > 10 ? {'a': 'b: c'} : {}}", json!({"a": "b: c"})),
        ("n-${from.spec.size}-${from.spec.on}", json!("n-10-true")),
        ("${from.spec.tags}", json!(["x", "y"])),
        ("$${HOME}", json!("${HOME}")),
        ("5", json!(5)),
        ("'5'", json!("5")),
        ("on", json!("on")),
    ] {
        assert_eq!(value_of(text), Ok(expected), "{text}");
    }
}

#[test]
fn strings_of_an_object_hold_the_same_placeholders() {
    let template = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n-${from.spec.size}", "labels": {"l": "${from.spec.size}"}},
        "data": {"typed": "${from.spec.nested}", "text": "a ${from.spec.on} {{ .From.Host }}", "kept": ["$${x}", 1, null, {}]},
    });
    assert_eq!(
        render(&template),
        Ok(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "n-10", "namespace": "m-1", "labels": {"l": "10"}},
            "data": {"typed": {"a": {"b": 1}}, "text": "a true db.internal", "kept": ["${x}", 1, null, {}]},
        }))
    );
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    assert_eq!(
        render(&nameless).unwrap().pointer("/metadata"),
        Some(&json!({"name": "helper", "namespace": "m-1"}))
    );
}

#[test]
fn what_is_not_there_yet_is_named() {
    for (text, words) in [
        ("{{ .From.Port }}", "data.value: .From.Port is not there"),
        ("{{ .To.Host }}", ".To.Host is not there"),
        ("{{ .To.Secrets.none }}", ".To.Secrets.none is not there"),
        ("${from.status.port}", "`from.status.port`: `port` is not there"),
        ("${to.status.host}", "`to` has no value here"),
        ("a${from.status.?port}", "is not there"),
    ] {
        let error = value_of(text).unwrap_err();
        assert!(error.is_missing(), "{text}: {error}");
        assert!(error.to_string().starts_with("template helper, data.value: "), "{error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn values_that_fit_nowhere_are_told_without_being_shown() {
    for (text, words) in [
        ("{{ .From.Tags }}", ".From.Tags is a list; expected a text"),
        ("a ${from.spec.nested}", "from.spec.nested is an object; expected a text"),
        ("${from.spec.size / 0}", "division by zero"),
    ] {
        let error = value_of(text).unwrap_err();
        assert!(!error.is_missing() && error.to_string().contains(words), "{text}: {error}");
    }
    let named =
        parse(&json!("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'a-{{ .From.Host }}'}")).unwrap();
    for host in ["UPPER", "a b", "../../x", "a\nb", "", "ä", &"x".repeat(70)] {
        let refused = render_on(&named, &json!(host)).unwrap_err();
        assert!(matches!(refused, TemplateError::Name { .. }), "{host}: {refused}");
    }
    let many = parse(&json!({"apiVersion": "v1", "kind": "A", "a": vec!["${from.status.host}"; 5]})).unwrap();
    assert!(matches!(render_on(&many, &json!("x".repeat(60_000))), Err(TemplateError::TooLarge { .. })));
}

#[test]
fn what_no_value_may_choose_is_refused_when_written() {
    let head = "apiVersion: v1\nkind: ConfigMap\n";
    for (value, words) in [
        (json!("apiVersion: '{{ .From.Host }}'\nkind: A"), "apiVersion: has a placeholder"),
        (json!("apiVersion: v1\nkind: ${from.kind}"), "kind: has a placeholder"),
        (
            json!(format!("{head}metadata: {{namespace: '{{{{ .From.Name }}}}'}}")),
            "metadata.namespace: cannot be set",
        ),
        (json!(format!("{head}metadata: {{namespace: kube-system}}")), "metadata.namespace: cannot be set"),
        (json!(format!("{head}metadata: {{generateName: a}}")), "metadata.generateName: cannot be set"),
        (json!(format!("{head}metadata: ${{from.metadata}}")), "metadata: is no mapping"),
        (
            json!(format!("{head}metadata: {{labels: \"${{from.metadata.labels}}\"}}")),
            "metadata.labels: is no mapping",
        ),
        (json!(format!("{head}metadata: {{name: Upper}}")), "metadata.name: `Upper` is no name"),
        (json!(format!("{head}metadata: {{name: 5}}")), "metadata.name: is no text"),
        (json!(format!("{head}data: {{'{{{{ .From.Name }}}}': x}}")), "only values can have one"),
        (json!("kind: A"), "apiVersion: is missing"),
        (json!("apiVersion: v1"), "kind: is missing"),
        (json!("apiVersion: v1\nkind: List\nitems: ${from.spec.tags}"), "is List"),
        (json!("- a"), "is no object"),
        (json!("{{ .From.Name }}"), "is no object"),
        (json!(5), "neither YAML text nor an object"),
        (json!(null), "neither YAML text nor an object"),
        (
            json!(format!("{head}data: {{a: '{{{{ .Values.x }}}}'}}")),
            "line 3, column 12: `.Values.x` is not known",
        ),
        (
            json!(format!("{head}data:\n  a: {{{{ if .From.Name }}}}")),
            "line 4, column 6: `if` cannot be used here",
        ),
        (
            json!(format!("{head}data:\n  a: ${{nope.x}}")),
            "`nope` is not known here; known are from, to, earlier",
        ),
        (json!(format!("{head}data:\n  a: ${{HOME:-x}}")), "for the text ${ itself write $${"),
        (json!(format!("{head}data:\n  a: '{{{{ .From.Name'")), "`{{` is never closed"),
        (json!(format!("{head}data:\n  a: 1\n  a: 2")), "line 5, column 3: the key `a` is there twice"),
        (json!(format!("{head}data: {{a: \"\\ue0009\\ue001\"}}")), "stands for nothing"),
        (json!(format!("{head}data: {{a: \u{e000}}}")), "U+E000"),
        (json!("a: 1\n---\nb: 2"), "second document"),
        (json!("x".repeat(MAX_TEMPLATE + 1)), "bytes long"),
        (json!({"apiVersion": "v1", "kind": "A", "a": {"b": "${from."}}), "/a/b `${` is never closed"),
        (json!({"apiVersion": "v1", "kind": "A", "a": ["x".repeat(MAX_TEMPLATE)]}), "is larger than"),
        (json!({"apiVersion": "v1", "kind": "A", "a": vec!["${from.x}"; 257]}), "more than 256 placeholders"),
    ] {
        let faults = parse(&value).expect_err(&value.to_string());
        assert!(faults.iter().any(|fault| fault.contains(words)), "{value}: {faults:?}");
    }
    // All of them, not the first.
    let faults = parse(&json!("kind: A\nmetadata: {namespace: x}\na: ${x}\nb: {{ y }}")).unwrap_err();
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn scripts_made_of_others_words_are_found() {
    let job =
        |command: &Value| json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"containers": [command]}});
    let found = |command: &Value| parse(&job(command)).unwrap().shell_scripts();
    let script = "pg_dump -h {{ .From.Host }}";
    assert_eq!(found(&json!({"command": ["sh", "-c", script]})), ["/spec/containers/0/command/2"]);
    assert_eq!(
        found(&json!({"command": ["/bin/bash", "-ec"], "args": [script]})),
        ["/spec/containers/0/args/0"]
    );
    for fine in [
        json!({"command": ["pg_dump", "-h", "{{ .From.Host }}"]}),
        json!({"command": ["sh", "-c", "pg_dump -h \"$1\"", "sh", "{{ .From.Host }}"]}),
        json!({"command": ["sh", "-c", "true"]}),
    ] {
        assert_eq!(found(&fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn its_identity_is_told_before_it_is_rendered() {
    assert_eq!(parse(&json!(MISSION)).unwrap().identity(), Some(("batch/v1", "Job", None)));
    let fixed = json!("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}");
    assert_eq!(parse(&fixed).unwrap().identity(), Some(("v1", "ConfigMap", Some("a"))));
    assert_eq!(
        parse(&json!("apiVersion: v1\nkind: ConfigMap")).unwrap().identity(),
        Some(("v1", "ConfigMap", Some("helper")))
    );
    assert_eq!(parse(&json!("# nothing")).unwrap().identity(), None);
}

/// The keys and the kinds of all values: everything but what the scalars say.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(_) => json!("text"),
        Value::Array(elements) => elements.iter().map(shape).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let words = [
        "\"",
        "'",
        "\n",
        "\n  evil: true\n",
        ": ",
        "{{ .From.Name }}",
        "${from}",
        "$${",
        "- ",
        "#",
        "|",
        ">",
        "&a",
        "*a",
        "!!map",
        "---\n",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\",
        "\u{0}",
        "\u{e000}0\u{e001}",
        "kind: Secret",
        "\t",
        "../",
        "%s",
        "a",
    ];
    prop_oneof![
        proptest::collection::vec(prop::sample::select(words.to_vec()), 0..12)
            .prop_map(|words| words.concat()),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_value_never_adds_structure_nor_chooses_what_is_made(host in hostile()) {
        let text = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: fixed
  annotations: {note: "{{ .From.Host }}", more: "${from.status.host}"}
spec:
  bare: {{ .From.Host }}
  quoted: "{{ .From.Host }}"
  flow: [a, {b: {{ .From.Host }}}, '${from.status.host}']
  typed: ${from.status.host}
  block: |
    x {{ .From.Host }} y
  template: {spec: {containers: [{command: [pg_dump, -h, "{{ .From.Host }}"]}]}}
"#;
        let template = parse(&json!(text)).unwrap();
        let plain = render_on(&template, &json!("h")).unwrap().unwrap().into_value();
        let found = render_on(&template, &json!(host)).unwrap().unwrap().into_value();
        prop_assert_eq!(shape(&found), shape(&plain));
        for pointer in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"] {
            prop_assert_eq!(found.pointer(pointer), plain.pointer(pointer));
        }
        let host = json!(host);
        for pointer in ["/spec/bare", "/spec/quoted", "/spec/typed", "/spec/flow/1/b", "/metadata/annotations/note"] {
            prop_assert_eq!(found.pointer(pointer), Some(&host), "{}", pointer);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_and_renders_or_not(text in "\\PC{0,120}") {
        if let Ok(template) = parse(&json!(text)) {
            let _ = render_on(&template, &json!("h"));
        }
    }

    #[test]
    fn anything_made_of_yaml_and_placeholders_is_read_or_refused(
        tokens in proptest::collection::vec(
            prop::sample::select(vec![
                "apiVersion: v1\nkind: A\n", "a:", "b: ", " ", "  ", "\n", "- ", "{{ .From.Host }}", "{{", "}}", "${", "}",
                "${from.spec}", "\"", "'", "|\n", ">\n", "[", "]", "{", ",", "#", "&a ", "*a", "---\n", "{{- ", " -}}", "printf ", "%s",
                "\u{e000}", "é",
            ]),
            0..24,
        ),
    ) {
        if let Ok(template) = parse(&json!(tokens.concat())) {
            let again = render_on(&template, &json!("h"));
            prop_assert_eq!(render_on(&template, &json!("h")), again);
        }
    }
}
