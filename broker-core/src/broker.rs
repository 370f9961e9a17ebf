//! The driver: observe, decide, act, and again until the order is at rest.
//!
//! It needs no runtime of its own; whoever embeds it polls the future of [`Broker::pass`]. One order must not be passed
//! twice at the same time; different orders may.

mod chooser;
mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use self::chooser::MatcherChooser;
use self::memory::{Memory, basis, blocks, settles};
use crate::audit::{Violation, audit};
use crate::matching::{Matcher, Reserved, Routing};
use crate::migration::Migration;
use crate::offer::{OfferId, ReadOrder};
use crate::order::recovery::{Recovery, recovery};
use crate::order::{Action, Chooser, Decision, Report, World, decide};
use crate::port::{
    Clock, MigrationExecutor, Observed, OrderAddress, OrderObserver, PortError, PortErrorKind,
    ProviderRegistry, Written,
};
use crate::resource::{Object, ObjectKey};
use crate::sabotage;
use crate::time::Timestamp;
use crate::translate::assignment_name;

/// A whole move by a playbook and its way back take some thirty rounds where every provider has answered already; more
/// means that something keeps answering differently.
const MAX_ROUNDS: usize = 64;
/// Drives orders to rest over the ports.
#[derive(Debug)]
pub struct Broker<R, O, E, C> {
    registry: R,
    observer: O,
    executor: E,
    clock: C,
    memories: Mutex<BTreeMap<String, Memory>>,
    /// Orders whose last pass failed, by address: places may be kept for them, and they may be gone when it is asked
    /// for them next.
    unsettled: Mutex<BTreeMap<OrderAddress, String>>,
}

/// What one pass came to.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// What the last decision said of itself.
    pub report: Report,
    /// When to pass again even if nothing changes.
    pub wake: Option<Timestamp>,
    /// The verbs of what was written, in order.
    pub written: Vec<&'static str>,
    /// Failures that stop nothing, such as an Event that could not be written.
    pub warnings: Vec<String>,
}

/// Why a pass ended before the order was at rest.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// A call failed; pass again later.
    #[error("a call failed")]
    Port(#[from] PortError),
    /// The providers were not read completely yet.
    #[error("the offers were not read completely yet")]
    NotReady,
    /// A decision broke an invariant and was not carried out. A bug; nothing was written.
    #[error("a decision was withheld because it breaks an invariant: {0}")]
    Unsound(Box<Violation>),
    /// The order does not come to rest.
    #[error("the order did not come to rest within {MAX_ROUNDS} rounds; the last wrote {0}")]
    Restless(String),
}

impl<R, O, E, C> Broker<R, O, E, C>
where
    R: ProviderRegistry,
    O: OrderObserver,
    E: MigrationExecutor,
    C: Clock,
{
    /// A broker over these ports.
    pub fn new(registry: R, observer: O, executor: E, clock: C) -> Self {
        Self { registry, observer, executor, clock, memories: Mutex::default(), unsettled: Mutex::default() }
    }

    /// Brings one order to rest: to the point where it waits for a provider, a consumer or the time.
    pub async fn pass(&self, address: &OrderAddress) -> Result<Passed, PassError> {
        let mut passed = Passed::default();
        for _ in 0..MAX_ROUNDS {
            let observed = self.observer.observe(address)?;
            self.let_go(address, observed.as_ref());
            let object = observed.as_ref().and_then(|observed| observed.order.as_ref());
            // Read once for all questions about it in this round.
            let reading = object.map(|order| ReadOrder::new(order.clone()));
            let Some(observed) = observed else { return Ok(passed) };
            let matcher = self.registry.matcher().ok_or(PassError::NotReady)?;
            let now = self.clock.now();
            let memory_key = assignment_name(&observed.identity);
            let memory = self.memory(&memory_key, &basis(&observed), now);
            let mut decision = self.look(&observed, reading.as_ref(), matcher.as_ref(), &memory, now)?;
            decision.actions.retain(|action| self.is_news(&memory_key, action, now));
            passed.report = decision.report;
            passed.wake = earlier(decision.wake, memory.next_retry());
            if decision.actions.is_empty() {
                self.registry.release(&memory_key);
                self.unsettled().remove(address);
                if observed.order.is_none() && observed.assignment.is_none() {
                    self.memories().remove(&memory_key);
                }
                return Ok(passed);
            }
            let results = join_all(decision.actions.iter().map(|action| self.executor.execute(action))).await;
            let mut failure = None;
            for (action, result) in decision.actions.iter().zip(results) {
                match self.learn(&memory_key, &basis(&observed), action, result, now) {
                    Learnt::Done => passed.written.push(action.verb()),
                    Learnt::Warning(text) => passed.warnings.push(text),
                    Learnt::Failed(error) => failure = Some(worse(failure, error)),
                }
            }
            if let Some(error) = failure {
                self.unsettled().insert(address.clone(), memory_key);
                return Err(error.into());
            }
        }
        Err(PassError::Restless(passed.written.iter().rev().take(6).copied().collect::<Vec<_>>().join(", ")))
    }

    /// Decides, and keeps a place for what was decided where places are counted.
    fn look(
        &self,
        observed: &Observed,
        reading: Option<&ReadOrder>,
        matcher: &dyn Matcher,
        memory: &Memory,
        now: Timestamp,
    ) -> Result<Decision, PassError> {
        let order = assignment_name(&observed.identity);
        let (mut full, mut halted) = (BTreeSet::new(), None);
        loop {
            let decision = look(observed, reading, matcher, memory, now, &full, halted.as_deref())?;
            let begun = decision.actions.iter().find_map(|action| begun(observed, action));
            if halted.is_none()
                && let Some(migration) = begun
                && let Some(why) = self.registry.admit(&observed.policy, migration, &order)
            {
                halted = Some(why);
                continue;
            }
            let taken = |offer: &&OfferId| self.registry.reserve(offer, &order) == Reserved::Full;
            // Who took the last place meanwhile is not in the snapshot yet. Each offer is found full once at most.
            let refused = claims(observed, &decision).find(|offer| !full.contains(*offer) && taken(offer));
            match refused.cloned() {
                Some(offer) => full.insert(offer),
                None => return Ok(decision),
            };
        }
    }

    /// Which offer would serve one order and why, from what is known now, its assignment included. Writes nothing.
    ///
    /// `None` where there is no such order.
    pub fn explain(&self, address: &OrderAddress) -> Result<Option<Routing>, PassError> {
        let Some(observed) = self.observer.observe(address)? else { return Ok(None) };
        let matcher = self.registry.matcher().ok_or(PassError::NotReady)?;
        let identity = assignment_name(&observed.identity);
        let none = BTreeSet::new();
        let chooser = MatcherChooser {
            matcher: matcher.as_ref(),
            observed: &observed,
            identity: &identity,
            reading: None,
            full: &none,
        };
        Ok(chooser.facts(chooser.current(), &none).map(|facts| matcher.match_order(&facts)))
    }

    /// What would be done about one order now if `change` were observed as well: the next decision alone. Writes nothing,
    /// and keeps no place.
    ///
    /// `None` where there is no such order.
    pub fn foresee(
        &self,
        address: &OrderAddress,
        change: impl FnOnce(&mut Observed),
    ) -> Result<Option<Decision>, PassError> {
        let Some(mut observed) = self.observer.observe(address)? else { return Ok(None) };
        change(&mut observed);
        let matcher = self.registry.matcher().ok_or(PassError::NotReady)?;
        let decision = self.look(&observed, None, matcher.as_ref(), &Memory::default(), self.clock.now());
        self.registry.release(&assignment_name(&observed.identity));
        decision.map(Some)
    }

    /// What can be told about an order whose record does not fit what is there. Writes nothing.
    ///
    /// `None` where there is no such order, or nothing is wrong with its record; see [`recovery`] for the arguments.
    pub fn recovery(
        &self,
        address: &OrderAddress,
        picked: Option<&ObjectKey>,
        others: &BTreeMap<ObjectKey, Arc<Object>>,
    ) -> Result<Option<Recovery>, PassError> {
        let Some(observed) = self.observer.observe(address)? else { return Ok(None) };
        let matcher = self.registry.matcher().ok_or(PassError::NotReady)?;
        let identity = assignment_name(&observed.identity);
        let none = BTreeSet::new();
        let chooser = MatcherChooser {
            matcher: matcher.as_ref(),
            observed: &observed,
            identity: &identity,
            reading: None,
            full: &none,
        };
        let world = world(&observed, &chooser, &Memory::default(), self.clock.now(), None);
        Ok(recovery(&world, &self.registry.offers(), picked, others))
    }

    /// Gives back what was kept for an order whose last pass failed and that is gone, or another one by now.
    fn let_go(&self, address: &OrderAddress, observed: Option<&Observed>) {
        let mut unsettled = self.unsettled();
        let Some(order) = unsettled.get(address) else { return };
        let is_there = observed.is_some_and(|observed| assignment_name(&observed.identity) == *order);
        if !is_there {
            self.registry.release(order);
            unsettled.remove(address);
        }
    }

    fn unsettled(&self) -> MutexGuard<'_, BTreeMap<OrderAddress, String>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ports' registry.
    pub fn registry(&self) -> &R {
        &self.registry
    }

    /// The ports' observer.
    pub fn observer(&self) -> &O {
        &self.observer
    }

    /// The ports' executor.
    pub fn executor(&self) -> &E {
        &self.executor
    }

    fn memories(&self) -> MutexGuard<'_, BTreeMap<String, Memory>> {
        // Nothing panics while it is held; and what is in it only saves repeated writes.
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self, key: &str, basis: &str, now: Timestamp) -> Memory {
        let mut memories = self.memories();
        let Some(memory) = memories.get_mut(key) else { return Memory::default() };
        memory.blocked.retain(|_, entry| entry.basis == basis);
        let mut memory = memory.clone();
        memory.blocked.retain(|_, entry| entry.is_paused(now));
        memory
    }

    /// Whether an action is to be carried out: not so for an Event that would repeat one, or come too soon after one.
    fn is_news(&self, key: &str, action: &Action, now: Timestamp) -> bool {
        let Action::Tell { reason, message, .. } = action else { return true };
        self.memories().entry(key.to_owned()).or_default().tell(reason, message, now)
    }

    fn learn(
        &self,
        key: &str,
        basis: &str,
        action: &Action,
        result: Result<Written, PortError>,
        now: Timestamp,
    ) -> Learnt {
        match result {
            Ok(written) => {
                if let Some((target, settled)) =
                    written.object.as_deref().and_then(|object| settles(action, object))
                {
                    self.memories().entry(key.to_owned()).or_default().settled.insert(target, settled);
                }
                Learnt::Done
            }
            Err(error) => match (action, blocks(action, &error)) {
                (_, Some((target, blocked))) => {
                    let mut memories = self.memories();
                    let entry = memories.entry(key.to_owned()).or_default();
                    entry.block(target, blocked, basis, now);
                    Learnt::Warning(error.without_values())
                }
                (Action::Tell { .. }, None) => Learnt::Warning(error.without_values()),
                (_, None) => Learnt::Failed(error),
            },
        }
    }
}

/// The offers that a decision takes a place of.
fn claims<'d>(observed: &'d Observed, decision: &'d Decision) -> impl Iterator<Item = &'d OfferId> {
    let known: BTreeSet<&OfferId> = observed
        .assignment
        .iter()
        .flat_map(|assignment| &assignment.copies)
        .map(|copy| &copy.offer)
        .collect();
    decision.actions.iter().flat_map(move |action| {
        let mut offers: Vec<&OfferId> = Vec::new();
        if let Action::CreateAssignment(next) | Action::UpdateAssignment(next) = action {
            offers.extend(next.copies.iter().map(|copy| &copy.offer));
        }
        if let Action::CreateMigration(migration) | Action::AdoptMigration(migration) = action {
            offers.push(&migration.to);
        }
        offers.retain(|offer| !known.contains(offer));
        offers
    })
}

/// The move that an action begins.
fn begun<'d>(observed: &Observed, action: &'d Action) -> Option<&'d Migration> {
    if let Action::AdoptMigration(migration) = action {
        return Some(migration);
    }
    // With two copies the move had begun, and only its record was missing.
    if let Action::CreateMigration(migration) = action
        && !is_moving(observed)
    {
        return Some(migration);
    }
    None
}

fn is_moving(observed: &Observed) -> bool {
    observed.assignment.as_ref().is_some_and(|assignment| assignment.moving().is_some())
}

/// Decides about what was observed, and has the decision checked.
fn look(
    observed: &Observed,
    reading: Option<&ReadOrder>,
    matcher: &dyn Matcher,
    memory: &Memory,
    now: Timestamp,
    full: &BTreeSet<OfferId>,
    halted: Option<&str>,
) -> Result<Decision, PassError> {
    let identity = assignment_name(&observed.identity);
    let chooser = MatcherChooser { matcher, observed, identity: &identity, reading, full };
    let world = world(observed, &chooser, memory, now, halted);
    let decision = decide(&world);
    match audit(&world, &decision).into_iter().find(|violation| !sabotage::forgives(violation)) {
        Some(violation) => Err(PassError::Unsound(Box::new(violation))),
        None => Ok(decision),
    }
}

fn world<'w>(
    observed: &'w Observed,
    chooser: &'w dyn Chooser,
    memory: &Memory,
    now: Timestamp,
    halted: Option<&str>,
) -> World<'w> {
    World {
        now,
        identity: observed.identity.clone(),
        policy: &observed.policy,
        order: observed.order.clone(),
        assignment: observed.assignment.clone(),
        migrations: observed.migrations.clone(),
        requests: observed.requests.clone(),
        copies: observed.copies.clone(),
        unreachable: observed.unreachable.clone(),
        provided: observed.provided.clone(),
        mirrored: observed.mirrored.clone(),
        traces: observed.traces.clone(),
        playbooks: Arc::clone(&observed.playbooks),
        helpers: observed.helpers.clone(),
        compute: observed.compute,
        halted: halted.map(ToOwned::to_owned),
        blocked: memory
            .blocked
            .iter()
            .map(|(target, entry)| (target.clone(), entry.blocked.clone()))
            .collect(),
        chooser,
        settled: memory.settled.clone(),
    }
}

enum Learnt {
    Done,
    Warning(String),
    Failed(PortError),
}

/// Of two failures the one that needs more attention: a conflict is answered by looking again. The longest pause that
/// was asked for holds.
fn worse(one: Option<PortError>, other: PortError) -> PortError {
    let asked = one.as_ref().and_then(|one| one.retry_after).max(other.retry_after);
    let worse = match one {
        Some(one) if one.kind != PortErrorKind::Conflict => one,
        Some(_) | None => other,
    };
    worse.with_pause(asked)
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
