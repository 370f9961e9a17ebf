//! Moves that go as they should, and moves that people think better of.

use std::time::Duration;

use broker_kcp::api::v1alpha1::MigrationState;
use broker_testkit::provider::postgres::{Load, LoadOptions, Session};
use broker_testkit::wait::until_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use postgres_example::{SECRET, Scene, Way, ZONES};
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

/// Nothing of any move is left but its record.
pub(crate) async fn nothing_is_left(scene: &Scene) {
    let namespaces: Api<Namespace> = Api::all(scene.compute());
    let of_moves = watcher::Config::default().labels("broker.platform-mesh.io/migration");
    let gone =
        until_all(&namespaces, of_moves, "no helpers", Duration::from_mins(2), <[Namespace]>::is_empty);
    gone.await.unwrap_or_else(|error| panic!("{error}"));
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
        let of_people = "SELECT count(*) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'";
        let databases: i64 = server.one("ask", of_people, &[]).await.unwrap().get(0);
        assert_eq!(usize::try_from(databases).unwrap(), copies.len(), "databases in {}", ZONES[zone]);
        for table in ["pg_replication_slots", "pg_prepared_xacts"] {
            let left: i64 =
                server.one("ask", &format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
            assert_eq!(left, 0, "{table} in {}", ZONES[zone]);
        }
    }
    assert_eq!(serving, 1, "one copy serves");
}

/// Begins a move to us, and holds it up when everything is copied. The record's name.
pub(crate) async fn held_before_the_cutover(scene: &mut Scene) -> String {
    // Nobody works on the first stage before the move is told to pause after it.
    scene.kill_the_mover().await;
    scene.relocate("us").await.unwrap();
    scene.until_step("replication", None).await.unwrap();
    let migration = scene.until_moving().await.unwrap();
    scene.tell(&migration, json!({"paused": true})).await.unwrap();
    scene.start_the_mover();
    scene.until_step("replication", Some("Done")).await.unwrap();
    migration
}

pub(crate) async fn a_move_that_is_called_off_behind_the_fence_lets_everybody_write_on(mut scene: Scene) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    let migration = held_before_the_cutover(&mut scene).await;
    // Nobody catches up, so the fence stays.
    scene.kill_the_mover().await;
    scene.tell(&migration, json!({"paused": false})).await.unwrap();
    scene.until_step("catch-up", None).await.unwrap();
    scene.tell(&migration, json!({"cancel": true})).await.unwrap();
    scene.relocate("eu").await.unwrap();
    load.until_all_wrote().await;
    let facts = scene.until_moved(&[]).await.unwrap();
    assert_eq!(facts.state, MigrationState::Cancelled, "{facts:?}");
    scene.start_the_mover();
    scene.until_served("eu").await.unwrap();
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    nothing_is_left(&scene).await;
    scene.close().await.unwrap();
}
