//! The objects a workspace needs: pure functions of what is asked for.
//!
//! These are all the rights the broker has: what is not written here it cannot do.

use std::collections::BTreeSet;

use broker_core::resource::marker;
use broker_kcp::api::crds::{accept_api_crd, platform_crds, to_json};
use broker_kcp::api::v1alpha1::Moves;
use broker_kcp::kcp::api::{AcceptedClaim, Workspace, WorkspaceSpec, WorkspaceType};
use serde_json::{Map, Value, json};

use super::copies::CopyExport;
use super::definition::{ApiDefinition, DefinitionError};
use super::{InitError, Role};

/// The name of AcceptAPI's export.
pub const ACCEPT_API_EXPORT: &str = "acceptapi";

/// The broker's ServiceAccount and roles, in the platform's workspace.
pub const BROKER: &str = "resource-broker";

/// The namespace of the ServiceAccounts.
pub(super) const NAMESPACE: &str = "default";

/// What the broker asks of those who bind: group, resource, verbs, and whether only of objects with the
/// managed label.
type Claim = (&'static str, &'static str, &'static [&'static str], bool);

const LOGICAL_CLUSTERS: Claim = ("core.kcp.io", "logicalclusters", &["get", "list", "watch"], false);
const EVENTS: Claim = ("", "events", &["get", "list", "watch", "create", "update", "patch"], false);
const NAMESPACES: Claim = ("", "namespaces", &["get", "list", "watch"], false);

/// The claims of a brokered API's export: the objects that are handed over, Events, and how people call
/// the workspace.
const API_CLAIMS: [Claim; 5] =
    [("", "secrets", &["*"], true), ("", "configmaps", &["*"], true), EVENTS, NAMESPACES, LOGICAL_CLUSTERS];

/// The claims of AcceptAPI's export: no related object has anything to do with an offer.
const OFFER_CLAIMS: [Claim; 3] = [EVENTS, NAMESPACES, LOGICAL_CLUSTERS];

fn claims_of(export: &str) -> &'static [Claim] {
    if export == ACCEPT_API_EXPORT { &OFFER_CLAIMS } else { &API_CLAIMS }
}

/// Refuses what is no workspace path.
pub(super) fn check_path(path: &str) -> Result<(), InitError> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if path.split(':').all(is_name) { Ok(()) } else { Err(InitError::Path { path: path.to_owned() }) }
}

/// A workspace, as its parent has it.
pub(super) fn workspace(name: &str) -> Workspace {
    let kind = WorkspaceType { name: "universal".to_owned(), path: Some("root".to_owned()) };
    Workspace::new(name, WorkspaceSpec { r#type: Some(kind), ..WorkspaceSpec::default() })
}

/// The workspaces of a path below the root, each with the workspace it is an object of.
pub(super) fn workspaces(path: &str) -> Vec<(String, Value)> {
    let mut parent = String::new();
    let mut all = Vec::new();
    for name in path.split(':') {
        if parent.is_empty() {
            name.clone_into(&mut parent);
            continue;
        }
        all.push((parent.clone(), serde_json::to_value(workspace(name)).unwrap_or_default()));
        parent = format!("{parent}:{name}");
    }
    all
}

/// The platform's own kinds.
pub fn platform_kinds() -> Vec<Value> {
    platform_crds().iter().map(to_json).collect()
}

/// The schemas and exports: AcceptAPI's, and one for each API.
pub fn exports(apis: &[ApiDefinition]) -> Result<Vec<Value>, InitError> {
    let crd = to_json(&accept_api_crd());
    let own = |source| DefinitionError::Schema { origin: "AcceptAPI".to_owned(), source };
    let prefix = broker_kcp::api::content_prefix(&crd).map_err(own)?;
    let schema = broker_kcp::api::api_resource_schema(&crd, &prefix).map_err(own)?;
    let export = export(ACCEPT_API_EXPORT, std::slice::from_ref(&schema));
    let mut objects = vec![schema, export];
    for api in apis {
        objects.push(api.schema().clone());
        objects.push(self::export(api.name(), std::slice::from_ref(api.schema())));
    }
    Ok(objects)
}

/// The schemas and exports of kinds that copies may have.
pub fn copy_exports(copies: &[CopyExport]) -> Vec<Value> {
    let objects_of = |copies: &CopyExport| {
        let export = export(copies.name(), copies.schemas());
        copies.schemas().iter().cloned().chain([export]).collect::<Vec<_>>()
    };
    copies.iter().flat_map(objects_of).collect()
}

fn export(name: &str, schemas: &[Value]) -> Value {
    let resource = |schema: &Value| {
        let part = |path| schema.pointer(path).cloned().unwrap_or_default();
        json!({
            "group": part("/spec/group"),
            "name": part("/spec/names/plural"),
            "schema": part("/metadata/name"),
            "storage": {"crd": {}},
        })
    };
    let resources: Vec<Value> = schemas.iter().map(resource).collect();
    let claims: Vec<Value> = claims_of(name)
        .iter()
        .map(|(group, resource, verbs, _)| json!({"group": group, "resource": resource, "verbs": verbs}))
        .collect();
    json!({
        "apiVersion": "apis.kcp.io/v1alpha2",
        "kind": "APIExport",
        "metadata": {"name": name},
        "spec": {
            "resources": resources,
            "permissionClaims": claims,
        },
    })
}

/// The BrokeredAPI of an API, whose orders may become objects of these exports' kinds. What nobody asked for is left to
/// the defaults, and to people.
pub fn brokered_api(api: &ApiDefinition, moves: Option<Moves>, copies: &BTreeSet<String>) -> Value {
    let mut spec = Map::new();
    if let Some(moves) = moves.or(api.moves()) {
        spec.insert("moves".to_owned(), json!(moves));
    }
    if !copies.is_empty() {
        spec.insert("copyExports".to_owned(), json!(copies));
    }
    json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1",
        "kind": "BrokeredAPI",
        "metadata": {"name": api.name()},
        "spec": spec,
    })
}

/// The broker's ServiceAccount in the platform's workspace, and its rights: the content of these exports
/// and of AcceptAPI's, its own records, its lease and Events.
pub fn broker_rights(exports: &BTreeSet<String>) -> Vec<Value> {
    const READ: [&str; 3] = ["get", "list", "watch"];
    const WRITE: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];
    let mut names: Vec<&str> = vec![ACCEPT_API_EXPORT];
    names.extend(exports.iter().map(String::as_str).filter(|name| *name != ACCEPT_API_EXPORT));
    let records = rule("broker.platform-mesh.io", &["assignments", "migrations"], &WRITE);
    let settings = rule("broker.platform-mesh.io", &["brokeredapis", "migrationconfigurations"], &READ);
    let status =
        ["assignments/status", "migrations/status", "brokeredapis/status", "migrationconfigurations/status"];
    let content = json!({
        "apiGroups": ["apis.kcp.io"],
        "resources": ["apiexports/content"],
        "resourceNames": names,
        "verbs": ["*"],
    });
    let platform = [
        content,
        rule("apis.kcp.io", &["apiexports", "apiexportendpointslices", "apiresourceschemas"], &READ),
        records,
        settings,
        rule("broker.platform-mesh.io", &status, &["get", "update", "patch"]),
    ];
    let namespaced = [
        rule("coordination.k8s.io", &["leases"], &["get", "list", "watch", "create", "update", "patch"]),
        rule("", &["events"], &["create", "update", "patch"]),
        rule("events.k8s.io", &["events"], &["create", "update", "patch"]),
    ];
    let mut objects = account(BROKER, &json!(platform));
    objects.push(role("Role", BROKER, &json!(namespaced)));
    objects.push(grant("RoleBinding", BROKER, "Role", BROKER));
    objects
}

/// The ServiceAccount of a member's own programs and people.
pub fn account_name(role: Role) -> &'static str {
    match role {
        Role::Consumer => "consumer",
        Role::Provider => "provider-agent",
    }
}

/// The ServiceAccount of a member's own programs, and its rights. A provider's: to offer, to serve the
/// copies of these APIs, to hand over what belongs to them, and all about its own kinds. A consumer's: to order.
pub fn member_rights(role: Role, apis: &BTreeSet<String>, own: &BTreeSet<(String, String)>) -> Vec<Value> {
    let mut rules = vec![
        rule("", &["secrets", "configmaps"], &["*"]),
        rule("", &["events"], &["get", "list", "watch", "create", "update", "patch"]),
        rule("events.k8s.io", &["events"], &["get", "list", "watch", "create", "update", "patch"]),
        rule("", &["namespaces"], &["get", "list", "watch", "create"]),
    ];
    if role == Role::Provider {
        rules.push(rule("broker.platform-mesh.io", &["acceptapis"], &["*"]));
        rules.push(rule("broker.platform-mesh.io", &["acceptapis/status"], &["get", "update", "patch"]));
    }
    for (resource, group) in apis.iter().filter_map(|name| name.split_once('.')) {
        match role {
            Role::Consumer => rules.push(rule(group, &[resource], &["*"])),
            Role::Provider => {
                rules.push(rule(group, &[resource], &["get", "list", "watch", "update", "patch"]));
                let (status, finalizers) = (format!("{resource}/status"), format!("{resource}/finalizers"));
                rules.push(rule(group, &[&status, &finalizers], &["get", "update", "patch"]));
            }
        }
    }
    for (group, resource) in own {
        let (status, finalizers) = (format!("{resource}/status"), format!("{resource}/finalizers"));
        rules.push(rule(group, &[resource, &status, &finalizers], &["*"]));
    }
    account(account_name(role), &json!(rules))
}

/// What an export serves, as (group, resource).
pub(super) fn kinds_of(export: &Value) -> Vec<(String, String)> {
    let resources = export.pointer("/spec/resources").and_then(Value::as_array);
    let text =
        |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    resources.into_iter().flatten().map(|entry| (text(entry, "group"), text(entry, "name"))).collect()
}

/// A ServiceAccount that may enter its workspace and do this there.
fn account(name: &str, rules: &Value) -> Vec<Value> {
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": NAMESPACE},
    });
    vec![
        account,
        role("ClusterRole", name, rules),
        grant("ClusterRoleBinding", name, "ClusterRole", name),
        grant("ClusterRoleBinding", &format!("{name}-access"), "ClusterRole", "system:kcp:workspace:access"),
    ]
}

pub(super) fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

fn role(kind: &str, name: &str, rules: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata(kind == "Role", name),
        "rules": rules,
    })
}

/// A binding of the role to the ServiceAccount of the binding's name (without `-access`).
fn grant(kind: &str, name: &str, role_kind: &str, role: &str) -> Value {
    let account = name.strip_suffix("-access").unwrap_or(name);
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata(kind == "RoleBinding", name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
    })
}

fn metadata(namespaced: bool, name: &str) -> Value {
    if namespaced { json!({"name": name, "namespace": NAMESPACE}) } else { json!({ "name": name }) }
}

/// The bindings of a member: AcceptAPI's for a provider, and the APIs'.
pub fn bindings(role: Role, platform: &str, apis: &BTreeSet<String>) -> Vec<Value> {
    let offers = (role == Role::Provider).then_some(ACCEPT_API_EXPORT);
    let exports = offers.into_iter().chain(apis.iter().map(String::as_str));
    exports.map(|export| binding(platform, export)).collect()
}

fn binding(platform: &str, export: &str) -> Value {
    let claims: Vec<Value> = claims_of(export)
        .iter()
        .map(|(group, resource, verbs, only_managed)| {
            let selector = if *only_managed {
                json!({"matchLabels": {marker::MANAGED_LABEL: marker::MANAGED_VALUE}})
            } else {
                json!({"matchAll": true})
            };
            json!({
                "group": group, "resource": resource, "verbs": verbs,
                "selector": selector, "state": "Accepted",
            })
        })
        .collect();
    json!({
        "apiVersion": "apis.kcp.io/v1alpha2",
        "kind": "APIBinding",
        "metadata": {"name": export},
        "spec": {
            "reference": {"export": {"path": platform, "name": export}},
            "permissionClaims": claims,
        },
    })
}

/// Puts the answers that a binding already gives in the place of ours.
pub(super) fn keep_answers(binding: &mut Value, answered: &[AcceptedClaim]) {
    let Some(claims) = binding.pointer_mut("/spec/permissionClaims").and_then(Value::as_array_mut) else {
        return;
    };
    for claim in claims {
        let is = |field, value: &str| claim.get(field).and_then(Value::as_str).unwrap_or_default() == value;
        let same = answered
            .iter()
            .find(|answer| is("group", &answer.claim.group) && is("resource", &answer.claim.resource));
        if let Some(Ok(answer)) = same.map(serde_json::to_value) {
            *claim = answer;
        }
    }
}

#[cfg(test)]
mod tests;
