//! What the world around does, and when it is told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_testkit::fault::{Hooks, Jump, SliceChange};
use futures::StreamExt as _;
use kube::api::WatchParams;

use super::{Rig, create};

/// Writes down what it is told.
#[derive(Default)]
struct World(Mutex<Vec<String>>);

impl World {
    fn told(&self, what: String) -> bool {
        self.0.lock().unwrap().push(what);
        true
    }
}

impl Hooks for World {
    fn clock_jumps(&self, jump: Jump) -> bool {
        self.told(format!("{jump:?}"))
    }

    fn slice_changes(&self, change: SliceChange) -> bool {
        self.told(format!("{change:?}"))
    }
}

#[tokio::test(start_paused = true)]
async fn the_world_is_told_before_the_request_goes_on() {
    let world = Arc::new(World::default());
    let plan = "w1!forward(1h),w2!no-url(30s),r3!new-url,e1!back(90s)";
    let rig = Rig::with_hooks(plan, world.clone());
    for name in ["a", "b"] {
        create(&rig.secrets(), name).await.unwrap();
    }
    let mut watch = std::pin::pin!(rig.secrets().watch(&WatchParams::default(), "0").await.unwrap());
    watch.next().await.unwrap().unwrap();
    assert_eq!(*world.0.lock().unwrap(), ["Forward(3600s)", "Lost(30s)", "Moved", "Back(90s)"]);
    assert_eq!(rig.injected(), ["w1!forward(1h)", "w2!no-url(30s)", "r3!new-url", "e1!back(90s)"]);
    assert_eq!(rig.stored().await, ["a", "b"], "nothing else happened");
}

#[tokio::test(start_paused = true)]
async fn moments_come_in_time_where_somebody_waits_for_them() {
    let world = Arc::new(World::default());
    let rig = Rig::with_hooks("t2s!forward(1h),t5s!new-url", world.clone());
    let injector = rig.injector.clone();
    let waiting = tokio::spawn(async move { injector.moments().await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(*world.0.lock().unwrap(), ["Forward(3600s)"]);
    waiting.await.unwrap();
    assert_eq!(world.0.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn moments_come_with_the_next_request_otherwise() {
    let world = Arc::new(World::default());
    let rig = Rig::with_hooks("t2s!forward(1h)", world.clone());
    create(&rig.secrets(), "a").await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(world.0.lock().unwrap().is_empty());
    create(&rig.secrets(), "b").await.unwrap();
    assert_eq!(*world.0.lock().unwrap(), ["Forward(3600s)"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_does_did_not_happen() {
    let rig = Rig::new("w1!forward(1h)");
    create(&rig.secrets(), "a").await.unwrap();
    assert!(rig.injected().is_empty() && rig.injector.pending().is_empty());
}

#[tokio::test(start_paused = true)]
async fn quiet_is_without_faults_and_arming_begins_anew() {
    let rig = Rig::new("w1!conflict,w3!conflict");
    let secrets = rig.secrets();
    assert!(create(&secrets, "a").await.is_err());
    rig.injector.quiet();
    for name in ["a", "b"] {
        create(&secrets, name).await.unwrap();
    }
    assert_eq!(rig.injector.pending().to_string(), "w3!conflict");
    rig.injector.arm("w2!503".parse().unwrap());
    create(&secrets, "c").await.unwrap();
    assert!(create(&secrets, "d").await.is_err());
    assert_eq!((rig.injected(), rig.injector.census().writes), (vec!["w2!503".to_owned()], 2));
}
