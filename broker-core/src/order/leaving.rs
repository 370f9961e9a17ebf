//! Whether an order has to leave the copy that serves it, and where it goes.
//!
//! An explicit word acts at once: an offer that no longer accepts the order, was withdrawn or drained, a provider that
//! left the fleet. Silence does not: it is waited out, and moves an order only where the platform lets it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::asked;
use super::decision::{Action, Decision};
use super::keeping::{created_at, is_ready};
use super::policy::{Failover, Fence, Moves};
use super::record::{Assignment, CopyRef};
use super::setback::{Setback, shunned};
use super::silence::{does_not_answer, is_given_up, silent_until, span};
use super::world::{Compute, CopyView, Fit, Placement, World};
use crate::migration::{Controls, Migration, Origin, Position, Receipt};
use crate::offer::OfferId;
use crate::playbook::{Phase, Playbook};
use crate::resource::{ClusterName, ConditionStatus, Gvk};
use crate::translate::{Told, migration_name, migration_serial};

/// What becomes of an order that is served by one copy, with what the consumer is told.
pub(super) enum Leaving {
    /// Nothing speaks against where it is.
    Stays(Told),
    /// It ought to leave, or may have to, and cannot yet.
    Waits(Told),
    /// A move begins.
    Begins(Told),
    /// Another offer of the same provider takes the copy as it is: nothing moves, it is only recorded.
    Signs(OfferId),
}

/// Whether an order that is about to move still has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// It cannot stay: the offer does not accept it any more, its provider is gone or was given up, or it never
    /// became ready.
    MustLeave,
    /// Nobody can tell: its provider does not answer at the moment.
    Silent,
    /// It can stay.
    MayStay,
    /// It can stay, and a person wants it to move.
    Asked,
}

/// Whether the order can stay with what a move takes it from.
pub(super) fn stand_of(
    world: &World<'_>,
    assignment: &Assignment,
    copy: &CopyRef,
    migration: &Migration,
) -> Stand {
    match (stand(world, assignment, copy), migration.origin) {
        (Stand::MayStay, Origin::Person) => Stand::Asked,
        (Stand::Silent, _) if migration.is_failover() => Stand::Asked,
        (stand, _) => stand,
    }
}

/// Whether the order can stay with this copy.
fn stand(world: &World<'_>, assignment: &Assignment, copy: &CopyRef) -> Stand {
    let fit = world.fit(copy);
    if matches!(world.copy(copy), CopyView::Gone) || fit.is_over() {
        return Stand::MustLeave;
    }
    if assignment.pointer.is_none() && !is_ready(world, copy) {
        return Stand::MustLeave;
    }
    let unreachable = matches!(fit, Fit::Unreachable);
    if unreachable && fails_over(world, assignment) && is_given_up(world, &copy.key.cluster) {
        Stand::MustLeave
    } else if unreachable || matches!(world.copy(copy), CopyView::Unknown) {
        Stand::Silent
    } else {
        Stand::MayStay
    }
}

/// Whether silence alone may move the order, once it lasted.
fn fails_over(world: &World<'_>, assignment: &Assignment) -> bool {
    // A move that was begun for it goes on.
    let begun = world.migrations.iter().filter(|migration| !migration.state().is_final());
    let needless = begun.clone().any(Migration::goes_without_source);
    let free = world.policy.moves == Moves::Free || !is_handed_out(world, assignment) || needless;
    free && world.policy.effective_failover() == Failover::Automatic
}

/// Whether the consumer holds, or ever held, anything of a copy.
pub(super) fn is_handed_out(world: &World<'_>, assignment: &Assignment) -> bool {
    assignment.pointer.is_some() || !world.mirrored.is_empty()
}

/// Decides whether the order has to leave its copy; starts the move if so.
pub(super) fn leave(
    world: &World<'_>,
    assignment: &Assignment,
    copy: &CopyRef,
    fit: &Fit,
    record_changes: bool,
    decision: &mut Decision,
) -> Leaving {
    if !record_changes && asked::begin(world, assignment, copy, decision) {
        return Leaving::Begins(begun());
    }
    let departure = Departure { world, assignment, copy, record_changes };
    if fit.is_over() || matches!(world.copy(copy), CopyView::Gone) {
        return departure.no_longer_fits(decision);
    }
    let silent = matches!(fit, Fit::Unreachable) || matches!(world.copy(copy), CopyView::Unknown);
    let handed_out = is_handed_out(world, assignment);
    if !handed_out && let Some(leaving) = departure.first_copy_is_late(silent, decision) {
        return leaving;
    }
    if silent {
        return departure.does_not_answer(fit, decision);
    }
    if handed_out && world.live(copy).is_none() {
        return refused("CopyLost", "what was provided is gone; it is being made again");
    }
    let text = if handed_out { "served" } else { "accepted; the provider is working on it" };
    Leaving::Stays(Told { status: ConditionStatus::True, reason: "Bound", message: text.to_owned() })
}

/// Where an order could go.
enum Elsewhere<'w> {
    /// There.
    Now(Placement),
    /// Only to offers that failed it a moment ago: this is the first that may be tried again.
    Later(Setback<'w>),
    /// Nobody else takes it.
    Nowhere,
}

struct Departure<'w> {
    world: &'w World<'w>,
    assignment: &'w Assignment,
    copy: &'w CopyRef,
    record_changes: bool,
}

impl Departure<'_> {
    fn no_longer_fits(&self, decision: &mut Decision) -> Leaving {
        let world = self.world;
        let handed_out = is_handed_out(world, self.assignment);
        let stays = if handed_out { "; what was provided before keeps serving" } else { "" };
        let found = match self.elsewhere(decision) {
            Elsewhere::Now(placement) if self.is_where_it_is(&placement) => {
                return Leaving::Signs(placement.offer);
            }
            Elsewhere::Now(placement) => Ok(placement),
            Elsewhere::Later(setback) => Err(setback),
            Elsewhere::Nowhere => {
                return refused("NoMatchingOffer", format!("{}{stays}", world.chooser.refusal()));
            }
        };
        let playbook = match &found {
            Ok(placement) => self.playbook(placement, handed_out),
            Err(_) => Ok(None),
        };
        let playbook = match playbook {
            Ok(playbook) => playbook,
            Err((reason, why)) => {
                return refused(reason, format!("the order must move, but {why}; it stays where it is"));
            }
        };
        if !world.policy.migrations_enabled {
            return refused(
                "MigrationDisabled",
                "the order must move, but migrations are switched off; it stays where it is",
            );
        }
        match found {
            Ok(placement) => self.begin(
                &placement,
                playbook,
                "the order no longer fits the offer that serves it",
                decision,
            ),
            Err(setback) => {
                refused("MoveFailed", format!("the order must move, but {}{stays}", setback.told()))
            }
        }
    }

    /// Whether a copy for this offer would be the one that is there: an offer was renamed, or split.
    fn is_where_it_is(&self, placement: &Placement) -> bool {
        let copy = self.copy;
        placement.offer.cluster == copy.key.cluster
            && placement.namespace == copy.key.namespace
            && placement.gvr == copy.gvr
            && self.world.live(copy).is_some_and(|live| !live.is_deleting())
    }

    /// Nothing was handed out yet: nothing can be lost by trying another offer, whatever the objects hold.
    ///
    /// The first copy may have been made without an answer that says so; the assignment goes on naming it until it is
    /// known to be gone.
    fn first_copy_is_late(&self, silent: bool, decision: &mut Decision) -> Option<Leaving> {
        let world = self.world;
        let timeout = world.policy.ready_timeout;
        let made = world.live(self.copy).and_then(|live| created_at(live));
        let deadline = made.or(self.assignment.created_at)?.plus(timeout);
        if world.now < deadline {
            decision.wake_at(deadline);
            return None;
        }
        let late = if silent {
            does_not_answer()
        } else {
            Told {
                status: ConditionStatus::False,
                reason: "NotReady",
                message: format!("the provider did not make it ready within {}s", timeout.as_secs()),
            }
        };
        let elsewhere = self.elsewhere(decision);
        if let Elsewhere::Now(placement) = elsewhere
            && world.policy.migrations_enabled
            && !self.record_changes
        {
            self.begin(&placement, None, "the first copy did not become ready in time", decision);
            return Some(Leaving::Begins(late));
        }
        Some(Leaving::Waits(late))
    }

    /// Silence is waited out; what lasts moves the order, or asks for a person.
    fn does_not_answer(&self, fit: &Fit, decision: &mut Decision) -> Leaving {
        let world = self.world;
        let Some(deadline) = silent_until(world, &self.copy.key.cluster) else {
            return Leaving::Waits(does_not_answer());
        };
        if world.now < deadline {
            decision.wake_at(deadline);
            return Leaving::Waits(does_not_answer());
        }
        let lasted = format!("the provider has not answered for {}", span(world.policy.failover_after));
        let waits = |message: String| Leaving::Waits(Told { message, ..does_not_answer() });
        if world.policy.effective_failover() == Failover::Manual {
            return waits(format!("{lasted}; a person must decide whether the order moves"));
        }
        if !matches!(fit, Fit::Unreachable) {
            // Those who observe do not agree yet.
            return Leaving::Waits(does_not_answer());
        }
        if self.assignment.leftovers.len() >= Assignment::MAX_LEFTOVERS {
            return waits(format!("{lasted}, and neither have others before it; the order waits"));
        }
        let placement = match self.elsewhere(decision) {
            Elsewhere::Now(placement) => placement,
            Elsewhere::Later(setback) => return waits(format!("{lasted}; {}", setback.told())),
            Elsewhere::Nowhere => {
                let refusal = world.chooser.refusal();
                return waits(format!("{lasted}, and nobody else serves the order: {refusal}"));
            }
        };
        let playbook = if fails_over(world, self.assignment) {
            None
        } else {
            match self.playbook(&placement, true) {
                Ok(Some(playbook)) if !playbook.needs_source() => Some(playbook),
                Ok(Some(playbook)) => {
                    let name = &playbook.name;
                    return refused(
                        "NoPlaybook",
                        format!("{lasted}, and the playbook {name} needs what it holds; the order waits"),
                    );
                }
                Ok(None) => None,
                Err((reason, why)) => {
                    return refused(reason, format!("{lasted}; {why}, so the order waits"));
                }
            }
        };
        if !world.policy.migrations_enabled {
            return refused(
                "MigrationDisabled",
                format!("{lasted}, but migrations are switched off; the order waits"),
            );
        }
        self.begin(&placement, playbook, &lasted, decision)
    }

    /// The best of the other offers, without those that failed the order a moment ago.
    fn elsewhere(&self, decision: &mut Decision) -> Elsewhere<'_> {
        let world = self.world;
        let mut others: BTreeSet<OfferId> = shunned(world).cloned().collect();
        let any_failed = !others.is_empty();
        let own = Some(&self.copy.offer).filter(|_| !self.changed_its_kind());
        others.extend(own.cloned());
        if let Some(placement) = world.chooser.best(&others) {
            return Elsewhere::Now(placement);
        }
        if !any_failed {
            return Elsewhere::Nowhere;
        }
        // All that fit are among those that failed. The first that may be tried again matters.
        let mut seen: BTreeSet<OfferId> = own.cloned().into_iter().collect();
        let mut next: Option<Setback<'_>> = None;
        while let Some(placement) = world.chooser.best(&seen)
            && seen.insert(placement.offer.clone())
        {
            let setback = Setback::of(&world.migrations, &placement.offer);
            next = [next, setback].into_iter().flatten().min_by_key(|setback| setback.until());
        }
        next.map_or(Elsewhere::Nowhere, |setback| {
            decision.wake_at(setback.until());
            Elsewhere::Later(setback)
        })
    }

    /// Whether the offer makes copies of another kind by now: then the order may move to where it is.
    fn changed_its_kind(&self) -> bool {
        let fit = self.world.chooser.fit(&self.copy.offer);
        matches!(fit, Fit::Fits(placement) if !placement.is_kind_of(self.copy))
    }

    fn playbook(&self, placement: &Placement, handed_out: bool) -> Result<Option<Arc<Playbook>>, Unmet> {
        if !handed_out {
            return Ok(None);
        }
        let (from, to) = (self.copy.gvk(), placement.gvk());
        playbook(self.world, (&from, &self.copy.offer.cluster), (&to, &placement.offer.cluster), false)
    }

    fn begin(
        &self,
        placement: &Placement,
        playbook: Option<Arc<Playbook>>,
        why: &str,
        decision: &mut Decision,
    ) -> Leaving {
        if let Some(halted) = &self.world.halted {
            return refused(
                "MovesHalted",
                format!("the order must move, but {halted}; it stays where it is"),
            );
        }
        if let Some(running) = self.world.migrations.iter().find(|it| !it.state().is_final()) {
            return refused("Migrating", format!("the order must move; {} is not over", running.name));
        }
        if !self.record_changes {
            let serial = next_serial(self.world, self.assignment);
            let name = migration_name(&self.assignment.name, serial);
            let mut record = record_of_move(self.world, name, &self.copy.offer, &placement.offer, why);
            record.serial = serial;
            record.playbook = playbook;
            decision.act(Action::CreateMigration(record));
        }
        Leaving::Begins(begun())
    }
}

/// What the consumer is told of a move that begins.
fn begun() -> Told {
    Told {
        status: ConditionStatus::True,
        reason: "Migrating",
        message: "a replacement is being made first".to_owned(),
    }
}

/// The number of the next copy. A move that was called off before it named one has used its number up, and so has
/// whoever took the name that a move would have.
pub(super) fn next_serial(world: &World<'_>, assignment: &Assignment) -> u32 {
    let moves = world.migrations.iter().map(|migration| migration.serial);
    let requests = world.requests.iter();
    let taken = requests.filter_map(|asked| migration_serial(&assignment.name, &asked.request.name));
    moves.chain(taken).max().unwrap_or_default().max(assignment.serial) + 1
}

/// Why an order cannot move by itself: a reason, and its words.
pub(super) type Unmet = (&'static str, String);

/// The playbook for a move between two kinds and providers of what was handed out, or why there can be no such move.
pub(super) fn playbook(
    world: &World<'_>,
    (from, source): (&Gvk, &ClusterName),
    (to, target): (&Gvk, &ClusterName),
    allow_loss: bool,
) -> Result<Option<Arc<Playbook>>, Unmet> {
    match world.playbooks.choose(from, to, source, target) {
        Err(ambiguous) => Err(("AmbiguousPlaybook", ambiguous.to_string())),
        Ok(None) if world.policy.moves == Moves::PlaybookOnly => {
            Err(("NoPlaybook", "its objects hold data and no playbook says how".to_owned()))
        }
        Ok(None) => Ok(None),
        Ok(Some(playbook)) => match unmet(world, &playbook, allow_loss) {
            Some(unmet) => Err(unmet),
            None => Ok(Some(playbook)),
        },
    }
}

/// What a playbook needs and does not have.
fn unmet(world: &World<'_>, playbook: &Playbook, allow_loss: bool) -> Option<Unmet> {
    let name = &playbook.name;
    let has_cutover = playbook.of_phase(Phase::Cutover).next().is_some();
    let fenced = has_cutover || allow_loss || !playbook.copies_data();
    if world.policy.effective_fence() == Fence::Required && !fenced {
        let why = format!("the playbook {name} copies data and has no stage in which writes are held up");
        return Some(("FenceRequired", why));
    }
    if playbook.creates_helpers() && world.compute == Compute::Missing {
        let why =
            format!("the playbook {name} needs helper objects, and there is no compute cluster for them");
        return Some(("NoComputeCluster", why));
    }
    None
}

fn refused(reason: &'static str, message: impl Into<String>) -> Leaving {
    Leaving::Waits(Told { status: ConditionStatus::False, reason, message: message.into() })
}

pub(super) fn record_of_move(
    world: &World<'_>,
    name: String,
    from: &OfferId,
    to: &OfferId,
    why: &str,
) -> Migration {
    Migration {
        name,
        uid: String::new(),
        resource_version: String::new(),
        origin: Origin::Broker,
        serial: 0,
        order: world.identity.clone(),
        kind: world.policy.kind.clone(),
        from: from.clone(),
        to: to.clone(),
        playbook: None,
        controls: Controls::default(),
        position: Position::default(),
        message: why.to_owned(),
        failed_before: Setback::of(&world.migrations, to).map_or(0, Setback::failures),
        receipt: Receipt::default(),
    }
}
