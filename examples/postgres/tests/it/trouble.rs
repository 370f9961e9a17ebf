//! Moves in which something goes wrong.

use broker_kcp::api::v1alpha1::MigrationState;
use broker_testkit::provider::postgres::{Load, Session};
use postgres_example::{SECRET, Scene, Way};

use crate::moving::{
    OF_PEOPLE, SMALL, STEPS, back_without_loss, go_on_to, held_at, no_helper_is_left, nothing_is_left,
    says_where_what_was_written_is,
};

pub(crate) const WAY: Way = Way::Replication;

pub(crate) async fn whoever_is_killed_at_any_step_the_data_is_whole(mut scene: Scene) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    scene.relocate("us").await.unwrap();
    for step in STEPS {
        scene.until_step(step, None).await.unwrap();
        scene.kill_the_operator();
        scene.kill_the_mover().await;
        scene.start_the_mover();
        scene.start_the_operator().await.unwrap();
    }
    let facts = scene.until_moved(&[]).await.unwrap();
    assert_eq!(facts.state, MigrationState::Completed, "{facts:?}");
    scene.until_served("us").await.unwrap();
    load.until_all_wrote().await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    nothing_is_left(&scene).await;
    scene.close().await.unwrap();
}

pub(crate) async fn the_server_that_it_moves_to_is_killed_at_any_step_and_the_data_is_whole(
    mut scene: Scene,
) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    // Before the switch the old copy serves, and takes writes before the fence and soon after it.
    let migration = held_at(&mut scene, STEPS[0]).await;
    for (step, next) in STEPS.iter().zip(&STEPS[1..]) {
        scene.servers[1].kill().await.unwrap();
        if *step != "catch-up" {
            load.until_all_wrote().await;
        }
        scene.servers[1].restart().await.unwrap();
        go_on_to(&mut scene, &migration, Some(step), next).await;
    }
    // After it the new one does: nobody reads while it is away. What it kept for the mover is gone with it, so who
    // wrote since cannot be told from what was lost.
    load.until_all_wrote().await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    scene.servers[1].kill().await.unwrap();
    scene.servers[1].restart().await.unwrap();
    scene.start_the_mover();
    let facts = scene.until_over(&migration).await.unwrap();
    assert_eq!(facts.state, MigrationState::Failed, "{facts:?}");
    assert!(facts.message.contains("a person decides"), "{facts:?}");
    scene.until_left_to_a_person("us").await.unwrap();
    no_helper_is_left(&scene).await;
    let load = Load::resume(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    scene.close().await.unwrap();
}

/// Begins a move to us, and takes a row from the new copy before a step. The record's name.
async fn spoilt_before(scene: &mut Scene, step: &str) -> String {
    let migration = held_at(scene, step).await;
    let server = scene.servers[1].administrator();
    let maintenance = Session::open(&server).await.unwrap();
    let find = format!("SELECT datname::text FROM {OF_PEOPLE}");
    let database: String = maintenance.one("find the database", &find, &[]).await.unwrap().get(0);
    let inside = Session::open(&server.in_database(&database)).await.unwrap();
    inside.run("spoil", "DELETE FROM archive WHERE id = 7").await.unwrap();
    scene.start_the_mover();
    migration
}

pub(crate) async fn what_was_not_carried_over_is_found_before_anybody_is_held_up(mut scene: Scene) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    let migration = spoilt_before(&mut scene, "comparison").await;
    let facts = scene.until_over(&migration).await.unwrap();
    assert_eq!(facts.state, MigrationState::Failed, "{facts:?}");
    assert!(facts.message.contains("public.archive: of 128 rows 1 lost, 0 altered, 0 too many"), "{facts:?}");
    assert_eq!((&facts.receipt.cutover_at, &facts.receipt.switched_at), (&None, &None), "{facts:?}");
    load.until_all_wrote().await;
    scene.relocate("eu").await.unwrap();
    scene.until_served("eu").await.unwrap();
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    nothing_is_left(&scene).await;
    scene.close().await.unwrap();
}

pub(crate) async fn what_fails_after_the_switch_goes_back_only_where_nothing_would_be_lost(mut scene: Scene) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean(), "{report:?}");

    // Nobody writes: back.
    let migration = spoilt_before(&mut scene, "catch-up").await;
    let facts = scene.until_over(&migration).await.unwrap();
    back_without_loss(&scene, &facts).await;
    scene.forget(&migration).await.unwrap();

    // Somebody does: what was acknowledged since stays where it is, and a person is told.
    let load = Load::resume(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    let migration = spoilt_before(&mut scene, "catch-up").await;
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
