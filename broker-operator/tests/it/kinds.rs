//! The broker's own kinds, on both servers: what the overview shows is accepted unchanged, what cannot be
//! meant is refused in words.

use broker_kcp::api::crds;
use broker_operator::files::read_objects;
use broker_operator::init::Server;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::conditions;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::init::Ground;

/// A workspace that serves all kinds.
async fn served(ground: &Ground) -> Client {
    let path = ground.make("kinds").await;
    let client = Server::from_config(ground.admin()).client(&path).unwrap();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in crds() {
        api.create(&PostParams::default(), &crd).await.unwrap();
    }
    for crd in crds() {
        let name = crd.metadata.name.unwrap();
        await_condition(api.clone(), &name, conditions::is_crd_established()).await.unwrap();
    }
    client
}

fn api_of(client: &Client, object: &Value) -> Api<DynamicObject> {
    let kind = object["kind"].as_str().unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("broker.platform-mesh.io", "v1alpha1", kind));
    if kind == "AcceptAPI" {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        Api::namespaced_with(client.clone(), namespace, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    }
}

/// Whether all of `written` is in `found`.
fn contains(found: &Value, written: &Value) -> bool {
    match (found, written) {
        (Value::Object(found), Value::Object(written)) => {
            written.iter().all(|(key, value)| found.get(key).is_some_and(|found| contains(found, value)))
        }
        (Value::Array(found), Value::Array(written)) => {
            found.len() == written.len() && found.iter().zip(written).all(|(f, w)| contains(f, w))
        }
        _ => found == written,
    }
}

pub(crate) async fn the_overviews_objects_are_accepted_unchanged(ground: Ground) {
    let client = served(&ground).await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in ["internal-ca-provider", "provider-workspace"] {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    }
    let mut seen = 0;
    for file in ["acceptapi", "migration", "migrationconfiguration"] {
        let path = format!("{}/tests/it/mission/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        for object in read_objects(path.as_ref()).unwrap() {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let api = api_of(&client, &object);
            // Strictly: a field that the schema does not have is an error.
            let strict = PatchParams::apply("test").validation_strict();
            let found = api.patch(&name, &strict, &Patch::Apply(&object)).await.unwrap();
            let found = serde_json::to_value(found).unwrap();
            assert!(contains(&found["spec"], &object["spec"]), "{name}: {found:#}");
            if let Some(status) = object.get("status") {
                let patch = json!({"apiVersion": object["apiVersion"], "kind": object["kind"],
                    "metadata": {"name": name}, "status": status});
                let found = api.patch_status(&name, &strict, &Patch::Apply(&patch)).await.unwrap();
                assert!(contains(&found.data["status"], status), "{name}: {found:?}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 8);
}

fn offer(spec: Value) -> Value {
    let mut all = json!({"gvr": {"resource": "certificates"}});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    object("AcceptAPI", "an-offer", &all)
}

fn filter(filter: Value) -> Value {
    offer(json!({ "filters": [filter] }))
}

fn api(spec: Value) -> Value {
    object("BrokeredAPI", "certificates.example.com", &spec)
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": kind,
        "metadata": {"name": name}, "spec": spec,
    })
}

async fn each_is_refused(ground: &Ground, refusals: impl IntoIterator<Item = (Value, &str)>) {
    let client = served(ground).await;
    for (object, words) in refusals {
        let typed = serde_json::from_value(object.clone()).unwrap();
        match api_of(&client, &object).create(&PostParams::default(), &typed).await {
            Err(kube::Error::Api(status)) if status.code == 422 => {
                assert!(status.message.contains(words), "{object}: {}", status.message);
            }
            other => panic!("{object} is not refused: {other:?}"),
        }
    }
}

pub(crate) async fn what_no_field_can_hold_is_refused_by_its_name(ground: Ground) {
    let gvk = json!({"group": "example.com", "version": "v1", "kind": "Database"});
    let stage = json!({"name": "copy"});
    let playbook = |stages: Value| {
        object("MigrationConfiguration", "a", &json!({"from": gvk, "to": gvk, "stages": stages}))
    };
    let refusals = [
        (filter(json!({"key": "spec.a", "boundary": {"min": 0.5}})), "spec.filters[0].boundary.min"),
        (offer(json!({"weight": 0})), "spec.weight"),
        (offer(json!({"cost": "cheap"})), "spec.cost"),
        (offer(json!({"scheduling": "Never"})), "spec.scheduling"),
        (offer(json!({"gvr": {"resource": ""}})), "spec.gvr.resource"),
        (api(json!({"gracePeriod": "soon"})), "spec.gracePeriod"),
        (api(json!({"relatedKinds": ["Pod"]})), "spec.relatedKinds[0]"),
        (api(json!({"providers": [{"cluster": "a"}, {"cluster": "a"}]})), "spec.providers[1]"),
        (api(json!({"limits": {"concurrentMoves": 0}})), "spec.limits.concurrentMoves"),
        (playbook(json!([])), "spec.stages"),
        (playbook(json!([stage, stage])), "spec.stages[1]"),
        (playbook(json!([{"name": "copy", "phase": "Later"}])), "spec.stages[0].phase"),
    ];
    each_is_refused(&ground, refusals).await;
}

pub(crate) async fn what_cannot_be_meant_is_refused_in_words(ground: Ground) {
    let refusals = [
        (filter(json!({"key": "status.ready", "valueIn": ["true"]})), "cannot filter on status"),
        (filter(json!({"key": "spec.fqdn"})), "a filter needs a criterion"),
        (filter(json!({"suffix": ".corp"})), "need a key"),
        (filter(json!({"key": "spec.a", "boundary": {}})), "needs min, max or both"),
        (filter(json!({"key": "spec.a", "boundary": {"min": 5, "max": 3}})), "min is above max"),
        (object("BrokeredAPI", "certificates", &json!({})), "the name must be <resource>.<group>"),
        (api(json!({"relatedName": "fixed"})), "must contain ${order} and ${key}"),
    ];
    each_is_refused(&ground, refusals).await;
}

pub(crate) async fn a_migration_keeps_its_ends(ground: Ground) {
    let client = served(&ground).await;
    let object = json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "Migration",
        "metadata": {"name": "m"},
        "spec": {"from": {"clusterName": "a"}, "to": {"clusterName": "b"}},
    });
    let api = api_of(&client, &object);
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let patch = async |spec: Value| {
        api.patch("m", &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await
    };
    let refused = async |spec: Value, words: &str| match patch(spec).await {
        Err(kube::Error::Api(status)) => assert!(status.message.contains(words), "{}", status.message),
        other => panic!("not refused: {other:?}"),
    };
    refused(json!({"to": {"clusterName": "c"}}), "keeps its from and to").await;
    refused(json!({"cancel": true, "rollback": true}), "exclude each other").await;
    patch(json!({"paused": true, "order": {"clusterName": "c", "name": "n"}})).await.unwrap();
    refused(json!({"order": null}), "stays with its order").await;
}

mod embedded {
    use super::Ground;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_overviews_objects_are_accepted_unchanged() {
        super::the_overviews_objects_are_accepted_unchanged(Ground::embedded().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_no_field_can_hold_is_refused_by_its_name() {
        super::what_no_field_can_hold_is_refused_by_its_name(Ground::embedded().await).await;
    }
}

/// The embedded control plane does not evaluate the rules of a schema yet, so those are shown here alone.
mod kcp {
    use super::Ground;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_overviews_objects_are_accepted_unchanged() {
        super::the_overviews_objects_are_accepted_unchanged(Ground::kcp().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_no_field_can_hold_is_refused_by_its_name() {
        super::what_no_field_can_hold_is_refused_by_its_name(Ground::kcp().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_meant_is_refused_in_words() {
        super::what_cannot_be_meant_is_refused_in_words(Ground::kcp().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_migration_keeps_its_ends() {
        super::a_migration_keeps_its_ends(Ground::kcp().await).await;
    }
}
