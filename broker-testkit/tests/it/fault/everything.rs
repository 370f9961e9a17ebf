//! Every single fault of a census is reached, and leaves the server in one of the states that it may.

use std::time::Duration;

use broker_testkit::fault::{Census, Harm, Plan};
use futures::StreamExt as _;
use kube::Api;
use kube::api::{ListParams, WatchParams};

use super::{Rig, create};

/// The longest that a client waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that tries everything once: two secrets, and a look at them.
async fn story(rig: &Rig) {
    let secrets: Api<_> = rig.secrets();
    for name in ["a", "b"] {
        tokio::time::timeout(PATIENCE, create(&secrets, name)).await.ok();
    }
    for _ in 0..2 {
        tokio::time::timeout(PATIENCE, secrets.list(&ListParams::default())).await.ok();
        create(&rig.outside(), "from-outside").await.ok();
    }
    for _ in 0..2 {
        let opened = tokio::time::timeout(PATIENCE, secrets.watch(&WatchParams::default(), "0")).await;
        if let Ok(Ok(events)) = opened {
            let all = events.for_each(|_| std::future::ready(()));
            tokio::time::timeout(PATIENCE, all).await.ok();
        }
    }
}

async fn ran(plan: &Plan) -> Rig {
    let rig = Rig::new(&plan.to_string());
    story(&rig).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn every_single_fault_happens_where_it_is_to() {
    let clean = ran(&Plan::none()).await;
    let census = clean.injector.census();
    assert_eq!((census.requests, census.writes, census.lists, census.watches), (6, 2, 2, 2));
    let plans = census.singles();
    println!("{} plans", plans.len());
    let mut words = std::collections::BTreeSet::new();
    for plan in &plans {
        let rig = ran(plan).await;
        let fault = plan.faults().next().unwrap();
        assert_eq!(rig.injected(), [fault.to_string()], "in {plan}");
        assert!(rig.injector.pending().is_empty());
        // Writes that were not harmed are there, whatever happened to the reads.
        if let Harm::Slow(_) | Harm::Repeat(_) | Harm::Stale(_) | Harm::Delay(_) = fault.harm() {
            assert_eq!(rig.stored().await, ["a", "b", "from-outside"], "after {plan}");
        }
        words.insert(fault.harm().word());
    }
    for harm in Harm::OF_TRANSPORT {
        assert!(words.contains(harm.word()), "{harm} was not tried");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_plan_makes_the_same_history() {
    let history = async |plan: &str| {
        let rig = Rig::new(plan);
        let mut changes = rig.plane.changes();
        let begun = tokio::time::Instant::now();
        story(&rig).await;
        let stored: Vec<_> = std::iter::from_fn(|| changes.take())
            .map(|change| (change.revision, change.resource, change.name, change.object.is_some()))
            .collect();
        (stored, rig.injected(), rig.injector.census(), begun.elapsed())
    };
    for plan in ["none", "w1!500-after,l2!stale(1),e2!repeat(2)", "w2!delay(3s),r4!silence,s1!stall"] {
        assert_eq!(history(plan).await, history(plan).await, "{plan}");
    }
}

#[test]
fn a_census_numbers_its_plans_in_a_stable_order() {
    let census = Census { requests: 3, writes: 1, lists: 1, watches: 1, events: 2 };
    let text = |plans: Vec<Plan>| plans.iter().map(ToString::to_string).collect::<Vec<_>>();
    let plans = text(census.plans(&[Harm::CrashAfter, Harm::Expired, Harm::SliceMoved]));
    let expected = [
        "w1!crash-after",
        "e1!crash-after",
        "e2!crash-after",
        "l1!410",
        "s1!410",
        "e1!410",
        "e2!410",
        "r1!new-url",
        "r2!new-url",
        "r3!new-url",
    ];
    assert_eq!(plans, expected);
    let singles = text(census.singles());
    let distinct: std::collections::BTreeSet<_> = singles.iter().collect();
    assert_eq!(distinct.len(), singles.len());
    assert_eq!(singles[0], "w1!crash-before");
}
