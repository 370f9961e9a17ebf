//! The promises, each with an id that programs may rely on.

/// One promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invariant {
    /// A stable word in `PascalCase`.
    pub id: &'static str,
    promise: &'static str,
}

impl Invariant {
    /// What was promised.
    pub fn promise(&self) -> &'static str {
        self.promise.trim_start()
    }
}

macro_rules! invariants {
    ($($(#[doc = $promise:literal])+ $name:ident = $id:literal;)*) => {
        $($(#[doc = $promise])+ pub const $name: Invariant =
            Invariant { id: $id, promise: concat!($($promise),+) };)*

        /// All promises.
        pub const ALL: &[Invariant] = &[$($name),*];
    };
}

invariants! {
    /// Nothing is written to a provider before an Assignment names the copy; what none names is never brokered.
    COPY_NOT_NAMED = "CopyNotNamed";
    /// Nothing is written to a provider before the order carries the finalizer.
    FINALIZER_MISSING = "FinalizerMissing";
    /// A copy is created by POST, so that a deleted one is never resurrected by accident.
    COPY_MADE_BY_PATCH = "CopyMadeByPatch";
    /// An order is never served by two copies outside a migration.
    TWO_COPIES = "TwoCopies";
    /// An order has one copy at most for the same offer.
    COPY_MADE_TWICE = "CopyMadeTwice";
    /// A copy asks for what its own order asks for.
    COPY_OF_ANOTHER = "CopyOfAnother";
    /// An order has one Assignment.
    TWO_ASSIGNMENTS = "TwoAssignments";
    /// A copy belongs to one order: nothing crosses from one consumer to another.
    COPY_SHARED = "CopyShared";
    /// No copy that is still there stops being named.
    COPY_FORGOTTEN = "CopyForgotten";
    /// An order whose Assignment was lost is not placed again.
    PLACED_AGAIN = "PlacedAgain";
    /// After the first placement the pointer never names a copy that was not ready when switched to.
    POINTER_TO_UNREADY = "PointerToUnready";
    /// What holds data moves by a playbook only.
    MOVED_WITHOUT_PLAYBOOK = "MovedWithoutPlaybook";
    /// Every move is recorded as a Migration before the switch.
    MOVED_WITHOUT_MIGRATION = "MovedWithoutMigration";
    /// What serves an order is not removed while the order wants to be served.
    SERVING_COPY_DELETED = "ServingCopyDeleted";
    /// The old copy is deleted only after the consumer holds the new status and related objects.
    OLD_COPY_DELETED_BEFORE_HAND_OVER = "OldCopyDeletedBeforeHandOver";
    /// The old copy is deleted only after the grace period has passed.
    OLD_COPY_DELETED_IN_GRACE_PERIOD = "OldCopyDeletedInGracePeriod";
    /// Where the target loses its readiness in the grace period, the old copy is not removed.
    OLD_COPY_DELETED_WITHOUT_REPLACEMENT = "OldCopyDeletedWithoutReplacement";
    /// The point of no return is recorded before it is crossed.
    NO_RETURN_NOT_RECORDED = "NoReturnNotRecorded";
    /// With the policy Retain, deleting the order leaves the copy.
    RETAINED_COPY_DELETED = "RetainedCopyDeleted";
    /// While an order is paused nothing is changed for it.
    PAUSED_ORDER_TOUCHED = "PausedOrderTouched";
    /// The order's finalizer stays until everything that can be cleaned is gone.
    FINALIZER_REMOVED_TOO_EARLY = "FinalizerRemovedTooEarly";
    /// A mirrored object holds what a copy of that very order provides, one that the order was switched to.
    MIRROR_OF_ANOTHER = "MirrorOfAnother";
    /// An existing object that is not this order's is never overwritten or deleted.
    FOREIGN_OBJECT_TOUCHED = "ForeignObjectTouched";
    /// The order's status is that of the copy that is pointed to.
    STATUS_OF_ANOTHER = "StatusOfAnother";
    /// Related objects appear before the status names them; at the first placement and at moves to another provider the
    /// status is never ahead of them.
    STATUS_AHEAD_OF_OBJECTS = "StatusAheadOfObjects";
    /// An order is Ready for a generation only when a ready copy with that very spec serves it.
    READY_TOO_EARLY = "ReadyTooEarly";
    /// Every `observedGeneration` is the order's generation that the copy reflects: of an earlier one as well.
    GENERATION_MISTRANSLATED = "GenerationMistranslated";
    /// An order stays Ready while the copy that serves it does.
    READY_REGRESSED = "ReadyRegressed";
    /// The spec of an order is its consumer's alone, and so is its deletion.
    ORDER_CHANGED = "OrderChanged";
    /// A pass writes spec and metadata or status of one object, never both.
    SPEC_AND_STATUS_AT_ONCE = "SpecAndStatusAtOnce";
    /// The broker writes nothing but orders' statuses and finalizers, copies, mirrors, its word on offers, and Events.
    TRESPASS = "Trespass";
    /// Nothing crosses from one consumer to another, nor from one provider to another.
    CANARY_SEEN = "CanarySeen";
    /// Nothing at a copy tells whose it is.
    IDENTITY_IN_COPY = "IdentityInCopy";
    /// Secrets never appear in logs, events, status or metrics.
    SECRET_LEAKED = "SecretLeaked";
    /// A consumer that was served finds its Secret, and what it holds works, at every instant until it deletes the order.
    DOWNTIME = "Downtime";
    /// In the end every order that fits an offer is served by it, and the consumer holds what the copy provides.
    NOT_SERVED = "NotServed";
    /// In the end nothing is left of what is over.
    LEFT_BEHIND = "LeftBehind";
    /// Every finalizer is released in the end.
    FINALIZER_KEPT = "FinalizerKept";
    /// In the end no fence holds up writes to what serves.
    FENCE_KEPT = "FenceKept";
    /// In the end no move is under way.
    MOVE_UNFINISHED = "MoveUnfinished";
    /// At rest nothing more is written.
    WROTE_AT_REST = "WroteAtRest";
}
