//! One contract for shells: what [`broker_core::port`] asks of whoever observes orders and carries decisions out.
//!
//! The contract is a list of sentences, each a function of that name. They write through the executor, look through
//! the observer, and past every cache through the [`Shell`], and know nothing of what is behind them.
//! [`check`] finds out whether all of them hold. The shells of this project, in memory and on kube-rs, are held to
//! it; it is published for whoever writes another.
//!
//! Invariants: a sentence orders under a name of its own and writes records of that order alone, so that a shell can be
//! checked by all of them at once; what is answered is looked for without waiting (read your writes), what others do
//! is waited for.

mod copies;
mod helpers;
mod moves;
mod orders;
mod records;
mod related;
mod work;

use broker_core::port::{MigrationExecutor, OrderObserver};
use broker_core::resource::{ClusterName, Gvk, Gvr, Object, ObjectRef};

pub use super::broken::Broken;

/// What is checked: a shell's ports, a place to use them in, and the hands of everybody else there.
///
/// Nobody else works at the place: no broker decides about its orders, and no provider about their copies.
pub trait Shell: Send + Sync {
    /// What carries decisions out.
    type Executor: MigrationExecutor;
    /// What observes orders.
    type Observer: OrderObserver;

    /// What carries decisions out. It may: this broker leads.
    fn executor(&self) -> &Self::Executor;

    /// What observes orders.
    fn observer(&self) -> &Self::Observer;

    /// Where it is used.
    fn ground(&self) -> &Ground;

    /// A consumer creates this order; what the server made of it.
    fn order(&self, order: &Object) -> impl Future<Output = Result<Object, Broken>> + Send;

    /// An object as it is now, past every cache; `None` where there is none.
    fn look(&self, object: &ObjectRef) -> impl Future<Output = Result<Option<Object>, Broken>> + Send;
}

/// Where a shell is used: an API that is brokered, and clusters.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The brokered API.
    pub gvr: Gvr,
    /// Its kind.
    pub kind: String,
    /// A spec that its schema takes.
    pub spec: serde_json::Value,
    /// Another spec that its schema takes.
    pub other_spec: serde_json::Value,
    /// A status that its schema takes, with at least one field beside `conditions` and `observedGeneration`.
    pub status: serde_json::Value,
    /// The namespace of orders and copies; it exists in both clusters.
    pub namespace: String,
    /// The cluster of a consumer.
    pub consumer: ClusterName,
    /// The cluster of a provider.
    pub provider: ClusterName,
    /// The cluster in which helper objects run.
    pub compute: ClusterName,
}

impl Ground {
    /// Group, version and kind of the orders.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.gvr.group, &self.gvr.version, &self.kind)
    }
}

/// Checks every sentence, one after the other, and tells how many there are.
///
/// # Errors
/// The first sentence that does not hold.
pub async fn check(shell: &impl Shell) -> Result<usize, Broken> {
    let mut checked = 0;
    macro_rules! sentences {
        ($($part:ident::$sentence:ident,)*) => {
            $(
                $part::$sentence(shell).await.map_err(|broken| broken.of(stringify!($sentence)))?;
                checked += 1;
            )*
        };
    }
    sentences! {
        orders::a_finalizer_is_put_on_and_taken_off,
        orders::a_finalizer_for_another_version_is_a_conflict,
        orders::a_status_is_what_was_applied_last_and_whole,
        orders::a_status_for_another_order_of_the_name_is_a_conflict,
        records::a_record_is_created_once,
        records::a_record_of_an_earlier_version_is_a_conflict,
        records::a_records_status_and_its_spec_are_written_apart,
        records::a_record_is_deleted_as_the_one_that_was_meant,
        moves::the_record_of_a_move_is_created_once_and_read_back_as_it_was_written,
        moves::the_record_of_a_move_of_an_earlier_version_is_a_conflict,
        moves::the_record_of_a_move_is_deleted_as_the_one_that_was_meant,
        copies::a_copy_is_created_once,
        copies::a_copy_of_another_uid_is_not_applied,
        copies::what_is_applied_leaves_what_others_wrote,
        copies::a_fence_is_a_field_of_its_own_and_leaves_no_trace,
        copies::a_copy_is_deleted_as_the_one_that_was_meant,
        related::what_is_handed_over_is_created_once,
        related::what_is_handed_over_is_applied_to_the_one_that_was_meant,
        related::what_is_handed_over_is_deleted_as_the_one_that_was_meant,
        related::what_is_handed_over_is_changed_for_the_copy_that_serves_alone,
        helpers::helpers_are_created_once_in_a_namespace_of_their_move,
        helpers::credentials_of_helpers_are_renewed_in_place,
        helpers::helpers_go_with_their_namespace_and_no_others_do,
        orders::actions_may_be_carried_out_side_by_side,
    }
    Ok(checked)
}
