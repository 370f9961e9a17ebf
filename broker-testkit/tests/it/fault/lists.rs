//! Lists of a replica that lags.

use std::pin::pin;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt as _};

use super::{Rig, create};

async fn listed(secrets: &Api<Secret>) -> (Vec<String>, String) {
    let found = secrets.list(&ListParams::default()).await.unwrap();
    (found.iter().map(Secret::name_any).collect(), found.metadata.resource_version.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_stale_list_is_the_whole_truth_of_earlier() {
    let rig = Rig::new("l2!stale(2),l3!stale(100)");
    let secrets = rig.secrets();
    create(&secrets, "a").await.unwrap();
    create(&secrets, "b").await.unwrap();
    let (_, before) = listed(&secrets).await;
    secrets.delete("a", &DeleteParams::default()).await.unwrap();
    create(&secrets, "c").await.unwrap();
    let (names, version) = listed(&secrets).await;
    assert_eq!(names, ["a", "b"]);
    assert_eq!(version, before, "the version is of then, too");
    // Whoever watches from there learns everything.
    let mut watch = pin!(secrets.watch(&WatchParams::default(), &version).await.unwrap());
    assert!(
        matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Deleted(gone) if gone.name_any() == "a")
    );
    assert!(matches!(watch.next().await.unwrap().unwrap(), WatchEvent::Added(new) if new.name_any() == "c"));
    // Looking back further than there were changes is looking back to the beginning.
    assert!(listed(&secrets).await.0.is_empty());
    assert_eq!(listed(&secrets).await.0, ["b", "c"]);
    assert_eq!(rig.injected(), ["l2!stale(2)", "l3!stale(100)"]);
}

#[tokio::test(start_paused = true)]
async fn pages_of_a_stale_list_belong_together() {
    let rig = Rig::new("l1!stale(1)");
    for name in ["a", "b", "c"] {
        create(&rig.outside(), name).await.unwrap();
    }
    let secrets = rig.secrets();
    let first = secrets.list(&ListParams::default().limit(1)).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let rest = secrets.list(&ListParams::default().continue_token(&token)).await.unwrap();
    let names: Vec<String> = first.iter().chain(&rest.items).map(Secret::name_any).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_changed_no_list_is_stale() {
    let rig = Rig::new("l1!stale(1)");
    assert!(listed(&rig.secrets()).await.0.is_empty());
    assert!(rig.injected().is_empty());
}
