//! The whole system, end to end: each scenario is one function, run on the embedded control plane
//! (`embedded::…`) and on a real kcp (`kcp::…`), by the operator that `run` starts, with nothing but the
//! rights of its `ServiceAccount`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    clippy::similar_names,
    clippy::needless_pass_by_value
)]

mod actors;
mod canaries;
mod chart;
mod commands;
mod daemon;
mod deploy;
mod election;
mod init;
mod kinds;
mod look;
mod market;
mod operator;
mod outage;
mod plain;
mod pod;
mod record;
mod scenario;
mod server;
mod side_by_side;
mod simulation;
mod stage;
mod translation;

/// Makes a test of each scenario on each server.
macro_rules! on_both_servers {
    ($($module:ident :: $scenario:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    crate::prepare();
                    let stage = crate::stage::Stage::on(crate::server::Server::embedded().await).await;
                    crate::scenario::$module::$scenario(stage).await;
                }
            )*
        }

        mod kcp {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $scenario() {
                    crate::prepare();
                    let stage = crate::stage::Stage::on(crate::server::Server::kcp().await).await;
                    crate::scenario::$module::$scenario(stage).await;
                }
            )*
        }
    };
}

/// What the binary does before anything else: the logs of a failed test are shown with it.
fn prepare() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok();
}

on_both_servers! {
    ports::the_shell_on_kube_rs_keeps_the_contract_of_the_ports,
    story::a_certificate_is_ordered_brokered_and_moved_without_a_gap,
    story::observed_generation_is_the_orders_own,
    routing::orders_of_the_same_name_never_mix,
    routing::an_order_that_fits_nobody_is_routed_the_moment_an_offer_appears,
    routing::an_offer_withdrawn_with_no_other_keeps_serving,
    routing::a_broken_filter_is_told_and_serves_nobody,
    availability::every_word_of_platform_and_provider_is_told_on_the_offer_and_acts_at_once,
    availability::a_provider_that_loses_its_binding_is_left_at_once,
    availability::a_provider_that_no_longer_binds_offers_is_left_and_cleaned,
    availability::a_provider_whose_workspace_is_deleted_is_left_and_holds_nothing,
    explain::the_command_and_the_debug_endpoint_answer_as_the_assignment_does,
    explain::what_cannot_be_explained_is_told,
    explain::a_consumer_is_told_nothing_of_others_and_nothing_twice,
    check::what_the_broker_needs_and_does_not_have_is_told_before_it_runs,
    standing::the_commands_tell_how_orders_stand_and_what_is_wrong_with_them,
    logs::the_greps_that_people_know_find_what_they_look_for,
    metrics::a_scrape_has_the_missions_names_and_nothing_of_any_consumer,
    scheduling::a_cordoned_provider_keeps_its_orders_and_gets_no_new_ones,
    scheduling::a_drained_provider_loses_its_orders_and_gets_them_again_when_it_is_uncordoned,
    scheduling::who_may_not_write_the_platforms_word_is_told,
    deletion::an_order_deleted_before_it_is_served_leaves_nothing,
    deletion::an_order_deleted_during_a_move_leaves_nothing,
    deletion::an_order_deleted_after_a_move_leaves_nothing,
    deletion::a_copy_deleted_by_its_provider_is_made_again,
    deletion::orders_of_a_deleted_binding_are_let_go,
    deletion::orders_of_a_deleted_workspace_are_let_go,
    trespass::a_foreign_secret_of_the_wanted_name_is_left_alone,
    trespass::a_provider_naming_another_copys_secret_is_refused,
    trespass::a_provider_naming_another_kind_is_refused,
    trespass::a_provider_forging_our_marker_is_never_brokered,
    trespass::the_brokers_rights_do_not_reach_a_consumers_own_secret,
    two_leaders::two_brokers_that_both_work_lose_nothing_and_double_nothing,
    restart::killed_before_the_switch_it_ends_the_same,
    restart::killed_after_the_switch_it_ends_the_same,
    kills::killed_at_random_moments_it_loses_doubles_and_leaves_nothing,
    playbooks::a_playbook_is_told_whether_it_can_be_followed_and_how,
    playbooks::an_order_that_holds_data_moves_by_its_playbook_and_its_helpers_leave_nothing,
    playbooks::a_fence_is_lifted_when_its_move_is_called_off,
    people::the_missions_failover_moves_the_order_and_it_stays_there,
    people::a_failover_that_may_mean_two_orders_says_so_and_begins_when_one_is_named,
    people::the_command_moves_an_order_follows_the_move_and_steers_it,
    people::plan_tells_what_would_move_and_what_would_hold_it_up_and_writes_nothing,
    predecessor::b11_what_is_missing_when_the_broker_starts_is_followed_when_it_comes,
    restore::an_order_whose_assignment_is_missing_keeps_its_copy_until_it_is_recovered,
    restore::an_assignment_from_before_a_move_is_recovered_with_the_copy_that_serves,
    restore::a_restored_consumer_is_served_by_the_copy_that_it_had,
    restore::a_restored_provider_serves_with_the_copy_that_it_restored,
    restore::an_order_deleted_while_its_assignment_is_missing_leaves_nothing,
    restore::what_recover_cannot_tell_is_said_and_an_order_without_a_copy_is_placed_again_on_request,
    uninstall::what_the_broker_holds_is_let_go_of_and_copies_and_secrets_stay,
    uninstall::a_workspace_is_unbound_freely_once_the_broker_let_go_of_it,
    uninstall::a_move_under_way_is_left_by_force_alone_and_what_serves_takes_writes_again,
}
