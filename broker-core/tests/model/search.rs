//! Searching the model: everything that is reachable, and then backwards from where all is over.
//!
//! That a run comes to its end is not left to `stateright`: what it calls "eventually" is judged at states without a
//! successor alone, and a run that goes round for ever is none.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use stateright::{Checker as _, HasDiscoveries, Model as _, Path};

use super::moves::{ALWAYS_RESTS, Moves, Step};
use super::promises::is_over;
use super::setting::Setting;
use super::state::State;

/// What a search came to.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) states: usize,
    /// As the broker sees them.
    pub(super) views: usize,
    pub(super) took: Duration,
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
            let again = Moves::new(setting.clone());
            // Numbers of things are given in the order in which they are met: the same search meets them alike.
            let path = again
                .with_stuck(stuck)
                .checker()
                .finish_when(HasDiscoveries::AnyFailures)
                .spawn_bfs()
                .join()
                .discovery(ALWAYS_RESTS);
            let words = path.map_or_else(String::new, |path| in_words(checker.model(), &path));
            broken.insert(ALWAYS_RESTS, words);
        }
    }
    Found {
        states: checker.unique_state_count(),
        views: views.len(),
        took: began.elapsed(),
        withheld: checker.model().withheld() > 0,
        broken,
    }
}

/// From which states, as the broker sees them, no run without faults comes to an end; or the broker alone goes on for
/// ever.
fn stuck(model: &Moves, views: &[State], steps: &[(usize, usize)]) -> HashSet<State> {
    let ends = (0..views.len()).filter(|at| model.ask(&views[*at], is_over)).collect();
    let endless = unreached(views.len(), steps, ends);
    let restless = (0..views.len()).filter(|at| !model.rests(&views[*at]));
    endless.into_iter().chain(restless).map(|at| views[at].clone()).collect()
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
fn in_words(model: &Moves, path: &Path<State, Step>) -> String {
    let mut words = String::new();
    for (state, step) in path.clone().into_vec() {
        let plan = model.plan(&state);
        let verbs: Vec<&str> = plan.actions.iter().map(broker_core::order::Action::verb).collect();
        let Some(step) = step else {
            let _ = writeln!(
                words,
                "  then {}: would {verbs:?} {:?}\n{}",
                plan.reason,
                plan.unsound,
                model.ask(&state, shown)
            );
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

/// What is there in a state, for people.
fn shown(stores: &super::state::Stores, state: &State, _: &super::planning::Plan) -> String {
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
    let _ = write!(words, "    links {:?}, word {:?}, {:?}", state.links, state.word, state.witness);
    words
}
