use serde_json::json;

use super::*;

fn programs() -> Programs {
    Programs::new().allow("true", "/bin/true").allow("pg_dump", "/usr/bin/pg_dump")
}

fn spec(pod: &Value) -> Value {
    json!({"template": {"spec": pod}})
}

fn one(container: &Value) -> Value {
    spec(
        &json!({"restartPolicy": "Never", "containers": [container], "volumes": [{"name": "dump", "emptyDir": {}}]}),
    )
}

#[test]
fn the_missions_job_is_understood_as_it_stands() {
    let job = json!({"template": {"spec": {"restartPolicy": "Never", "containers": [
        {"name": "pg-dump", "image": "postgres:15", "command": ["pg_dump", "-h", "db.internal"]},
    ]}}});
    let plan = Plan::read(&job, &programs()).unwrap();
    assert_eq!((plan.back_off_limit, plan.deadline, plan.grace), (6, None, Duration::from_secs(30)));
    assert_eq!(plan.then[0].program, PathBuf::from("/usr/bin/pg_dump"));
    assert_eq!(plan.then[0].arguments, ["-h", "db.internal"]);
}

#[test]
fn what_is_not_supported_is_named_by_its_field() {
    let container = "spec.template.spec.containers[0]";
    for (job, named) in [
        (json!({}), "spec.template.spec is missing".to_owned()),
        (spec(&json!({"restartPolicy": "Never"})), "spec.template.spec.containers is empty".to_owned()),
        (json!({"parallelism": 2}), "spec.parallelism is 2".to_owned()),
        (json!({"suspend": true}), "spec.suspend is true".to_owned()),
        (json!({"podFailurePolicy": {}}), "spec.podFailurePolicy is not supported".to_owned()),
        (
            spec(&json!({"restartPolicy": "OnFailure", "containers": []})),
            "spec.template.spec.restartPolicy is \"OnFailure\"".to_owned(),
        ),
        (spec(&json!({"hostNetwork": true})), "spec.template.spec.hostNetwork is not supported".to_owned()),
        (
            spec(&json!({"volumes": [{"name": "a", "secret": {"secretName": "s"}}]})),
            "spec.template.spec.volumes[0].secret is not supported".to_owned(),
        ),
        (
            one(&json!({"name": "a", "command": ["sh", "-c", "true"]})),
            format!("{container}.command[0] is \"sh\""),
        ),
        (one(&json!({"name": "../../a", "command": ["true"]})), "\"../../a\" is no name".to_owned()),
        (one(&json!({"name": "a", "image": "postgres:15"})), format!("{container}.command is missing")),
        (
            one(&json!({"name": "a", "command": ["/bin/true"]})),
            format!(
                "{container}.command[0] is \"/bin/true\", which is none of the programs allowed here: pg_dump, true"
            ),
        ),
        (
            one(&json!({"name": "a", "command": ["true"], "livenessProbe": {}})),
            format!("{container}.livenessProbe"),
        ),
        (
            one(
                &json!({"name": "a", "command": ["true"], "env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}),
            ),
            format!("{container}.env[0].valueFrom.fieldRef"),
        ),
        (
            one(
                &json!({"name": "a", "command": ["true"], "volumeMounts": [{"name": "x", "mountPath": "/x"}]}),
            ),
            format!("{container}.volumeMounts[0].name: there is no volume \"x\""),
        ),
        (
            one(
                &json!({"name": "a", "command": ["true"], "volumeMounts": [{"name": "dump", "mountPath": "/"}]}),
            ),
            format!("{container}.volumeMounts[0].mountPath"),
        ),
        (
            one(&json!({"name": "a", "command": ["true"], "workingDir": "/tmp"})),
            format!("{container}.workingDir"),
        ),
    ] {
        let told = Plan::read(&job, &programs()).unwrap_err();
        assert!(told.starts_with(&named), "{told} does not begin with {named}");
    }
}
