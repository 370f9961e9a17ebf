//! Moves in which something goes wrong.

use broker_kcp::api::v1alpha1::MigrationState;
use broker_testkit::provider::postgres::{Load, Session};
use postgres_example::{SECRET, Scene, Way};
use serde_json::json;

use crate::moving::{SMALL, held_before_the_cutover, nothing_is_left};

pub(crate) const WAY: Way = Way::Replication;

pub(crate) async fn whoever_is_killed_at_any_step_the_data_is_whole(mut scene: Scene) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    // The operator at every step; the mover until it saw the new copy caught up, which only it can compare exactly.
    scene.relocate("us").await.unwrap();
    for step in ["replication", "catch-up", "verification"] {
        scene.until_step(step, None).await.unwrap();
        scene.kill_the_operator();
        if step == "replication" {
            scene.kill_the_mover().await;
            scene.start_the_mover();
        }
        scene.start_the_operator().await.unwrap();
    }
    let facts = scene.until_moved(&[]).await.unwrap();
    assert_eq!(facts.state, MigrationState::Completed, "{facts:?}");
    scene.until_served("us").await.unwrap();

    // The server that it moves to, while rows arrive there.
    load.until_all_wrote().await;
    scene.relocate("eu").await.unwrap();
    scene.until_step("replication", None).await.unwrap();
    scene.servers[0].kill().await.unwrap();
    load.until_all_wrote().await;
    scene.servers[0].restart().await.unwrap();
    scene.until_served("eu").await.unwrap();
    load.until_all_wrote().await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    nothing_is_left(&scene).await;
    scene.close().await.unwrap();
}

/// Takes a row from the new copy while it follows the old one.
async fn spoil_the_move_to_us(scene: &mut Scene) {
    let migration = held_before_the_cutover(scene).await;
    let server = scene.servers[1].administrator();
    let maintenance = Session::open(&server).await.unwrap();
    let find = "SELECT datname::text FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'";
    let database: String = maintenance.one("find the database", find, &[]).await.unwrap().get(0);
    let inside = Session::open(&server.in_database(&database)).await.unwrap();
    inside.run("spoil", "DELETE FROM archive WHERE id = 7").await.unwrap();
    scene.tell(&migration, json!({"paused": false})).await.unwrap();
}

pub(crate) async fn what_fails_after_the_switch_goes_back_only_where_nothing_would_be_lost(mut scene: Scene) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean(), "{report:?}");

    // Nobody writes: back.
    spoil_the_move_to_us(&mut scene).await;
    let facts = scene.until_moved(&[]).await.unwrap();
    assert_eq!(facts.state, MigrationState::RolledBack, "{facts:?}");
    assert_eq!(facts.receipt.loss, None, "{facts:?}");
    scene.relocate("eu").await.unwrap();
    scene.until_served("eu").await.unwrap();
    nothing_is_left(&scene).await;
    let before = scene.ended_moves().await.unwrap();

    // Somebody does: what was acknowledged since stays where it is, and a person is told.
    let load = Load::resume(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    spoil_the_move_to_us(&mut scene).await;
    let facts = scene.until_moved(&before).await.unwrap();
    assert_eq!(facts.state, MigrationState::Failed, "{facts:?}");
    assert!(
        facts.message.contains("public.accounts: 4 rows, then others"),
        "what was written since: {facts:?}"
    );
    load.until_all_wrote().await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    scene.close().await.unwrap();
}
