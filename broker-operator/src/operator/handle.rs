//! A running operator, seen from outside: for the probes, the shutdown and the tests of whoever embeds it.

use broker_kcp::reconcile::{ExplainError, OrderQuery, QueueReport, Readiness, Service, Status};
use tokio::sync::watch;

use crate::explain::Report;

/// The operator ended before what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operator has ended")]
pub struct OperatorEnded;

/// Looks at a running [`Operator`](super::Operator) from outside.
#[derive(Clone, Debug)]
pub struct OperatorHandle {
    service: Service,
    leading: watch::Receiver<bool>,
}

impl OperatorHandle {
    pub(super) const fn new(service: Service, leading: watch::Receiver<bool>) -> Self {
        Self { service, leading }
    }

    /// How the broker is doing.
    pub fn status(&self) -> Status {
        self.service.status()
    }

    /// What it has read, and what it waits for.
    pub fn readiness(&self) -> Readiness {
        self.service.readiness()
    }

    /// Its queues, each with at most `limit` of what failed and is tried again.
    pub fn queues(&self, limit: usize) -> Vec<QueueReport> {
        self.service.queues(limit)
    }

    /// Which offer serves an order, and why: from its caches, without a call.
    ///
    /// # Errors
    /// Where there is no such order, or not everything was read yet.
    pub fn explain(&self, query: &OrderQuery) -> Result<Report, ExplainError> {
        self.service.explain(query).map(Report::from)
    }

    /// Whether it holds the lead.
    pub fn is_leading(&self) -> bool {
        // What an operator that was dropped said last counts no more.
        self.leading.has_changed().is_ok() && *self.leading.borrow()
    }

    /// Waits until it holds the lead.
    ///
    /// # Errors
    /// Where the operator has ended.
    pub async fn led(&self) -> Result<(), OperatorEnded> {
        let mut leading = self.leading.clone();
        leading.wait_for(|leading| *leading).await.map(drop).map_err(|_| OperatorEnded)
    }

    /// Waits until it has read all that it depends on, as [`readiness`](Self::readiness) tells: from then on it decides,
    /// once it leads.
    ///
    /// # Errors
    /// Where the operator has ended.
    pub async fn ready(&self) -> Result<(), OperatorEnded> {
        let mut ready = self.service.watch_readiness();
        tokio::select! {
            // What one that was dropped had said is taken back a moment later.
            biased;
            () = self.ended() => Err(OperatorEnded),
            ready = ready.wait_for(|ready| *ready) => ready.map(drop).map_err(|_| OperatorEnded),
        }
    }

    /// Waits until the operator has ended, or was dropped: it decides nothing any more.
    pub async fn ended(&self) {
        // It says whether it leads for as long as it is there.
        let _ = self.leading.clone().wait_for(|_| false).await;
    }
}
