//! `init`, on both servers: it prepares what is missing, changes nothing the second time, and gives the
//! broker the rights it needs and no others.

use std::collections::BTreeMap;

use broker_kcp::api::v1alpha1::{Assignment, BrokeredApi, Moves};
use broker_kcp::kcp::api::ApiExportEndpointSlice;
use broker_operator::init::{
    Action, ApiDefinition, Change, CopyExport, Init, MemberOptions, PlatformOptions, Role, Server,
};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config};
use serde_json::{Value, json};

const CERTIFICATES: &str = "certificates.example.com";

/// A server, and a workspace that is this test's own.
pub(crate) struct Ground {
    admin: Config,
    tree: String,
    _embedded: Option<ControlPlane>,
}

impl Ground {
    pub(crate) async fn embedded() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let server = ControlPlane::builder().start().await.unwrap();
        Self { admin: server.admin_config(), tree: "root".to_owned(), _embedded: Some(server) }
    }

    pub(crate) async fn kcp() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let kcp = Kcp::shared().await.unwrap();
        let tree = kcp.workspace("init").await.unwrap();
        let admin = kcp.admin_config("root").await.unwrap();
        Self { admin, tree: tree.path().to_owned(), _embedded: None }
    }

    /// Makes a workspace of this test, and returns its path.
    pub(crate) async fn make(&self, name: &str) -> String {
        let path = self.path(name);
        self.init().workspace(&path).await.unwrap();
        path
    }

    pub(crate) fn admin(&self) -> Config {
        self.admin.clone()
    }

    fn path(&self, name: &str) -> String {
        format!("{}:{name}", self.tree)
    }

    fn init(&self) -> Init {
        Init::new(Server::from_config(self.admin.clone()))
    }

    fn client(&self, name: &str) -> Client {
        Server::from_config(self.admin.clone()).client(&self.path(name)).unwrap()
    }

    fn platform(&self, apis: Vec<ApiDefinition>) -> PlatformOptions {
        PlatformOptions { workspace: self.path("platform"), apis, ..PlatformOptions::default() }
    }

    fn member(&self, name: &str) -> MemberOptions {
        let platform = self.path("platform");
        MemberOptions { workspace: self.path(name), platform, ..MemberOptions::default() }
    }
}

fn certificate_crd() -> Value {
    let text = include_str!("../../../examples/certificates/certificates.yaml");
    serde_saphyr::from_str(text).unwrap()
}

fn certificate() -> ApiDefinition {
    ApiDefinition::parse("certificates.yaml", &certificate_crd()).unwrap()
}

/// The changes that were any.
fn made(changes: &[Change]) -> Vec<String> {
    changes.iter().filter(|change| change.action != Action::Unchanged).map(ToString::to_string).collect()
}

fn certificates() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1alpha1", "Certificate"))
}

fn order(name: &str) -> DynamicObject {
    let mut order = DynamicObject::new(name, &certificates());
    order.data = json!({"spec": {"fqdn": "app.internal.corp"}});
    order
}

fn secret(name: &str) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.string_data = Some(BTreeMap::from([("password".to_owned(), "its own".to_owned())]));
    secret
}

/// The HTTP status of a refusal.
fn refused<T: std::fmt::Debug>(answer: Result<T, kube::Error>) -> u16 {
    match answer {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("no refusal: {other:?}"),
    }
}

pub(crate) async fn a_second_run_changes_nothing(ground: Ground) {
    let init = ground.init();
    let platform = ground.platform(vec![certificate()]);
    let (provider, consumer) = (ground.member("orgs:internal-ca"), ground.member("orgs:acme"));
    assert!(!made(&init.platform(&platform).await.unwrap()).is_empty());
    let changes = init.provider(&provider).await.unwrap();
    let first: Vec<_> = made(&changes).into_iter().take(2).collect();
    let created = |name: &str| format!("workspace/{} created", ground.path(name));
    assert_eq!(first, [created("orgs"), created("orgs:internal-ca")], "parents are made too");
    init.consumer(&consumer).await.unwrap();
    let (credentials, _) = init.broker_credentials(&platform.workspace).await.unwrap();
    init.member_credentials(Role::Provider, &provider).await.unwrap();
    init.member_credentials(Role::Consumer, &consumer).await.unwrap();

    assert_eq!(made(&init.platform(&platform).await.unwrap()), [""; 0]);
    assert_eq!(made(&init.provider(&provider).await.unwrap()), [""; 0]);
    assert_eq!(made(&init.consumer(&consumer).await.unwrap()), [""; 0]);
    let (again, changes) = init.broker_credentials(&platform.workspace).await.unwrap();
    assert_eq!(made(&changes), [""; 0]);
    assert_eq!(credentials.kubeconfig(), again.kubeconfig());
    for (role, options) in [(Role::Provider, &provider), (Role::Consumer, &consumer)] {
        let (_, changes) = init.member_credentials(role, options).await.unwrap();
        assert_eq!(made(&changes), [""; 0], "{role:?}");
    }
}

pub(crate) async fn what_people_changed_is_kept(ground: Ground) {
    let init = ground.init();
    let mut options = ground.platform(vec![certificate()]);
    init.platform(&options).await.unwrap();
    let api: Api<BrokeredApi> = Api::all(ground.client("platform"));
    let moves = async || {
        let found = api.get(CERTIFICATES).await.unwrap().spec;
        (format!("{:?}", found.moves), found.grace_period.to_string())
    };
    assert_eq!(moves().await, ("Free".to_owned(), "30s".to_owned()), "from the file, and the default");
    let patch = json!({"spec": {"moves": "PlaybookOnly", "gracePeriod": "5s"}});
    api.patch(CERTIFICATES, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();

    let changes = init.platform(&options).await.unwrap();
    assert_eq!(made(&changes), [""; 0]);
    let note = changes.iter().find_map(|change| change.note.clone()).unwrap();
    assert!(note.contains("keeps moves: PlaybookOnly"), "{note}");
    assert_eq!(moves().await, ("PlaybookOnly".to_owned(), "5s".to_owned()));

    options.moves = Some(Moves::Free);
    assert_eq!(
        made(&init.platform(&options).await.unwrap()),
        [format!("brokeredapi/{CERTIFICATES} configured")]
    );
    assert_eq!(moves().await, ("Free".to_owned(), "5s".to_owned()));
}

pub(crate) async fn kinds_of_a_providers_own_are_served_named_and_not_forgotten(ground: Ground) {
    let init = ground.init();
    let text = certificate_crd().to_string().replace("example.com", "cert.example.com");
    let own = CopyExport::parse("own", "own.yaml", &[serde_json::from_str(&text).unwrap()]).unwrap();
    let plain = ground.platform(vec![certificate()]);
    init.platform(&plain).await.unwrap();
    init.platform(&PlatformOptions { copies: vec![own], ..plain.clone() }).await.unwrap();

    let api: Api<BrokeredApi> = Api::all(ground.client("platform"));
    let spec = async || api.get(CERTIFICATES).await.unwrap().spec;
    assert_eq!(spec().await.copy_exports, ["own"]);
    assert_eq!(spec().await.moves, Moves::Free);
    let provider = MemberOptions { copies: vec!["own".to_owned()], ..ground.member("internal-ca") };
    init.provider(&provider).await.unwrap();
    let (agent, _) = init.member_credentials(Role::Provider, &provider).await.unwrap();
    let agent = Client::try_from(agent.config().await.unwrap()).unwrap();
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("cert.example.com", "v1alpha1", "Certificate"));
    let copies: Api<DynamicObject> = Api::default_namespaced_with(agent, &kind);
    let mut copy = DynamicObject::new("own", &kind);
    copy.data = json!({"spec": {"fqdn": "app.internal.corp"}});
    copies.create(&PostParams::default(), &copy).await.unwrap();

    // Whoever prepares the platform again for its own APIs takes nothing away.
    assert_eq!(made(&init.platform(&plain).await.unwrap()), [""; 0]);
    let (broker, _) = init.broker_credentials(&plain.workspace).await.unwrap();
    let mut config = broker.config().await.unwrap();
    let slices: Api<ApiExportEndpointSlice> = Api::all(Client::try_from(config.clone()).unwrap());
    config.cluster_url = format!("{}/clusters/*", endpoint(&slices, "own").await).parse().unwrap();
    let everywhere: Api<DynamicObject> = Api::all_with(Client::try_from(config).unwrap(), &kind);
    assert_eq!(everywhere.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let stricter = PlatformOptions { moves: Some(Moves::PlaybookOnly), ..plain };
    init.platform(&stricter).await.unwrap();
    assert_eq!(spec().await.copy_exports, ["own"]);
}

pub(crate) async fn a_changed_schema_gets_a_new_name_and_reaches_those_who_are_bound(ground: Ground) {
    let init = ground.init();
    init.platform(&ground.platform(vec![certificate()])).await.unwrap();
    init.consumer(&ground.member("acme")).await.unwrap();
    let mut crd = certificate_crd();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["owner"] =
        json!({"type": "string", "default": "nobody"});
    let newer = ApiDefinition::parse("certificates.yaml", &crd).unwrap();
    let schema = newer.schema()["metadata"]["name"].as_str().unwrap().to_owned();
    let changes = init.platform(&ground.platform(vec![newer])).await.unwrap();
    let expected =
        [format!("apiresourceschema/{schema} created"), format!("apiexport/{CERTIFICATES} configured")];
    assert_eq!(made(&changes), expected);

    let orders: Api<DynamicObject> = Api::default_namespaced_with(ground.client("acme"), &certificates());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        // A schema cannot be watched where it is used: a dry run tells whether it is in force.
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let made = orders.create(&parameters, &order("probe")).await.unwrap();
        if made.data["spec"]["owner"] == "nobody" {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the new schema is not in force: {made:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

pub(crate) async fn the_brokers_rights_are_enough_and_no_more(ground: Ground) {
    let init = ground.init();
    let platform = ground.platform(vec![certificate()]);
    init.platform(&platform).await.unwrap();
    init.consumer(&ground.member("acme")).await.unwrap();
    let acme = ground.client("acme");
    Api::<DynamicObject>::default_namespaced_with(acme.clone(), &certificates())
        .create(&PostParams::default(), &order("my-app-cert"))
        .await
        .unwrap();
    let own: Api<Secret> = Api::default_namespaced(acme.clone());
    own.create(&PostParams::default(), &secret("its-own")).await.unwrap();

    let (credentials, _) = init.broker_credentials(&platform.workspace).await.unwrap();
    let config = credentials.config().await.unwrap();
    let broker = Client::try_from(config.clone()).unwrap();
    records_lease_and_events_can_be_written(&broker).await;
    assert_eq!(
        refused(Api::<Secret>::default_namespaced(broker.clone()).list(&ListParams::default()).await),
        403
    );
    assert_eq!(
        refused(Api::<ConfigMap>::default_namespaced(broker.clone()).list(&ListParams::default()).await),
        403
    );

    let slices: Api<ApiExportEndpointSlice> = Api::all(broker);
    let url = endpoint(&slices, CERTIFICATES).await;
    let at = |path: &str| {
        let mut config = config.clone();
        config.cluster_url = path.parse().unwrap();
        Client::try_from(config).unwrap()
    };
    let all: Api<DynamicObject> = Api::all_with(at(&format!("{url}/clusters/*")), &certificates());
    let orders = all.list(&ListParams::default()).await.unwrap();
    assert_eq!(orders.items.len(), 1);
    let cluster = orders.items[0].metadata.annotations.as_ref().unwrap()["kcp.io/cluster"].clone();

    let inside = at(&format!("{url}/clusters/{cluster}"));
    let secrets: Api<Secret> = Api::default_namespaced(inside);
    assert_eq!(refused(secrets.get("its-own").await), 404);
    let seen = secrets.list(&ListParams::default()).await.unwrap();
    assert!(seen.items.is_empty(), "it sees {} Secrets", seen.items.len());
    let mut related = secret("my-app-cert-secret");
    let managed = ("broker.platform-mesh.io/managed".to_owned(), "true".to_owned());
    related.metadata.labels = Some(BTreeMap::from([managed]));
    secrets.create(&PostParams::default(), &related).await.unwrap();
    secrets.get("my-app-cert-secret").await.unwrap();

    let direct = at(&Server::from_config(ground.admin.clone()).workspace_url(&ground.path("acme")));
    assert_eq!(refused(Api::<Secret>::default_namespaced(direct).get("its-own").await), 403);
}

async fn records_lease_and_events_can_be_written(broker: &Client) {
    let parameters = PostParams::default();
    let assignments: Api<Assignment> = Api::all(broker.clone());
    let gvr = json!({"group": "example.com", "version": "v1alpha1", "resource": "certificates"});
    let spec =
        json!({"order": {"clusterName": "c", "uid": "u", "gvr": gvr, "namespace": "default", "name": "n"}});
    let assignment = Assignment::new("a", serde_json::from_value(spec).unwrap());
    assignments.create(&parameters, &assignment).await.unwrap();
    let status = Patch::Merge(json!({"status": {"phase": "Pending"}}));
    assignments.patch_status("a", &PatchParams::default(), &status).await.unwrap();
    assignments.delete("a", &kube::api::DeleteParams::default()).await.unwrap();

    let mut lease = Lease::default();
    lease.metadata.name = Some("resource-broker".to_owned());
    Api::default_namespaced(broker.clone()).create(&parameters, &lease).await.unwrap();
    let mut event = Event::default();
    event.metadata.name = Some("e".to_owned());
    event.involved_object.namespace = Some("default".to_owned());
    Api::default_namespaced(broker.clone()).create(&parameters, &event).await.unwrap();

    let apis: Api<BrokeredApi> = Api::all(broker.clone());
    assert_eq!(apis.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let anything = Patch::Merge(json!({"spec": {"moves": "PlaybookOnly"}}));
    assert_eq!(refused(apis.patch(CERTIFICATES, &PatchParams::default(), &anything).await), 403);
}

/// The address of the export's virtual workspace; there is one once somebody has bound it.
async fn endpoint(slices: &Api<ApiExportEndpointSlice>, export: &str) -> String {
    let url = |slice: &ApiExportEndpointSlice| {
        slice.status.as_ref().and_then(|status| status.endpoints.first()).map(|endpoint| endpoint.url.clone())
    };
    let deadline = std::time::Duration::from_secs(30);
    let found = broker_testkit::wait::until(slices, export, "an endpoint", deadline, |slice| {
        slice.and_then(url).is_some()
    });
    url(&found.await.unwrap().unwrap()).unwrap()
}

/// Makes a test of each function on each server.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(super::Ground::embedded().await).await;
                }
            )*
        }
        mod kcp {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(super::Ground::kcp().await).await;
                }
            )*
        }
    };
}

on_both! {
    a_second_run_changes_nothing,
    what_people_changed_is_kept,
    kinds_of_a_providers_own_are_served_named_and_not_forgotten,
    a_changed_schema_gets_a_new_name_and_reaches_those_who_are_bound,
    the_brokers_rights_are_enough_and_no_more,
}
