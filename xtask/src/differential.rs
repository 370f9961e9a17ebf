//! Sequences of requests that the embedded control plane and a real Kubernetes play alike, by the ten thousand.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use broker_kcp::Connect as _;
use broker_testkit::contract::differential::{Campaign, News, Pair};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::kubernetes::Kubernetes;
use clap::Args;

/// So often is said how far it came.
const STEP: u64 = 1_000;

/// Which sequences are played.
#[derive(Debug, Args)]
pub(crate) struct Differential {
    /// How many.
    #[arg(long, default_value_t = 50_000)]
    sequences: u64,
    /// The seed of the series.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of the first: where an earlier run of the same seed came to.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many are played at once.
    #[arg(long, default_value_t = 8)]
    stages: usize,
}

impl Differential {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let kubernetes = Kubernetes::start().await.context("starting Kubernetes")?;
        let plane = ControlPlane::builder().start_in_process();
        let embedded = plane.in_process().connect(plane.admin_config())?;
        let pair = Pair::new(embedded, kubernetes.admin().await?).await?;
        let Self { sequences, seed, from, stages } = self;
        let campaign = Campaign { seed, from, sequences, stages, shrinks: true };
        let started = Instant::now();
        let rate = |played: u64| {
            let seconds = started.elapsed().as_secs().max(1);
            format!("{played} sequences in {seconds} s, {} a minute", played * 60 / seconds)
        };
        let report = campaign
            .run(&pair, |news| match news {
                News::Played(played) if played % STEP == 0 => {
                    println!("{}; seed {seed}, from {from}", rate(played));
                }
                News::Played(_) => {}
                News::Found(disagreement) => println!("{disagreement}"),
            })
            .await?;
        println!("{report}\n{}", rate(report.sequences));
        ensure!(report.disagreements.is_empty(), "the embedded control plane and Kubernetes disagree");
        Ok(())
    }
}
