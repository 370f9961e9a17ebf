//! `run --check`: whether everything is there that the broker needs, and what is not. Asks and writes nothing.
//!
//! Rights are asked of the servers themselves (`SelfSubjectAccessReview`), each verb of each resource that `init` gives
//! the broker.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use broker_core::offer::lint::{Finding, Level};
use broker_core::playbook::Playbook;
use broker_core::resource::{ClusterName, Gvk};
use broker_kcp::fleet::{Member, Plan, revisions};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::pinned_kind;
use kube::{Api, Client};
use serde_json::Value;

use super::settings::Settings;
use crate::init::Server;
use crate::init::plan::broker_rights;
use crate::init::{ACCEPT_APIS, member_rights, platform_rights};
use crate::platform::{MembersArgs, Platform};
use crate::survey::{api_resource, platform_objects, playbooks};
use crate::validate;

/// What `run --check` ends with where something is missing.
const MISSING: u8 = 1;
/// So many questions are on their way at once.
const WIDTH: usize = 16;
/// What the broker does in the cluster for helpers, beside the kinds that playbooks make.
const IN_COMPUTE: [(&str, &[&str]); 2] = [
    ("namespaces", &["get", "list", "watch", "create", "delete"]),
    ("secrets", &["get", "list", "watch", "create", "patch"]),
];
/// What it does with those.
const WITH_HELPERS: [&str; 4] = ["get", "list", "watch", "create"];

/// A right, as servers are asked for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: String,
    group: String,
    resource: String,
    name: Option<String>,
    namespace: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, resource, name, namespace } = self;
        write!(f, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(f, " of {group}")?;
        }
        if let Some(name) = name {
            write!(f, " named {name}")?;
        }
        match namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// What was looked at.
#[derive(Debug, Default)]
struct Looked {
    /// One line each.
    lines: Vec<String>,
    /// Whether anything is missing without which the broker does not work.
    is_missing: bool,
}

impl Looked {
    fn fine(&mut self, what: impl fmt::Display) {
        self.lines.push(format!("ok       {what}"));
    }

    fn advice(&mut self, what: impl fmt::Display) {
        self.lines.push(format!("note     {what}"));
    }

    fn missing(&mut self, what: impl fmt::Display) {
        self.is_missing = true;
        self.lines.push(format!("MISSING  {what}"));
    }
}

/// Looks, and prints what was found.
pub(super) async fn check(settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut looked = Looked::default();
    looked.fine("the configuration is understood");
    let playbooks = platform(settings, &mut looked).await;
    compute(settings.compute_kubeconfig.as_deref(), &playbooks, &mut looked).await;
    for line in &looked.lines {
        println!("{line}");
    }
    Ok(if looked.is_missing { ExitCode::from(MISSING) } else { ExitCode::SUCCESS })
}

/// The platform's workspace, the exports and the rights there. The playbooks that can be followed.
async fn platform(settings: &Settings, looked: &mut Looked) -> Vec<Playbook> {
    let clusters = MembersArgs { clusters_folder: settings.clusters_folder.clone() };
    let platform = match Platform::open(settings.kubeconfig.as_deref(), None, &clusters).await {
        Ok(mut platform) => {
            if let Some(namespace) = &settings.clusters_namespace {
                platform.server = platform.server.in_namespace(namespace);
            }
            platform
        }
        Err(error) => {
            looked.missing(format!("{error:#}"));
            return Vec::new();
        }
    };
    let objects = match platform_objects(&platform).await {
        Ok(objects) => objects,
        Err(error) => {
            looked.missing(format!("{error:#}"));
            return Vec::new();
        }
    };
    looked.fine(format!("{} answers", platform.workspace));
    let members = if platform.is_on_plain_kubernetes() {
        match platform.members().await {
            Ok(members) => Some(members),
            Err(error) => {
                looked.missing(format!("{error:#}"));
                return Vec::new();
            }
        }
    } else {
        None
    };
    let plan = members.as_ref().map_or_else(
        || Plan::from_objects(&objects),
        |members| Plan::on_plain_kubernetes(&objects, &revisions(members)),
    );
    if objects.brokered_apis.is_empty() {
        looked.advice(format!("{} has no BrokeredAPI: nothing is brokered", platform.workspace));
    }
    for (name, object) in &objects.brokered_apis {
        let value = Value::Object(object.fields().clone());
        told(&format!("BrokeredAPI {name}"), &validate::brokered::lint(&value), looked);
    }
    for (api, problem) in &plan.problems {
        looked.missing(format!("BrokeredAPI {api}: {problem}"));
    }
    let wanted = if let Some(members) = &members {
        for (name, member) in members.iter() {
            take_part(name, member, &plan, platform.server.namespace(), looked).await;
        }
        platform_rights(platform.server.namespace()).iter().flat_map(rights_of).collect()
    } else {
        exports(&platform, &plan, looked).await;
        wanted(&plan)
    };
    let client = platform.server.client(&platform.workspace);
    match client {
        Ok(client) => rights(&client, &platform.workspace, wanted, looked).await,
        Err(error) => looked.missing(error),
    }
    match playbooks(&platform).await {
        Ok(found) => followed(&found, looked),
        Err(error) => {
            looked.missing(format!("{error:#}"));
            Vec::new()
        }
    }
}

/// Whether the virtual workspaces of the exports answer.
async fn exports(platform: &Platform, plan: &Plan, looked: &mut Looked) {
    for (export, planned) in &plan.exports {
        if planned.urls.is_empty() {
            looked.advice(format!("export {export}: nobody binds it yet"));
        }
        for url in &planned.urls {
            for (kind, resource) in &planned.kinds {
                let found = async {
                    let client = platform.server.client_at(&format!("{url}/clusters/*"))?;
                    let kind =
                        GroupVersionKind::gvk(&resource.gvr.group, &resource.gvr.version, &resource.kind);
                    let kind = ApiResource::from_gvk_with_plural(&kind, &resource.gvr.resource);
                    let api: Api<DynamicObject> = Api::all_with(client, &kind);
                    let found = api.list(&ListParams::default().limit(1)).await;
                    anyhow::Ok(found.map_err(|error| platform.server.failure("listing", error))?)
                };
                match found.await {
                    Ok(_) => looked.fine(format!("export {export}: {kind} can be listed at {url}")),
                    Err(error) => looked.missing(format!("export {export}: {kind} at {url}: {error:#}")),
                }
            }
        }
    }
}

/// Whether a cluster of plain Kubernetes answers, what it serves, and the rights there.
async fn take_part(name: &ClusterName, member: &Member, plan: &Plan, namespace: &str, looked: &mut Looked) {
    let client =
        member.config.clone().and_then(|config| Client::try_from(config).map_err(|error| error.to_string()));
    let client = match client {
        Ok(client) => client,
        Err(why) => return looked.missing(format!("cluster {name}: its kubeconfig is of no use: {why}")),
    };
    let mut served = BTreeSet::new();
    for kind in plan.exports.values().flat_map(|planned| planned.kinds.values()) {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &api_resource(kind));
        match api.list(&ListParams::default().limit(1)).await {
            Ok(_) => {
                served.insert(kind.gvr.group_resource());
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                looked.missing(format!("cluster {name}: listing {}: {error}", kind.gvr.group_resource()));
            }
        }
    }
    if served.is_empty() {
        looked.advice(format!("cluster {name} serves none of the kinds that are brokered"));
        return;
    }
    let kinds: Vec<&str> = served.iter().map(String::as_str).collect();
    looked.fine(format!("cluster {name} serves {}", kinds.join(", ")));
    served.remove(ACCEPT_APIS);
    let wanted = member_rights(namespace, &served, &BTreeSet::new());
    let wanted = wanted.iter().flat_map(rights_of).collect();
    rights(&client, &format!("cluster {name}"), wanted, looked).await;
}

/// The rights that `init` gives the broker, for these exports.
fn wanted(plan: &Plan) -> BTreeSet<Right> {
    let exports: BTreeSet<String> = plan.exports.keys().cloned().collect();
    broker_rights(&exports).iter().flat_map(rights_of).collect()
}

/// The rights of a role.
fn rights_of(role: &Value) -> Vec<Right> {
    let namespace = role.pointer("/metadata/namespace").and_then(Value::as_str);
    let rules = role.get("rules").and_then(Value::as_array);
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut rights = Vec::new();
    for rule in rules.into_iter().flatten() {
        let names = texts(rule, "resourceNames");
        let names: Vec<Option<String>> =
            if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                for verb in texts(rule, "verbs") {
                    rights.extend(names.iter().map(|name| Right {
                        verb: verb.clone(),
                        group: group.clone(),
                        resource: resource.clone(),
                        name: name.clone(),
                        namespace: namespace.map(str::to_owned),
                    }));
                }
            }
        }
    }
    rights
}

/// Asks the server for each of these rights.
async fn rights(client: &Client, place: &str, wanted: BTreeSet<Right>, looked: &mut Looked) {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let count = wanted.len();
    let asked = stream::iter(wanted).map(|right| {
        let reviews = &reviews;
        async move {
            let answer = reviews.create(&PostParams::default(), &review(&right)).await;
            (right, answer)
        }
    });
    let answers: Vec<_> = asked.buffered(WIDTH).collect().await;
    let mut lacking = 0;
    for (right, answer) in answers {
        match answer {
            Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => {}
            Ok(_) => {
                lacking += 1;
                looked.missing(format!("the right in {place} to {right}"));
            }
            Err(error) => {
                lacking += 1;
                looked.missing(format!("{place} does not tell whether it lets us {right}: {error}"));
            }
        }
    }
    if lacking == 0 {
        looked.fine(format!("all {count} rights in {place}"));
    }
}

fn review(right: &Right) -> SelfSubjectAccessReview {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource.as_str(), None),
    };
    let attributes = ResourceAttributes {
        group: Some(right.group.clone()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(right.verb.clone()),
        name: right.name.clone(),
        namespace: right.namespace.clone(),
        ..ResourceAttributes::default()
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

/// The playbooks that can be followed; what is wrong with others is told.
fn followed(found: &[(String, Value)], looked: &mut Looked) -> Vec<Playbook> {
    let mut playbooks = Vec::new();
    for (name, value) in found {
        let (playbook, findings) = validate::playbooks::lint(name, value);
        told(&format!("MigrationConfiguration {name}"), &findings, looked);
        playbooks.extend(playbook);
    }
    for (index, finding) in validate::playbooks::rivals(&playbooks) {
        let name = playbooks.get(index).map_or("", |playbook| playbook.name.as_str());
        told(&format!("MigrationConfiguration {name}"), &[finding], looked);
    }
    playbooks
}

/// What is wrong with an object, or that nothing is.
fn told(object: &str, findings: &[Finding], looked: &mut Looked) {
    if findings.is_empty() {
        looked.fine(object);
    }
    for Finding { level, pointer, message, .. } in findings {
        let text = format!("{object}: {pointer}: {message}");
        if *level == Level::Error { looked.missing(text) } else { looked.advice(text) }
    }
}

/// The cluster for helpers, and the rights there.
async fn compute(kubeconfig: Option<&Path>, playbooks: &[Playbook], looked: &mut Looked) {
    let Some(kubeconfig) = kubeconfig else {
        for playbook in playbooks.iter().filter(|playbook| playbook.creates_helpers()) {
            looked.advice(format!(
                "MigrationConfiguration {} makes objects, and there is no cluster for them (COMPUTE_KUBECONFIG)",
                playbook.name
            ));
        }
        return;
    };
    let client = async {
        let server = Server::from_kubeconfig(Some(kubeconfig)).await?;
        server.client_as_given()
    };
    let client = match client.await {
        Ok(client) => client,
        Err(error) => return looked.missing(format!("the cluster for helpers: {error}")),
    };
    let right = |verb: &str, group: &str, resource: &str| Right {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        name: None,
        namespace: None,
    };
    let own = IN_COMPUTE.iter().flat_map(|(resource, verbs)| verbs.iter().map(move |verb| (resource, verb)));
    let mut wanted: BTreeSet<Right> = own.map(|(resource, verb)| right(verb, "", resource)).collect();
    for (gvk, by) in kinds(playbooks) {
        let asked = GroupVersionKind::gvk(&gvk.group, &gvk.version, &gvk.kind);
        match pinned_kind(&client, &asked).await {
            Ok((resource, _)) => {
                wanted.extend(WITH_HELPERS.map(|verb| right(verb, &resource.group, &resource.plural)));
            }
            Err(error) => looked.missing(format!(
                "the cluster for helpers serves no {gvk}, which MigrationConfiguration {by} makes: {error}"
            )),
        }
    }
    rights(&client, "the cluster for helpers", wanted, looked).await;
}

/// The kinds that playbooks make, and one of those that do.
fn kinds(playbooks: &[Playbook]) -> BTreeMap<Gvk, &str> {
    let mut kinds = BTreeMap::new();
    for playbook in playbooks {
        let stages = playbook.stages.iter().chain(&playbook.rollback);
        for template in stages.flat_map(|stage| stage.templates.values()) {
            if let Some((version, kind, _)) = template.identity() {
                let (group, version) = version.split_once('/').unwrap_or(("", version));
                kinds.entry(Gvk::new(group, version, kind)).or_insert(playbook.name.as_str());
            }
        }
    }
    kinds
}
