//! What the consumer has while cert-manager serves its order, while it does not, and when another provider does.

use std::time::Duration;

use broker_operator::demo::market::{brokered, is_served};
use broker_testkit::wait::{until, until_all};
use cert_manager_example::{INTERNAL, ORDER, PUBLIC, SECRET, Scene};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::watcher;
use serde_json::json;

const DEADLINE: Duration = Duration::from_mins(2);

pub(crate) async fn an_order_is_served_by_cert_manager_and_moves_on_when_it_no_longer_fits(mut scene: Scene) {
    scene.order("app.internal.corp").await.unwrap();
    let leaf = scene.until_issued(INTERNAL, "app.internal.corp").await.unwrap();
    assert_eq!((leaf.not_after - leaf.not_before).whole_days(), 90);

    // It is a Certificate of cert-manager, and the consumer sees nothing of that.
    let copies = scene.certificates().list(&ListParams::default()).await.unwrap();
    let copy = copies.iter().find(|found| found.name_any() != INTERNAL).unwrap();
    assert_eq!(copy.data["spec"]["dnsNames"], json!(["app.internal.corp"]));
    assert!(scene.public_copies().list(&ListParams::default()).await.unwrap().items.is_empty());
    let order = scene.orders().get(ORDER).await.unwrap();
    let status = &order.data["status"];
    assert_eq!(status["issuer"], INTERNAL);
    assert_eq!(status["notAfter"], copy.data["status"]["notAfter"]);
    assert_eq!(status["relatedResources"]["secret"]["name"], SECRET);

    // Another name of the same authority's: issued anew in place. Then one that only the public authority takes.
    let reader = scene.keep_reading();
    scene.change("shop.internal.corp").await.unwrap();
    scene.until_issued(INTERNAL, "shop.internal.corp").await.unwrap();
    scene.change("shop.corp.com").await.unwrap();
    scene.until_issued(PUBLIC, "shop.corp.com").await.unwrap();
    scene.until_nothing_is_left_at_cert_manager().await.unwrap();
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");
    let served_by: Vec<&str> = report.handovers.iter().map(|one| one.authority.as_str()).collect();
    assert_eq!(served_by, [INTERNAL, PUBLIC], "{report}");

    // And back, and away.
    scene.change("app.internal.corp").await.unwrap();
    scene.until_issued(INTERNAL, "app.internal.corp").await.unwrap();
    scene.delete_order().await.unwrap();
    scene.until_nothing_is_left().await.unwrap();
    // What the provider has of that kind itself is nobody's copy.
    scene.certificates().get(INTERNAL).await.unwrap();
    scene.close().await.unwrap();
}

pub(crate) async fn what_cert_manager_has_not_seen_yet_is_not_taken_for_served(mut scene: Scene) {
    scene.order("app.internal.corp").await.unwrap();
    scene.until_issued(INTERNAL, "app.internal.corp").await.unwrap();
    let reader = scene.keep_reading();

    // Its status still says that all is well, about the spec before.
    scene.stop_cert_manager();
    scene.change("shop.internal.corp").await.unwrap();
    let wanted = |copies: &[DynamicObject]| {
        copies.iter().any(|copy| copy.data["spec"]["dnsNames"] == json!(["shop.internal.corp"]))
    };
    let all = watcher::Config::default();
    until_all(&scene.certificates(), all, "the copy to change", DEADLINE, wanted).await.unwrap();
    let about_now = |order: Option<&DynamicObject>| order.is_some_and(|order| brokered(order) == "Bound");
    let told = until(&scene.orders(), ORDER, "word about the new spec", DEADLINE, about_now).await.unwrap();
    assert!(!is_served(&told.unwrap()));

    scene.start_cert_manager().await.unwrap();
    scene.until_issued(INTERNAL, "shop.internal.corp").await.unwrap();
    let report = reader.finish().await.unwrap();
    assert_eq!(report.bad(), 0, "{report}");

    // Nor does a deletion need it.
    scene.stop_cert_manager();
    scene.delete_order().await.unwrap();
    scene.until_nothing_is_left().await.unwrap();
    scene.close().await.unwrap();
}
