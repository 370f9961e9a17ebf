//! Nothing of one consumer is found where it does not belong: consumers and providers with canaries in all that they write,
//! and a search for them in all that anybody can read.

mod cast;
mod dump;
mod rules;
mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use broker_operator::demo::market::brokered;
use broker_operator::demo::stage::Stage;
use futures::{StreamExt as _, stream};
use kube::api::{ApiResource, ObjectMeta, PostParams};
use kube::{Api, ResourceExt as _};
use tokio_util::sync::CancellationToken;

use cast::{Consumer, Provider, WIDTH, assemble, nowhere, number, zone};
use dump::{dump, kinds};
use rules::{Place, Truth};
use token::{Owner, Spot, canary};

use crate::commands::Commands;
use crate::daemon::Watched;
use crate::scenario::explain::get;
use crate::server::Server;

const VAULTS: &str = include_str!("vaults.yaml");

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_consumers_nothing_is_found_where_it_does_not_belong() {
    play(Server::embedded().await, 100, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_kcp_nothing_is_found_where_it_does_not_belong() {
    play(Server::kcp().await, 6, 3).await;
}

/// What a consumer does after it was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Moves,
    Leaves,
    IsStranded,
    IsNeverServed,
}

fn fate(consumer: usize) -> Fate {
    match consumer % 5 {
        _ if consumer % 10 == 9 => Fate::IsNeverServed,
        0 | 2 => Fate::Moves,
        1 => Fate::Stays,
        3 => Fate::Leaves,
        _ => Fate::IsStranded,
    }
}

async fn play(server: Server, consumers: usize, providers: usize) {
    crate::prepare();
    let stage =
        Stage::build_with(server.admin.clone(), &server.tree, Duration::from_millis(200), &[VAULTS]).await;
    let stage = stage.unwrap();
    let (consumers, providers) = assemble(&stage, consumers, providers).await;
    let folder = tempfile::tempdir().unwrap();
    let (admin, broker) = (folder.path().join("admin"), folder.path().join("broker"));
    std::fs::write(&admin, &server.kubeconfig).unwrap();
    stage.write_broker_kubeconfig(&broker).unwrap();
    let commands = Commands { platform: stage.path("platform"), admin, broker, _folder: folder };
    let daemon = Watched::start(
        &commands,
        &[
            ("LOG_LEVEL", "debug"),
            ("METRICS_ADDR", "127.0.0.1:0"),
            ("HEALTH_PROBE_ADDR", "127.0.0.1:0"),
            ("DEBUG_ENDPOINTS", "true"),
        ],
    );
    let (metrics, probes) =
        (daemon.until_serving("metrics").await, daemon.until_serving("health probes").await);

    let count = providers.len();
    let first = |consumer: usize| consumer % count;
    let second = |consumer: usize| (consumer + 1) % count;
    let mut truth = Truth::default();
    for consumer in &consumers {
        let served = match fate(consumer.index) {
            Fate::Moves => BTreeSet::from([first(consumer.index), second(consumer.index)]),
            Fate::Stays | Fate::Leaves | Fate::IsStranded => BTreeSet::from([first(consumer.index)]),
            Fate::IsNeverServed => BTreeSet::new(),
        };
        truth.served.insert(consumer.index, served);
    }

    // While orders are made, moved and deleted, providers and some consumers read all they can.
    let of_consumers = kinds(&consumers[0].workspace.client).await;
    let of_providers = kinds(&providers[0].client).await;
    let over = CancellationToken::new();
    let watching = meanwhile(&consumers, &providers, &of_consumers, &of_providers, &truth, &over);
    let playing = async {
        each(&consumers, async |consumer| {
            if fate(consumer.index) == Fate::IsNeverServed {
                consumer.order(&nowhere(consumer.index)).await;
                return consumer.until_told("NoMatchingOffer").await;
            }
            consumer.order(&zone(first(consumer.index))).await;
            consumer.until_served(first(consumer.index)).await;
        })
        .await;
        each(&consumers, async |consumer| match fate(consumer.index) {
            Fate::Stays | Fate::IsNeverServed => {}
            Fate::Moves => {
                consumer.change(&zone(second(consumer.index)), 2).await;
                consumer.until_served(second(consumer.index)).await;
            }
            Fate::Leaves => {
                consumer.delete().await;
                consumer.until_gone().await;
            }
            Fate::IsStranded => {
                consumer.change(&nowhere(consumer.index), 2).await;
                consumer.until_told("NoMatchingOffer").await;
            }
        })
        .await;
        over.cancel();
    };
    let (rounds, ()) = tokio::join!(watching, playing);
    assert!(rounds > 0, "nobody looked while orders moved");

    // At rest: who served once serves no more, and holds nothing.
    truth.served.clear();
    let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
    for consumer in &consumers {
        let server = match fate(consumer.index) {
            Fate::Stays | Fate::IsStranded => first(consumer.index),
            Fate::Moves => second(consumer.index),
            Fate::Leaves | Fate::IsNeverServed => continue,
        };
        truth.served.insert(consumer.index, BTreeSet::from([server]));
        *copies.entry(server).or_default() += 1;
    }
    for provider in &providers {
        provider.until_copies(copies.get(&provider.index).copied().unwrap_or_default()).await;
    }
    note_identities(&consumers, &mut truth).await;
    note_passwords(&consumers, &providers, &mut truth).await;

    let mut readings = Vec::new();
    for consumer in &consumers {
        let text = dump(&consumer.workspace.client, &of_consumers).await;
        if fate(consumer.index) != Fate::Leaves {
            assert!(text.contains(&canary(Owner::Consumer(consumer.index), Spot::Spec)), "nothing was read");
        }
        readings.push((Place::Consumer(consumer.index), text));
    }
    for provider in &providers {
        let text = dump(&provider.client, &of_providers).await;
        assert_eq!(text.contains("kanarie-c"), copies.contains_key(&provider.index), "copies were not read");
        readings.push((Place::Provider(provider.index), text));
    }
    let platform = stage.client("platform").unwrap();
    let of_platform = kinds(&platform).await;
    readings.push((Place::Platform, dump(&platform, &of_platform).await));
    readings.push((Place::Metrics, page(metrics, "/metrics").await));
    readings.push((Place::Metrics, page(probes, "/readyz?verbose").await));
    readings.push((Place::Log, page(probes, "/debug/queues").await));
    let without = |index| matches!(fate(index), Fate::IsStranded | Fate::IsNeverServed);
    for consumer in consumers.iter().filter(|consumer| without(consumer.index)) {
        let path = &consumer.workspace.workspace;
        let (namespace, name) = (&consumer.namespace, &consumer.order);
        let asked =
            format!("/debug/explain?cluster={path}&resource=vaults&namespace={namespace}&name={name}");
        let told = page(probes, &asked).await;
        assert!(told.contains(&nowhere(consumer.index)), "{told}");
        readings.push((Place::Explain(consumer.index), told));
    }
    let addresses = [metrics.to_string(), probes.to_string()];
    for (place, names) in [(Place::Bundle, None), (Place::BundleWithNames, Some("--keep-names"))] {
        readings.push((place, bundle(&commands, &addresses, names).await));
    }
    readings.push((Place::Log, daemon.stop().await));
    let leaks: Vec<String> = readings.iter().flat_map(|(place, text)| truth.leaks(*place, text)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(readings.iter().any(|(place, text)| *place == Place::Log && text.contains("NoMatchingOffer")));

    // The same search finds what is put where it does not belong.
    planted(&truth, &readings, &providers[0], &of_providers).await;
    if let Some(server) = server.embedded {
        server.shutdown().await;
    }
}

/// Does something for each consumer, a few at a time.
async fn each(consumers: &[Consumer], work: impl AsyncFn(&Consumer)) {
    stream::iter(consumers).for_each_concurrent(WIDTH, |consumer| work(consumer)).await;
}

/// Reads again and again until all is over; how often that was.
async fn meanwhile(
    consumers: &[Consumer],
    providers: &[Provider],
    of_consumers: &[ApiResource],
    of_providers: &[ApiResource],
    truth: &Truth,
    over: &CancellationToken,
) -> usize {
    let mut rounds = 0;
    while !over.is_cancelled() {
        for provider in providers {
            let leaks =
                truth.leaks(Place::Provider(provider.index), &dump(&provider.client, of_providers).await);
            assert!(leaks.is_empty(), "{leaks:#?}");
        }
        for consumer in consumers.iter().step_by(consumers.len().div_ceil(3)) {
            let text = dump(&consumer.workspace.client, of_consumers).await;
            let leaks = truth.leaks(Place::Consumer(consumer.index), &text);
            assert!(leaks.is_empty(), "{leaks:#?}");
        }
        rounds += 1;
    }
    rounds
}

/// Ids of clusters, uids of orders, and the numbers in their specs.
async fn note_identities(consumers: &[Consumer], truth: &mut Truth) {
    for consumer in consumers.iter().filter(|consumer| fate(consumer.index) != Fate::Leaves) {
        let order = consumer.orders().get(&consumer.order).await.unwrap();
        assert!(!brokered(&order).is_empty());
        let cluster = order.annotations()["kcp.io/cluster"].clone();
        truth.traces.insert(consumer.index, vec![cluster, order.uid().unwrap()]);
    }
}

async fn note_passwords(consumers: &[Consumer], providers: &[Provider], truth: &mut Truth) {
    let mut made: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for provider in providers {
        for (of, password) in provider.passwords().await {
            let consumer = consumers.iter().find(|consumer| number(consumer.index) == of).unwrap();
            made.entry(consumer.index).or_default().insert(password);
        }
    }
    assert_eq!(made.len(), truth.served.len(), "each order has its Secret");
    truth.secrets = Some(made);
}

/// What `support-bundle` writes, as text.
async fn bundle(commands: &Commands, [metrics, probes]: &[String; 2], names: Option<&str>) -> String {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.tar.gz");
    let asked = ["support-bundle", "--metrics", metrics, "--probes", probes, "--orders", "3", "--file"];
    let asked: Vec<&str> = asked.into_iter().chain([file.to_str().unwrap()]).chain(names).collect();
    // The broker may read all that is needed, but no Events of its own workspace.
    let as_broker = names.is_none();
    let ran = if as_broker { commands.as_broker(&asked).await } else { commands.as_admin(&asked).await };
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err.contains("events.json"), as_broker, "{}", ran.err);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = commands.as_broker(&asked).await;
    assert!(again.code == 1 && again.err.contains("nothing is overwritten"), "{again:?}");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(&file).unwrap()));
    let mut text = ran.err;
    let mut names = BTreeSet::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        names.insert(entry.path().unwrap().file_name().unwrap().to_str().unwrap().to_owned());
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
    }
    for expected in [
        "README.txt",
        "version.json",
        "configuration.json",
        "brokeredapis.json",
        "apiexports.json",
        "apiexportendpointslices.json",
        "apiresourceschemas.json",
        "migrationconfigurations.json",
        "assignments.json",
        "migrations.json",
        "offers.json",
        "clusters.json",
        "lease.json",
        "orders.json",
        "copies.json",
        "status.json",
        "1.json",
        "metrics.txt",
        "readyz.txt",
        "queues.json",
    ] {
        assert!(names.contains(expected), "no {expected} in {names:?}: {}", &text[..2000.min(text.len())]);
    }
    for expected in ["\"reason\": \"NoMatchingOffer\"", "<text ", "<number>", "resource_broker_ready 1"] {
        assert!(text.contains(expected), "{expected} is not told");
    }
    for consumer in 0..200 {
        assert!(!text.contains(&number(consumer).to_string()), "the number of consumer {consumer} is told");
    }
    text
}

/// A page as text.
async fn page(address: SocketAddr, path: &str) -> String {
    let (status, body) = get(address, path).await;
    assert_eq!(status, 200, "{body}");
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}

/// Each kind of leak, made on purpose, is found: in what was read, and in a workspace.
async fn planted(
    truth: &Truth,
    readings: &[(Place, String)],
    provider: &Provider,
    of_providers: &[ApiResource],
) {
    use k8s_openapi::api::core::v1::Secret;

    let of = |index, spot| canary(Owner::Consumer(index), spot);
    for (place, text) in readings {
        let mut leaks = vec![canary(Owner::Provider(0), Spot::Secret), of(0, Spot::Mark)];
        match place {
            Place::Consumer(reader) => leaks[1] = of(reader + 1, Spot::Spec),
            Place::Provider(_) => {
                leaks.extend([of(1, Spot::Name), of(1, Spot::Namespace), truth.traces[&1][0].clone()]);
            }
            Place::Platform | Place::Log | Place::Bundle | Place::BundleWithNames => {
                leaks.push(of(1, Spot::Spec));
            }
            Place::Metrics => leaks.extend([of(1, Spot::Name), truth.traces[&1][1].clone()]),
            Place::Explain(asked) => leaks.push(of(asked + 1, Spot::Name)),
        }
        if *place == Place::Provider(0) {
            leaks.remove(0);
        }
        for leak in leaks {
            let found = truth.leaks(*place, &format!("{text} {leak} "));
            assert_eq!(found.len(), 1, "{place:?}: {leak}: {found:?}");
        }
    }
    let secrets: Api<Secret> = Api::namespaced(provider.client.clone(), "default");
    let wanted = Secret {
        metadata: ObjectMeta { name: Some("found".to_owned()), ..ObjectMeta::default() },
        string_data: Some(BTreeMap::from([("note".to_owned(), format!("x{}", of(1, Spot::Name)))])),
        ..Secret::default()
    };
    secrets.create(&PostParams::default(), &wanted).await.unwrap();
    let text = dump(&provider.client, of_providers).await;
    let leaks = truth.leaks(Place::Provider(provider.index), &text);
    assert!(leaks.len() == 1 && leaks[0].contains(&of(1, Spot::Name)), "{leaks:?}");
}
