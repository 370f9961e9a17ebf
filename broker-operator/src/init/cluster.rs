//! Preparing clusters of plain Kubernetes: the platform's, and those that take part.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_core::resource::marker;
use broker_kcp::api::crds::{accept_api_crd, to_json};
use broker_kcp::api::v1alpha1::Moves;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::apply::Entered;
use super::plan::{BROKER, platform_kinds, rule};
use super::{ApiDefinition, Change, Credentials, Init, InitError, Server};

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

/// What a platform on plain Kubernetes is made of.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The namespace of the broker: its account, its Lease and the kubeconfigs of clusters.
    pub namespace: String,
    /// The APIs to broker.
    pub apis: Vec<ApiDefinition>,
    /// Whether their objects may move without a playbook; where it is not given, what the API's definition says, else not.
    pub moves: Option<Moves>,
    /// Definitions of providers' own kinds, which orders of all these APIs may be translated into.
    pub copies: Vec<Value>,
}

/// How a cluster of plain Kubernetes takes part.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// Its name, for good: orders and copies are known by it.
    pub name: String,
    /// The namespace of the broker, in the platform's cluster and in this one.
    pub namespace: String,
}

impl Init {
    /// Prepares the cluster of plain Kubernetes that the server's kubeconfig points to as a platform, and returns what that
    /// changed.
    pub async fn cluster(&self, options: &ClusterOptions) -> Result<Vec<Change>, InitError> {
        let mut session = self.session();
        let cluster = session.enter(&self.server.cluster())?;
        session.apply(&cluster, &namespace(&options.namespace)).await?;
        let apis = options.apis.iter().map(ApiDefinition::definition);
        for object in platform_kinds().into_iter().chain(apis).chain(options.copies.iter().cloned()) {
            session.apply(&cluster, &object).await?;
        }
        session.settle().await?;
        let groups: BTreeSet<String> =
            options.copies.iter().filter_map(|found| text(found, "/spec/group").map(str::to_owned)).collect();
        for api in &options.apis {
            session.apply_brokered_api(&cluster, api, options.moves, &groups).await?;
        }
        for object in platform_rights(&options.namespace) {
            session.apply(&cluster, &object).await?;
        }
        Ok(session.changes)
    }

    /// The access of the broker's account in the platform's cluster.
    pub async fn cluster_credentials(
        &self,
        namespace: &str,
    ) -> Result<(Credentials, Vec<Change>), InitError> {
        let mut session = self.session();
        let credentials = session.credentials(&self.server.cluster(), namespace, BROKER).await?;
        Ok((credentials, session.changes))
    }

    /// Has a cluster take part, as consumer and provider alike: the APIs and AcceptAPI are defined there, the broker gets
    /// an account with the rights it needs, and the platform a Secret with its kubeconfig. `member` is an administrator's
    /// access to it, by the address at which the broker reaches it.
    pub async fn join(&self, member: &Server, options: &JoinOptions) -> Result<Vec<Change>, InitError> {
        let platform = self.session().enter(&self.server.cluster())?;
        let brokered = self.brokered(&platform.path).await?;
        if brokered.is_empty() {
            return Err(InitError::NothingBrokered { platform: platform.path });
        }
        let apis: BTreeSet<String> = brokered.iter().map(ResourceExt::name_any).collect();
        let groups: BTreeSet<String> =
            brokered.iter().flat_map(|api| api.spec.copy_exports.clone()).collect();
        let known = self.definitions(&platform).await?;
        let definitions: Vec<Value> = known
            .iter()
            .filter(|(name, _)| apis.contains(*name))
            .map(|(_, found)| definition(found))
            .collect();
        let own: BTreeSet<String> = known
            .into_iter()
            .filter(|(_, found)| {
                let group = found.data.pointer("/spec/group").and_then(Value::as_str);
                group.is_some_and(|group| groups.contains(group))
            })
            .map(|(name, _)| name)
            .collect();

        let there = Self { server: member.clone(), listener: self.listener.clone() };
        let mut session = there.session();
        let cluster = session.enter(&member.cluster())?;
        session.apply(&cluster, &namespace(&options.namespace)).await?;
        for object in definitions.into_iter().chain([to_json(&accept_api_crd())]) {
            session.apply(&cluster, &object).await?;
        }
        session.settle().await?;
        for object in member_rights(&options.namespace, &apis, &own) {
            session.apply(&cluster, &object).await?;
        }
        let credentials = session.credentials(&member.cluster(), &options.namespace, IN_MEMBER).await?;
        let mut changes = session.changes;

        let mut session = self.session();
        session.apply(&platform, &secret(options, &credentials)).await?;
        changes.extend(session.changes);
        Ok(changes)
    }

    /// The definitions of the platform's cluster, by name.
    async fn definitions(&self, platform: &Entered) -> Result<BTreeMap<String, DynamicObject>, InitError> {
        let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let api: Api<DynamicObject> = Api::all_with(platform.client.clone(), &ApiResource::from_gvk(&kind));
        let list = api.list(&ListParams::default()).await.map_err(|error| {
            self.server.failure(format!("listing the definitions of {}", platform.path), error)
        })?;
        Ok(list.items.into_iter().map(|found| (found.name_any(), found)).collect())
    }
}

/// What is defined, without what a server says of it.
fn definition(found: &DynamicObject) -> Value {
    let spec = found.data.get("spec").cloned().unwrap_or_default();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": found.name_any() },
        "spec": spec,
    })
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// The Secret that tells the broker of a cluster.
fn secret(options: &JoinOptions, credentials: &Credentials) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": format!("cluster-{}", options.name),
            "namespace": options.namespace,
            "labels": { marker::CLUSTER_LABEL: options.name },
        },
        "type": "Opaque",
        "data": { "kubeconfig": STANDARD.encode(credentials.kubeconfig().to_string()) },
    })
}

/// The broker's account in the platform's cluster, and its rights: its own records, what is defined, and in its own
/// namespace its Lease, Events and the kubeconfigs of clusters.
pub fn platform_rights(namespace: &str) -> Vec<Value> {
    const GROUP: &str = marker::GROUP;
    let status =
        ["assignments/status", "migrations/status", "brokeredapis/status", "migrationconfigurations/status"];
    let platform = json!([
        rule("apiextensions.k8s.io", &["customresourcedefinitions"], &READ),
        rule(GROUP, &["assignments", "migrations"], &WRITE),
        rule(GROUP, &["brokeredapis", "migrationconfigurations"], &READ),
        rule(GROUP, &status, &["get", "update", "patch"]),
    ]);
    let own = json!([
        rule("coordination.k8s.io", &["leases"], &["get", "list", "watch", "create", "update", "patch"]),
        rule("", &["secrets"], &READ),
        rule("", &["events"], &["create", "update", "patch"]),
        rule("events.k8s.io", &["events"], &["create", "update", "patch"]),
    ]);
    let mut objects = account(BROKER, namespace, &platform);
    let here = json!({ "name": BROKER, "namespace": namespace });
    objects.push(role("Role", &here, &own));
    objects.push(grant("RoleBinding", "Role", &here, (BROKER, namespace)));
    objects
}

/// The broker's account in a cluster that takes part, and its rights: orders and copies of these APIs, copies of providers'
/// own kinds, offers, what is handed over, Events, and whether these kinds are defined.
pub(crate) fn member_rights(namespace: &str, apis: &BTreeSet<String>, own: &BTreeSet<String>) -> Vec<Value> {
    let defined: Vec<&str> = apis.iter().chain(own).map(String::as_str).chain([ACCEPT_APIS]).collect();
    let mut rules = vec![
        json!({
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": defined,
            "verbs": READ,
        }),
        rule(marker::GROUP, &["acceptapis"], &READ),
        rule(marker::GROUP, &["acceptapis/status"], &["get", "update", "patch"]),
        rule("", &["secrets", "configmaps"], &WRITE),
        rule("", &["events"], &["create", "update", "patch"]),
        rule("events.k8s.io", &["events"], &["create", "update", "patch"]),
    ];
    for (resource, group) in apis.iter().chain(own).filter_map(|name| name.split_once('.')) {
        rules.push(rule(group, &[resource], &WRITE));
        let (status, finalizers) = (format!("{resource}/status"), format!("{resource}/finalizers"));
        rules.push(rule(group, &[&status, &finalizers], &["get", "update", "patch"]));
    }
    account(IN_MEMBER, namespace, &json!(rules))
}

/// The broker's account in a cluster that takes part, which may be the platform's own.
const IN_MEMBER: &str = "resource-broker-member";
/// The name of AcceptAPI's definition.
pub(crate) const ACCEPT_APIS: &str = "acceptapis.broker.platform-mesh.io";

fn account(name: &str, namespace: &str, rules: &Value) -> Vec<Value> {
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": name, "namespace": namespace },
    });
    let (all, of) = (json!({ "name": name }), (name, namespace));
    vec![account, role("ClusterRole", &all, rules), grant("ClusterRoleBinding", "ClusterRole", &all, of)]
}

fn role(kind: &str, metadata: &Value, rules: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": rules,
    })
}

fn grant(kind: &str, role: &str, metadata: &Value, (account, namespace): (&str, &str)) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": account },
        "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": namespace }],
    })
}

fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path).and_then(Value::as_str)
}
