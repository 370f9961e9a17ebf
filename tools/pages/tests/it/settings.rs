//! What a page takes for granted: servers, kubeconfigs, and who is at work.

use std::time::Duration;

use broker_kcp::api::v1alpha1::{BrokeredApi, MigrationConfiguration};
use broker_operator::Operator;
use broker_operator::demo::market::{CONSUMER, Market, is_served};
use broker_operator::demo::stage::{PLATFORM, Provider, Stage};
use broker_operator::init::{Init, Server};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::{CertificateAuthority, samples};
use broker_testkit::wait::until;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::run::Desk;

/// Old copies go soon, since somebody is waiting.
const GRACE: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_mins(2);

const CERTIFICATES: &str = include_str!("../../../../examples/certificates/certificates.yaml");
const DATABASES: &str = include_str!("../../../../examples/routing/databases.yaml");
/// Stands for the definitions of a provider's own kinds: any do.
const DEFINITIONS: &str = include_str!("../../../../examples/routing/virtualmachines.yaml");

/// What runs while a page does.
#[derive(Default)]
pub(crate) struct Setting {
    servers: Vec<ControlPlane>,
    providers: Vec<Provider>,
    market: Option<Market>,
}

impl Setting {
    pub(crate) async fn close(self) {
        drop(self.providers);
        if let Some(market) = self.market {
            market.close().await;
        }
        for server in self.servers {
            server.shutdown().await;
        }
    }
}

/// A kcp whose administrator's kubeconfig is `admin.kubeconfig`, the current one. Its context is `root`.
pub(crate) async fn an_empty_kcp(desk: &mut Desk) -> Setting {
    let server = ControlPlane::builder().start().await.unwrap();
    desk.write("admin.kubeconfig", &server.kubeconfig("root"));
    desk.before("export KUBECONFIG=$PWD/admin.kubeconfig");
    Setting { servers: vec![server], ..Setting::default() }
}

/// The same with files of definitions.
pub(crate) async fn a_kcp_and_definitions(desk: &mut Desk) -> Setting {
    desk.write("certificates.yaml", CERTIFICATES);
    desk.write("cert-manager-crds.yaml", DEFINITIONS);
    an_empty_kcp(desk).await
}

/// The same for a page that starts a kcp, and ends it.
pub(crate) async fn a_kcp_that_was_started(desk: &mut Desk) -> Setting {
    desk.before("export ADMIN=$PWD/admin.kubeconfig\nsleep infinity & server=$!");
    an_empty_kcp(desk).await
}

/// Clusters of plain Kubernetes: a platform's, a consumer's and a provider's, each with its administrator's kubeconfig.
pub(crate) async fn plain_clusters(desk: &mut Desk) -> Setting {
    let mut servers = Vec::new();
    for name in ["platform", "acme", "eu-1"] {
        let server = ControlPlane::builder().start().await.unwrap();
        // Without a workspace in its address it is taken for a plain cluster.
        let kubeconfig = server.kubeconfig("root").replace("/clusters/root", "");
        desk.write(&format!("{name}.kubeconfig"), &kubeconfig);
        servers.push(server);
    }
    desk.write("cert-manager.crds.yaml", DEFINITIONS);
    Setting { servers, ..Setting::default() }
}

/// A kcp, and clusters of plain Kubernetes beside it.
pub(crate) async fn both_kinds(desk: &mut Desk) -> Setting {
    let mut setting = an_empty_kcp(desk).await;
    setting.servers.extend(plain_clusters(desk).await.servers);
    setting
}

/// Offers in a file and in a folder.
pub(crate) async fn offers_in_files(desk: &mut Desk) -> Setting {
    desk.write("offer.yaml", samples::OFFER_PUBLIC);
    desk.write("offers/internal.yaml", samples::OFFER_INTERNAL);
    Setting::default()
}

/// A platform at work: two authorities, a consumer whose order is served, and a broker that runs. The current kubeconfig is
/// that of the platform's administrator, the broker's is `broker.kubeconfig`; `offer.yaml` has an offer.
pub(crate) async fn a_platform_at_work(desk: &mut Desk) -> Setting {
    let providers = [
        ("internal-ca", "Internal CA", samples::OFFER_INTERNAL),
        ("public-ca", "Public CA", samples::OFFER_PUBLIC),
    ];
    desk.write("offer.yaml", samples::OFFER_PUBLIC);
    platform(desk, providers, ("my-app-cert", "app.internal.corp")).await
}

/// A platform at work like that: `production-cert` is served by `failing-provider`, and `healthy-provider` would take it. The
/// platform calls both by these names.
pub(crate) async fn a_provider_that_fails(desk: &mut Desk) -> Setting {
    let providers = [
        ("failing-provider", "the one", include_str!("../../../../examples/failover/offer-failing.yaml")),
        ("healthy-provider", "the other", include_str!("../../../../examples/failover/offer-healthy.yaml")),
    ];
    let setting = platform(desk, providers, ("production-cert", "shop.corp.com")).await;
    let aliases = providers.map(|(name, ..)| json!({"cluster": format!("root:{name}"), "alias": name}));
    let word = Patch::Merge(json!({"spec": {"providers": aliases}}));
    let server = Server::from_config(setting.servers[0].admin_config());
    let apis: Api<BrokeredApi> = Api::all(server.client("root:platform").unwrap());
    apis.patch("certificates.example.com", &PatchParams::default(), &word).await.unwrap();
    setting
}

async fn platform(
    desk: &mut Desk,
    providers: [(&'static str, &'static str, &'static str); 2],
    (order, fqdn): (&str, &str),
) -> Setting {
    let server = ControlPlane::builder().start().await.unwrap();
    Init::new(Server::from_config(server.admin_config())).workspace("root").await.unwrap();
    let stage = Stage::build(server.admin_config(), "root", GRACE).await.unwrap();
    let mut working = Vec::new();
    for (name, called, offer) in providers {
        let provider = stage.provider(name, CertificateAuthority::new(called).unwrap()).await.unwrap();
        provider.offer(offer).await.unwrap();
        working.push(provider);
    }
    let consumer = stage.consumer("acme").await.unwrap();
    stage.write_broker_kubeconfig(&desk.path().join("broker.kubeconfig")).unwrap();
    desk.write("platform.kubeconfig", &server.kubeconfig("root:platform"));
    consumer.order(order, fqdn).await.unwrap();
    until_served(&stage, &consumer.orders(), order).await;
    desk.before(RUNNING);
    Setting { servers: vec![server], providers: working, ..Setting::default() }
}

/// The page has a broker whose ports are known, and is its platform's administrator.
const RUNNING: &str = "export KUBECONFIG=$PWD/platform.kubeconfig
resource-broker run --kubeconfig broker.kubeconfig --debug-endpoints 2>broker.log & serving $!";

/// Has a broker place an order, and waits until it is served.
async fn until_served(stage: &Stage, orders: &Api<DynamicObject>, order: &str) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let operator = Operator::builder().config(stage.broker().clone()).build().await.unwrap();
    let running = tokio::spawn(operator.run(async move {
        stopped.await.ok();
    }));
    let holds = |found: Option<&DynamicObject>| found.is_some_and(is_served);
    until(orders, order, "the order to be served", DEADLINE, holds).await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

/// A platform at work like that: `production-db` of `root:acme` is served by one provider, another would take it, and a
/// playbook without helpers says how it moves. `offer.yaml` is the offer of the other one, `root:azure`.
pub(crate) async fn a_database_that_may_move(desk: &mut Desk) -> Setting {
    let server = ControlPlane::builder().start().await.unwrap();
    Init::new(Server::from_config(server.admin_config())).workspace("root").await.unwrap();
    let market =
        Market::open(server.admin_config(), "root", GRACE, &[DATABASES], &["aws", "azure"]).await.unwrap();
    let stage = market.stage();
    let offer = |name: &str| {
        format!(
            "apiVersion: broker.platform-mesh.io/v1alpha1\nkind: AcceptAPI\n\
             metadata: {{name: {name}-databases, namespace: default}}\n\
             spec: {{gvr: {{group: example.com, version: v1alpha1, resource: databases}}}}\n"
        )
    };
    market.apply("aws", &offer("aws")).await.unwrap();
    market
        .apply(
            CONSUMER,
            "apiVersion: example.com/v1alpha1\nkind: Database\n\
             metadata: {name: production-db, namespace: default}\nspec: {engine: postgres, storage: 10Gi}\n",
        )
        .await
        .unwrap();
    until_served(stage, &market.objects(CONSUMER, "Database").unwrap(), "production-db").await;
    market.apply("azure", &offer("azure")).await.unwrap();
    desk.write("offer.yaml", &offer("azure"));

    let platform = stage.client(PLATFORM).unwrap();
    let word = json!({"spec": {"fence": "BestEffort", "providers": [
        {"cluster": "root:aws", "alias": "failing-provider"},
        {"cluster": "root:azure", "alias": "healthy-provider"},
    ]}});
    let apis: Api<BrokeredApi> = Api::all(platform.clone());
    apis.patch("databases.example.com", &PatchParams::default(), &Patch::Merge(word)).await.unwrap();
    let kind = json!({"group": "example.com", "version": "v1alpha1", "kind": "Database"});
    let playbook = json!({
        "apiVersion": "broker.platform-mesh.io/v1alpha1", "kind": "MigrationConfiguration",
        "metadata": {"name": "databases"},
        "spec": {"from": kind, "to": kind, "stages": [
            {"name": "initial-copy", "progress": true, "successConditions": ["to.status.host != ''"]},
            {"name": "finalize", "approval": "Required"},
        ]},
    });
    let playbooks: Api<MigrationConfiguration> = Api::all(platform);
    playbooks.create(&PostParams::default(), &serde_json::from_value(playbook).unwrap()).await.unwrap();

    stage.write_broker_kubeconfig(&desk.path().join("broker.kubeconfig")).unwrap();
    desk.write("platform.kubeconfig", &server.kubeconfig("root:platform"));
    desk.before(RUNNING);
    Setting { servers: vec![server], market: Some(market), ..Setting::default() }
}
