//! What a program that embeds the broker may put between a decision and its writes.

use std::fmt;
use std::sync::Arc;

use broker_core::order::Action;
use broker_core::port::{PortError, Written};
use futures::future::BoxFuture;

use super::execute::KcpMigrationExecutor;

/// Stands around the broker's own executor: carries out actions in its place, changes what is written, writes down what
/// was, or refuses.
///
/// Asked for every action that is decided about an order (what a move by a playbook makes for its stages included:
/// [`Action::CreateHelper`], [`Action::ApplyHelper`], [`Action::DeleteHelpers`]) and only while the broker leads. What is
/// only reported, on offers and `BrokeredAPIs`, and what a person asks for with `recover` or `uninstall`, does not pass
/// here.
///
/// # Contract
/// That of [`MigrationExecutor`](broker_core::port::MigrationExecutor): an action is carried out once, guarded as
/// [`Action`] says, and answered when the server answered; being dropped half-way must be safe. Two things follow for
/// whoever does not let the [`Usual`] happen. What is written must reach the clusters that the broker watches, since
/// that is where it sees what came of it: an action that leaves no trace there is decided again. And it must not change
/// who owns what: names, uids, owner labels and finalizers are what a later pass believes.
///
/// ```
/// use broker_core::order::Action;
/// use broker_core::port::{PortError, PortErrorKind, Written};
/// use broker_kcp::reconcile::{Execute, Usual};
/// use futures::future::BoxFuture;
///
/// /// Moves of data begin in the maintenance window alone; until then they wait.
/// struct InTheWindow(fn() -> bool);
///
/// impl Execute for InTheWindow {
///     fn execute<'a>(&'a self, action: &'a Action, usual: Usual<'a>) -> BoxFuture<'a, Result<Written, PortError>> {
///         Box::pin(async move {
///             if matches!(action, Action::CreateHelper { .. }) && !(self.0)() {
///                 let later = "the maintenance window is closed";
///                 return Err(PortError::new(PortErrorKind::Unavailable, action.verb(), later));
///             }
///             usual.execute(action).await
///         })
///     }
/// }
/// ```
pub trait Execute: Send + Sync {
    /// Carries out an action, by [`Usual::execute`] or in a way of its own.
    ///
    /// # Errors
    /// As the kind says ([`PortErrorKind`](broker_core::port::PortErrorKind)): the order is looked at again, soon or
    /// after a growing pause.
    fn execute<'a>(
        &'a self,
        action: &'a Action,
        usual: Usual<'a>,
    ) -> BoxFuture<'a, Result<Written, PortError>>;
}

impl<E: Execute + ?Sized> Execute for Arc<E> {
    fn execute<'a>(
        &'a self,
        action: &'a Action,
        usual: Usual<'a>,
    ) -> BoxFuture<'a, Result<Written, PortError>> {
        (**self).execute(action, usual)
    }
}

/// What the broker itself does to carry out an action: one guarded write, its result shown to the caches.
#[derive(Clone, Copy)]
pub struct Usual<'a> {
    executor: &'a KcpMigrationExecutor,
}

impl<'a> Usual<'a> {
    pub(super) const fn of(executor: &'a KcpMigrationExecutor) -> Self {
        Self { executor }
    }

    /// Carries out an action, be it the one that was decided or one made from it.
    ///
    /// # Errors
    /// Where the server refused it or did not answer.
    pub async fn execute(&self, action: &Action) -> Result<Written, PortError> {
        self.executor.carry_out(action).await
    }
}

impl fmt::Debug for Usual<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usual").finish_non_exhaustive()
    }
}

/// Nothing is between a decision and its writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsUsual;

impl Execute for AsUsual {
    fn execute<'a>(
        &'a self,
        action: &'a Action,
        usual: Usual<'a>,
    ) -> BoxFuture<'a, Result<Written, PortError>> {
        Box::pin(async move { usual.execute(action).await })
    }
}
