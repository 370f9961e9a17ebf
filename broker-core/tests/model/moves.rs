//! The model that `stateright` searches: what may happen in a state, what comes of it, and what must hold.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_core::order::Action;
use broker_core::resource::Object;
use serde_json::json;
use stateright::{Model, Property};

use super::event::{Event, Kind, events, happen, tick};
use super::planning::{ORDER_UID, Plan, identity, plan};
use super::promises::{Judged, Promise, fence_stays, helper_stays, witnessed};
use super::setting::{Begin, Setting};
use super::state::{Link, Noted, PAST, Spot, State, Stores, Witness, Word};
use super::writing::write;

/// A pass of the broker that needs more looks than this does not come to rest.
const MOST_LOOKS: usize = 24;

/// One step of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// The broker looks, and writes what it decides.
    Writes,
    /// As before, but of what it decides only these are carried out, one bit each: it dies in between, or the others are
    /// refused for a conflict.
    WritesOnly(u8),
    /// Something happens after it has looked and before it writes.
    Overtaken(Event),
    /// Time passes.
    Tick,
    Happens(Event, Kind),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writes => write!(f, "the broker writes"),
            Self::WritesOnly(0) => write!(f, "the broker dies before it writes"),
            Self::WritesOnly(_) => write!(f, "the broker dies between its writes, or some are refused"),
            Self::Overtaken(event) => write!(f, "between the broker's look and its writes, {event}"),
            Self::Tick => write!(f, "time passes"),
            Self::Happens(event, _) => event.fmt(f),
        }
    }
}

/// What is known of a state.
#[derive(Debug)]
struct Known {
    state: Arc<State>,
    /// Whether the search came by; others were only made on the way to where it begins.
    met: bool,
    /// What is decided, and what where no further move may begin.
    plans: [Option<Arc<Plan>>; 2],
    events: Option<Arc<Vec<(Event, Kind)>>>,
    judged: Option<Judgement>,
    /// What comes of each step, where a further move may begin or not.
    outcomes: HashMap<(Step, bool), (usize, Noted)>,
}

/// What is to be said of a state, however it was reached.
#[derive(Clone, Copy, Debug)]
struct Judgement {
    leaks: bool,
    fence_stays: bool,
    helper_stays: bool,
}

/// What is remembered of a search.
#[derive(Debug, Default)]
struct Seen {
    stores: Stores,
    numbers: HashMap<Arc<State>, usize>,
    known: Vec<Known>,
    /// Steps of moves that go well.
    steps: HashSet<(usize, usize)>,
}

impl Seen {
    fn number(&mut self, state: State) -> usize {
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        let (number, state) = (self.known.len(), Arc::new(state));
        self.numbers.insert(Arc::clone(&state), number);
        self.known.push(Known {
            state,
            met: false,
            plans: [None, None],
            events: None,
            judged: None,
            outcomes: HashMap::new(),
        });
        number
    }

    fn state(&self, at: usize) -> Arc<State> {
        Arc::clone(&self.known[at].state)
    }

    fn plan(&mut self, setting: &Setting, at: usize, halted: bool) -> Arc<Plan> {
        let made = &self.known[at].plans[usize::from(halted)];
        if let Some(plan) = made {
            return Arc::clone(plan);
        }
        let made = Arc::new(plan(setting, &self.stores, &self.state(at), halted));
        self.known[at].plans[usize::from(halted)] = Some(Arc::clone(&made));
        made
    }

    /// What comes of a step, whoever watches.
    fn outcome(&mut self, setting: &Setting, at: usize, step: Step, halted: bool) -> (usize, Noted) {
        if let Some(outcome) = self.known[at].outcomes.get(&(step, halted)) {
            return *outcome;
        }
        let plan = self.plan(setting, at, halted);
        let mut after = self.state(at).as_ref().clone();
        match step {
            Step::Overtaken(event) | Step::Happens(event, _) => happen(&mut self.stores, &mut after, event),
            Step::Tick => tick(&mut self.stores, &mut after),
            Step::Writes | Step::WritesOnly(_) => {}
        }
        for action in written(&plan, step) {
            write(&mut self.stores, &mut after, action);
        }
        forget_ages(&self.stores, &mut after);
        let noted = std::mem::take(&mut after.noted);
        let outcome = (self.number(after), noted);
        self.known[at].outcomes.insert((step, halted), outcome);
        outcome
    }
}

/// What is written in a step.
fn written(plan: &Plan, step: Step) -> Vec<&Action> {
    let is_written = |at: usize| match step {
        Step::Writes | Step::Overtaken(_) => true,
        Step::WritesOnly(mask) => mask & (1 << at) != 0,
        Step::Tick | Step::Happens(..) => false,
    };
    plan.actions.iter().enumerate().filter(|(at, _)| is_written(*at)).map(|(_, action)| action).collect()
}

/// One order, its providers, its consumer, and a broker that may die.
#[derive(Debug)]
pub(super) struct Moves {
    pub(super) setting: Setting,
    seen: Arc<Mutex<Seen>>,
    /// What the broker sees and cannot come to rest from, for the search of a run that leads there.
    stuck: HashSet<usize>,
}

impl Moves {
    pub(super) fn new(setting: Setting) -> Self {
        let mut seen = Seen::default();
        seen.stores.moves_again = setting.moves > 1;
        Self { setting, seen: Arc::new(Mutex::new(seen)), stuck: HashSet::new() }
    }

    /// The same, with what the search is to find.
    pub(super) fn with_stuck(&self, stuck: HashSet<usize>) -> Self {
        Self { setting: self.setting.clone(), seen: Arc::clone(&self.seen), stuck }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is decided in a state, where a further move may begin or not.
    pub(super) fn plan(&self, at: usize, halted: bool) -> Arc<Plan> {
        self.seen().plan(&self.setting, at, halted)
    }

    /// What may happen around the broker.
    pub(super) fn events(&self, at: usize) -> Arc<Vec<(Event, Kind)>> {
        let seen = &mut *self.seen();
        if let Some(events) = &seen.known[at].events {
            return Arc::clone(events);
        }
        let plan = seen.plan(&self.setting, at, false);
        let mut events = events(&self.setting, &seen.stores, &seen.state(at), &plan);
        for (event, kind) in &mut events {
            if Some(*event) == self.setting.freely {
                *kind = Kind::Happens;
            }
        }
        let events = Arc::new(events);
        seen.known[at].events = Some(Arc::clone(&events));
        events
    }

    /// Asks about a state and the plan for it.
    pub(super) fn ask<T>(&self, at: usize, question: impl FnOnce(&Stores, &State, &Plan) -> T) -> T {
        let seen = &mut *self.seen();
        let plan = seen.plan(&self.setting, at, false);
        question(&seen.stores, &seen.state(at), &plan)
    }

    fn judged(&self, at: usize) -> Judgement {
        if let Some(judged) = self.seen().known[at].judged {
            return judged;
        }
        let judged = self.ask(at, |stores, state, plan| Judgement {
            leaks: plan.leaks,
            fence_stays: fence_stays(stores, state, plan),
            helper_stays: helper_stays(stores, state, plan),
        });
        self.seen().known[at].judged = Some(judged);
        judged
    }

    fn spot(&self, state: State) -> Spot {
        Spot { state: self.seen().number(state), budget: self.setting.budget, witness: Witness::default() }
    }

    /// An order of the smaller size, and nothing else.
    fn ordered(&self) -> State {
        let key = identity(&self.setting).key;
        let mut order = Object::named(&self.setting.policy.gvk(), &key.namespace, &key.name);
        order.set(&["metadata", "uid"], ORDER_UID.into());
        order.set(&["metadata", "generation"], 1.into());
        order.set(&["spec"], json!({ "size": "small" }));
        State {
            order: Some(self.seen().stores.put_object(order)),
            assignment: None,
            migrations: Vec::new(),
            request: None,
            asked: false,
            copies: Vec::new(),
            mirrored: None,
            helpers: Vec::new(),
            links: [Link::Answers; 2],
            word: Word::Nothing,
            noted: Noted::default(),
        }
    }

    /// The same order, served.
    fn served(&self) -> Spot {
        let mut spot = self.spot(self.ordered());
        for _ in 0..MOST_LOOKS {
            let is_made = !self.ask(spot.state, |_, state, _| state.copies.is_empty());
            let ready = Step::Happens(Event::Ready { copy: 0, ready: true }, Kind::Helps);
            for step in is_made.then_some(ready).into_iter().chain([Step::Writes]) {
                spot = self.after(&spot, step, false).unwrap_or(spot);
            }
        }
        for step in [Step::Tick, Step::Tick] {
            spot = self.after(&spot, step, false).unwrap_or(spot);
        }
        Spot { budget: self.setting.budget, ..spot }
    }

    /// The same, and edited so that it has to move.
    fn served_and_edited(&self) -> Spot {
        let served = self.served();
        self.after(&served, Step::Happens(Event::Edited, Kind::Happens), false).unwrap_or(served)
    }

    /// What comes of a step, where a further move may begin or not; `None` where nothing does.
    pub(super) fn after(&self, before: &Spot, step: Step, halted: bool) -> Option<Spot> {
        let seen = &mut *self.seen();
        let (state, noted) = seen.outcome(&self.setting, before.state, step, halted);
        let plan = seen.plan(&self.setting, before.state, halted);
        let (from, to) = (seen.state(before.state), seen.state(state));
        let mut witness = before.witness;
        witness.note(noted);
        witnessed(&seen.stores, &from, &to, &mut witness);
        witness.broken = Judged {
            setting: &self.setting,
            stores: &seen.stores,
            before: &from,
            witness: &before.witness,
            after: &to,
            written: &written(&plan, step),
        }
        .broken();
        let budget = before.budget.saturating_sub(cost(&plan, step));
        let after = Spot { state, budget, witness };
        (after != *before).then_some(after)
    }

    /// The states that were met, and what follows what where all goes well.
    pub(super) fn graph(&self) -> (Vec<usize>, Vec<(usize, usize)>) {
        let seen = self.seen();
        let met = seen.known.iter().enumerate().filter(|(_, known)| known.met).map(|(at, _)| at);
        (met.collect(), seen.steps.iter().copied().collect())
    }

    /// How many decisions were made that the audit would have withheld.
    pub(super) fn withheld(&self) -> usize {
        let unsound = |plan: &Option<Arc<Plan>>| plan.as_ref().is_some_and(|plan| !plan.unsound.is_empty());
        self.seen().known.iter().filter(|known| known.plans.iter().any(unsound)).count()
    }

    /// Whether the search is for a run that leads here.
    pub(super) fn is_stuck(&self, at: usize) -> bool {
        self.stuck.contains(&at)
    }

    /// The states that the broker alone goes through from here, until it rests or looked too often.
    pub(super) fn looks(&self, from: usize) -> Vec<usize> {
        let mut looks = vec![from];
        while let Some(at) = looks.last().copied().filter(|_| looks.len() <= MOST_LOOKS) {
            let (after, _) = self.seen().outcome(&self.setting, at, Step::Writes, false);
            if after == at {
                break;
            }
            looks.push(after);
        }
        looks
    }

    /// Whether the broker alone comes to rest from here.
    pub(super) fn rests(&self, from: usize) -> bool {
        self.looks(from).last().is_some_and(|last| self.plan(*last, false).actions.is_empty())
    }
}

/// Forgets how old copies are, but of the first and of a replacement that no stage was begun for: others are waited for
/// by the times of the move.
fn forget_ages(stores: &Stores, state: &mut State) {
    let Some(assignment) = state.assignment.map(|id| stores.assignment(id)) else { return };
    let record = state.migrations.last().map(|id| stores.migration(*id));
    let waited_for = match assignment.moving() {
        Some((_, target)) if !assignment.points_to(target) => {
            record.filter(|it| it.position.passed == 0 && !it.position.in_stage).map(|_| target.key.clone())
        }
        Some(_) => None,
        None => {
            assignment.copies.first().filter(|_| assignment.pointer.is_none()).map(|copy| copy.key.clone())
        }
    };
    for copy in &mut state.copies {
        if waited_for.as_ref() != Some(&*stores.key(copy.key)) {
            copy.age = PAST;
        }
    }
}

/// How many disturbances a step is.
fn cost(plan: &Plan, step: Step) -> u8 {
    match step {
        Step::WritesOnly(_) | Step::Overtaken(_) | Step::Happens(_, Kind::Disturbs) => 1,
        // A broker that is slow is disturbed.
        Step::Tick => u8::from(!plan.actions.is_empty()),
        Step::Writes | Step::Happens(_, Kind::Helps | Kind::Happens) => 0,
    }
}

/// Whether a step is one of a move that goes well.
fn helps(plan: &Plan, step: Step) -> bool {
    match step {
        Step::Tick => plan.actions.is_empty(),
        Step::Writes | Step::Happens(_, Kind::Helps) => true,
        Step::Happens(_, Kind::Happens | Kind::Disturbs) | Step::WritesOnly(_) | Step::Overtaken(_) => false,
    }
}

/// The writes that can be the only ones of several: each alone, all but each, none.
pub(super) fn partial(writes: usize) -> BTreeSet<u8> {
    let all = (1_u32 << writes.min(8)) - 1;
    let each = (0..writes.min(8)).map(|at| 1_u32 << at);
    let some = each.flat_map(|one| [one, all & !one]).chain([0]);
    some.filter(|mask| *mask != all).filter_map(|mask| u8::try_from(mask).ok()).collect()
}

impl Model for Moves {
    type State = Spot;
    type Action = Step;

    fn init_states(&self) -> Vec<Spot> {
        vec![match self.setting.begin {
            Begin::Placement => self.spot(self.ordered()),
            Begin::Move => self.served_and_edited(),
            Begin::Served => self.served(),
        }]
    }

    fn actions(&self, spot: &Spot, steps: &mut Vec<Step>) {
        // What follows a broken promise is of no more use.
        if spot.witness.broken != 0 {
            return;
        }
        let plan = self.plan(spot.state, false);
        if plan.actions.is_empty() {
            steps.push(Step::Tick);
        } else {
            steps.push(Step::Writes);
        }
        let disturbed = spot.budget > 0;
        for (event, kind) in self.events(spot.state).iter() {
            if *kind != Kind::Disturbs || disturbed {
                steps.push(Step::Happens(*event, *kind));
            }
            if disturbed && !plan.actions.is_empty() {
                steps.push(Step::Overtaken(*event));
            }
        }
        if disturbed && !plan.actions.is_empty() {
            steps.push(Step::Tick);
            steps.extend(partial(plan.actions.len()).into_iter().map(Step::WritesOnly));
        }
    }

    fn next_state(&self, before: &Spot, step: Step) -> Option<Spot> {
        let after = self.after(before, step, false)?;
        let seen = &mut *self.seen();
        let plan = seen.plan(&self.setting, before.state, false);
        for at in [before.state, after.state] {
            seen.known[at].met = true;
        }
        if helps(&plan, step) && before.state != after.state {
            seen.steps.insert((before.state, after.state));
        }
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn kept<const PROMISE: u32>(_: &Moves, spot: &Spot) -> bool {
            spot.witness.broken & (1 << PROMISE) == 0
        }
        macro_rules! promised {
            ($($promise:ident: $words:literal),* $(,)?) => {
                vec![$(Property::always($words, kept::<{ Promise::$promise as u32 }>)),*]
            };
        }
        let mut properties = promised![
            PointsToReady: "the pointer never names a copy that was not ready when switched to",
            OldStaysUntilHeld: "an old copy is deleted only after the consumer holds what replaces it, and the grace period",
            NoReturnRecorded: "the point of no return is recorded before it is crossed",
            ServingStays: "the copy that serves is never deleted while the order lives",
            OneCopyServes: "no copy is there that nobody names",
            FinalizerHolds: "the finalizer is held for as long as anything is there, and no copy is made before it",
            PausedIsLeftAlone: "nothing is changed for a paused order",
            StagesFirst: "no switch comes before every stage that precedes it",
            FencedSwitch: "no switch comes without the fence that the API requires",
            NoWriteLost: "no acknowledged write is lost unless the receipt says so",
            NoSwitchCalledOff: "after the switch a move goes only forward or back, and is never called off",
            StageWaits: "a stage makes nothing before its precondition holds",
            BackIsHeld: "a way back is over only once the consumer holds the old copy, or the new one cannot be had",
        ];
        // Of a known bug it is asked whether anybody else notices: the audit would withhold many of them.
        if self.setting.bug.is_none() {
            properties.push(Property::always(
                "the audit agrees with every decision",
                |model: &Self, spot: &Spot| model.plan(spot.state, false).unsound.is_empty(),
            ));
        }
        properties.extend([
            Property::always("no secret is told", |model: &Self, spot: &Spot| {
                !model.judged(spot.state).leaks
            }),
            Property::always("no fence is left up without an end", |model: &Self, spot: &Spot| {
                !model.judged(spot.state).fence_stays
            }),
            Property::always("no helper outlives its move", |model: &Self, spot: &Spot| {
                !model.judged(spot.state).helper_stays
            }),
            Property::always(ALWAYS_RESTS, |model: &Self, spot: &Spot| !model.stuck.contains(&spot.state)),
        ]);
        properties
    }
}

/// The promise that is judged by the pass backwards.
pub(super) const ALWAYS_RESTS: &str = "with faults over, the end is reached and nothing more is written";
