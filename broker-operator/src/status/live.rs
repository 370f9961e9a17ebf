//! An order followed: shown again whenever it is not what it was.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::process::ExitCode;

use broker_kcp::reconcile::{OrderQuery, follow_standing};

use super::{OrderStatus, StatusArgs, shown};
use crate::platform::{ListOutput, Platform};

/// Shows an order until the output is closed, or nobody can tell any more.
pub(super) async fn follow(
    platform: &Platform,
    query: &OrderQuery,
    args: &StatusArgs,
) -> anyhow::Result<ExitCode> {
    platform.answers().await?;
    let access = platform.access().await?;
    let is_text = matches!(args.output, ListOutput::Table | ListOutput::Wide);
    let redraws = is_text && std::io::stdout().is_terminal();
    let mut last = String::new();
    let mut failure = None;
    follow_standing(access, query, |answer| {
        let text = match answer.map_err(anyhow::Error::from).and_then(|standing| {
            let status = OrderStatus::from(&standing);
            shown(&status, args.output)
        }) {
            Ok(text) => text,
            Err(error) => {
                failure = Some(error);
                return ControlFlow::Break(());
            }
        };
        if text == last {
            return ControlFlow::Continue(());
        }
        let mut out = std::io::stdout().lock();
        let cleared = if redraws { write!(out, "\x1b[2J\x1b[H") } else { Ok(()) };
        let written = cleared.and_then(|()| out.write_all(text.as_bytes())).and_then(|()| out.flush());
        last = text;
        // Whoever read it has gone.
        if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await?;
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}
