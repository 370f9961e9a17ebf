//! A database that holds data moves while it is written to: each scenario is one function, played on the embedded
//! control plane and on a real kcp, with real PostgreSQL servers.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod dumping;
mod moving;
mod trouble;

use std::time::Duration;

use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use postgres_example::Scene;

/// Short, so that the scenarios end; long enough to be told from no grace at all.
const GRACE: Duration = Duration::from_secs(1);

/// Makes a test of each scenario on each server.
macro_rules! on_both_servers {
    ($($module:ident :: $scenario:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    crate::prepare();
                    let server = crate::ControlPlane::builder().start().await.unwrap();
                    let scene = crate::Scene::open(crate::$module::WAY, server.admin_config(), "root", crate::GRACE).await.unwrap();
                    crate::$module::$scenario(scene).await;
                    server.shutdown().await;
                }
            )*
        }

        mod kcp {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    crate::prepare();
                    let kcp = crate::Kcp::shared().await.unwrap_or_else(|error| panic!("{error}"));
                    let tree = kcp.workspace("postgres").await.unwrap();
                    let admin = kcp.admin_config("root").await.unwrap();
                    let scene = crate::Scene::open(crate::$module::WAY, admin, tree.path(), crate::GRACE).await.unwrap();
                    crate::$module::$scenario(scene).await;
                }
            )*
        }
    };
}

/// The logs of a failed test are shown with it.
fn prepare() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok();
}

on_both_servers! {
    dumping::a_database_moves_by_a_dump_while_writers_wait_and_readers_do_not,
    dumping::a_job_that_fails_ends_the_move_before_the_switch_and_lets_everybody_write_on,
    moving::a_database_moves_there_and_back_under_load_and_loses_nothing,
    moving::a_move_that_is_called_off_at_any_step_lets_everybody_write_on,
    moving::what_a_person_takes_back_goes_back_only_where_nothing_would_be_lost,
    trouble::whoever_is_killed_at_any_step_the_data_is_whole,
    trouble::the_server_that_it_moves_to_is_killed_at_any_step_and_the_data_is_whole,
    trouble::what_was_not_carried_over_is_found_before_anybody_is_held_up,
    trouble::what_fails_after_the_switch_goes_back_only_where_nothing_would_be_lost,
}
