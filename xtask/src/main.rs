//! The project's own chores: `cargo xtask …`.

mod bench;
mod differential;
mod simulate;

use clap::{Parser, Subcommand};

/// Chores of the resource broker's project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Measure, and print the numbers of the README as Markdown.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Let the embedded control plane and a real Kubernetes play the same sequences of requests, and compare.
    Differential(differential::Differential),
    /// Play simulated histories of the operator with faults in them, or one of them again.
    Simulate(simulate::Simulate),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    match Arguments::parse().chore {
        Chore::Bench(bench) => Box::pin(bench.run()).await,
        Chore::Differential(differential) => differential.run().await,
        Chore::Simulate(simulate) => simulate.run(),
    }
}
