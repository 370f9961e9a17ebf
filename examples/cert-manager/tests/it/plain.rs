//! cert-manager as it is installed everywhere, in a cluster of plain Kubernetes, serves the orders of another one.

use std::time::Duration;

use broker_kcp::api::v1alpha1::AcceptApi;
use broker_operator::Operator;
use broker_operator::demo::market::is_served;
use broker_operator::demo::stage::{Consumer, NAMESPACE};
use broker_operator::init::{ApiDefinition, ClusterOptions, Init, JoinOptions, Server};
use broker_testkit::cert_manager::{CertManager, definitions};
use broker_testkit::kubernetes::Kubernetes;
use broker_testkit::provider::samples;
use broker_testkit::provider::verify::verify;
use broker_testkit::wait::{until, until_all};
use cert_manager_example::{CONSUMER, INTERNAL, OFFER, ORDER, SECRET, of_cert_manager, set_up_authority};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_mins(2);
const BROKER: &str = "resource-broker";

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_one_cluster_is_served_by_cert_manager_in_another() {
    crate::prepare();
    let (platform, there) = tokio::join!(Kubernetes::start(), Kubernetes::start());
    let [platform, there] = [platform, there].map(|one| one.unwrap_or_else(|error| panic!("{error}")));
    let at = Server::from_config(platform.admin_config().await.unwrap());
    let provider = Server::from_config(there.admin_config().await.unwrap());
    let kinds = definitions().await.unwrap();

    // cert-manager is installed as ever; of the broker it knows nothing.
    let internal = provider.client(&provider.cluster()).unwrap();
    install(&internal, &kinds).await;
    let kubeconfig = std::fs::read_to_string(there.kubeconfig()).unwrap();
    let mut cert_manager = CertManager::start(&kubeconfig).await.unwrap();
    let root = cert_manager.while_running(set_up_authority(&internal)).await.unwrap().unwrap();

    // The platform's cluster is the consumer's, too.
    let init = Init::new(at.clone());
    let certificates = serde_saphyr::from_str(samples::CERTIFICATES).unwrap();
    let options = ClusterOptions {
        namespace: BROKER.to_owned(),
        apis: vec![ApiDefinition::parse("the sample API", &certificates).unwrap()],
        moves: None,
        copies: kinds,
    };
    init.cluster(&options).await.unwrap();
    for (name, member) in [(INTERNAL, &provider), (CONSUMER, &at)] {
        let options = JoinOptions { name: name.to_owned(), namespace: BROKER.to_owned() };
        init.join(member, &options).await.unwrap();
    }
    let offers: Api<AcceptApi> = Api::namespaced(internal.clone(), NAMESPACE);
    offers.create(&PostParams::default(), &serde_saphyr::from_str(OFFER).unwrap()).await.unwrap();
    let (credentials, _) = init.cluster_credentials(BROKER).await.unwrap();
    let operator = Operator::builder().config(credentials.config().await.unwrap()).build().await.unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(operator.run(stop.clone().cancelled_owned()));

    let client = at.client(&at.cluster()).unwrap();
    let consumer = Consumer { name: CONSUMER.to_owned(), workspace: CONSUMER.to_owned(), client };
    consumer.order(ORDER, "app.internal.corp").await.unwrap();
    let served = |order: Option<&DynamicObject>| order.is_some_and(is_served);
    let orders = consumer.orders();
    let order = until(&orders, ORDER, "the order to be served", DEADLINE, served);
    let order = cert_manager.while_running(order).await.unwrap().unwrap().unwrap();
    assert_eq!(order.data["status"]["relatedResources"]["secret"]["name"], SECRET);
    let secret = consumer.secrets().get(SECRET).await.unwrap();
    let verdict = verify(Some(&secret), std::slice::from_ref(&root));
    assert!(verdict.leaf().unwrap().names.iter().eq(["app.internal.corp"]));
    let copies = of_cert_manager(&internal, "Certificate").list(&ListParams::default()).await.unwrap();
    let copy = copies.iter().find(|found| found.name_any() != INTERNAL).unwrap();
    assert_eq!(copy.data["spec"]["dnsNames"], json!(["app.internal.corp"]));

    consumer.orders().delete(ORDER, &DeleteParams::default()).await.unwrap();
    until(&consumer.orders(), ORDER, "the order to be gone", DEADLINE, |found| found.is_none())
        .await
        .unwrap();
    let root_alone = |found: &[DynamicObject]| found.iter().all(|one| one.name_any() == INTERNAL);
    let certificates = of_cert_manager(&internal, "Certificate");
    until_all(&certificates, watcher::Config::default(), "no copies", DEADLINE, root_alone).await.unwrap();
    until(&consumer.secrets(), SECRET, "no Secret", DEADLINE, |found: Option<&Secret>| found.is_none())
        .await
        .unwrap();
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// Defines cert-manager's kinds, as its own installation does.
async fn install(client: &Client, kinds: &[serde_json::Value]) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let by = PatchParams::apply("installation");
    for kind in kinds {
        let name = kind["metadata"]["name"].as_str().unwrap();
        definitions.patch(name, &by, &Patch::Apply(kind)).await.unwrap();
        let established = |found: Option<&CustomResourceDefinition>| {
            let conditions = found.and_then(|found| found.status.as_ref()?.conditions.as_ref());
            conditions.into_iter().flatten().any(|one| one.type_ == "Established" && one.status == "True")
        };
        until(&definitions, name, "the kind to be served", DEADLINE, established).await.unwrap();
    }
}
