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
    a_cluster_that_does_not_answer_is_waited_for_and_the_others_go_on,
    orders_of_the_same_name_in_two_clusters_never_mix,
    a_definition_that_is_deleted_takes_its_orders_along,
    an_order_that_holds_data_moves_by_its_playbook_between_clusters,
}

/// The binary tells by a kubeconfig that points to no workspace what it works on.
#[tokio::test(flavor = "multi_thread")]
async fn the_binary_works_on_real_clusters_and_the_commands_tell_how_it_is() {
    crate::prepare();
    scenario::the_binary_works_and_the_commands_tell_how_it_is(stage::Plain::real().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pod_of_a_real_platform_the_binary_needs_no_kubeconfig() {
    crate::prepare();
    scenario::in_a_pod_the_binary_needs_no_kubeconfig(stage::Plain::real().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_that_change_something_work_among_real_clusters() {
    crate::prepare();
    scenario::the_commands_that_change_something_work_among_clusters(stage::Plain::real().await).await;
}
