//! Many simulated histories, or one of them again: the operator's own simulation tests, with more to do.

use std::env;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Args;

/// Which histories are played.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// How many plans of faults: every single fault of the classic story first, then pairs and drawn stories.
    #[arg(long, default_value_t = 20_000)]
    plans: u64,
    /// The number of the first drawn story; another one draws others.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Drawn stories alone.
    #[arg(long, conflicts_with = "moves")]
    drawn: bool,
    /// Stories of orders that hold data and move by a playbook.
    #[arg(long)]
    moves: bool,
    /// Play this case again and show its history, such as `classic/w9!crash-after` or `drawn-4711`.
    #[arg(long, value_name = "CASE")]
    replay: Option<String>,
    /// Of the history show what concerns this order, such as `default/my-app-cert`.
    #[arg(long, requires = "replay")]
    order: Option<String>,
    /// Without optimising the code: built sooner, played slower.
    #[arg(long)]
    dev: bool,
}

impl Simulate {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--quiet", "--locked", "--package", "broker-operator", "--test", "it"]);
        if !self.dev {
            cargo.arg("--release");
        }
        let test = if let Some(case) = self.replay {
            cargo.env("SIMULATION_REPLAY", case);
            if let Some(order) = self.order {
                cargo.env("SIMULATION_ORDER", order);
            }
            "simulation::replay"
        } else {
            cargo.env("SIMULATION_FROM", self.from.to_string());
            if self.moves {
                cargo.env("SIMULATION_MOVES", self.plans.to_string());
                "simulation::whatever_goes_wrong_while_data_moves_nothing_of_it_is_lost"
            } else {
                cargo.env("SIMULATION_PLANS", self.plans.to_string());
                if self.drawn {
                    cargo.env("SIMULATION_STORIES", "drawn");
                }
                "simulation::whatever_goes_wrong_the_end_is_the_same"
            }
        };
        cargo.args(["--", "--exact", "--nocapture", test]);
        let status = cargo.status().context("starting cargo")?;
        ensure!(status.success(), "the simulation found something");
        Ok(())
    }
}
