//! One contract for API servers: what the embedded control plane claims, the real servers do.
//!
//! The contract is a list of sentences ([`all`]), each with a function of that name that finds out whether the
//! sentence holds for a [`Subject`]. The functions ask over the wire and compare codes, reasons and bodies;
//! they know nothing of the server behind it, and they run on any tokio runtime. They are published for whoever
//! has an API server, or a stand-in for one, to compare:
//!
//! ```no_run
//! # async fn check(config: kube::Config) -> Result<(), broker_testkit::contract::Broken> {
//! use broker_testkit::contract::{Subject, all};
//!
//! let subject = Subject::kubernetes(config);
//! for sentence in all().filter(|sentence| subject.has(sentence.needs())) {
//!     sentence.check(&subject).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A test for each sentence is made by [`contract_sentences`](crate::contract_sentences).
//!
//! Invariants: a check makes its own namespace or workspace and leaves others alone, so that any number may run
//! at once on one subject; it waits for conditions, never for a time; it shows nothing that a Secret holds.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON values are read by index, which answers null where nothing is; they are never written that way"
)]

pub mod apply;
mod broken;
pub mod definition;
pub mod deletion;
pub mod differential;
pub mod granting;
pub mod kcp;
pub mod objects;
pub mod patching;
pub mod ports;
pub mod rights;
mod sample;
mod session;
mod subject;
mod watch;
pub mod watching;

pub use self::broken::Broken;
pub use self::subject::{Needs, Subject};

use std::pin::Pin;
use std::time::Duration;

/// As long as a server may take for anything, on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_mins(1);

/// Before something is asked again that cannot be watched.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Finds out whether a sentence holds.
type Check = for<'a> fn(&'a Subject) -> Pin<Box<dyn Future<Output = Result<(), Broken>> + Send + 'a>>;

/// A sentence of the contract.
#[derive(Debug, Clone, Copy)]
pub struct Sentence {
    part: &'static str,
    name: &'static str,
    needs: Needs,
    check: Check,
}

impl Sentence {
    /// What it is about, such as `objects` or `claims`.
    pub fn part(&self) -> &'static str {
        self.part
    }

    /// The sentence, with underscores.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What a subject must have for it.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Finds out whether it holds.
    ///
    /// # Errors
    /// It does not, or the server could not be asked.
    pub async fn check(&self, subject: &Subject) -> Result<(), Broken> {
        (self.check)(subject).await.map_err(|broken| broken.of(self.name))
    }
}

/// Calls a macro with every sentence of the contract, so that each can become a test of its own.
///
/// The macro gets `kubernetes { part::name, … } kcp { part::name, … }`. The functions of the first are in
/// [`contract`](crate::contract), those of the second in [`contract::kcp`](crate::contract::kcp).
#[macro_export]
macro_rules! contract_sentences {
    ($callback:ident) => {
        $callback! {
            kubernetes {
                objects::what_is_created_is_read_back_with_what_the_server_adds,
                objects::what_is_deleted_is_gone,
                objects::an_absent_object_is_not_found,
                objects::what_is_not_served_is_a_404_without_a_status,
                objects::a_name_that_is_taken_is_already_exists,
                objects::names_are_taken_per_namespace,
                objects::a_stale_resource_version_is_a_conflict,
                objects::an_update_without_a_version_is_for_builtin_kinds_only,
                objects::an_invalid_name_is_told_as_a_cause,
                objects::nothing_is_created_in_an_absent_namespace,
                objects::generation_moves_only_with_the_spec,
                objects::the_object_and_its_status_are_written_apart,
                objects::a_write_that_changes_nothing_keeps_the_version,
                objects::a_generated_name_begins_with_its_prefix,
                objects::what_the_server_wrote_cannot_be_rewritten,
                watching::a_watch_goes_on_from_a_list_without_a_gap,
                watching::a_watch_without_a_version_begins_with_what_is_there,
                watching::a_write_that_changes_nothing_is_no_event,
                watching::leaving_a_label_selector_is_a_deletion,
                watching::a_field_selector_by_name_shows_one_object,
                watching::a_version_that_is_too_old_is_expired,
                watching::a_watch_ends_when_its_time_is_over,
                watching::pages_join_to_the_whole_list,
                watching::a_forged_continue_token_is_a_bad_request,
                deletion::finalizers_hold_a_deletion,
                deletion::what_is_being_deleted_takes_no_new_finalizer,
                deletion::a_deletion_with_a_precondition_that_fails_is_a_conflict,
                deletion::a_collection_is_deleted_by_its_selector,
                deletion::what_is_owned_goes_with_its_owner,
                deletion::what_is_owned_by_an_absent_uid_goes,
                deletion::what_is_orphaned_stays,
                deletion::an_owner_in_the_foreground_waits_for_what_it_owns,
                apply::an_apply_owns_what_it_names,
                apply::a_conflict_names_manager_and_field,
                apply::force_takes_a_field_over,
                apply::equal_values_are_owned_together,
                apply::what_is_no_longer_applied_is_removed,
                apply::elements_of_a_list_map_have_their_own_managers,
                apply::an_apply_with_another_uid_is_refused,
                apply::an_apply_with_another_name_is_a_bad_request,
                apply::the_status_is_applied_by_another_manager,
                apply::an_apply_needs_a_manager_and_no_managed_fields,
                patching::a_merge_patch_removes_what_is_null,
                patching::a_json_patch_does_all_or_nothing,
                patching::a_test_that_fails_changes_nothing,
                patching::a_test_of_null_passes_where_nothing_is,
                patching::a_strategic_merge_patch_is_for_builtin_kinds_only,
                patching::a_patch_cannot_rename,
                patching::a_patch_is_validated,
                definition::defaults_are_filled_in,
                definition::unknown_fields_are_pruned,
                definition::strict_validation_refuses_unknown_fields,
                definition::invalid_fields_are_told_as_causes,
                definition::a_rule_that_does_not_hold_is_told,
                definition::a_body_of_another_kind_is_a_bad_request,
                definition::a_table_has_the_printer_columns,
                definition::names_that_are_taken_are_not_accepted,
                definition::a_protected_group_needs_an_approval,
                definition::a_definition_is_served_from_established_to_deleted,
                rights::who_has_no_right_is_told_what_was_refused,
                rights::a_rule_gives_its_verbs_only,
                rights::resource_names_limit_a_rule,
                rights::an_access_review_answers_what_would_be_done,
                rights::an_unknown_token_is_unauthorized,
                rights::a_rules_review_tells_the_rules,
                granting::a_role_gathers_the_rules_of_those_it_selects,
                granting::nobody_grants_more_than_they_have,
                granting::who_may_escalate_grants_what_they_do_not_have,
                granting::who_may_bind_a_role_grants_it_without_having_it,
                granting::who_may_impersonate_acts_as_the_other,
                granting::an_impersonated_group_has_to_be_allowed_too,
            }
            kcp {
                workspaces::a_workspace_becomes_ready_and_knows_its_path,
                workspaces::workspaces_have_objects_of_their_own,
                workspaces::a_deleted_workspace_is_gone,
                exports::an_export_has_a_url_from_its_first_binding_on,
                exports::a_binding_tells_what_it_bound,
                exports::a_list_of_all_clusters_tells_equal_names_apart,
                exports::one_watch_shows_every_workspace,
                exports::a_workspace_is_written_through_the_virtual_one,
                exports::a_kind_that_is_not_claimed_is_not_there,
                exports::the_exports_bindings_are_seen_without_a_claim,
                exports::a_claim_on_logical_clusters_tells_paths,
                exports::the_virtual_workspace_needs_the_right_to_its_content,
                claims::what_the_selector_leaves_out_cannot_be_touched,
                claims::what_is_created_through_a_claim_gets_its_label,
                claims::the_label_decides_what_exists,
                claims::a_claim_that_is_not_accepted_gives_nothing,
                refusals::a_path_that_is_none_is_a_bad_request,
                refusals::what_a_workspace_lacks_is_not_found,
                refusals::a_workspace_is_of_a_type_that_is_there,
                refusals::a_workspace_is_where_its_type_and_its_parents_want_it,
                refusals::what_a_workspace_was_given_stays,
                refusals::a_logical_cluster_is_neither_made_nor_deleted,
                refusals::a_schema_is_named_for_what_it_describes_and_stays,
                refusals::an_export_makes_sense,
                refusals::only_what_may_be_bound_is_bound,
                refusals::a_claim_is_granted_for_something,
                refusals::what_the_other_version_cannot_say_is_kept_beside,
                endings::a_deleted_binding_waits_for_the_finalizers_of_its_objects,
                endings::a_deleted_workspace_waits_for_the_finalizers_in_it,
            }
        }
    };
}

macro_rules! registry {
    (
        kubernetes { $($part:ident::$name:ident,)* }
        kcp { $($kcp_part:ident::$kcp_name:ident,)* }
    ) => {
        static SENTENCES: &[Sentence] = &[
            $(Sentence {
                part: stringify!($part),
                name: stringify!($name),
                needs: Needs::Kubernetes,
                check: |subject| Box::pin($part::$name(subject)),
            },)*
            $(Sentence {
                part: stringify!($kcp_part),
                name: stringify!($kcp_name),
                needs: Needs::Kcp,
                check: |subject| Box::pin(kcp::$kcp_part::$kcp_name(subject)),
            },)*
        ];
    };
}

contract_sentences!(registry);

/// Every sentence of the contract.
pub fn all() -> impl Iterator<Item = &'static Sentence> {
    SENTENCES.iter()
}

/// The sentence of this name.
pub fn find(name: &str) -> Option<&'static Sentence> {
    SENTENCES.iter().find(|sentence| sentence.name == name)
}
