//! kubectl, unchanged, as people use it.

use std::path::Path;
use std::process::Stdio;

use broker_testkit::control_plane::ControlPlane;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::{SOON, certificate, certificate_crd, start};

/// A folder with a kubeconfig and a home of its own, so that nothing cached elsewhere is used.
struct Kubectl {
    folder: tempfile::TempDir,
}

impl Kubectl {
    /// For a workspace, or for the root as a plain cluster: `-`.
    fn new(server: &ControlPlane, workspace: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig =
            if workspace == "-" { server.plain_kubeconfig() } else { server.kubeconfig(workspace) };
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut kubectl = Command::new("kubectl");
        kubectl
            .args(arguments.split(' '))
            .env("KUBECONFIG", self.path().join("kubeconfig"))
            .env("HOME", self.path())
            .kill_on_drop(true);
        kubectl
    }

    /// Runs kubectl; answers whether it succeeded, and what it printed.
    async fn run(&self, arguments: &str, input: &str) -> (bool, String) {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("kubectl 1.32 or later has to be in the PATH: {error}"));
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    /// What it says when it is refused.
    async fn refused(&self, arguments: &str, input: &str) -> String {
        let (success, text) = self.run(arguments, input).await;
        assert!(!success, "kubectl {arguments}: {text}");
        text
    }

    async fn ok(&self, arguments: &str) -> String {
        self.with(arguments, "").await
    }

    async fn with(&self, arguments: &str, input: &str) -> String {
        let (success, text) = self.run(arguments, input).await;
        assert!(success, "kubectl {arguments}: {text}");
        text
    }
}

#[tokio::test]
async fn kubectl_applies_shows_changes_and_deletes() {
    let server = start().await;
    server.create_workspace("root:a").unwrap();
    let kubectl = Kubectl::new(&server, "root:a");
    kubectl.with("apply -f -", &certificate_crd().to_string()).await;
    kubectl.ok("wait --for condition=Established crd/certificates.example.com --timeout=10s").await;
    let wanted = certificate("one", "a.corp").to_string();
    assert_eq!(kubectl.with("apply -f -", &wanted).await, "certificate.example.com/one created\n");
    assert_eq!(kubectl.with("apply -f -", &wanted).await, "certificate.example.com/one unchanged\n");
    let applied = kubectl.with("apply --server-side -f -", &wanted).await;
    assert_eq!(applied, "certificate.example.com/one serverside-applied\n");
    let other = certificate("one", "b.corp").to_string();
    let (success, text) = kubectl.run("apply --server-side --field-manager=other -f -", &other).await;
    assert!(!success && text.contains(".spec.fqdn"), "{text}");
    let mut wrong = certificate("one", "a.corp");
    wrong["spec"]["fqnd"] = json!("typo");
    let (success, text) = kubectl.run("apply -f -", &wrong.to_string()).await;
    assert!(!success && text.contains("unknown field \"spec.fqnd\""), "{text}");
    assert!(kubectl.ok("get certificates").await.starts_with("NAME"));
    assert!(kubectl.ok("describe certificate one").await.contains("a.corp"));
    assert!(kubectl.ok("explain certificate.spec").await.contains("fqdn"));
    kubectl.ok(r#"patch certificate one --type=merge -p {"spec":{"fqdn":"c.corp"}}"#).await;
    assert_eq!(kubectl.ok("get certificate one -o jsonpath={.spec.fqdn}").await, "c.corp");
    kubectl.ok("label certificate one colour=red").await;
    assert!(kubectl.ok("get certificates -l colour=red -o name").await.contains("one"));
    kubectl.ok("delete certificate one --timeout=10s").await;
    kubectl.ok("wait --for=delete certificate/one --timeout=10s").await;
    kubectl.ok("delete crd certificates.example.com --timeout=10s").await;
}

#[tokio::test]
async fn kubectl_creates_built_in_kinds_and_asks_about_rights() {
    let server = start().await;
    let kubectl = Kubectl::new(&server, "root");
    kubectl.ok("create namespace blue").await;
    kubectl.ok("create secret generic key -n blue --from-literal=a=b").await;
    assert!(kubectl.ok("get secrets -A").await.contains("Opaque"));
    kubectl.ok("create serviceaccount robot -n blue").await;
    kubectl.ok("create role reader -n blue --verb=get,list --resource=secrets").await;
    kubectl.ok("create rolebinding reader -n blue --role=reader --serviceaccount=blue:robot").await;
    let robot = "--as=system:serviceaccount:blue:robot";
    assert_eq!(kubectl.ok(&format!("auth can-i list secrets -n blue {robot}")).await, "yes\n");
    let (_, answer) = kubectl.run(&format!("auth can-i list secrets -n default {robot}"), "").await;
    assert_eq!(answer, "no\n");
    let token = kubectl.ok("create token robot -n blue").await;
    let token = token.trim();
    assert!(kubectl.ok(&format!("get secrets -n blue --token={token} -o name")).await.contains("key"));
    kubectl.ok("delete namespace blue --timeout=10s").await;
    let (success, text) = kubectl.run("get secret key -n blue", "").await;
    assert!(!success && text.contains("NotFound"), "{text}");
}

fn config_map(name: &str, set: &str, value: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"set": set}},
        "data": {"colour": value},
    })
    .to_string()
}

#[tokio::test]
async fn kubectl_shows_differences_edits_tries_and_prunes() {
    let server = start().await;
    let kubectl = Kubectl::new(&server, "root");
    kubectl.with("apply -f -", &config_map("one", "a", "red")).await;
    let changed = config_map("one", "a", "blue");
    for how in ["diff -f -", "diff --server-side -f -"] {
        let difference = kubectl.refused(how, &changed).await;
        assert!(
            difference.contains("-  colour: red") && difference.contains("+  colour: blue"),
            "{difference}"
        );
    }
    kubectl.with("apply --dry-run=server -f -", &changed).await;
    assert_eq!(kubectl.ok("get configmap one -o jsonpath={.data.colour}").await, "red", "it was a trial");
    assert!(kubectl.ok("create configmap trial --dry-run=server -o name").await.contains("configmap/trial"));
    kubectl.refused("get configmap trial", "").await;

    let mut edit = kubectl.command("edit configmap one");
    let edited = edit.env("KUBE_EDITOR", "sed -i s/red/green/").output().await.unwrap();
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    assert_eq!(kubectl.ok("get configmap one -o jsonpath={.data.colour}").await, "green");

    kubectl.with("apply -f -", &config_map("two", "a", "red")).await;
    let pruned = "apply -f - --prune --selector=set=a --prune-allowlist=core/v1/ConfigMap";
    let said = kubectl.with(pruned, &config_map("two", "a", "red")).await;
    assert!(said.contains("configmap/one pruned"), "{said}");
    assert!(kubectl.refused("get configmap one", "").await.contains("NotFound"));
    let error = kubectl
        .refused(
            "create -f - --validate=strict",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"dada":{}}"#,
        )
        .await;
    assert!(error.contains("unknown field \"dada\""), "{error}");
}

#[tokio::test]
async fn kubectl_applies_lists_and_checks_them_first() {
    let server = start().await;
    let kubectl = Kubectl::new(&server, "root");
    let list =
        |items: [String; 2]| format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, items.join(","));
    let good = list([config_map("one", "a", "red"), config_map("two", "a", "red")]);
    let said = kubectl.with("apply -f -", &good).await;
    assert_eq!(said, "configmap/one created\nconfigmap/two created\n");
    let typo = config_map("two", "a", "red").replace("\"data\"", "\"dada\"");
    let error = kubectl.refused("apply -f -", &list([config_map("one", "a", "blue"), typo])).await;
    assert!(error.contains("unknown field \"dada\" in io.k8s.api.core.v1.ConfigMap"), "{error}");
    assert_eq!(kubectl.ok("get configmap one -o jsonpath={.data.colour}").await, "red", "none was sent");
    kubectl.with("apply -f -", &certificate_crd().to_string()).await;
    kubectl.ok("wait --for condition=Established crd/certificates.example.com --timeout=10s").await;
    let orders = list([certificate("one", "a.corp").to_string(), certificate("two", "b.corp").to_string()]);
    let said = kubectl.with("apply -f -", &orders).await;
    assert!(said.contains("certificate.example.com/two created"), "{said}");
}

#[tokio::test]
async fn kubectl_watches_and_waits() {
    let server = start().await;
    let kubectl = Kubectl::new(&server, "root");
    kubectl.with("apply -f -", &config_map("one", "a", "red")).await;
    let mut watching =
        kubectl.command("get configmaps --watch --selector=set=a --output-watch-events --no-headers");
    let mut watch = watching.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut event = async || {
        let line = timeout(SOON, lines.next_line()).await.expect("the watch is silent").unwrap().unwrap();
        line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(event().await, "ADDED one 1");
    kubectl.ok(r#"patch configmap one --type=merge -p {"data":{"size":"1"}}"#).await;
    assert_eq!(event().await, "MODIFIED one 2");
    kubectl.ok("label configmap one set-").await;
    assert_eq!(event().await, "DELETED one 2");
    let mut waiting = kubectl.command("wait --for=jsonpath={.data.size}=2 configmap/one --timeout=10s");
    let wait = waiting.stdout(Stdio::piped()).spawn().unwrap();
    kubectl.ok(r#"patch configmap one --type=merge -p {"data":{"size":"2"}}"#).await;
    let said = wait.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "configmap/one condition met\n");
}

#[tokio::test]
async fn kubectl_knows_what_is_served_and_what_somebody_may() {
    let server = start().await;
    let kubectl = Kubectl::new(&server, "-");
    kubectl.with("apply -f -", &certificate_crd().to_string()).await;
    kubectl.ok("wait --for condition=Established crd/certificates.example.com --timeout=10s").await;
    let listed = kubectl.ok("api-resources --no-headers -o wide").await;
    let row = listed.lines().find(|line| line.starts_with("certificates ")).expect(&listed);
    assert!(
        row.contains("example.com/v1alpha1") && row.contains("true") && row.contains("Certificate"),
        "{row}"
    );
    assert!(kubectl.ok("api-versions").await.lines().any(|line| line == "example.com/v1alpha1"));
    let explained = kubectl.ok("explain certificate --recursive").await;
    assert!(explained.contains("fqdn\t<string> -required-"), "{explained}");
    assert!(kubectl.ok("explain secret.stringData").await.contains("<map[string]string>"));
    assert!(kubectl.ok("version -o json").await.contains("serverVersion"));
    assert!(kubectl.ok("auth whoami").await.contains("system:masters"));

    kubectl
        .ok("create clusterrole reads-certificates --verb=get,list --resource=certificates.example.com")
        .await;
    kubectl.ok("label clusterrole reads-certificates rbac.authorization.k8s.io/aggregate-to-view=true").await;
    kubectl.ok("create rolebinding viewers --clusterrole=view --group=readers").await;
    let ada = "--as=ada --as-group=readers";
    let rights = kubectl.ok(&format!("auth can-i --list {ada}")).await;
    assert!(rights.contains("certificates.example.com") && rights.contains("[get list]"), "{rights}");
    assert_eq!(kubectl.ok(&format!("auth can-i get certificates.example.com {ada}")).await, "yes\n");
    assert_eq!(kubectl.refused(&format!("auth can-i get secrets {ada}"), "").await, "no\n");
    assert_eq!(kubectl.refused("auth can-i get configmaps --as=ada", "").await, "no\n");
    let who = kubectl.ok("auth whoami --as=ada --as-group=readers --as-uid=7 -o json").await;
    assert!(
        who.contains("\"readers\"") && who.contains("\"system:authenticated\"") && who.contains("\"7\""),
        "{who}"
    );
    let error = kubectl.refused(&format!("create role all --verb=* --resource=secrets {ada}"), "").await;
    assert!(error.contains("User \"ada\" cannot create resource \"roles\""), "{error}");
}

#[tokio::test]
async fn what_is_left_out_on_purpose_is_named() {
    let server = start().await;
    let kubectl = Kubectl::new(&server, "-");
    let asked = [
        ("create --raw /api/v1/namespaces/default/pods/one/exec -f -", "pods/exec: it has no workloads"),
        ("get --raw /api/v1/nodes", "nodes: it has no nodes"),
        ("get --raw /apis/apps/v1/deployments", "deployments.apps: it has no workloads"),
        (
            "get --raw /apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            "validatingwebhookconfigurations.admissionregistration.k8s.io: it has no admission webhooks and policies",
        ),
        ("get --raw /apis/apiregistration.k8s.io/v1/apiservices", "it has no aggregated API servers"),
    ];
    for (arguments, what) in asked {
        let said = kubectl.refused(arguments, "{}").await;
        assert!(
            said.contains("the embedded control plane does not implement") && said.contains(what),
            "{said}"
        );
    }
    let mut converting = certificate_crd();
    converting["spec"]["conversion"] = json!({
        "strategy": "Webhook",
        "webhook": {"clientConfig": {"url": "https://a.corp"}, "conversionReviewVersions": ["v1"]},
    });
    let said = kubectl.refused("create -f -", &converting.to_string()).await;
    assert!(said.contains("does not implement conversion webhooks"), "{said}");
    // A workspace of kcp has no pods either, and says so as kcp does.
    let said = kubectl.refused("get --raw /clusters/root/api/v1/nodes", "").await;
    assert!(said.contains("could not find the requested resource"), "{said}");
}
