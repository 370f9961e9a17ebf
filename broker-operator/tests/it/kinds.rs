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
        (offer(json!({"cost": "-1"})), "spec.cost"),
        (offer(json!({"weight": 1001})), "spec.weight"),
        (offer(json!({"capacity": {"orders": -1}})), "spec.capacity.orders"),
        (offer(json!({"namespace": "../../clusters/other"})), "spec.namespace"),
        (offer(json!({"gvr": {"resource": "a/b"}})), "spec.gvr.resource"),
        (offer(json!({"gvr": {"resource": "a", "group": "a..b"}})), "spec.gvr.group"),
        (offer(json!({"gvr": {"resource": "a", "version": "v1/x"}})), "spec.gvr.version"),
        (offer(json!({"filters": vec![json!({"key": "a", "prefix": "b"}); 257]})), "spec.filters"),
        (filter(json!({"key": "", "prefix": "b"})), "spec.filters[0].key"),
        (filter(json!({"key": "a".repeat(513), "prefix": "b"})), "spec.filters[0].key"),
        (filter(json!({"key": "a", "valueIn": []})), "spec.filters[0].valueIn"),
        (filter(json!({"key": "a", "valueIn": [1]})), "spec.filters[0].valueIn[0]"),
        (filter(json!({"key": "a", "valueIn": vec!["v"; 257]})), "spec.filters[0].valueIn"),
        (filter(json!({"key": "a", "valueIn": ["v".repeat(513)]})), "spec.filters[0].valueIn[0]"),
        (filter(json!({"key": "a", "notIn": []})), "spec.filters[0].notIn"),
        (filter(json!({"key": "a", "prefix": ""})), "spec.filters[0].prefix"),
        (filter(json!({"key": "a", "suffix": "s".repeat(513)})), "spec.filters[0].suffix"),
        (filter(json!({"key": "a", "boundary": {"min": "ten"}})), "spec.filters[0].boundary.min"),
        (filter(json!({"key": "a", "boundary": {"max": "10GiB"}})), "spec.filters[0].boundary.max"),
        (filter(json!({"key": "a", "boundary": {"max": "1".repeat(65)}})), "spec.filters[0].boundary.max"),
        (filter(json!({"expression": ""})), "spec.filters[0].expression"),
        (filter(json!({"expression": "x".repeat(1025)})), "spec.filters[0].expression"),
        (filter(json!({"key": "a", "prefix": "b", "optional": "yes"})), "spec.filters[0].optional"),
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
        (filter(json!({"key": "status", "valueIn": ["true"]})), "cannot filter on status"),
        (filter(json!({"key": "['status'].ready", "valueIn": ["true"]})), "cannot filter on status"),
        (filter(json!({"key": "[\"status\"].ready", "valueIn": ["true"]})), "cannot filter on status"),
        (filter(json!({"key": "metadata.resourceVersion", "prefix": "1"})), "cannot filter on status"),
        (filter(json!({"key": "metadata['managedFields']", "prefix": "1"})), "cannot filter on status"),
        (filter(json!({"key": "a..b", "prefix": "1"})), "a key is a path of named fields"),
        (filter(json!({"key": ".a", "prefix": "1"})), "a key is a path of named fields"),
        (filter(json!({"key": "a b", "prefix": "1"})), "a key is a path of named fields"),
        (filter(json!({"key": "a[0]", "prefix": "1"})), "paths do not look into lists"),
        (filter(json!({"key": "a[*].b", "prefix": "1"})), "paths do not look into lists"),
        (filter(json!({"key": "a['b", "prefix": "1"})), "a key is a path of named fields"),
        (offer(json!({"cost": -1})), "a cost is zero or more"),
        (
            offer(json!({"filters": vec![json!({"expression": "self.spec.a == 1"}); 17]})),
            "at most 16 filters may have an expression",
        ),
        (filter(json!({"key": "spec.fqdn"})), "a filter needs a criterion"),
        (filter(json!({"suffix": ".corp"})), "need a key"),
        (filter(json!({"key": "spec.a", "boundary": {}})), "needs min, max or both"),
        (filter(json!({"key": "spec.a", "boundary": {"min": 5, "max": 3}})), "min is above max"),
        (object("BrokeredAPI", "certificates", &json!({})), "the name must be <resource>.<group>"),
        (api(json!({"relatedName": "fixed"})), "must contain ${order} and ${key}"),
    ];
    each_is_refused(&ground, refusals).await;
}

pub(crate) async fn every_way_to_write_a_filter_is_accepted(ground: Ground) {
    let client = served(&ground).await;
    let filters = json!([
        {"key": "fqdn", "suffix": ".corp.com", "optional": true},
        {"key": "metadata.labels['topology.kubernetes.io/region']", "prefix": "eu-"},
        {"key": "metadata.labels[\"it's\"].x", "notIn": ["a", ""]},
        {"key": "['a.b'].c['d'].['e']", "valueIn": [""]},
        {"key": "spec.status", "valueIn": ["a"]},
        {"key": "statusPage", "valueIn": ["a"]},
        {"key": "size", "boundary": {"min": -5, "max": "1e3"}},
        {"key": "size", "boundary": {"min": "-0.5", "max": "10Gi"}},
        {"key": "size", "boundary": {"min": ".5E", "max": "5."}},
        {"key": "size", "boundary": {"min": "500m", "max": "1E+2"}, "expression": "has(self.spec.a)"},
        {"expression": "self.spec.a == 1"},
    ]);
    let offers = [
        offer(json!({"filters": filters, "cost": "0.12", "weight": 1000, "priority": -1})),
        offer(json!({"gvr": {"group": "", "resource": "configmaps"}, "cost": 0, "namespace": "copies"})),
        offer(json!({"filters": vec![json!({"key": "a", "prefix": "b"}); 256]})),
    ];
    for (index, mut object) in offers.into_iter().enumerate() {
        object["metadata"]["name"] = json!(format!("offer-{index}"));
        let spec = broker_core::offer::OfferSpec::read(&object["spec"]).unwrap();
        broker_core::offer::Offer::parse(broker_core::offer::OfferId::new("p", "n", "o"), &spec).unwrap();
        let typed = serde_json::from_value(object.clone()).unwrap();
        let found = api_of(&client, &object).create(&PostParams::default(), &typed).await.unwrap();
        assert!(contains(&found.data["spec"], &object["spec"]), "{found:?}");
    }
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

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_meant_is_refused_in_words() {
        super::what_cannot_be_meant_is_refused_in_words(Ground::embedded().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_way_to_write_a_filter_is_accepted() {
        super::every_way_to_write_a_filter_is_accepted(Ground::embedded().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_migration_keeps_its_ends() {
        super::a_migration_keeps_its_ends(Ground::embedded().await).await;
    }
}

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
    async fn every_way_to_write_a_filter_is_accepted() {
        super::every_way_to_write_a_filter_is_accepted(Ground::kcp().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_migration_keeps_its_ends() {
        super::a_migration_keeps_its_ends(Ground::kcp().await).await;
    }
}
