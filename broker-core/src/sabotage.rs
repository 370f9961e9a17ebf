//! Known bugs, to be switched on one at a time: whoever watches over the promises is shown to notice.
//!
//! Each is asked for at the very place where it could be made, by [`is`]. Without the feature `sabotage` the answer is
//! always no, and the compiler takes the question out; only tests of a whole broker enable it.

/// A mistake that somebody could make here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// At the switch of a move the old copy is deleted before the pointer names the new one.
    OldCopyDeletedFirst,
    /// While a move is under way the consumer is shown the status and the objects of the replacement.
    WrongCopyShown,
    /// The finalizer is written once the copy is there.
    FinalizerAfterCopy,
    /// A copy's name depends on the name of its order alone, not on whose it is.
    EqualNamesMixedUp,
    /// The old copy is deleted as soon as the consumer holds what the new one provides.
    GraceIgnored,
    /// The old copy is deleted without the point of no return being recorded before.
    NoReturnUnrecorded,
    /// The pointer is switched to a replacement that is there and not ready yet.
    SwitchedToUnready,
    /// A copy is changed without the uid that keeps the change from making it again.
    AppliedWithoutUid,
    /// The records and the finalizer go while copies are still being deleted.
    FinalizerReleasedEarly,
    /// An object of the consumer's own is overwritten where it has the name of one that is handed over.
    ForeignOverwritten,
    /// What was not read yet, after a start, counts as not there.
    UnreadTakenForAbsent,
    /// A copy gets a new name at every try, which is recorded no sooner than it is used.
    NamedAnewAtEveryTry,
    /// That something exists already is taken for the success of making it, whosever it is.
    ExistingTakenForOurs,
    /// An object that is to change is deleted first and made again afterwards.
    ReplacedByDeletion,
    /// A write that was refused once is never tried again.
    NeverTriedAgain,
    /// The status has something in it that is new each time.
    StatusNeverTheSame,
    /// A copy's labels tell the name of what was ordered.
    ConsumerToldToProvider,
    /// The reply to a write counts as the newest state, however late it comes.
    LateReplyBelieved,
    /// A move switches as soon as the replacement is ready, before what it needs was copied.
    SwitchedBeforeStages,
    /// The fence stays up on what serves again.
    FenceNeverLifted,
    /// A move by a playbook switches without waiting until what it leaves takes no more writes.
    SwitchedUnfenced,
    /// A stage makes its helpers before its precondition holds.
    PreconditionIgnored,
    /// The helpers of a move that is over stay.
    HelpersLeftBehind,
    /// A move is called off on a person's word after the switch.
    CancelledAfterSwitch,
    /// The pointer goes back after the switch although that loses what the new copy acknowledged.
    WentBackWithLoss,
    /// The stages of the way back run while the new copy still takes writes.
    WayBackUnfenced,
    /// The way back is recorded as done before the consumer holds the old copy.
    RolledBackFirst,
    /// The old copy takes writes as soon as the pointer is back, while that may still be undone.
    OldCopyOpenedEarly,
    /// A cutover whose time is up goes on, and the fence with it.
    CutoverWithoutEnd,
    /// A move that is only recorded does not count for how many may run.
    RecordedMovesUncounted,
}

impl Bug {
    /// Those that simulated histories of the whole operator are shown to notice.
    pub const ALL: &[Self] = &[
        Self::OldCopyDeletedFirst,
        Self::WrongCopyShown,
        Self::FinalizerAfterCopy,
        Self::EqualNamesMixedUp,
        Self::GraceIgnored,
        Self::NoReturnUnrecorded,
        Self::SwitchedToUnready,
        Self::AppliedWithoutUid,
        Self::FinalizerReleasedEarly,
        Self::ForeignOverwritten,
        Self::UnreadTakenForAbsent,
        Self::NamedAnewAtEveryTry,
        Self::ExistingTakenForOurs,
        Self::ReplacedByDeletion,
        Self::NeverTriedAgain,
        Self::StatusNeverTheSame,
        Self::ConsumerToldToProvider,
        Self::LateReplyBelieved,
    ];

    /// Those of moves by a playbook and of the limits on moves, which the model of the migration engine is shown to
    /// notice (docs/model.md).
    pub const OF_MOVES: &[Self] = &[
        Self::SwitchedBeforeStages,
        Self::FenceNeverLifted,
        Self::SwitchedUnfenced,
        Self::PreconditionIgnored,
        Self::HelpersLeftBehind,
        Self::CancelledAfterSwitch,
        Self::WentBackWithLoss,
        Self::WayBackUnfenced,
        Self::RolledBackFirst,
        Self::OldCopyOpenedEarly,
        Self::CutoverWithoutEnd,
        Self::RecordedMovesUncounted,
    ];
}

#[cfg(feature = "sabotage")]
pub use selected::{forgives, is, with};

/// Whether this bug is switched on: never, without the feature `sabotage`.
#[cfg(not(feature = "sabotage"))]
pub const fn is(_: Bug) -> bool {
    false
}

/// Whether a decision that breaks a promise is carried out all the same: never, without the feature `sabotage`.
#[cfg(not(feature = "sabotage"))]
pub const fn forgives(_: &crate::audit::Violation) -> bool {
    false
}

#[cfg(feature = "sabotage")]
mod selected {
    use std::cell::RefCell;

    use super::Bug;
    use crate::audit::Violation;

    thread_local! {
        static SELECTED: RefCell<Option<(Bug, Vec<Violation>)>> = const { RefCell::new(None) };
    }

    /// Whether this bug is switched on, on this thread.
    pub fn is(bug: Bug) -> bool {
        SELECTED.with_borrow(|selected| selected.as_ref().is_some_and(|(on, _)| *on == bug))
    }

    /// Whether a decision that breaks a promise is carried out all the same: so while any bug is switched on, for the
    /// audit would stop many of them. What it would have stopped is noted.
    pub fn forgives(violation: &Violation) -> bool {
        SELECTED.with_borrow_mut(|selected| match selected {
            Some((_, noted)) => {
                noted.push(violation.clone());
                true
            }
            None => false,
        })
    }

    /// Runs something, all of it on this thread, with a bug switched on. Returns with it what the audit would have
    /// stopped.
    pub fn with<T>(bug: Bug, run: impl FnOnce() -> T) -> (T, Vec<Violation>) {
        struct Off;
        impl Drop for Off {
            fn drop(&mut self) {
                SELECTED.take();
            }
        }
        SELECTED.set(Some((bug, Vec::new())));
        let off = Off;
        let result = run();
        let noted = SELECTED.take().map(|(_, noted)| noted).unwrap_or_default();
        drop(off);
        (result, noted)
    }
}

#[cfg(all(test, feature = "sabotage"))]
mod tests {
    use super::*;
    use crate::audit::Violation;

    #[test]
    fn a_bug_is_on_for_as_long_as_it_is_asked_for_and_on_this_thread_alone() {
        let mistake = Violation::DanglingPointer;
        assert!(!is(Bug::GraceIgnored) && !forgives(&mistake));
        let (seen, noted) = with(Bug::GraceIgnored, || {
            let elsewhere = std::thread::spawn(|| is(Bug::GraceIgnored)).join().unwrap();
            (is(Bug::GraceIgnored), is(Bug::WrongCopyShown), elsewhere, forgives(&Violation::DanglingPointer))
        });
        assert_eq!((seen, noted), ((true, false, false, true), vec![mistake.clone()]));
        assert!(std::panic::catch_unwind(|| with(Bug::GraceIgnored, || panic!("in the middle"))).is_err());
        assert!(!is(Bug::GraceIgnored) && !forgives(&mistake));
    }
}
