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
use self::setting::{Ask, Begin, Setting, Way};

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
        let moves = setting.begin != Begin::Placement;
        assert!(found.switched || !moves, "{setting}: no order was ever switched over");
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
    holds(&Setting::new("staged, with a way back", way, Fence::Required).budget(budget(1)));
}

#[test]
fn a_staged_move_under_a_fence_as_good_as_it_gets_keeps_every_promise() {
    let way = Way::Staged { back: false, approval: false };
    holds(&Setting::new("staged, best effort", way, Fence::BestEffort).budget(budget(0)));
}

#[test]
fn a_free_move_and_another_after_it_keep_every_promise() {
    holds(&Setting::new("free, twice", Way::Free, Fence::BestEffort).moves(2).budget(budget(1)));
}

#[test]
fn a_free_move_that_a_person_asks_for_keeps_every_promise() {
    for (name, ask) in [("free, asked for", Ask::Move), ("free, skipSource", Ask::SkipSource)] {
        holds(&Setting::new(name, Way::Free, Fence::BestEffort).ask(ask).budget(budget(1)));
    }
}

#[test]
fn a_staged_move_that_a_person_asks_for_keeps_every_promise() {
    let way = Way::Staged { back: false, approval: false };
    for (name, ask) in [("staged, asked for", Ask::Move), ("staged, skipSource", Ask::SkipSource)] {
        holds(&Setting::new(name, way, Fence::Required).ask(ask).budget(budget(0)));
    }
}
