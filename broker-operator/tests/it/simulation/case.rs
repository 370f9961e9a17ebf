//! Cases: each has a name that says everything about it, so that any can be played again.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use broker_testkit::fault::{Census, Harm, Plan};
use broker_testkit::simulation::{Dice, Manners, Weather};

use super::run::{Outcome, Run};
use super::template::Goods;

/// The seed of the classic story: its exhaustive cases differ in their faults alone.
const CLASSIC: u64 = 1;

/// One story with faults in it.
///
/// Written `classic/w9!crash-after`, `recalled/e3!stall` or `drawn-4711/w9!crash-after,r3!503`: a story that has a name,
/// such as the mission's, or that of a number, and the plan of faults. `drawn-4711` and `kept-4711` alone, the one free and
/// the other of orders that hold data, have the faults that follow from their number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    tale: Tale,
    plan: Option<Plan>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tale {
    Classic,
    Namesakes,
    Obstructed,
    Crossed,
    Kept,
    Recalled,
    Irrevocable,
    CalledOff,
    Left,
    Drawn(u64),
    DrawnKept(u64),
}

impl Tale {
    /// Those with a name.
    pub(crate) const NAMED: [(&str, Self); 9] = [
        ("classic", Self::Classic),
        ("namesakes", Self::Namesakes),
        ("obstructed", Self::Obstructed),
        ("crossed", Self::Crossed),
        ("kept", Self::Kept),
        ("recalled", Self::Recalled),
        ("irrevocable", Self::Irrevocable),
        ("called-off", Self::CalledOff),
        ("left", Self::Left),
    ];
    /// What is ordered in it.
    pub(crate) fn goods(self) -> Goods {
        match self {
            Self::Classic | Self::Namesakes | Self::Obstructed | Self::Crossed | Self::Drawn(_) => {
                Goods::Free
            }
            Self::Kept
            | Self::Recalled
            | Self::Irrevocable
            | Self::CalledOff
            | Self::Left
            | Self::DrawnKept(_) => Goods::Kept,
        }
    }
}

impl Case {
    pub(crate) fn of(tale: Tale, plan: Plan) -> Self {
        Self { tale, plan: Some(plan) }
    }

    /// A drawn story with the faults that follow from its number.
    pub(crate) fn drawn(tale: Tale) -> Self {
        Self { tale, plan: None }
    }

    /// The platform on which it is played.
    pub(crate) fn goods(&self) -> Goods {
        self.tale.goods()
    }

    /// The faults that are spelt out.
    pub(crate) fn plan(&self) -> Plan {
        self.plan.clone().unwrap_or_default()
    }

    pub(crate) fn tale(&self) -> Tale {
        self.tale
    }

    fn with(&self, plan: Plan) -> Self {
        Self { plan: Some(plan), ..*self }
    }

    fn run(&self) -> Run {
        let goods = self.goods();
        let market = goods.market();
        let prompt = |story| Run {
            goods,
            seed: CLASSIC,
            story,
            manners: vec![Manners::PROMPT; 3],
            weather: Weather::FAIR,
            plan: Plan::default(),
        };
        match self.tale {
            Tale::Classic => prompt(market.classic()),
            Tale::Namesakes => prompt(market.namesakes()),
            Tale::Obstructed => prompt(market.obstructed()),
            Tale::Crossed => prompt(market.crossed()),
            Tale::Kept => prompt(market.kept()),
            Tale::Recalled => prompt(market.recalled()),
            Tale::Irrevocable => prompt(market.irrevocable()),
            Tale::CalledOff => prompt(market.called_off()),
            Tale::Left => prompt(market.left()),
            Tale::Drawn(number) | Tale::DrawnKept(number) => {
                let mut dice = Dice::new(number, "story");
                let story = match goods {
                    Goods::Free => market.drawn(&mut dice),
                    Goods::Kept => market.drawn_kept(&mut dice),
                };
                Run {
                    goods,
                    seed: number,
                    story,
                    manners: (0..3).map(|_| Manners::drawn(&mut dice)).collect(),
                    weather: Weather::FAIR,
                    plan: Plan::default(),
                }
            }
        }
    }

    /// Plays it without faults.
    pub(crate) fn clean(&self) -> Outcome {
        self.run().play()
    }

    /// Plays it. What must come of it follows from the same story without faults.
    pub(crate) fn play(&self, clean: &Outcome) -> Played {
        let case = match (&self.plan, self.tale) {
            (None, Tale::Drawn(number) | Tale::DrawnKept(number)) => {
                self.with(drawn_faults(number, &clean.census))
            }
            _ => self.clone(),
        };
        let plan = case.plan.clone().unwrap_or_default();
        let mut outcome = Run { plan, ..case.run() }.play();
        if outcome.end != clean.end {
            outcome.problems.push(format!(
                "it ends otherwise than without faults:{}",
                difference(&clean.end, &outcome.end)
            ));
        }
        Played { case, outcome }
    }

    /// The same with less that goes wrong, as long as something is wrong with it.
    pub(crate) fn shrunk(self, clean: &Outcome) -> Self {
        let mut smallest = self;
        'smaller: loop {
            for plan in smallest.plan.clone().unwrap_or_default().shrink() {
                let candidate = smallest.with(plan);
                if !candidate.play(clean).outcome.problems.is_empty() {
                    smallest = candidate;
                    continue 'smaller;
                }
            }
            return smallest;
        }
    }
}

/// A case that was played.
pub(crate) struct Played {
    /// With its faults spelt out.
    pub(crate) case: Case,
    pub(crate) outcome: Outcome,
}

/// Every harm there is.
pub(crate) fn harms() -> Vec<Harm> {
    Harm::OF_TRANSPORT.iter().chain(Harm::OF_WORLD).copied().collect()
}

/// One to three faults anywhere in a run that was counted.
fn drawn_faults(number: u64, census: &Census) -> Plan {
    let mut dice = Dice::new(number, "faults");
    let singles = census.plans(&harms());
    let count = 1 + dice.below(3);
    (0..count)
        .filter_map(|_| dice.one_of(&singles))
        .flat_map(|plan| plan.faults().collect::<Vec<_>>())
        .collect()
}

fn difference(wanted: &impl fmt::Display, found: &impl fmt::Display) -> String {
    let (wanted, found) = (wanted.to_string(), found.to_string());
    let lacks = |from: &str, other: &str, mark: &str| {
        let others: Vec<&str> = other.lines().collect();
        let lacking = from.lines().filter(|line| !others.contains(line));
        lacking.map(|line| format!("\n    {mark} {}", line.trim())).collect::<Vec<_>>().concat()
    };
    lacks(&wanted, &found, "-") + &lacks(&found, &wanted, "+")
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tale {
            Tale::Drawn(number) => write!(f, "drawn-{number}")?,
            Tale::DrawnKept(number) => write!(f, "kept-{number}")?,
            tale => {
                let named = Tale::NAMED.iter().find(|(_, named)| *named == tale);
                write!(f, "{}", named.map_or("", |(name, _)| name))?;
            }
        }
        self.plan.as_ref().map_or(Ok(()), |plan| write!(f, "/{plan}"))
    }
}

impl FromStr for Case {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (tale, plan) = text.split_once('/').map_or((text, None), |(tale, plan)| (tale, Some(plan)));
        let named = Tale::NAMED.iter().find(|(name, _)| *name == tale).map(|(_, tale)| *tale);
        let number = |text: &str| text.parse().with_context(|| format!("{text} is no number"));
        let tale = if let Some(named) = named {
            named
        } else if let Some(text) = tale.strip_prefix("drawn-") {
            Tale::Drawn(number(text)?)
        } else if let Some(text) = tale.strip_prefix("kept-") {
            Tale::DrawnKept(number(text)?)
        } else {
            bail!(
                "{tale} is no story: {:?}, or drawn- or kept- and a number",
                Tale::NAMED.map(|(name, _)| name)
            );
        };
        let plan = plan.map(str::parse).transpose()?;
        Ok(Self { tale, plan })
    }
}
