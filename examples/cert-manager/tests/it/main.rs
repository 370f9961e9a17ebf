//! An order becomes a Certificate of the real cert-manager: each scenario is one function, played on the embedded control
//! plane and on a real kcp.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod plain;
mod serving;

use std::time::Duration;

use broker_testkit::cert_manager::CertManager;
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kcp::Kcp;
use cert_manager_example::Scene;

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
                    let scene = crate::Scene::open(server.admin_config(), "root", crate::GRACE);
                    crate::$module::$scenario(scene.await.unwrap()).await;
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
                    let tree = kcp.workspace("cert-manager").await.unwrap();
                    let admin = kcp.admin_config("root").await.unwrap();
                    let scene = crate::Scene::open(admin, tree.path(), crate::GRACE);
                    crate::$module::$scenario(scene.await.unwrap()).await;
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
    serving::an_order_is_served_by_cert_manager_and_moves_on_when_it_no_longer_fits,
    serving::what_cert_manager_has_not_seen_yet_is_not_taken_for_served,
}

#[tokio::test]
async fn a_cert_manager_that_ended_is_told_with_its_last_words_instead_of_being_waited_for() {
    let mut broken = CertManager::start("a kubeconfig: [").await.unwrap();
    let folder = broken.keep_folder().unwrap().to_owned();
    std::fs::remove_file(folder.join("keep")).unwrap();
    let error = broken.while_running(std::future::pending::<()>()).await.unwrap_err().to_string();
    assert!(
        error.contains("ended with exit status: 1") && error.contains("error creating rest config"),
        "{error}"
    );
    drop(broken);
    assert!(!folder.exists(), "nothing stays behind");
}
