//! An operator that starts while the servers' lists lag, and whose watches are late.

use broker_testkit::fault::Plan;
use broker_testkit::simulation::{Manners, Step, Story, Weather};

use super::run::{Outcome, Run};
use super::template::Template;

/// An order that is served, in the end of which the operator dies and another begins.
fn played(plan: &str) -> Outcome {
    let market = Template::market();
    let steps = vec![
        market.offer("internal-ca"),
        market.offer("public-ca"),
        market.order("acme", "my-app-cert", "internal-ca"),
        Step::Settle,
        market.order("acme", "my-app-cert", "public-ca"),
        Step::Settle,
    ];
    let (manners, plan) = (vec![Manners::PROMPT; 3], plan.parse::<Plan>().unwrap());
    Run { seed: 1, story: Story { steps }, manners, weather: Weather::FAIR, plan }.play()
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
