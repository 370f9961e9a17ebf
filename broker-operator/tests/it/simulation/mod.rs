//! The operator in simulated worlds.

mod run;
mod template;

use broker_testkit::simulation::Weather;

use self::run::Run;
use self::template::Template;

#[test]
fn the_classic_story_replays_byte_for_byte() {
    let play = || Run { seed: 7, story: Template::market().classic(), weather: Weather::FAIR }.play();
    let (first, second) = (play(), play());
    for entry in first.history.entries() {
        println!("{:?} {}", entry.at, run::line(&entry.event));
    }
    println!("{} entries", first.history.entries().len());
    let text = |run: &run::Outcome| {
        run.history
            .entries()
            .iter()
            .map(|entry| format!("{:?} {:?}\n", entry.at, entry.event))
            .collect::<String>()
    };
    let (first, second) = (text(&first), text(&second));
    if first != second {
        let at = first.lines().zip(second.lines()).position(|(a, b)| a != b);
        panic!(
            "differs at {at:?}:\n{:?}\n{:?}",
            first.lines().nth(at.unwrap_or(0)),
            second.lines().nth(at.unwrap_or(0))
        );
    }
}

#[test]
fn timing() {
    Template::get();
    let began = std::time::Instant::now();
    for seed in 0..1 {
        let run = Run { seed, story: Template::market().classic(), weather: Weather::FAIR }.play();
        run.ended.unwrap();
    }
    println!("{:?} each", began.elapsed() / 20);
    let began = std::time::Instant::now();
    for seed in 17..20 {
        let story = Template::market().drawn(&mut broker_testkit::simulation::Dice::new(seed, "story"));
        println!("{story}");
        let run = Run { seed, story: story.clone(), weather: Weather::FAIR }.play();
        println!("seed {seed} {:?}", began.elapsed());
        if let Err(error) = run.ended {
            println!("seed {seed}: {error}\n{story}");
            for entry in run
                .history
                .entries()
                .iter()
                .filter(|e| !matches!(&e.event, broker_testkit::simulation::history::Event::Called(_)))
                .take(400)
            {
                println!("{:?} {}", entry.at, run::line(&entry.event));
            }
            break;
        }
    }
    println!("{:?} each", began.elapsed() / 20);
}
