//! Moves by a dump: Jobs do the work, and writers wait for it.

use broker_kcp::api::v1alpha1::MigrationState;
use broker_testkit::provider::postgres::{Load, programs};
use postgres_example::{SECRET, Scene, Way};

use crate::moving::{SMALL, nothing_is_left, there_and_back};

pub(crate) const WAY: Way = Way::Dump;

pub(crate) async fn a_database_moves_by_a_dump_while_writers_wait_and_readers_do_not(scene: Scene) {
    there_and_back(scene, SMALL, "verification.status.succeeded == 1").await;
}

pub(crate) async fn a_job_that_fails_ends_the_move_before_the_switch_and_lets_everybody_write_on(
    mut scene: Scene,
) {
    scene.order().await.unwrap();
    let load = Load::start(scene.secrets(), SECRET, SMALL).await.unwrap();
    load.until_all_wrote().await;
    // The dump works, what should restore it does not.
    scene.kill_the_jobs().await;
    let broken = programs().unwrap();
    let nothing_done = broken.find("cmp").unwrap().to_owned();
    scene.start_the_jobs(broken.allow("pg_restore", nothing_done));
    scene.relocate("us").await.unwrap();
    let facts = scene.until_moved(&[]).await.unwrap();
    assert_eq!(facts.state, MigrationState::Failed, "{facts:?}");
    assert!(
        facts.message.contains("BackoffLimitExceeded") && facts.message.contains("pg-restore"),
        "{facts:?}"
    );
    assert_eq!(facts.receipt.switched_at, None, "{facts:?}");
    load.until_all_wrote().await;
    scene.relocate("eu").await.unwrap();
    scene.until_served("eu").await.unwrap();
    nothing_is_left(&scene).await;

    // Nobody runs Jobs when the next move begins; when somebody does, it goes well.
    scene.kill_the_jobs().await;
    let before = scene.ended_moves().await.unwrap();
    scene.relocate("us").await.unwrap();
    scene.until_job("move").await.unwrap();
    scene.start_the_jobs(programs().unwrap());
    let facts = scene.until_moved(&before).await.unwrap();
    assert_eq!(facts.state, MigrationState::Completed, "{facts:?}");
    scene.until_served("us").await.unwrap();
    load.until_all_wrote().await;
    let report = load.finish().await.unwrap();
    assert!(report.is_clean() && report.acknowledged > 0, "{report:?}");
    nothing_is_left(&scene).await;
    scene.close().await.unwrap();
}
