//! The whole system on clusters of plain Kubernetes, each scenario on the embedded control plane (whose workspaces are taken
//! for clusters) and on three real API servers, with the rights that `init cluster` and `init join` give.

mod scenario;
mod stage;

/// Makes a test of each scenario on each kind of servers.
macro_rules! on_plain_kubernetes {
    ($($scenario:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    crate::prepare();
                    super::scenario::$scenario(super::stage::Plain::embedded().await).await;
                }
            )*
        }

        mod kubernetes {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    crate::prepare();
                    super::scenario::$scenario(super::stage::Plain::real().await).await;
                }
            )*
        }
    };
}

on_plain_kubernetes! {
    orders_of_one_cluster_are_served_by_others_and_move_between_them,
    clusters_come_and_go_while_the_broker_runs,
}
