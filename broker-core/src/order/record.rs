//! What is remembered about an order: the assignment and the copies it names.

use serde::{Deserialize, Serialize};

use super::Policy;
use crate::offer::OfferId;
use crate::resource::{ClusterName, Gvk, Gvr, Object, ObjectKey, ObjectRef};
use crate::time::Timestamp;

/// One order: which object of which API in which consumer cluster.
///
/// The uid is part of the identity: an order that was deleted and made again is another order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderIdentity {
    /// The brokered API.
    pub gvr: Gvr,
    /// Cluster, namespace and name of the order.
    pub key: ObjectKey,
    /// Uid of the order.
    pub uid: String,
}

impl OrderIdentity {
    /// The identity of an order found in the given cluster.
    pub fn of(order: &Object, gvr: &Gvr, cluster: &ClusterName) -> Self {
        Self { gvr: gvr.clone(), key: order.key_in(cluster), uid: order.uid().to_owned() }
    }
}

/// One copy that an assignment names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CopyRef {
    /// The offer it was made for.
    pub offer: OfferId,
    /// Resource (plural), with group and version.
    pub gvr: Gvr,
    /// Kind.
    pub kind: String,
    /// Where it lives.
    pub key: ObjectKey,
    /// Its uid, once the server told it. A copy of another uid under this name is not ours.
    pub uid: Option<String>,
    /// The migration that made it; `None` for the first placement.
    pub migration: Option<String>,
}

impl CopyRef {
    /// Group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.gvr.group, &self.gvr.version, &self.kind)
    }

    /// Whether it is of the orders' own kind: what an offer translates is not.
    pub fn is_of(&self, policy: &Policy) -> bool {
        self.gvr.group == policy.gvr.group && self.gvr.resource == policy.gvr.resource
    }

    /// Kind and key.
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef { gvk: self.gvk(), key: self.key.clone() }
    }
}

/// The recorded, sticky decision which offer serves an order.
///
/// Invariants: `copies` has one entry, or two while the order moves (the source first, the target second); `pointer`
/// is the name of one of them, and once set is never unset; `leftovers` has at most [`Assignment::MAX_LEFTOVERS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Name: [`crate::translate::assignment_name`] of the order.
    pub name: String,
    /// Uid; empty while it was never written.
    #[serde(default)]
    pub uid: String,
    /// Version it was read at; every write of it carries this. Empty while it was never written.
    #[serde(default)]
    pub resource_version: String,
    /// The order.
    pub order: OrderIdentity,
    /// The offer that serves the order.
    pub offer: OfferId,
    /// The copies, oldest first.
    pub copies: Vec<CopyRef>,
    /// Name of the copy whose status and related objects the consumer sees; `None` until the first copy was ready.
    pub pointer: Option<String>,
    /// Former copies whose clusters do not answer: they no longer serve, and are removed when their clusters do.
    #[serde(default)]
    pub leftovers: Vec<CopyRef>,
    /// How many copies were ever named: the serial number of the newest.
    pub serial: u32,
    /// When it was first written; `None` while it never was.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// What its status says now.
    #[serde(default)]
    pub status: AssignmentStatus,
}

impl Assignment {
    /// The most former copies that may wait for their clusters. An order that left so many providers that never came
    /// back is not moved by silence any more.
    pub const MAX_LEFTOVERS: usize = 8;

    /// The copy that the pointer names; before it is set, the first.
    pub fn serving(&self) -> Option<&CopyRef> {
        match &self.pointer {
            Some(name) => self.copies.iter().find(|copy| &copy.key.name == name),
            None => self.copies.first(),
        }
    }

    /// Source and target while the order moves.
    pub fn moving(&self) -> Option<(&CopyRef, &CopyRef)> {
        match self.copies.as_slice() {
            [source, target] => Some((source, target)),
            _ => None,
        }
    }

    /// Every copy it names, leftovers last.
    pub fn named(&self) -> impl Iterator<Item = &CopyRef> {
        self.copies.iter().chain(&self.leftovers)
    }

    /// Whether this copy is the one that the consumer sees.
    pub fn points_to(&self, copy: &CopyRef) -> bool {
        self.pointer.as_deref() == Some(copy.key.name.as_str())
    }
}

/// Phase of an assignment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// No copy was ready yet.
    #[default]
    Pending,
    /// One copy serves the order.
    Bound,
    /// The order moves from one copy to another.
    Migrating,
    /// The order goes away.
    Terminating,
}

impl Phase {
    /// The text of the status field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Bound => "Bound",
            Self::Migrating => "Migrating",
            Self::Terminating => "Terminating",
        }
    }
}

/// What the status of an assignment tells the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignmentStatus {
    /// Phase; `None` while the status was never written.
    pub phase: Option<Phase>,
    /// The broker's condition on the order, as (reason, message).
    pub reason: String,
    /// Text for the platform's people.
    pub message: String,
    /// Why this offer: the nearest candidates with score or refusal, as rendered by [`crate::selection`].
    pub why: serde_json::Value,
}
