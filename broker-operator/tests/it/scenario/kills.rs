//! The broker is killed again and again (SIGKILL), whatever it is about, while consumers order, change and delete.
//!
//! `RESOURCE_BROKER_KILLS` says how often, `RESOURCE_BROKER_SEED` repeats the choices of an earlier run; what the machine
//! makes of them is its own.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use futures::future::join_all;
use kube::ResourceExt;
use kube::api::ListParams;
use tokio_util::sync::CancellationToken;

use crate::actors::Provider;
use crate::commands::Commands;
use crate::daemon::Watched;
use crate::stage::{Stage, World};

/// How often it is killed where nobody says how often: about a minute.
const KILLS: u64 = 40;
/// Orders that stay, and move to and fro.
const LASTING: usize = 4;
/// Those who order, perhaps wait, and delete.
const FICKLE: usize = 3;
/// It lives for so long at most.
const LONGEST_LIFE: Duration = Duration::from_millis(2500);
/// It writes so often at most.
const MOST_WRITES: u64 = 60;

/// Choices that a seed repeats (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn told(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().unwrap_or_else(|error| panic!("{variable}: {error}")))
}

/// The broker at work. It takes no Lease: another would wait for that of the one before to run out.
fn start(commands: &Commands) -> Watched {
    Watched::start(
        commands,
        &[
            ("LEADER_ELECTION", "false"),
            ("LOG_LEVEL", "info,broker_kcp=debug"),
            ("METRICS_ADDR", "0"),
            ("HEALTH_PROBE_ADDR", "0"),
        ],
    )
}

pub(crate) async fn killed_at_random_moments_it_loses_doubles_and_leaves_nothing(stage: Stage) {
    let kills = told("RESOURCE_BROKER_KILLS").unwrap_or(KILLS);
    let seed = told("RESOURCE_BROKER_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    eprintln!("RESOURCE_BROKER_SEED={seed} RESOURCE_BROKER_KILLS={kills}");
    let mut world = stage.with_two_authorities().await;
    world.kill_the_operator();
    let commands = stage.commands();
    let over = CancellationToken::new();

    let killing = async {
        let mut dice = Dice(seed);
        let mut logs = Vec::new();
        for _ in 0..kills {
            let life = Duration::from_millis(dice.below(LONGEST_LIFE.as_millis().try_into().unwrap()));
            let writes = 1 + dice.below(MOST_WRITES);
            let broker = start(&commands);
            // Right after a write, or some time after the start, whatever comes first.
            let written = broker.until_logged("wrote", writes.try_into().unwrap());
            tokio::time::timeout(life, written).await.ok();
            logs.push(broker.kill().await);
        }
        over.cancel();
        (start(&commands), logs)
    };
    let lasting = join_all((0..LASTING).map(|index| to_and_fro(&world, index, seed, &over)));
    let fickle = join_all((0..FICKLE).map(|index| come_and_go(&world, index, seed, &over)));
    let ((last, logs), moved, made) = tokio::join!(killing, lasting, fickle);

    // With nobody killing any more, all comes to rest: each order where it belongs, by one copy.
    let mut expected = BTreeMap::from([("Internal CA", 0), ("Public CA", 0)]);
    for (index, at) in moved.iter().map(|(_, at)| *at).enumerate() {
        let provider = at_home(&world, at);
        world.consumer.until_served(&lasting_name(index), provider).await;
        *expected.get_mut(provider.authority.name()).unwrap() += 1;
    }
    let mut copies = BTreeSet::new();
    for provider in [&world.internal, &world.public] {
        let found = provider.until_copies(expected[provider.authority.name()]).await;
        copies.extend(found.iter().map(ResourceExt::name_any));
    }
    world.until_bound().await;
    let assignments = world.assignments().list(&ListParams::default()).await.unwrap().items;
    let named: BTreeSet<String> =
        assignments.iter().flat_map(|it| &it.spec.copies).map(|copy| copy.name.clone()).collect();
    assert_eq!(
        (assignments.len(), named),
        (LASTING, copies),
        "each order has one copy, and each copy is named"
    );
    let orders = world.consumer.orders().list(&ListParams::default()).await.unwrap();
    let orders: Vec<String> = orders.iter().map(ResourceExt::name_any).collect();
    assert_eq!(orders, (0..LASTING).map(lasting_name).collect::<Vec<_>>(), "none is lost, none is left");
    let mut moves = 0;
    for (reader, _) in moved {
        let report = reader.finish().await.unwrap();
        // Orders go back to an authority that they left: whoever serves, each Secret is whole, and there.
        assert_eq!(report.bad(), report.returned, "{report}");
        moves += report.handovers.len() - 1;
    }
    let killed_at_work = logs.iter().filter(|log| log.contains("wrote")).count();
    eprintln!(
        "{killed_at_work} of {kills} had written something; {moves} hand-overs; {} orders came and went",
        made.iter().sum::<usize>()
    );
    assert!(killed_at_work > 0 && moves > 0, "nothing happened");

    // Nor is anything left when all is deleted.
    for index in 0..LASTING {
        world.consumer.delete(&lasting_name(index)).await;
        world.consumer.until_gone(&lasting_name(index)).await;
    }
    world.until_nothing_is_left().await;
    let last = last.stop().await;
    for log in logs.iter().chain([&last]) {
        for word in ["panicked", "breaks an invariant", "did not come to rest"] {
            assert!(!log.contains(word), "{log}");
        }
    }
    drop(commands);
    stage.close(world).await;
}

fn lasting_name(index: usize) -> String {
    format!("lasting-{index}")
}

fn domain(at: u64) -> &'static str {
    if at == 0 { "internal.corp" } else { "corp.com" }
}

fn at_home(world: &World, at: u64) -> &Provider {
    if at == 0 { &world.internal } else { &world.public }
}

/// Orders, and changes to and fro until all is over; a reader of its Secret from when it was first served, and where it
/// is to be in the end.
async fn to_and_fro(
    world: &World,
    index: usize,
    seed: u64,
    over: &CancellationToken,
) -> (broker_testkit::provider::SecretReader, u64) {
    let mut dice = Dice(seed ^ (index as u64 + 1));
    let name = lasting_name(index);
    let mut at = dice.below(2);
    world.consumer.order(&name, &format!("{name}.{}", domain(at))).await;
    world.consumer.until_served(&name, at_home(world, at)).await;
    let reader = world.consumer.keep_reading(&format!("{name}-secret"), &[&world.internal, &world.public]);
    while !over.is_cancelled() {
        at = 1 - at;
        world.consumer.change(&name, &format!("{name}.{}", domain(at))).await;
        // Now and then it changes its mind on the way.
        if dice.below(4) > 0 {
            world.consumer.until_served(&name, at_home(world, at)).await;
        }
    }
    (reader, at)
}

/// Orders and deletes until all is over; how many orders that were.
async fn come_and_go(world: &World, index: usize, seed: u64, over: &CancellationToken) -> usize {
    let mut dice = Dice(seed ^ (index as u64 + 1_000));
    let mut made = 0;
    while !over.is_cancelled() {
        let name = format!("fickle-{index}-{made}");
        made += 1;
        let at = dice.below(3);
        let fqdn = format!("{name}.{}", if at == 2 { "example.org" } else { domain(at) });
        world.consumer.order(&name, &fqdn).await;
        if at < 2 && dice.below(2) == 0 {
            world.consumer.until_served(&name, at_home(world, at)).await;
            if dice.below(2) == 0 {
                world.consumer.change(&name, &format!("{name}.{}", domain(1 - at))).await;
            }
        }
        world.consumer.delete(&name).await;
        world.consumer.until_gone(&name).await;
    }
    made
}
