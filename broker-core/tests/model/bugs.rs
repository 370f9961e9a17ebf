//! Known bugs, put in one at a time: the search is shown to find each, by the promise that it breaks.

use broker_core::order::Fence;
use broker_core::sabotage::Bug;

use super::event::{Event, Say};
use super::moves::ALWAYS_RESTS;
use super::search::search;
use super::setting::{Begin, Setting, Way};

const FREE: Way = Way::Free;
const STAGED: Way = Way::Staged { back: false, approval: false };
const WITH_A_WAY_BACK: Way = Way::Staged { back: true, approval: false };

/// Which bug is put into which way of moving, and part of the words of the promise that it breaks.
const KNOWN: &[(Bug, Way, &str)] = &[
    (Bug::SwitchedBeforeStages, STAGED, "no switch comes before every stage"),
    (Bug::FenceNeverLifted, STAGED, "no fence is left up"),
    (Bug::SwitchedUnfenced, STAGED, "no switch comes without the fence"),
    (Bug::PreconditionIgnored, STAGED, "a stage makes nothing before"),
    (Bug::HelpersLeftBehind, STAGED, "no helper outlives its move"),
    (Bug::CancelledAfterSwitch, STAGED, "never called off"),
    (Bug::WentBackWithLoss, STAGED, "no acknowledged write is lost"),
    (Bug::WayBackUnfenced, WITH_A_WAY_BACK, "no acknowledged write is lost"),
    (Bug::RolledBackFirst, WITH_A_WAY_BACK, "a way back is over only once"),
    (Bug::OldCopyOpenedEarly, WITH_A_WAY_BACK, "no acknowledged write is lost"),
    (Bug::CutoverWithoutEnd, STAGED, "no fence is left up"),
    (Bug::OldCopyDeletedFirst, FREE, "the copy that serves is never deleted"),
    (Bug::GraceIgnored, FREE, "and the grace period"),
    (Bug::NoReturnUnrecorded, FREE, "the point of no return is recorded"),
    (Bug::SwitchedToUnready, FREE, "the pointer never names a copy that was not ready"),
    (Bug::FinalizerReleasedEarly, FREE, "the finalizer is held"),
    (Bug::StatusNeverTheSame, FREE, ALWAYS_RESTS),
];

#[test]
fn every_known_bug_yields_a_run_that_breaks_the_promise_it_is_about() {
    let only = std::env::var("MODEL_BUG").ok();
    let wanted = |bug: &Bug| only.as_ref().is_none_or(|only| format!("{bug:?}") == *only);
    let mut missed = Vec::new();
    for (bug, way, promise) in KNOWN.iter().filter(|(bug, ..)| wanted(bug)) {
        // Nobody notices that one unless somebody says the word.
        let said = (*bug == Bug::CancelledAfterSwitch).then_some(Event::Says(Say::Cancel));
        let setting = Setting::new("sabotaged", *way, fence(*way)).begin(Begin::Move).bug(*bug).freely(said);
        let found = (0..=1).find_map(|budget| {
            let found = search(&setting.clone().budget(budget));
            (!found.broken.is_empty()).then_some((budget, found))
        });
        let Some((budget, found)) = found else {
            missed.push(format!("{bug:?}: nothing"));
            continue;
        };
        let caught = found.broken.iter().find(|(words, _)| words.contains(promise));
        let audit = if found.withheld { "; the audit would have withheld it" } else { "" };
        match caught {
            Some((words, run)) => println!(
                "{bug:?} breaks \"{words}\" with {budget} disturbances, within {} states and {:.1}s{audit}\n{run}",
                found.states,
                found.took.as_secs_f64()
            ),
            None => missed.push(format!("{bug:?}: {:?}", found.broken)),
        }
    }
    assert!(missed.is_empty(), "not noticed, or by another promise: {missed:#?}");
}

fn fence(way: Way) -> Fence {
    if way == FREE { Fence::BestEffort } else { Fence::Required }
}
