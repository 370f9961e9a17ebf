//! An operator that starts while the servers' lists lag, and whose watches are late.

use broker_testkit::fault::Plan;
use broker_testkit::simulation::{Manners, Step, Story, Weather};

use super::run::{Outcome, Run};
use super::template::Goods;

/// An order that is served, in the end of which the operator dies and another begins.
fn played(plan: &str) -> Outcome {
    let market = Goods::Free.market();
    let steps = vec![
        market.offer("internal-ca"),
        market.offer("public-ca"),
        market.order("acme", "my-app-cert", "internal-ca"),
        Step::Settle,
        market.order("acme", "my-app-cert", "public-ca"),
        Step::Settle,
    ];
    let (manners, plan) = (vec![Manners::PROMPT; 3], plan.parse::<Plan>().unwrap());
    Run { goods: Goods::Free, seed: 1, story: Story { steps }, manners, weather: Weather::FAIR, plan }.play()
}

#[test]
fn what_a_list_does_not_show_is_not_taken_for_gone() {
    let clean = played("none");
    assert!(clean.problems.is_empty(), "{:#?}", clean.problems);
    let (lists, writes) = (clean.census.lists, clean.census.writes);
    // Every watch of the second operator begins late, so that it decides from what the lists say.
    let late: Vec<String> = (lists + 1..=2 * lists).map(|watch| format!("s{watch}!delay(5s)")).collect();
    let plays = |write: u32, list: u32| {
        let plan = format!("w{write}!crash-after,l{list}!stale(12),{}", late.join(","));
        let outcome = played(&plan);
        assert!(outcome.problems.is_empty(), "{plan}: {:#?}", outcome.problems);
        assert_eq!(outcome.end, clean.end, "{plan}");
        assert!(!says(&outcome, "AssignmentLost"), "{plan}");
        outcome
    };
    let mut told = 0;
    for list in lists + 1..=2 * lists {
        let outcome = plays(writes, list);
        let stale = outcome.injected.iter().filter(|injected| injected.fault.to_string().contains("stale"));
        let of = |kind: &str| {
            stale.clone().any(|it| it.asked.as_ref().is_some_and(|asked| asked.resource().starts_with(kind)))
        };
        if of("certificates") || of("assignments") {
            // In the middle of the move, too, and before it.
            plays(writes * 2 / 3, list);
            plays(writes / 3, list);
            told += 1;
        }
    }
    assert_eq!(told, 2, "orders and copies, and the records");
}

#[test]
fn a_secret_of_our_own_is_no_stranger_where_the_answer_was_lost_and_the_watch_is_late() {
    let is_of_secrets = |outcome: &Outcome, index: usize| {
        let asked = outcome.injected.get(index).and_then(|injected| injected.asked.clone());
        asked.is_some_and(|asked| asked.resource() == "secrets")
    };
    let hands_over = |write: &u32| is_of_secrets(&played(&format!("w{write}!lost")), 0);
    let write = (1..30).find(hands_over).expect("a Secret is handed over");
    let mut late = 0;
    for event in 1..16 {
        let plan = format!("w{write}!lost,e{event}!delay(2s)");
        let outcome = played(&plan);
        late += u32::from(is_of_secrets(&outcome, 0) && is_of_secrets(&outcome, 1));
        assert!(outcome.problems.is_empty(), "{plan}: {:#?}", outcome.problems);
        assert!(!says(&outcome, "ForeignObject"), "{plan}");
    }
    assert!(late > 0, "the watch of Secrets was late in none of them");
}

/// Whether anything that was ever written says so.
fn says(outcome: &Outcome, word: &str) -> bool {
    outcome.history.entries().iter().any(|entry| format!("{:?}", entry.event).contains(word))
}
