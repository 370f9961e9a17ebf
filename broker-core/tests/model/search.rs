//! Searching the model: everything that is reachable, and then backwards from where all is over.
//!
//! That a run comes to its end is not left to `stateright`: what it calls "eventually" is judged at states without a
//! successor alone, and a run that goes round for ever is none.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use stateright::{Checker as _, HasDiscoveries, Model as _, Path};

use super::moves::{ALWAYS_RESTS, Moves, Step};
use super::planning::Plan;
use super::promises::is_over;
use super::setting::Setting;
use super::state::{Spot, State, Stores};

/// What a search came to.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) states: usize,
    /// As the broker sees them.
    pub(super) views: usize,
    pub(super) took: Duration,
    /// Whether any order was switched over.
    pub(super) switched: bool,
    /// Whether the audit would have withheld any decision.
    pub(super) withheld: bool,
    /// By the promise that is broken: a shortest run that breaks it, in words.
    pub(super) broken: BTreeMap<&'static str, String>,
}

/// Searches a setting whole, or until a promise is found broken.
pub(super) fn search(setting: &Setting) -> Found {
    let began = Instant::now();
    let checker =
        Moves::new(setting.clone()).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let mut broken: BTreeMap<&'static str, String> = checker
        .discoveries()
        .into_iter()
        .map(|(name, path)| (name, in_words(checker.model(), &path)))
        .collect();
    let (views, steps) = checker.model().graph();
    if broken.is_empty() {
        let stuck = stuck(checker.model(), &views, &steps);
        if !stuck.is_empty() {
            let again = checker
                .model()
                .with_stuck(stuck)
                .checker()
                .finish_when(HasDiscoveries::AnyFailures)
                .spawn_bfs()
                .join();
            let path = again.discovery(ALWAYS_RESTS);
            let words = path.map_or_else(String::new, |path| in_words(again.model(), &path));
            broken.insert(ALWAYS_RESTS, words);
        }
    }
    let is_switched = |stores: &Stores, state: &State, _: &Plan| {
        state.migrations.iter().any(|id| stores.migration(*id).position.switched)
    };
    Found {
        switched: views.iter().any(|at| checker.model().ask(*at, is_switched)),
        states: checker.unique_state_count(),
        views: views.len(),
        took: began.elapsed(),
        withheld: checker.model().withheld() > 0,
        broken,
    }
}

/// From which states, as the broker sees them, no run without faults comes to an end; or the broker alone goes on for
/// ever.
fn stuck(model: &Moves, met: &[usize], steps: &[(usize, usize)]) -> HashSet<usize> {
    let ends = met.iter().copied().filter(|at| model.ask(*at, is_over)).collect();
    let count = met.last().map_or(0, |last| last + 1);
    let endless: HashSet<usize> = unreached(count, steps, ends).into_iter().collect();
    met.iter().copied().filter(|at| endless.contains(at) || !model.rests(*at)).collect()
}

/// Those of so many from which none of the ends is reached: a pass backwards over the steps.
pub(super) fn unreached(count: usize, steps: &[(usize, usize)], ends: Vec<usize>) -> Vec<usize> {
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in steps {
        before[*to].push(*from);
    }
    let (mut open, mut reached) = (ends, vec![false; count]);
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut reached[at], true) {
            open.extend(&before[at]);
        }
    }
    (0..count).filter(|at| !reached[*at]).collect()
}

/// A run, for people.
fn in_words(model: &Moves, path: &Path<Spot, Step>) -> String {
    let mut words = String::new();
    for (spot, step) in path.clone().into_vec() {
        let plan = model.plan(spot.state, false);
        let verbs: Vec<&str> = plan.actions.iter().map(broker_core::order::Action::verb).collect();
        let Some(step) = step else {
            let _ = writeln!(
                words,
                "  then {}: would {verbs:?} {:?}\n{}, {:?}",
                plan.reason,
                plan.unsound,
                model.ask(spot.state, shown),
                spot.witness
            );
            if model.is_stuck(spot.state) {
                let _ = writeln!(words, "  and alone it would go on: {}", alone(model, spot.state));
            }
            break;
        };
        let wrote = match step {
            Step::Writes | Step::Overtaken(_) => format!(": {}", verbs.join(", ")),
            Step::WritesOnly(mask) => {
                let some =
                    verbs.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, verb)| *verb);
                format!(": {} of {}", some.collect::<Vec<_>>().join(", "), verbs.join(", "))
            }
            Step::Tick | Step::Happens(..) => String::new(),
        };
        let _ = writeln!(words, "  {step}{wrote}");
    }
    words
}

/// What the broker alone would write, look after look.
fn alone(model: &Moves, from: usize) -> String {
    let verbs = |at: usize| {
        model
            .plan(at, false)
            .actions
            .iter()
            .map(broker_core::order::Action::verb)
            .collect::<Vec<_>>()
            .join(", ")
    };
    model.looks(from).into_iter().map(verbs).collect::<Vec<_>>().join("; ")
}

/// What is there in a state, for people.
fn shown(stores: &Stores, state: &State, _: &Plan) -> String {
    let mut words = String::new();
    if let Some(assignment) = state.assignment.map(|id| stores.assignment(id)) {
        let copies: Vec<String> = assignment.copies.iter().map(|copy| copy.key.to_string()).collect();
        let _ = writeln!(words, "    assignment: {copies:?}, pointer {:?}", assignment.pointer);
    }
    for record in state.migrations.iter().map(|id| stores.migration(*id)) {
        let _ = writeln!(words, "    move: {:?}; {}", record.position, record.message);
    }
    for copy in &state.copies {
        let _ = writeln!(words, "    copy {}: {copy:?}", stores.key(copy.key));
    }
    let _ = write!(words, "    links {:?}, word {:?}", state.links, state.word);
    words
}
