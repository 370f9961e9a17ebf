//! Death, and what comes after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use broker_testkit::fault::Hooks;
use futures::future::join;

use super::{Rig, assert_silent, create};

#[derive(Default)]
struct Deaths(AtomicU32);

impl Hooks for Deaths {
    fn crash(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn who_dies_at_a_write_hears_nothing_and_sends_nothing_any_more() {
    for (harm, expected) in [("crash-before", &["a", "d"][..]), ("crash-after", &["a", "b", "d"])] {
        let deaths = Arc::new(Deaths::default());
        let rig = Rig::with_hooks(&format!("w2!{harm}"), deaths.clone());
        let secrets = rig.secrets();
        let other = rig.further_client();
        create(&secrets, "a").await.unwrap();
        // Both are under way at once; the second finds its sender dead.
        assert_silent(join(create(&secrets, "b"), create(&secrets, "late"))).await;
        assert!(rig.injector.is_crashed());
        assert_silent(other.apiserver_version()).await;
        rig.injector.revive();
        assert!(!rig.injector.is_crashed());
        assert_silent(create(&secrets, "c")).await;
        // The next one goes on where this one stopped, and so do the counts.
        let before = rig.injector.census().writes;
        let next = kube::Api::namespaced(rig.further_client(), "default");
        create(&next, "d").await.unwrap();
        assert_eq!(rig.injector.census().writes, before + 1);
        assert_eq!(rig.stored().await, expected, "{harm}");
        assert_eq!(deaths.0.load(Ordering::Relaxed), 1);
        assert_eq!(rig.injected(), [format!("w2!{harm}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_are_not_answered_to_the_dead() {
    let rig = Rig::new("w1!delay(5s),r2!crash-before");
    let secrets = rig.secrets();
    assert_silent(join(create(&secrets, "a"), secrets.get("a"))).await;
    assert!(rig.stored().await.is_empty(), "what was held back never left");
}

#[tokio::test(start_paused = true)]
async fn who_dies_at_a_moment_is_dead_from_then_on() {
    let rig = Rig::new("t5s!crash-before");
    create(&rig.secrets(), "a").await.unwrap();
    let moments = rig.injector.moments();
    moments.await;
    assert!(rig.injector.is_crashed());
    assert_silent(create(&rig.secrets(), "b")).await;
    assert_eq!(rig.stored().await, ["a"]);
    assert!(rig.injector.injected()[0].asked.is_none());
}
