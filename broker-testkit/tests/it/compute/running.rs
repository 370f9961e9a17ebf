//! Jobs that do their work.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::ResourceExt as _;
use kube::api::PostParams;
use serde_json::json;

use super::{Bench, DEADLINE, container, reason, text};
use broker_testkit::wait::until;

async fn make<K>(bench: &Bench, object: serde_json::Value)
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(bench.client.clone(), &bench.namespace);
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

pub(crate) async fn what_init_containers_leave_is_there_for_the_containers(bench: Bench) {
    make::<Secret>(
        &bench,
        json!({"metadata": {"name": "login"}, "stringData": {"user": "a", "password": "$(user)"}}),
    )
    .await;
    make::<ConfigMap>(
        &bench,
        json!({"metadata": {"name": "place"}, "data": {"host": "db.internal", "user": "none"}}),
    )
    .await;
    let (first, second) = (bench.path("first"), bench.path("second"));
    let mounts = json!([{"name": "shared", "mountPath": "/shared"}]);
    let env = json!({
        "volumeMounts": mounts,
        "envFrom": [
            {"configMapRef": {"name": "place"}},
            {"secretRef": {"name": "login"}},
            {"secretRef": {"name": "nobody", "optional": true}},
        ],
        "env": [
            {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
            {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "place", "key": "none", "optional": true}}},
            {"name": "URI", "value": "postgresql://$(user)@$(host)/$(nothing)"},
            {"name": "FILE", "value": "/shared/environment"},
        ],
    });
    let mut copy = env.clone();
    copy["args"] = json!(["$(FILE)"]);
    let there = json!({"volumeMounts": mounts, "workingDir": "/shared"});
    let pod = json!({
        "volumes": [{"name": "shared", "emptyDir": {}}],
        "initContainers": [
            container("environment", &["cp", "/proc/self/environ"], &copy),
            container("twice", &["cp", "/shared/environment", "/shared/again"], &there),
        ],
        "containers": [
            container("first", &["cp", "environment", text(&first)], &there),
            container("second", &["cp", "/shared/again", text(&second)], &there),
        ],
    });
    let job = bench.make("shared", pod, &json!({})).await;
    let job = bench.until_over(&job).await;
    assert_eq!(reason(&job, "Complete").as_deref(), Some("CompletionsReached"), "{:?}", job.status);
    assert_eq!(reason(&job, "SuccessCriteriaMet").as_deref(), Some("CompletionsReached"));
    let status = job.status.unwrap();
    assert_eq!((status.succeeded, status.failed, status.active), (Some(1), None, None));
    assert!(status.completion_time.unwrap() >= status.start_time.unwrap());

    let environment = std::fs::read_to_string(&first).unwrap();
    assert_eq!(environment, std::fs::read_to_string(&second).unwrap());
    let mut variables: Vec<_> =
        environment.split_terminator('\0').map(|one| one.split_once('=').unwrap()).collect();
    variables.sort_unstable();
    let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["FILE", "HOME", "PATH", "PGPASSWORD", "URI", "host", "password", "user"]);
    let value = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).unwrap().1;
    assert_eq!(value("URI"), "postgresql://a@db.internal/$(nothing)");
    assert_eq!(
        (value("user"), value("PGPASSWORD")),
        ("a", "$(user)"),
        "what comes later wins; Secrets are left as they are"
    );
    let shared = value("FILE").strip_suffix("/environment").unwrap();
    assert!(!std::path::Path::new(shared).exists(), "the folder outlived its attempt");
}

pub(crate) async fn what_is_missing_and_not_optional_is_waited_for(bench: Bench) {
    let from = json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "late", "key": "a"}}}]});
    let pod = json!({"containers": [container("a", &["true"], &from)]});
    let job = bench.make("waits", pod, &json!({"backoffLimit": 0})).await;
    bench
        .until(&job, "a Job to be active", |job| {
            job.status.as_ref().is_some_and(|status| status.active == Some(1))
        })
        .await;
    make::<Secret>(&bench, json!({"metadata": {"name": "late"}, "stringData": {"b": "1"}})).await;
    let secrets: Api<Secret> = Api::namespaced(bench.client.clone(), &bench.namespace);
    let more = kube::api::Patch::Merge(json!({"stringData": {"a": "1"}}));
    secrets.patch("late", &kube::api::PatchParams::default(), &more).await.unwrap();
    let job = bench.until_over(&job).await;
    assert!(reason(&job, "Complete").is_some(), "{:?}", job.status);
}

pub(crate) async fn a_job_that_is_kept_for_no_time_is_gone_when_it_is_done(bench: Bench) {
    let pod = json!({"containers": [container("a", &["true"], &json!({}))]});
    let job = bench.make("brief", pod, &json!({"ttlSecondsAfterFinished": 0})).await;
    until(&bench.jobs(), &job.name_any(), "a Job to be gone", DEADLINE, |job| job.is_none()).await.unwrap();
}
