//! The control plane without a network, on a paused clock.

use std::sync::Arc;

use broker_core::port::Clock;
use broker_core::time::Timestamp;
use broker_kcp::Connect as _;
use broker_testkit::control_plane::{ControlPlane, StoredChange};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2026-01-01T12:00:00Z").unwrap()
    }
}

fn seeded() -> ControlPlane {
    ControlPlane::builder().clock(Arc::new(Noon)).seed(7).start_in_process()
}

fn config_maps(plane: &ControlPlane) -> Api<ConfigMap> {
    let config = plane.workspace_config("root");
    Api::namespaced(plane.in_process().connect(config).unwrap(), "default")
}

fn named(name: &str) -> ConfigMap {
    let metadata = ObjectMeta { generate_name: Some(name.to_owned()), ..ObjectMeta::default() };
    ConfigMap { metadata, ..ConfigMap::default() }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_clock_and_requests_make_the_same_objects() {
    let mut made = Vec::new();
    for _ in 0..2 {
        let plane = seeded();
        let maps = config_maps(&plane);
        let object = maps.create(&PostParams::default(), &named("a-")).await.unwrap();
        assert_eq!(
            object.metadata.creation_timestamp.as_ref().unwrap().0,
            Noon.now().to_rfc3339().parse().unwrap()
        );
        made.push(serde_json::to_value(object).unwrap());
    }
    assert_eq!(made[0], made[1]);
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_everything_and_goes_on_by_itself() {
    let plane = seeded();
    let before = config_maps(&plane).create(&PostParams::default(), &named("a-")).await.unwrap();
    let fork = plane.fork(Arc::new(Noon));
    let name = before.metadata.name.clone().unwrap();
    assert_eq!(config_maps(&fork).get(&name).await.unwrap(), before);
    let here = config_maps(&plane).create(&PostParams::default(), &named("b-")).await.unwrap();
    let there = config_maps(&fork).create(&PostParams::default(), &named("b-")).await.unwrap();
    assert_eq!(here, there, "both go on from the same state");
    config_maps(&fork).delete(&name, &kube::api::DeleteParams::default()).await.unwrap();
    assert!(config_maps(&plane).get_opt(&name).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn watches_work_in_process_and_every_change_is_seen_from_outside() {
    let plane = seeded();
    let mut changes = plane.changes();
    let maps = config_maps(&plane);
    let mut watch = std::pin::pin!(watcher(maps.clone(), watcher::Config::default()).applied_objects());
    let made = maps.create(&PostParams::default(), &named("a-")).await.unwrap();
    loop {
        let seen = futures::StreamExt::next(&mut watch).await.unwrap().unwrap();
        if seen == made {
            break;
        }
    }
    let found: Vec<StoredChange> = std::iter::from_fn(|| changes.take()).collect();
    let ours = found.iter().find(|change| Some(&change.name) == made.metadata.name.as_ref()).unwrap();
    assert_eq!((ours.resource.as_str(), ours.namespace.as_str()), ("configmaps", "default"));
    assert_eq!(made.metadata.resource_version.unwrap(), ours.revision.to_string());
    assert!(ours.before.is_none() && ours.object.is_some());
}
