//! Records that do not fit what is there: after a restore, or when somebody deleted one.
//!
//! Nothing is placed, switched or removed on the word of such a record: a person has it set right first (see
//! [`recovery`](super::recovery)). A copy is known again by its name: it is made from the order's uid, which no provider
//! sees, so nobody but us can have given it, and it tells which of the order's copies it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::policy::{Moves, Policy};
use super::record::{Assignment, OrderIdentity};
use super::world::{CopyView, World};
use crate::migration::{Migration, MigrationState};
use crate::resource::{Gvr, Object, ObjectKey, marker};
use crate::translate::{assignment_name, copy_serials};

/// How many copies further than its record an order can have come and still be known again.
const FURTHEST: u32 = 256;

/// What of an order is there beside what its records name. Empty as long as nothing was restored or deleted by hand.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// Objects of the API that carry the order's mark, and that no assignment names.
    pub unnamed: BTreeMap<ObjectKey, Arc<Object>>,
    /// Resource and kind of those of them that are not of the orders' own kind.
    pub kinds: BTreeMap<ObjectKey, (Gvr, String)>,
    /// The assignments of other orders of the same name: of one that was there before, or that is there now.
    pub rivals: Vec<Assignment>,
    /// What was observed of the copies that the rivals name.
    pub rival_copies: BTreeMap<ObjectKey, CopyView>,
    /// The order that has the name now, where the one that this is about is gone.
    pub successor: Option<Arc<Object>>,
}

impl Traces {
    /// Resource and kind of what no assignment names.
    pub(super) fn kind_of(&self, key: &ObjectKey, policy: &Policy) -> (Gvr, String) {
        self.kinds.get(key).cloned().unwrap_or_else(|| (policy.gvr.clone(), policy.kind.clone()))
    }
}

/// Why it cannot be told who serves an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// Nothing says who serves it, and it was placed before.
    Missing,
    /// Its record names no copy.
    Empty,
    /// Its record is older than what is there.
    Older,
    /// Its record names a copy in whose place there is another one of ours.
    OtherCopy,
}

impl Loss {
    /// What the consumer and the platform read.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Missing => {
                "the record of who serves this order is missing; it is not placed again until the platform recovers it"
            }
            Self::Empty => {
                "the record of who serves this order names nothing; it is not placed again until the platform recovers it"
            }
            Self::Older => {
                "the record of who serves this order is older than what serves it; nothing is changed until the platform recovers it"
            }
            Self::OtherCopy => {
                "what serves this order is not what its record says, though of the same name; nothing is changed until the platform recovers it"
            }
        }
    }
}

/// Why it cannot be told who serves an order that lives; `None` where its record fits what is there.
pub fn loss(world: &World<'_>) -> Option<Loss> {
    let order = world.order.as_ref()?;
    let Some(assignment) = &world.assignment else {
        // The finalizer is written only once the assignment exists, and copies are made after that.
        let was_placed = holds_our_finalizer(order) || copies_beyond(world).next().is_some();
        return was_placed.then_some(Loss::Missing);
    };
    if assignment.copies.is_empty() {
        Some(Loss::Empty)
    } else if copies_beyond(world).next().is_some() || moves_beyond(assignment, &world.migrations) {
        Some(Loss::Older)
    } else if is_replaced(world, assignment) {
        Some(Loss::OtherCopy)
    } else {
        None
    }
}

/// Whether an order holds our finalizer.
pub(super) fn holds_our_finalizer(order: &Object) -> bool {
    order.finalizers().any(|finalizer| finalizer == marker::ORDER_FINALIZER)
}

/// Copies of this order that are there, that its record does not name, and that it did not leave behind either.
fn copies_beyond<'w>(world: &'w World<'_>) -> impl Iterator<Item = &'w ObjectKey> {
    let record = world.assignment.as_ref();
    unnamed_copies(world).filter_map(move |(key, object, serial)| {
        let beyond = !object.is_deleting()
            && record.is_none_or(|record| serial > record.serial || names_elsewhere(record, key));
        beyond.then_some(key)
    })
}

/// The unnamed objects that are copies of this order by their names, with their serial numbers.
pub(super) fn unnamed_copies<'w>(
    world: &'w World<'_>,
) -> impl Iterator<Item = (&'w ObjectKey, &'w Arc<Object>, u32)> {
    copies_among(&world.identity, world.assignment.as_ref(), &world.traces.unnamed)
}

/// Those among the objects whose names are copies' of this order.
pub(super) fn copies_among<'o>(
    order: &OrderIdentity,
    record: Option<&Assignment>,
    objects: &'o BTreeMap<ObjectKey, Arc<Object>>,
) -> impl Iterator<Item = (&'o ObjectKey, &'o Arc<Object>, u32)> {
    let known = record.map_or(0, |record| record.serial);
    let serials = if objects.is_empty() {
        BTreeMap::new()
    } else {
        copy_serials(order, known.saturating_add(FURTHEST))
    };
    objects.iter().filter_map(move |(key, object)| Some((key, object, *serials.get(&key.name)?)))
}

/// Whether the record names a copy of this very name in another place: the two have different pasts.
fn names_elsewhere(record: &Assignment, key: &ObjectKey) -> bool {
    record.named().any(|copy| copy.key.name == key.name && copy.key != *key)
}

/// Whether a move came further than the assignment, which is always written first.
pub fn moves_beyond(assignment: &Assignment, migrations: &[Migration]) -> bool {
    migrations.iter().any(|migration| {
        // Before its replacement is named, a move can only wait or be called off.
        let begun = !matches!(migration.state(), MigrationState::Pending | MigrationState::Cancelled);
        let ahead = migration.serial > assignment.serial;
        // On its way back the pointer is there before the record says so.
        let switched =
            matches!(migration.state(), MigrationState::CutoverCompleted | MigrationState::Completed)
                && !migration.may_be_pointed_back();
        let not_switched = assignment.moving().is_some_and(|(_, target)| {
            target.migration.as_deref() == Some(migration.name.as_str()) && !assignment.points_to(target)
        });
        ahead && begun || switched && not_switched
    })
}

/// Whether in the place of its only copy there is another object that carries this order's mark.
fn is_replaced(world: &World<'_>, assignment: &Assignment) -> bool {
    let [copy] = assignment.copies.as_slice() else { return false };
    let (CopyView::Present(there), Some(uid)) = (world.copy(copy), &copy.uid) else { return false };
    there.uid() != uid
        && !there.is_deleting()
        && there.label(marker::ORDER_LABEL) == Some(assignment.name.as_str())
}

/// Whether the order that is gone was only replaced by itself, as a restore of its cluster does: an order that is made
/// anew does not hold our finalizer, and one that holds it has an assignment.
pub(super) fn was_restored(world: &World<'_>) -> bool {
    world.order.is_none()
        && world.traces.successor.as_ref().is_some_and(|successor| {
            let has_its_own = world.traces.rivals.iter().any(|rival| rival.order.uid == successor.uid());
            holds_our_finalizer(successor) && !has_its_own
        })
}

/// Whether another order's assignment names this copy as well: the order took it over.
pub(super) fn is_taken_over(world: &World<'_>, key: &ObjectKey) -> bool {
    world.traces.rivals.iter().any(|rival| rival.named().any(|copy| copy.key == *key))
}

/// What is to be done with an object that carries our mark and that no assignment in cache names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// It stays: it is a copy, or may be the last that is left of one.
    Stays,
    /// It was left behind, and nobody needs it.
    Goes,
}

/// Judges such an object; `record` is the assignment that its mark names, if there is one.
///
/// An assignment that came further than the object says that the object was left behind. Without one there is no such
/// proof: then only what holds no data goes, and only while no order of the API waits for its record.
pub fn judge_stray(
    key: &ObjectKey,
    record: Option<&Assignment>,
    moves: Moves,
    orders_are_lost: bool,
) -> Stray {
    let left_behind = match record {
        Some(record) => {
            let named = record.named().any(|copy| copy.key == *key);
            let known = copy_serials(&record.order, record.serial.min(FURTHEST)).contains_key(&key.name);
            known && !named && !names_elsewhere(record, key)
        }
        None => moves == Moves::Free && !orders_are_lost,
    };
    if left_behind { Stray::Goes } else { Stray::Stays }
}

/// Whether an order waits for its record, as far as it and the assignments of its name tell.
///
/// `mark` is the one on an object that was found: an order whose mark it is waits as well.
pub fn waits_for_record(order: &Object, identity: &OrderIdentity, has_record: bool, mark: &str) -> bool {
    !has_record && (holds_our_finalizer(order) || assignment_name(identity) == mark)
}
