//! The migration engine, searched whole: every order in which things can happen to one order, and to two that share a
//! budget, with the decisions that the broker really makes. See docs/model.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::similar_names,
    clippy::semicolon_if_nothing_returned,
    reason = "a test may fail loudly, and nothing here is decided by the order of a map"
)]

mod bugs;
mod event;
mod moves;
mod planning;
mod promises;
mod search;
mod setting;
mod shared;
mod state;
mod writing;

use broker_core::order::Fence;

use self::search::search;
use self::setting::{Begin, Setting, Way};

/// Searches with more and more disturbances: what is found broken is broken with as few as can be.
fn holds(setting: &Setting) {
    for budget in 0..=setting.budget {
        let setting = setting.clone().budget(budget);
        let found = search(&setting);
        println!(
            "{setting}: {} states, {} as the broker sees them, {:.1}s",
            found.states,
            found.views,
            found.took.as_secs_f64()
        );
        for (promise, run) in &found.broken {
            println!("BROKEN with {budget} disturbances: {promise}\n{run}");
        }
        assert!(found.broken.is_empty(), "{setting}: {:?}", found.broken.keys());
    }
}

fn budget(or: u8) -> u8 {
    std::env::var("MODEL_DISTURBANCES").ok().and_then(|text| text.parse().ok()).unwrap_or(or)
}

#[test]
fn a_first_placement_keeps_every_promise() {
    holds(&Setting::new("placement", Way::Free, Fence::BestEffort).begin(Begin::Placement).budget(budget(1)));
}

#[test]
fn a_free_move_keeps_every_promise() {
    holds(&Setting::new("free", Way::Free, Fence::BestEffort).budget(budget(1)));
}

#[test]
fn a_staged_move_keeps_every_promise() {
    let way = Way::Staged { back: false, approval: false };
    holds(&Setting::new("staged", way, Fence::Required).budget(budget(1)));
}

#[test]
fn a_staged_move_with_a_way_back_keeps_every_promise() {
    let way = Way::Staged { back: true, approval: true };
    holds(&Setting::new("staged, with a way back", way, Fence::Required).budget(budget(0)));
}

#[test]
fn a_staged_move_under_a_fence_as_good_as_it_gets_keeps_every_promise() {
    let way = Way::Staged { back: false, approval: false };
    holds(&Setting::new("staged, best effort", way, Fence::BestEffort).budget(budget(0)));
}
