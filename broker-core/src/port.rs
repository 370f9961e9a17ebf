//! What the shell must offer: the roles around the decisions, each with its contract.
//!
//! A shell on Kubernetes is `broker-kcp`; one in memory is in `broker-testkit`, which also publishes the suites that
//! decide whether an implementation keeps these contracts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::matching::{Matcher, OfferSet, Reserved};
use crate::migration::{Asked, Migration};
use crate::offer::OfferId;
use crate::order::{
    Action, Assignment, Compute, CopyView, Helpers, OrderIdentity, Policy, Provided, Silence, Traces,
};
use crate::playbook::{Ambiguous, Playbook, Playbooks};
use crate::resource::{ClusterName, Gvk, Gvr, Object, ObjectKey, ObjectRef};
use std::collections::BTreeMap;

/// Knows which providers offer what.
///
/// # Contract
/// - [`offers`](Self::offers) and [`matcher`](Self::matcher) answer at once from an immutable snapshot; they never wait
///   and never call out.
/// - Both speak of the same snapshot, or of a later one when asked later; a snapshot never goes back in time.
/// - An offer that was withdrawn, or whose provider left the fleet, is in no snapshot published after that was seen.
/// - Nothing is answered before the first complete reading: until then [`matcher`](Self::matcher) gives `None`, and
///   nobody decides.
pub trait ProviderRegistry: Send + Sync {
    /// The offers as they are known now.
    fn offers(&self) -> Arc<OfferSet>;
    /// A matcher over them; `None` until they were read completely.
    fn matcher(&self) -> Option<Arc<dyn Matcher>>;

    /// Keeps a place of an offer for an order, named as its assignment is, before anything is written that takes it.
    ///
    /// Asked again it says the same, until [`release`](Self::release); an order that a record already gives to the offer has
    /// its place. The default is for offers whose capacity nobody states: there is always one.
    /// [`Reservations`](crate::matching::Reservations) does the counting for whoever has more to say.
    fn reserve(&self, offer: &OfferId, order: &str) -> Reserved {
        let _ = (offer, order);
        Reserved::Granted
    }

    /// Keeps a place among the moves that may run at the same time, before the record of one is written; or says why it
    /// may not begin now.
    ///
    /// Asked again for the same record it says the same, until [`release`](Self::release); a record that is there has
    /// its place. The default is for whoever sets no limits. [`Limits::hold_up`](crate::migration::Limits::hold_up) does
    /// the counting.
    fn admit(&self, policy: &Policy, migration: &Migration, order: &str) -> Option<String> {
        let _ = (policy, migration, order);
        None
    }

    /// Gives back what was kept for an order: it is at rest, and what it has its records say.
    fn release(&self, order: &str) {
        let _ = order;
    }
}

/// Knows the platform's playbooks.
///
/// # Contract
/// Answers at once, from what was read before.
pub trait PlaybookRegistry: Send + Sync + std::fmt::Debug {
    /// The playbook for a move between two kinds, and between the clusters of two providers.
    ///
    /// # Errors
    /// Where several fit equally well.
    fn choose(
        &self,
        from: &Gvk,
        to: &Gvk,
        source: &ClusterName,
        target: &ClusterName,
    ) -> Result<Option<Arc<Playbook>>, Ambiguous>;
}

/// Clusters that go by no other name than their own.
impl PlaybookRegistry for Playbooks {
    fn choose(
        &self,
        from: &Gvk,
        to: &Gvk,
        source: &ClusterName,
        target: &ClusterName,
    ) -> Result<Option<Arc<Playbook>>, Ambiguous> {
        Self::choose(self, from, to, &[source.as_str()], &[target.as_str()]).map(Option::<&_>::cloned)
    }
}

/// Observes everything that belongs to one order.
///
/// # Contract
/// - Read your writes: what a [`MigrationExecutor`] was answered is part of every later observation.
/// - What was not read yet is [`CopyView::Unknown`], never [`CopyView::Absent`].
/// - Nothing is observed before all assignments and migrations were read: [`PortError`] of kind
///   [`Unavailable`](PortErrorKind::Unavailable) until then.
/// - A copy in a cluster that does not answer is [`CopyView::Unknown`], whatever was seen of it before; the cluster is
///   told in [`Observed::unreachable`], and since when. That time never counts what the observer cannot vouch for.
/// - Costs no calls: an order at rest is observed from what watches brought.
pub trait OrderObserver: Send + Sync {
    /// Everything known of the order under this address; `None` if there is neither an order nor a record of one.
    fn observe(&self, address: &OrderAddress) -> Result<Option<Observed>, PortError>;
}

/// Carries out what was decided: for the first placement, for every move, and for the end of an order.
///
/// # Contract
/// - Each action is carried out at most once per call and answers only when the server did; being dropped half-way is
///   like a crash at that point, and is safe.
/// - Each is guarded as [`Action`] says: a write that would hit another object or another version than the one decided
///   about is answered with [`PortErrorKind::Conflict`] and changes nothing.
/// - Creating what exists is [`PortErrorKind::AlreadyExists`]; deleting what is gone is success.
/// - Several actions may be carried out at the same time.
pub trait MigrationExecutor: Send + Sync {
    /// Carries out one action.
    fn execute(&self, action: &Action) -> impl Future<Output = Result<Written, PortError>> + Send;
}

/// The broker's clock.
///
/// # Contract
/// Never goes back by more than clocks do; a decision made with a clock that jumped is wrong about grace periods only,
/// never about what must come before what.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> crate::time::Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> crate::time::Timestamp {
        (**self).now()
    }
}

/// Which order is meant, before its uid is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderAddress {
    /// The brokered API.
    pub gvr: Gvr,
    /// Cluster, namespace and name.
    pub key: ObjectKey,
    /// Uid of the order, where the address was read from its assignment: an order of the same name that came later is
    /// another one.
    pub uid: Option<String>,
}

/// What was observed of one order; see [`crate::order::World`] for the meaning of each part.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Which order.
    pub identity: OrderIdentity,
    /// How orders of its API are treated.
    pub policy: Arc<Policy>,
    /// The order; `None` when it is gone.
    pub order: Option<Arc<Object>>,
    /// Its assignment.
    pub assignment: Option<Assignment>,
    /// Its migrations, oldest first.
    pub migrations: Vec<Migration>,
    /// What people ask for it and is not taken up yet, oldest first.
    pub requests: Vec<Asked>,
    /// The copies that the assignment names, leftovers included, in the terms of the order
    /// ([`in_order_terms`](crate::translate::in_order_terms)), as are those in [`Self::traces`].
    pub copies: BTreeMap<ObjectKey, CopyView>,
    /// The clusters of those copies that do not answer.
    pub unreachable: BTreeMap<ClusterName, Silence>,
    /// The objects that the copies name.
    pub provided: BTreeMap<ObjectRef, Provided>,
    /// The objects at the consumer that carry the order's ownership label, or that of a former order of its name whose
    /// copy it took over.
    pub mirrored: Vec<Arc<Object>>,
    /// What of the order is there beside what its records name.
    pub traces: Traces,
    /// The playbooks of the platform.
    pub playbooks: Arc<dyn PlaybookRegistry>,
    /// What is there of the helper objects of its migrations, by the migration's name.
    pub helpers: BTreeMap<String, Helpers>,
    /// The cluster in which helper objects run.
    pub compute: Compute,
}

/// The answer to a write.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The object as it is now, where there is one.
    pub object: Option<Arc<Object>>,
}

/// What to do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortErrorKind {
    /// The object, or what it lives in, is not there.
    NotFound,
    /// Something else has the name.
    AlreadyExists,
    /// The object is another one, or of another version, than the one decided about: observe again.
    Conflict,
    /// Not allowed; trying again helps only after somebody changed the rights.
    Denied,
    /// The object is not acceptable to the server; trying again helps only after it changed.
    Invalid,
    /// No answer, or an answer that means later: try again with growing pauses.
    Unavailable,
    /// This broker no longer leads; stop.
    Fenced,
}

impl PortErrorKind {
    /// The stable text for conditions, events and metrics.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Denied => "Denied",
            Self::Invalid => "Invalid",
            Self::Unavailable => "Unavailable",
            Self::Fenced => "Fenced",
        }
    }
}

/// A call across a port that failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {message}")]
pub struct PortError {
    /// What to do about it.
    pub kind: PortErrorKind,
    /// What was tried, naming the object.
    pub what: String,
    /// What came back. Never the content of a Secret.
    pub message: String,
    /// How long whoever was called asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl PortError {
    /// An error from its parts.
    pub fn new(kind: PortErrorKind, what: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, what: what.into(), message: message.into(), retry_after: None }
    }

    /// What was tried and what came of it, without the words of a server that judged what was written: those may quote it.
    pub fn without_values(&self) -> String {
        let judged = match self.kind {
            PortErrorKind::Invalid => true,
            // A missing right is told in names; admission quotes what it likes.
            PortErrorKind::Denied => self.message.contains(" denied the request"),
            PortErrorKind::NotFound
            | PortErrorKind::AlreadyExists
            | PortErrorKind::Conflict
            | PortErrorKind::Unavailable
            | PortErrorKind::Fenced => false,
        };
        if judged { format!("{}: {}", self.what, self.kind.reason()) } else { self.to_string() }
    }

    /// The same with the pause that was asked for.
    #[must_use]
    pub fn with_pause(mut self, asked: Option<Duration>) -> Self {
        self.retry_after = asked;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{PortError, PortErrorKind};

    #[test]
    fn a_server_that_judges_what_was_written_is_not_quoted() {
        let told = |kind, message| PortError::new(kind, "create Box c-1", message).without_values();
        let invalid = told(PortErrorKind::Invalid, "spec.note: Invalid value: \"mine\"");
        assert_eq!(invalid, "create Box c-1: Invalid");
        let admission = "admission webhook \"x\" denied the request: spec.note is mine";
        assert_eq!(told(PortErrorKind::Denied, admission), "create Box c-1: Denied");
        let right = "boxes is forbidden: User \"broker\" cannot create resource";
        assert_eq!(told(PortErrorKind::Denied, right), format!("create Box c-1: {right}"));
    }
}
