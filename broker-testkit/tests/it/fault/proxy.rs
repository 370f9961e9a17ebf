//! Faults before a server in another process, as far as a client can tell.

use std::process::Stdio;
use std::time::Duration;

use broker_testkit::control_plane::ControlPlane;
use broker_testkit::fault::{Injector, Proxy};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client, Config, ResourceExt as _};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{create, names, parsed, refusal};

struct Stage {
    server: ControlPlane,
    injector: Injector,
    proxy: Proxy,
}

impl Stage {
    async fn new(plan: &str) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let server = ControlPlane::builder().start().await.unwrap();
        let injector = Injector::new(parsed(plan));
        let proxy = Proxy::before(&server.admin_config(), &injector).await.unwrap();
        Self { server, injector, proxy }
    }

    /// A client that shows what it gets, instead of trying again.
    fn config(&self) -> Config {
        let mut config = self.proxy.config(&self.server.workspace_config("root"));
        config.default_retry = false;
        config
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(Client::try_from(self.config()).unwrap(), "default")
    }

    fn outside(&self) -> Api<Secret> {
        let client = Client::try_from(self.server.workspace_config("root")).unwrap();
        Api::namespaced(client, "default")
    }

    fn injected(&self) -> Vec<String> {
        self.injector.injected().iter().map(|injected| injected.fault.to_string()).collect()
    }
}

/// Long enough for anything here that ends.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn callers_bring_their_own_credentials() {
    let stage = Stage::new("none").await;
    create(&stage.secrets(), "a").await.unwrap();
    let mut stranger = stage.config();
    stranger.auth_info.token = Some("nobody's".to_owned().into());
    let stranger: Api<Secret> = Api::namespaced(Client::try_from(stranger).unwrap(), "default");
    assert_eq!(refusal(&stranger.get("a").await.unwrap_err()).0, 401);
    let bare: Api<Secret> = Api::namespaced(
        Client::try_from(Config::new(stage.proxy.url().parse().unwrap())).unwrap(),
        "default",
    );
    assert_eq!(refusal(&bare.get("a").await.unwrap_err()).0, 403, "the proxy has none to lend");
}

/// Each kind of harm at a request, and what is left of it: an answer's code, or a broken connection; done or not.
#[tokio::test]
async fn a_fault_of_each_kind_at_a_request_reaches_the_client() {
    let stage = Stage::new("none").await;
    for (index, (harm, code, done)) in [
        ("conflict", Some(409), false),
        ("too-many(1s)", Some(429), false),
        ("500", Some(500), false),
        ("503", Some(503), false),
        ("504", Some(504), false),
        ("410", Some(410), false),
        ("401(1s)", Some(401), false),
        ("500-after", Some(500), true),
        ("504-after", Some(504), true),
        ("unreachable", None, false),
        ("away(1s)", None, false),
        ("lost", None, true),
        ("cut", None, true),
    ]
    .into_iter()
    .enumerate()
    {
        stage.injector.arm(parsed(&format!("w1!{harm}")));
        let name = format!("s{index}");
        let error = create(&stage.secrets(), &name).await.unwrap_err();
        match code {
            Some(code) => assert_eq!(refusal(&error).0, code, "{harm}"),
            None => assert!(!matches!(error, kube::Error::Api(_)), "{harm}: {error:?}"),
        }
        let stored = names(&stage.outside()).await;
        assert_eq!(stored.contains(&name), done, "{harm}");
        assert_eq!(stage.injected(), [format!("w1!{harm}")]);
    }
}

#[tokio::test]
async fn a_fault_of_each_kind_at_an_event_reaches_the_client() {
    let stage = Stage::new("none").await;
    for name in ["a", "b", "c"] {
        create(&stage.outside(), name).await.unwrap();
    }
    for (harm, heard, goes_on) in [
        // kube takes a connection that breaks between two pieces for the end of the watch.
        ("cut", &["a"][..], false),
        ("away(1ms)", &["a"], false),
        ("end", &["a"], false),
        ("410", &["a", "410"], false),
        ("stall", &["a"], true),
        ("repeat(2)", &["a", "b", "a", "b", "c"], true),
        ("delay(10ms)", &["a", "b", "c"], true),
    ] {
        stage.injector.arm(parsed(&format!("e2!{harm}")));
        let secrets = stage.secrets();
        let events = secrets.watch(&WatchParams::default(), "0").await.unwrap();
        let events = events.map(|event| match event.unwrap() {
            WatchEvent::Added(secret) => secret.name_any(),
            WatchEvent::Error(status) => status.code.to_string(),
            other => panic!("{other:?}"),
        });
        let mut events = std::pin::pin!(events);
        let seen: Vec<String> = events.by_ref().take(heard.len()).collect().await;
        assert_eq!(seen, heard, "{harm}");
        let further = tokio::time::timeout(Duration::from_millis(30), events.next()).await;
        assert_eq!(further.is_err(), goes_on, "{harm}: {further:?}");
        assert_eq!(stage.injected(), [format!("e2!{harm}")]);
    }
}

#[tokio::test]
async fn who_dies_behind_a_proxy_hears_nothing_until_somebody_else_connects() {
    let stage = Stage::new("w1!crash-after").await;
    let secrets = stage.secrets();
    let creating = create(&secrets, "a");
    tokio::pin!(creating);
    while !stage.injector.is_crashed() {
        let silence = tokio::time::timeout(Duration::from_millis(5), &mut creating).await;
        assert!(silence.is_err(), "{silence:?}");
    }
    assert_eq!(names(&stage.outside()).await, ["a"]);
    stage.injector.revive();
    // Connections of before stay dead; a process that is started has none.
    assert_eq!(names(&stage.secrets()).await, ["a"]);
}

#[tokio::test]
async fn a_server_that_cannot_look_back_shows_what_was_seen_first() {
    let stage = Stage::new("l3!stale(1),l4!slow(1ms)").await;
    create(&stage.outside(), "a").await.unwrap();
    let list = async || {
        let found = stage.secrets().list(&ListParams::default()).await.unwrap();
        (found.iter().map(Secret::name_any).collect::<Vec<_>>(), found.metadata.resource_version)
    };
    let first = list().await;
    create(&stage.outside(), "b").await.unwrap();
    assert_eq!(list().await.0, ["a", "b"]);
    assert_eq!(list().await, first);
    assert_eq!(list().await.0, ["a", "b"]);
    assert_eq!(stage.injected(), ["l3!stale(1)", "l4!slow(1ms)"]);
}

#[tokio::test]
async fn the_urls_that_a_server_tells_lead_through_the_proxy() {
    let stage = Stage::new("none").await;
    stage.server.create_workspace("root:a").unwrap();
    // A second host of the same server, which nothing but its slice tells of.
    let other = stage.server.url().replace("127.0.0.1", "localhost");
    stage.server.serve_shard("west", &other, &["b"]);
    stage.server.create_workspace("root:b").unwrap();
    let at = |path: &str| {
        let mut config = stage.proxy.config(&stage.server.workspace_config(path));
        config.default_retry = false;
        Client::try_from(config).unwrap()
    };
    let root = at("root:a");
    let post = async |client: &Client, path: &str, body: Value| {
        let request = http::Request::post(path).header("content-type", "application/json");
        client.request::<Value>(request.body(body.to_string().into_bytes()).unwrap()).await.unwrap()
    };
    let export =
        json!({"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport", "metadata": {"name": "things"}});
    post(&root, "/apis/apis.kcp.io/v1alpha2/apiexports", export).await;
    for workspace in ["root:a", "root:b"] {
        let binding = json!({
            "apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding", "metadata": {"name": "things"},
            "spec": {"reference": {"export": {"path": "root:a", "name": "things"}}},
        });
        post(&at(workspace), "/apis/apis.kcp.io/v1alpha2/apibindings", binding).await;
    }
    // By watch, list and get; all of them the same.
    let slices = "/apis/apis.kcp.io/v1alpha1/apiexportendpointslices";
    let request = http::Request::get(format!("{slices}?watch=true")).body(Vec::new()).unwrap();
    let mut events = root.request_events::<kube::core::DynamicObject>(request).await.unwrap().boxed();
    let urls = |object: &Value| -> Vec<String> {
        let endpoints = object["status"]["endpoints"].as_array().cloned().unwrap_or_default();
        endpoints.iter().map(|endpoint| endpoint["url"].as_str().unwrap().to_owned()).collect()
    };
    let told = loop {
        let event = tokio::time::timeout(SOON, events.next()).await.unwrap().unwrap().unwrap();
        let (WatchEvent::Added(slice) | WatchEvent::Modified(slice)) = event else { continue };
        let urls = urls(&slice.data);
        if urls.len() == 2 {
            break urls;
        }
    };
    assert!(told.iter().all(|url| url.starts_with(&format!("{}/", stage.proxy.url()))), "{told:?}");
    assert!(told.iter().any(|url| url.contains("/via/localhost:")), "{told:?}");
    let get = async |path: String| {
        root.request::<Value>(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
    };
    assert_eq!(urls(&get(slices.to_owned()).await["items"][0]), told);
    assert_eq!(urls(&get(format!("{slices}/things")).await), told);
    // They lead somewhere.
    for url in told {
        let mut config = stage.config();
        config.cluster_url = url.parse().unwrap();
        let bindings = "/clusters/*/apis/apis.kcp.io/v1alpha2/apibindings";
        let request = http::Request::get(bindings).body(Vec::new()).unwrap();
        let found: Value = Client::try_from(config).unwrap().request(request).await.unwrap();
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{url}");
    }
    // What no server told of is not there.
    let mut config = stage.config();
    config.cluster_url = format!("{}/via/example.com:443", stage.proxy.url()).parse().unwrap();
    let nowhere = Client::try_from(config).unwrap().apiserver_version().await.unwrap_err();
    assert_eq!(refusal(&nowhere).0, 404);
}

#[tokio::test]
async fn kubectl_works_through_a_proxy_and_shows_faults() {
    let stage = Stage::new("none").await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, stage.proxy.kubeconfig(&stage.server.workspace_config("root"))).unwrap();
    let kubectl = async |arguments: &str| {
        let output = Command::new("kubectl")
            .args(arguments.split(' '))
            .env("KUBECONFIG", &kubeconfig)
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap_or_else(|error| panic!("kubectl 1.32 or later has to be in the PATH: {error}"));
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let (success, text) = kubectl("create secret generic a --from-literal=k=v").await;
    assert!(success && text == "secret/a created\n", "{text}");
    let (success, text) = kubectl("get secrets -o name").await;
    assert!(success && text == "secret/a\n", "{text}");
    stage.injector.arm(parsed("w1!conflict,w2!lost"));
    let (success, text) = kubectl("label secret a colour=red").await;
    assert!(!success && text.contains("please apply your changes to the latest version"), "{text}");
    let (success, text) = kubectl("delete secret a").await;
    assert!(!success && text.contains("EOF"), "{text}");
    assert!(names(&stage.outside()).await.is_empty(), "it was deleted all the same");
    let (success, text) = kubectl("delete secret a --ignore-not-found --timeout=10s").await;
    assert!(success, "{text}");
}

#[tokio::test]
async fn a_proxy_that_is_dropped_is_gone() {
    let stage = Stage::new("none").await;
    let secrets = stage.secrets();
    let mut events = secrets.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let Stage { server: _server, proxy, .. } = stage;
    let address = proxy.address();
    drop(proxy);
    let last = tokio::time::timeout(SOON, events.next()).await.unwrap();
    assert!(last.is_none_or(|event| event.is_err()));
    // The port is given back once the task that listens is gone.
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
}
