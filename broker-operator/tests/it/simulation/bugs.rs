//! Known bugs, put in one at a time: the simulation is shown to bite.
//!
//! The cases are the same for all of them, and few: every told story and some drawn ones without faults, deaths of the
//! operator, and news that comes late. What only bites while two operators write at once, such as an Assignment that is
//! written whatever became of it meanwhile, is not among the bugs: here one operator follows the other. Nor is the removal
//! of orphans without a look at the live record: the records are read whole before the copies are looked at.
//!
//! `SIMULATION_BUG=GraceIgnored` asks for one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use broker_core::sabotage::{self, Bug};
use broker_testkit::fault::{Fault, Harm, Plan, Point, Series};

use super::case::{Case, Tale};
use super::run::Outcome;
use super::template::Goods;

/// Drawn stories that are tried, without faults.
const DRAWN: u64 = 4;
/// Deaths in the classic story.
const DEATHS: u32 = 4;
/// What no story here can show, and the model does (docs/model.md): one order moves at a time, no helper does harm when it is
/// made early, providers answer a fence sooner than a mover has carried anything, no mover is too slow, and nothing else
/// goes wrong while an order goes back.
const UNSEEN: [Bug; 5] = [
    Bug::RecordedMovesUncounted,
    Bug::PreconditionIgnored,
    Bug::WayBackUnfenced,
    Bug::CutoverWithoutEnd,
    Bug::OldCopyOpenedEarly,
];
/// How late news comes.
const LATE: Harm = Harm::Delay(Duration::from_secs(2));

/// A case, and how its story goes without faults and bugs.
struct Trial<'a> {
    case: Case,
    clean: &'a Outcome,
}

/// Who noticed a bug, and when.
#[derive(Debug)]
struct Catch {
    /// Invariants of the oracle, `another end`, `no rest`.
    by: BTreeSet<String>,
    /// What the audit of decisions would have withheld, had it been asked.
    audit: BTreeSet<String>,
    /// How many plans were played.
    plans: usize,
    case: Case,
}

#[test]
fn every_known_bug_is_noticed() {
    let free = Tale::NAMED.into_iter().map(|(_, tale)| tale).filter(|tale| tale.goods() == Goods::Free);
    let told = clean_outcomes(free.chain((1..=DRAWN).map(Tale::Drawn)));
    all_are_noticed(Bug::ALL, &trials(&told));
}

/// Those of moves by a playbook.
#[test]
fn every_known_bug_of_moves_is_noticed() {
    let kept = Tale::NAMED.into_iter().map(|(_, tale)| tale).filter(|tale| tale.goods() == Goods::Kept);
    let told = clean_outcomes(kept);
    let bugs: Vec<Bug> = Bug::OF_MOVES.iter().filter(|bug| !UNSEEN.contains(bug)).copied().collect();
    all_are_noticed(&bugs, &trials_of_moves(&told));
}

fn all_are_noticed(bugs: &[Bug], trials: &[Trial<'_>]) {
    let only = std::env::var("SIMULATION_BUG").ok();
    let is_wanted = |bug: &&Bug| only.as_ref().is_none_or(|only| format!("{bug:?}") == *only);
    let bugs: Vec<Bug> = bugs.iter().filter(is_wanted).copied().collect();
    let caught = Mutex::new(BTreeMap::new());
    side_by_side(bugs.len(), |index| {
        let bug = bugs[index];
        let catch = hunt(bug, trials);
        caught.lock().unwrap().insert(bug, catch);
    });
    let table = Table(caught.into_inner().unwrap());
    println!("{table}");
    let audited = table.0.values().flatten().filter(|catch| !catch.audit.is_empty()).count();
    println!(
        "bugs: {}, noticed: {}, of these withheld by the audit: {audited}",
        bugs.len(),
        table.0.values().flatten().count()
    );
    let missed: Vec<&Bug> = table.0.iter().filter(|(_, catch)| catch.is_none()).map(|(bug, _)| bug).collect();
    assert!(missed.is_empty(), "not noticed within {} plans: {missed:?}", trials.len());
}

/// How the stories go without faults and bugs; nothing is wrong with any.
fn clean_outcomes(tales: impl Iterator<Item = Tale>) -> Vec<(Case, Outcome)> {
    let cases: Vec<Case> = tales.map(|tale| Case::of(tale, Plan::default())).collect();
    let outcomes = Mutex::new(BTreeMap::new());
    side_by_side(cases.len(), |index| {
        let outcome = cases[index].clean();
        assert!(outcome.problems.is_empty(), "{} without faults: {:#?}", cases[index], outcome.problems);
        outcomes.lock().unwrap().insert(index, outcome);
    });
    cases.into_iter().zip(outcomes.into_inner().unwrap().into_values()).collect()
}

fn trials(told: &[(Case, Outcome)]) -> Vec<Trial<'_>> {
    let mut trials: Vec<Trial<'_>> =
        told.iter().map(|(case, clean)| Trial { case: case.clone(), clean }).collect();
    let clean = |tale| &told.iter().find(|(case, _)| *case == Case::of(tale, Plan::default())).unwrap().1;
    let mut add = |tale, at, harm| {
        let plan = Plan::from(Fault::new(at, harm).unwrap());
        trials.push(Trial { case: Case::of(tale, plan), clean: clean(tale) });
    };
    let writes = clean(Tale::Classic).census.writes;
    for n in 1..=DEATHS {
        add(Tale::Classic, at(Series::Write, n * writes / (DEATHS + 1)), Harm::CrashAfter);
    }
    // At the very beginning, and where the copy is deleted and the order changed.
    let events = clean(Tale::Crossed).census.events;
    for event in (1..=8).chain(events / 3..events / 2) {
        add(Tale::Crossed, at(Series::Event, event), LATE);
    }
    trials
}

/// Every story of orders that hold data, without faults and with deaths spread over it.
fn trials_of_moves(told: &[(Case, Outcome)]) -> Vec<Trial<'_>> {
    let dies = |case: &Case, clean: &Outcome, n: u32| {
        let point = at(Series::Write, n * clean.census.writes / (DEATHS + 1));
        Case::of(case.tale(), Plan::from(Fault::new(point, Harm::CrashAfter).unwrap()))
    };
    let clean = told.iter().map(|(case, clean)| Trial { case: case.clone(), clean });
    let deaths = (1..=DEATHS)
        .flat_map(|n| told.iter().map(move |(case, clean)| Trial { case: dies(case, clean, n), clean }));
    clean.chain(deaths).collect()
}

fn at(series: Series, n: u32) -> Point {
    Point::Nth(series, NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN))
}

/// Plays one trial after the other until the bug is noticed, and makes sure that nothing is wrong without it.
fn hunt(bug: Bug, trials: &[Trial<'_>]) -> Option<Catch> {
    trials.iter().enumerate().find_map(|(index, Trial { case, clean })| {
        let (played, audit) = sabotage::with(bug, || case.play(clean));
        let by: BTreeSet<String> = played.outcome.problems.iter().map(|problem| catcher(problem)).collect();
        if by.is_empty() {
            return None;
        }
        let without = case.play(clean).outcome.problems;
        assert!(without.is_empty(), "{case} goes wrong without any bug: {without:#?}");
        let audit = audit.iter().map(|violation| word(&format!("{violation:?}"))).collect();
        Some(Catch { by, audit, plans: index + 1, case: played.case })
    })
}

/// Who speaks in a problem of an outcome.
fn catcher(problem: &str) -> String {
    if problem.contains("no rest within") {
        "no rest".to_owned()
    } else if problem.starts_with("it ends otherwise") {
        "another end".to_owned()
    } else {
        word(problem)
    }
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric()).collect()
}

/// Does everything of a number, on all cores.
fn side_by_side(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    work(index);
                }
            });
        }
    });
}

struct Table(BTreeMap<Bug, Option<Catch>>);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(" ");
        writeln!(f, "{:<24} {:>5}  noticed by / withheld by the audit / in", "bug", "plans")?;
        for (bug, catch) in &self.0 {
            let bug = format!("{bug:?}");
            match catch {
                Some(Catch { by, audit, plans, case }) => writeln!(
                    f,
                    "{bug:<24} {plans:>5}  {} / {} / {}",
                    listed(by),
                    if audit.is_empty() { "-".to_owned() } else { listed(audit) },
                    case,
                )?,
                None => writeln!(f, "{bug:<24}     -  nobody")?,
            }
        }
        Ok(())
    }
}
