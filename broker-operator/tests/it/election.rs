//! Two operators on one platform: one works, the other waits with warm caches.

use std::time::Duration;

use broker_operator::{Operator, OperatorHandle};
use broker_testkit::control_plane::ControlPlane;
use kube::Config;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Short, so that a lost leader is replaced within the test; the renewal well below it.
const DURATION: Duration = Duration::from_secs(2);
const RENEWAL: Duration = Duration::from_millis(250);
/// Far above what is needed: a test machine may be busy.
const DEADLINE: Duration = Duration::from_secs(30);

struct Candidate {
    handle: OperatorHandle,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Candidate {
    async fn start(config: &Config, identity: &str) -> Self {
        Self::start_with(config, identity, DURATION, RENEWAL).await
    }

    async fn start_with(config: &Config, identity: &str, duration: Duration, renewal: Duration) -> Self {
        let builder = Operator::builder().config(config.clone()).identity(identity);
        let operator = builder.lease_times(duration, renewal).build().await.unwrap();
        let handle = operator.handle();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move { operator.run(stopped).await.unwrap() });
        Self { handle, stop, task }
    }

    async fn until_it_leads(&mut self) {
        let led = tokio::time::timeout(DEADLINE, self.handle.led()).await;
        led.expect("it does not come to lead").expect("it ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_hands_over_at_once() {
    crate::prepare();
    let server = ControlPlane::builder().start().await.unwrap();
    let config = server.admin_config();
    let mut first = Candidate::start(&config, "first").await;
    first.until_it_leads().await;
    let mut second = Candidate::start(&config, "second").await;
    first.stop.cancel();
    first.task.await.unwrap();
    second.until_it_leads().await;
    assert!(!first.handle.is_leading());
    second.stop.cancel();
    second.task.await.unwrap();
    server.shutdown().await;
}

/// A Lease that lasts for hours, and is looked at as rarely: what happens at once happens by news of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_hears_at_once_that_the_lease_was_given_up_and_asks_nothing_meanwhile() {
    crate::prepare();
    let server = ControlPlane::builder().start().await.unwrap();
    let config = server.admin_config();
    let (duration, renewal) = (Duration::from_hours(10), Duration::from_hours(1));
    let mut first = Candidate::start_with(&config, "first", duration, renewal).await;
    first.until_it_leads().await;
    let mut second = Candidate::start_with(&config, "second", duration, renewal).await;
    // It follows the Lease as soon as it has looked at it once.
    let reads = || {
        let requests = server.requests();
        let of_leases = requests.iter().filter(|(kind, _)| kind.resource == "leases");
        of_leases.fold((0, 0), |(gets, watches), (kind, count)| match kind.verb.as_str() {
            "get" => (gets + count, watches),
            "watch" => (gets, watches + count),
            _ => (gets, watches),
        })
    };
    let both_follow = async {
        while reads().1 < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, both_follow).await.expect("nobody follows the Lease");
    let before = reads().0;
    first.stop.cancel();
    first.task.await.unwrap();
    second.until_it_leads().await;
    assert_eq!(reads().0, before, "it was asked for the Lease");
    second.stop.cancel();
    second.task.await.unwrap();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_dies_is_replaced() {
    crate::prepare();
    let server = ControlPlane::builder().start().await.unwrap();
    let config = server.admin_config();
    let mut first = Candidate::start(&config, "first").await;
    first.until_it_leads().await;
    let mut second = Candidate::start(&config, "second").await;
    first.task.abort();
    // Not before the lease ran out: that is decided by a pure function, and tested there.
    second.until_it_leads().await;
    second.stop.cancel();
    second.task.await.unwrap();
    server.shutdown().await;
}
