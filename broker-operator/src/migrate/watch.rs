//! Following a move: one watch, and every change of it shown until it is over.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use broker_core::time::Timestamp;
use broker_kcp::api::v1alpha1::{Migration, MigrationState};
use clap::ValueEnum;
use futures::TryStreamExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};

use super::view::{Progress, line, screen};
use crate::platform::Platform;

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// The stages and what is waited for: kept up to date on a terminal, else a line for each change.
    Text,
    /// Each state of the object, one a line.
    Json,
}

/// How often the elapsed time is drawn anew on a terminal. Nothing is asked for it.
const TICK: Duration = Duration::from_secs(1);

/// Follows a move to its end; the exit status says which.
pub(super) async fn watch(platform: &Platform, name: &str, output: Output) -> anyhow::Result<ExitCode> {
    let api = platform.migrations()?;
    let there = api.get_opt(name).await;
    if there.map_err(|error| platform.failure(&format!("reading Migration {name}"), error))?.is_none() {
        bail!("there is no Migration {name} in {}", platform.workspace);
    }
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut changes = std::pin::pin!(watcher(api, only).default_backoff());
    let mut shown = Shown::new(output);
    let mut tick = tokio::time::interval(TICK);
    let mut last: Option<Migration> = None;
    let mut seen_by_list = false;
    loop {
        let change = tokio::select! {
            change = changes.try_next() => match change {
                Ok(Some(change)) => change,
                Ok(None) => bail!("the watch of Migration {name} ended"),
                // It is opened again by itself; what cannot work was told before.
                Err(_) => continue,
            },
            _ = tick.tick(), if shown.is_live() => {
                if let Some(migration) = &last {
                    shown.draw(migration)?;
                }
                continue;
            }
        };
        match change {
            Event::Init => seen_by_list = false,
            Event::Apply(migration) | Event::InitApply(migration) => {
                seen_by_list = true;
                shown.change(&migration)?;
                if let Some(status) = ended(&migration) {
                    return Ok(ExitCode::from(status));
                }
                last = Some(migration);
            }
            Event::InitDone if seen_by_list => {}
            Event::InitDone | Event::Delete(_) => bail!("Migration {name} was deleted"),
        }
    }
}

/// What the command ends with where a move is over. One that failed after the switch waits for a person, and is shown as
/// over: whoever decides watches again.
fn ended(migration: &Migration) -> Option<u8> {
    match migration.status.as_ref()?.state? {
        MigrationState::Completed => Some(0),
        MigrationState::Failed => Some(1),
        MigrationState::RolledBack => Some(3),
        MigrationState::Cancelled => Some(4),
        MigrationState::Pending
        | MigrationState::InitialInProgress
        | MigrationState::InitialCompleted
        | MigrationState::CutoverInProgress
        | MigrationState::CutoverCompleted => None,
    }
}

/// What was printed.
struct Shown {
    output: Output,
    live: bool,
    progress: Progress,
    /// Lines on the terminal that the next drawing replaces.
    lines: usize,
    /// The last line that was printed where there is no terminal.
    last: String,
}

impl Shown {
    fn new(output: Output) -> Self {
        let live = output == Output::Text && std::io::stdout().is_terminal();
        Self { output, live, progress: Progress::default(), lines: 0, last: String::new() }
    }

    fn is_live(&self) -> bool {
        self.live
    }

    fn change(&mut self, migration: &Migration) -> anyhow::Result<()> {
        self.progress.note(migration, now());
        match self.output {
            Output::Json => println!("{}", serde_json::to_string(migration)?),
            Output::Text if self.live => self.draw(migration)?,
            Output::Text => {
                let line = line(migration, &self.progress, now());
                if line != self.last {
                    println!("{line}");
                    self.last = line;
                }
            }
        }
        std::io::stdout().flush()?;
        Ok(())
    }

    fn draw(&mut self, migration: &Migration) -> anyhow::Result<()> {
        let text = screen(migration, &self.progress, now());
        let mut out = std::io::stdout().lock();
        if self.lines > 0 {
            // Up to the first line of what was drawn before, and all below it away.
            write!(out, "\x1b[{}A\x1b[J", self.lines)?;
        }
        out.write_all(text.as_bytes())?;
        out.flush()?;
        self.lines = text.lines().count();
        Ok(())
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(k8s_openapi::jiff::Timestamp::now().as_millisecond())
}
