//! `cargo xtask bench`: numbers that anybody can reproduce.

mod calls;
mod control_plane;
mod e2e;
mod moves;
mod numbers;
mod operator;
mod restart;
mod server;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// The whole system with the certificates of the demo: latencies, calls at rest, a burst, memory.
    E2e(E2e),
    /// Many moves by a playbook, all under way at once: calls while they wait, and that all of them end.
    Moves(Moves),
    /// A broker that starts beside many orders at rest: how soon it is at rest, its writes, its memory; and how long
    /// `status -A` takes.
    Restart(Restart),
    /// The embedded control plane alone: its start, writes, watches and memory.
    ControlPlane(PlaneBench),
}

/// How to measure the embedded control plane.
#[derive(Debug, Args)]
pub(crate) struct PlaneBench {
    /// How many times it is started.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    starts: u32,
    /// How many objects are written.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    writes: u32,
    /// How many clients write at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    clients: u32,
    /// How many changes each watch is told.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    events: u32,
    /// How many watches are open.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    watches: u32,
    /// How many objects there are while their memory is measured.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    objects: u32,
}

/// How to measure a start.
#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// How many orders there are.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// The operator to measure; by default the one built beside this program.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
}

/// How to measure many moves.
#[derive(Debug, Args)]
pub(crate) struct Moves {
    /// How many orders move at once.
    #[arg(long = "moves", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    number: u32,
    /// How long the calls are counted while they wait, in seconds.
    #[arg(long, default_value_t = 60)]
    window: u64,
    /// The operator to measure; by default the one built beside this program.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
}

/// How to measure the whole system.
#[derive(Debug, Args)]
pub(crate) struct E2e {
    /// On which server.
    #[arg(long, value_enum, default_value_t)]
    on: On,
    /// How many orders are placed and moved, one after the other.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    orders: u32,
    /// How many orders stay at rest while the calls are counted.
    #[arg(long, default_value_t = 20)]
    resting: u32,
    /// How long the calls are counted, in seconds.
    #[arg(long, default_value_t = 60)]
    window: u64,
    /// How many orders are placed at once.
    #[arg(long, default_value_t = 200)]
    burst: u32,
    /// The operator to measure; by default the one built beside this program.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
}

/// The servers to measure on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum On {
    /// The embedded control plane.
    Embedded,
    /// A real kcp.
    Kcp,
    /// One after the other.
    #[default]
    Both,
}

impl Bench {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::E2e(e2e) => e2e.run().await,
            Self::Moves(moves) => moves::run(&moves).await,
            Self::Restart(restart) => restart::run(&restart).await,
            Self::ControlPlane(plane) => control_plane::run(&plane).await,
        }
    }
}

impl E2e {
    async fn run(self) -> anyhow::Result<()> {
        let mut columns = Vec::new();
        if self.on != On::Kcp {
            let server = server::embedded().await?;
            columns.push(("embedded", e2e::measure(&server, &self).await?));
        }
        if self.on != On::Embedded {
            let server = server::kcp().await?;
            columns.push(("kcp", e2e::measure(&server, &self).await?));
        }
        println!("{}", numbers::markdown(&columns, &self));
        Ok(())
    }
}
