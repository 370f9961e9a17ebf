//! What is remembered of an order between passes: what writes came to, and what was told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::order::{Action, Blocked, Settled};
use crate::port::{Observed, PortError, PortErrorKind};
use crate::resource::{Object, ObjectRef};
use crate::sabotage::{self, Bug};
use crate::time::Timestamp;

/// A write that was refused is tried again after this long, doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(15);
/// The doubling ends here.
const LONGEST_RETRY: Duration = Duration::from_mins(10);
/// Two Events with the same reason about one order are at least this long apart, whatever flaps; its condition always
/// says how it is.
const TELL_PAUSE: Duration = Duration::from_mins(1);
/// The same Event is not told again before this long.
const TELL_AGAIN: Duration = Duration::from_mins(10);

/// What is remembered of one order between passes. Losing it costs repeated writes, nothing else.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) settled: BTreeMap<ObjectRef, Settled>,
    pub(super) blocked: BTreeMap<ObjectRef, BlockedWrite>,
    /// The last Event of each reason.
    told: BTreeMap<&'static str, Told>,
}

#[derive(Clone, Debug)]
struct Told {
    message: String,
    at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct BlockedWrite {
    pub(super) blocked: Blocked,
    pub(super) basis: String,
    pause: Duration,
    until: Timestamp,
}

impl BlockedWrite {
    /// Whether it is not to be tried again yet. A clock that went back ends the pause rather than making it longer.
    pub(super) fn is_paused(&self, now: Timestamp) -> bool {
        self.until > now && self.until.since(now) <= self.pause
    }
}

impl Memory {
    pub(super) fn block(&mut self, target: ObjectRef, blocked: Blocked, basis: &str, now: Timestamp) {
        let pause =
            self.blocked.get(&target).map_or(FIRST_RETRY, |before| (before.pause * 2).min(LONGEST_RETRY));
        let pause = if sabotage::is(Bug::NeverTriedAgain) { pause * 1_000_000 } else { pause };
        let entry = BlockedWrite { blocked, basis: basis.to_owned(), pause, until: now.plus(pause) };
        self.blocked.insert(target, entry);
    }

    pub(super) fn next_retry(&self) -> Option<Timestamp> {
        self.blocked.values().map(|entry| entry.until).min()
    }

    /// Takes note of an Event that is to be told; false where it would repeat one, or come too soon after one.
    pub(super) fn tell(&mut self, reason: &'static str, message: &str, now: Timestamp) -> bool {
        let is_news = self.told.get(reason).is_none_or(|before| {
            let pause = if before.message == message { TELL_AGAIN } else { TELL_PAUSE };
            // What was told in the future was told before the clock went back.
            now.since(before.at) >= pause || before.at > now
        });
        if is_news {
            self.told.insert(reason, Told { message: message.to_owned(), at: now });
        }
        is_news
    }
}

/// What a refused write depended on: when it changes, the write is worth another try at once.
pub(super) fn basis(observed: &Observed) -> String {
    use std::fmt::Write as _;
    let mut text = observed.order.as_ref().map(|order| order.generation().to_string()).unwrap_or_default();
    for view in observed.copies.values() {
        if let crate::order::CopyView::Present(copy) = view {
            // Writing to a String cannot fail.
            let _ = write!(text, " {}@{}", copy.uid(), copy.resource_version());
        }
    }
    text
}

/// What the server made of a write, so that it is not repeated where the result differs from what was wanted.
pub(super) fn settles(action: &Action, object: &Object) -> Option<(ObjectRef, Settled)> {
    match action {
        Action::ApplyStatus { order, status, .. } => {
            Some((order.clone(), Settled::of_status(status, object)))
        }
        Action::ApplyCopy { copy, object: wanted } | Action::CreateCopy { copy, object: wanted } => {
            Some((copy.object_ref(), Settled::of_object(wanted, object)))
        }
        Action::ApplyRelated { target, object: wanted, .. }
        | Action::CreateRelated { target, object: wanted } => {
            Some((target.clone(), Settled::of_object(wanted, object)))
        }
        Action::AddFinalizer { .. }
        | Action::RemoveFinalizer { .. }
        | Action::Tell { .. }
        | Action::CreateAssignment(_)
        | Action::UpdateAssignment(_)
        | Action::ApplyAssignmentStatus { .. }
        | Action::DeleteAssignment { .. }
        | Action::CreateMigration(_)
        | Action::AdoptMigration(_)
        | Action::AnswerRequest { .. }
        | Action::UpdateMigration(_)
        | Action::DeleteMigration { .. }
        | Action::DeleteCopy { .. }
        | Action::Fence { .. }
        | Action::CreateHelper { .. }
        | Action::ApplyHelper { .. }
        | Action::DeleteHelpers { .. }
        | Action::DeleteRelated { .. } => None,
    }
}

/// Which writes are not tried again at once after which refusal.
pub(super) fn blocks(action: &Action, error: &PortError) -> Option<(ObjectRef, Blocked)> {
    let refused = |target: ObjectRef| match error.kind {
        PortErrorKind::Denied | PortErrorKind::Invalid | PortErrorKind::NotFound => {
            Some((target, Blocked::Refused(error.kind.reason().to_owned())))
        }
        PortErrorKind::AlreadyExists
        | PortErrorKind::Conflict
        | PortErrorKind::Unavailable
        | PortErrorKind::Fenced => None,
    };
    match action {
        Action::CreateRelated { target, .. } if error.kind == PortErrorKind::AlreadyExists => {
            Some((target.clone(), Blocked::Foreign))
        }
        Action::CreateRelated { target, .. } => refused(target.clone()),
        Action::ApplyRelated { target, .. } if error.kind != PortErrorKind::NotFound => {
            refused(target.clone())
        }
        Action::CreateCopy { copy, .. } => refused(copy.object_ref()),
        Action::ApplyCopy { copy, .. } if error.kind != PortErrorKind::NotFound => refused(copy.object_ref()),
        Action::ApplyRelated { .. }
        | Action::ApplyCopy { .. }
        | Action::AddFinalizer { .. }
        | Action::RemoveFinalizer { .. }
        | Action::ApplyStatus { .. }
        | Action::Tell { .. }
        | Action::CreateAssignment(_)
        | Action::UpdateAssignment(_)
        | Action::ApplyAssignmentStatus { .. }
        | Action::DeleteAssignment { .. }
        | Action::CreateMigration(_)
        | Action::AdoptMigration(_)
        | Action::AnswerRequest { .. }
        | Action::UpdateMigration(_)
        | Action::DeleteMigration { .. }
        | Action::DeleteCopy { .. }
        | Action::Fence { .. }
        | Action::CreateHelper { .. }
        | Action::ApplyHelper { .. }
        | Action::DeleteHelpers { .. }
        | Action::DeleteRelated { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Gvk, ObjectKey};

    #[test]
    fn a_refused_write_waits_for_its_pause_and_not_for_a_clock_that_went_back() {
        let key =
            ObjectKey { cluster: "acme".into(), namespace: "default".to_owned(), name: "key".to_owned() };
        let target = ObjectRef { gvk: Gvk::new("", "v1", "Secret"), key };
        let (now, mut memory) = (Timestamp::from_millis(1_767_225_600_000), Memory::default());
        memory.block(target.clone(), Blocked::Refused("denied".to_owned()), "basis", now);
        let is_paused = |at| memory.blocked[&target].is_paused(at);
        assert!(is_paused(now) && is_paused(now.plus(FIRST_RETRY).before(Duration::from_millis(1))));
        assert!(!is_paused(now.plus(FIRST_RETRY)));
        assert!(!is_paused(now.before(Duration::from_hours(1))));
    }

    #[test]
    fn an_event_is_told_again_after_its_pause_and_after_a_clock_that_went_back() {
        let (now, mut memory) = (Timestamp::from_millis(1_767_225_600_000), Memory::default());
        assert!(memory.tell("Bound", "served", now));
        assert!(!memory.tell("Bound", "served", now.plus(TELL_PAUSE)), "the same");
        assert!(memory.tell("Bound", "other words", now.plus(TELL_PAUSE)));
        assert!(memory.tell("Bound", "other words", now.before(Duration::from_hours(1))));
    }
}
