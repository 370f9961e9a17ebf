//! What people see on plain Kubernetes.

use broker_testkit::provider::samples;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{ListParams, ObjectMeta, PostParams};

use super::stage::Plain;
use crate::look;

pub(crate) async fn orders_of_one_cluster_are_served_by_others_and_move_between_them(plain: Plain) {
    let one = plain.provider("one", "Internal CA").await;
    let two = plain.provider("two", "Public CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    two.0.offer(samples::OFFER_PUBLIC).await.unwrap();
    let consumer = plain.consumer("acme").await;
    let operator = plain.operator();
    one.until_offer("internal-ca-certificates", "True", "ProviderReady").await;
    two.until_offer("public-ca-certificates", "True", "ProviderReady").await;

    consumer.order("my-app-cert", "app.internal.corp").await;
    let (order, secret) = consumer.until_served("my-app-cert", &one).await;
    assert_eq!(secret.name_any(), "my-app-cert-secret");
    assert_eq!(secret.owner_references()[0].uid, order.uid().unwrap());
    let copies = one.until_copies(1).await;
    assert!(look::tells_nothing_of(&copies[0], "my-app-cert", "acme"), "{:?}", copies[0].metadata);
    assert_eq!(copies[0].data["spec"], order.data["spec"]);
    assert_eq!(two.copy_names().await, Vec::<String>::new());

    // It moves, and its Secret can be used at every instant.
    let reader = consumer.keep_reading("my-app-cert-secret", &[&one, &two]);
    consumer.change("my-app-cert", "app.corp.com").await;
    consumer.until_served("my-app-cert", &two).await;
    one.until_copies(0).await;
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    let served: Vec<&str> = report.handovers.iter().map(|handover| handover.authority.as_str()).collect();
    assert_eq!(served, ["Internal CA", "Public CA"]);

    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    two.until_copies(0).await;
    consumer.until_no_mirrors().await;
    plain.until_no_records().await;
    operator.stop().await;
}

pub(crate) async fn clusters_come_and_go_while_the_broker_runs(plain: Plain) {
    // A kubeconfig that is of no use harms no other.
    let nonsense = Secret {
        metadata: ObjectMeta {
            name: Some("cluster-nonsense".to_owned()),
            labels: Some([("broker.platform-mesh.io/cluster".to_owned(), "nonsense".to_owned())].into()),
            ..ObjectMeta::default()
        },
        data: Some([("kubeconfig".to_owned(), ByteString(b"[".to_vec()))].into()),
        ..Secret::default()
    };
    plain.kubeconfigs().create(&PostParams::default(), &nonsense).await.unwrap();
    let consumer = plain.consumer("acme").await;
    let operator = plain.operator();
    consumer.order("my-app-cert", "app.internal.corp").await;
    let waits = |order: &kube::api::DynamicObject| look::says(order, "Brokered", "False", "NoMatchingOffer");
    consumer.until("my-app-cert", "no offer", waits).await;

    // A provider joins: its offer is seen at once.
    let one = plain.provider("one", "Internal CA").await;
    one.0.offer(samples::OFFER_INTERNAL).await.unwrap();
    consumer.until_served("my-app-cert", &one).await;
    let copies = one.until_copies(1).await;

    // It leaves. Nobody knows what became of it: what serves stays, and so does what the consumer holds.
    plain.leave("one").await;
    consumer.order("second", "second.internal.corp").await;
    consumer.until("second", "no offer", waits).await;
    let records = plain.assignments().list(&ListParams::default()).await.unwrap();
    let kept = records.iter().find(|record| record.spec.order.name == "my-app-cert").unwrap();
    assert_eq!(kept.spec.copies.len(), 1, "{:?}", kept.spec);
    assert_eq!(one.until_copies(1).await[0].uid(), copies[0].uid());
    consumer.secrets().get("my-app-cert-secret").await.unwrap();

    // It is back, and goes on where it was.
    plain.join("one").await;
    consumer.until_served("second", &one).await;
    assert!(one.until_copies(2).await.iter().any(|copy| copy.uid() == copies[0].uid()));

    // Nor does a consumer's order go with its cluster.
    plain.leave("acme").await;
    consumer.delete("second").await;
    plain.join("acme").await;
    consumer.until_gone("second").await;
    one.until_copies(1).await;
    consumer.delete("my-app-cert").await;
    consumer.until_gone("my-app-cert").await;
    one.until_copies(0).await;
    plain.until_no_records().await;
    operator.stop().await;
}
