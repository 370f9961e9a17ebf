//! Orders that are decided about at once share what places there are, and no more.

use std::collections::BTreeMap;
use std::task::Poll;

use broker_core::broker::Broker;
use broker_core::offer::{OfferId, OfferSpec};
use broker_core::order::{Action, Moves};
use broker_core::port::{MigrationExecutor, OrderAddress, PortError, Written};
use broker_testkit::memory::{Crash, MemoryFleet};
use futures::FutureExt as _;
use futures::future::{join_all, poll_fn};
use serde_json::json;

use crate::order_life::Story;

/// Lets everybody else decide before it writes anything.
struct Hesitant(MemoryFleet);

impl MigrationExecutor for Hesitant {
    async fn execute(&self, action: &Action) -> Result<Written, PortError> {
        let mut hesitated = false;
        poll_fn(|context| {
            if std::mem::replace(&mut hesitated, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.0.execute(action).await
    }
}

fn limited(fleet: &MemoryFleet, cluster: &str, suffix: &str, orders: i64) {
    let spec: OfferSpec = serde_json::from_value(json!({
        "gvr": { "group": "example.com", "version": "v1alpha1", "resource": "certificates" },
        "namespace": "default",
        "filters": [{ "key": "spec.fqdn", "suffix": suffix }],
        "capacity": { "orders": orders },
    }))
    .unwrap();
    fleet.offer(&OfferId::new(cluster, "default", "ca"), spec);
}

/// Passes all of them at the same time.
async fn pass_all(fleet: &MemoryFleet, orders: &[OrderAddress]) {
    let broker = Broker::new(fleet.clone(), fleet.clone(), Hesitant(fleet.clone()), fleet.clone());
    let passes = join_all(orders.iter().map(|address| broker.pass(address)));
    for passed in passes.await {
        passed.unwrap();
    }
}

/// How many orders have a place with whom.
fn places(fleet: &MemoryFleet) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for assignment in fleet.assignments() {
        for copy in &assignment.copies {
            *places.entry(copy.offer.cluster.to_string()).or_default() += 1;
        }
    }
    places
}

#[tokio::test]
async fn orders_decided_about_at_once_never_overfill_an_offer() {
    let story = Story::new(Moves::Free);
    limited(&story.fleet, "internal", ".corp", 3);
    limited(&story.fleet, "external", ".internal.corp", 5);
    let orders: Vec<OrderAddress> =
        (0..20).map(|n| story.order(&format!("consumer-{n}"), "cert", "app.internal.corp")).collect();
    pass_all(&story.fleet, &orders).await;
    assert_eq!(
        places(&story.fleet),
        BTreeMap::from([("external".to_owned(), 5), ("internal".to_owned(), 3)])
    );
    // Whoever waits is placed when there is room again, and nobody else moves for it.
    limited(&story.fleet, "internal", ".corp", 4);
    pass_all(&story.fleet, &orders).await;
    assert_eq!(places(&story.fleet)["internal"], 4);
    // A lower limit drives nobody away.
    limited(&story.fleet, "internal", ".corp", 1);
    pass_all(&story.fleet, &orders).await;
    assert_eq!(
        places(&story.fleet),
        BTreeMap::from([("external".to_owned(), 5), ("internal".to_owned(), 4)])
    );
}

#[tokio::test]
async fn a_place_kept_for_an_order_that_was_never_recorded_is_free_when_it_is_gone() {
    let story = Story::new(Moves::Free);
    limited(&story.fleet, "internal", ".internal.corp", 1);
    let first = story.order("consumer-1", "cert", "app.internal.corp");
    let second = story.order("consumer-2", "cert", "app.internal.corp");
    story.fleet.crash(Some(Crash::Before(0)));
    story.broker.pass(&first).now_or_never().unwrap().unwrap_err();
    story.fleet.crash(None);
    // Whether the record was written is not known: the place is kept.
    story.broker.pass(&second).now_or_never().unwrap().unwrap();
    assert_eq!(places(&story.fleet), BTreeMap::new());
    story.fleet.delete(&Story::target(&first)).unwrap();
    for address in [&first, &second] {
        story.broker.pass(address).now_or_never().unwrap().unwrap();
    }
    assert_eq!(places(&story.fleet), BTreeMap::from([("internal".to_owned(), 1)]));
}

#[tokio::test]
async fn moves_begun_at_once_never_overfill_their_target() {
    let story = Story::new(Moves::Free);
    limited(&story.fleet, "external", ".corp.com", 2);
    let orders: Vec<OrderAddress> =
        (0..6).map(|n| story.order(&format!("consumer-{n}"), "cert", "app.internal.corp")).collect();
    for address in &orders {
        story.broker.pass(address).now_or_never().unwrap().unwrap();
    }
    assert_eq!(places(&story.fleet), BTreeMap::from([("internal".to_owned(), 6)]));
    for n in 0..6 {
        story.order(&format!("consumer-{n}"), "cert", "app.corp.com");
    }
    pass_all(&story.fleet, &orders).await;
    let now = places(&story.fleet);
    assert_eq!(now["external"], 2, "{now:?}");
    // The others stay where they are: what serves them is not taken away.
    assert!(now["internal"] >= 4, "{now:?}");
    assert_eq!(story.fleet.assignments().len(), 6);
}
