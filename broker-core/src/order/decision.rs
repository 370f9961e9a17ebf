//! What is decided about one order: the writes to make now, what to tell, when to look again.

use super::{Assignment, AssignmentStatus, CopyRef, OrderIdentity};
use crate::migration::{Answer, Migration};
use crate::resource::{Object, ObjectRef};
use crate::time::Timestamp;

/// The outcome of [`super::decide`].
///
/// The actions of one decision do not depend on each other: they may be carried out at once and in any order, and any
/// of them may fail. What depends on them comes with the next decision, which is made after their results are part of
/// the observed world. Deciding twice on the same world gives the same decision; a world at rest gives no actions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The writes to make.
    pub actions: Vec<Action>,
    /// Why, for logs and people.
    pub report: Report,
    /// When to decide again even if nothing changes.
    pub wake: Option<Timestamp>,
}

impl Decision {
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
    }

    /// Whether anything is to be written.
    pub fn is_at_rest(&self) -> bool {
        self.actions.is_empty()
    }
}

/// What a decision says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One stable word for what happens now, such as `Bound` or `NoMatchingOffer`.
    pub reason: &'static str,
    /// A sentence for the platform's people; may name providers and fields with their values, never what Secrets hold.
    pub message: String,
}

/// Reasons whose messages are made of the names of offers, playbooks and objects alone. The messages of all others may
/// quote what an order or a copy says.
const MADE_OF_NAMES: [&str; 16] = [
    "Accepted",
    "AmbiguousPlaybook",
    "AssignmentLost",
    "Bound",
    "CopyLost",
    "FenceRequired",
    "ForeignObject",
    "MigrationDisabled",
    "NoComputeCluster",
    "NoPlaybook",
    "NotReady",
    "Paused",
    "RelatedObjectMissing",
    "RelatedTypeDiffers",
    "Routed",
    "Terminating",
];

impl Report {
    /// The message where it quotes no value of an order or a copy: a log, which many may read, says no more.
    pub fn without_values(&self) -> Option<&str> {
        MADE_OF_NAMES.contains(&self.reason).then_some(self.message.as_str())
    }
}

/// One write. Every one is safe to repeat and carries what guards it.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Put our finalizer on the order (guard: resource version of the order as observed).
    AddFinalizer {
        /// The order as observed.
        order: ObjectRef,
        /// Resource version it was observed at.
        resource_version: String,
    },
    /// Take our finalizer off the order (guard: resource version).
    RemoveFinalizer {
        /// The order as observed.
        order: ObjectRef,
        /// Resource version it was observed at.
        resource_version: String,
    },
    /// Apply the status of the order (guard: uid).
    ApplyStatus {
        /// The order.
        order: ObjectRef,
        /// Uid of the order.
        uid: String,
        /// The whole status.
        status: serde_json::Value,
    },
    /// Tell the consumer with an Event on the order.
    Tell {
        /// The order.
        order: OrderIdentity,
        /// `Normal` or `Warning`.
        severity: Severity,
        /// `PascalCase` reason.
        reason: &'static str,
        /// Text for the consumer: nothing of other parties.
        message: String,
    },
    /// Create the assignment (guard: the name must be free).
    CreateAssignment(Assignment),
    /// Replace the spec of the assignment (guard: its resource version).
    UpdateAssignment(Assignment),
    /// Apply the status of the assignment (guard: uid).
    ApplyAssignmentStatus {
        /// Name of the assignment.
        name: String,
        /// Uid of the assignment.
        uid: String,
        /// The status.
        status: AssignmentStatus,
    },
    /// Delete the assignment (guard: uid).
    DeleteAssignment {
        /// Name of the assignment.
        name: String,
        /// Uid of the assignment.
        uid: String,
    },
    /// Create the record of a move (guard: the name must be free).
    CreateMigration(Migration),
    /// Make what a person asked for the record of a move: what was made of its names is written into it, once
    /// (guard: its resource version).
    AdoptMigration(Migration),
    /// Tell a person why what was asked for does not begin (guard: its resource version).
    AnswerRequest {
        /// Name of the object.
        name: String,
        /// Its uid.
        uid: String,
        /// The version it was read at.
        resource_version: String,
        /// What to say.
        answer: Answer,
    },
    /// Apply the status of the record (guard: its resource version).
    UpdateMigration(Migration),
    /// Delete the record (guard: uid).
    DeleteMigration {
        /// Name of the migration.
        name: String,
        /// Uid of the migration.
        uid: String,
    },
    /// Create a copy by POST (guard: the name must be free).
    CreateCopy {
        /// The copy.
        copy: CopyRef,
        /// The object to create.
        object: Object,
    },
    /// Apply a copy (guard: uid in the applied object).
    ApplyCopy {
        /// The copy.
        copy: CopyRef,
        /// The object to apply.
        object: Object,
    },
    /// Delete a copy (guard: uid).
    DeleteCopy {
        /// The copy.
        copy: CopyRef,
        /// Uid of the object that was observed.
        uid: String,
    },
    /// Raise or lift the write fence of a copy, by a field manager of its own (guard: uid).
    Fence {
        /// The copy.
        copy: CopyRef,
        /// Uid of the object that was observed.
        uid: String,
        /// Whether it is raised.
        raised: bool,
    },
    /// Create a helper object of a move in the compute cluster by POST (guard: the name must be free). Its namespace is
    /// one, under the empty key.
    CreateHelper {
        /// The migration.
        migration: String,
        /// Key of its template.
        key: String,
        /// The object to create.
        object: Object,
    },
    /// Apply a helper object (guard: uid in the applied object).
    ApplyHelper {
        /// The migration.
        migration: String,
        /// Key of its template.
        key: String,
        /// What it is to be.
        object: Object,
    },
    /// Delete the namespace of a move's helper objects, with all that is in it (guard: uid).
    DeleteHelpers {
        /// The migration.
        migration: String,
        /// Name of the namespace.
        namespace: String,
        /// Uid of the namespace that was observed.
        uid: String,
    },
    /// Create a mirrored object in the consumer's namespace by POST (guard: the name must be free).
    CreateRelated {
        /// The object to create.
        target: ObjectRef,
        /// What it is to be.
        object: Object,
    },
    /// Apply a mirrored object (guard: uid in the applied object, and what else is to hold still).
    ApplyRelated {
        /// The object to change.
        target: ObjectRef,
        /// What it is to be.
        object: Object,
        /// What it relies on.
        guard: RelatedGuard,
    },
    /// Delete a mirrored object (guard: uid, and what else is to hold still).
    DeleteRelated {
        /// The object to delete.
        target: ObjectRef,
        /// Uid of the object that was observed.
        uid: String,
        /// What it relies on; `None` where the order ends, which no other broker could see otherwise.
        guard: Option<RelatedGuard>,
    },
}

/// What a change of something that a consumer uses relies on.
///
/// The record that points to the serving copy and the objects that the copy hands over are written apart. A broker
/// that sees the objects of a switch before its record (another one switched: two led for a moment) would put the
/// former copy's back. So the executor reads the record anew, past every cache, **before** it writes: where it points
/// to another copy the write is a conflict, and where it does not yet, what the other one writes after its switch moves
/// the object's version on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedGuard {
    /// Version of the object that was observed.
    pub resource_version: String,
    /// Name of the order's assignment.
    pub assignment: String,
    /// Name of the copy that it must point to.
    pub copy: String,
}

impl RelatedGuard {
    /// Whether the record, as it is by now, still points to the copy.
    pub fn holds(&self, record: Option<&Assignment>) -> bool {
        record.and_then(Assignment::serving).is_some_and(|copy| copy.key.name == self.copy)
    }
}

impl Action {
    /// A word for logs and metrics.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::AddFinalizer { .. } => "add-finalizer",
            Self::RemoveFinalizer { .. } => "remove-finalizer",
            Self::ApplyStatus { .. } => "apply-status",
            Self::Tell { .. } => "tell",
            Self::CreateAssignment(_) => "create-assignment",
            Self::UpdateAssignment(_) => "update-assignment",
            Self::ApplyAssignmentStatus { .. } => "apply-assignment-status",
            Self::DeleteAssignment { .. } => "delete-assignment",
            Self::CreateMigration(_) => "create-migration",
            Self::AdoptMigration(_) => "adopt-migration",
            Self::AnswerRequest { .. } => "answer-request",
            Self::UpdateMigration(_) => "update-migration",
            Self::DeleteMigration { .. } => "delete-migration",
            Self::CreateCopy { .. } => "create-copy",
            Self::ApplyCopy { .. } => "apply-copy",
            Self::DeleteCopy { .. } => "delete-copy",
            Self::Fence { raised: true, .. } => "raise-fence",
            Self::Fence { raised: false, .. } => "lift-fence",
            Self::CreateHelper { .. } => "create-helper",
            Self::ApplyHelper { .. } => "apply-helper",
            Self::DeleteHelpers { .. } => "delete-helpers",
            Self::CreateRelated { .. } => "create-related",
            Self::ApplyRelated { .. } => "apply-related",
            Self::DeleteRelated { .. } => "delete-related",
        }
    }
}

/// How loud an Event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// All is well.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Severity {
    /// The `type` of a Kubernetes Event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn what_may_quote_an_order_is_not_told_without_its_values() {
        let told = |reason, message: &str| {
            Report { reason, message: message.to_owned() }.without_values().map(str::to_owned)
        };
        assert_eq!(told("Bound", "served"), Some("served".to_owned()));
        for reason in ["NoMatchingOffer", "ProviderUnreachable", "Migrating", "MoveFailed", "NotTranslated"] {
            assert_eq!(told(reason, "spec.fqdn is app.example.org"), None, "{reason}");
        }
    }
}
