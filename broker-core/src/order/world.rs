//! What was observed before a decision about one order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assignment, CopyRef, OrderIdentity, Policy, Traces};
use crate::migration::{Asked, Migration};
use crate::offer::OfferId;
use crate::port::PlaybookRegistry;
use crate::resource::{ClusterName, Gvk, Gvr, Object, ObjectKey, ObjectRef};
use crate::time::Timestamp;
use crate::translate::{Translation, Untranslated, desired_copy};

/// Everything that [`super::decide`] may know about one order.
///
/// The contract of whoever assembles it: nothing in here may be older than the result of a write that was decided
/// earlier for the same order (read your writes); what a cache has not finished reading must not be passed as absent.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// Now.
    pub now: Timestamp,
    /// Which order this is about.
    pub identity: OrderIdentity,
    /// How orders of its API are treated.
    pub policy: &'a Policy,
    /// The order itself; `None` when it is gone.
    pub order: Option<Arc<Object>>,
    /// Its assignment.
    pub assignment: Option<Assignment>,
    /// All migrations of the order, oldest first.
    pub migrations: Vec<Migration>,
    /// What people ask for this order and is not taken up yet, oldest first.
    pub requests: Vec<Asked>,
    /// The copies that the assignment names, by key, in the terms of the order
    /// ([`in_order_terms`](crate::translate::in_order_terms)). A copy that is not in here was not observed, and waits.
    pub copies: BTreeMap<ObjectKey, CopyView>,
    /// The clusters of the copies that do not answer.
    pub unreachable: BTreeMap<ClusterName, Silence>,
    /// The objects that the copies name in `status.relatedResources`, in the providers' clusters.
    pub provided: BTreeMap<ObjectRef, Provided>,
    /// The objects in the consumer's namespace that carry this order's ownership label.
    pub mirrored: Vec<Arc<Object>>,
    /// What of the order is there beside what its records name.
    pub traces: Traces,
    /// The playbooks of the platform.
    pub playbooks: Arc<dyn PlaybookRegistry>,
    /// What is there of the helper objects of the order's migrations, by the migration's name. What is not in here was
    /// never made, or is gone.
    pub helpers: BTreeMap<String, Helpers>,
    /// The cluster in which helper objects run.
    pub compute: Compute,
    /// Why no further move may begin now, where that is so: a budget, or too many failures.
    pub halted: Option<String>,
    /// Writes that were refused for a reason that trying again at once would not change.
    pub blocked: BTreeMap<ObjectRef, Blocked>,
    /// Which offers serve the order.
    pub chooser: &'a dyn Chooser,
    /// Writes that were answered and changed nothing more than before, so that they are not repeated.
    pub settled: BTreeMap<ObjectRef, Settled>,
}

impl World<'_> {
    /// What was observed of a copy.
    pub fn copy(&self, copy: &CopyRef) -> &CopyView {
        self.copies.get(&copy.key).unwrap_or(&CopyView::Unknown)
    }

    /// Whether the offer of a copy still serves the order, by copies of the same kind.
    pub fn fit(&self, copy: &CopyRef) -> Fit {
        let fit = self.chooser.fit(&copy.offer);
        if let Fit::Fits(placement) = &fit
            && !placement.is_kind_of(copy)
        {
            return Fit::Refused(format!("the offer makes copies of kind {} now", placement.kind));
        }
        fit
    }

    /// What a copy must be; see [`desired_copy`].
    pub(super) fn desired_copy(
        &self,
        order: &Object,
        assignment: &str,
        copy: &CopyRef,
    ) -> Result<Object, Untranslated> {
        let translation = if copy.is_of(self.policy) { None } else { self.chooser.translation(&copy.offer) };
        desired_copy(order, assignment, copy, self.policy, translation.as_deref())
    }

    /// The live object of a copy, if it is there and is the one that the assignment names.
    pub fn live(&self, copy: &CopyRef) -> Option<&Arc<Object>> {
        match self.copy(copy) {
            CopyView::Present(object) if copy.uid.as_deref().is_none_or(|uid| uid == object.uid()) => {
                Some(object)
            }
            CopyView::Present(_) | CopyView::Absent | CopyView::Unknown | CopyView::Gone => None,
        }
    }
}

/// What was observed of one copy.
#[derive(Clone, Debug)]
pub enum CopyView {
    /// An object of that name is there. It may be another one: compare the uid.
    Present(Arc<Object>),
    /// No object of that name is there.
    Absent,
    /// The cluster does not answer, or was not read yet.
    Unknown,
    /// The cluster no longer belongs to the fleet: its binding, workspace or registration is gone.
    Gone,
}

/// A cluster that does not answer.
///
/// Whoever observes measures the time, and may only make it shorter than it is: what forgets it (a restart) or cannot
/// judge it (an outage of the platform itself) lets the wait begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Since when, without a break.
    pub since: Timestamp,
    /// Whether its offers are known as they were when it fell silent.
    pub last_word: LastWord,
}

/// What is known of the offers of a cluster that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWord {
    /// Everything it said before: an offer that is not seen was withdrawn.
    Known,
    /// Nothing: that an offer is not seen does not mean that it was withdrawn.
    Unread,
}

/// The cluster in which the helper objects of playbooks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compute {
    /// There is none.
    #[default]
    Missing,
    /// It does not answer, or was not read yet.
    Silent,
    /// It is there.
    Answers,
}

/// What was observed of one migration's helper objects.
#[derive(Clone, Debug, Default)]
pub struct Helpers {
    /// Their namespace.
    pub namespace: Option<Arc<Object>>,
    /// The objects, by the key of their template; credentials by their name.
    pub objects: BTreeMap<String, Arc<Object>>,
}

impl Helpers {
    /// Whether they are being removed.
    pub fn is_going(&self) -> bool {
        self.namespace.as_ref().is_some_and(|namespace| namespace.is_deleting())
    }
}

/// What was observed of one object that a provider names.
#[derive(Clone, Debug)]
pub enum Provided {
    /// It is there.
    Present {
        /// The object.
        object: Arc<Object>,
        /// Whether the copy of another order names it as well.
        shared: bool,
    },
    /// It is not there, or not visible for lack of the managed label.
    Missing,
}

/// Fingerprints of a write that was answered: what was asked for, and what the server made of it.
///
/// A server that prunes or rewrites a field would otherwise be asked again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Fingerprint of what was asked for.
    pub desired: String,
    /// Fingerprint of what was there afterwards.
    pub result: String,
}

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// An object that is not ours has the name.
    Foreign,
    /// The server said no, with these words.
    Refused(String),
}

/// Which offers serve one order, asked only as far as a decision needs it.
///
/// Deterministic: the same question about the same world has the same answer on every replica.
pub trait Chooser: std::fmt::Debug {
    /// Whether an offer that the order already holds, or is about to, still serves it. Cordoned and full offers do.
    fn fit(&self, offer: &OfferId) -> Fit;
    /// The best offer for the order that is not excluded.
    fn best(&self, excluded: &BTreeSet<OfferId>) -> Option<Placement>;
    /// The best offer of one provider for the order, taken as a new one: cordoned and full ones take none.
    ///
    /// # Errors
    /// Why none of its offers takes the order.
    fn within(&self, provider: &ClusterName) -> Result<Placement, Unfit> {
        let _ = provider;
        Err(Unfit { reason: "NotFeasible", message: "it has no offer of this API".to_owned() })
    }
    /// How an offer makes copies of its provider's own kind, where it does.
    fn translation(&self, offer: &OfferId) -> Option<Arc<Translation>> {
        let _ = offer;
        None
    }
    /// Why the best is the best, and the others are not: for the platform's eyes.
    fn explain(&self) -> serde_json::Value;
    /// Why nothing fits, in the consumer's own terms: its field, its value, what would be accepted.
    fn refusal(&self) -> String;
}

/// Why no offer of a provider takes an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// `PascalCase` reason: that of its only offer, or `NotFeasible`.
    pub reason: &'static str,
    /// For the platform: each offer with what speaks against it.
    pub message: String,
}

/// Whether an offer serves an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does, there.
    Fits(Placement),
    /// It does not. The reason is for the platform.
    Refused(String),
    /// Nothing speaks against it but that its provider does not answer at the moment: wait, do not leave.
    Unreachable,
    /// There is no such offer any more.
    Withdrawn,
}

impl Fit {
    /// Whether the order must leave the offer: silence alone is no reason.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Withdrawn)
    }
}

/// Where an offer wants its copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The offer; its cluster is the copy's.
    pub offer: OfferId,
    /// Namespace of the copy.
    pub namespace: String,
    /// Resource of the copy.
    pub gvr: Gvr,
    /// Kind of the copy.
    pub kind: String,
}

impl Placement {
    /// Group, version and kind of the copy.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.gvr.group, &self.gvr.version, &self.kind)
    }

    /// Whether the copies there are of this copy's kind. Another version of it is the same kind.
    pub fn is_kind_of(&self, copy: &CopyRef) -> bool {
        self.gvr.group == copy.gvr.group && self.gvr.resource == copy.gvr.resource
    }
}
