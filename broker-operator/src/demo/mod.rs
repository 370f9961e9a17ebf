//! The command `demo`: the mission's certificate story on the embedded control plane, with the very
//! operator that `run` starts, told as it happens and measured.
//!
//! [`stage`] builds the small world of it, on any server that speaks kcp; [`market`] a larger one, with several APIs.

mod error;
mod facts;
mod keep;
pub mod market;
mod progress;
pub mod stage;
mod story;

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use broker_testkit::control_plane::ControlPlane;
use broker_testkit::provider::{CertificateAuthority, samples};
use tokio_util::sync::CancellationToken;

pub use error::DemoError;
pub use facts::{Change, Facts, Reads};
use progress::Progress;
use stage::Stage;
use story::Cast;

use crate::Operator;

/// Enough to be seen, and short enough for somebody who waits.
const GRACE: Duration = Duration::from_secs(1);

/// Shows a certificate ordered, brokered and moved, on an embedded control plane.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// How the facts at the end are printed; with `json` the progress goes to standard error.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Leave everything running, print the kubeconfig and what to try, and wait for Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// For whom the facts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people: a table.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
}

/// Shows the story. It fails where anything was not as promised.
pub async fn demo(args: &DemoArgs) -> anyhow::Result<()> {
    let progress = match args.output {
        Output::Text => Progress::new(Box::new(io::stdout())),
        Output::Json => Progress::new(Box::new(io::stderr())),
    };
    let started = Instant::now();
    let server = ControlPlane::builder().start().await.context("the embedded control plane cannot start")?;
    progress.say(&format!("Embedded control plane at {}", server.url()))?;
    let stage = Stage::build(server.admin_config(), "root", GRACE).await?;
    let (internal, public, consumer) = tokio::try_join!(
        stage.provider("internal-ca", CertificateAuthority::new("Internal CA").map_err(DemoError::from)?),
        stage.provider("public-ca", CertificateAuthority::new("Public CA").map_err(DemoError::from)?),
        stage.consumer("acme"),
    )?;
    internal.offer(samples::OFFER_INTERNAL).await?;
    public.offer(samples::OFFER_PUBLIC).await?;
    progress.say("Workspaces: root:platform; root:internal-ca takes *.internal.corp; root:public-ca takes *.corp.com; root:acme orders")?;

    let shutdown = CancellationToken::new();
    let operator = Operator::builder().config(stage.broker().clone()).build().await?;
    let mut operator = tokio::spawn(operator.run(shutdown.clone().cancelled_owned()));
    progress.say(&format!(
        "Operator running with the rights of its ServiceAccount; ready after {:.1} s. Old copies go after {} s here, after 30 s by default",
        started.elapsed().as_secs_f64(),
        GRACE.as_secs()
    ))?;

    let cast = Cast { internal: &internal, public: &public, consumer: &consumer };
    let facts = tokio::select! {
        facts = story::play(&stage, &cast, GRACE, &progress) => facts?,
        ended = &mut operator => {
            ended.context("the operator broke down")?.context("the operator ended")?;
            bail!("the operator ended before the story did");
        }
    };
    progress.say("")?;
    match args.output {
        Output::Text => println!("{}", facts.table()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&facts)?),
    }
    if args.keep {
        keep::until_interrupted(&server, &progress).await?;
    }
    shutdown.cancel();
    operator.await.context("the operator broke down")?.context("the operator did not end well")?;
    drop((internal, public));
    server.shutdown().await;
    if !facts.succeeded {
        bail!("{} of {} reads of the Secret found something unusable", facts.reads.bad(), facts.reads.total);
    }
    Ok(())
}
