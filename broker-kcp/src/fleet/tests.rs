#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

use std::slice::from_ref;

use broker_core::resource::{Object, ObjectKey, Packer};
use serde_json::{Value, json};

use super::plan::{Plan, Problem};
use super::{PLATFORM, Platform};
use crate::kcp::{Resource, Scope};
use crate::store::{Cache, Entry, Source};

fn cache(objects: &[Value]) -> Cache {
    let cache = Cache::new(&[]);
    let keyed = objects
        .iter()
        .map(|value| {
            let object = Object::try_from(value.clone()).unwrap();
            (ObjectKey::new(PLATFORM, "", object.name()), Entry::new(object, &Packer::default()))
        })
        .collect();
    cache.write().list(&Source::new("platform"), "1", keyed);
    cache
}

fn brokered(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {}})
}

fn export(name: &str, resources: &[(&str, &str, &str)], claims: &[(&str, &str)]) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "resources": resources.iter().map(|(group, resource, schema)| json!({"group": group, "name": resource, "schema": schema})).collect::<Vec<_>>(),
            "permissionClaims": claims.iter().map(|(group, resource)| json!({"group": group, "resource": resource})).collect::<Vec<_>>(),
        },
    })
}

fn schema(
    name: &str,
    group: &str,
    plural: &str,
    kind: &str,
    scope: &str,
    versions: &[(&str, bool, bool)],
) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "group": group, "scope": scope, "names": {"plural": plural, "kind": kind},
            "versions": versions.iter().map(|(name, served, storage)| json!({"name": name, "served": served, "storage": storage})).collect::<Vec<_>>(),
        },
    })
}

fn slice(name: &str, export: &str, urls: &[&str]) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"export": {"name": export}},
        "status": {"endpoints": urls.iter().map(|url| json!({"url": url})).collect::<Vec<_>>()},
    })
}

fn platform(brokered: &[Value], exports: &[Value], schemas: &[Value], slices: &[Value]) -> Platform {
    Platform {
        brokered_apis: cache(brokered),
        assignments: cache(&[]),
        migrations: cache(&[]),
        configurations: cache(&[]),
        exports: cache(exports),
        slices: cache(slices),
        schemas: cache(schemas),
    }
}

fn certificates() -> (Value, Value) {
    let claims = [("", "secrets"), ("core.kcp.io", "logicalclusters")];
    (
        export("certificates.example.com", &[("example.com", "certificates", "v1.certificates")], &claims),
        schema(
            "v1.certificates",
            "example.com",
            "certificates",
            "Certificate",
            "Namespaced",
            &[("v1alpha1", true, false), ("v1", true, true), ("v2", false, false)],
        ),
    )
}

#[test]
fn an_api_is_followed_through_its_export_on_every_shard() {
    let (export, schema) = certificates();
    let slices =
        [slice("certificates.example.com", "certificates.example.com", &["https://a/x/", "https://b/x"])];
    let plan =
        Plan::of(&platform(&[brokered("certificates.example.com")], &[export], &[schema], &slices), None);
    assert_eq!(plan.apis["certificates.example.com"], "certificates.example.com");
    let planned = &plan.exports["certificates.example.com"];
    assert_eq!(planned.urls.iter().collect::<Vec<_>>(), ["https://a/x", "https://b/x"]);
    let kind = &planned.kinds["certificates.example.com"];
    assert_eq!(
        (kind.gvr.version.as_str(), kind.kind.as_str(), kind.scope),
        ("v1", "Certificate", Scope::Namespaced)
    );
    assert!(planned.claims.contains(&(String::new(), "secrets".to_owned())));
}

#[test]
fn nothing_is_followed_before_the_first_binding() {
    let (export, schema) = certificates();
    let slices = [slice("certificates.example.com", "certificates.example.com", &[""])];
    let plan =
        Plan::of(&platform(&[brokered("certificates.example.com")], &[export], &[schema], &slices), None);
    assert!(plan.exports["certificates.example.com"].urls.is_empty());
    assert!(plan.problems.keys().all(|api| api != "certificates.example.com"));
}

#[test]
fn the_export_of_offers_is_followed_but_is_no_brokered_api() {
    let name = "acceptapis.broker.platform-mesh.io";
    let exports = [export("acceptapi", &[("broker.platform-mesh.io", "acceptapis", "s")], &[])];
    let schemas = [schema(
        "s",
        "broker.platform-mesh.io",
        "acceptapis",
        "AcceptAPI",
        "Cluster",
        &[("v1alpha1", true, true)],
    )];
    let plan = Plan::of(&platform(&[], &exports, &schemas, &[]), None);
    assert!(plan.apis.is_empty());
    assert_eq!(plan.exports["acceptapi"].kinds[name].scope, Scope::Cluster);
}

#[test]
fn what_stands_in_the_way_is_told_per_api() {
    let (export, schema) = certificates();
    let mut bare = schema.clone();
    bare["spec"]["versions"] = json!([]);
    let wanted = [brokered("certificates.example.com"), brokered("databases.example.com")];
    let problem = |exports: &[Value], schemas: &[Value]| {
        Plan::of(&platform(&wanted, exports, schemas, &[]), None).problems["certificates.example.com"].clone()
    };
    assert_eq!(problem(&[], &[]), Problem::NoExport("certificates.example.com".to_owned()));
    assert!(matches!(problem(from_ref(&export), &[]), Problem::NoSchema { .. }));
    assert!(matches!(problem(from_ref(&export), &[bare]), Problem::NothingServed(_)));
    let mut empty = export.clone();
    empty["spec"]["resources"] = json!([]);
    assert!(matches!(problem(&[empty], from_ref(&schema)), Problem::NotExported { .. }));
    let plan = Plan::of(&platform(&wanted, &[export], &[schema], &[]), None);
    assert!(
        plan.apis.contains_key("certificates.example.com"),
        "one broken API does not keep another from working"
    );
    assert!(plan.problems.contains_key("databases.example.com"));
}

#[test]
fn paths_of_kinds_are_those_of_the_api_server() {
    assert_eq!(Resource::secrets().path("ns"), "/api/v1/namespaces/ns/secrets");
    assert_eq!(Resource::secrets().path(""), "/api/v1/secrets");
    let gvr = broker_core::resource::Gvr::new("example.com", "v1", "things");
    assert_eq!(Resource::cluster_scoped(gvr, "Thing").path("ignored"), "/apis/example.com/v1/things");
}

#[test]
fn b1_how_slices_are_called_and_how_many_there_are_changes_nothing() {
    let (export, schema) = certificates();
    let of = |slices: &[Value]| {
        Plan::of(
            &platform(&[brokered("certificates.example.com")], from_ref(&export), from_ref(&schema), slices),
            None,
        )
    };
    let one =
        of(&[slice("certificates.example.com", "certificates.example.com", &["https://a/x", "https://b/x"])]);
    let renamed = of(&[slice("another-name", "certificates.example.com", &["https://a/x", "https://b/x"])]);
    let several = of(&[
        slice("east", "certificates.example.com", &["https://a/x"]),
        slice("both", "certificates.example.com", &["https://a/x/", "https://b/x"]),
    ]);
    assert!(!one.exports["certificates.example.com"].urls.is_empty());
    assert_eq!(one, renamed);
    assert_eq!(one, several, "each shard is followed once");
}

#[test]
fn b12_several_versions_of_an_api_are_followed_as_one() {
    let (export, schema) = certificates();
    let plan = Plan::of(&platform(&[brokered("certificates.example.com")], &[export], &[schema], &[]), None);
    let kinds = &plan.exports["certificates.example.com"].kinds;
    assert_eq!(kinds.len(), 1, "{kinds:?}");
    assert_eq!(kinds["certificates.example.com"].gvr.version, "v1", "the one that is stored");
}

#[test]
fn on_plain_kubernetes_a_kind_is_followed_wherever_it_is_served_in_the_platforms_words() {
    let crd = |group: &str, plural: &str, kind: &str, scope: &str| {
        schema(&format!("{plural}.{group}"), group, plural, kind, scope, &[("v1", true, true)])
    };
    let definitions = [
        crd("example.com", "certificates", "Certificate", "Namespaced"),
        crd("cert-manager.io", "certificates", "Certificate", "Namespaced"),
        crd("cert-manager.io", "clusterissuers", "ClusterIssuer", "Cluster"),
    ];
    let translated = json!({
        "metadata": {"name": "certificates.example.com"}, "spec": {"copyExports": ["cert-manager.io", "nobody.io"]},
    });
    let members = [("eu".into(), "1".to_owned()), ("us".into(), "1".to_owned())].into();
    let apis = [translated, brokered("databases.example.com")];
    let plan = Plan::of(&platform(&apis, &[], &definitions, &[]), Some(&members));
    let followed: Vec<&str> = plan.exports.keys().map(String::as_str).collect();
    assert_eq!(followed, ["acceptapi", "certificates.cert-manager.io", "certificates.example.com"]);
    for planned in plan.exports.values() {
        assert_eq!((planned.kinds.len(), planned.members.as_ref()), (1, Some(&members)));
        assert!(planned.claims.contains(&(String::new(), "secrets".to_owned())));
    }
    assert_eq!(plan.apis.keys().collect::<Vec<_>>(), ["certificates.example.com"]);
    assert!(plan.copies["certificates.cert-manager.io"].apis.contains("certificates.example.com"));
    assert_eq!(
        plan.problems["databases.example.com"],
        Problem::NotDefined("databases.example.com".to_owned())
    );
    assert_eq!(plan.problems["certificates.example.com"], Problem::GroupNotDefined("nobody.io".to_owned()));
}
