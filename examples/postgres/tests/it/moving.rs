//! Moves that go as they should, and moves that people think better of.

use std::time::Duration;

use broker_kcp::api::v1alpha1::MigrationState;
use broker_testkit::provider::postgres::{Load, LoadOptions, Session};
use broker_testkit::wait::until_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use postgres_example::{MoveFacts, SECRET, Scene, Way, ZONES};
use serde_json::json;

pub(crate) const WAY: Way = Way::Replication;

/// More than nothing, and soon copied.
pub(crate) const SMALL: LoadOptions = LoadOptions { megabytes: 2, ..DEFAULT };
const DEFAULT: LoadOptions =
    LoadOptions { writers: 4, readers: 4, pause: Duration::from_millis(10), megabytes: 50 };

pub(crate) async fn a_database_moves_there_and_back_under_load_and_loses_nothing(scene: Scene) {
    there_and_back(scene, DEFAULT, "verification.status.identical").await;
}

/// There and back under a load that loses nothing, behind a fence and with this verified.
pub(crate) async fn there_and_back(scene: Scene, options: LoadOptions, verified: &str) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, options).await.unwrap();
    for zone in ["us", "eu"] {
        let before = scene.ended_moves().await.unwrap();
        load.until_all_wrote().await;
        scene.relocate(zone).await.unwrap();
        let facts = scene.until_moved(&before).await.unwrap();
        assert_eq!(facts.state, MigrationState::Completed, "{}", facts.message);
        assert_eq!(facts.receipt.verified, [verified]);
        assert_eq!(facts.receipt.loss, None);
        assert!(facts.receipt.fence_millis.is_some());
        load.until_all_wrote().await;
        scene.until_served(zone).await.unwrap();
    }
    let report = load.finish().await.unwrap();
    println!("{report:?}");
    assert!(report.is_clean() && report.acknowledged > 0 && report.reads > 0, "{report:?}");
    nothing_is_left(&scene).await;
    scene.close().await.unwrap();
}

/// The databases that were ordered.
pub(crate) const OF_PEOPLE: &str = "pg_database WHERE NOT datistemplate AND datname <> 'postgres'";

/// How many rows there are.
async fn count(session: &Session, of: &str) -> usize {
    let row = session.one("ask", &format!("SELECT count(*) FROM {of}"), &[]).await.unwrap();
    usize::try_from(row.get::<_, i64>(0)).unwrap()
}

/// A move from the first server went back to it, nothing was lost, and the order stays there.
pub(crate) async fn back_without_loss(scene: &Scene, facts: &MoveFacts) {
    assert_eq!(facts.state, MigrationState::RolledBack, "{facts:?}");
    assert_eq!(facts.receipt.loss, None, "{facts:?}");
    scene.relocate("eu").await.unwrap();
    scene.until_served("eu").await.unwrap();
    nothing_is_left(scene).await;
}

/// The receipt of a move that stays where it is since its new copy was written to.
pub(crate) fn says_where_what_was_written_is(facts: &MoveFacts) {
    let writes = facts.receipt.writes.as_deref().unwrap_or_default();
    for word in ["those since the switch went to the copy of", "public.accounts: 4 rows, then others"] {
        assert!(writes.contains(word), "{word}: {facts:?}");
    }
}

/// What a move needed is gone, however it ended: helpers, slots, subscriptions, publications, and what it kept at a
/// server.
pub(crate) async fn no_helper_is_left(scene: &Scene) {
    let namespaces: Api<Namespace> = Api::all(scene.compute());
    let of_moves = watcher::Config::default().labels("broker.platform-mesh.io/migration");
    let gone =
        until_all(&namespaces, of_moves, "no helpers", Duration::from_mins(2), <[Namespace]>::is_empty);
    gone.await.unwrap_or_else(|error| panic!("{error}"));
    let moments = "pg_stat_activity WHERE application_name LIKE 'move%'";
    for zone in [0, 1] {
        let server = Session::open(&scene.servers[zone].administrator()).await.unwrap();
        for table in ["pg_replication_slots", "pg_subscription", moments] {
            assert_eq!(count(&server, table).await, 0, "{table} in {}", ZONES[zone]);
        }
        for row in server.rows("ask", &format!("SELECT datname::text FROM {OF_PEOPLE}"), &[]).await.unwrap() {
            let inside = scene.servers[zone].administrator().in_database(row.get(0));
            let inside = Session::open(&inside).await.unwrap();
            assert_eq!(count(&inside, "pg_publication").await, 0, "publications in {}", ZONES[zone]);
        }
    }
}

/// Nothing of any move is left but its record.
pub(crate) async fn nothing_is_left(scene: &Scene) {
    no_helper_is_left(scene).await;
    let (mut serving, all) = (0, watcher::Config::default());
    for zone in [0, 1] {
        let api = scene.copies(zone).unwrap();
        let ends =
            |copies: &[DynamicObject]| copies.iter().all(|copy| copy.metadata.deletion_timestamp.is_none());
        let copies = until_all(&api, all.clone(), "copies that go to be gone", Duration::from_mins(2), ends)
            .await
            .unwrap();
        serving += copies.len();
        let server = Session::open(&scene.servers[zone].administrator()).await.unwrap();
        let databases = count(&server, OF_PEOPLE).await;
        assert_eq!(databases, copies.len(), "databases in {}", ZONES[zone]);
        assert_eq!(count(&server, "pg_prepared_xacts").await, 0, "fences in {}", ZONES[zone]);
    }
    assert_eq!(serving, 1, "one copy serves");
}

/// The steps of a move, in their order.
pub(crate) const STEPS: [&str; 4] = ["replication", "comparison", "catch-up", "verification"];

/// Begins a move to us that stands at a step which nobody works on. The record's name.
pub(crate) async fn held_at(scene: &mut Scene, step: &str) -> String {
    scene.kill_the_mover().await;
    scene.relocate("us").await.unwrap();
    let migration = scene.until_moving().await.unwrap();
    go_on_to(scene, &migration, None, step).await;
    migration
}

/// From a step that nobody works on (or the beginning) to a later one that nobody works on.
pub(crate) async fn go_on_to(scene: &mut Scene, migration: &str, from: Option<&str>, to: &str) {
    let at = |step: &str| STEPS.iter().position(|other| *other == step).unwrap();
    for passed in &STEPS[from.map_or(0, at)..at(to)] {
        scene.until_step(passed, None).await.unwrap();
        // The next step is not to begin before the mover has gone: a person says so. A person is not heard behind the
        // fence, but nobody begins anything without an operator.
        let fenced = *passed == "catch-up";
        if fenced {
            scene.kill_the_operator();
        } else {
            scene.tell(migration, json!({"paused": true})).await.unwrap();
        }
        scene.start_the_mover();
        scene.until_step(passed, Some("Done")).await.unwrap();
        scene.kill_the_mover().await;
        if fenced {
            scene.start_the_operator().await.unwrap();
        } else {
            scene.tell(migration, json!({"paused": false})).await.unwrap();
        }
    }
    scene.until_step(to, None).await.unwrap();
}

pub(crate) async fn a_move_that_is_called_off_at_any_step_lets_everybody_write_on(mut scene: Scene) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;

    // While there is nothing to move to.
    scene.servers[1].kill().await.unwrap();
    scene.relocate("us").await.unwrap();
    let migration = scene.until_moving().await.unwrap();
    scene.tell(&migration, json!({"cancel": true})).await.unwrap();
    scene.servers[1].restart().await.unwrap();
    is_called_off(&scene, &load, &migration).await;

    for step in &STEPS[..3] {
        let migration = held_at(&mut scene, step).await;
        scene.tell(&migration, json!({"cancel": true})).await.unwrap();
        // What a mover left on the servers, one removes.
        scene.start_the_mover();
        is_called_off(&scene, &load, &migration).await;
    }
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    scene.close().await.unwrap();
}

/// The order stays where it was, whoever wrote goes on, and nothing is left.
async fn is_called_off(scene: &Scene, load: &Load, migration: &str) {
    scene.relocate("eu").await.unwrap();
    let facts = scene.until_over(migration).await.unwrap();
    assert_eq!(facts.state, MigrationState::Cancelled, "{facts:?}");
    assert_eq!(facts.receipt.switched_at, None, "{facts:?}");
    load.until_all_wrote().await;
    scene.until_served("eu").await.unwrap();
    nothing_is_left(scene).await;
}

pub(crate) async fn what_a_person_takes_back_goes_back_only_where_nothing_would_be_lost(mut scene: Scene) {
    const NOBODY_WRITES: LoadOptions = LoadOptions { writers: 0, ..SMALL };
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    assert!(load.finish().await.unwrap().is_clean());

    // Once while it is verified, once while the old copy is about to go.
    for is_verified in [false, true] {
        let load = Load::resume(scene.secrets(), SECRET, NOBODY_WRITES).await.unwrap();
        let migration = after_the_switch(&mut scene, is_verified).await;
        scene.tell(&migration, json!({"rollback": true})).await.unwrap();
        scene.start_the_mover();
        let facts = scene.until_over(&migration).await.unwrap();
        back_without_loss(&scene, &facts).await;
        scene.forget(&migration).await.unwrap();
        let report = load.finish().await.unwrap();
        assert!(report.is_clean() && report.reads > 0, "{report:?}");
    }

    // Somebody writes to the new copy: it stays, and says where what was written is.
    let load = Load::resume(scene.secrets(), SECRET, SMALL).await.unwrap();
    let migration = after_the_switch(&mut scene, true).await;
    load.until_all_wrote().await;
    scene.tell(&migration, json!({"rollback": true})).await.unwrap();
    scene.start_the_mover();
    let facts = scene.until_over(&migration).await.unwrap();
    assert_eq!(facts.state, MigrationState::Failed, "{facts:?}");
    says_where_what_was_written_is(&facts);
    load.until_all_wrote().await;
    scene.until_left_to_a_person("us").await.unwrap();
    no_helper_is_left(&scene).await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    scene.close().await.unwrap();
}

/// A move to us after the switch: while nobody verifies it, or verified and held up before the old copy goes.
async fn after_the_switch(scene: &mut Scene, is_verified: bool) -> String {
    let migration = held_at(scene, "verification").await;
    if is_verified {
        scene.tell(&migration, json!({"paused": true})).await.unwrap();
        scene.start_the_mover();
        scene.until_told(&migration, "the old copy stays while the move is held up").await.unwrap();
    }
    migration
}
