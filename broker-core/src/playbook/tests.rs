//! What playbooks are read, what their stages answer, and which one is followed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "tests may fail loudly, and tables are long"
)]

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::resource::Object;

fn spec(stages: &Value) -> Value {
    let kind = |group: &str, kind: &str| json!({"group": group, "version": "v1", "kind": kind});
    json!({"from": kind("example.com", "Database"), "to": kind("azure.example.com", "AzureDatabase"), "stages": stages})
}

fn stages(stages: &Value) -> Playbook {
    Playbook::parse_json("p", &spec(stages)).unwrap_or_else(|faults| panic!("{stages}: {faults:?}"))
}

fn stage(stage: &Value) -> Stage {
    stages(&json!([stage])).stages.remove(0)
}

fn object(value: Value) -> Object {
    Object::try_from(value).unwrap()
}

/// Asks a scene of these copies and helpers.
fn seen<T>(
    from: Option<&Object>,
    to: Option<&Object>,
    helpers: &Value,
    ask: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let helpers = helpers.as_object().unwrap().iter();
    let helpers = helpers.map(|(key, value)| (key.clone(), Arc::new(object(value.clone())))).collect();
    let place = |name: &str| Place { name: name.into(), namespace: "ns".into(), ..Place::default() };
    let (here, there) = (place("my-db"), place("my-db-2"));
    ask(&Scene { from, to, helpers: &helpers, places: Places { from: &here, to: &there } })
}

fn missions() -> Vec<Value> {
    let path = format!(
        "{}/../broker-operator/tests/it/mission/migrationconfiguration.yaml",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn phases(playbook: &Playbook) -> Vec<(&str, &str)> {
    playbook.stages.iter().map(|stage| (stage.name.as_str(), stage.phase.as_str())).collect()
}

#[test]
fn the_overviews_playbooks_mean_what_it_says() {
    let missions = missions();
    let [first, second] = missions.as_slice() else { panic!("{missions:?}") };
    let first = Playbook::parse_json("database-aws-to-azure", &first["spec"]).unwrap();
    assert_eq!(phases(&first), [("initial-copy", "Initial"), ("cutover", "Verify")]);
    assert!(first.copies_data() && first.creates_helpers() && first.needs_source());
    let second = Playbook::parse_json("database-migration-config", &second["spec"]).unwrap();
    assert_eq!(phases(&second), [("initial-copy", "Initial")]);
    assert!(second.copies_data() && !second.creates_helpers());

    let from = object(json!({"status": {"host": "aws.internal"}}));
    let copying = object(json!({"status": {"copyProgress": 40}}));
    seen(Some(&from), Some(&copying), &json!({}), |scene| {
        let helpers = first.stages[0].helpers(scene, "m-1").unwrap();
        assert_eq!(helpers[0].0, "backup-job");
        assert_eq!(helpers[0].1.name(), "db-backup-my-db");
        assert_eq!(first.stages[1].helpers(scene, "m-1"), Ok(Vec::new()));
        let Check::Waiting(awaited) = first.stages[0].check(scene) else { panic!("it waits") };
        assert_eq!(awaited.to_string(), "`status.copyProgress == 100` (status.copyProgress is 40)");
    });
    let copied =
        object(json!({"status": {"copyProgress": 100, "consistencyCheck": "passed", "ready": true}}));
    seen(Some(&from), Some(&copied), &json!({}), |scene| {
        assert_eq!(first.stages[0].check(scene), Check::Holds);
        let Check::Waiting(awaited) = first.stages[1].check(scene) else { panic!("it waits") };
        assert_eq!(awaited.to_string(), "`status.connections > 0` (status.connections is not there)");
    });
}

#[test]
fn what_a_stage_says_is_kept() {
    let playbook = spec(&json!([{
        "name": "copy", "phase": "Cutover", "approval": "Required", "timeout": "1h30m", "needsSource": false,
        "preconditions": ["from.status.ready"], "failureConditions": ["status.failed == true"],
    }]));
    let mut playbook = playbook;
    playbook["fromProviders"] = json!(["aws", "root:aws"]);
    playbook["budget"] = json!({"maxConcurrent": 3});
    playbook["rollback"] = json!([{"name": "undo"}]);
    let playbook = Playbook::parse_json("p", &playbook).unwrap();
    let copy = &playbook.stages[0];
    assert!(copy.approval && !copy.needs_source && copy.phase == Phase::Cutover);
    assert_eq!(copy.timeout, Duration::from_mins(90));
    assert_eq!((copy.preconditions.len(), copy.success.len(), copy.failure.len()), (1, 0, 1));
    assert_eq!(playbook.from_providers.iter().collect::<Vec<_>>(), ["aws", "root:aws"]);
    assert_eq!((playbook.max_concurrent, playbook.rollback.len()), (Some(3), 1));
    assert!(!playbook.needs_source());
    let plain = stage(&json!({"name": "a"}));
    assert!(!plain.approval && plain.needs_source && plain.timeout == STAGE_TIMEOUT);
}

#[test]
fn every_fault_is_told_with_its_place() {
    let config_map = "apiVersion: v1\nkind: ConfigMap\n";
    for (stages, told) in [
        (
            json!([{"name": "a", "successConditions": ["status."]}]),
            "spec.stages[0].successConditions[0]: `status.`: line 1",
        ),
        (
            json!([{"name": "a", "successConditions": ["stauts.x == 1"]}]),
            "`stauts.x == 1`: line 1, column 1: `stauts` is not known here; accepted: from, to, metadata, spec, status",
        ),
        (
            json!([{"name": "a", "preconditions": ["matches(spec.x, 'a')"]}]),
            "there is no function `matches` here",
        ),
        (
            json!([{"name": "a", "failureConditions": ["size(status.x)"]}]),
            "is of type int; accepted: an expression that is true or false",
        ),
        (
            json!([{"name": "a", "successConditions": ["1 == 2"]}]),
            "`1 == 2` looks at nothing, and lets the move go on never",
        ),
        (json!([{"name": "a", "failureConditions": ["true"]}]), "lets the move go on never"),
        (
            json!([{"name": "a", "successConditions": [5]}]),
            "spec.stages[0].successConditions[0]: is `5`; accepted: a CEL expression",
        ),
        (json!([{"name": "a"}, {"name": "a"}]), "spec.stages[1].name: is `a`, as that of spec.stages[0]"),
        (json!([{"name": "A"}]), "spec.stages[0].name: is `A`; accepted: at most 63 lower-case letters"),
        (json!([{}]), "spec.stages[0].name: is missing"),
        (
            json!([{"name": "a", "phase": "Later"}]),
            "is `Later`; accepted: Initial, Cutover, Verify, Finalize",
        ),
        (json!([{"name": "a", "timeout": "soon"}]), "spec.stages[0].timeout: is `soon`; accepted: a time"),
        (json!([{"name": "a", "timeout": "0s"}]), "accepted: a time of more than nothing"),
        (json!([{"name": "a", "approval": "Yes"}]), "is `Yes`; accepted: Required, or nothing"),
        (json!([{"name": "a", "progress": "yes"}]), "is `yes`; accepted: true or false"),
        (
            json!([{"name": "a", "succesConditions": []}]),
            "spec.stages[0].succesConditions: there is no such field",
        ),
        (json!([]), "spec.stages: is missing or empty"),
        (json!("a"), "spec.stages: is `a`; accepted: a list"),
        (json!(["a"]), "spec.stages[0]: is `a`; accepted: a mapping"),
        (json!(vec![json!({"name": "a"}); 33]), "spec.stages: has 33 entries; accepted: at most 32"),
        (
            json!([{"name": "a", "templates": {"from": config_map}}]),
            "spec.stages[0].templates.from: the key is `from`",
        ),
        (json!([{"name": "a", "templates": {"a b": config_map}}]), "the key is `a b`"),
        (
            json!([{"name": "a", "templates": {"x": config_map}}, {"name": "b", "templates": {"x": "# none"}}]),
            "stage a has a template of this key too",
        ),
        (
            json!([{"name": "a", "templates": {"x": "kind: A"}}]),
            "spec.stages[0].templates.x: apiVersion: is missing",
        ),
        (
            json!([{"name": "a", "templates": {"x": {"apiVersion": "v1", "kind": "A", "b": {"c": "${nope}"}}}}]),
            "spec.stages[0].templates.x.b.c: `${nope}`: line 1, column 1: `nope` is not known here",
        ),
        (
            json!([{"name": "a", "templates": {"x": format!("{config_map}metadata: {{name: m}}"), "y": format!("{config_map}metadata: {{name: m}}")}}]),
            "spec.stages[0].templates.y: makes ConfigMap m, as template x does",
        ),
        // What is not there by then.
        (
            json!([{"name": "a", "preconditions": ["x.data.a == '1'"], "templates": {"x": config_map}}]),
            "template `x` of stage a is not there by then",
        ),
        (
            json!([{"name": "a", "templates": {"x": {"apiVersion": "v1", "kind": "A", "b": "${y.data.z}"}, "y": config_map}}]),
            "`y` is not known here",
        ),
        (
            json!([{"name": "a", "successConditions": ["y.data.a == '1'"]}, {"name": "b", "templates": {"y": config_map}}]),
            "template `y` of stage b is not there by then",
        ),
        (
            json!([{"name": "a", "successConditions": ["x.data.a == '1'"], "templates": {"x": "# nothing"}}]),
            "template `x` creates nothing",
        ),
        (
            json!([{"name": "a", "successConditions": ["templates['a-b'].x == 1"], "templates": {"a-c": config_map}}]),
            "there is no template `a-b`; known are a-c",
        ),
        (
            json!([{"name": "a", "successConditions": ["templates[spec.x] == 1"]}]),
            "`templates` is used without a key",
        ),
        (
            json!([{"name": "a", "phase": "Verify"}, {"name": "b", "phase": "Initial"}]),
            "spec.stages[1].phase: is Initial, after stage a of phase Verify",
        ),
        (
            json!([{"name": "copy", "progress": true}, {"name": "a"}, {"name": "b", "phase": "Cutover"}]),
            "spec.stages[2].phase: is Cutover, after stage a of phase Verify",
        ),
    ] {
        let faults = Playbook::parse_json("p", &spec(&stages)).expect_err(&stages.to_string());
        let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(all.iter().any(|fault| fault.contains(told)), "{stages}: {all:#?}");
    }
}

#[test]
fn what_is_beside_the_stages_is_checked_too() {
    let mut wrong = spec(&json!([{"name": "a"}]));
    wrong["from"] = json!({"version": "v1", "kind": 5});
    wrong["to"] = json!(null);
    wrong["fromProviders"] = json!(["a", "a", 5]);
    wrong["budget"] = json!({"maxConcurrent": 0, "most": 1});
    wrong["rollback"] = json!([{"name": "a"}]);
    wrong["extra"] = json!(1);
    let faults = Playbook::parse_json("p", &wrong).unwrap_err();
    let fields: Vec<String> = faults.iter().map(PlaybookFault::field).collect();
    for field in [
        "spec.budget.maxConcurrent",
        "spec.budget.most",
        "spec.extra",
        "spec.from.kind",
        "spec.fromProviders[1]",
        "spec.fromProviders[2]",
        "spec.rollback[0].name",
        "spec.to.kind",
    ] {
        assert!(fields.contains(&field.to_owned()), "{field}: {fields:?}");
    }
    assert!(Playbook::parse_json("p", &json!(null)).is_err());
    assert!(Playbook::parse_json("p", &json!([1])).is_err());
}

#[test]
fn expressions_see_copies_and_helpers() {
    let config_map = "apiVersion: v1\nkind: ConfigMap\n";
    let playbook = stages(&json!([
        {"name": "a", "templates": {"first": config_map, "with-dash": config_map}},
        {
            "name": "b",
            "preconditions": ["from.spec.size == to.spec.size"],
            "templates": {"own": {"apiVersion": "v1", "kind": "Other", "size": "${templates['with-dash'].data.n}"}},
            "successConditions": [
                "first.data.n == '1'", "templates['with-dash'].data.n == '2'", "own.done", "spec.size == 1",
                "metadata.name == 'new'", "status.ready",
            ],
        },
    ]));
    let b = &playbook.stages[1];
    let copy = |name: &str| {
        object(json!({"metadata": {"name": name}, "spec": {"size": 1}, "status": {"ready": true}}))
    };
    let (from, to) = (copy("old"), copy("new"));
    let data = |n: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"n": n}});
    let mut helpers = json!({"first": data("1"), "with-dash": data("2")});
    seen(Some(&from), Some(&to), &helpers, |scene| {
        assert_eq!(b.check_preconditions(scene), Check::Holds);
        let made = b.helpers(scene, "m").unwrap();
        assert_eq!(made[0].1.get(&["size"]), Some(&json!("2")));
        let Check::Waiting(awaited) = b.check(scene) else { panic!("its own object is not there") };
        assert_eq!(awaited.to_string(), "`own.done` (own.done is not there)");
    });
    helpers["own"] = json!({"done": true});
    seen(Some(&from), Some(&to), &helpers, |scene| assert_eq!(b.check(scene), Check::Holds));
    // A source that is gone.
    seen(None, Some(&to), &helpers, |scene| {
        let Check::Waiting(awaited) = b.check_preconditions(scene) else { panic!("it waits") };
        assert_eq!(
            awaited.to_string(),
            "`from.spec.size == to.spec.size` (from.spec.size is not there, to.spec.size is 1)"
        );
    });
    seen(Some(&from), None, &json!({}), |scene| {
        assert!(b.helpers(scene, "m").unwrap_err().is_missing());
        assert!(matches!(b.check(scene), Check::Waiting(_)));
    });
}

#[test]
fn failure_comes_before_success() {
    let stage = stage(&json!({
        "name": "a", "successConditions": ["status.done == true"],
        "failureConditions": ["status.errors > 3", "status.fatal == true"],
        "templates": {"job": "apiVersion: batch/v1\nkind: Job\n"},
    }));
    let job = |conditions: Value| json!({"job": {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "status": {"conditions": conditions}}});
    let to = |status: Value| object(json!({ "status": status }));
    let done = to(json!({"done": true}));
    seen(None, Some(&done), &job(json!([])), |scene| assert_eq!(stage.check(scene), Check::Holds));
    seen(None, Some(&to(json!({"done": true, "errors": 4}))), &job(json!([])), |scene| {
        let Check::Failed(awaited) = stage.check(scene) else { panic!("it failed") };
        assert_eq!(awaited.to_string(), "`status.errors > 3` (status.errors is 4)");
    });
    // An answer that there is none is no failure.
    seen(None, Some(&to(json!({"errors": "many"}))), &job(json!([])), |scene| {
        assert!(matches!(stage.check(scene), Check::Waiting(_)));
    });
    let failed =
        json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "7 times"}]);
    seen(None, Some(&done), &job(failed), |scene| {
        let Check::Failed(awaited) = stage.check(scene) else { panic!("its Job failed") };
        assert_eq!(
            awaited.to_string(),
            "`Job j of template job` (condition Failed is True, BackoffLimitExceeded 7 times)"
        );
    });
    let failing = json!([{"type": "Failed", "status": "False"}]);
    seen(None, Some(&done), &job(failing), |scene| assert_eq!(stage.check(scene), Check::Holds));
}

#[test]
fn without_conditions_objects_must_be_there_and_jobs_complete() {
    let with_job = stage(&json!({
        "name": "a", "templates": {"job": "apiVersion: batch/v1\nkind: Job\n", "map": "apiVersion: v1\nkind: ConfigMap\n", "none": "# x"},
    }));
    let job = |conditions: Value| json!({"map": {}, "job": {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "status": {"conditions": conditions}}});
    let told = |helpers: &Value| seen(None, None, helpers, |scene| with_job.check(scene));
    assert!(matches!(told(&json!({})), Check::Waiting(_)));
    assert!(matches!(told(&job(json!([]))), Check::Waiting(_)));
    assert_eq!(told(&job(json!([{"type": "Complete", "status": "True"}]))), Check::Holds);
    let nothing = stage(&json!({"name": "a"}));
    assert_eq!(seen(None, None, &json!({}), |scene| nothing.check(scene)), Check::Holds);
    assert_eq!(seen(None, None, &json!({}), |scene| nothing.check_preconditions(scene)), Check::Holds);
}

#[test]
fn nothing_of_a_secret_is_shown_or_copied() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n";
    let playbook = stages(&json!([
        {"name": "a", "templates": {"creds": secret}, "successConditions": ["creds.data.password != ''", "has(creds.data.password)"]},
        {"name": "b", "templates": {"leak": {"apiVersion": "v1", "kind": "ConfigMap", "data": {
            "all": "${creds}", "one": "${creds.data.password}", "text": "x${templates.creds.stringData.user}",
        }}}},
    ]));
    let live = json!({"creds": {
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "a", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}},
        "data": {"password": "hunter2"}, "stringData": {"user": "hunter2"},
    }});
    seen(None, None, &live, |scene| {
        let Check::Waiting(awaited) = playbook.stages[0].check(scene) else {
            panic!("its value is not seen")
        };
        assert_eq!(
            awaited.to_string(),
            "`creds.data.password != ''` (creds.data.password is there, of a Secret)"
        );
        assert_eq!(
            Expression::compile("has(creds.data.password)").unwrap().text(),
            playbook.stages[0].success[1].text()
        );
        let made = playbook.stages[1].helpers(scene, "m").unwrap();
        let text = made.into_iter().map(|(_, object)| object.into_value().to_string()).collect::<String>();
        assert!(text.contains("\"password\":\"\"") && !text.contains("hunter2"), "{text}");
    });
}

#[test]
fn what_is_found_is_shortened() {
    let stage = stage(&json!({"name": "a", "successConditions": [
        "status.text == 'x' && status.list == [] && status.object == {} && status.short == 1 && status.nothing == 2",
    ]}));
    let fields: serde_json::Map<String, Value> = (0..9).map(|n| (format!("k{n}"), json!(n))).collect();
    let to = object(json!({"status": {
        "text": "x".repeat(1000), "list": [1, 2, 3, 4, 5, 6], "object": fields, "short": "a\nb", "nothing": null,
    }}));
    seen(None, Some(&to), &json!({}), |scene| {
        let Check::Waiting(awaited) = stage.check(scene) else { panic!("it waits") };
        let values: Vec<&str> = awaited.found.iter().map(|(_, value)| value.as_str()).collect();
        assert!(values[0].chars().count() <= 65 && values[0].starts_with("\"xxx"), "{values:?}");
        assert_eq!(values[1..], ["a list of 6 elements", "an object of 9 fields", "\"a b\"", "null"]);
    });
}

#[test]
fn two_templates_that_turn_out_to_make_the_same_object_are_told() {
    let named = |field: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("${{to.status.{field}}}")}});
    let stage = stage(&json!({"name": "a", "templates": {"x": named("a"), "y": named("b")}}));
    let to = object(json!({"status": {"a": "same", "b": "same"}}));
    let made = seen(None, Some(&to), &json!({}), |scene| stage.helpers(scene, "m"));
    assert_eq!(made.unwrap_err().to_string(), "templates y and x both make ConfigMap same");
}

fn specific(name: &str, from: &[&str], to: &[&str]) -> Playbook {
    let mut spec = spec(&json!([{"name": "a"}]));
    spec["fromProviders"] = json!(from);
    spec["toProviders"] = json!(to);
    Playbook::parse_json(name, &spec).unwrap()
}

#[test]
fn the_most_specific_playbook_wins_and_ties_are_refused() {
    let set = Playbooks::new([
        specific("any", &[], &[]),
        specific("from-aws", &["aws"], &[]),
        specific("to-gcp", &[], &["gcp"]),
        specific("aws-to-gcp", &["aws", "root:aws"], &["gcp"]),
    ]);
    let kinds =
        (Gvk::new("example.com", "v1", "Database"), Gvk::new("azure.example.com", "v1", "AzureDatabase"));
    let chosen = |set: &Playbooks, from: &[&str], to: &[&str]| {
        set.choose(&kinds.0, &kinds.1, from, to).map(|found| found.map(|playbook| playbook.name.clone()))
    };
    for (from, to, expected) in [
        (&["x"][..], &["y"][..], "any"),
        (&["id1", "aws"], &["y"], "from-aws"),
        (&["x"], &["id2", "gcp"], "to-gcp"),
        (&["root:aws"], &["gcp"], "aws-to-gcp"),
    ] {
        assert_eq!(chosen(&set, from, to), Ok(Some(expected.to_owned())), "{from:?} {to:?}");
    }
    assert!(set.conflicts().is_empty(), "{:?}", set.conflicts());
    assert_eq!(set.choose(&kinds.1, &kinds.0, &["x"], &["y"]), Ok(None));

    let tied = Playbooks::new([
        specific("b", &["aws", "c"], &[]),
        specific("a", &["aws"], &[]),
        specific("to-gcp", &[], &["gcp"]),
        specific("elsewhere", &["d"], &["e"]),
    ]);
    let ambiguous = chosen(&tied, &["aws"], &["y"]).unwrap_err();
    assert_eq!(
        ambiguous.to_string(),
        "the playbooks a, b fit equally well; make one more specific by fromProviders or toProviders"
    );
    assert_eq!(chosen(&tied, &["c"], &["y"]), Ok(Some("b".to_owned())));
    assert_eq!(chosen(&tied, &["x"], &["y"]), Ok(None));
    assert_eq!(tied.conflicts(), [("a", "b"), ("a", "to-gcp"), ("b", "to-gcp")]);
    assert_eq!(tied.rivals(&specific("new", &["d"], &["e", "f"])), ["elsewhere"]);
    assert!(tied.rivals(&specific("new", &[], &[])).is_empty());
}

#[test]
fn what_is_probably_not_meant_is_found() {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": [
        {"command": ["sh", "-c", "pg_dump -h {{ .From.Host }}"]},
    ]}}}});
    let (playbook, findings) = lint(
        "p",
        &spec(&json!([
            {"name": "copy", "successConditions": ["status.copied"], "templates": {"job": job}},
            {"name": "idle"},
            {"name": "finalize", "preconditions": ["status.x == 1"]},
        ])),
    );
    assert!(playbook.is_some());
    let told: Vec<(&str, &str)> =
        findings.iter().map(|finding| (finding.rule.as_str(), finding.pointer.as_str())).collect();
    assert_eq!(
        told,
        [
            ("ExpressionType", "/spec/stages/0/successConditions/0"),
            ("ShellScript", "/spec/stages/0/templates/job"),
            ("NoEffect", "/spec/stages/1"),
            ("Phase", "/spec/stages/2"),
            ("NoCutover", "/spec/stages"),
        ]
    );
    let (playbook, findings) = lint("p", &spec(&json!([{"name": "a", "timeout": "x"}])));
    assert!(playbook.is_none());
    assert_eq!(findings[0].pointer, "/spec/stages/0/timeout");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "a",
            "from",
            "status.x == 1",
            "status.",
            "{{ .From.Name }}",
            "${from.spec}",
            "Initial",
            "1h",
            "Required",
            "apiVersion: v1\nkind: A\n",
            "# x",
            "templates['a'].b == 1",
            "finalize",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let key = prop::sample::select(vec![
            "from",
            "to",
            "stages",
            "rollback",
            "name",
            "phase",
            "templates",
            "successConditions",
            "preconditions",
            "a",
            "b",
            "failureConditions",
            "timeout",
            "progress",
            "group",
            "version",
            "kind",
            "budget",
            "maxConcurrent",
            "toProviders",
        ]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6).prop_map(|fields| fields
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Value>()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn anything_is_read_or_refused_the_same_each_time(value in any_json(), stage in any_json()) {
        for value in [value.clone(), spec(&value), spec(&json!([stage]))] {
            let answer = Playbook::parse_json("p", &value);
            if let Err(faults) = &answer {
                prop_assert!(!faults.is_empty() && faults.len() <= 64);
                prop_assert!(faults.iter().all(|fault| fault.to_string().chars().count() < 1200));
            }
            prop_assert_eq!(Playbook::parse_json("p", &value), answer);
        }
    }

    #[test]
    fn stages_answer_whatever_a_provider_says(status in any_json()) {
        let mission = missions().remove(0);
        let playbook = Playbook::parse_json("p", &mission["spec"]).unwrap();
        let copy = object(json!({ "status": status }));
        seen(Some(&copy), Some(&copy), &json!({}), |scene| {
            for stage in &playbook.stages {
                let _ = (stage.check(scene), stage.check_preconditions(scene), stage.helpers(scene, "m"));
            }
        });
    }
}

fn guide() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/playbooks.md")).unwrap()
}

#[test]
fn the_guides_playbook_means_what_it_says() {
    let guide = guide();
    let example = guide.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_saphyr::from_str(example).unwrap();
    let (playbook, findings) = lint("guide", &example["spec"]);
    assert_eq!(findings, []);
    let playbook = playbook.unwrap();
    assert_eq!(
        phases(&playbook),
        [
            ("initial-copy", "Initial"),
            ("catch-up", "Cutover"),
            ("cutover", "Verify"),
            ("finalize", "Finalize")
        ]
    );
    for number in [MAX_STAGES, MAX_CONDITIONS, MAX_TEMPLATES] {
        assert_eq!(number, 32);
    }
}

#[test]
fn the_guides_templates_become_what_it_says() {
    let guide = guide();
    let from = object(json!({"spec": {"size": 10}, "status": {"host": "db.internal"}}));
    let rows = guide
        .split("| YAML | value |\n|---|---|\n")
        .nth(1)
        .unwrap()
        .lines()
        .take_while(|line| line.starts_with('|'));
    let mut seen_rows = 0;
    for row in rows {
        let (yaml, value) = row.trim_matches(['|', ' ']).split_once(" | ").unwrap();
        let (yaml, value) = (yaml.trim().trim_matches('`'), value.trim().trim_matches('`'));
        let template = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  value: {yaml}\n");
        let stage = stage(&json!({"name": "a", "templates": {"t": template}}));
        let made = seen(Some(&from), None, &json!({}), |scene| stage.helpers(scene, "m")).unwrap();
        let expected: Value = serde_json::from_str(value).unwrap();
        assert_eq!(made[0].1.get(&["data", "value"]), Some(&expected), "{yaml}");
        seen_rows += 1;
    }
    assert_eq!(seen_rows, 10);
}
