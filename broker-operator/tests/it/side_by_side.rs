//! Several brokers in one process, as a program that embeds them runs them: each for a platform of its own.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::order::Action;
use broker_core::port::{PortError, PortErrorKind, Written};
use broker_kcp::reconcile::{Execute, Usual};
use broker_operator::demo::stage;
use broker_operator::init::{Init, Server};
use broker_operator::{Operator, OperatorBuilder, OperatorEnded, OperatorHandle};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::{CertificateAuthority, samples};
use futures::future::BoxFuture;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::actors::{Consumer, DEADLINE, Provider};
use crate::stage::GRACE;

/// Whoever waited for it to run out would not live to see it.
const LEASE: Duration = Duration::from_hours(1);

/// One of the platforms: an authority, a consumer, and what its broker runs with.
struct Platform {
    name: &'static str,
    stage: stage::Stage,
    authority: Provider,
    consumer: Consumer,
}

impl Platform {
    async fn build(server: &ControlPlane, name: &'static str) -> Self {
        let tree = format!("root:{name}");
        Init::new(Server::from_config(server.admin_config())).workspace(&tree).await.unwrap();
        let stage = stage::Stage::build(server.admin_config(), &tree, GRACE).await.unwrap();
        let authority = CertificateAuthority::new(&format!("{name} CA")).unwrap();
        let authority = stage.provider("internal-ca", authority).await.unwrap();
        authority.offer(samples::OFFER_INTERNAL).await.unwrap();
        let consumer = stage.consumer("acme").await.unwrap();
        Self { name, stage, authority: Provider(authority), consumer: Consumer(consumer) }
    }

    /// Starts its broker on these threads, and waits until it leads and has read everything.
    async fn start(&self, threads: &Handle) -> Running {
        self.start_from(Operator::builder(), threads).await
    }

    /// The same where more is said about it.
    async fn start_from(&self, builder: OperatorBuilder, threads: &Handle) -> Running {
        let builder = builder.config(self.stage.broker().clone());
        let operator = builder.lease_times(LEASE, Duration::from_secs(3)).build().await.unwrap();
        let (handle, stop, mut registry) = (operator.handle(), CancellationToken::new(), Registry::default());
        operator.register(&mut registry);
        let running = operator.run(stop.clone().cancelled_owned());
        let running = running.instrument(tracing::info_span!("broker", platform = self.name));
        let task = threads.spawn(async move { running.await.unwrap() });
        tokio::time::timeout(DEADLINE, handle.led()).await.expect("it does not come to lead").unwrap();
        tokio::time::timeout(DEADLINE, handle.ready()).await.expect("it does not get ready").unwrap();
        Running { handle, registry, stop, task }
    }

    /// Orders a certificate, and waits until this platform's authority has issued it.
    async fn order(&self, name: &str) {
        self.consumer.order(name, &format!("{name}.internal.corp")).await;
        self.consumer.until_served(name, &self.authority).await;
    }
}

/// A broker at work.
struct Running {
    handle: OperatorHandle,
    registry: Registry,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// How many orders it counts that are at rest.
    fn bound(&self) -> Option<f64> {
        let mut scrape = String::new();
        prometheus_text::encode(&mut scrape, &self.registry).unwrap();
        let series = "resource_broker_orders{api=\"certificates.example.com\",phase=\"Bound\"} ";
        scrape.lines().find_map(|line| line.strip_prefix(series)?.parse().ok())
    }

    /// Waits until it counts so many.
    async fn until_bound(&self, count: f64) {
        let counted = async {
            while self.bound() != Some(count) {
                tokio::task::yield_now().await;
            }
        };
        let counted = tokio::time::timeout(DEADLINE, counted).await;
        counted.unwrap_or_else(|_| panic!("{count} orders are never counted, but {:?}", self.bound()));
    }

    /// Ends it, and finds that it ended well and says so.
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.expect("it does not stop").unwrap();
        assert!(!self.handle.is_leading());
        assert_eq!(self.handle.ready().await, Err(OperatorEnded));
        assert_eq!(self.handle.led().await, Err(OperatorEnded));
    }
}

/// Waits until nothing runs on these threads.
async fn until_idle(threads: &Handle) {
    let alive = || threads.metrics().num_alive_tasks();
    let idle = async {
        while alive() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let idle = tokio::time::timeout(DEADLINE, idle).await;
    idle.unwrap_or_else(|_| panic!("{} tasks still run", alive()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_brokers_in_one_process_serve_two_platforms_and_leave_nothing() {
    crate::prepare();
    let server = ControlPlane::builder().start().await.unwrap();
    let (east, west) = tokio::join!(Platform::build(&server, "east"), Platform::build(&server, "west"));
    let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (of_east, of_west) = tokio::join!(east.start(threads.handle()), west.start(threads.handle()));

    // The same names on both sides: nothing is mixed up, and each counts what is its own.
    tokio::join!(east.order("one"), west.order("one"), west.order("two"));
    let copies = (east.authority.copy_names().await.len(), west.authority.copy_names().await.len());
    assert_eq!(copies, (1, 2));
    of_east.until_bound(1.0).await;
    of_west.until_bound(2.0).await;

    // One ends; the other works on, and does not take its place.
    of_east.stop().await;
    east.consumer.order("later", "later.internal.corp").await;
    west.order("three").await;
    of_west.until_bound(3.0).await;
    let waiting = east.consumer.orders().get("later").await.unwrap();
    assert!(waiting.metadata.finalizers.unwrap_or_default().is_empty(), "somebody took it up");

    // The Lease was given up, not left to run out: the next one leads at once.
    let of_east = east.start(threads.handle()).await;
    east.consumer.until_served("later", &east.authority).await;
    of_east.until_bound(2.0).await;

    tokio::join!(of_east.stop(), of_west.stop());
    until_idle(threads.handle()).await;
    threads.shutdown_background();
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_dropped_runs_no_more() {
    crate::prepare();
    let server = ControlPlane::builder().start().await.unwrap();
    let east = Platform::build(&server, "east").await;
    let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let broker = east.start(threads.handle()).await;
    broker.task.abort();
    broker.handle.ended().await;
    assert!(!broker.handle.is_leading());
    assert_eq!(broker.handle.ready().await, Err(OperatorEnded));
    drop(broker);
    until_idle(threads.handle()).await;
    threads.shutdown_background();
    server.shutdown().await;
}

/// Lets no copy be made before it is opened.
#[derive(Default)]
struct Gatekeeper {
    open: AtomicBool,
    refused: Notify,
    passed: Mutex<Vec<&'static str>>,
}

impl Execute for Gatekeeper {
    fn execute<'a>(
        &'a self,
        action: &'a Action,
        usual: Usual<'a>,
    ) -> BoxFuture<'a, Result<Written, PortError>> {
        Box::pin(async move {
            if matches!(action, Action::CreateCopy { .. }) && !self.open.load(Ordering::SeqCst) {
                self.refused.notify_one();
                return Err(PortError::new(PortErrorKind::Unavailable, action.verb(), "not yet"));
            }
            let written = usual.execute(action).await?;
            self.passed.lock().unwrap().push(action.verb());
            Ok(written)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_the_embedders_own_stands_between_decisions_and_writes() {
    crate::prepare();
    let server = ControlPlane::builder().start().await.unwrap();
    let east = Platform::build(&server, "east").await;
    let gate = Arc::new(Gatekeeper::default());
    let broker = east.start_from(Operator::builder().executor(gate.clone()), &Handle::current()).await;
    east.consumer.order("one", "one.internal.corp").await;
    let refused = tokio::time::timeout(DEADLINE, gate.refused.notified()).await;
    refused.expect("it is not asked about the copy");
    assert!(east.authority.copy_names().await.is_empty(), "a copy was made all the same");
    gate.open.store(true, Ordering::SeqCst);
    east.consumer.until_served("one", &east.authority).await;
    broker.stop().await;
    let passed = gate.passed.lock().unwrap().clone();
    for verb in ["add-finalizer", "create-assignment", "create-copy", "create-related", "apply-status"] {
        assert!(passed.contains(&verb), "{verb} is not among {passed:?}");
    }
    server.shutdown().await;
}

/// Log lines, as they are written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// What a broker of ours said, and in which span.
    fn of_brokers(&self) -> Vec<(Value, Value)> {
        let bytes = self.0.lock().unwrap().clone();
        let lines = String::from_utf8(bytes).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ours = |line: &Value| {
            ["broker_kcp", "broker_operator"]
                .iter()
                .any(|it| line["target"].as_str().unwrap().starts_with(it))
        };
        lines.filter(ours).map(|line| (line["span"]["platform"].clone(), line["fields"].clone())).collect()
    }
}

/// On one thread, so that the test's own subscriber hears everything.
#[tokio::test]
async fn what_a_broker_says_is_said_in_the_span_that_it_was_started_in() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    let _ours = tracing::subscriber::set_default(subscriber);
    rustls::crypto::ring::default_provider().install_default().ok();

    let server = ControlPlane::builder().start().await.unwrap();
    let (east, west) = (Platform::build(&server, "east").await, Platform::build(&server, "west").await);
    let (of_east, of_west) = (east.start(&Handle::current()).await, west.start(&Handle::current()).await);
    east.order("one").await;
    west.order("two").await;
    of_east.stop().await;
    of_west.stop().await;

    let said = lines.of_brokers();
    for (platform, order) in [("east", "default/one"), ("west", "default/two")] {
        let about = said
            .iter()
            .filter(|(_, fields)| fields["order"].as_str().is_some_and(|found| found.ends_with(order)));
        let spans: Vec<&Value> = about.map(|(span, _)| span).collect();
        assert!(!spans.is_empty(), "nothing is said about {order}");
        assert!(spans.iter().all(|span| *span == platform), "{order} is spoken of in {spans:?}");
    }
    let outside: Vec<_> = said.iter().filter(|(span, _)| span.is_null()).collect();
    assert!(outside.is_empty(), "said in no span: {outside:?}");
    server.shutdown().await;
}
