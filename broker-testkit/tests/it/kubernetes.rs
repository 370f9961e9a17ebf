//! The real Kubernetes: it starts, its controllers work, it takes the Jobs that playbooks make, and it goes away with
//! whoever started it.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::Duration;

use broker_core::expression::Scope;
use broker_core::resource::Object;
use broker_core::template::{Place, Rendering, Side, Template};
use broker_kcp::api::v1alpha1::MigrationConfiguration;
use broker_testkit::compute::job_resource;
use broker_testkit::kubernetes::Kubernetes;
use broker_testkit::provider::samples;
use broker_testkit::wait::until;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

/// The mission's.
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

#[tokio::test]
async fn a_real_kubernetes_starts_and_is_gone_when_dropped() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kubernetes = Kubernetes::start().await.unwrap_or_else(|error| panic!("{error}"));
    // That it has a service account is the controllers' doing.
    kubernetes.namespace("fixture").await.unwrap();
    let version = kubernetes.admin().await.unwrap().apiserver_version().await.unwrap();
    assert_eq!(version.major, "1");

    let (address, kubeconfig) =
        (kubernetes.url().trim_start_matches("https://").to_owned(), kubernetes.kubeconfig());
    drop(kubernetes);
    assert!(TcpStream::connect(address).is_err(), "the server still listens");
    assert!(!kubeconfig.exists(), "its folder is still there");
}

/// The Job that the broker makes of a template, for a move of `my-db`.
fn rendered(key: &str, template: &Value, namespace: &str) -> DynamicObject {
    let object = Object::try_from(json!({
        "apiVersion": "example.com/v1alpha1", "kind": "Database", "metadata": {"name": "my-db"},
        "spec": {"engine": "postgres"}, "status": {"host": "db.internal"},
    }))
    .unwrap();
    let place = Place {
        name: "my-db".to_owned(),
        namespace: "default".to_owned(),
        cluster: "abc".to_owned(),
        secrets: BTreeMap::from([("credentials".to_owned(), "my-db-credentials".to_owned())]),
    };
    let side = Side { place: &place, object: Some(&object) };
    let rendering = Rendering { from: side, to: side, scope: &Scope::new(&[]) };
    let made = Template::parse(key, template, &[]).unwrap().render(&rendering, namespace).unwrap().unwrap();
    serde_json::from_value(made.into()).unwrap()
}

/// The Jobs of the sample, and the mission's, by key.
fn jobs(namespace: &str) -> Vec<DynamicObject> {
    let playbook: MigrationConfiguration = serde_saphyr::from_str(samples::DATABASES_DUMP_PLAYBOOK).unwrap();
    let playbook = serde_json::to_value(playbook).unwrap();
    let stages = playbook["spec"]["stages"].as_array().unwrap().iter();
    let templates = stages.flat_map(|stage| stage["templates"].as_object().unwrap());
    let mut all: Vec<_> = templates.map(|(key, template)| rendered(key, template, namespace)).collect();
    assert_eq!(all.len(), 3);
    all.push(rendered("backup-job", &json!(MISSION), namespace));
    all
}

#[tokio::test]
async fn a_real_server_takes_the_jobs_of_the_playbooks_field_by_field_and_runs_them() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kubernetes = Kubernetes::shared().await.unwrap_or_else(|error| panic!("{error}"));
    let (client, namespace) =
        (kubernetes.admin().await.unwrap(), kubernetes.namespace("playbook").await.unwrap());
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &job_resource());
    let strictly = PatchParams::apply("resource-broker").validation_strict();
    for job in jobs(&namespace) {
        let dry = strictly.clone().dry_run();
        let taken = api.patch(&job.name_any(), &dry, &Patch::Apply(&job)).await;
        let taken = taken.unwrap_or_else(|error| panic!("{}: {error}", job.name_any()));
        let of =
            |job: &DynamicObject| job.data["spec"]["template"]["spec"]["containers"][0]["command"].clone();
        assert_eq!(of(&taken), of(&job));
        assert_eq!(
            api.get_opt(&job.name_any()).await.unwrap().map(|job| job.name_any()),
            None,
            "it was no trial"
        );

        api.patch(&job.name_any(), &strictly, &Patch::Apply(&job)).await.unwrap();
        let is_begun = |job: Option<&DynamicObject>| {
            job.is_some_and(|job| job.data.pointer("/status/active") == Some(&json!(1)))
        };
        let what = "the Job controller to make a Pod of it";
        until(&api, &job.name_any(), what, Duration::from_mins(1), is_begun).await.unwrap();
    }
}

#[tokio::test]
async fn a_real_server_refuses_a_field_that_jobs_do_not_have() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let kubernetes = Kubernetes::shared().await.unwrap_or_else(|error| panic!("{error}"));
    let (client, namespace) =
        (kubernetes.admin().await.unwrap(), kubernetes.namespace("strict").await.unwrap());
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &job_resource());
    let mut job = rendered("backup-job", &json!(MISSION), &namespace);
    job.data["spec"]["backOffLimit"] = json!(1);
    let dry = PatchParams::apply("resource-broker").validation_strict().dry_run();
    let refused = api.patch(&job.name_any(), &dry, &Patch::Apply(&job)).await.unwrap_err();
    assert!(refused.to_string().contains("backOffLimit"), "{refused}");
}
