//! Without faults, the proxy cannot be told from the server behind it.

use broker_testkit::contract::{Subject, all};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::fault::{Injector, Plan, Proxy};
use futures::{StreamExt as _, stream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sentence_of_the_contract_holds_through_a_proxy() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let server = ControlPlane::builder().start().await.unwrap();
    server.create_workspace("root:contract").unwrap();
    let injector = Injector::new(Plan::none());
    let proxy = Proxy::before(&server.admin_config(), &injector).await.unwrap();
    let subject = Subject::kcp(proxy.config(&server.workspace_config("root:contract")));
    let subject = &subject;
    let broken: Vec<String> = stream::iter(all())
        .map(|sentence| async move { sentence.check(subject).await.err().map(|broken| broken.to_string()) })
        .buffer_unordered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(broken.is_empty(), "{broken:#?}");
    // Nobody went past it: not with the URLs that the server tells either.
    let answered: u64 = server.requests().total();
    assert_eq!(u64::from(injector.census().requests), answered);
}
