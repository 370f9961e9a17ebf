//! Tells clients what is served: the old documents and the aggregated one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::control_plane::registry::{Definition, Served, api_version};
use crate::control_plane::value;

/// The content type that says that an answer is the aggregated document.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Subresources that are served besides `status`: group, resource, subresource, group, version and kind of
/// what is sent, verbs.
type GroupVersionKind = (&'static str, &'static str, &'static str);
type Extra = (&'static str, &'static str, &'static str, GroupVersionKind, &'static [&'static str]);
const EXTRAS: &[Extra] = &[
    ("", "serviceaccounts", "token", ("authentication.k8s.io", "v1", "TokenRequest"), &["create"]),
    ("", "namespaces", "finalize", ("", "v1", "Namespace"), &["update"]),
];

/// The subresources of a resource.
pub(crate) fn has_subresource(definition: &Definition, subresource: &str) -> bool {
    (subresource == "status" && definition.status)
        || EXTRAS.iter().any(|(group, resource, sub, ..)| {
            definition.group == *group && definition.plural == *resource && subresource == *sub
        })
}

/// `/api`.
pub(crate) fn legacy_versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// `/apis`.
pub(crate) fn groups(served: &Served) -> Value {
    let groups: Vec<Value> = versions(served)
        .into_iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| group_document(&group, &versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`.
pub(crate) fn group(served: &Served, name: &str) -> Option<Value> {
    let all = versions(served);
    let (_, versions) = all.iter().find(|(group, _)| group == name && !name.is_empty())?;
    let mut document = group_document(name, versions);
    value::set(&mut document, &["kind"], json!("APIGroup"));
    value::set(&mut document, &["apiVersion"], json!("v1"));
    Some(document)
}

/// `/api/v1` and `/apis/<group>/<version>`.
pub(crate) fn resources(served: &Served, group: &str, version: &str) -> Option<Value> {
    let definitions = of_version(served, group, version);
    if definitions.is_empty() {
        return None;
    }
    let mut resources = Vec::new();
    for definition in definitions {
        let mut resource = json!({
            "name": definition.plural,
            "singularName": definition.singular,
            "namespaced": definition.namespaced,
            "kind": definition.kind,
            "verbs": definition.verbs,
        });
        if !definition.short_names.is_empty() {
            value::set(&mut resource, &["shortNames"], json!(definition.short_names));
        }
        if !definition.categories.is_empty() {
            value::set(&mut resource, &["categories"], json!(definition.categories));
        }
        resources.push(resource);
        for Subresource { name, group, version, kind, verbs } in subresources(definition) {
            let mut resource = json!({
                "name": format!("{}/{name}", definition.plural),
                "singularName": "",
                "namespaced": definition.namespaced,
                "kind": kind,
                "verbs": verbs,
            });
            if group != definition.group || version != definition.version {
                value::set(&mut resource, &["group"], json!(group));
                value::set(&mut resource, &["version"], json!(version));
            }
            resources.push(resource);
        }
    }
    let group_version = api_version(group, version);
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }))
}

/// The aggregated document of `/api` (`core`) or `/apis`.
pub(crate) fn aggregated(served: &Served, core: bool) -> Value {
    let items: Vec<Value> = versions(served)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> =
                        of_version(served, &group, version).into_iter().map(aggregated_resource).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            let metadata = if core { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregated_resource(definition: &Arc<Definition>) -> Value {
    let scope = if definition.namespaced { "Namespaced" } else { "Cluster" };
    let subresources: Vec<Value> = subresources(definition)
        .into_iter()
        .map(|Subresource { name, group, version, kind, verbs }| {
            json!({
                "subresource": name,
                "responseKind": {"group": group, "version": version, "kind": kind},
                "verbs": verbs,
            })
        })
        .collect();
    let mut resource = json!({
        "resource": definition.plural,
        "responseKind": {"group": definition.group, "version": definition.version, "kind": definition.kind},
        "scope": scope,
        "singularResource": definition.singular,
        "verbs": definition.verbs,
    });
    if !definition.short_names.is_empty() {
        value::set(&mut resource, &["shortNames"], json!(definition.short_names));
    }
    if !definition.categories.is_empty() {
        value::set(&mut resource, &["categories"], json!(definition.categories));
    }
    if !subresources.is_empty() {
        value::set(&mut resource, &["subresources"], json!(subresources));
    }
    resource
}

/// A subresource as discovery shows it.
struct Subresource<'a> {
    name: &'static str,
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    verbs: &'static [&'static str],
}

fn subresources(definition: &Definition) -> Vec<Subresource<'_>> {
    let status = definition.status.then(|| Subresource {
        name: "status",
        group: &definition.group,
        version: &definition.version,
        kind: &definition.kind,
        verbs: &["get", "patch", "update"],
    });
    let extras = EXTRAS.iter().filter_map(|(group, resource, name, kind, verbs)| {
        let here = definition.group == *group && definition.plural == *resource;
        let (group, version, kind) = *kind;
        here.then_some(Subresource { name, group, version, kind, verbs })
    });
    status.into_iter().chain(extras).collect()
}

fn of_version<'a>(served: &'a Served, group: &str, version: &str) -> Vec<&'a Arc<Definition>> {
    let mut found: Vec<_> =
        served.all().iter().filter(|d| d.group == group && d.version == version).collect();
    found.sort_by(|a, b| a.plural.cmp(&b.plural));
    found.dedup_by(|a, b| a.plural == b.plural);
    found
}

/// Groups in order with their versions, the preferred one first.
fn versions(served: &Served) -> Vec<(String, Vec<String>)> {
    let mut groups: BTreeMap<String, BTreeSet<(Reverse<Priority>, String)>> = BTreeMap::new();
    for definition in served.all() {
        let entry = (Reverse(priority(&definition.version)), definition.version.clone());
        groups.entry(definition.group.clone()).or_default().insert(entry);
    }
    let names = |set: BTreeSet<(Reverse<Priority>, String)>| set.into_iter().map(|(_, name)| name).collect();
    groups.into_iter().map(|(group, set)| (group, names(set))).collect()
}

/// Stability, major and minor number.
type Priority = (u8, u32, u32);

/// `v2` before `v1` before `v1beta1` before `v1alpha1` before anything else.
fn priority(version: &str) -> Priority {
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let (major, stability, minor) = match (rest.split_once("alpha"), rest.split_once("beta")) {
        (Some((major, minor)), _) => (major, 1, minor),
        (_, Some((major, minor))) => (major, 2, minor),
        (None, None) => (rest, 3, "0"),
    };
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => (stability, major, minor),
        _ => (0, 0, 0),
    }
}

fn group_document(group: &str, versions: &[String]) -> Value {
    let entry = |version: &String| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({
        "name": group,
        "versions": versions.iter().map(entry).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(entry),
    })
}
