//! Many cases at once, on all cores, and what they came to.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use broker_testkit::fault::Plan;
use broker_testkit::simulation::Dice;

use super::case::{Case, Played, Tale, harms};
use super::run::Outcome;

/// Which cases are played, and how many of each sort.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// The stories that are told.
    pub(crate) tales: &'static [Tale],
    /// Single faults in them; all there are, where that is fewer.
    pub(crate) singles: usize,
    /// Pairs of faults in them.
    pub(crate) pairs: usize,
    /// All together: the others are drawn stories with drawn faults.
    pub(crate) all: usize,
    /// What is drawn.
    pub(crate) drawn: fn(u64) -> Tale,
    /// The first of the drawn ones.
    pub(crate) from: u64,
}

/// What a campaign came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) played: usize,
    /// How often each kind of fault was injected, by its word.
    pub(crate) injected: BTreeMap<&'static str, usize>,
    /// What was found: the smallest case that shows it, and what is wrong.
    pub(crate) found: Vec<(String, Vec<String>)>,
}

/// More would hide more than they show.
const ENOUGH: usize = 12;

/// Plays the cases of a size.
pub(crate) fn campaign(size: Size) -> Tally {
    let clean: BTreeMap<Tale, Outcome> = size.tales.iter().map(|tale| (*tale, told(*tale))).collect();
    let singles: Vec<(Tale, Plan)> = clean
        .iter()
        .flat_map(|(tale, clean)| clean.census.plans(&harms()).into_iter().map(|plan| (*tale, plan)))
        .collect();
    let mut cases: Vec<Case> = spread(singles.len(), size.singles)
        .filter_map(|index| singles.get(index))
        .map(|(tale, plan)| Case::of(*tale, plan.clone()))
        .collect();
    let mut dice = Dice::new(size.from, "pairs");
    for _ in 0..size.pairs {
        let Some((tale, plan)) = dice.one_of(&singles) else { break };
        let of_the_same: Vec<&Plan> =
            singles.iter().filter(|(other, _)| other == tale).map(|(_, plan)| plan).collect();
        let other = dice.one_of(&of_the_same).into_iter().flat_map(|plan| plan.faults());
        cases.push(Case::of(*tale, plan.faults().chain(other).collect()));
    }
    let others = size.all.saturating_sub(cases.len());
    cases.extend((size.from..).take(others).map(|number| Case::drawn((size.drawn)(number))));
    play_all(&cases, &clean)
}

/// A story that is told, without faults.
fn told(tale: Tale) -> Outcome {
    let case = Case::of(tale, Plan::default());
    let clean = case.clean();
    assert!(clean.problems.is_empty(), "{case} fails: {:#?}", clean.problems);
    clean
}

/// `wanted` of `all` positions, evenly from first to last.
fn spread(all: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let count = wanted.min(all);
    (0..count).map(move |index| index * all / count)
}

fn play_all(cases: &[Case], told: &BTreeMap<Tale, Outcome>) -> Tally {
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while tally.lock().unwrap().found.len() < ENOUGH
                    && let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let played = play(case, told);
                    tally.lock().unwrap().add(played);
                }
            });
        }
    });
    tally.into_inner().unwrap()
}

fn play(case: &Case, told: &BTreeMap<Tale, Outcome>) -> Played {
    let own;
    let clean = if let Some(told) = told.get(&case.tale()) {
        told
    } else {
        own = case.clean();
        if !own.problems.is_empty() {
            return Played { case: case.clone(), outcome: own };
        }
        &own
    };
    let played = case.play(clean);
    if played.outcome.problems.is_empty() {
        return played;
    }
    if std::env::var("SIMULATION_SHRINK").as_deref() == Ok("off") {
        return played;
    }
    let smallest = played.case.shrunk(clean);
    smallest.play(clean)
}

impl Tally {
    fn add(&mut self, played: Played) {
        self.played += 1;
        for injected in &played.outcome.injected {
            *self.injected.entry(injected.fault.harm().word()).or_default() += 1;
        }
        if !played.outcome.problems.is_empty() {
            println!("{} is broken", played.case);
            self.found.push((played.case.to_string(), played.outcome.problems));
        }
    }

    /// What was found, for a failing test.
    pub(crate) fn findings(&self) -> String {
        let told = self.found.iter().map(|(case, problems)| format!("{case}\n  {}", problems.join("\n  ")));
        told.collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let injected: usize = self.injected.values().sum();
        writeln!(f, "plans played: {}", self.played)?;
        writeln!(f, "faults injected: {injected}")?;
        for (word, count) in &self.injected {
            writeln!(f, "  {word}: {count}")?;
        }
        writeln!(f, "broken: {}", self.found.len())
    }
}
