//! The chart, as the real helm renders it and as a real Kubernetes takes it.

use std::path::PathBuf;
use std::process::Output;

use broker_operator::files::parse_objects;
use broker_operator::init::{plan, platform_rights};
use broker_testkit::helm::helm;
use broker_testkit::kubernetes::Kubernetes;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::stage::Stage;

/// What is asked of helm beside the defaults: each set is linted, rendered and, where its kinds are there, applied.
const SETS: [&[&str]; 5] = [
    &[],
    &[
        "--set=image.tag=latest,replicaCount=3,priorityClassName=system-cluster-critical,config.logFormat=json",
    ],
    &["--set=compute.inCluster=true,serviceAccount.annotations.owner=platform"],
    &[
        "--set=compute.kubeconfig.secretName=compute,runAs.user=null,runAs.group=null,podLabels.team=platform",
        "--set-json=networkPolicy.serverPeers=[{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\"}}]",
        "--set-json=networkPolicy.metricsFrom=[{\"namespaceSelector\":{\"matchLabels\":{\"name\":\"monitoring\"}}}]",
    ],
    &[IN_CLUSTER],
];

/// Where this very cluster is the platform's.
const IN_CLUSTER: &str = "--set=kubeconfig.inCluster=true";

/// The rights in the platform's workspace, for these exports.
const RIGHTS: &str =
    "--set=platform.rbac=true,platform.exports={certificates.example.com,databases.example.com}";

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn chart() -> String {
    repository().join("deploy/helm/resource-broker").display().to_string()
}

/// Runs helm with folders of its own, so that nothing of whoever runs the tests matters.
async fn run_helm(arguments: &[&str]) -> Result<String, String> {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(helm().await.unwrap_or_else(|error| panic!("{error}")));
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, home.path());
    }
    let Output { status, stdout, stderr } =
        command.args(arguments).kill_on_drop(true).output().await.unwrap();
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    if status.success() { Ok(out) } else { Err(format!("{out}{err}")) }
}

async fn template(namespace: &str, arguments: &[&str]) -> Result<String, String> {
    let chart = chart();
    let mut all = vec!["template", "resource-broker", &chart, "--namespace", namespace];
    all.extend(arguments);
    run_helm(&all).await
}

/// The objects that the chart makes of these values.
pub(crate) async fn rendered(namespace: &str, arguments: &[&str]) -> Vec<Value> {
    let text = template(namespace, arguments).await.unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    parse_objects("the chart".as_ref(), &text).unwrap()
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[tokio::test]
async fn helm_finds_nothing_to_say_about_the_chart() {
    let chart = chart();
    for set in SETS.iter().copied().chain([&[RIGHTS][..]]) {
        let mut arguments = vec!["lint", "--strict", &chart];
        arguments.extend(set);
        let said = run_helm(&arguments).await;
        assert!(said.as_ref().is_ok_and(|said| said.contains("0 chart(s) failed")), "{set:?}: {said:?}");
    }
}

#[tokio::test]
async fn wrong_values_are_refused_by_name() {
    for (wrong, named) in [
        ("replicas=3", "replicas"),
        ("replicaCount=two", "/replicaCount"),
        ("image.tag=a b", "/image/tag"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("config.logLevels=debug", "logLevels"),
        ("config.leaderElection=false", "/replicaCount"),
        ("config.reconcileInterval=30", "/config/reconcileInterval"),
        ("kubeconfig.secretName=", "/kubeconfig/secretName"),
        ("compute.inCluster=true,compute.kubeconfig.secretName=other", "/compute/kubeconfig/secretName"),
        ("compute.kinds[0].apiGroup=batch,compute.kinds[0].resources={*}", "/compute/kinds/0/resources"),
        ("platform.rbac=true", "/platform/exports"),
        ("platform.rbac=true,platform.exports={*}", "/platform/exports/0"),
        ("ports.health=80", "/ports/health"),
        ("runAs.user=0", "/runAs/user"),
        ("networkPolicy.serverPeers[0].anything=true", "anything"),
    ] {
        let set = format!("--set={wrong}");
        let refused = template("default", &[&set]).await.expect_err(wrong);
        assert!(refused.contains("schema") && refused.contains(named), "{wrong}: {refused}");
    }
}

/// A value, or the section that it is in, is explained in the line before.
#[test]
fn every_value_is_explained() {
    let values =
        std::fs::read_to_string(repository().join("deploy/helm/resource-broker/values.yaml")).unwrap();
    let lines: Vec<&str> = values.lines().collect();
    let mut explained = 0;
    for (number, line) in lines.iter().enumerate().skip(1) {
        let text = line.trim_start();
        let is_key = text.split_once(':').is_some_and(|(key, _)| key.chars().all(char::is_alphanumeric));
        if line.len() - text.len() > 2 || !is_key {
            continue;
        }
        let is_comment = |line: &str| line.trim_start().starts_with('#');
        let opens = text.ends_with(':') && is_comment(lines[number + 1]);
        assert!(opens || is_comment(lines[number - 1]), "line {}: `{text}` is not explained", number + 1);
        explained += 1;
    }
    assert!(explained > 50, "{explained}");
}

#[test]
fn the_image_is_built_by_the_pinned_toolchain() {
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(read("deploy/Containerfile").contains(&format!("FROM docker.io/library/rust:{channel}-")));
}

/// Compares with the file checked in, or writes it where `UPDATE_MANIFESTS` is set.
fn same_as_checked_in(file: &str, text: &str) {
    let path = repository().join(file);
    if std::env::var_os("UPDATE_MANIFESTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "{file} is not what the chart and the types say: run UPDATE_MANIFESTS=1 cargo test -p broker-operator \
         checked_in, and commit it"
    );
}

#[tokio::test]
async fn plain_manifests_are_the_charts_and_checked_in() {
    let text = template("platform-mesh-system", &[]).await.unwrap();
    same_as_checked_in("deploy/manifests/resource-broker.yaml", &text);
}

#[tokio::test]
async fn the_definitions_that_crds_prints_are_checked_in() {
    let printed = Command::new(env!("CARGO_BIN_EXE_resource-broker")).arg("crds").output().await.unwrap();
    same_as_checked_in("deploy/crds/resource-broker.yaml", &String::from_utf8(printed.stdout).unwrap());
}

#[tokio::test]
async fn what_the_chart_tells_a_broker_it_understands() {
    let objects = rendered("default", SETS[2]).await;
    let container = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let arguments: Vec<String> = container["args"].as_array().unwrap().iter().map(text).collect();
    let told: Vec<(String, String)> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| (text(&variable["name"]), text(&variable["value"])))
        .collect();
    let program = || Command::new(env!("CARGO_BIN_EXE_resource-broker"));
    let help = program().args(["run", "--help"]).output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, _) in &told {
        assert!(help.contains(&format!("[env: {name}]")), "{name} means nothing to `run`");
    }
    // There is no kubeconfig here, and that is all that is wrong.
    let ran = program().args(&arguments).envs(told).kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.contains("cannot use the kubeconfig /etc/resource-broker/platform/kubeconfig"), "{said}");
}

/// What a right is about, whatever labels it carries.
fn essence(object: &Value) -> (String, Value) {
    let metadata = &object["metadata"];
    let at = format!(
        "{} {}/{}",
        object["kind"].as_str().unwrap(),
        metadata["namespace"].as_str().unwrap_or_default(),
        metadata["name"].as_str().unwrap()
    );
    (at, json!([object["rules"], object["roleRef"], object["subjects"]]))
}

#[tokio::test]
async fn the_charts_rights_in_the_platform_are_those_that_init_gives() {
    let exports = ["certificates.example.com", "databases.example.com"].map(str::to_owned).into();
    let mut given: Vec<_> = plan::broker_rights(&exports).iter().map(essence).collect();
    let mut charts: Vec<_> = rendered("anywhere", &[RIGHTS]).await.iter().map(essence).collect();
    given.sort_by(|one, other| one.0.cmp(&other.0));
    charts.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(charts, given);
}

#[tokio::test]
async fn the_charts_rights_in_a_platforms_own_cluster_are_those_that_init_gives() {
    // They are for another account, so they are called otherwise.
    let rules = |objects: &[Value]| {
        let roles = ["ClusterRole", "Role"].map(|kind| of_kind(objects, kind));
        roles.concat().into_iter().map(|role| role["rules"].clone()).collect::<Vec<_>>()
    };
    let charts = rendered("anywhere", &[IN_CLUSTER]).await;
    assert_eq!(rules(&charts), rules(&platform_rights("anywhere")));
    for binding in ["ClusterRoleBinding", "RoleBinding"].map(|kind| of_kind(&charts, kind)).concat() {
        let account = json!([{"kind": "ServiceAccount", "name": "resource-broker", "namespace": "anywhere"}]);
        assert_eq!(binding["subjects"], account);
    }
}

/// The whole end-to-end story, and every other scenario, is played by a broker with these rights.
#[tokio::test(flavor = "multi_thread")]
async fn the_scenarios_are_played_with_the_charts_rights_and_no_others() {
    crate::prepare();
    let stage = Stage::on(crate::server::Server::embedded().await).await;
    let set = "--set=platform.rbac=true,platform.exports={certificates.example.com}";
    let charts = rendered("anywhere", &[set]).await;
    let platform = stage.platform_client();
    let broker = |value: &Value| value["name"] == plan::BROKER;
    for kind in ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"] {
        let gvk = GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind);
        let all: Api<DynamicObject> = Api::all_with(platform.clone(), &ApiResource::from_gvk(&gvk));
        let live = all.list(&ListParams::default()).await.unwrap();
        // A list does not tell the kind of each.
        let told = |object| {
            let mut object = json!(object);
            object["kind"] = json!(kind);
            object
        };
        let mut live: Vec<Value> = live.iter().map(told).collect();
        // Its roles, and whatever is given to its account.
        live.retain(|object| {
            let subjects = object["subjects"].as_array();
            broker(&object["metadata"]) || subjects.is_some_and(|all| all.iter().any(broker))
        });
        let live: Vec<_> = live.iter().map(essence).collect();
        let charts: Vec<_> = of_kind(&charts, kind).into_iter().map(essence).collect();
        assert_eq!(live, charts);
    }
    stage.shut_down().await;
}

#[tokio::test]
async fn no_right_is_given_by_a_wildcard_but_to_the_content_of_named_exports() {
    let mut wildcards = Vec::new();
    for set in [RIGHTS, "--set=compute.inCluster=true", IN_CLUSTER] {
        for object in rendered("default", &[set]).await {
            for rule in object["rules"].as_array().into_iter().flatten() {
                let all = |field: &str| rule[field].as_array().is_some_and(|list| list.contains(&json!("*")));
                if ["apiGroups", "resources", "verbs", "resourceNames", "nonResourceURLs"]
                    .into_iter()
                    .any(all)
                {
                    wildcards.push(rule.clone());
                }
            }
        }
    }
    let names = ["acceptapi", "certificates.example.com", "databases.example.com"];
    assert_eq!(
        wildcards,
        [json!({
            "apiGroups": ["apis.kcp.io"], "resources": ["apiexports/content"],
            "resourceNames": names, "verbs": ["*"],
        })]
    );
    let without = rendered("default", &[]).await;
    assert!(
        without.iter().all(|object| object.get("rules").is_none()),
        "a Pod of the defaults has no rights"
    );
}

async fn kubernetes() -> (&'static Kubernetes, Client) {
    crate::prepare();
    let kubernetes = Kubernetes::shared().await.unwrap_or_else(|error| panic!("{error}"));
    (kubernetes, kubernetes.admin().await.unwrap())
}

/// A namespace that takes Pods of the restricted profile only.
async fn restricted(kubernetes: &Kubernetes, client: &Client) -> String {
    let namespace = kubernetes.namespace("deploy").await.unwrap();
    let enforce = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.patch(&namespace, &PatchParams::default(), &Patch::Merge(enforce)).await.unwrap();
    namespace
}

/// Applies an object; a field that the server does not know is an error.
async fn apply(client: &Client, object: &Value) {
    let named: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let gvk = GroupVersionKind::try_from(named.types.as_ref().unwrap()).unwrap();
    let (resource, capabilities) = pinned_kind(client, &gvk).await.unwrap();
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), &named.namespace().unwrap(), &resource),
    };
    let parameters = PatchParams::apply("deploy").validation_strict();
    let applied = api.patch(&named.name_any(), &parameters, &Patch::Apply(object)).await;
    applied.unwrap_or_else(|error| panic!("{} {}: {error}", gvk.kind, named.name_any()));
}

/// The Pod that a Deployment would make.
fn pod_of(deployment: &Value) -> Pod {
    let mut pod = deployment["spec"]["template"].clone();
    pod["metadata"]["name"] = json!("one");
    serde_json::from_value(pod).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_kubernetes_takes_all_of_it_and_its_pods_keep_the_restricted_profile() {
    let (kubernetes, client) = kubernetes().await;
    for set in SETS {
        let namespace = restricted(kubernetes, &client).await;
        let objects = rendered(&namespace, set).await;
        for object in &objects {
            apply(&client, object).await;
        }
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let deployment = of_kind(&objects, "Deployment")[0];
        let made = pods.create(&PostParams::default(), &pod_of(deployment)).await;
        let made = made.unwrap_or_else(|error| panic!("{set:?}: {error}"));
        let mounts = &made.spec.unwrap().containers[0].volume_mounts;
        let tokens = mounts.iter().flatten().filter(|mount| mount.mount_path.starts_with("/var/run/secrets"));
        let asked_for = usize::from(set.contains(&IN_CLUSTER));
        assert_eq!(tokens.count(), asked_for, "no token is given that was not asked for");

        // The server would have said so.
        let mut laxer = deployment.clone();
        laxer["spec"]["template"]["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] =
            json!(true);
        let refused = pods.create(&PostParams::default(), &pod_of(&laxer)).await.unwrap_err();
        assert!(refused.to_string().contains("violates PodSecurity \"restricted"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_missions_command_installs_it_and_helm_takes_all_of_it_away() {
    let (kubernetes, client) = kubernetes().await;
    let kubeconfig = kubernetes.kubeconfig().display().to_string();
    let at = ["--namespace", "platform-mesh-system", "--kubeconfig", &kubeconfig];
    let chart = chart();
    let mut install =
        vec!["install", "resource-broker", &chart, "--create-namespace", "--set", "image.tag=latest"];
    install.extend(at);
    let said = run_helm(&install).await.unwrap();
    assert!(said.contains("The broker starts once the Secret resource-broker-kubeconfig is there"), "{said}");
    let deployments: Api<Deployment> = Api::namespaced(client, "platform-mesh-system");
    let deployment = deployments.get("resource-broker").await.unwrap();
    let container = &deployment.spec.unwrap().template.spec.unwrap().containers[0];
    assert_eq!(container.image.as_deref(), Some("platform-mesh/resource-broker:latest"));

    // Whoever changes a value changes that and nothing else.
    let mut upgrade =
        vec!["upgrade", "resource-broker", &chart, "--reuse-values", "--set", "config.logLevel=debug"];
    upgrade.extend(at);
    run_helm(&upgrade).await.unwrap();
    let deployment = deployments.get("resource-broker").await.unwrap();
    let container = &deployment.spec.unwrap().template.spec.unwrap().containers[0];
    assert_eq!(container.image.as_deref(), Some("platform-mesh/resource-broker:latest"));
    let level = container.env.iter().flatten().find(|variable| variable.name == "LOG_LEVEL").unwrap();
    assert_eq!(level.value.as_deref(), Some("debug"));

    let mut uninstall = vec!["uninstall", "resource-broker"];
    uninstall.extend(at);
    run_helm(&uninstall).await.unwrap();
    assert!(deployments.get_opt("resource-broker").await.unwrap().is_none());
}

/// Makes the ServiceAccount of the chart in a kcp workspace, with the rights that the helpers of playbooks take, and
/// returns a token of it.
pub(crate) async fn account_for_helpers(workspace: &Client) -> String {
    let mut objects = rendered("default", &["--set=compute.inCluster=true"]).await;
    objects.retain(|object| {
        ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"].iter().any(|kind| object["kind"] == *kind)
    });
    // Whoever acts in a workspace of kcp needs leave to enter it.
    let mut access = of_kind(&objects, "ClusterRoleBinding")[0].clone();
    access["metadata"]["name"] = json!("resource-broker-access");
    access["roleRef"]["name"] = json!("system:kcp:workspace:access");
    objects.push(access);
    for object in &objects {
        apply(workspace, object).await;
    }
    token(workspace, "default").await
}

/// A token of the chart's ServiceAccount.
async fn token(client: &Client, namespace: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = serde_json::from_value(json!({"spec": {"audiences": null}})).unwrap();
    let answer = accounts.create_token_request("resource-broker", &PostParams::default(), &request).await;
    answer.unwrap().status.unwrap().token
}

/// A configuration like this one, with this token and nothing else to be known by.
pub(crate) fn with_token(mut config: Config, token: &str) -> Config {
    config.auth_info = serde_json::from_value(json!({ "token": token })).unwrap();
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kubeconfig_for_this_very_cluster_leads_there_with_the_rights_of_helpers_alone() {
    let (kubernetes, client) = kubernetes().await;
    let namespace = restricted(kubernetes, &client).await;
    let objects = rendered(&namespace, &["--set=compute.inCluster=true"]).await;
    for object in &objects {
        apply(&client, object).await;
    }
    // As the kubelet would put it into the Pod, but that the server's name is another here.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), token(&client, &namespace).await).unwrap();
    let admin = Kubeconfig::read_from(kubernetes.kubeconfig()).unwrap();
    let authority = admin.clusters[0].cluster.as_ref().unwrap().certificate_authority.clone().unwrap();
    std::fs::copy(authority, folder.path().join("ca.crt")).unwrap();
    let kubeconfig = of_kind(&objects, "ConfigMap")[0]["data"]["kubeconfig"].as_str().unwrap();
    let kubeconfig = kubeconfig
        .replace("/etc/resource-broker/compute", folder.path().to_str().unwrap())
        .replace("https://kubernetes.default.svc", kubernetes.url());
    let kubeconfig = Kubeconfig::from_yaml(&kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let helpers = Client::try_from(config).unwrap();
    Api::<Namespace>::all(helpers.clone()).list(&ListParams::default()).await.unwrap();
    let refused = Api::<Pod>::all(helpers).list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
}
