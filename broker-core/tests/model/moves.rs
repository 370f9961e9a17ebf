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
use super::state::{Link, PAST, State, Stores, Witness, Word};
use super::writing::write;

/// A pass of the broker that needs more looks than this does not come to rest.
const MOST_LOOKS: usize = 24;

/// One step of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What is remembered of a search.
#[derive(Debug, Default)]
struct Seen {
    stores: Stores,
    /// By what the broker sees, and whether no further move may begin.
    plans: HashMap<(State, bool), Arc<Plan>>,
    /// Numbers of what the broker sees.
    views: HashMap<State, usize>,
    /// Steps of moves that go well, between what the broker sees.
    steps: HashSet<(usize, usize)>,
}

impl Seen {
    fn plan(&mut self, setting: &Setting, state: &State, halted: bool) -> Arc<Plan> {
        let view = (state.view(), halted);
        if let Some(plan) = self.plans.get(&view) {
            return Arc::clone(plan);
        }
        let made = Arc::new(plan(setting, &self.stores, state, halted));
        self.plans.insert(view, Arc::clone(&made));
        made
    }

    fn number(&mut self, view: State) -> usize {
        let next = self.views.len();
        *self.views.entry(view).or_insert(next)
    }
}

/// One order, its providers, its consumer, and a broker that may die.
#[derive(Debug)]
pub(super) struct Moves {
    pub(super) setting: Setting,
    seen: Mutex<Seen>,
    /// What the broker sees and cannot come to rest from, for the search of a run that leads there.
    stuck: HashSet<State>,
}

impl Moves {
    pub(super) fn new(setting: Setting) -> Self {
        let mut seen = Seen::default();
        seen.stores.moves_again = setting.moves > 1;
        Self { setting, seen: Mutex::new(seen), stuck: HashSet::new() }
    }

    /// The same, with what the search is to find.
    pub(super) fn with_stuck(self, stuck: HashSet<State>) -> Self {
        Self { stuck, ..self }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn plan(&self, state: &State) -> Arc<Plan> {
        self.seen().plan(&self.setting, state, false)
    }

    /// What is decided where no further move may begin.
    pub(super) fn halted_plan(&self, state: &State) -> Arc<Plan> {
        self.seen().plan(&self.setting, state, true)
    }

    /// What may happen around the broker.
    pub(super) fn events(&self, state: &State) -> Vec<(Event, Kind)> {
        let plan = self.plan(state);
        let mut events = events(&self.seen().stores, state, &plan);
        for (event, kind) in &mut events {
            if Some(*event) == self.setting.freely {
                *kind = Kind::Happens;
            }
        }
        events
    }

    /// Asks about a state and the plan for it.
    pub(super) fn ask<T>(&self, state: &State, question: impl FnOnce(&Stores, &State, &Plan) -> T) -> T {
        let plan = self.plan(state);
        question(&self.seen().stores, state, &plan)
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
            copies: Vec::new(),
            mirrored: None,
            helpers: Vec::new(),
            links: [Link::Answers; 2],
            word: Word::Nothing,
            budget: self.setting.budget,
            witness: Witness::default(),
        }
    }

    /// The same order, served, and edited so that it has to move.
    fn served_and_edited(&self) -> State {
        let mut state = self.ordered();
        for _ in 0..MOST_LOOKS {
            if let Some(copy) = state.copies.first_mut() {
                copy.ready = true;
            }
            state = self.after(&state, Step::Writes).unwrap_or(state);
        }
        for step in [Step::Tick, Step::Tick, Step::Happens(Event::Edited, Kind::Happens)] {
            state = self.after(&state, step).unwrap_or(state);
        }
        state.budget = self.setting.budget;
        state
    }

    /// What comes of a step; `None` where nothing does.
    pub(super) fn after(&self, before: &State, step: Step) -> Option<State> {
        let plan = self.plan(before);
        self.after_plan(before, step, &plan)
    }

    /// What comes of a step where this is decided.
    pub(super) fn after_plan(&self, before: &State, step: Step, plan: &Plan) -> Option<State> {
        let seen = &mut *self.seen();
        let mut after = before.clone();
        let mut written: &[Action] = &[];
        let some: Vec<Action>;
        match step {
            Step::Writes => written = &plan.actions,
            Step::WritesOnly(mask) => {
                let chosen = plan.actions.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
                some = chosen.map(|(_, action)| action.clone()).collect();
                written = &some;
            }
            Step::Overtaken(event) => {
                happen(&mut seen.stores, &mut after, event);
                written = &plan.actions;
            }
            Step::Tick => tick(&mut seen.stores, &mut after),
            Step::Happens(event, _) => happen(&mut seen.stores, &mut after, event),
        }
        for action in written {
            write(&mut seen.stores, &mut after, action);
        }
        after.budget = before.budget.saturating_sub(cost(plan, step));
        forget_ages(&seen.stores, &mut after);
        witnessed(&seen.stores, before, &mut after);
        after.witness.broken =
            Judged { setting: &self.setting, stores: &seen.stores, before, after: &after, written }.broken();
        (after != *before).then_some(after)
    }

    /// Every state as the broker sees it, with what follows where all goes well.
    pub(super) fn graph(&self) -> (Vec<State>, Vec<(usize, usize)>) {
        let seen = self.seen();
        let mut views: Vec<(usize, State)> =
            seen.views.iter().map(|(view, at)| (*at, view.clone())).collect();
        views.sort_by_key(|(at, _)| *at);
        let steps: BTreeSet<(usize, usize)> = seen.steps.iter().copied().collect();
        (views.into_iter().map(|(_, view)| view).collect(), steps.into_iter().collect())
    }

    /// How many decisions were made that the audit would have withheld.
    pub(super) fn withheld(&self) -> usize {
        self.seen().plans.values().filter(|plan| !plan.unsound.is_empty()).count()
    }

    /// Whether the broker alone comes to rest from here.
    pub(super) fn rests(&self, from: &State) -> bool {
        let mut state = from.view();
        for _ in 0..MOST_LOOKS {
            if self.plan(&state).actions.is_empty() {
                return true;
            }
            match self.after(&state, Step::Writes) {
                Some(after) => state = after.view(),
                None => return false,
            }
        }
        false
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
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![match self.setting.begin {
            Begin::Placement => self.ordered(),
            Begin::Move => self.served_and_edited(),
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        // What follows a broken promise is of no more use.
        if state.witness.broken != 0 {
            return;
        }
        let plan = self.plan(state);
        let events = self.events(state);
        if plan.actions.is_empty() {
            steps.push(Step::Tick);
        } else {
            steps.push(Step::Writes);
        }
        let disturbed = state.budget > 0;
        for (event, kind) in events {
            if kind != Kind::Disturbs || disturbed {
                steps.push(Step::Happens(event, kind));
            }
            if disturbed && !plan.actions.is_empty() {
                steps.push(Step::Overtaken(event));
            }
        }
        if disturbed && !plan.actions.is_empty() {
            steps.push(Step::Tick);
            steps.extend(partial(plan.actions.len()).into_iter().map(Step::WritesOnly));
        }
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let after = self.after(before, step)?;
        let plan = self.plan(before);
        let seen = &mut *self.seen();
        let (from, to) = (before.view(), after.view());
        let (from, to) = (seen.number(from), seen.number(to));
        if helps(&plan, step) && from != to {
            seen.steps.insert((from, to));
        }
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn kept<const PROMISE: u32>(_: &Moves, state: &State) -> bool {
            state.witness.broken & (1 << PROMISE) == 0
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
        ];
        // Of a known bug it is asked whether anybody else notices: the audit would withhold many of them.
        if self.setting.bug.is_none() {
            properties
                .push(Property::always("the audit agrees with every decision", |model: &Self, state| {
                    model.plan(state).unsound.is_empty()
                }));
        }
        properties.extend([
            Property::always("no secret is told", |model: &Self, state| !model.plan(state).leaks),
            Property::always("no fence is left up without an end", |model: &Self, state| {
                !model.ask(state, fence_stays)
            }),
            Property::always("no helper outlives its move", |model: &Self, state| {
                !model.ask(state, helper_stays)
            }),
            Property::always(ALWAYS_RESTS, |model: &Self, state: &State| {
                model.stuck.is_empty() || !model.stuck.contains(&state.view())
            }),
        ]);
        properties
    }
}

/// The promise that is judged by the pass backwards.
pub(super) const ALWAYS_RESTS: &str = "with faults over, the end is reached and nothing more is written";
