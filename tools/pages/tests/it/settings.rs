//! What a page takes for granted: servers, kubeconfigs, and who is at work.

use std::time::Duration;

use broker_operator::Operator;
use broker_operator::demo::market::is_served;
use broker_operator::demo::stage::{Provider, Stage};
use broker_operator::init::{Init, Server};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::{CertificateAuthority, samples};
use broker_testkit::wait::until;
use kube::api::DynamicObject;

use crate::run::Desk;

/// Old copies go soon, since somebody is waiting.
const GRACE: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_mins(2);

const CERTIFICATES: &str = include_str!("../../../../examples/certificates/certificates.yaml");
/// Stands for the definitions of a provider's own kinds: any do.
const DEFINITIONS: &str = include_str!("../../../../examples/routing/virtualmachines.yaml");

/// What runs while a page does.
#[derive(Default)]
pub(crate) struct Setting {
    servers: Vec<ControlPlane>,
    providers: Vec<Provider>,
}

impl Setting {
    pub(crate) async fn close(self) {
        drop(self.providers);
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
    let server = ControlPlane::builder().start().await.unwrap();
    Init::new(Server::from_config(server.admin_config())).workspace("root").await.unwrap();
    let stage = Stage::build(server.admin_config(), "root", GRACE).await.unwrap();
    let mut providers = Vec::new();
    for (name, called, offer) in [
        ("internal-ca", "Internal CA", samples::OFFER_INTERNAL),
        ("public-ca", "Public CA", samples::OFFER_PUBLIC),
    ] {
        let provider = stage.provider(name, CertificateAuthority::new(called).unwrap()).await.unwrap();
        provider.offer(offer).await.unwrap();
        providers.push(provider);
    }
    let consumer = stage.consumer("acme").await.unwrap();
    stage.write_broker_kubeconfig(&desk.path().join("broker.kubeconfig")).unwrap();
    desk.write("platform.kubeconfig", &server.kubeconfig("root:platform"));
    desk.write("offer.yaml", samples::OFFER_PUBLIC);

    // A broker places the order; the page has another one, whose ports are known.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let operator = Operator::builder().config(stage.broker().clone()).build().await.unwrap();
    let running = tokio::spawn(operator.run(async move {
        stopped.await.ok();
    }));
    consumer.order("my-app-cert", "app.internal.corp").await.unwrap();
    let holds = |found: Option<&DynamicObject>| found.is_some_and(is_served);
    until(&consumer.orders(), "my-app-cert", "the order to be served", DEADLINE, holds).await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    desk.before(
        "export KUBECONFIG=$PWD/platform.kubeconfig\n\
         resource-broker run --kubeconfig broker.kubeconfig --debug-endpoints 2>broker.log & serving $!",
    );
    Setting { servers: vec![server], providers }
}
